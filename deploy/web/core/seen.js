import { ofRole } from "./manifest.js";
import { overlap } from "./matching.js";
import { CHANNELS, pixelsOf } from "./pixels.js";
import { backX, backY } from "./placement.js";

/** @typedef {import("./classes.js").Outputs} Outputs */
/** @typedef {import("./manifest.js").Manifest} Manifest */
/** @typedef {import("./manifest.js").Output} Output */
/** @typedef {import("./pixels.js").Pixels} Pixels */
/** @typedef {import("./placement.js").Placement} Placement */

/**
 * A class, its name if the model has names, how sure the model is, and where: in the image's own pixels.
 *
 * @typedef {{index: number, label: string | null, score: number, left: number, top: number, right: number, bottom: number}} Box
 */

/** A place in the image, in its own pixels, and how sure the model is; null where it does not say. @typedef {{x: number, y: number, score: number | null}} Point */

/** Numbers of classes over all of the model's input, `height` rows of `width`; of masks, -1 where none is. @typedef {{width: number, height: number, classes: Int32Array}} ClassMap */

/**
 * What the model says of an image, in which its input of `inputWidth` x `inputHeight` pixels lies at `placement`.
 *
 * @typedef {{placement: Placement, inputWidth: number, inputHeight: number, boxes: Box[], maps: ClassMap[], points: Point[], pictures: Pixels[]}} Seen
 */

/** Of the best boxes, where the model itself suppresses none. */
const CANDIDATES = 400;
const OVERLAP = 0.5;
const SURE = 0.5;
const MIN_SCORE = 0.3;

/**
 * What the outputs say; boxes have a score of `minScore` at least. The law is `export/artifact/seen.py` of cloformer.
 *
 * @param {Outputs} outputs
 * @param {Manifest} manifest
 * @param {Placement} placement
 * @param {readonly string[] | null} labels
 * @param {number} [minScore]
 * @returns {Seen}
 */
export function seen(outputs, manifest, placement, labels, minScore = MIN_SCORE) {
  const rule = manifest.input.rule;
  /** @template Found @param {string} role @param {(output: Output, values: Float32Array) => Found} read @returns {Found[]} */
  const each = (role, read) =>
    manifest.outputs.flatMap((output) => {
      const values = outputs.get(output.name);
      return output.role === role && values !== undefined ? [read(output, values)] : [];
    });
  return {
    placement,
    inputWidth: rule.width,
    inputHeight: rule.height,
    boxes: boxes(outputs, manifest, placement, labels, minScore),
    maps: [...each("class_map", numbers), ...each("class_scores", best), ...each("masks", masks)],
    points: each("keypoints", (output, values) => points(manifest, output, values, placement)).flat(),
    pictures: each("image", picture),
  };
}

/**
 * How much of the photograph each class has, the most first: a pixel is of the class that lies under its middle, or of the nearest
 * one where the input does not show it.
 *
 * @param {ClassMap} map
 * @param {{placement: Placement, inputWidth: number, inputHeight: number}} seen
 * @returns {{index: number, share: number}[]}
 */
export function shares({ width, height, classes }, { placement, inputWidth, inputHeight }) {
  const columns = under(placement.width, placement.resizedWidth, placement.left, inputWidth, width);
  const rows = under(placement.height, placement.resizedHeight, placement.top, inputHeight, height);
  /** @type {Map<number, number>} */
  const counts = new Map();
  classes.forEach((index, at) => {
    const pixels = rows[Math.floor(at / width)] * columns[at % width];
    if (index >= 0 && pixels > 0) counts.set(index, (counts.get(index) ?? 0) + pixels);
  });
  const order = [...counts].sort(([one, first], [other, second]) => second - first || one - other);
  return order.map(([index, count]) => ({ index, share: count / (placement.width * placement.height) }));
}

/**
 * Over each of a map's `cells`, which cover `input` pixels, how many of a photograph's `length` rows or columns have their middle.
 *
 * @param {number} length
 * @param {number} resized
 * @param {number} offset
 * @param {number} input
 * @param {number} cells
 * @returns {Int32Array}
 */
function under(length, resized, offset, input, cells) {
  const counts = new Int32Array(cells);
  for (let at = 0; at < length; at++) {
    const place = ((at + 0.5) * resized) / length - offset;
    counts[within(Math.floor((place * cells) / input), cells - 1)]++;
  }
  return counts;
}

/**
 * @param {Outputs} outputs
 * @param {Manifest} manifest
 * @param {Placement} placement
 * @param {readonly string[] | null} labels
 * @param {number} minScore
 * @returns {Box[]}
 */
