"use strict";
// Modules as bands behind their operators: a band is of layers whose operators are all of one module.

/** @typedef {{module: string, column: number, left: number, top: number, right: number, bottom: number}} Band */

/** How many names the longest module has. */
const DEEPEST = Math.max(1, ...nodes.map((node) => (node.module ? node.module.split(".").length : 0)));
const ROW = 66;

/** @param {number} depth @returns {Band[]} */
function bandsOf(depth) {
  /** @type {Map<number, number[]>} */
  const layers = new Map();
  nodes.forEach((node, index) => layers.set(node.layer, [...(layers.get(node.layer) ?? []), index]));
  /** @type {Band[]} */
  const bands = [];
  for (const layer of [...layers.keys()].sort((a, b) => a - b)) {
    const inside = (layers.get(layer) ?? []).map((index) => nodes[index]);
    const names = new Set(inside.map((node) => (node.role === "operator" ? node.module.split(".").slice(0, depth).join(".") : "")));
    const module = names.size === 1 ? [...names][0] : "";
    const xs = inside.map((node) => node.at[0]), y = inside[0].at[1];
    const box = { module, column: inside[0].column, left: Math.min(...xs) - HALF_WIDTH - 12, right: Math.max(...xs) + HALF_WIDTH + 12, top: y - ROW / 2, bottom: y + ROW / 2 };
    const last = bands[bands.length - 1];
    if (last && last.module === module && last.column === box.column && Math.abs(last.bottom - box.top) < 1) {
      [last.left, last.right, last.bottom] = [Math.min(last.left, box.left), Math.max(last.right, box.right), box.bottom];
    } else bands.push(box);
  }
  return bands.filter((band) => band.module !== "");
}

/** @type {Map<number, Band[]>} */
const knownBands = new Map();

/** @param {number} depth */
function bandsAt(depth) {
  const known = knownBands.get(depth) ?? bandsOf(depth);
  knownBands.set(depth, known);
  return known;
}

/** Of each depth how high its bands are: half of all layers that are in bands are in lower ones. @type {Map<number, number>} */
const knownHeights = new Map();

/** @param {number} depth */
function usualHeight(depth) {
  const known = knownHeights.get(depth);
  if (known !== undefined) return known;
  const heights = bandsAt(depth).map((band) => band.bottom - band.top).sort((a, b) => a - b);
  let left = heights.reduce((sum, height) => sum + height, 0) / 2;
  const found = heights.find((height) => (left -= height) <= 0) ?? 0;
  knownHeights.set(depth, found);
  return found;
}

/** The deepest modules whose bands are high enough to have a name. */
function readableDepth() {
  for (let depth = DEEPEST; depth > 1; depth -= 1) if (usualHeight(depth) * camera.zoom > 80) return depth;
  return 1;
}

/** @param {CanvasRenderingContext2D} context @param {Area} area @returns {Band[]} those in sight */
function drawBands(context, area) {
  if (state.depth === "none") return [];
  const every = bandsAt(state.depth === "auto" ? readableDepth() : Number(state.depth));
  context.fillStyle = ink.band;
  const seen = every.filter((band) => band.right > area.left && band.left < area.right && band.bottom > area.top && band.top < area.bottom);
  const gap = Math.min(3, 1 / camera.zoom);
  context.beginPath();
  for (const band of seen) context.rect(band.left, band.top + gap, band.right - band.left, band.bottom - band.top - 2 * gap);
  context.fill();
  return seen;
}

/** How far each column reaches to the left and right, gutters without their lines included. @type {Map<number, [number, number]>} */
const reach = new Map();
for (const { column, at: [x] } of nodes) {
  const [left, right] = reach.get(column) ?? [Infinity, -Infinity];
  reach.set(column, [Math.min(left, x - HALF_WIDTH - 20), Math.max(right, x + HALF_WIDTH + 20)]);
}

/** Names of the bands, always of one size, at the upper end of what is seen of each: beside the band where its column has the room, for
 * no operator of these layers is there; or else on it. @param {CanvasRenderingContext2D} context @param {Band[]} bands */
