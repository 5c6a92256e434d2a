// From an image file to what the model says of it.
// @ts-check

import { topClasses } from "../core/classes.js";
import { decodeImage } from "../core/decode.js";
import { isClassifier } from "../core/manifest.js";
import { prepare } from "../core/preprocessing.js";
import { seen } from "../core/seen.js";
import { COUNT } from "./results.js";

/**
 * @typedef {import("../core/pixels.js").Pixels} Pixels
 * @typedef {import("../core/payload.js").Payload} Payload
 * @typedef {import("../core/placement.js").Placement} Placement
 * @typedef {object} Sight
 * @property {Pixels} photograph
 * @property {Placement} placement
 * @property {import("../core/classes.js").Prediction[]} classes of a classifier
 * @property {import("../core/seen.js").Seen | null} seen null of a classifier
 * @property {number} imageTime milliseconds from the upright image to the model's input
 * @property {number} modelTime milliseconds of the runtime's call alone
 */

/**
 * @param {Blob} file
 * @param {Payload} payload
 * @param {import("./session.js").Session} session
 * @returns {Promise<Sight>} {@link PayloadError} for what is no image
 */
export async function look(file, { manifest, labels }, session) {
  const photograph = await decodeImage(file);
  const start = performance.now();
  const { placement, ...input } = prepare(photograph, manifest.input);
  const imageTime = performance.now() - start;
  const { outputs, milliseconds: modelTime } = await session.timed(input);
  const found = isClassifier(manifest)
    ? { classes: topClasses(outputs, manifest, labels, COUNT), seen: null }
    : { classes: [], seen: seen(outputs, manifest, placement, labels) };
  return { photograph, placement, imageTime, modelTime, ...found };
}
