import { said } from "./errors.js";
import { fileOf, floatsOf } from "./kit.js";
import { inMatchingOrder } from "./matching.js";
import { decodeImage } from "./decode.js";
import { modelInput, normalized, resized } from "./preprocessing.js";
import { reversed } from "./pixels.js";

/** @typedef {import("./classes.js").Outputs} Outputs */
/** @typedef {import("./kit.js").Kit} Kit */
/** @typedef {import("./kit.js").Tolerance} Tolerance */
/** @typedef {import("./kit.js").Vector} Vector */
/** @typedef {import("./manifest.js").Manifest} Manifest */
/** @typedef {import("./pixels.js").Pixels} Pixels */

/**
 * What is judged: a page's own code from an image file to the model's outputs. `decode` gives an ordinary image file's pixels, upright;
 * `crop` resizes and crops them, in the model's order of colours; `run` gives the model's outputs by name for what `normalize` gave.
 *
 * @typedef {{
 *   decode: (image: Blob) => Promise<Pixels>, crop: (image: Pixels) => Pixels, normalize: (pixels: Pixels) => Float32Array<ArrayBuffer>,
 *   run: (values: Float32Array<ArrayBuffer>) => Promise<Outputs>,
 * }} Subject
 */

/** How far values are from the expected ones; what is missing or no number is NaN. @typedef {{passed: boolean, maxAbs: number, largest: number, cosine: number}} Comparison */

/**
 * How far pixels, or normalized values, are from the expected ones; NaN for another size, and where there are none: `whyNot` says why.
 *
 * @typedef {{passed: boolean, maxAbs: number, whyNot: string | null}} Preprocessed
 */

/**
 * `preprocessing` is null for a vector that judges the model alone; `whyNot` says why the model gave nothing, where it did not run.
 *
 * @typedef {{
 *   name: string, aimsAt: string, preprocessing: Preprocessed | null, outputs: Map<string, Comparison>, whyNot: string | null, passed: boolean,
 * }} VectorResult
 */

/** Of float32 values around 1: rounding is below a tenth of it, and every mistake far above. */
const INPUT_TOLERANCE = 1e-6;

/** @type {Comparison} */
const INCOMPARABLE = Object.freeze({ passed: false, maxAbs: NaN, largest: NaN, cosine: NaN });

/**
 * The page's own code, with the model that `run` runs.
 *
 * @param {Manifest} manifest
 * @param {(input: import("./preprocessing.js").ModelInput) => Promise<Outputs>} run
 * @returns {Subject}
 */
export function subjectOf(manifest, run) {
  const { input } = manifest;
  return {
    decode: decodeImage,
    crop: (image) => resized(image, input.rule),
    normalize: (pixels) => normalized(pixels, input.rule),
    run: (values) => run(modelInput(values, input)),
  };
}

/**
 * Every vector of the kit, one after the other; `onVector` is told each result, and waited for, so that it can let the page be drawn.
 *
 * @param {Kit} kit
 * @param {Manifest} manifest
 * @param {Subject} subject
 * @param {(result: VectorResult) => unknown} [onVector]
 * @returns {Promise<VectorResult[]>}
 */
export async function runKit(kit, manifest, subject, onVector = () => {}) {
  const results = [];
  for (const vector of kit.vectors) {
    const result = await judge(kit, vector, manifest, subject);
    results.push(result);
    await onVector(result);
  }
  return results;
}

/**
 * One vector of the kit. The preprocessing runs on its image. The model runs on the expected input, not on what the preprocessing gave,
 * so that a mistake there does not hide behind it, or the other way round. What raises has failed.
 *
 * @param {Kit} kit
 * @param {Vector} vector
 * @param {Manifest} manifest
 * @param {Subject} subject
 * @returns {Promise<VectorResult>}
 */
