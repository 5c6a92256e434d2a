// What the kit found, for a person: each vector with its figures, and one verdict over all.
// @ts-check

/**
 * @typedef {import("../core/judge.js").VectorResult} VectorResult
 * @typedef {import("../core/kit.js").Vector} Vector
 * @typedef {"passed" | "failed" | "unchecked"} State `unchecked`: something of it could not be run, which is no pass
 * @typedef {{what: string, error: string, allowed: string, isOver: boolean}} Figure
 * @typedef {{state: State, title: string, text: string}} Verdict
 */

/** What a vector's failed preparation means, by its name in the kit. */
const MEANINGS = /** @type {Record<string, string>} */ ({
  "channel-order": "Red, green and blue reach the model in another order than in training.",
  normalization: "The numbers that the model gets are scaled otherwise than in training: by another factor, mean or standard deviation.",
  "resize-filter": "Photographs are made smaller by another filter than in training.",
  crop: "Another part of the photograph is cut out than in training, or its border lies elsewhere.",
  orientation: "Photographs that were taken with the device turned are not set upright.",
  alpha: "Transparency changes the colours that the model gets; in training it was ignored.",
});
const OF_THE_MODEL = "The model itself gives other values on this device than the original. Not the photograph’s preparation is at fault, but the runtime, where it runs, or the file.";

// As core/judge.js allows: whole pixels must be the same, and numbers differ by rounding.
const ALLOWED = { pixels: 0, input: 1e-6, outputs: NaN };

/** @param {VectorResult} result @returns {State} */
export function stateOf(result) {
  if (result.passed) return "passed";
  const preparation = result.preprocessing;
  const hasFailed = (preparation !== null && !preparation.passed && preparation.whyNot === null) || (result.whyNot === null && outputsFailed(result));
  return hasFailed ? "failed" : "unchecked";
}

/** @param {VectorResult} result */
const outputsFailed = ({ outputs }) => outputs.size === 0 || [...outputs.values()].some((comparison) => !comparison.passed);

/**
 * In plain words, what a vector that has not passed means; several where several things are wrong.
 * @param {VectorResult} result
 * @returns {string[]}
 */
export function meaningsOf(result) {
  if (result.passed) return [];
  const preparation = result.preprocessing;
  const found = [];
  if (preparation !== null && !preparation.passed) {
    found.push(preparation.whyNot === null ? (MEANINGS[result.name] ?? `What this image aims at is wrong here: ${result.aimsAt}.`) : `The image could not be prepared: ${preparation.whyNot}`);
  }
  if (result.whyNot !== null) found.push(`The model could not be run: ${result.whyNot}`);
  else if (outputsFailed(result)) found.push(OF_THE_MODEL);
  return found;
}

/**
 * @param {VectorResult} result
 * @param {Vector} vector
 * @param {readonly string[]} maps names of outputs that are maps of classes
 * @returns {Figure[]}
 */
export function figuresOf(result, vector, maps) {
  const figures = [];
  const preparation = result.preprocessing;
  if (preparation !== null) {
    const unit = vector.compares === "pixels" ? " of 255" : "";
    figures.push({ what: "Preparation", error: numbered(preparation.maxAbs) + unit, allowed: numbered(ALLOWED[vector.compares]), isOver: !preparation.passed });
  }
  for (const [name, { passed, maxAbs, largest, cosine }] of result.outputs) {
    const tolerance = /** @type {import("../core/kit.js").Tolerance} */ (vector.outputs.get(name)?.tolerance);
    const isMap = maps.includes(name);
    const allowed = isMap ? tolerance.maxRelative : tolerance.maxRelative * largest;
    const unit = isMap ? " of its places" : "";
    figures.push({ what: name, error: numbered(maxAbs) + unit, allowed: numbered(allowed), isOver: !passed });
    if (!isMap && maxAbs <= allowed && !passed) {
      figures.push({ what: `${name}, cosine`, error: cosine.toFixed(6), allowed: `at least ${tolerance.minCosine}`, isOver: true });
    }
  }
  return figures;
}

/** @param {number} value */
export function numbered(value) {
  if (!Number.isFinite(value)) return "no number";
  if (value === 0) return "0";
  return Math.abs(value) >= 0.001 && Math.abs(value) < 10000 ? String(Number(value.toPrecision(3))) : value.toExponential(1);
}

/**
 * Over all: a vector that was not run, or could not be, has not passed.
 * @param {readonly VectorResult[]} results
 * @param {number} expected how many vectors the kit has
 * @returns {Verdict}
 */
export function verdictOf(results, expected) {
  const states = results.map(stateOf);
  const count = (/** @type {State} */ state) => states.filter((each) => each === state).length;
  const [passed, failed] = [count("passed"), count("failed")];
  if (expected > 0 && passed === expected && results.length === expected) {
    return { state: "passed", title: "Right on this device", text: `All ${expected} vectors passed: this page gives what the original model gives.` };
  }
  const names = results.filter((result) => stateOf(result) === "failed").map((result) => result.aimsAt);
  const missing = expected - passed - failed;
  const notRun = missing > 0 ? ` ${missing} could not be run, which is no pass.` : "";
  if (failed > 0) {
    return { state: "failed", title: "Wrong on this device", text: `${failed} of ${expected} vectors failed: ${names.join("; ")}.${notRun}` };
  }
  return { state: "unchecked", title: "Could not be checked", text: `${passed} of ${expected} vectors passed.${notRun} The reason stands beside each.` };
}
