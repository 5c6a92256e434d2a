// What runs the model: what the bundle says, what this browser can, and what the person chose.
// @ts-check

import { Trouble } from "./trouble.js";

/**
 * @typedef {"wasm" | "webgpu"} Provider
 * @typedef {{provider: Provider, threads: number}} Choice `threads` of the processor; WebGPU uses one
 * @typedef {object} Offer what this browser can
 * @property {boolean} hasWebGpu
 * @property {number} maxThreads
 */

export const PROVIDERS = /** @type {const} */ ({ wasm: "WebAssembly", webgpu: "WebGPU" });

// Beyond four, a phone's slow cores come in, and each operator waits for the slowest.
const AUTOMATIC = 4;
const MOST = 16;

/** @returns {Promise<Offer>} */
export async function offerOf() {
  const cores = Math.max(1, Math.min(navigator.hardwareConcurrency || 1, MOST));
  return { hasWebGpu: await hasAdapter(), maxThreads: globalThis.crossOriginIsolated ? cores : 1 };
}

/** Whether the browser gives an adapter: one that only has the interface runs nothing. */
async function hasAdapter() {
  const gpu = /** @type {{gpu?: {requestAdapter(): Promise<unknown>}}} */ (/** @type {unknown} */ (navigator)).gpu;
  if (!gpu) return false;
  try {
    return (await gpu.requestAdapter()) !== null;
  } catch {
    return false;
  }
}

/**
 * The page's address carries what was chosen, `?provider=webgpu&threads=2`, so that a link or a bookmark keeps it.
 * @param {{provider: string, threads: number | null}} settings
 * @param {Offer} offer
 * @param {string} search
 * @returns {Choice}
 */
export function choose(settings, offer, search) {
  const asked = new URLSearchParams(search);
  const provider = asked.get("provider") ?? settings.provider;
  if (provider !== "wasm" && provider !== "webgpu") {
    throw new Trouble(`"${provider.slice(0, 40)}" runs no model here`, "Use ?provider=wasm or ?provider=webgpu in the address.");
  }
  if (provider === "webgpu" && !offer.hasWebGpu) {
    throw new Trouble("This browser offers no WebGPU", "Choose WebAssembly, or use a browser and a device with WebGPU.");
  }
  return { provider, threads: provider === "webgpu" ? 1 : threadsOf(asked.get("threads"), settings.threads, offer) };
}

/** @param {string | null} asked @param {number | null} set @param {Offer} offer */
function threadsOf(asked, set, offer) {
  if (asked === null) return Math.min(set ?? AUTOMATIC, offer.maxThreads);
  const threads = /^[0-9]{1,2}$/.test(asked) ? Number(asked) : 0;
  if (threads < 1 || threads > MOST) {
    throw new Trouble(`"${asked.slice(0, 40)}" is no number of threads`, `Use ?threads=1 to ?threads=${MOST} in the address.`);
  }
  if (threads > offer.maxThreads) throw new Trouble(`${threads} threads cannot be had here`, whyNoMore(offer));
  return threads;
}

/** @param {Offer} offer */
export function whyNoMore(offer) {
  if (globalThis.crossOriginIsolated) return `This device offers ${offer.maxThreads}.`;
  return "Several threads need two headers, which the page gives itself from its second visit on.";
}

/** @param {Choice} choice */
export function titleOf({ provider, threads }) {
  if (provider === "webgpu") return PROVIDERS.webgpu;
  return `${PROVIDERS.wasm}, ${threads === 1 ? "1 thread" : `${threads} threads`}`;
}

/**
 * The address with the choice in it.
 * @param {Choice} choice
 * @param {string} address
 */
export function addressWith({ provider, threads }, address) {
  const url = new URL(address);
  url.searchParams.set("provider", provider);
  if (provider === "wasm") url.searchParams.set("threads", String(threads));
  else url.searchParams.delete("threads");
  return url.href;
}