function boxes(outputs, manifest, placement, labels, minScore) {
  const where = ofRole(manifest, "boxes");
  const values = where && outputs.get(where.name);
  const scores = outputs.get(ofRole(manifest, "box_scores")?.name ?? "");
  if (where === undefined || values === undefined || scores === undefined) return [];
  const given = ofRole(manifest, "box_classes");
  const classes = given && outputs.get(given.name);
  const count = values.length / 4;
  const each = scores.length / count;
  const index = Int32Array.from({ length: count }, (_, at) => (classes ? classes[at] : largest(scores, at * each, each, 1)));
  const score = Float32Array.from({ length: count }, (_, at) => (classes ? scores[at] : scores[at * each + index[at]]));
  const sure = Array.from(score.keys()).filter((at) => score[at] >= minScore && score[at] > 0);
  const candidates = sure.sort((one, other) => score[other] - score[one]).slice(0, CANDIDATES);
  /** @type {{at: number, corners: number[]}[]} */
  const kept = [];
  for (const at of candidates) {
    const corners = cornersAt(manifest, where, values, 4 * at, placement);
    const isHidden = kept.some((one) => index[one.at] === index[at] && overlap(one.corners, corners) > OVERLAP);
    if (manifest.isSuppressed || !isHidden) kept.push({ at, corners });
  }
  return kept.map(({ at, corners: [left, top, right, bottom] }) => ({
    index: index[at], label: labels?.[index[at]] ?? null, score: score[at],
    left: within(left, placement.width), top: within(top, placement.height),
    right: within(right, placement.width), bottom: within(bottom, placement.height),
  }));
}

/** @param {number} value @param {number} most */
function within(value, most) {
  return Math.min(Math.max(value, 0), most);
}

/**
 * Left, top, right and bottom in the image, of the box at `at` of `values`.
 *
 * @param {Manifest} manifest
 * @param {Output} output
 * @param {Float32Array} values
 * @param {number} at
 * @param {Placement} placement
 * @returns {number[]}
 */
function cornersAt(manifest, output, values, at, placement) {
  const [a, b, c, d] = values.subarray(at, at + 4);
  const [left, top, right, bottom] = output.coordinates?.isCenterSize ? [a - c / 2, b - d / 2, a + c / 2, b + d / 2] : [a, b, c, d];
  const [across, down] = inputUnit(manifest, output);
  return [backX(placement, left * across), backY(placement, top * down), backX(placement, right * across), backY(placement, bottom * down)];
}

/**
 * @param {Manifest} manifest
 * @param {Output} output
 * @param {Float32Array} values
 * @param {Placement} placement
 * @returns {Point[]}
 */
function points(manifest, output, values, placement) {
  const [across, down] = inputUnit(manifest, output);
  const each = output.shape[output.shape.length - 1];
  return Array.from({ length: values.length / each }, (_, point) => {
    const [x, y, score] = values.subarray(point * each, point * each + each);
    return { x: backX(placement, x * across), y: backY(placement, y * down), score: each > 2 ? score : null };
  });
}

/**
 * By what coordinates are multiplied, so that they are pixels of the input.
 *
 * @param {Manifest} manifest
 * @param {Output} output
 * @returns {[number, number]}
 */
function inputUnit({ input: { rule } }, output) {
  return output.coordinates?.isShares ? [rule.width, rule.height] : [1, 1];
}

/** @param {Output} output @param {Float32Array} values @returns {ClassMap} */
function numbers(output, values) {
  const [height, width] = output.shape.slice(-2);
  return { width, height, classes: Int32Array.from(values) };
}

/** The class of the largest score at each place; of equal ones the first. @param {Output} output @param {Float32Array} values @returns {ClassMap} */
function best(output, values) {
  const [classes, height, width] = output.shape.slice(-3);
  const area = height * width;
  return { width, height, classes: Int32Array.from({ length: area }, (_, place) => largest(values, place, classes, area)) };
}

/** The number of the last mask that a place is in, from 1 on. @param {Output} output @param {Float32Array} values @returns {ClassMap} */
function masks(output, values) {
  const [count, height, width] = output.shape.slice(-3);
  const area = height * width;
  const classes = new Int32Array(area).fill(-1);
  for (let mask = 0; mask < count; mask++) {
    for (let place = 0; place < area; place++) if (values[mask * area + place] > SURE) classes[place] = mask + 1;
  }
  return { width, height, classes };
}

/** Shares from 0 to 1, or pixels where one is larger than 2, as red, green and blue. @param {Output} output @param {Float32Array} values @returns {Pixels} */
function picture(output, values) {
  const [channels, height, width] = output.shape.slice(-3);
  const area = height * width;
  const scale = values.some((value) => value > 2) ? 1 : 255;
  const data = new Uint8ClampedArray(CHANNELS * area); // which rounds halves to the even number, and takes what is no number for 0
  for (let at = 0; at < data.length; at++) {
    const channel = channels === 1 ? 0 : at % CHANNELS;
    data[at] = values[channel * area + Math.floor(at / CHANNELS)] * scale;
  }
  return pixelsOf(width, height, new Uint8Array(data.buffer));
}

/**
 * Which of `count` values is the largest, the first of equal ones: they begin at `start` and lie `step` apart. What is no number is
 * larger than any, so that it does not pass for a class that the model is sure of.
 *
 * @param {Float32Array} values
 * @param {number} start
 * @param {number} count
 * @param {number} step
 * @returns {number}
 */
function largest(values, start, count, step) {
  let found = 0;
  for (let index = 1; index < count; index++) {
    const [value, most] = [values[start + index * step], values[start + found * step]];
    if (value > most || (Number.isNaN(value) && !Number.isNaN(most))) found = index;
  }
  return found;
}
