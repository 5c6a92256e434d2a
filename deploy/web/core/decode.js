import { PayloadError } from "./errors.js";

/** @typedef {import("./pixels.js").Pixels} Pixels */

/**
 * An image file as the model's training code reads it: every pixel with the colour that is stored, whatever its transparency, and
 * upright.
 *
 * @param {Blob} blob
 * @returns {Promise<Pixels>}
 */
export async function decodeImage(blob) {
  throw new PayloadError(`this image of ${blob.size} bytes cannot be read yet: choose another one`);
}
