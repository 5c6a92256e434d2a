"use strict";
// What a colour says: each way of colouring gives a node its colour and the words for it, and itself a legend.

/** @typedef {{colour: string, words: string}} Painted */
/** @typedef {{title: string, paint: (node: GraphNode) => Painted, legend: () => HTMLElement[]}} Mode */

const dark = matchMedia("(prefers-color-scheme: dark)");

// Eight colours that stay apart for eyes that take red for green, on a light and on a dark ground.
const HUES = {
  light: ["#8ab8e0", "#f0b35a", "#8fcfa8", "#d99bc4", "#c9c274", "#e5907a", "#a9a4e0", "#b9bec4"],
  dark: ["#2f6fa8", "#a86f1f", "#2f8058", "#8f4f7c", "#77722f", "#a34f3a", "#5f58a8", "#565d66"],
};
const HEAT = {
  light: ["#f5ebd0", "#f6d58e", "#ef9f4d", "#d65f2e", "#981b1e"],
  dark: ["#2b2d31", "#57472b", "#99642a", "#d97f38", "#ffc481"],
};
// How much of what is allowed is used: nothing of it is wrong.
const USED = {
  light: ["#d5e6f0", "#b0d0e6", "#78b4da", "#357fb8", "#0d4576"],
  dark: ["#24282d", "#28465f", "#2f6c9c", "#4f9bd6", "#a9d6ff"],
};
const NOTHING = { light: "#d4d4d1", dark: "#30343a" };
const WRONG = { light: "#b0006e", dark: "#ff5fb8" };

/** @returns {"light" | "dark"} */
const theme = () => (dark.matches ? "dark" : "light");

/** What kinds of operators have in common; the last is of all others. @type {[string, string[]][]} */
const FAMILIES = [
  ["convolution", ["convolution"]],
  ["product", ["linear layer", "product of matrices", "attention"]],
  ["activation", ["activation", "softplus", "exponential", "logarithm", "root or reciprocal"]],
  ["normalization", ["normalization", "softmax", "logarithm of a sum of exponentials"]],
  ["sum and mean", ["sum", "mean", "sum of squares", "average pooling", "argmax", "topk"]],
  ["arithmetic", ["sum of two", "product of two", "quotient", "larger of two"]],
  ["move", ["move", "slice", "gather", "shape", "cast", "concatenation"]],
];
const familyOf = new Map(FAMILIES.flatMap(([name, kinds]) => kinds.map((kind) => [kind, name])));

/** @param {string} colour @returns {number[]} */
const rgb = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));

/** A colour of a ramp, 0 to 1. @param {number} share @param {{light: string[], dark: string[]}} [colours] */
function heat(share, colours = HEAT) {
  const stops = colours[theme()];
  const place = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
  const low = Math.min(Math.floor(place), stops.length - 2);
  const [from, to] = [rgb(stops[low]), rgb(stops[low + 1])];
  return `#${from.map((value, i) => Math.round(value + (to[i] - value) * (place - low)).toString(16).padStart(2, "0")).join("")}`;
}

/** The colour of text on a ground. @param {string} ground */
function inkOn(ground) {
  const [red, green, blue] = rgb(ground);
  return red * 0.299 + green * 0.587 + blue * 0.114 > 140 ? "#14171a" : "#ffffff";
}

/** @param {string} colour @param {string} words */
function swatch(colour, words) {
  const item = document.createElement("li");
  const box = document.createElement("span");
  box.className = "swatch";
  box.style.background = colour;
  item.append(box, words);
  return item;
}

/** A ramp with the words of its ends. @param {string} low @param {string} high @param {{light: string[], dark: string[]}} [colours] */
function ramp(low, high, colours = HEAT) {
  const item = document.createElement("li");
  const bar = document.createElement("span");
  bar.className = "ramp";
  bar.style.background = `linear-gradient(to right, ${colours[theme()].join(", ")})`;
  item.append(low, bar, high);
  return item;
}

/**
 * A colour for each of some words, the most frequent first; those beyond the eighth share one.
 * @param {string} title
 * @param {(node: GraphNode) => string} wordOf
 * @returns {Mode}
 */
