// The list of the kit's images, and the verdict above it.
// @ts-check

import { bounded, capitalized, element, make, sign } from "./dom.js";
import { figuresOf, meaningsOf, stateOf } from "./verdict.js";

/**
 * @typedef {import("./verdict.js").State} State
 * @typedef {import("./verdict.js").Figure} Figure
 * @typedef {import("../core/kit.js").Vector} Vector
 * @typedef {import("../core/judge.js").VectorResult} VectorResult
 * @typedef {import("../core/manifest.js").Manifest} Manifest
 */

const SIGNS = { passed: "M5 12.500l4.500 4.500L19 7.500", failed: "M6.500 6.500l11 11M17.500 6.500l-11 11", unchecked: "M12 5v9M12 18.500v.1", none: "M12 7v5l3.500 2" };
const WORDS = { passed: "Passed", failed: "Failed", unchecked: "Could not be run" };

/** @param {{state: State | "none", title: string, text: string}} verdict */
export function showVerdict({ state, title, text }) {
  element("verdict", HTMLElement).dataset.verdict = state;
  element("verdict-mark", HTMLElement).replaceChildren(sign(SIGNS[state]));
  element("verdict-title", HTMLElement).textContent = title;
  element("verdict-text", HTMLElement).textContent = text;
}

/**
 * An image of the kit that has not run yet.
 * @param {Vector} vector
 * @param {Blob} image
 */
export function waitingVector(vector, image) {
  const item = make("li", "vector");
  item.dataset.verdict = "none";
  item.dataset.name = vector.name;
  const mark = make("span", "mark mark-small");
  mark.setAttribute("aria-hidden", "true");
  mark.append(sign(SIGNS.none));
  const head = make("div", "vector-head");
  head.append(make("h3", "", bounded(capitalized(vector.aimsAt))), make("p", "vector-verdict", "Not run yet"));
  const picture = make("img", "vector-image");
  picture.alt = "";
  picture.src = URL.createObjectURL(image);
  picture.onload = picture.onerror = () => URL.revokeObjectURL(picture.src);
  item.append(mark, head, picture);
  return item;
}

/**
 * @param {HTMLElement} item what {@link waitingVector} gave
 * @param {VectorResult} result
 * @param {Vector} vector
 * @param {Manifest} manifest
 */
export function showVector(item, result, vector, manifest) {
  const state = stateOf(result);
  const maps = manifest.outputs.filter((output) => output.role === "class_map").map((output) => output.name);
  item.dataset.verdict = state;
  item.querySelector(".mark")?.replaceChildren(sign(SIGNS[state]));
  const words = item.querySelector(".vector-verdict");
  if (words) words.textContent = WORDS[state];
  item.append(...meaningsOf(result).map((text) => make("p", "vector-meaning", text)), tableOf(figuresOf(result, vector, maps)));
}

/** @param {Figure[]} figures */
function tableOf(figures) {
  const table = make("table", "vector-figures");
  const head = table.createTHead().insertRow();
  for (const [text, isUnseen] of /** @type {[string, boolean][]} */ ([["Compared", true], ["Largest error", false], ["Allowed", false]])) {
    const cell = make("th", "");
    cell.scope = "col";
    cell.append(make("span", isUnseen ? "unseen" : "", text));
    head.append(cell);
  }
  const body = table.createTBody();
  for (const { what, error, allowed, isOver } of figures) {
    const row = body.insertRow();
    const name = make("th", "", bounded(what));
    name.scope = "row";
    row.append(name, make("td", isOver ? "is-over" : "", error), make("td", "", allowed));
  }
  return table;
}
