import { startsWith } from "./bytes.js";
import { PayloadError } from "./errors.js";
import { bareJpeg, isJpeg } from "./jpeg.js";
import { CHANNELS, pixelsOf, upright } from "./pixels.js";
import { decodePng, isPng } from "./png.js";
import { bareWebp, isWebp } from "./webp.js";

/** @typedef {import("./pixels.js").Pixels} Pixels */

const MAX_BYTES = 2 ** 28; // of a file
const MAX_PIXELS = 2 ** 26; // of an image: 67 million, which take 201 MB, and the browser's own copy a third more
const TILE = 1024; // pixels: canvases of phones are bounded, so that an image is read in parts
const PATTERN = 64; // pixels: the side of what shows whether a canvas gives back what was drawn

/**
 * An image file as the model's training code reads it: every pixel with the colour that is stored, whatever its transparency and its
 * colour profile, and upright.
 *
 * PNG is unpacked here, to the bit. JPEG and WebP are given to the browser without their orientation and profile, and turned here. Other
 * kinds the browser reads by itself, turns and converts; those are refused where they are transparent.
 *
 * @param {Blob} blob
 * @returns {Promise<Pixels>} {@link PayloadError} for what is no image, damaged, or too large
 */
export async function decodeImage(blob) {
  if (blob.size > MAX_BYTES) throw new PayloadError(`this file has ${blob.size} bytes, more than ${MAX_BYTES}: choose a smaller one`);
  const content = new Uint8Array(await blob.arrayBuffer());
  if (isPng(content)) {
    const { pixels, orientation } = await decodePng(content, checkSize);
    return upright(pixels, orientation);
  }
  if (isJpeg(content)) return decodeBare(bareJpeg(content));
  if (isWebp(content)) return decodeBare(bareWebp(content));
  if (!isOther(content)) throw new PayloadError("this file is no image that is read here: choose a JPEG, PNG or WebP file");
  return withBitmap(blob, readPixels);
}

/**
 * A bitmap as it is: a camera's frame, or what the browser decoded.
 *
 * @param {ImageBitmap} bitmap
 * @returns {Pixels} {@link PayloadError} where the bitmap is transparent or too large, or the browser does not let pages read pixels
 */
export function readPixels(bitmap) {
  const { width, height } = bitmap;
  checkSize(width, height);
  const context = contextOf(Math.min(width, TILE), Math.min(height, TILE));
  const data = new Uint8Array(CHANNELS * width * height);
  for (let top = 0; top < height; top += TILE) {
    for (let left = 0; left < width; left += TILE) {
      const [across, down] = [Math.min(TILE, width - left), Math.min(TILE, height - top)];
      context.drawImage(bitmap, left, top, across, down, 0, 0, across, down);
      const { data: tile } = context.getImageData(0, 0, across, down);
      for (let y = 0, from = 0; y < down; y++) {
        let to = CHANNELS * ((top + y) * width + left);
        for (let x = 0; x < across; x++, from += 4) {
          data[to++] = tile[from];
          data[to++] = tile[from + 1];
          data[to++] = tile[from + 2];
          if (tile[from + 3] !== 255) {
            throw new PayloadError("this image is transparent, and browsers do not give the colours beneath: save it as PNG");
          }
        }
      }
    }
  }
  return pixelsOf(width, height, data);
}

/**
 * @param {import("./jpeg.js").Bare} bare
 * @returns {Promise<Pixels>}
 */
async function decodeBare({ content, width, height, orientation }) {
  checkSize(width, height);
  const pixels = await withBitmap(content, readPixels);
  if (pixels.width !== width || pixels.height !== height) {
    throw new PayloadError(`the browser gives ${pixels.width} x ${pixels.height} of ${width} x ${height} pixels: choose a smaller image`);
  }
  return upright(pixels, orientation);
}

/**
 * @template Found
 * @param {Blob} blob
 * @param {(bitmap: ImageBitmap) => Found} read
 * @returns {Promise<Found>}
 */
async function withBitmap(blob, read) {
  await checkReading();
  const bitmap = await createImageBitmap(blob, { premultiplyAlpha: "none", colorSpaceConversion: "none" }).catch((error) => {
    throw new PayloadError("this browser cannot read this image: it is damaged, or of a kind it does not know; save it as PNG", { cause: error });
  });
  try {
    return read(bitmap);
  } finally {
    bitmap.close();
  }
}

/**
 * Some browsers change the pixels that a page reads, so that it does not know the device by them: what is drawn then is not what is
 * read, and a model would see another image.
 */
async function checkReading() {
  const drawn = new ImageData(PATTERN, PATTERN);
  crypto.getRandomValues(drawn.data);
  for (let at = 3; at < drawn.data.length; at += 4) drawn.data[at] = 255;
  const bitmap = await createImageBitmap(drawn);
  const context = contextOf(PATTERN, PATTERN);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { data } = context.getImageData(0, 0, PATTERN, PATTERN);
  if (data.some((value, at) => value !== drawn.data[at])) {
    throw new PayloadError(
      "this browser changes the pixels that pages read, as protection against being recognized: allow this page to read canvases, or choose a PNG file",
    );
  }
}

/**
 * @param {number} width
 * @param {number} height
 */
function contextOf(width, height) {
  const options = /** @type {const} */ ({ willReadFrequently: true, colorSpace: "srgb" }); // in memory, where nothing is rounded
  const context = new OffscreenCanvas(width, height).getContext("2d", options);
  if (context === null) throw new PayloadError("there is no memory for this image: choose a smaller one");
  context.imageSmoothingEnabled = false;
  context.globalCompositeOperation = "copy"; // nothing of the part before shows through
  return context;
}

/**
 * @param {number} width
 * @param {number} height
 */
function checkSize(width, height) {
  if (width * height > MAX_PIXELS) {
    throw new PayloadError(`an image of ${width} x ${height} pixels is larger than ${MAX_PIXELS} pixels: make it smaller, or cut out a part`);
  }
}

/** GIF, BMP, and the container of AVIF and HEIC; which of them a browser reads is its own matter. @param {Uint8Array} content */
function isOther(content) {
  return startsWith(content, "GIF8") || startsWith(content, "BM") || startsWith(content, "ftyp", 4);
}