function byWord(title, wordOf) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const node of nodes) if (node.role === "operator") counts.set(wordOf(node), (counts.get(wordOf(node)) ?? 0) + 1);
  const words = [...counts.keys()].sort((a, b) => (counts.get(b) ?? 0) - (counts.get(a) ?? 0));
  const own = words.length > 8 ? 7 : 8;
  const places = new Map(words.map((word, place) => [word, Math.min(place, own)]));
  return {
    title,
    paint: (node) => {
      if (node.role !== "operator") return { colour: NOTHING[theme()], words: "" };
      return { colour: HUES[theme()][places.get(wordOf(node)) ?? 7], words: wordOf(node) };
    },
    legend: () => {
      const shown = words.slice(0, own).map((word, place) => swatch(HUES[theme()][place], `${word} (${counts.get(word)})`));
      const rest = words.slice(own).reduce((sum, word) => sum + (counts.get(word) ?? 0), 0);
      return rest ? [...shown, swatch(HUES[theme()][7], `${words.length - own} others (${rest})`)] : shown;
    },
  };
}

/**
 * A ramp over the logarithm of a number; null is of a node that has none.
 * @param {string} title
 * @param {(node: GraphNode) => number | null} numberOf
 * @param {(value: number) => string} text
 * @param {string} none
 * @returns {Mode}
 */
function byNumber(title, numberOf, text, none) {
  const values = nodes.map(numberOf).filter((value) => value !== null && value > 0).map(Number);
  const high = Math.max(...values, 1e-12);
  const low = Math.max(Math.min(...values, high), high / 1e4);
  return {
    title,
    paint: (node) => {
      const value = numberOf(node);
      if (value === null) return { colour: NOTHING[theme()], words: none };
      const share = high > low ? 0.12 + 0.88 * Math.log(Math.max(value, low) / low) / Math.log(high / low) : 1;
      return { colour: value > 0 ? heat(share) : heat(0), words: text(value) };
    },
    legend: () => [ramp(text(low), text(high)), swatch(NOTHING[theme()], none)],
  };
}

/** What an operator adds to the error over what it may: 1 is the most that is right. @param {OwnError} error */
function ofTolerance(error) {
  if (error.own === null || error.tolerance === null) return Infinity;
  return error.tolerance > 0 ? error.own / error.tolerance : error.own > 0 ? Infinity : 0;
}

/** @type {Mode} */
const byError = {
  title: "own error",
  paint: (node) => {
    if (node.error === null) return { colour: NOTHING[theme()], words: "not compared by itself" };
    const wrong = node.error.verdict === "wrong here" || node.error.verdict === "overflows";
    const share = ofTolerance(node.error);
    const words = `${errorText(node.error.own)}, ${node.error.verdict}`;
    return { colour: wrong ? WRONG[theme()] : heat(share > 0 ? 1 + Math.log10(Math.min(share, 1)) / 3 : 0, USED), words };
  },
  legend: () => [
    ramp("right: a thousandth of what rounding explains", "all of it", USED),
    swatch(WRONG[theme()], "wrong here, or overflows"),
    swatch(NOTHING[theme()], "not compared by itself"),
    made("li", `by parity with ${picture.error?.by ?? ""}`),
    ...(picture.error?.unplaced ? [made("li", `${picture.error.unplaced} compared values are of no operator here`)] : []),
  ],
};

const byTime = byNumber("share of time", (node) => (node.taken.length ? shareOf(node) : null), percentText, "part of another, or not timed");

/** @param {GraphNode} node */
function precisionOf(node) {
  const results = node.gives[0]?.dtype || "not known";
  const largest = node.constants.map((index) => picture.constants[index]).sort((a, b) => b.bytes - a.bytes)[0];
  const stored = largest && largest.spread?.few.length === 0 ? largest.dtype : results;
  return stored === results ? results : `${results}, weights ${stored}`;
}

/** @type {Record<string, Mode>} */
const MODES = {
  kind: byWord("kind", (node) => familyOf.get(node.kind) ?? "other"),
  module: byWord("module", (node) => node.module.split(".").slice(0, 2).join(".") || "the model itself"),
  precision: byWord("precision", precisionOf),
  size: byNumber("size of weights", (node) => (node.role === "operator" && node.constants.length ? weightsOf(node) : null), sizeText, "stores nothing"),
  ...(picture.error ? { error: byError } : {}),
  ...(picture.time
    ? {
        time: {
          ...byTime,
          title: picture.time.unit === "instructions" ? "share of instructions" : "share of time",
          legend: () => [
            ...byTime.legend(),
            made("li", `by ${picture.time?.by ?? ""}`),
            ...(picture.time?.unplaced ? [made("li", `${percentText(picture.time.unplaced)} is of no operator of the file`)] : []),
          ],
        },
      }
    : {}),
};
