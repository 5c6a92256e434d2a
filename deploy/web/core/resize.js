import { CHANNELS, pixelsOf } from "./pixels.js";

/** @typedef {import("./pixels.js").Pixels} Pixels */

/**
 * A filter of the model's training code, Pillow, whose results are reproduced to the bit. `weight` is given to a pixel whose centre
 * is so many (source or target, whichever are larger) pixels away, up to `support`.
 *
 * @typedef {{readonly support: number, readonly weight: (distance: number) => number}} Filter
 */

/** @type {Readonly<Record<string, Filter>>} by the name that manifests have for it */
export const FILTERS = Object.freeze({
  nearest: { support: 0, weight: () => 0 }, // takes the source pixel under the centre of the target pixel
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: { support: 2, weight: cubic },
  lanczos: { support: 3, weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
});

const PRECISION = 22; // bits after the point of a weight: 1 is 2 ** 22
const HALF = 1 << (PRECISION - 1);

/**
 * The image in another size: first along the rows, then along the columns, each rounded to 8 bits. That is so for images more than
 * twice as high as wide too, where Pillow from version 13 on would begin with the columns.
 *
 * @param {Pixels} image
 * @param {number} width
 * @param {number} height
 * @param {string} interpolation a name of {@link FILTERS}
 * @returns {Pixels}
 */
export function resize(image, width, height, interpolation) {
  if (width === image.width && height === image.height) return image;
  if (interpolation === "nearest") return nearest(image, width, height);
  const filter = FILTERS[interpolation];
  const narrow = width === image.width ? image : horizontal(image, weightsOf(image.width, width, filter), width);
  return height === image.height ? narrow : vertical(narrow, weightsOf(image.height, height, filter), height);
}

/** @param {number} distance @returns {number} a cubic convolution with a = -0.5 */
function cubic(distance) {
  const a = -0.5;
  const x = Math.abs(distance);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

/** @param {number} x @returns {number} */
function sinc(x) {
  return x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI);
}

/**
 * Which source pixels make up each target pixel: `counts` of them from `starts` on, with weights that begin at `places`.
 *
 * @typedef {{starts: Int32Array, counts: Int32Array, places: Int32Array, weights: Int32Array}} Weights
 */

/**
 * @param {number} from
 * @param {number} to
 * @param {Filter} filter
 * @returns {Weights}
 */
function weightsOf(from, to, filter) {
  const scale = from / to;
  const stretch = Math.max(scale, 1); // a smaller image averages over more pixels; a larger one interpolates
  const support = filter.support * stretch;
  const inverse = 1 / stretch;
  const [starts, counts, places] = [new Int32Array(to), new Int32Array(to), new Int32Array(to)];
  const weights = [];
  for (let target = 0; target < to; target++) {
    const center = (target + 0.5) * scale;
    const start = Math.max(Math.trunc(center - support + 0.5), 0);
    const count = Math.min(Math.trunc(center + support + 0.5), from) - start;
    starts[target] = start;
    counts[target] = count;
    places[target] = weights.length;
    const exact = new Float64Array(count);
    let sum = 0;
    for (let at = 0; at < count; at++) {
      exact[at] = filter.weight((at + start - center + 0.5) * inverse);
      sum += exact[at];
    }
    for (const weight of exact) weights.push(fixedPoint(sum === 0 ? weight : weight / sum));
  }
  return { starts, counts, places, weights: Int32Array.from(weights) };
}

/** @param {number} weight @returns {number} */
function fixedPoint(weight) {
  const scaled = weight * (1 << PRECISION);
  return Math.trunc(weight < 0 ? scaled - 0.5 : scaled + 0.5);
}

/** @param {number} sum @returns {number} */
function toByte(sum) {
  const value = sum >> PRECISION;
  return value < 0 ? 0 : value > 255 ? 255 : value;
}

/**
 * @param {Pixels} image
 * @param {Weights} weights
 * @param {number} width
 * @returns {Pixels}
 */
function horizontal(image, { starts, counts, places, weights }, width) {
  const { data, height } = image;
  const result = new Uint8Array(CHANNELS * width * height);
  let to = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let from = CHANNELS * (y * image.width + starts[x]);
      let [red, green, blue] = [HALF, HALF, HALF];
      for (let at = places[x], end = at + counts[x]; at < end; at++) {
        const weight = weights[at];
        red += data[from] * weight;
        green += data[from + 1] * weight;
        blue += data[from + 2] * weight;
        from += CHANNELS;
      }
      result[to++] = toByte(red);
      result[to++] = toByte(green);
      result[to++] = toByte(blue);
    }
  }
  return pixelsOf(width, height, result);
}

/**
 * @param {Pixels} image
 * @param {Weights} weights
 * @param {number} height
 * @returns {Pixels}
 */
function vertical(image, { starts, counts, places, weights }, height) {
  const { data } = image;
  const stride = CHANNELS * image.width;
  const result = new Uint8Array(stride * height);
  for (let y = 0; y < height; y++) {
    const start = stride * starts[y];
    const [begin, end] = [places[y], places[y] + counts[y]];
    for (let column = 0; column < stride; column++) {
      let sum = HALF;
      for (let at = begin, from = start + column; at < end; at++, from += stride) sum += data[from] * weights[at];
      result[y * stride + column] = toByte(sum);
    }
  }
  return pixelsOf(image.width, height, result);
}

/**
 * @param {Pixels} image
 * @param {number} width
 * @param {number} height
 * @returns {Pixels}
 */
function nearest(image, width, height) {
  const result = new Uint8Array(CHANNELS * width * height);
  const [columns, rows] = [positions(image.width, width), positions(image.height, height)];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (rows[y] >= image.height || columns[x] >= image.width) continue; // stays black, as it does in Pillow
      const [from, to] = [CHANNELS * (rows[y] * image.width + columns[x]), CHANNELS * (y * width + x)];
      for (let channel = 0; channel < CHANNELS; channel++) result[to + channel] = image.data[from + channel];
    }
  }
  return pixelsOf(width, height, result);
}

/**
 * Positions are added up, not multiplied, since that is where Pillow's rounding comes from.
 *
 * @param {number} from
 * @param {number} to
 * @returns {Int32Array}
 */
function positions(from, to) {
  const step = from / to;
  let position = step * 0.5;
  return Int32Array.from({ length: to }, () => {
    const found = Math.trunc(position);
    position += step;
    return found;
  });
}
