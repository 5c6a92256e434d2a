import { latin, startsWith } from "./bytes.js";
import { PayloadError } from "./errors.js";
import { orientationOf } from "./orientation.js";
import { CHANNELS, pixelsOf } from "./pixels.js";

/** @typedef {import("./pixels.js").Pixels} Pixels */

/**
 * An image's header: how many bits a sample has, how many samples a pixel, and whether they are places in a palette.
 *
 * @typedef {{width: number, height: number, bits: number, samples: number, isPalette: boolean, isInterlaced: boolean}} Header
 */

/** Pixels of an interlaced image: each pass has those from (x, y) on, every dx-th of every dy-th row. @typedef {{x: number, y: number, dx: number, dy: number}} Pass */

export const SIGNATURE = "\x89PNG\r\n\x1a\n";
const DAMAGED = "this PNG image is damaged: choose another one";
const MOST_TEXT = 2 ** 20; // bytes of a compressed text

/** Samples of a pixel, and how many bits they may have, by the type of colour. @type {Record<number, {samples: number, bits: number[]}>} */
const COLOURS = {
  0: { samples: 1, bits: [1, 2, 4, 8, 16] },
  2: { samples: 3, bits: [8, 16] },
  3: { samples: 1, bits: [1, 2, 4, 8] },
  4: { samples: 2, bits: [8, 16] },
  6: { samples: 4, bits: [8, 16] },
};
const PALETTE = 3;

/** @type {Pass[]} */
const WHOLE = [{ x: 0, y: 0, dx: 1, dy: 1 }];
/** @type {Pass[]} */
const ADAM7 = [
  { x: 0, y: 0, dx: 8, dy: 8 },
  { x: 4, y: 0, dx: 8, dy: 8 },
  { x: 0, y: 4, dx: 4, dy: 8 },
  { x: 2, y: 0, dx: 4, dy: 4 },
  { x: 0, y: 2, dx: 2, dy: 4 },
  { x: 1, y: 0, dx: 2, dy: 2 },
  { x: 0, y: 1, dx: 1, dy: 2 },
];

/**
 * The first frame of a PNG file with the colours that are stored, whatever their transparency: of 16 bits the upper eight count. Browsers
 * give colours multiplied by their transparency, from which they cannot be had back, so they are not asked.
 *
 * @param {Uint8Array<ArrayBuffer>} content
 * @param {(width: number, height: number) => void} checkSize raises for an image that is too large
 * @returns {Promise<{pixels: Pixels, orientation: number}>} {@link PayloadError} for what is damaged
 */
export async function decodePng(content, checkSize) {
  const chunks = chunksOf(content);
  const header = headerOf(chunks);
  checkSize(header.width, header.height);
  const palette = header.isPalette ? paletteOf(chunks) : null;
  const passes = (header.isInterlaced ? ADAM7 : WHOLE).map((pass) => ({ ...pass, ...sizeOf(header, pass) })).filter(({ across, down }) => across && down);
  const rowBytes = (/** @type {number} */ across) => Math.ceil((across * header.samples * header.bits) / 8);
  const length = passes.reduce((sum, { across, down }) => sum + down * (1 + rowBytes(across)), 0);
  const data = await inflated(chunks.filter(({ type }) => type === "IDAT").map((chunk) => chunk.content), length);
  if (data.length < length) throw new PayloadError(DAMAGED);
  const result = new Uint8Array(CHANNELS * header.width * header.height);
  const step = Math.max(1, (header.samples * header.bits) / 8);
  let at = 0;
  for (const { x, y, dx, dy, across, down } of passes) {
    const stride = rowBytes(across);
    let before = new Uint8Array(stride);
    for (let row = 0; row < down; row++, at += 1 + stride) {
      const line = data.subarray(at + 1, at + 1 + stride);
      unfilter(data[at], line, before, step);
      put(line, header, palette, result, CHANNELS * ((y + row * dy) * header.width + x), CHANNELS * dx, across);
      before = line;
    }
  }
  return { pixels: pixelsOf(header.width, header.height, result), orientation: await orientation(chunks) };
}

