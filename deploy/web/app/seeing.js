// From an image file to what the model says of it.
// @ts-check

import { topClasses } from "../core/classes.js";
import { PayloadError } from "../core/errors.js";
import { isClassifier } from "../core/manifest.js";
import { seen } from "../core/seen.js";
import { startWorker } from "./calls.js";
import { COUNT } from "./results.js";

/**
 * @typedef {import("../core/payload.js").Payload} Payload
 * @typedef {import("../core/placement.js").Placement} Placement
 * @typedef {object} Sight
 * @property {ImageBitmap} bitmap the photograph, for the screen
 * @property {Placement} placement where the photograph lies in the model's input
 * @property {import("../core/classes.js").Prediction[]} classes of a classifier
 * @property {import("../core/seen.js").Seen | null} seen null of a classifier
 * @property {number} imageTime milliseconds from the upright image to the model's input
 * @property {number} modelTime milliseconds of the runtime's call alone
 */

const WORKER = new URL("./image-worker.js", import.meta.url);
/** @type {import("./calls.js").Calls | null} */
let images = null;

/**
 * @param {Blob} file
 * @param {import("../core/manifest.js").Manifest} manifest
 * @returns {Promise<import("./image-worker.js").Prepared>}
 */
async function prepared(file, { input }) {
  images ??= startWorker(WORKER);
  try {
    return await images.ask("prepare", { file, input });
  } catch (error) {
    if (!(error instanceof PayloadError)) {
      images?.end(); // one that stopped answers nothing more
      images = null;
    }
    throw error;
  }
}

/**
 * @param {Blob} file
 * @param {Payload} payload
 * @param {import("./session.js").Session} session
 * @returns {Promise<Sight>} {@link PayloadError} for what is no image
 */
export async function look(file, { manifest, labels }, session) {
  const { input, placement, bitmap, milliseconds: imageTime } = await prepared(file, manifest);
  const { outputs, milliseconds: modelTime } = await session.timed(input);
  const found = isClassifier(manifest)
    ? { classes: topClasses(outputs, manifest, labels, COUNT), seen: null }
    : { classes: [], seen: seen(outputs, manifest, placement, labels) };
  return { bitmap, placement, imageTime, modelTime, ...found };
}
