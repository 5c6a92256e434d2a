// The model in a worker of its own, so that the page answers while the model computes.
// @ts-check

import { Trouble } from "./trouble.js";
import { PROVIDERS } from "./choice.js";

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
  const calls = startWorker();
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
  const calls = startWorker(onProgress);
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
 * Questions to a worker, and its answers in the order in which they come.
 * @param {(share: number) => void} [onProgress]
 */
function startWorker(onProgress = () => {}) {
  const worker = new Worker(WORKER, { type: "module", name: "model" });
  /** @type {Map<number, {resolve: (value: any) => void, reject: (reason: unknown) => void}>} */
  const open = new Map();
  let last = 0;
  /** @param {unknown} error */
  const fail = (error) => {
    for (const { reject } of open.values()) reject(error);
    open.clear();
  };
  worker.onmessage = ({ data }) => {
    if (data.progress !== undefined) return onProgress(data.progress);
    const asked = open.get(data.id);
    open.delete(data.id);
    if (data.error === undefined) asked?.resolve(data.value);
    else asked?.reject(Object.assign(new Error(data.error.message), { name: data.error.name }));
  };
  worker.onerror = (event) => {
    event.preventDefault();
    fail(new Trouble("The model's worker stopped" + (event.message ? `: ${event.message}` : ""), "Load the page again."));
  };
  return {
    /** @param {string} task @param {object} content @returns {Promise<any>} */
    ask: (task, content) =>
      new Promise((resolve, reject) => {
        open.set(++last, { resolve, reject });
        worker.postMessage({ id: last, task, ...content });
      }),
    /** @param {unknown} [reason] */
    end: (reason = new Trouble("The model was put away", "Load the page again.")) => {
      worker.terminate();
      fail(reason);
    },
  };
}

/**
 * @param {unknown} error
 * @param {Provider} provider
 */
function refused(error, provider) {
  if (error instanceof Trouble) return error;
  const reason = error instanceof Error ? error.message.slice(0, 400) : String(error);
  const next = provider === "webgpu" ? "Choose WebAssembly below." : "Use a current browser; if this is one, export the model again.";
  return new Trouble(`${PROVIDERS[provider]} cannot run this model here: ${reason}`, next, error);
}
