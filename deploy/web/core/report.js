import { modelFile } from "./manifest.js";

/** What a device says of itself, for the report; `appBuild` is `debug` or `release`. @typedef {{manufacturer: string, model: string, os: string, cpu: string, appBuild: "debug" | "release"}} Device */

/** What ran the model. @typedef {{name: string, version: string, provider: string, threads: number}} Runtime */

export const FILE = "device-report.json";
const SCHEMA_VERSION = 2;
const LONGEST = 200; // characters of what a device says of itself

/**
 * `device-report.json`, which `cloformer import-device-report` reads. `latency` is null where nobody measured; `whyNoPlacement` says why
 * it is not known where operators ran.
 *
 * @param {{
 *   payload: {manifest: import("./manifest.js").Manifest, manifestSha256: string}, device: Device, runtime: Runtime,
 *   vectors: import("./judge.js").VectorResult[], latency: import("./latency.js").Latency | null, whyNoPlacement?: string,
 * }} found
 * @returns {string} JSON
 */
export function deviceReport({ payload, device, runtime, vectors, latency, whyNoPlacement }) {
  const { manufacturer, model, os, cpu, appBuild } = device;
  const content = {
    schema_version: SCHEMA_VERSION,
    kind: "device-report",
    manifest_sha256: payload.manifestSha256,
    model_sha256: modelFile(payload.manifest).sha256,
    device: { manufacturer: words(manufacturer), model: words(model), os: words(os), cpu: words(cpu), app_build: appBuild },
    runtime: { name: words(runtime.name), version: words(runtime.version), provider: words(runtime.provider), threads: runtime.threads },
    vectors: vectors.map(vectorJson),
    latency: latency && latencyJson(latency),
    placement:
      whyNoPlacement === undefined
        ? null
        : { asked: words(runtime.provider), source: null, cost: null, operators: [], why_not: words(whyNoPlacement) },
  };
  return `${JSON.stringify(content, null, 2)}\n`;
}

/** @param {string} text @returns {string} as reports take it: some characters, and not too many */
function words(text) {
  return text.trim().slice(0, LONGEST) || "unknown";
}

/** @param {import("./judge.js").VectorResult} result */
function vectorJson({ name, preprocessing, outputs }) {
  // An output that could not be compared is left out, and what is not there has failed.
  const complete = [...outputs].filter(([, { maxAbs, largest, cosine }]) => [maxAbs, largest, cosine].every(Number.isFinite));
  const told = complete.map(([output, { passed, maxAbs, largest, cosine }]) => [output, { passed, max_abs: maxAbs, largest, cosine }]);
  return { name, preprocessing: preprocessing && preprocessedJson(preprocessing), outputs: Object.fromEntries(told) };
}

/** @param {import("./judge.js").Preprocessed} preprocessed */
function preprocessedJson({ passed, maxAbs }) {
  // JSON has no NaN: for an image of another size stands the largest number there is.
  return { passed, max_abs: Number.isFinite(maxAbs) ? maxAbs : Number.MAX_VALUE };
}

/** @param {import("./latency.js").Latency} latency */
function latencyJson({ load, first, warmUp, samples, threads, preset }) {
  return { load_ns: load, first_ns: first, warmup_ns: warmUp, samples_ns: samples, threads, preset };
}
