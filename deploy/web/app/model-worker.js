// ONNX Runtime, in a worker: loads the model, runs it, and times it.
// @ts-check

import { measureLatency } from "../core/latency.js";
import { answerCalls } from "./calls.js";

/**
 * What is used of onnxruntime-web.
 * @typedef {object} Ort
 * @property {{logLevel: string, wasm: {wasmPaths: string, numThreads: number, proxy: boolean}}} env
 * @property {{create(model: Uint8Array, options: object): Promise<OrtSession>}} InferenceSession
 * @property {new (type: "float32", data: Float32Array, dims: readonly number[]) => OrtTensor} Tensor
 * @typedef {{run(inputs: Record<string, OrtTensor>): Promise<Record<string, OrtTensor>>, release(): Promise<void>}} OrtSession
 * @typedef {{type: string, data: unknown, dims: readonly number[], dispose(): void}} OrtTensor
 * @typedef {import("./session.js").ModelInput} ModelInput
 * @typedef {{provider: import("./choice.js").Provider, threads: number, model: Uint8Array}} Load
 */

const RUNTIME = new URL("../runtime/", import.meta.url).href;
const MODULES = { wasm: "ort.wasm.min.mjs", webgpu: "ort.webgpu.min.mjs" };

/** @type {Ort} */
let ort;
/** @type {OrtSession} */
let session;

const tell = answerCalls({
  /** @param {any} content */
  async load(content) {
    session = await load(content);
    return { threads: ort.env.wasm.numThreads };
  },
  /** @param {any} content */
  async run({ input }) {
    const given = tensorOf(input);
    const start = performance.now();
    const outputs = await session.run(given);
    const milliseconds = performance.now() - start;
    return { outputs: valuesOf(outputs), milliseconds };
  },
  /** @param {any} content */
  async measure({ input, ...content }) {
    /** @type {Record<string, OrtTensor>} */
    let given;
    const latency = await measureLatency({
      threads: content.threads,
      load: async () => {
        const loaded = await load(content);
        given = tensorOf(input);
        return loaded;
      },
      query: (model) => model.run(given),
      progress: tell,
    });
    return { latency: { ...latency, threads: ort.env.wasm.numThreads } };
  },
});

/**
 * Only what lies beside this page is fetched: the runtime's files are looked for in runtime/ and nowhere else.
 * @param {Load} content
 * @returns {Promise<OrtSession>}
 */
async function load({ model, provider, threads }) {
  ort = await import(RUNTIME + MODULES[provider]);
  ort.env.logLevel = "error";
  ort.env.wasm.wasmPaths = RUNTIME;
  ort.env.wasm.proxy = false;
  ort.env.wasm.numThreads = threads;
  return ort.InferenceSession.create(model, { executionProviders: [provider], graphOptimizationLevel: "all" });
}

/** @param {ModelInput} input */
function tensorOf({ name, tensor, dims }) {
  return { [name]: new ort.Tensor("float32", tensor, dims) };
}

/**
 * As the page reads them: numbers of classes as floats, which have them all.
 * @param {Record<string, OrtTensor>} outputs
 * @returns {import("./session.js").Outputs}
 */
function valuesOf(outputs) {
  return new Map(Object.entries(outputs).map(([name, tensor]) => [name, floatsOf(name, tensor)]));
}

/**
 * A copy: the next inference overwrites the runtime's own memory.
 * @param {string} name
 * @param {OrtTensor} tensor
 */
function floatsOf(name, { data, type }) {
  if (data instanceof Float32Array || data instanceof Int32Array) return Float32Array.from(data);
  if (data instanceof BigInt64Array) return Float32Array.from(data, Number);
  throw new Error(`the output ${name} is of ${type}, which this page does not read: export the model without --io-type`);
}