/**
 * Up to the end of the image; the checksums of those before its pixels are held.
 *
 * @param {Uint8Array<ArrayBuffer>} content
 * @returns {{type: string, content: Uint8Array<ArrayBuffer>}[]}
 */
function chunksOf(content) {
  const view = new DataView(content.buffer, content.byteOffset, content.length);
  const chunks = [];
  let arePixels = false;
  for (let at = SIGNATURE.length; at + 12 <= content.length; ) {
    const end = at + 8 + view.getUint32(at);
    if (end + 4 > content.length) break;
    const type = latin(content.subarray(at + 4, at + 8));
    arePixels ||= type === "IDAT";
    if (!arePixels && checksum(content.subarray(at + 4, end)) !== view.getUint32(end)) throw new PayloadError(DAMAGED);
    chunks.push({ type, content: content.subarray(at + 8, end) });
    if (type === "IEND") break;
    at = end + 4;
  }
  return chunks;
}

/** @param {{type: string, content: Uint8Array}[]} chunks @returns {Header} */
function headerOf([first]) {
  if (first?.type !== "IHDR" || first.content.length < 13) throw new PayloadError(DAMAGED);
  const view = new DataView(first.content.buffer, first.content.byteOffset, first.content.length);
  const [width, height, bits, colour] = [view.getUint32(0), view.getUint32(4), first.content[8], first.content[9]];
  const kind = COLOURS[colour];
  if (!width || !height || !kind?.bits.includes(bits) || first.content[11] !== 0) throw new PayloadError(DAMAGED);
  return { width, height, bits, samples: kind.samples, isPalette: colour === PALETTE, isInterlaced: first.content[12] !== 0 };
}

/**
 * 256 colours: those that the file does not have are black, as in Pillow.
 *
 * @param {{type: string, content: Uint8Array}[]} chunks
 * @returns {Uint8Array}
 */
function paletteOf(chunks) {
  const found = chunks.find(({ type }) => type === "PLTE");
  if (found === undefined) throw new PayloadError(DAMAGED);
  const palette = new Uint8Array(256 * CHANNELS);
  palette.set(found.content.subarray(0, Math.min(palette.length, found.content.length)));
  return palette;
}

/** @param {Header} header @param {Pass} pass */
function sizeOf({ width, height }, { x, y, dx, dy }) {
  return { across: Math.max(0, Math.ceil((width - x) / dx)), down: Math.max(0, Math.ceil((height - y) / dy)) };
}

/**
 * At most `most` bytes: what would be more is not unpacked.
 *
 * @param {Uint8Array<ArrayBuffer>[]} parts
 * @param {number} most
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
async function inflated(parts, most) {
  const result = new Uint8Array(most);
  const reader = new Blob(parts).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
  let length = 0;
  try {
    while (length < most) {
      const { done, value } = await reader.read();
      if (done) break;
      result.set(value.subarray(0, most - length), length);
      length += Math.min(value.length, most - length);
    }
    await reader.cancel();
  } catch {
    // what was unpacked before the damage is shorter than an image
  }
  return result.subarray(0, length);
}

/**
 * Undoes, in place, how a row was written: as differences to the pixel before, `step` bytes back, and to the row above.
 *
 * @param {number} filter
 * @param {Uint8Array} line
 * @param {Uint8Array} above
 * @param {number} step
 */
function unfilter(filter, line, above, step) {
  const predictions = [null, left, up, average, paeth];
  const predicted = predictions[filter];
  if (predicted === undefined) throw new PayloadError(DAMAGED);
  if (predicted === null) return;
  for (let at = 0; at < line.length; at++) {
    const isFirst = at < step;
    line[at] += predicted(isFirst ? 0 : line[at - step], above[at], isFirst ? 0 : above[at - step]);
  }
}

/** @param {number} before */
function left(before) {
  return before;
}

/** @param {number} _ @param {number} above */
function up(_, above) {
  return above;
}

/** @param {number} before @param {number} above */
function average(before, above) {
  return (before + above) >> 1;
}

