import { checkSize, readPixels } from "./bitmap.js";
import { startsWith } from "./bytes.js";
import { PayloadError } from "./errors.js";
import { bareJpeg, isJpeg } from "./jpeg.js";
import { upright } from "./pixels.js";
import { decodePng, isPng } from "./png.js";
import { bareWebp, isWebp } from "./webp.js";

/** @typedef {import("./pixels.js").Pixels} Pixels */

const MAX_BYTES = 2 ** 28; // of a file

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
  return byBrowser(blob);
}

/**
 * @param {import("./jpeg.js").Bare} bare
 * @returns {Promise<Pixels>}
 */
async function decodeBare({ content, width, height, orientation }) {
  checkSize(width, height);
  const pixels = await byBrowser(content);
  if (pixels.width !== width || pixels.height !== height) {
    throw new PayloadError(`the browser gives ${pixels.width} x ${pixels.height} of ${width} x ${height} pixels: choose a smaller image`);
  }
  return upright(pixels, orientation);
}

/**
 * @param {Blob} blob
 * @returns {Promise<Pixels>}
 */
async function byBrowser(blob) {
  const bitmap = await createImageBitmap(blob, { premultiplyAlpha: "none", colorSpaceConversion: "none" }).catch((error) => {
    throw new PayloadError("this browser cannot read this image, which is damaged or of a kind that it does not know: save it as PNG", { cause: error });
  });
  try {
    return await readPixels(bitmap);
  } finally {
    bitmap.close();
  }
}

/** GIF, BMP, and the container of AVIF and HEIC; which of them a browser reads is its own matter. @param {Uint8Array} content */
function isOther(content) {
  return startsWith(content, "GIF8") || startsWith(content, "BM") || startsWith(content, "ftyp", 4);
}
