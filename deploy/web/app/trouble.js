// What went wrong, in words that a person can do something with.
// @ts-check

import { PayloadError } from "../core/errors.js";
import { capitalized, element, make } from "./dom.js";

/** `what` happened, and what to do `next`. */
export class Trouble extends Error {
  /**
   * @param {string} what
   * @param {string} next
   * @param {unknown} [cause]
   */
  constructor(what, next, cause) {
    super(`${what}. ${next}`, { cause });
    this.what = what;
    this.next = next;
  }
}

const LONGEST = 600;

/**
 * The two sentences that are shown of an error.
 * @param {unknown} error
 * @returns {{what: string, next: string}}
 */
export function wordsOf(error) {
  if (error instanceof Trouble) return { what: error.what, next: error.next };
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof Error && error.cause instanceof Trouble) return wordsOf(error.cause); // what lies behind it is nearer
  if (error instanceof PayloadError) return parted(message);
  return { what: message.slice(0, LONGEST) || "Something failed that gave no reason", next: "Load the page again." };
}

/**
 * The core's errors say what happened, a colon, and what to do.
 * @param {string} message
 */
function parted(message) {
  const at = message.lastIndexOf(": ");
  if (at < 0) return { what: capitalized(message), next: "" };
  return { what: capitalized(message.slice(0, at)), next: `${capitalized(message.slice(at + 2))}.` };
}

/**
 * Shows the error above everything else, where a screen reader reads it out at once.
 * @param {unknown} error
 */
export function showTrouble(error) {
  const { what, next } = wordsOf(error);
  const box = element("trouble", HTMLElement);
  box.replaceChildren(make("p", "notice-title", what), ...(next ? [make("p", "", next)] : []));
  box.hidden = false;
  console.error(error);
}

export function hideTrouble() {
  const box = element("trouble", HTMLElement);
  box.hidden = true;
  box.replaceChildren();
}
