import { latin, startsWith } from "./bytes.js";

/** EXIF's tag for it. */
const ORIENTATION = 0x0112;
const ENTRY = 12; // bytes of an entry of a TIFF directory

/** Whole numbers of TIFF, by their type: how many bytes one has, and how it is read. @type {Record<number, (view: DataView, at: number, isLittle: boolean) => number>} */
const NUMBERS = {
  3: (view, at, isLittle) => view.getUint16(at, isLittle),
  4: (view, at, isLittle) => view.getUint32(at, isLittle),
  6: (view, at) => view.getInt8(at),
  8: (view, at, isLittle) => view.getInt16(at, isLittle),
  9: (view, at, isLittle) => view.getInt32(at, isLittle),
};

/**
 * How an image is to be turned, 1 to 8, as Pillow's `exif_transpose` reads it: from EXIF, and from XMP where EXIF does not say.
 *
 * @param {Uint8Array | null} exif a TIFF structure, or one after "Exif"
 * @param {Uint8Array | null} xmp
 * @returns {number} 1 where nothing says so
 */
export function orientationOf(exif, xmp) {
  return (exif && fromExif(exif)) ?? (xmp && fromXmp(xmp)) ?? 1;
}

/**
 * @param {Uint8Array} content
 * @returns {number | null} null where it has no orientation
 */
function fromExif(content) {
  let start = 0;
  for (let times = 0; times < 2 && startsWith(content, "Exif\0\0", start); times++) start += 6;
  const view = new DataView(content.buffer, content.byteOffset + start, content.length - start);
  const isLittle = startsWith(content, "II", start);
  if (view.byteLength < 8 || !(isLittle || startsWith(content, "MM", start)) || view.getUint16(2, isLittle) !== 42) return null;
  const first = view.getUint32(4, isLittle);
  if (first + 2 > view.byteLength) return null;
  let found = null;
  for (let left = view.getUint16(first, isLittle), at = first + 2; left > 0 && at + ENTRY <= view.byteLength; left--, at += ENTRY) {
    const [tag, type, count] = [view.getUint16(at, isLittle), view.getUint16(at + 2, isLittle), view.getUint32(at + 4, isLittle)];
    if (tag === ORIENTATION && count === 1 && Object.hasOwn(NUMBERS, type)) found = NUMBERS[type](view, at + 8, isLittle);
  }
  return found;
}

/**
 * @param {Uint8Array} content
 * @returns {number | null}
 */
function fromXmp(content) {
  const found = /tiff:Orientation(?:="|>)([0-9])/.exec(latin(content));
  return found && Number(found[1]);
}
