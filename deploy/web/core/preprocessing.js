import { PayloadError } from "./errors.js";
import { CHANNELS, bordered, cropped, reversed } from "./pixels.js";
import { letterbox, longSide, middle } from "./placement.js";
import { FILTERS, resize } from "./resize.js";

/** @typedef {import("./pixels.js").Pixels} Pixels */
/** @typedef {import("./placement.js").Placement} Placement */

/**
 * How a photograph becomes the model's input. Sizes in pixels; `mean` and `std` in units after `scale`; `fill` is what a letterbox's
 * border is, and null where the middle is cut out.
 *
 * @typedef {{
 *   readonly height: number, readonly width: number, readonly resizeSize: number, readonly interpolation: string, readonly isBgr: boolean,
 *   readonly scale: number, readonly mean: readonly number[], readonly std: readonly number[], readonly fill: number | null,
 * }} Rule
 */

/** What the model takes: numbers in its own layout, and their shape. @typedef {{name: string, tensor: Float32Array<ArrayBuffer>, dims: readonly number[]}} ModelInput */

const MAX_PIXELS = 178_956_970; // of an image, and of one that is resized: as many as Pillow decodes
const MAX_SIDE = 8192;
const LARGEST = 1e9; // of scale, mean and std; the smallest is one over it

/**
 * @param {import("./fields.js").Fields} fields
 * @returns {Rule} {@link PayloadError} for a preprocessing that this code does not know
 */
export function readRule(fields) {
  const interpolation = fields.text("interpolation");
  if (!Object.hasOwn(FILTERS, interpolation)) {
    throw new PayloadError(`the interpolation "${interpolation.slice(0, 80)}" is not known here: update the app's cloformer code`);
  }
  const [crop, order] = [fields.text("crop"), fields.text("color_order")];
  const rule = {
    height: fields.whole("height"), width: fields.whole("width"), resizeSize: fields.whole("resize_size"), interpolation,
    isBgr: order === "BGR", scale: fields.number("scale"), mean: fields.numbers("mean"), std: fields.numbers("std"),
    fill: crop === "letterbox" ? fields.whole("fill") : null,
  };
  const isPlaced = rule.fill === null ? crop === "center" : rule.fill >= 0 && rule.fill <= 255;
  const isColour = rule.mean.length === CHANNELS && rule.std.length === CHANNELS && (order === "RGB" || order === "BGR");
  if (!isPlaced || !isColour || !hasSizes(rule) || !hasNumbers(rule)) {
    throw new PayloadError("the model's preprocessing is not known here: update the app's cloformer code");
  }
  return rule;
}

/** @param {Rule} rule */
function hasSizes({ height, width, resizeSize, fill }) {
  const longer = Math.max(height, width);
  const areSizes = [height, width, resizeSize].every((size) => size >= 1 && size <= MAX_SIDE);
  return areSizes && (fill === null ? resizeSize >= longer : resizeSize === longer);
}

/** @param {Rule} rule */
function hasNumbers({ scale, mean, std }) {
  return mean.every((number) => Math.abs(number) <= LARGEST) && [scale, ...std].every((number) => number >= 1 / LARGEST && number <= LARGEST);
}

/**
 * @param {Rule} rule
 * @returns {Rule} the same up to the pixels: {@link normalized} gives them as they are
 */
export function withoutNormalization(rule) {
  return { ...rule, scale: 1, mean: rule.mean.map(() => 0), std: rule.std.map(() => 1) };
}

/**
 * Where an upright image lies in the input.
 *
 * @param {Rule} rule
 * @param {number} width
 * @param {number} height
 * @returns {Placement} {@link PayloadError} for an image that is too thin
 */
export function placed(rule, width, height) {
  if (rule.fill !== null) return letterbox(width, height, rule.width, rule.height);
  if (rule.resizeSize * longSide(width, height, rule.resizeSize) > MAX_PIXELS) {
    throw new PayloadError(`an image of ${width} x ${height} pixels is too thin: cut out a part of it`);
  }
  return middle(width, height, rule.resizeSize, rule.width, rule.height);
}

/**
 * Resized, and then the middle of it or all of it with a border; in the model's order of colours.
 *
 * @param {Pixels} image upright, RGB
 * @param {Rule} rule
 * @returns {Pixels}
 */
export function resized(image, rule) {
  const place = placed(rule, image.width, image.height);
  const whole = resize(image, place.resizedWidth, place.resizedHeight, rule.interpolation);
  const cut =
    rule.fill === null
      ? cropped(whole, place.left, place.top, rule.width, rule.height)
      : bordered(whole, -place.left, -place.top, rule.width, rule.height, rule.fill);
  return rule.isBgr ? reversed(cut) : cut;
}

/**
 * `(scale * pixel - mean) / std` in double precision, rounded to float32 once: all of a channel, then the next.
 *
 * @param {Pixels} pixels what {@link resized} gave
 * @param {Rule} rule
 * @returns {Float32Array<ArrayBuffer>} 3 x height x width
 */
export function normalized(pixels, rule) {
  if (pixels.width !== rule.width || pixels.height !== rule.height) throw new RangeError(`${pixels.width} x ${pixels.height} pixels`);
  const area = rule.width * rule.height;
  const result = new Float32Array(CHANNELS * area);
  for (let channel = 0; channel < CHANNELS; channel++) {
    const values = Float32Array.from({ length: 256 }, (_, byte) => (byte * rule.scale - rule.mean[channel]) / rule.std[channel]);
    for (let pixel = 0, to = channel * area; pixel < area; pixel++) result[to++] = values[pixels.data[CHANNELS * pixel + channel]];
  }
  return result;
}

/**
 * Values of one channel after the other, as one pixel's values after the other's.
 *
 * @param {Float32Array} values
 * @param {number} channels
 * @returns {Float32Array<ArrayBuffer>}
 */
export function channelsLast(values, channels) {
  const pixels = values.length / channels;
  const result = new Float32Array(values.length);
  for (let channel = 0; channel < channels; channel++) {
    for (let pixel = 0; pixel < pixels; pixel++) result[pixel * channels + channel] = values[channel * pixels + pixel];
  }
  return result;
}

/**
 * What {@link normalized} gave, in the layout that the model takes.
 *
 * @param {Float32Array<ArrayBuffer>} values
 * @param {import("./manifest.js").Input} input
 * @returns {ModelInput}
 */
export function modelInput(values, input) {
  return { name: input.name, tensor: input.isChannelsLast ? channelsLast(values, CHANNELS) : values, dims: input.shape };
}

/**
 * From an upright image to what the model takes, with the pixels that it sees and where they lie in the image.
 *
 * @param {Pixels} image
 * @param {import("./manifest.js").Input} input
 * @returns {ModelInput & {pixels: Pixels, placement: Placement}}
 */
export function prepare(image, input) {
  const pixels = resized(image, input.rule);
  const placement = placed(input.rule, image.width, image.height);
  return { ...modelInput(normalized(pixels, input.rule), input), pixels, placement };
}