export async function judge(kit, vector, manifest, subject) {
  const preprocessing = await preprocessed(kit, vector, manifest, subject);
  const expected = new Map([...vector.outputs].map(([name, wanted]) => [name, floatsOf(kit, wanted.file)]));
  const maps = manifest.outputs.filter((output) => output.role === "class_map").map((output) => output.name);
  /** @type {Outputs} */
  let given = new Map();
  let whyNot = null;
  try {
    given = inMatchingOrder(manifest, await subject.run(floatsOf(kit, vector.input)), expected);
  } catch (error) {
    whyNot = said(error);
  }
  const outputs = new Map();
  for (const [name, { tolerance }] of vector.outputs) {
    const wanted = /** @type {Float32Array} */ (expected.get(name));
    outputs.set(name, (maps.includes(name) ? compareClasses : compare)(given.get(name), wanted, tolerance));
  }
  const arePassed = outputs.size > 0 && [...outputs.values()].every((comparison) => comparison.passed);
  return { name: vector.name, aimsAt: vector.aimsAt, preprocessing, outputs, whyNot, passed: arePassed && (preprocessing?.passed ?? true) };
}

/**
 * @param {Kit} kit
 * @param {Vector} vector
 * @param {Manifest} manifest
 * @param {Subject} subject
 * @returns {Promise<Preprocessed | null>}
 */
async function preprocessed(kit, vector, manifest, subject) {
  if (vector.compares === "outputs") return null;
  try {
    const pixels = subject.crop(await subject.decode(blobOf(kit, vector.image)));
    if (vector.compares === "input") return within(INPUT_TOLERANCE, largestDifference(subject.normalize(pixels), floatsOf(kit, vector.input)));
    const expected = await subject.decode(blobOf(kit, vector.pixels));
    return within(0, differenceOfPixels(pixels, manifest.input.rule.isBgr ? reversed(expected) : expected));
  } catch (error) {
    return { passed: false, maxAbs: NaN, whyNot: said(error) };
  }
}

/** @param {Kit} kit @param {string} path */
function blobOf(kit, path) {
  return new Blob([fileOf(kit, path)]);
}

/** @param {number} allowed @param {number} maxAbs @returns {Preprocessed} */
function within(allowed, maxAbs) {
  return { passed: maxAbs <= allowed, maxAbs, whyNot: null };
}

/**
 * `given` is undefined for an output that the model does not have; that is a failure, as is a value that is no number.
 *
 * @param {Float32Array | undefined} given
 * @param {Float32Array} expected
 * @param {Tolerance} tolerance
 * @returns {Comparison}
 */
export function compare(given, expected, tolerance) {
  if (given === undefined || given.length !== expected.length) return INCOMPARABLE;
  let [largest, product, givenSquares, expectedSquares] = [0, 0, 0, 0];
  for (let at = 0; at < expected.length; at++) {
    const [a, b] = [given[at], expected[at]];
    largest = Math.max(largest, Math.abs(b));
    product += a * b;
    givenSquares += a * a;
    expectedSquares += b * b;
  }
  const maxAbs = largestDifference(given, expected);
  const cosine = maxAbs === 0 ? 1 : product / (Math.sqrt(givenSquares) * Math.sqrt(expectedSquares));
  return { passed: maxAbs <= tolerance.maxRelative * largest && cosine >= tolerance.minCosine, maxAbs, largest, cosine };
}

/**
 * A map of classes: `maxAbs` is the share of places that are of another class.
 *
 * @param {Float32Array | undefined} given
 * @param {Float32Array} expected
 * @param {Tolerance} tolerance
 * @returns {Comparison}
 */
export function compareClasses(given, expected, tolerance) {
  if (given === undefined || given.length !== expected.length) return INCOMPARABLE;
  const share = expected.reduce((count, value, at) => count + (given[at] === value ? 0 : 1), 0) / expected.length;
  return { passed: share <= tolerance.maxRelative, maxAbs: share, largest: 1, cosine: 1 - share };
}

/** @param {Pixels} given @param {Pixels} expected @returns {number} */
function differenceOfPixels(given, expected) {
  return given.width === expected.width && given.height === expected.height ? largestDifference(given.data, expected.data) : NaN;
}

/**
 * @param {Float32Array | Uint8Array} given
 * @param {Float32Array | Uint8Array} expected
 * @returns {number} NaN for another length, or a value that is no number
 */
function largestDifference(given, expected) {
  if (given.length !== expected.length) return NaN;
  let largest = 0;
  for (let at = 0; at < given.length; at++) largest = Math.max(largest, Math.abs(given[at] - expected[at]));
  return largest;
}
