import { joined, startsWith } from "./bytes.js";
import { PayloadError } from "./errors.js";
import { orientationOf } from "./orientation.js";

/**
 * A file with nothing left that a browser could follow but the pixels: no orientation and no colour profile. How it is to be turned, and
 * its size as it is stored, are beside it.
 *
 * @typedef {{content: Blob, width: number, height: number, orientation: number}} Bare
 */

const DAMAGED = "this JPEG image is damaged: choose another one";
const XMP = "http://ns.adobe.com/xap/1.0/\0";
const EXIF = "Exif\0\0";
const [END, SCAN, JFIF, METADATA, ADOBE] = [0xd9, 0xda, 0xe0, 0xe1, 0xee];

/** Markers with no length after them. @param {number} marker */
const isAlone = (marker) => marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8);

/** Of a frame, which has its size. @param {number} marker */
const isFrame = (marker) => marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);

/** What a decoder needs: of the applications' markers, those of JFIF and Adobe say how colours are stored. @param {number} marker */
const isKept = (marker) => marker <= JFIF || marker === ADOBE;

/** @param {Uint8Array} content */
export function isJpeg(content) {
  return startsWith(content, "\xff\xd8\xff");
}

/**
 * Browsers differ in whether they turn an image, and in what they do by a colour profile; without either in the file, none does
 * anything.
 *
 * @param {Uint8Array<ArrayBuffer>} content
 * @returns {Bare} {@link PayloadError} for a file that is not whole
 */
export function bareJpeg(content) {
  const segments = segmentsOf(content);
  const size = segments.find(({ marker, body }) => isFrame(marker) && body.length >= 5)?.body;
  if (size === undefined) throw new PayloadError(DAMAGED);
  const [height, width] = [size[1] * 256 + size[2], size[3] * 256 + size[4]];
  if (!width || !height) throw new PayloadError(DAMAGED);
  const metadata = segments.filter(({ marker }) => marker === METADATA).map(({ body }) => body);
  const exif = metadata.filter((body) => startsWith(body, EXIF)).map((body) => body.subarray(EXIF.length));
  const xmp = metadata.filter((body) => startsWith(body, XMP)).pop();
  const kept = segments.filter(({ marker }) => isKept(marker)).map(({ whole }) => whole);
  const bare = joined([content.subarray(0, 2), ...kept]); // of a blob of several parts, Firefox looks at the first alone to see what it is
  const orientation = orientationOf(exif.length > 0 ? joined(exif) : null, xmp ?? null);
  return { content: new Blob([bare], { type: "image/jpeg" }), width, height, orientation };
}

/**
 * What is before the pixels, and the pixels up to the end of the image as the last one.
 *
 * @param {Uint8Array<ArrayBuffer>} content
 * @returns {{marker: number, body: Uint8Array<ArrayBuffer>, whole: Uint8Array<ArrayBuffer>}[]}
 */
function segmentsOf(content) {
  const segments = [];
  for (let at = 2; ; ) {
    const start = nextMarker(content, at);
    const marker = content[start + 1];
    at = isAlone(marker) ? start + 2 : start + 2 + content[start + 2] * 256 + content[start + 3];
    if (marker === END || !(at <= content.length)) throw new PayloadError(DAMAGED);
    const end = marker === SCAN ? endOfImage(content, at) : at;
    segments.push({ marker, body: content.subarray(start + 4, at), whole: content.subarray(start, end) });
    if (marker === SCAN) return segments;
  }
}

/**
 * @param {Uint8Array} content
 * @param {number} at
 * @returns {number} where the next marker is: the last 0xff before a byte that is none
 */
function nextMarker(content, at) {
  let start = content.indexOf(0xff, at);
  while (start >= 0 && content[start + 1] === 0xff) start++;
  if (start < 0 || start + 1 >= content.length) throw new PayloadError(DAMAGED);
  return start;
}

/**
 * @param {Uint8Array} content
 * @param {number} at after the header of the first scan
 * @returns {number} after the marker that ends the image; what a phone puts behind it, as a film, is no part of it
 */
function endOfImage(content, at) {
  for (;;) {
    const start = nextMarker(content, at);
    const marker = content[start + 1];
    if (marker === END) return start + 2;
    const isInside = marker === 0 || isAlone(marker);
    at = start + 2 + (isInside ? 0 : content[start + 2] * 256 + content[start + 3]);
    if (!(at <= content.length)) throw new PayloadError(DAMAGED);
  }
}

