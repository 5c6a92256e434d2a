/**
 * Where an upright image of `width` x `height` pixels lies in the model's input: resized to `resizedWidth` x `resizedHeight`, of
 * which the input's first pixel is the one at (`left`, `top`); these are negative where a border lies before it.
 *
 * @typedef {{
 *   readonly width: number, readonly height: number, readonly resizedWidth: number, readonly resizedHeight: number,
 *   readonly left: number, readonly top: number,
 * }} Placement
 */

/**
 * The short side at `short` pixels, the long one rounded down, and the middle; half of a pixel goes to the even side.
 *
 * @param {number} width
 * @param {number} height
 * @param {number} short
 * @param {number} across
 * @param {number} down
 * @returns {Placement}
 */
export function middle(width, height, short, across, down) {
  const other = longSide(width, height, short);
  const [resizedWidth, resizedHeight] = width <= height ? [short, other] : [other, short];
  return { width, height, resizedWidth, resizedHeight, left: half(resizedWidth - across), top: half(resizedHeight - down) };
}

/**
 * The long side of an image of `width` x `height` whose short one becomes `short`.
 *
 * @param {number} width
 * @param {number} height
 * @param {number} short
 * @returns {number}
 */
export function longSide(width, height, short) {
  return Math.floor((short * Math.max(width, height)) / Math.min(width, height));
}

/**
 * The whole image as large as it fits; the side that does not fill is rounded, a half up, and the odd pixel lies after it.
 *
 * @param {number} width
 * @param {number} height
 * @param {number} across
 * @param {number} down
 * @returns {Placement}
 */
export function letterbox(width, height, across, down) {
  const isFlat = width * down >= height * across;
  const resizedWidth = isFlat ? across : fitted(width, down, height);
  const resizedHeight = isFlat ? fitted(height, across, width) : down;
  const [left, top] = [before(across - resizedWidth), before(down - resizedHeight)];
  return { width, height, resizedWidth, resizedHeight, left, top };
}

/**
 * A place in the input, in pixels, as a place in the image.
 *
 * @param {Placement} place
 * @param {number} x
 * @returns {number}
 */
export function backX(place, x) {
  return ((x + place.left) * place.width) / place.resizedWidth;
}

/**
 * @param {Placement} place
 * @param {number} y
 * @returns {number}
 */
export function backY(place, y) {
  return ((y + place.top) * place.height) / place.resizedHeight;
}

/** @param {number} pixels @returns {number} half of them, rounded to the even number */
function half(pixels) {
  const lower = Math.floor(pixels / 2);
  return pixels % 2 === 0 ? lower : lower + (lower % 2);
}

/** @param {number} room @returns {number} where the image begins, counted from the input's first pixel to the left */
function before(room) {
  return 0 - Math.floor(room / 2);
}

/**
 * @param {number} side
 * @param {number} target
 * @param {number} other
 * @returns {number}
 */
function fitted(side, target, other) {
  return Math.max(1, Math.floor((2 * side * target + other) / (2 * other)));
}
