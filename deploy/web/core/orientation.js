import { latin, startsWith } from "./bytes.js";
import { PayloadError } from "./errors.js";

/** EXIF's tag for it. */
const ORIENTATION = 0x0112;
const ENTRY = 12; // bytes of an entry of a TIFF directory, of which four hold the value, or say where it is
const ORDERS = ["MM\0*", "MM*\0", "II*\0", "II\0*"]; // the first bytes of a TIFF structure; some programs write the number in the other order

/** Numbers of TIFF, by their type: how many bytes one has, and how it is read. @type {Record<number, [number, (view: DataView, at: number, isLittle: boolean) => number]>} */
const NUMBERS = {
  3: [2, (view, at, isLittle) => view.getUint16(at, isLittle)],
  4: [4, (view, at, isLittle) => view.getUint32(at, isLittle)],
  6: [1, (view, at) => view.getInt8(at)],
  8: [2, (view, at, isLittle) => view.getInt16(at, isLittle)],
  9: [4, (view, at, isLittle) => view.getInt32(at, isLittle)],
  11: [4, (view, at, isLittle) => view.getFloat32(at, isLittle)],
  12: [8, (view, at, isLittle) => view.getFloat64(at, isLittle)],
};
const TEXTS = [1, 2, 7]; // bytes, which are no number

/**
 * How an image is to be turned, 1 to 8, as Pillow's `exif_transpose` reads it: from EXIF, and from XMP where EXIF does not say.
 *
 * @param {Uint8Array | null} exif a TIFF structure, or one after "Exif"
 * @param {Uint8Array | null} xmp
 * @returns {number} 1 where nothing says so; {@link PayloadError} for EXIF that is damaged
 */
export function orientationOf(exif, xmp) {
  return (exif && fromExif(exif)) ?? (xmp && fromXmp(xmp)) ?? 1;
}

/**
 * @param {Uint8Array} content
 * @returns {number | null} the first that there is; null where it has none
 */
function fromExif(content) {
  let start = 0;
  for (let times = 0; times < 2 && startsWith(content, "Exif\0\0", start); times++) start += 6;
  if (start === content.length) return null;
  const view = new DataView(content.buffer, content.byteOffset + start, content.length - start);
  if (view.byteLength < 8 || !ORDERS.some((order) => startsWith(content, order, start))) {
    throw new PayloadError("this image's EXIF, which says how it is to be turned, is damaged: choose another one");
  }
  const isLittle = startsWith(content, "II", start);
  const first = view.getUint32(4, isLittle);
  if (first + 2 > view.byteLength) return null;
  for (let left = view.getUint16(first, isLittle), at = first + 2; left > 0 && at + ENTRY <= view.byteLength; left--, at += ENTRY) {
    const found = view.getUint16(at, isLittle) === ORIENTATION ? valueAt(view, at, isLittle) : null;
    if (found !== null) return found;
  }
  return null;
}

/**
 * The first number of an entry.
 *
 * @param {DataView} view
 * @param {number} at
 * @param {boolean} isLittle
 * @returns {number | null} 1 for what is no number; null for an entry that is not whole
 */
function valueAt(view, at, isLittle) {
  const [type, count] = [view.getUint16(at + 2, isLittle), view.getUint32(at + 4, isLittle)];
  if (TEXTS.includes(type) && count > 0) return 1;
  if (!Object.hasOwn(NUMBERS, type) || count === 0) return null;
  const [size, read] = NUMBERS[type];
  const place = count * size > 4 ? view.getUint32(at + 8, isLittle) : at + 8;
  return place + count * size <= view.byteLength ? read(view, place, isLittle) : null;
}

/**
 * @param {Uint8Array} content
 * @returns {number | null}
 */
function fromXmp(content) {
  const found = /tiff:Orientation(?:="|>)([0-9])/.exec(latin(content));
  return found && Number(found[1]);
}
