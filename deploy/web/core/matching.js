import { ofRole } from "./manifest.js";

/** @typedef {import("./classes.js").Outputs} Outputs */

/** Boxes of one class that share so much of what they cover together are one. */
const SAME = 0.5;

/** The share of boxes that may match none: those that a suppression keeps by a hair, and others do not. */
const ALONE = 0.1;

/**
 * Boxes of an image, as a suppression gives them: (left, top, right, bottom) of each, its score, 0 where there is none, its class; and
 * the places that hold one, the best first.
 *
 * @typedef {{boxes: Float32Array, scores: Float32Array, classes: Float32Array, are: number[]}} Detections
 */

/**
 * `given` with each box of a suppression at the place of the one of `expected` that it matches, for two scores that are nearly equal
 * may change places. A few that match none are as expected; where they are more, they stay as they are, and are wrong.
 *
 * @param {import("./manifest.js").Manifest} manifest
 * @param {Outputs} given
 * @param {Outputs} expected
 * @returns {Outputs}
 */
export function inMatchingOrder(manifest, given, expected) {
  const names = ["boxes", "box_scores", "box_classes"].map((role) => ofRole(manifest, role)?.name);
  const [got, want] = [detections(given, names), detections(expected, names)];
  if (!manifest.isSuppressed || got === null || want === null || !areAlike(got, want)) return given;
  if (got.scores.some((score, place) => place > 0 && score > got.scores[place - 1])) return given; // in no order that rounding explains
  const pairs = matches(want, got);
  const most = Math.max(want.are.length, got.are.length);
  const areFew = most - pairs.size <= ALONE * most;
  const taken = new Set(pairs.values());
  const left = Array.from(got.scores.keys()).filter((place) => !taken.has(place));
  const from = Array.from(want.scores.keys(), (place) => pairs.get(place) ?? /** @type {number} */ (left.shift()));
  const result = new Map(given);
  for (const name of /** @type {string[]} */ (names)) {
    const [values, wanted] = [/** @type {Float32Array} */ (given.get(name)), /** @type {Float32Array} */ (expected.get(name))];
    const each = values.length / from.length;
    result.set(name, values.map((_, at) => {
      const place = Math.floor(at / each);
      return areFew && !pairs.has(place) ? wanted[at] : values[from[place] * each + (at % each)];
    }));
  }
  return result;
}

/**
 * What two boxes share, over what they cover together; 1 of two that are equal and of no size.
 *
 * @param {ArrayLike<number>} one left, top, right, bottom
 * @param {ArrayLike<number>} other
 * @returns {number}
 */
export function overlap(one, other) {
  const across = Math.min(one[2], other[2]) - Math.max(one[0], other[0]);
  const down = Math.min(one[3], other[3]) - Math.max(one[1], other[1]);
  const shared = Math.max(across, 0) * Math.max(down, 0);
  const union = (one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1]) - shared;
  if (union > 0) return shared / union;
  return [0, 1, 2, 3].every((side) => one[side] === other[side]) ? 1 : 0;
}

/**
 * @param {Outputs} outputs
 * @param {(string | undefined)[]} names
 * @returns {Detections | null}
 */
function detections(outputs, names) {
  const [boxes, scores, classes] = names.map((name) => (name === undefined ? undefined : outputs.get(name)));
  if (boxes === undefined || scores === undefined || classes === undefined) return null;
  const are = Array.from(scores.keys()).filter((place) => scores[place] > 0).sort((one, other) => scores[other] - scores[one]);
  return { boxes, scores, classes, are };
}

/** @param {Detections} one @param {Detections} other */
function areAlike(one, other) {
  return one.boxes.length === other.boxes.length && one.scores.length === other.scores.length && one.classes.length === other.classes.length;
}

/**
 * For each of `want`, the best first, the one of `got` of its class that overlaps it most, and that no better one has.
 *
 * @param {Detections} want
 * @param {Detections} got
 * @returns {Map<number, number>}
 */
function matches(want, got) {
  const left = [...got.are];
  const found = new Map();
  for (const place of want.are) {
    const corners = cornersAt(want, place);
    const shares = left.map((at) => (got.classes[at] === want.classes[place] ? overlap(corners, cornersAt(got, at)) : 0));
    const best = shares.indexOf(Math.max(...shares));
    if (best >= 0 && shares[best] >= SAME) found.set(place, left.splice(best, 1)[0]);
  }
  return found;
}

/** @param {Detections} detections @param {number} place */
function cornersAt({ boxes }, place) {
  return boxes.subarray(4 * place, 4 * place + 4);
}
