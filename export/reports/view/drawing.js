"use strict";
// The picture on its canvas, with as much detail as can be read at that size.

/** Text is drawn from these sizes on: the operator's name, and the shape below it. */
const NAMES_FROM = 0.5, SHAPES_FROM = 0.72, ARROWS_FROM = 0.45;
const SANS = 'ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", Arial, sans-serif';

/** @type {Painted[]} How each node is coloured now. */
let painted = [];
/** @type {Record<string, string>} Colours of the page's own style. */
let ink = {};

/** To be called where the colours mean something else, or the page has become dark. */
function repaint() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["ground", "surface", "ink", "muted", "line", "faint", "blue", "band"]) ink[name] = style.getPropertyValue(`--${name}`).trim();
  const mode = MODES[state.mode];
  painted = nodes.map((node) => mode.paint(node));
  drawSmallBase();
  redraw();
}

/** The boxes of the connections, so that those out of sight are left out. */
const boxes = picture.edges.map(({ route }) => {
  const xs = route.filter((_, place) => place % 2 === 0), ys = route.filter((_, place) => place % 2 === 1);
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
});

/** @typedef {{left: number, top: number, right: number, bottom: number}} Area */

/** @returns {Area} */
function seenArea() {
  const [left, top] = toPicture(0, 0);
  const [right, bottom] = toPicture(canvas.clientWidth, canvas.clientHeight);
  return { left, top, right, bottom };
}

/** @param {CanvasRenderingContext2D} context @param {GraphEdge} edge @param {boolean} isRound */
function trace(context, { route }, isRound) {
  const last = route.length - 2;
  context.moveTo(route[0], route[1] + HALF_HEIGHT * Math.sign(route[3] - route[1] || 1));
  const end = route[last + 1] - HALF_HEIGHT;
  for (let at = 2; at < last; at += 2) {
    if (isRound) context.arcTo(route[at], route[at + 1], route[at + 2], at + 2 === last ? end : route[at + 3], 10);
    else context.lineTo(route[at], route[at + 1]);
  }
  context.lineTo(route[last], end);
}

/** @param {CanvasRenderingContext2D} context @param {GraphEdge} edge */
function arrow(context, { route }) {
  const x = route[route.length - 2], y = route[route.length - 1] - HALF_HEIGHT;
  context.moveTo(x, y);
  context.lineTo(x - 4, y - 7);
  context.lineTo(x + 4, y - 7);
  context.closePath();
}

/** @param {CanvasRenderingContext2D} context @param {Area} area */
function drawEdges(context, area) {
  const isFaint = state.found !== null || state.selected >= 0;
  const seen = picture.edges.filter((_, index) => {
    const [left, top, right, bottom] = boxes[index];
    return right >= area.left && left <= area.right && bottom >= area.top && top <= area.bottom;
  });
  context.strokeStyle = context.fillStyle = ink.muted;
  context.globalAlpha = isFaint ? 0.35 : 0.7;
  context.lineWidth = Math.max(1.3, 0.8 / camera.zoom);
  context.beginPath();
  for (const edge of seen) trace(context, edge, camera.zoom > 0.3);
  context.stroke();
  if (camera.zoom > ARROWS_FROM) {
    context.beginPath();
    for (const edge of seen) arrow(context, edge);
    context.fill();
  }
  context.globalAlpha = 1;
  if (state.selected >= 0) drawOwnEdges(context);
}

/** @param {CanvasRenderingContext2D} context */
function drawOwnEdges(context) {
  const { into, outOf } = links[state.selected];
  context.strokeStyle = context.fillStyle = ink.blue;
  context.lineWidth = Math.max(2.2, 2 / camera.zoom);
  context.beginPath();
  for (const index of [...into, ...outOf]) trace(context, picture.edges[index], true);
  context.stroke();
  context.beginPath();
  for (const index of [...into, ...outOf]) arrow(context, picture.edges[index]);
  context.fill();
}

/** @param {CanvasRenderingContext2D} context @param {number} index @param {number} grow */
function shape(context, index, grow) {
  const { at: [x, y], role } = nodes[index];
  const radius = role === "operator" ? 6 : HALF_HEIGHT;
  context.roundRect(x - HALF_WIDTH - grow, y - HALF_HEIGHT - grow, 2 * (HALF_WIDTH + grow), 2 * (HALF_HEIGHT + grow), radius);
}

