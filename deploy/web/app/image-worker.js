// Photographs, in a worker: decoded, and prepared for the model.
// @ts-check

import { decodeImage } from "../core/decode.js";
import { rgba } from "../core/pixels.js";
import { prepare } from "../core/preprocessing.js";
import { answerCalls } from "./calls.js";

/**
 * @typedef {object} Prepared
 * @property {import("../core/preprocessing.js").ModelInput} input
 * @property {import("../core/placement.js").Placement} placement
 * @property {ImageBitmap} bitmap the photograph upright, for the screen; large ones are made smaller
 * @property {number} milliseconds from the upright photograph to the model's input
 */

const LARGEST = 1280; // pixels of a side that is shown

answerCalls({
  /** What the kit judges, as it is here. @param {{file: Blob}} content */
  decode: ({ file }) => decodeImage(file),
  /** @param {{file: Blob, input: import("../core/manifest.js").Input}} content @returns {Promise<Prepared>} */
  async prepare({ file, input }) {
    const photograph = await decodeImage(file);
    const start = performance.now();
    const { pixels: _, placement, ...prepared } = prepare(photograph, input);
    const milliseconds = performance.now() - start;
    return { input: prepared, placement, bitmap: await shown(photograph), milliseconds };
  },
});

/** @param {import("../core/pixels.js").Pixels} photograph */
async function shown(photograph) {
  const { width, height } = photograph;
  const scale = Math.min(1, LARGEST / Math.max(width, height));
  const [resizeWidth, resizeHeight] = [width, height].map((side) => Math.max(1, Math.round(side * scale)));
  return createImageBitmap(new ImageData(rgba(photograph), width), { resizeWidth, resizeHeight, resizeQuality: "high" });
}
