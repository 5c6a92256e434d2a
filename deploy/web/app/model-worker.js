// ONNX Runtime, in a worker: loads the model, runs it, and times it.
// @ts-check

import { measureLatency } from "../core/latency.js";

/**
 * What is used of onnxruntime-web.
 * @typedef {object} Ort
 * @property {{logLevel: string, wasm: {wasmPaths: string, numThreads: number, proxy: boolean}}} env
 * @property {{create(model: Uint8Array, options: object): Promise<OrtSession>}} InferenceSession
 * @property {new (type: "float32", data: Float32Array, dims: readonly number[]) => OrtTensor} Tensor
 * @typedef {{run(inputs: Record<string, OrtTensor>): Promise<Record<string, OrtTensor>>, release(): Promise<void>}} OrtSession
 * @typedef {{type: string, data: unknown, dims: readonly number[], dispose(): void}} OrtTensor
 * @typedef {import("./session.js").Inputs} Inputs
 * @typedef {import("./session.js").Outputs} Outputs
 * @typedef {import("./session.js").Values} Values
 * @typedef {{provider: import("./choice.js").Provider, threads: number, model: Uint8Array}} Load
 */

const scope = /** @type {{postMessage(message: unknown, transfer?: Transferable[]): void, onmessage: ((event: MessageEvent) => void) | null}} */ (
  /** @type {unknown} */ (self)
);
const RUNTIME = new URL("../runtime/", import.meta.url).href;
const MODULES = { wasm: "ort.wasm.min.mjs", webgpu: "ort.webgpu.min.mjs" };
const READABLE = [Float32Array, Int32Array, BigInt64Array];

/** @type {Ort} */
let ort;
/** @type {OrtSession} */
let session;

scope.onmessage = async ({ data: { id, task, ...content } }) => {
  try {
    const value = await TASKS[/** @type {keyof typeof TASKS} */ (task)](content);
    scope.postMessage({ id, value });
  } catch (error) {
    const { name, message } = error instanceof Error ? error : { name: "Error", message: String(error) };
    scope.postMessage({ id, error: { name, message } });
  }
};

const TASKS = {
  /** @param {any} content */
  async load(content) {
    session = await load(content);
    return { threads: ort.env.wasm.numThreads };
  },
  /** @param {any} content */
  async run({ inputs }) {
    const given = tensors(inputs);
    const start = performance.now();
    const outputs = await session.run(given);
    const milliseconds = performance.now() - start;
    return { outputs: valuesOf(outputs), milliseconds };
  },
  /** @param {any} content */
  async measure({ inputs, ...content }) {
    const latency = await measureLatency({
      threads: content.threads,
      load: () => load(content),
      query: async (/** @type {OrtSession} */ model) => {
        await model.run(tensors(inputs));
      },
      now: () => performance.now(),
      progress: (/** @type {number} */ share) => scope.postMessage({ progress: share }),
    });
    return { latency };
  },
};

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

/** @param {Inputs} inputs */
function tensors(inputs) {
  return Object.fromEntries(Object.entries(inputs).map(([name, { data, dims }]) => [name, new ort.Tensor("float32", data, dims)]));
}

/**
 * Copies: the next inference overwrites the runtime's own memory.
 * @param {Record<string, OrtTensor>} outputs
 * @returns {Outputs}
 */
function valuesOf(outputs) {
  return Object.fromEntries(
    Object.entries(outputs).map(([name, tensor]) => {
      if (!READABLE.some((kind) => tensor.data instanceof kind)) throw new Error(`the output ${name} is ${tensor.type}, which this page does not read`);
      return [name, /** @type {Values} */ (tensor.data).slice()];
    }),
  );
}
