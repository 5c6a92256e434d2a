import { joined, latin, startsWith } from "./bytes.js";
import { PayloadError } from "./errors.js";
import { orientationOf } from "./orientation.js";

/** @typedef {import("./jpeg.js").Bare} Bare */

const DAMAGED = "this WebP image is damaged: choose another one";
const HEADER = 12; // bytes before the first chunk
/** Chunks that change what a browser shows of the stored colours: a profile, EXIF and XMP, and transparency. */
const LEFT_OUT = ["ICCP", "EXIF", "XMP ", "ALPH"];
const FLAGS = 0x3c; // of the extended header, which say that there are such chunks

/** @param {Uint8Array} content */
export function isWebp(content) {
  return startsWith(content, "RIFF") && startsWith(content, "WEBP", 8);
}

/**
 * As {@link import("./jpeg.js").bareJpeg}, of a WebP file: without its transparency too, where that is stored beside the colours.
 *
 * @param {Uint8Array<ArrayBuffer>} content
 * @returns {Bare} {@link PayloadError} for a file that is not whole
 */
export function bareWebp(content) {
  const view = new DataView(content.buffer, content.byteOffset, content.length);
  /** @type {Uint8Array<ArrayBuffer>[]} */
  const kept = [];
  /** @type {{width: number, height: number} | null} */
  let size = null;
  let [exif, xmp] = [/** @type {Uint8Array | null} */ (null), /** @type {Uint8Array | null} */ (null)];
  for (let at = HEADER; at + 8 <= content.length; ) {
    const length = view.getUint32(at + 4, true);
    const end = at + 8 + length + (length % 2);
    if (at + 8 + length > content.length) throw new PayloadError(DAMAGED);
    const type = latin(content.subarray(at, at + 4));
    const body = content.subarray(at + 8, at + 8 + length);
    size ??= sizeOf(type, body);
    if (type === "EXIF") exif = body;
    if (type === "XMP ") xmp = body;
    const chunk = content.slice(at, end);
    if (type === "VP8X") chunk[8] &= ~FLAGS;
    if (!LEFT_OUT.includes(type)) kept.push(chunk);
    at = end;
  }
  if (size === null) throw new PayloadError(DAMAGED);
  const header = content.slice(0, HEADER);
  const length = kept.reduce((sum, chunk) => sum + chunk.length, HEADER - 8);
  new DataView(header.buffer).setUint32(4, length, true);
  return { content: new Blob([joined([header, ...kept])], { type: "image/webp" }), ...size, orientation: orientationOf(exif, xmp) };
}

/**
 * @param {string} type
 * @param {Uint8Array} body of a chunk
 * @returns {{width: number, height: number} | null} null where the chunk does not say
 */
function sizeOf(type, body) {
  const bits = (/** @type {number} */ at, /** @type {number} */ count) =>
    Array.from({ length: count }, (_, place) => body[at + place] * 2 ** (8 * place)).reduce((sum, value) => sum + value, 0);
  if (type === "VP8X" && body.length >= 10) return { width: 1 + bits(4, 3), height: 1 + bits(7, 3) };
  if (type === "VP8 " && body.length >= 10) return { width: bits(6, 2) & 0x3fff, height: bits(8, 2) & 0x3fff };
  if (type !== "VP8L" || body.length < 5) return null;
  const packed = bits(1, 4);
  return { width: 1 + (packed & 0x3fff), height: 1 + ((packed >>> 14) & 0x3fff) };
}
