import { PayloadError } from "./errors.js";

/** What a model gives, by the outputs' names; numbers of classes as floats, which have them all. @typedef {ReadonlyMap<string, Float32Array>} Outputs */

/** A class, its name if the model has names, and how sure the model is: from 0 to 1. @typedef {{index: number, label: string | null, probability: number}} Prediction */

/**
 * Probabilities in double precision. The largest logit is subtracted first, so that none overflows.
 *
 * @param {Float32Array} logits
 * @returns {Float64Array}
 */
export function softmax(logits) {
  const largest = logits.reduce((most, value) => Math.max(most, value), -Infinity);
  const powers = Float64Array.from(logits, (value) => Math.exp(value - largest));
  const sum = powers.reduce((total, value) => total + value, 0);
  return powers.map((value) => value / sum);
}

/**
 * The `count` most probable classes of a classifier, the first one first; of equal ones, the one with the smaller number.
 *
 * @param {Outputs} outputs
 * @param {import("./manifest.js").Manifest} manifest
 * @param {readonly string[] | null} labels
 * @param {number} [count]
 * @returns {Prediction[]} {@link PayloadError} for values that are no numbers
 */
export function topClasses(outputs, manifest, labels, count = 5) {
  const [output] = manifest.outputs;
  const values = outputs.get(output.name);
  if (values === undefined) throw new PayloadError(`the model did not give ${output.name.slice(0, 80)}: bundle the model again`);
  return ranked(output.role === "logits" ? softmax(values) : values, labels, count);
}

/**
 * @param {Float32Array | Float64Array} probabilities
 * @param {readonly string[] | null} labels
 * @param {number} count
 * @returns {Prediction[]}
 */
export function ranked(probabilities, labels, count) {
  if (!probabilities.every(Number.isFinite)) {
    throw new PayloadError("the model gave values that are no numbers: see whether it is right on this device");
  }
  const order = Array.from(probabilities.keys()).sort((one, other) => probabilities[other] - probabilities[one]);
  return order.slice(0, count).map((index) => ({ index, label: labels?.[index] ?? null, probability: probabilities[index] }));
}
