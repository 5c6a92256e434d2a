// The model in a worker of its own, so that the page answers while the model computes.
// @ts-check

import { startWorker } from "./calls.js";
import { PROVIDERS } from "./choice.js";
import { Trouble } from "./trouble.js";

/**
 * @typedef {import("./choice.js").Provider} Provider
 * @typedef {import("../core/preprocessing.js").ModelInput} ModelInput
 * @typedef {import("../core/classes.js").Outputs} Outputs
 * @typedef {{provider: Provider, threads: number}} Options
 * @typedef {object} Session
 * @property {(input: ModelInput) => Promise<Outputs>} run
 * @property {(input: ModelInput) => Promise<{outputs: Outputs, milliseconds: number}>} timed as `run`; the time is the runtime's call alone
 * @property {Provider} provider
 * @property {number} threads that the runtime really has
 * @property {() => void} release
 */

const WORKER = new URL("./model-worker.js", import.meta.url);

/**
 * Loads the model and makes the runtime ready.
 *
 * @param {Uint8Array} model the file's bytes, already held to their hash; they stay the caller's
 * @param {Options} options
 * @returns {Promise<Session>}
 * @throws {Trouble} if this browser has no such provider or so many threads, or the runtime refuses the model
 */
export async function createSession(model, { provider, threads }) {
  if (threads > 1 && !globalThis.crossOriginIsolated) {
    throw new Trouble(`${threads} threads cannot be had here`, "Serve the page with the two headers that its README names, or use one thread.");
  }
  const calls = startWorker(WORKER);
  try {
    const made = await calls.ask("load", { model, provider, threads });
    return {
      provider,
      threads: made.threads,
      run: async (input) => (await calls.ask("run", { input })).outputs,
      timed: (input) => calls.ask("run", { input }),
      release: calls.end,
    };
  } catch (error) {
    calls.end();
    throw refused(error, provider);
  }
}

/**
 * Loads the model once more in a fresh worker and times it by the protocol of the apps (core/latency.js).
 *
 * @param {Uint8Array} model
 * @param {Options} options
 * @param {ModelInput} input what each inference is given
 * @param {(share: number) => void} onProgress
 * @param {AbortSignal} [signal] ends it
 * @returns {Promise<import("../core/latency.js").Latency>}
 */
export async function measureSession(model, { provider, threads }, input, onProgress, signal) {
  const calls = startWorker(WORKER, onProgress);
  const end = () => calls.end(new DOMException("stopped", "AbortError"));
  signal?.addEventListener("abort", end);
  try {
    return (await calls.ask("measure", { model, provider, threads, input })).latency;
  } finally {
    signal?.removeEventListener("abort", end);
    calls.end();
  }
}

/**
 * @param {unknown} error
 * @param {Provider} provider
 */
function refused(error, provider) {
  if (error instanceof Trouble) return error;
  const reason = error instanceof Error ? error.message.slice(0, 400) : String(error);
  const next = provider === "webgpu" ? "Choose WebAssembly." : "Use a current browser; if this is one, export the model again.";
  return new Trouble(`${PROVIDERS[provider]} cannot run this model here: ${reason}`, next, error);
}
