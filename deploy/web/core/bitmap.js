import { PayloadError } from "./errors.js";
import { CHANNELS, pixelsOf } from "./pixels.js";

/** @typedef {import("./pixels.js").Pixels} Pixels */

/** Red, green, blue and alpha of a part of a bitmap, by its left, its top, its width and its height. @typedef {(left: number, top: number, across: number, down: number) => Promise<Uint8Array | Uint8ClampedArray>} Read */

/** What makes a way to read a bitmap, and lets go of it. @typedef {(bitmap: ImageBitmap) => {read: Read, close: () => void}} Reader */

const MAX_PIXELS = 2 ** 26; // of an image: 67 million, which take 201 MB, and the browser's own copy a third more
const TILE = 1024; // pixels: canvases of phones are bounded, so that an image is read in parts
const PATTERN = 64; // pixels: the side of what shows whether a bitmap is read as it is

/**
 * By a canvas. Some browsers change what a page reads of one, so that it does not know the device by it.
 *
 * @type {Reader}
 */
function ofCanvas(bitmap) {
  const canvas = new OffscreenCanvas(Math.min(bitmap.width, TILE), Math.min(bitmap.height, TILE));
  const context = canvas.getContext("2d", { willReadFrequently: true, colorSpace: "srgb" }); // in memory, where nothing is rounded
  if (context === null) throw new PayloadError("there is no memory for this image: choose a smaller one");
  context.imageSmoothingEnabled = false;
  context.globalCompositeOperation = "copy"; // nothing of the part before shows through
  const read = async (/** @type {Parameters<Read>} */ ...[left, top, across, down]) => {
    context.drawImage(bitmap, left, top, across, down, 0, 0, across, down);
    return context.getImageData(0, 0, across, down).data;
  };
  return { read, close: () => {} };
}

/**
 * By a frame of a video, where a canvas is disturbed: no browser is known to change that.
 *
 * @type {Reader}
 */
function ofFrame(bitmap) {
  const frame = new VideoFrame(bitmap, { timestamp: 0 });
  const read = async (/** @type {Parameters<Read>} */ ...[left, top, across, down]) => {
    const data = new Uint8Array(4 * across * down);
    // TypeScript's own types do not know the format yet.
    const options = /** @type {VideoFrameCopyToOptions} */ ({ rect: { x: left, y: top, width: across, height: down }, format: "RGBA" });
    await frame.copyTo(data, options);
    return data;
  };
  return { read, close: () => frame.close() };
}

/**
 * A bitmap's pixels as they are: of a camera's frame, or of what the browser decoded.
 *
 * @param {ImageBitmap} bitmap
 * @returns {Promise<Pixels>} {@link PayloadError} where the bitmap is transparent or too large, or the browser lets no page read pixels
 */
export async function readPixels(bitmap) {
  const { width, height } = bitmap;
  checkSize(width, height);
  const { read, close } = (await honestReader())(bitmap);
  try {
    const data = new Uint8Array(CHANNELS * width * height);
    for (let top = 0; top < height; top += TILE) {
      for (let left = 0; left < width; left += TILE) {
        const [across, down] = [Math.min(TILE, width - left), Math.min(TILE, height - top)];
        const tile = await read(left, top, across, down);
        for (let y = 0; y < down; y++) put(tile, 4 * across * y, data, CHANNELS * ((top + y) * width + left), across);
      }
    }
    return pixelsOf(width, height, data);
  } finally {
    close();
  }
}

/**
 * @param {number} width
 * @param {number} height
 */
export function checkSize(width, height) {
  if (width * height > MAX_PIXELS) {
    throw new PayloadError(`an image of ${width} x ${height} pixels is larger than ${MAX_PIXELS} pixels: make it smaller, or cut out a part`);
  }
}

/**
 * A row's red, green and blue.
 *
 * @param {Uint8Array | Uint8ClampedArray} tile
 * @param {number} from
 * @param {Uint8Array} data
 * @param {number} to
 * @param {number} count of pixels
 */
function put(tile, from, data, to, count) {
  for (let pixel = 0; pixel < count; pixel++, from += 4) {
    if (tile[from + 3] !== 255) throw new PayloadError("this image is transparent, and browsers do not give the colours beneath: save it as PNG");
    data[to++] = tile[from];
    data[to++] = tile[from + 1];
    data[to++] = tile[from + 2];
  }
}

/** @returns {Promise<Reader>} the first that gives back what was put in: a model would see another image by the others */
async function honestReader() {
  for (const reader of [ofCanvas, ofFrame]) {
    if (await isHonest(reader).catch(() => false)) return reader; // what raises is not there
  }
  throw new PayloadError(
    "this browser changes the pixels that pages read, as protection against being recognized: allow this page to read canvases, or choose a PNG file",
  );
}

/** @param {Reader} reader */
async function isHonest(reader) {
  const drawn = new ImageData(PATTERN, PATTERN);
  crypto.getRandomValues(drawn.data);
  for (let at = 3; at < drawn.data.length; at += 4) drawn.data[at] = 255;
  const bitmap = await createImageBitmap(drawn);
  const { read, close } = reader(bitmap);
  try {
    const found = await read(0, 0, PATTERN, PATTERN);
    return found.every((value, at) => value === drawn.data[at]);
  } finally {
    close();
    bitmap.close();
  }
}
