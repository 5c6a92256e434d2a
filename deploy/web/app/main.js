// The page with the photograph.
// @ts-check

import { modelFile } from "../core/manifest.js";
import { loadModel, loadSettings } from "./bundle.js";
import { choose, offerOf, titleOf } from "./choice.js";
import { showChoice, showOffer } from "./chooser.js";
import { element, listFacts, painted, say } from "./dom.js";
import { bitmapOf, drawPicture, drawSeen, drawSeenPart } from "./drawing.js";
import { takePhotographs } from "./intake.js";
import { measure, showLatency, showProgress } from "./measuring.js";
import { keepOffline } from "./offline.js";
import { milliseconds, noteOfSeen, percent, rowsOfClasses, rowsOfSeen, showResults } from "./results.js";
import { look } from "./seeing.js";
import { createSession } from "./session.js";
import { hideTrouble, showTrouble } from "./trouble.js";

/**
 * @typedef {import("./bundle.js").Payload} Payload
 * @typedef {import("./choice.js").Choice} Choice
 */

const status = element("status", HTMLElement);
const stage = element("stage", HTMLElement);
const loading = element("loading", HTMLProgressElement);
const results = element("results", HTMLElement);
const canvas = element("picture", HTMLCanvasElement);
const measureButton = element("measure", HTMLButtonElement);

/** @type {Payload} */
let payload;
/** @type {Choice} */
let choice;
/** @type {import("./session.js").Session | null} */
let session = null;
let isBusy = false;
/** @type {Blob | null} The photograph that came while another one was looked at. */
let next = null;
/** @type {AbortController | null} */
let measurement = null;

/**
 * Does something that can fail: what failed is shown.
 * @param {() => Promise<void>} task
 */
async function attempt(task) {
  try {
    await task();
  } catch (error) {
    say(status, session ? "" : "The model is not ready.");
    loading.hidden = true;
    showTrouble(error);
  }
}

async function start() {
  const [settings, offer] = await Promise.all([loadSettings(), offerOf()]);
  document.title = settings.app_name;
  element("title", HTMLElement).textContent = settings.app_name;
  element("to-conformance", HTMLAnchorElement).search = location.search;
  showOffer(offer, settings.provider);
  takePhotographs({ onPhotograph: (photograph) => attempt(() => receive(photograph)), onTrouble: showTrouble });
  choice = choose(settings, offer, location.search);
  showChoice(choice);
  payload = await loadModel(settings, (received, total) => {
    loading.value = received / total;
  });
  showAbout(settings);
  session = await createSession(payload.model, choice);
  choice = { ...choice, threads: session.threads };
  loading.hidden = true;
  for (const id of ["take", "choose", "measure"]) element(id, HTMLButtonElement).disabled = false;
  say(status, "The model is ready. Take a photograph or choose one.");
  performance.mark("cloformer ready");
  if (next) await receive(next);
}

/**
 * One photograph after the other; of those that come meanwhile the last.
 * @param {Blob} photograph
 */
async function receive(photograph) {
  next = photograph;
  if (isBusy || session === null) return;
  isBusy = true;
  try {
    while (next) {
      const current = next;
      next = null;
      await show(current);
    }
  } finally {
    results.removeAttribute("aria-busy");
    isBusy = false;
  }
}

/** @param {Blob} photograph */
async function show(photograph) {
  hideTrouble();
  say(status, "Looking…");
  results.setAttribute("aria-busy", "true");
  await painted();
  const sight = await look(photograph, payload, /** @type {import("./session.js").Session} */ (session));
  const { rule } = payload.manifest.input;
  const picture = sight.seen?.pictures[0];
  const context = picture
    ? drawPicture(canvas, await bitmapOf(picture), picture)
    : drawPicture(canvas, sight.bitmap, sight.placement);
  if (sight.seen === null) drawSeenPart(context, sight.placement, rule);
  else if (!picture) await drawSeen(context, sight.seen);
  canvas.hidden = false;
  stage.dataset.state = "picture";
  const rows = sight.seen ? rowsOfSeen(sight.seen, payload.labels) : rowsOfClasses(sight.classes);
  element("found", HTMLElement).textContent = rows.map(({ name, share }) => `${name}, ${percent(share)}`).join("; ");
  const times = `${milliseconds(sight.modelTime)} for the model, ${milliseconds(sight.imageTime)} for the image`;
  showResults(rows, sight.seen ? noteOfSeen(sight.seen) : "", `${times} · ${titleOf(choice)}`);
  say(status, "");
  performance.mark("cloformer answer");
}

/** @param {import("./bundle.js").Settings} settings */
function showAbout(settings) {
  const { manifest, labels } = payload;
  const file = modelFile(manifest);
  const { rule } = manifest.input;
  listFacts(element("about", HTMLElement), [
    ["Model", manifest.name],
    ["Numbers", manifest.precision],
    ["Sees", `${rule.width} × ${rule.height} pixels`],
    ...(labels ? [/** @type {[string, string]} */ (["Classes", String(labels.length)])] : []),
    ["Size", file.bytes < 1e6 ? `${Math.ceil(file.bytes / 1e3)} kB` : `${(file.bytes / 1e6).toFixed(1)} MB`],
    ["SHA-256", `${file.sha256.slice(0, 16)}…`],
    ["Runtime", `${settings.runtime.name} ${settings.runtime.version}`],
  ]);
}

async function measureNow() {
  if (measurement) return measurement.abort();
  measurement = new AbortController();
  measureButton.textContent = "Stop";
  hideTrouble();
  showProgress(0);
  try {
    const latency = await measure(payload.model, payload.manifest.input, choice, showProgress, measurement.signal);
    showLatency(latency, titleOf(choice));
    performance.mark("cloformer measured");
  } catch (error) {
    if (!(error instanceof DOMException && error.name === "AbortError")) throw error;
  } finally {
    measurement = null;
    showProgress(null);
    measureButton.textContent = "Measure again";
  }
}

measureButton.addEventListener("click", () => attempt(measureNow));
attempt(start).then(() => keepOffline(() => stage.dataset.state === "empty" && !isBusy && measurement === null));
