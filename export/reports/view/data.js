"use strict";
// What the page carries, and what every other file of it calls.

/** @typedef {{name: string, shape: (number | null)[] | null, dtype: string}} Value */
/** @typedef {{own: number | null, tolerance: number | null, total: number | null, verdict: string, case: string}} OwnError */
/** @typedef {{share: number, amount: number, stands_for: string[]}} Taken */
/**
 * @typedef {Object} GraphNode
 * @property {"operator" | "input" | "output"} role
 * @property {string} native the file's word for it
 * @property {string} kind
 * @property {string} module
 * @property {string} location
 * @property {boolean} step whether module and location are those of the next value that is known
 * @property {Value[]} reads
 * @property {Value[]} gives
 * @property {[string, string][]} attributes
 * @property {number[]} constants
 * @property {OwnError | null} error
 * @property {Taken[]} taken
 * @property {[number, number]} at its middle
 * @property {number} layer
 * @property {number} column
 */
/** @typedef {{from: number, to: number, value: string, route: number[]}} GraphEdge */
/** @typedef {{low: number, high: number, mean: number, deviation: number, zeros: number, not_finite: number, counts: number[], few: string[]}} Spread */
/** @typedef {{name: string, shape: (number | null)[], dtype: string, bytes: number, spread: Spread | null}} Stored */
/**
 * @typedef {Object} Picture
 * @property {string} model
 * @property {string} format
 * @property {string} precision
 * @property {[number, number]} size
 * @property {GraphNode[]} nodes
 * @property {GraphEdge[]} edges
 * @property {Stored[]} constants
 * @property {{by: string, unplaced: number} | null} error
 * @property {{by: string, unit: string, unplaced: number} | null} time
 */

/**
 * @template {Element} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
function element(id, type) {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`the page has no ${id}`);
  return found;
}

/** @type {Picture} */
const picture = JSON.parse(element("graph", HTMLScriptElement).textContent ?? "");
const nodes = picture.nodes;
/** Half of a node's width and height, in the picture's pixels. */
const HALF_WIDTH = 78, HALF_HEIGHT = 20;

/** The connections into and out of each node, by its number. */
/** @type {{into: number[], outOf: number[]}[]} */
const links = nodes.map(() => ({ into: [], outOf: [] }));
picture.edges.forEach((edge, index) => {
  links[edge.from].outOf.push(index);
  links[edge.to].into.push(index);
});

/** What is shown besides the graph. */
const state = {
  mode: "kind",
  depth: "auto",
  selected: -1,
  /** @type {Set<number> | null} The nodes that the search found; null where nothing is looked for. */
  found: null,
};

/** @param {(number | null)[] | null} shape */
function shapeText(shape) {
  if (shape === null) return "shape not known";
  return shape.length === 0 ? "one number" : shape.map((size) => size ?? "?").join(" × ");
}

/** @param {number} bytes */
function sizeText(bytes) {
  if (bytes >= 1e6) return `${(bytes / 1e6).toFixed(2)} MB`;
  return bytes >= 1e3 ? `${(bytes / 1e3).toFixed(1)} kB` : `${bytes} B`;
}

/** @param {number} share */
function percentText(share) {
  return share > 0 && share < 0.0001 ? "below 0.01%" : `${(100 * share).toFixed(share < 0.1 ? 2 : 1)}%`;
}

/** @param {number | null} value */
function errorText(value) {
  return value === null ? "no finite number" : value === 0 ? "0" : value.toExponential(1);
}

/** @param {GraphNode} node */
function weightsOf(node) {
  return node.constants.reduce((sum, index) => sum + picture.constants[index].bytes, 0);
}

/** @param {GraphNode} node */
function shareOf(node) {
  return node.taken.reduce((sum, row) => sum + row.share, 0);
}

/** What a node is called: what it gives first; of what goes out, what it is. @param {GraphNode} node */
function nameOf(node) {
  return (node.gives[0] ?? node.reads[0])?.name ?? "";
}

/**
 * An element with text that stays text.
 * @param {string} tag
 * @param {string} text
 * @param {string} [kind]
 */
function made(tag, text, kind) {
  const found = document.createElement(tag);
  found.textContent = text;
  if (kind) found.className = kind;
  return found;
}
