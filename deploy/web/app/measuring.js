// How long an inference takes on this device, by the protocol of the apps.
// @ts-check

import { element, say } from "./dom.js";
import { milliseconds } from "./results.js";
import { measureSession } from "./session.js";
import { quantile } from "../core/latency.js";

/**
 * @typedef {import("../core/latency.js").Latency} Latency
 * @typedef {import("./session.js").Options} Options
 * @typedef {import("../core/manifest.js").Input} Input
 */

const MILLISECOND = 1e6; // nanoseconds

/**
 * On a black image: what is on it does not change the time.
 * @param {Uint8Array} model
 * @param {Input} input
 * @param {Options} options
 * @param {(share: number) => void} onProgress
 * @param {AbortSignal} [signal]
 * @returns {Promise<Latency>}
 */
export function measure(model, input, options, onProgress, signal) {
  const values = input.shape.reduce((product, side) => product * side, 1);
  const black = { name: input.name, tensor: new Float32Array(values), dims: input.shape };
  return measureSession(model, options, black, onProgress, signal);
}

/**
 * @param {Latency} latency
 * @param {string} ranOn
 */
export function showLatency(latency, ranOn) {
  const median = quantile(latency, 0.5) / MILLISECOND;
  const p90 = quantile(latency, 0.9) / MILLISECOND;
  element("latency-median", HTMLElement).textContent = milliseconds(median);
  element("latency-p90", HTMLElement).textContent = milliseconds(p90);
  element("latency-samples", HTMLElement).textContent = String(latency.samples.length);
  element("latency-figures", HTMLElement).hidden = false;
  const rest = `Loaded in ${milliseconds(latency.load / MILLISECOND)}, first inference ${milliseconds(latency.first / MILLISECOND)}, warm-up of ${latency.warmUp.length}.`;
  say(element("latency-more", HTMLElement), `${ranOn}. ${rest}`);
}

/** @param {number | null} share null where nothing is measured */
export function showProgress(share) {
  const progress = element("latency-progress", HTMLProgressElement);
  progress.hidden = share === null;
  progress.value = share ?? 0;
  const step = share ? "Measuring. Leave the device alone meanwhile." : "Loading the model once more, and warming up…";
  say(element("latency-step", HTMLElement), share === null ? "" : step);
}