/** @param {CanvasRenderingContext2D} context @param {Area} area */
function drawNodes(context, area) {
  /** @type {Map<string, number[]>} */
  const byColour = new Map();
  nodes.forEach(({ at: [x, y] }, index) => {
    if (x + HALF_WIDTH < area.left || x - HALF_WIDTH > area.right || y + HALF_HEIGHT < area.top || y - HALF_HEIGHT > area.bottom) return;
    const key = `${painted[index].colour}${state.found && !state.found.has(index) ? 0 : 1}`;
    byColour.set(key, [...(byColour.get(key) ?? []), index]);
  });
  const isSmall = camera.zoom < 0.25;
  for (const [key, indices] of byColour) {
    context.globalAlpha = key.endsWith("0") ? 0.18 : 1;
    context.fillStyle = key.slice(0, 7);
    context.strokeStyle = ink.muted;
    context.lineWidth = 1;
    context.beginPath();
    for (const index of indices) {
      const [x, y] = nodes[index].at;
      if (isSmall) context.rect(x - HALF_WIDTH, y - HALF_HEIGHT, 2 * HALF_WIDTH, 2 * HALF_HEIGHT);
      else shape(context, index, 0);
    }
    context.fill();
    if (!isSmall) context.stroke();
    if (camera.zoom > NAMES_FROM) for (const index of indices) drawWords(context, index);
  }
  context.globalAlpha = 1;
  if (state.selected < 0) return;
  context.strokeStyle = ink.blue;
  context.lineWidth = Math.max(3, 3 / camera.zoom);
  context.beginPath();
  shape(context, state.selected, Math.max(3, 3 / camera.zoom));
  context.stroke();
}

/** What is cut off of a text that is too wide, by the font and the text. @type {Map<string, string>} */
const fitted = new Map();

/** @param {CanvasRenderingContext2D} context @param {string} text @param {number} width */
function fit(context, text, width) {
  const key = `${context.font}|${width}|${text}`;
  const known = fitted.get(key);
  if (known !== undefined) return known;
  let shown = text;
  for (let length = text.length - 1; length > 1 && context.measureText(shown).width > width; length -= 1) shown = `${text.slice(0, length)}…`;
  fitted.set(key, shown);
  return shown;
}

/** @param {CanvasRenderingContext2D} context @param {number} index */
function drawWords(context, index) {
  const node = nodes[index];
  const [x, y] = node.at;
  const isTwo = camera.zoom > SHAPES_FROM;
  context.fillStyle = inkOn(painted[index].colour);
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.font = `600 13px ${SANS}`;
  const title = node.role === "operator" ? node.native : nameOf(node);
  context.fillText(fit(context, title, 2 * HALF_WIDTH - 12), x, y + (isTwo ? -8 : 0));
  if (!isTwo) return;
  const value = node.gives[0] ?? node.reads[0];
  context.font = `400 11px ${SANS}`;
  context.fillText(fit(context, value ? shapeText(value.shape) : "", 2 * HALF_WIDTH - 12), x, y + 9);
}

const drawn = element("canvas", HTMLCanvasElement).getContext("2d");

function drawAll() {
  if (!drawn) return;
  const ratio = Math.min(devicePixelRatio || 1, 2);
  const [width, height] = [Math.round(canvas.clientWidth * ratio), Math.round(canvas.clientHeight * ratio)];
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  drawn.setTransform(1, 0, 0, 1, 0, 0);
  drawn.fillStyle = ink.ground;
  drawn.fillRect(0, 0, width, height);
  const scale = camera.zoom * ratio;
  drawn.setTransform(scale, 0, 0, scale, -camera.x * scale, -camera.y * scale);
  const area = seenArea();
  const bands = drawBands(drawn, area);
  drawEdges(drawn, area);
  drawNodes(drawn, area);
  drawn.setTransform(ratio, 0, 0, ratio, 0, 0);
  drawLabels(drawn, bands);
  drawSmall(area);
  if (!performance.getEntriesByName("graph drawn").length) performance.mark("graph drawn");
}
