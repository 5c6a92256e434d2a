"use strict";
// Search, choice and keys.

const search = element("search", HTMLInputElement);
const hits = element("hits", HTMLElement);
const status_ = element("said", HTMLElement);
const rows = [...document.querySelectorAll("#list tbody tr")].filter((row) => row instanceof HTMLTableRowElement);
const MOST_HITS = 60;

/** What is looked through, by node. */
const words = nodes.map((node) =>
  [node.native, node.kind, node.module, node.location, ...node.gives.map((value) => value.name), ...(node.role === "operator" ? [] : node.reads.map((value) => value.name)),
    ...node.constants.map((index) => picture.constants[index].name)].join("\n").toLowerCase());

/** @param {number} index @param {boolean} isShown whether the picture moves there */
function select(index, isShown) {
  state.selected = index;
  for (const row of rows) row.classList.toggle("chosen", Number(row.dataset.node) === index);
  showDetails(index);
  if (index < 0) status_.textContent = "Nothing is chosen";
  else {
    const node = nodes[index];
    status_.textContent = `${titleOf(index)}, ${node.module || "the model itself"}, gives ${node.gives.map(valueText).join(" and ") || "what goes out"}`;
    if (isShown && !isSeen(index)) showNode(index);
  }
  redraw();
}

function lookFor() {
  const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const found = words.flatMap((text, index) => (wanted.every((word) => text.includes(word)) ? [index] : []));
  state.found = wanted.length ? new Set(found) : null;
  for (const row of rows) row.hidden = state.found !== null && !state.found.has(Number(row.dataset.node));
  const operators = found.filter((index) => nodes[index].role === "operator").length;
  element("found", HTMLElement).textContent = wanted.length ? `${operators} found` : "";
  hits.replaceChildren();
  hits.hidden = !wanted.length;
  for (const index of wanted.length ? found.slice(0, MOST_HITS) : []) {
    const item = document.createElement("li");
    item.append(goTo(index, titleOf(index)), made("small", nodes[index].module || nameOf(nodes[index])));
    hits.append(item);
  }
  if (wanted.length && found.length > MOST_HITS) hits.append(made("li", `and ${found.length - MOST_HITS} more, in the list below`));
  if (wanted.length && !found.length) hits.append(made("li", "No operator has these words in its name, kind, module, line or weights."));
  drawSmallBase();
  redraw();
}

/** The next that was found behind the chosen one. */
function nextFound() {
  const found = [...(state.found ?? [])];
  if (found.length) select(found.find((index) => index > state.selected) ?? found[0], true);
}

/** Along a connection, or to what stands beside. @param {string} key */
function step(key) {
  const { into, outOf } = links[state.selected];
  const { layer } = nodes[state.selected];
  if (key === "ArrowUp") return into.length ? picture.edges[into[0]].from : -1;
  if (key === "ArrowDown") return outOf.length ? picture.edges[outOf[0]].to : -1;
  const beside = nodes.flatMap((node, index) => (node.layer === layer ? [index] : [])).sort((a, b) => nodes[a].at[0] - nodes[b].at[0]);
  return beside[beside.indexOf(state.selected) + (key === "ArrowRight" ? 1 : -1)] ?? -1;
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  const steps = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
  const move = Object.entries(steps).find(([key]) => key === event.key)?.[1];
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (move && (event.shiftKey || state.selected < 0)) panBy(move[0], move[1]);
  else if (move) {
    const index = step(event.key);
    if (index >= 0) select(index, true);
  } else if (event.key === "+" || event.key === "=") zoomInTheMiddle(1.25);
  else if (event.key === "-") zoomInTheMiddle(0.8);
  else if (event.key === "0") showAll();
  else if (event.key === "Escape") select(-1, false);
  else if (event.key === "Enter") select(Math.max(state.selected, 0), true);
  else if (event.key === "Home") select(0, true);
  else if (event.key === "End") select(nodes.length - 1, true);
  else return;
  event.preventDefault();
}

function showLegend() {
  element("legend", HTMLElement).replaceChildren(...MODES[state.mode].legend());
}

/** Choices of the page: what colours say, and how deep modules are shown. */
function fillChoices() {
  const colours = element("mode", HTMLSelectElement);
  for (const [name, mode] of Object.entries(MODES)) colours.append(new Option(mode.title, name));
  colours.value = state.mode = picture.error ? "error" : "kind";
  colours.addEventListener("change", () => {
    state.mode = colours.value;
    repaint();
    showLegend();
    if (state.selected >= 0) showDetails(state.selected);
  });
  const depths = element("depth", HTMLSelectElement);
  depths.append(new Option("by zoom", "auto"));
  for (let depth = 1; depth <= Math.min(DEEPEST, 9); depth += 1) depths.append(new Option(`${depth} deep`, String(depth)));
  depths.append(new Option("hidden", "none"));
  depths.addEventListener("change", () => {
    state.depth = depths.value;
    redraw();
  });
}

function start() {
  document.documentElement.classList.add("js");
  fillChoices();
  watchPointers((index) => select(index, false));
  watchSmall();
  canvas.addEventListener("keydown", onKey);
  search.addEventListener("input", lookFor);
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter") nextFound();
    if (event.key !== "Escape") return;
    search.value = "";
    lookFor();
  });
  document.addEventListener("keydown", (event) => {
    const at = document.activeElement;
    if (event.key !== "/" || at instanceof HTMLInputElement || at instanceof HTMLSelectElement) return;
    event.preventDefault();
    search.focus();
  });
  document.querySelector("#list tbody")?.addEventListener("click", (event) => {
    const row = event.target instanceof Element ? event.target.closest("tr") : null;
    if (!row || !(event.target instanceof Element) || !event.target.closest("a")) return;
    event.preventDefault();
    select(Number(row.dataset.node), true);
    document.querySelector("#view")?.scrollIntoView({ block: "start" });
    canvas.focus({ preventScroll: true });
  });
  element("closer", HTMLButtonElement).addEventListener("click", () => zoomInTheMiddle(1.4));
  element("farther", HTMLButtonElement).addEventListener("click", () => zoomInTheMiddle(1 / 1.4));
  element("all", HTMLButtonElement).addEventListener("click", showAll);
  dark.addEventListener("change", () => {
    repaint();
    showLegend();
  });
  let isFirst = true;
  new ResizeObserver(() => {
    if (isFirst) showAll();
    isFirst = false;
    keepInSight();
    redraw();
  }).observe(canvas);
  repaint();
  showLegend();
}

start();
