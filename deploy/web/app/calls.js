// Questions to a worker of this page, and how a worker answers them.
// @ts-check

import { PayloadError } from "../core/errors.js";
import { Trouble } from "./trouble.js";

/** @typedef {{ask: (task: string, content: object) => Promise<any>, end: (reason?: unknown) => void}} Calls */

const AGAIN = "Load the page again.";

/**
 * @param {URL} address of the worker's module
 * @param {(share: number) => void} [onProgress]
 * @returns {Calls} `end` stops the worker at once: what is still asked fails with the reason
 */
export function startWorker(address, onProgress = () => {}) {
  const worker = new Worker(address, { type: "module" });
  /** @type {Map<number, {resolve: (value: any) => void, reject: (reason: unknown) => void}>} */
  const open = new Map();
  let last = 0;
  /** @param {unknown} reason */
  const fail = (reason) => {
    for (const { reject } of open.values()) reject(reason);
    open.clear();
  };
  worker.onmessage = ({ data }) => {
    if (data.progress !== undefined) return onProgress(data.progress);
    const asked = open.get(data.id);
    open.delete(data.id);
    if (data.error === undefined) asked?.resolve(data.value);
    else asked?.reject(raised(data.error));
  };
  worker.onerror = (event) => {
    event.preventDefault();
    fail(new Trouble(`A worker of the page stopped${event.message ? `: ${event.message}` : ""}`, AGAIN));
  };
  return {
    ask: (task, content) =>
      new Promise((resolve, reject) => {
        open.set(++last, { resolve, reject });
        worker.postMessage({ id: last, task, ...content });
      }),
    end: (reason = new Trouble("The worker was put away", AGAIN)) => {
      worker.terminate();
      fail(reason);
    },
  };
}

/**
 * Makes this module, which runs as a worker, answer: each question by the task of its name.
 * @param {Record<string, (content: any) => Promise<object>>} tasks
 * @returns {(share: number) => void} tells the page how much is done
 */
export function answerCalls(tasks) {
  const scope = /** @type {{postMessage(message: unknown, transfer?: Transferable[]): void, onmessage: ((event: MessageEvent) => void) | null}} */ (
    /** @type {unknown} */ (self)
  );
  scope.onmessage = async ({ data: { id, task, ...content } }) => {
    try {
      const value = await tasks[task](content);
      scope.postMessage({ id, value }, Object.values(value).filter((each) => each instanceof ImageBitmap));
    } catch (error) {
      const { name, message } = error instanceof Error ? error : { name: "Error", message: String(error) };
      scope.postMessage({ id, error: { name, message } });
    }
  };
  return (progress) => scope.postMessage({ progress });
}

/** @param {{name: string, message: string}} error */
function raised({ name, message }) {
  return name === "PayloadError" ? new PayloadError(message) : Object.assign(new Error(message), { name });
}
