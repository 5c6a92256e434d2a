// The photograph, with what the model finds drawn where it is.
// @ts-check

import { backX, backY } from "../core/placement.js";
import { rgba } from "../core/pixels.js";

/**
 * @typedef {import("../core/placement.js").Placement} Placement
 * @typedef {import("../core/seen.js").Seen} Seen
 * @typedef {import("../core/pixels.js").Pixels} Pixels
 */

const OPACITY = 0.5;
const GOLDEN = 0.618034; // of a circle of hues: colours of neighbouring numbers lie far apart
const OUTSIDE = "rgb(11 13 16 / 62%)"; // over what the model does not see
const LONGEST_NAME = 40;

/**
 * The colour of a class, the same in every picture and in the apps; of class 0 black, which is the background as a rule.
 * @param {number} index
 * @param {number} [opacity]
 */
export function colorOf(index, opacity = 1) {
  if (index === 0) return `rgb(0 0 0 / ${opacity})`;
  const [red, green, blue] = rgbOf(index);
  return `rgb(${red} ${green} ${blue} / ${opacity})`;
}

/** @param {number} index @returns {[number, number, number]} saturation 0.75 and value 1 of HSV, as the apps have it */
function rgbOf(index) {
  if (index === 0) return [0, 0, 0];
  const hue = ((0.02 + index * GOLDEN) % 1) * 6;
  const part = (/** @type {number} */ shift) => {
    const distance = (shift + hue) % 6;
    return Math.round(255 * (1 - 0.75 * Math.max(0, Math.min(distance, 4 - distance, 1))));
  };
  return [part(5), part(3), part(1)];
}

/**
 * Fits the canvas to the picture and draws it.
 * @param {HTMLCanvasElement} canvas
 * @param {ImageBitmap} bitmap is put away
 * @param {{width: number, height: number}} size of what it shows
 * @returns {CanvasRenderingContext2D} in which a unit is a pixel of that
 */
export function drawPicture(canvas, bitmap, { width, height }) {
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.drawImage(bitmap, 0, 0);
  context.scale(bitmap.width / width, bitmap.height / height);
  bitmap.close();
  return context;
}

/**
 * What the model itself paints.
 * @param {Pixels} pixels
 */
export const bitmapOf = (pixels) => createImageBitmap(new ImageData(rgba(pixels), pixels.width));

/**
 * Darkens what is cut away before the model sees the rest.
 * @param {CanvasRenderingContext2D} context
 * @param {Placement} place
 * @param {{width: number, height: number}} input the sides of the model's
 */
export function drawSeenPart(context, place, input) {
  const [left, top] = [Math.max(0, backX(place, 0)), Math.max(0, backY(place, 0))];
  const [right, bottom] = [Math.min(place.width, backX(place, input.width)), Math.min(place.height, backY(place, input.height))];
  context.fillStyle = OUTSIDE;
  context.beginPath();
  context.rect(0, 0, place.width, place.height);
  context.rect(left, top, right - left, bottom - top);
  context.fill("evenodd");
}

/**
 * Maps, boxes and points over the photograph.
 * @param {CanvasRenderingContext2D} context
 * @param {Seen} seen
 */
export async function drawSeen(context, seen) {
  const place = seen.placement;
  for (const map of seen.maps) await drawMap(context, map, seen);
  const unit = Math.max(place.width, place.height) / 300;
  for (const box of [...seen.boxes].reverse()) drawBox(context, box, unit); // the best last, on top
  seen.points.forEach((point, number) => {
    context.beginPath();
    context.arc(point.x, point.y, 2 * unit, 0, 2 * Math.PI);
    context.fillStyle = colorOf(number + 1);
    context.strokeStyle = "rgb(0 0 0 / 70%)";
    context.lineWidth = unit / 2;
    context.fill();
    context.stroke();
  });
}

/**
 * All of the input lies at its place in the photograph; what is beyond the photograph's edge is border.
 * @param {CanvasRenderingContext2D} context
 * @param {import("../core/seen.js").ClassMap} map
 * @param {Seen} seen
 */
async function drawMap(context, map, { placement: place, inputWidth, inputHeight }) {
  const image = new ImageData(map.width, map.height);
  map.classes.forEach((/** @type {number} */ index, /** @type {number} */ at) => {
    if (index >= 0) image.data.set([...rgbOf(index), Math.round(255 * OPACITY)], 4 * at);
  });
  const over = await createImageBitmap(image);
  const [left, top] = [backX(place, 0), backY(place, 0)];
  context.imageSmoothingEnabled = false; // between two classes there is none
  context.drawImage(over, left, top, backX(place, inputWidth) - left, backY(place, inputHeight) - top);
  context.imageSmoothingEnabled = true;
  over.close();
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {import("../core/seen.js").Box} box
 * @param {number} unit
 */
function drawBox(context, box, unit) {
  const color = colorOf(box.index + 1);
  context.strokeStyle = color;
  context.lineWidth = unit;
  context.lineJoin = "round";
  context.strokeRect(box.left, box.top, box.right - box.left, box.bottom - box.top);
  const text = `${nameOf(box).slice(0, LONGEST_NAME)} ${box.score.toFixed(2)}`;
  context.font = `600 ${8 * unit}px system-ui, sans-serif`;
  context.textBaseline = "middle";
  const [width, height] = [context.measureText(text).width + 6 * unit, 12 * unit];
  const left = Math.max(0, Math.min(box.left - unit / 2, context.canvas.width / context.getTransform().a - width));
  const top = Math.max(0, box.top - height);
  context.fillStyle = color;
  context.beginPath();
  context.roundRect(left, top, width, height, 3 * unit);
  context.fill();
  context.fillStyle = textOn(rgbOf(box.index + 1));
  context.fillText(text, left + 3 * unit, top + height / 2);
}

/** @param {[number, number, number]} rgb @returns {string} black or white, whichever is read better on it */
function textOn(rgb) {
  const [red, green, blue] = rgb.map((value) => (value / 255) ** 2.2);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.18 ? "#000000" : "#ffffff";
}

/** @param {{label: string | null, index: number}} found */
export const nameOf = ({ label, index }) => label ?? `Class ${index}`;
