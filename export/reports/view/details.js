"use strict";
// What is known of the chosen operator.

const details = element("details", HTMLElement);

/** @param {HTMLElement} list @param {string} name @param {string | HTMLElement} value */
function fact(list, name, value) {
  const row = document.createElement("div");
  const held = document.createElement("dd");
  held.append(value);
  row.append(made("dt", name), held);
  list.append(row);
}

/** @param {Value} value */
function valueText(value) {
  return `${shapeText(value.shape)}${value.dtype ? ` ${value.dtype}` : ""}`;
}

/** A button that chooses another node. @param {number} index @param {string} text */
function goTo(index, text) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "link";
  button.textContent = text;
  button.addEventListener("click", () => select(index, true));
  return button;
}

/** @param {number} index */
function titleOf(index) {
  const node = nodes[index];
  return node.role === "operator" ? node.native : `${node.role}: ${nameOf(node)}`;
}

/** What a node reads or gives, each with those at the other end. @param {number} index @param {boolean} isRead */
function values(index, isRead) {
  const node = nodes[index];
  const list = document.createElement("ul");
  list.className = "values";
  for (const value of isRead ? node.reads : node.gives) {
    const item = document.createElement("li");
    const name = made("code", value.name);
    item.append(name, made("small", valueText(value)));
    for (const at of isRead ? links[index].into : links[index].outOf) {
      const edge = picture.edges[at];
      if (edge.value !== value.name) continue;
      const other = isRead ? edge.from : edge.to;
      item.append(goTo(other, `${isRead ? "from" : "to"} ${titleOf(other)}`));
    }
    list.append(item);
  }
  return list;
}

/** @param {Stored} stored */
function storedItem(stored) {
  const item = document.createElement("li");
  item.append(made("code", stored.name));
  const { spread } = stored;
  if (spread?.few.length) {
    item.append(made("small", `${shapeText(stored.shape)} ${stored.dtype}: ${spread.few.join(", ")}`));
    return item;
  }
  item.append(made("small", `${shapeText(stored.shape)} ${stored.dtype}, ${sizeText(stored.bytes)}`));
  if (!spread) {
    item.append(made("small", "its numbers are not read"));
    return item;
  }
  item.append(histogram(spread));
  const counts = [
    ...(spread.zeros ? [`${spread.zeros.toLocaleString("en")} zeros`] : []),
    ...(spread.not_finite ? [`${spread.not_finite.toLocaleString("en")} not finite`] : []),
  ];
  item.append(made("small", [`mean ${spread.mean.toPrecision(3)}`, `standard deviation ${spread.deviation.toPrecision(3)}`, ...counts].join(", ")));
  return item;
}

/** @param {Spread} spread */
function histogram(spread) {
  const space = "http://www.w3.org/2000/svg";
  const figure = document.createElement("figure");
  const drawing = document.createElementNS(space, "svg");
  drawing.setAttribute("viewBox", "0 0 320 64");
  drawing.setAttribute("role", "img");
  drawing.setAttribute("aria-label", `Histogram from ${spread.low.toPrecision(3)} to ${spread.high.toPrecision(3)}`);
  const most = Math.max(...spread.counts);
  const width = 320 / spread.counts.length;
  spread.counts.forEach((count, place) => {
    const bar = document.createElementNS(space, "rect");
    const height = count ? Math.max((60 * count) / most, 1) : 0;
    for (const [name, value] of Object.entries({ x: place * width + 0.5, y: 64 - height, width: Math.max(width - 1, 1), height }))
      bar.setAttribute(name, String(value));
    drawing.append(bar);
  });
  const ends = document.createElement("figcaption");
  ends.append(made("span", spread.low.toPrecision(3)), made("span", spread.high.toPrecision(3)));
  figure.append(drawing, ends);
  return figure;
}

/** @param {HTMLElement} list @param {GraphNode} node */
function measured(list, node) {
  if (node.error) {
    const { own, tolerance, total, verdict } = node.error;
    fact(list, "Own error", `${errorText(own)} of its largest value, where ${errorText(tolerance)} is allowed: ${verdict}`);
    fact(list, "Total error", `${errorText(total)}, worst on ${node.error.case}`);
  } else if (picture.error) fact(list, "Own error", "not compared by itself: it is computed together with others, or not in the trace");
  for (const row of node.taken) {
    const amount = picture.time?.unit === "instructions" ? `${row.amount.toLocaleString("en")} instructions` : `${row.amount.toFixed(1)} µs`;
    const parts = row.stands_for.length > 1 ? `, for ${row.stands_for.join(" + ")} together` : row.stands_for.length ? "" : ", for moving its result to another layout";
    fact(list, MODES.time?.title === "share of instructions" ? "Instructions" : "Time", `${percentText(row.share)} (${amount})${parts}`);
  }
}

/** @param {string} title @param {HTMLElement} content @param {boolean} isThere */
function section(title, content, isThere) {
  if (isThere) details.append(made("h3", title), content);
}

/** @param {number} index */
function showDetails(index) {
  details.replaceChildren();
  details.hidden = index < 0;
  if (index < 0) return;
  const node = nodes[index];
  const number = nodes.slice(0, index + 1).filter((item) => item.role === "operator").length;
  const head = document.createElement("div");
  head.className = "head";
  const box = document.createElement("span");
  box.className = "swatch";
  box.style.background = painted[index].colour;
  const close = document.createElement("button");
  close.type = "button";
  close.textContent = "Close";
  close.addEventListener("click", () => select(-1, false));
  head.append(box, made("h2", titleOf(index)), close);
  const list = document.createElement("dl");
  if (node.role === "operator") {
    fact(list, "Place", `${number} of ${nodes.filter((item) => item.role === "operator").length}, ${node.kind}`);
    fact(list, "Module", node.module || (node.location ? "the model itself" : "not traced to one"));
    if (node.location) fact(list, "Line", made("code", node.location));
    if (node.step && (node.module || node.location)) fact(list, "", "a step on the way: module and line are those of the nearest value of the trace");
  }
  measured(list, node);
  details.append(head, list);
  section("Reads", values(index, true), node.reads.length > 0);
  section("Gives", values(index, false), node.gives.length > 0);
  const attributes = document.createElement("dl");
  for (const [name, text] of node.attributes) fact(attributes, name, text);
  section("Attributes", attributes, node.attributes.length > 0);
  const stored = document.createElement("ul");
  stored.className = "values";
  for (const at of node.constants) stored.append(storedItem(picture.constants[at]));
  section("Stored numbers", stored, node.constants.length > 0);
  details.scrollTop = 0;
}
