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

/** @param {string} task @param {object} content @returns {Promise<any>} */
async function ask(task, content) {
  images ??= startWorker(WORKER);
  try {
    return await images.ask(task, content);
  } catch (error) {
    if (!(error instanceof PayloadError)) {
      images?.end(); // one that stopped answers nothing more
      images = null;
    }
    throw error;
  }
}

/** As core/decode.js, in the worker in which photographs are decoded. @param {Blob} file @returns {Promise<import("../core/pixels.js").Pixels>} */
export const decode = (file) => ask("decode", { file });

/**
 * @param {Blob} file
 * @param {Payload} payload
 * @param {import("./session.js").Session} session
 * @returns {Promise<Sight>} {@link PayloadError} for what is no image
 */
export async function look(file, { manifest, labels }, session) {
  /** @type {import("./image-worker.js").Prepared} */
  const { input, placement, bitmap, milliseconds: imageTime } = await ask("prepare", { file, input: manifest.input });
  const { outputs, milliseconds: modelTime } = await session.timed(input);
  const found = isClassifier(manifest)
    ? { classes: topClasses(outputs, manifest, labels, COUNT), seen: null }
    : { classes: [], seen: seen(outputs, manifest, placement, labels) };
  return { bitmap, placement, imageTime, modelTime, ...found };
}
