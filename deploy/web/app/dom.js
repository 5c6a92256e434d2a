// The few ways in which the page is changed. Words from outside only ever become text.
// @ts-check

/**
 * The element with this id, which the page has.
 * @template {HTMLElement} Kind
 * @param {string} id
 * @param {new () => Kind} kind
 * @returns {Kind}
 */
export function element(id, kind) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no ${kind.name} "${id}"`);
  return found;
}

/**
 * A new element with a class and a text.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string} [className]
 * @param {string} [text]
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function make(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/**
 * Shows the text, or hides the element where there is none.
 * @param {HTMLElement} target
 * @param {string} text
 */
export function say(target, text) {
  target.textContent = text;
  target.hidden = text === "";
}

const LONGEST = 200; // characters of a name from outside

/**
 * A name or a label from outside, as much of it as can be shown.
 * @param {string} text
 */
export const bounded = (text) => (text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text);

/**
 * Names and values of a `<dl>`.
 * @param {HTMLElement} list
 * @param {[string, string][]} facts
 */
export function listFacts(list, facts) {
  list.replaceChildren(...facts.flatMap(([name, value]) => [make("dt", "", name), make("dd", "", bounded(value))]));
}

/**
 * As a sentence begins; the name of a file stays as it is.
 * @param {string} text
 */
export const capitalized = (text) => (/^\p{Letter}+\b(?![._])/u.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text);

const SVG = "http://www.w3.org/2000/svg";

/**
 * A drawn sign that says what the words beside it say.
 * @param {string} path
 * @returns {SVGElement}
 */
export function sign(path) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(SVG, "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

/** The browser has drawn what was changed before. */
export function painted() {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, 100); // a page that nobody looks at draws nothing
    requestAnimationFrame(() => {
      clearTimeout(timer);
      setTimeout(resolve, 0);
    });
  });
}
