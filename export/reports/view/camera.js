"use strict";
// Which part of the picture is seen, and how large. `camera.x` and `camera.y` are the picture's pixels at the canvas's corner.

const canvas = element("canvas", HTMLCanvasElement);
const camera = { x: 0, y: 0, zoom: 1 };
const LARGEST = 2.5;
let isDrawn = true;

/** Draws once before the next frame, however often it is asked. */
function redraw() {
  if (!isDrawn) return;
  isDrawn = false;
  requestAnimationFrame(() => {
    isDrawn = true;
    drawAll();
  });
}

/** The zoom at which all of the picture is seen. */
function smallest() {
  const [width, height] = picture.size;
  return Math.min(canvas.clientWidth / (width + 80), canvas.clientHeight / (height + 80), 1.2);
}

/** Keeps a part of the picture in sight. */
function keepInSight() {
  const [width, height] = picture.size;
  camera.zoom = Math.min(Math.max(camera.zoom, smallest()), LARGEST);
  const seen = [canvas.clientWidth / camera.zoom, canvas.clientHeight / camera.zoom];
  camera.x = Math.min(Math.max(camera.x, -seen[0] / 2), width - seen[0] / 2);
  camera.y = Math.min(Math.max(camera.y, -seen[1] / 2), height - seen[1] / 2);
}

/** @param {number} x @param {number} y of the canvas */
function toPicture(x, y) {
  return [camera.x + x / camera.zoom, camera.y + y / camera.zoom];
}

/** The place under (x, y) of the canvas stays there. @param {number} x @param {number} y @param {number} factor */
function zoomAt(x, y, factor) {
  const [px, py] = toPicture(x, y);
  camera.zoom = Math.min(Math.max(camera.zoom * factor, smallest()), LARGEST);
  camera.x = px - x / camera.zoom;
  camera.y = py - y / camera.zoom;
  keepInSight();
  redraw();
}

/** @param {number} factor */
function zoomInTheMiddle(factor) {
  zoomAt(canvas.clientWidth / 2, canvas.clientHeight / 2, factor);
}

/** @param {number} dx @param {number} dy in pixels of the canvas */
function panBy(dx, dy) {
  camera.x -= dx / camera.zoom;
  camera.y -= dy / camera.zoom;
  keepInSight();
  redraw();
}

function showAll() {
  camera.zoom = smallest();
  camera.x = picture.size[0] / 2 - canvas.clientWidth / 2 / camera.zoom;
  camera.y = picture.size[1] / 2 - canvas.clientHeight / 2 / camera.zoom;
  redraw();
}

/** Brings a node into the middle, near enough to be read. @param {number} index */
function showNode(index) {
  const [x, y] = nodes[index].at;
  camera.zoom = Math.max(camera.zoom, 0.8);
  camera.x = x - canvas.clientWidth / 2 / camera.zoom;
  camera.y = y - canvas.clientHeight / 2 / camera.zoom;
  keepInSight();
  redraw();
}

/** Whether a node is in sight, and can be read. @param {number} index */
function isSeen(index) {
  const [x, y] = nodes[index].at;
  const [left, top] = toPicture(0, 0);
  const [right, bottom] = toPicture(canvas.clientWidth, canvas.clientHeight);
  return camera.zoom > 0.5 && x - HALF_WIDTH > left && x + HALF_WIDTH < right && y > top + HALF_HEIGHT && y < bottom - HALF_HEIGHT;
}

/** The node at a place of the canvas; -1 if there is none. A finger meets small ones, too. @param {number} x @param {number} y */
function nodeAt(x, y) {
  const [px, py] = toPicture(x, y);
  const slack = 8 / camera.zoom;
  let best = -1, least = Infinity;
  nodes.forEach((node, index) => {
    const dx = Math.max(Math.abs(node.at[0] - px) - HALF_WIDTH, 0);
    const dy = Math.max(Math.abs(node.at[1] - py) - HALF_HEIGHT, 0);
    if (dx <= slack && dy <= slack && dx + dy < least) [best, least] = [index, dx + dy];
  });
  return best;
}

/** Fingers and buttons that are down, by their number, with the places where they are. @type {Map<number, [number, number]>} */
const pointers = new Map();
let moved = 0;

/** @param {PointerEvent} event @returns {[number, number]} */
function placeOf(event) {
  const area = canvas.getBoundingClientRect();
  return [event.clientX - area.left, event.clientY - area.top];
}

/** @param {PointerEvent} event */
function onMove(event) {
  const before = pointers.get(event.pointerId);
  if (!before) return;
  const now = placeOf(event);
  const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
  moved += Math.abs(now[0] - before[0]) + Math.abs(now[1] - before[1]);
  pointers.set(event.pointerId, now);
  if (!other) {
    panBy(now[0] - before[0], now[1] - before[1]);
    return;
  }
  const spread = (/** @type {[number, number]} */ place) => Math.hypot(place[0] - other[0], place[1] - other[1]);
  panBy((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
  zoomAt((now[0] + other[0]) / 2, (now[1] + other[1]) / 2, spread(now) / Math.max(spread(before), 1));
}

/** What is said of the node under the mouse. @param {number} index */
function hint(index) {
  if (index < 0) return "";
  const node = nodes[index];
  return [`${node.native} ${nameOf(node)}`, node.module, painted[index].words].filter(Boolean).join("\n");
}

/** @param {(index: number) => void} onPick is told the node that was clicked, or -1 */
function watchPointers(onPick) {
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button > 0) return;
    if (!pointers.size) moved = 0;
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, placeOf(event));
    canvas.classList.add("held");
  });
  canvas.addEventListener("pointermove", (event) => {
    if (pointers.size) onMove(event);
    else if (event.pointerType === "mouse") canvas.title = hint(nodeAt(...placeOf(event)));
  });
  const release = (/** @type {PointerEvent} */ event) => {
    const last = pointers.get(event.pointerId);
    pointers.delete(event.pointerId);
    canvas.classList.toggle("held", pointers.size > 0);
    if (last && !pointers.size && moved < 6 && event.type === "pointerup") onPick(nodeAt(...last));
  };
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const area = canvas.getBoundingClientRect();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    if (event.shiftKey) panBy(-event.deltaY * lines, 0);
    else zoomAt(event.clientX - area.left, event.clientY - area.top, Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0016)));
  }, { passive: false });
}
