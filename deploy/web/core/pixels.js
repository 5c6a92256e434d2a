/**
 * An image of 8-bit pixels, three bytes each, row by row from the top; red, green, blue unless said otherwise.
 *
 * @typedef {{readonly width: number, readonly height: number, readonly data: Uint8Array}} Pixels
 */

export const CHANNELS = 3;

/**
 * @param {number} width
 * @param {number} height
 * @param {Uint8Array} data
 * @returns {Pixels} held to its size; RangeError for what does not fit together
 */
export function pixelsOf(width, height, data) {
  if (!(width > 0 && height > 0)) throw new RangeError(`an image of ${width} x ${height} pixels`);
  if (data.length !== CHANNELS * width * height) throw new RangeError(`${data.length} bytes for ${width} x ${height} pixels`);
  return { width, height, data };
}

/**
 * The part of `width` x `height` pixels whose top left corner is at (`left`, `top`).
 *
 * @param {Pixels} image
 * @param {number} left
 * @param {number} top
 * @param {number} width
 * @param {number} height
 * @returns {Pixels}
 */
export function cropped(image, left, top, width, height) {
  if (left < 0 || top < 0 || left + width > image.width || top + height > image.height) {
    throw new RangeError(`${width} x ${height} pixels at ${left}, ${top} are not inside ${image.width} x ${image.height}`);
  }
  const data = new Uint8Array(CHANNELS * width * height);
  for (let y = 0; y < height; y++) {
    const from = CHANNELS * ((top + y) * image.width + left);
    data.set(image.data.subarray(from, from + CHANNELS * width), CHANNELS * y * width);
  }
  return pixelsOf(width, height, data);
}

/**
 * An image of `width` x `height` pixels of `fill`, 0 to 255, with `image` at (`left`, `top`).
 *
 * @param {Pixels} image
 * @param {number} left
 * @param {number} top
 * @param {number} width
 * @param {number} height
 * @param {number} fill
 * @returns {Pixels}
 */
export function bordered(image, left, top, width, height, fill) {
  if (left < 0 || top < 0 || left + image.width > width || top + image.height > height) {
    throw new RangeError(`${image.width} x ${image.height} pixels at ${left}, ${top} are not inside ${width} x ${height}`);
  }
  const data = new Uint8Array(CHANNELS * width * height).fill(fill);
  const row = CHANNELS * image.width;
  for (let y = 0; y < image.height; y++) {
    data.set(image.data.subarray(y * row, (y + 1) * row), CHANNELS * ((top + y) * width + left));
  }
  return pixelsOf(width, height, data);
}

/**
 * The first and the third channel exchanged: RGB as BGR, and back.
 *
 * @param {Pixels} image
 * @returns {Pixels}
 */
export function reversed({ width, height, data }) {
  const result = new Uint8Array(data.length);
  for (let at = 0; at < data.length; at += CHANNELS) {
    result[at] = data[at + 2];
    result[at + 1] = data[at + 1];
    result[at + 2] = data[at];
  }
  return pixelsOf(width, height, result);
}

/**
 * Turned and mirrored as a viewer shows it. `orientation` is EXIF's, 1 to 8; any other number, such as the 0 of files that have
 * none, leaves the image as it is.
 *
 * @param {Pixels} image
 * @param {number} orientation
 * @returns {Pixels}
 */
export function upright(image, orientation) {
  const { width, height, data } = image;
  const [right, down] = [CHANNELS, CHANNELS * width];
  const [lastX, lastY] = [right * (width - 1), down * (height - 1)];
  // Where the pixel (x, y) of the result lies in the original: at start + x * stepX + y * stepY.
  /** @type {Record<number, [number, number, number]>} */
  const walks = {
    2: [lastX, -right, down],
    3: [lastX + lastY, -right, -down],
    4: [lastY, right, -down],
    5: [0, down, right],
    6: [lastY, -down, right],
    7: [lastX + lastY, -down, -right],
    8: [lastX, down, -right],
  };
  const walk = walks[orientation];
  if (walk === undefined) return image;
  const [start, stepX, stepY] = walk;
  const [newWidth, newHeight] = orientation >= 5 ? [height, width] : [width, height];
  const result = new Uint8Array(data.length);
  let to = 0;
  for (let y = 0; y < newHeight; y++) {
    let from = start + y * stepY;
    for (let x = 0; x < newWidth; x++) {
      result[to++] = data[from];
      result[to++] = data[from + 1];
      result[to++] = data[from + 2];
      from += stepX;
    }
  }
  return pixelsOf(newWidth, newHeight, result);
}

/**
 * For the screen: `new ImageData(rgba(pixels), pixels.width)`.
 *
 * @param {Pixels} image
 * @returns {Uint8ClampedArray<ArrayBuffer>} opaque
 */
export function rgba({ width, height, data }) {
  const result = new Uint8ClampedArray(4 * width * height);
  for (let from = 0, to = 0; from < data.length; ) {
    result[to++] = data[from++];
    result[to++] = data[from++];
    result[to++] = data[from++];
    result[to++] = 255;
  }
  return result;
}
