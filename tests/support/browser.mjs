// Playwright's interface, spoken in lines of JSON: `node browser.mjs FOLDER_OF_PLAYWRIGHT_CORE`, driven by browser.py.
//
// A line {"calls": [{"on": "browser", "call": "newContext", "with": [...]}]} asks for calls at the same time, and is answered by
// {"values": [...]} or {"error": "..."}. What is no JSON, a page for instance, stays here and is answered by its name {"$": "object-3"},
// which later calls are asked "on", and may be given. An argument {"function": "text"} is a function.

import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const { chromium } = (await import(pathToFileURL(`${process.argv[2]}/index.js`).href)).default;

/** What later lines may name. */
const objects = new Map([["chromium", chromium]]);
/** What the pages of each context said, and what was asked for, by the context's name. */
const logs = new Map();

function named(value) {
  if (value === undefined || value === null) return null;
  if (Array.isArray(value)) return value.map(named);
  if (typeof value !== "object" || Object.getPrototypeOf(value) === Object.prototype) return value;
  const known = [...objects].find(([, object]) => object === value);
  if (known) return { $: known[0] };
  const name = `object-${objects.size}`;
  objects.set(name, value);
  if ("newCDPSession" in value && "pages" in value) logs.set(name, watched(value));
  return { $: name };
}

function given(value) {
  if (Array.isArray(value)) return value.map(given);
  if (value === null || typeof value !== "object") return value;
  if ("$" in value) return objects.get(value.$);
  if ("function" in value) return new Function(`return (${value.function})`)();
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, given(item)]));
}

/** Everything that pages, workers and service workers of a context say, ask for, and fail at. */
function watched(context) {
  const log = [];
  context.on("console", (message) =>
    log.push({ kind: "console", type: message.type(), text: message.text(), at: message.location().url }));
  context.on("weberror", (error) => log.push({ kind: "error", type: "error", text: String(error.error()?.stack) }));
  context.on("request", (request) => log.push({
    kind: "request", type: request.resourceType(), method: request.method(), text: request.url(),
    sent: request.postDataBuffer()?.length ?? 0, by: request.serviceWorker() ? "service worker" : "page",
  }));
  context.on("requestfailed", (request) =>
    log.push({ kind: "failed", type: request.resourceType(), text: request.url(), why: request.failure()?.errorText }));
  context.on("serviceworker", (worker) => log.push({ kind: "serviceworker", type: "started", text: worker.url() }));
  context.on("page", (page) => page.on("websocket", (socket) =>
    log.push({ kind: "request", type: "websocket", method: "GET", text: socket.url(), sent: 0, by: "page" })));
  return log;
}

async function called({ on, call, with: values }) {
  if (call === "log") return logs.get(on).splice(0);
  const path = call.split(".");
  const method = path.pop();
  const owner = path.reduce((object, name) => object[name], objects.get(on));
  return named(await owner[method](...given(values)));
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = { values: await Promise.all(JSON.parse(line).calls.map(called)) };
  } catch (error) {
    answer = { error: String(error.message ?? error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
process.exit(0);