/** @param {number} before @param {number} above @param {number} corner */
function paeth(before, above, corner) {
  const estimate = before + above - corner;
  const [a, b, c] = [Math.abs(estimate - before), Math.abs(estimate - above), Math.abs(estimate - corner)];
  if (a <= b && a <= c) return before;
  return b <= c ? above : corner;
}

/**
 * The pixels of a row as red, green and blue, into `result` from `to` on, `apart` bytes from one to the next.
 *
 * @param {Uint8Array} line
 * @param {Header} header
 * @param {Uint8Array | null} palette
 * @param {Uint8Array} result
 * @param {number} to
 * @param {number} apart
 * @param {number} count
 */
function put(line, { bits, samples }, palette, result, to, apart, count) {
  if (bits < 8) {
    const most = (1 << bits) - 1;
    for (let pixel = 0; pixel < count; pixel++, to += apart) {
      const bit = pixel * bits;
      const value = (line[bit >> 3] >> (8 - bits - (bit & 7))) & most;
      putOne(result, to, palette === null ? (value * 255) / most : value, palette);
    }
    return;
  }
  const bytes = bits / 8;
  const isColour = samples >= CHANNELS;
  for (let pixel = 0, from = 0; pixel < count; pixel++, to += apart, from += samples * bytes) {
    if (!isColour) {
      putOne(result, to, line[from], palette);
      continue;
    }
    result[to] = line[from];
    result[to + 1] = line[from + bytes];
    result[to + 2] = line[from + 2 * bytes];
  }
}

/** A grey, or a colour of the palette. @param {Uint8Array} result @param {number} to @param {number} value @param {Uint8Array | null} palette */
function putOne(result, to, value, palette) {
  for (let channel = 0; channel < CHANNELS; channel++) result[to + channel] = palette === null ? value : palette[CHANNELS * value + channel];
}

/**
 * What says how to turn it: its EXIF, or the text that older programs put it into; and its XMP.
 *
 * @param {{type: string, content: Uint8Array<ArrayBuffer>}[]} chunks
 */
async function orientation(chunks) {
  const texts = new Map();
  for (const { type, content } of chunks) {
    const [name, text] = await textOf(type, content);
    if (name) texts.set(name, text);
  }
  const exif = chunks.filter(({ type }) => type === "eXIf").pop()?.content;
  return orientationOf(exif ?? unpacked(texts.get("Raw profile type exif")), texts.get("XML:com.adobe.xmp") ?? null);
}

/**
 * @param {string} type
 * @param {Uint8Array<ArrayBuffer>} content
 * @returns {Promise<[string, Uint8Array]>} the name and the content of a text; of another chunk, no name
 */
async function textOf(type, content) {
  const end = content.indexOf(0);
  if (!["tEXt", "zTXt", "iTXt"].includes(type) || end < 0) return ["", content];
  const name = latin(content.subarray(0, end));
  if (type === "tEXt") return [name, content.subarray(end + 1)];
  if (type === "zTXt") return [name, await inflatedText(content.subarray(end + 2))];
  const language = content.indexOf(0, end + 3);
  const translated = content.indexOf(0, language + 1);
  if (language < 0 || translated < 0) return ["", content];
  const text = content.subarray(translated + 1);
  return [name, content[end + 1] === 0 ? text : await inflatedText(text)];
}

/** @param {Uint8Array<ArrayBuffer>} content */
function inflatedText(content) {
  return inflated([content], MOST_TEXT);
}

/** A profile in hexadecimal, after three lines that say what it is. @param {Uint8Array | undefined} text @returns {Uint8Array | null} */
function unpacked(text) {
  if (text === undefined) return null;
  const digits = latin(text).split("\n").slice(3).join("");
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

/** @param {Uint8Array} content @returns {number} its CRC-32 */
function checksum(content) {
  let value = 0xffffffff;
  for (const byte of content) value = TABLE[(value ^ byte) & 255] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}

/** @param {Uint8Array} content */
export function isPng(content) {
  return startsWith(content, SIGNATURE);
}
