// What was found in a photograph: rows with bars, and a line with the time.
// @ts-check

import { shares } from "../core/seen.js";
import { bounded, capitalized, element, make, say } from "./dom.js";
import { colorOf, nameOf } from "./drawing.js";

/**
 * @typedef {{name: string, share: number, color: string | null}} Row `share` from 0 to 1
 * @typedef {import("../core/classes.js").Prediction} Prediction
 * @typedef {import("../core/seen.js").Seen} Seen
 */

export const COUNT = 5;

/** @param {Prediction[]} predictions @returns {Row[]} */
export const rowsOfClasses = (predictions) =>
  predictions.map((prediction) => ({ name: nameOf(prediction), share: prediction.probability, color: null }));

/**
 * The best boxes with their scores, or how much of a map each class has.
 * @param {Seen} seen
 * @param {readonly string[] | null} labels
 * @returns {Row[]}
 */
export function rowsOfSeen(seen, labels) {
  const boxes = seen.boxes.map((box) => ({ name: nameOf(box), share: box.score, color: colorOf(box.index + 1) }));
  const maps = seen.maps.flatMap((map) =>
    shares(map, seen).map(({ index, share }) => ({ name: nameOf({ index, label: labels?.[index] ?? null }), share, color: colorOf(index) })),
  );
  return [...boxes, ...maps].slice(0, COUNT);
}

/**
 * In words, for what the rows do not say.
 * @param {Seen} seen
 */
export function noteOfSeen(seen) {
  const parts = [
    seen.boxes.length ? `${counted(seen.boxes.length, "box", "boxes")}` : "",
    seen.maps.length ? "shares are of the photograph's area" : "",
    seen.points.length ? counted(seen.points.length, "point", "points") : "",
    seen.pictures.length ? "the picture is what the model gives" : "",
  ].filter(Boolean);
  return parts.length ? `${capitalized(parts.join(", "))}.` : "The model finds nothing in this photograph.";
}

/** @param {number} count @param {string} one @param {string} many */
const counted = (count, one, many) => `${count} ${count === 1 ? one : many}`;

/**
 * @param {Row[]} rows
 * @param {string} note
 * @param {string} ranOn
 */
export function showResults(rows, note, ranOn) {
  const list = element("rows", HTMLOListElement);
  list.replaceChildren(...rows.map(rowOf));
  list.hidden = rows.length === 0;
  say(element("seen-note", HTMLElement), note);
  say(element("ran-on", HTMLElement), ranOn);
}

/** @param {Row} row */
function rowOf({ name, share, color }) {
  const item = make("li", "row");
  const label = make("span", "row-name");
  if (color !== null) {
    const swatch = make("span", "row-swatch");
    swatch.style.backgroundColor = color;
    label.append(swatch);
  }
  label.append(bounded(name));
  const bar = make("div", "bar");
  bar.setAttribute("aria-hidden", "true");
  const fill = make("div", "bar-fill");
  bar.append(fill);
  fill.style.setProperty("--share", String(Math.min(1, Math.max(0, share))));
  item.append(label, make("span", "row-share", percent(share)), bar);
  return item;
}

/** @param {number} share */
export const percent = (share) => `${(100 * share).toFixed(1)} %`;

/** @param {number} value @returns {string} three digits that tell something */
export const milliseconds = (value) => `${value >= 100 ? Math.round(value) : Number(value.toPrecision(3))} ms`;
