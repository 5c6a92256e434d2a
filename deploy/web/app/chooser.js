// The part of both pages in which is chosen what runs the model.
// @ts-check

import { addressWith, whyNoMore } from "./choice.js";
import { element, say } from "./dom.js";

/**
 * @typedef {import("./choice.js").Choice} Choice
 * @typedef {import("./choice.js").Offer} Offer
 * @typedef {import("./choice.js").Provider} Provider
 */

const radios = () => /** @type {HTMLInputElement[]} */ (Array.from(document.querySelectorAll("input[name=provider]")));

/**
 * @param {Offer} offer
 * @param {string} preset the bundle's own provider
 */
export function showOffer(offer, preset) {
  const asked = new URLSearchParams(location.search).get("provider") ?? preset;
  for (const radio of radios()) {
    radio.checked = radio.value === asked;
    radio.disabled = radio.value === "webgpu" && !offer.hasWebGpu && !radio.checked;
    radio.addEventListener("change", () => rechoose(/** @type {Provider} */ (radio.value), null));
  }
  const threads = element("threads", HTMLSelectElement);
  for (let count = 1; count <= offer.maxThreads; count++) threads.append(new Option(String(count), String(count)));
  threads.addEventListener("change", () => rechoose("wasm", Number(threads.value)));
  const notes = [offer.hasWebGpu ? "" : "This browser offers no WebGPU.", offer.maxThreads > 1 ? "" : whyNoMore(offer)];
  say(element("runtime-note", HTMLElement), notes.filter(Boolean).join(" "));
}

/** @param {Choice} choice */
export function showChoice(choice) {
  for (const radio of radios()) radio.checked = radio.value === choice.provider;
  element("threads", HTMLSelectElement).value = String(choice.threads);
  element("threads-field", HTMLElement).hidden = choice.provider === "webgpu";
}

/**
 * The page is loaded again with the choice in its address, so that nothing of the other provider is left.
 * @param {Provider} provider
 * @param {number | null} threads null: as many as serve the model
 */
function rechoose(provider, threads) {
  const address = new URL(addressWith({ provider, threads: threads ?? 1 }, location.href));
  if (threads === null) address.searchParams.delete("threads");
  location.replace(address.href);
}