function drawLabels(context, bands) {
  context.font = `600 11px ${SANS}`;
  context.textAlign = "left";
  context.textBaseline = "middle";
  for (const band of bands) {
    const [from, to] = (reach.get(band.column) ?? [band.left, band.right]).map((x) => (x - camera.x) * camera.zoom);
    const left = Math.max((band.left - camera.x) * camera.zoom, 0), right = (band.right - camera.x) * camera.zoom;
    const top = Math.max((band.top - camera.y) * camera.zoom, 0), height = (band.bottom - camera.y) * camera.zoom - top;
    if (height < 16) continue;
    const whole = context.measureText(band.module).width + 12;
    const before = left - Math.max(from, 0), behind = Math.min(to, canvas.clientWidth) - right;
    if (before > whole) label(context, band.module, left - whole, top, whole);
    else if (behind > whole) label(context, band.module, right, top, whole);
    else if (before > 90) label(context, band.module, left - before, top, before);
    else if (height > 48) label(context, band.module, left + 2, top + 1, right - left + Math.max(behind, 0));
  }
}

/** @param {CanvasRenderingContext2D} context @param {string} text @param {number} left @param {number} top @param {number} room */
function label(context, text, left, top, room) {
  const shown = fitEnd(context, text, room - 10);
  context.globalAlpha = 0.86;
  context.fillStyle = ink.ground;
  context.beginPath();
  context.roundRect(left + 1, top + 1, context.measureText(shown).width + 8, 15, 4);
  context.fill();
  context.globalAlpha = 1;
  context.fillStyle = ink.ink;
  context.fillText(shown, left + 5, top + 9);
}

/** The end of a name that is too wide: the innermost module says more. It is cut at a dot. @param {CanvasRenderingContext2D} context @param {string} text @param {number} width */
function fitEnd(context, text, width) {
  let shown = text, rest = text;
  while (context.measureText(shown).width > width && rest.includes(".")) {
    rest = rest.slice(rest.indexOf(".") + 1);
    shown = `…${rest}`;
  }
  return fit(context, shown, width);
}

const small = element("minimap", HTMLCanvasElement);
const base = document.createElement("canvas");

/** All nodes as dots, drawn once for each way of colouring. */
function drawSmallBase() {
  const [width, height] = picture.size;
  const scale = Math.min(190 / width, 130 / height);
  [base.width, base.height] = [Math.max(24, Math.ceil(width * scale)), Math.max(24, Math.ceil(height * scale))];
  [small.width, small.height] = [base.width, base.height];
  const context = base.getContext("2d");
  if (!context) return;
  context.fillStyle = ink.surface;
  context.fillRect(0, 0, base.width, base.height);
  nodes.forEach((node, index) => {
    context.fillStyle = state.found && !state.found.has(index) ? ink.line : painted[index].colour;
    context.fillRect((node.at[0] - HALF_WIDTH) * scale, (node.at[1] - HALF_HEIGHT) * scale, Math.max(2 * HALF_WIDTH * scale, 1.5), Math.max(2 * HALF_HEIGHT * scale, 1));
  });
}

/** @param {Area} area */
function drawSmall(area) {
  const context = small.getContext("2d");
  small.hidden = camera.zoom < smallest() * 1.3;
  if (!context || small.hidden) return;
  const scale = base.width / picture.size[0];
  context.drawImage(base, 0, 0);
  context.strokeStyle = ink.blue;
  context.lineWidth = 2;
  context.strokeRect(area.left * scale, area.top * scale, (area.right - area.left) * scale, (area.bottom - area.top) * scale);
}

/** A click or a drag in the small picture moves the large one there. */
function watchSmall() {
  const move = (/** @type {PointerEvent} */ event) => {
    if (!event.buttons) return;
    const box = small.getBoundingClientRect();
    camera.x = ((event.clientX - box.left) / box.width) * picture.size[0] - canvas.clientWidth / 2 / camera.zoom;
    camera.y = ((event.clientY - box.top) / box.height) * picture.size[1] - canvas.clientHeight / 2 / camera.zoom;
    keepInSight();
    redraw();
  };
  small.addEventListener("pointerdown", (event) => {
    small.setPointerCapture(event.pointerId);
    move(event);
  });
  small.addEventListener("pointermove", move);
}
