// The page that shows whether the model is right on this device.
// @ts-check

import { runKit, subjectOf } from "../core/judge.js";
import { fileOf, readKit } from "../core/kit.js";
import { FILE, deviceReport } from "../core/report.js";
import { ROOT, fetchHere, loadModel, loadSettings } from "./bundle.js";
import { choose, offerOf, titleOf } from "./choice.js";
import { showChoice, showOffer } from "./chooser.js";
import { thisDevice } from "./device.js";
import { element, painted, say } from "./dom.js";
import { measure } from "./measuring.js";
import { keepOffline } from "./offline.js";
import { decode } from "./seeing.js";
import { createSession } from "./session.js";
import { Trouble, hideTrouble, showTrouble, wordsOf } from "./trouble.js";
import { showVector, showVerdict, waitingVector } from "./vectors.js";
import { verdictOf } from "./verdict.js";

/**
 * @typedef {import("./bundle.js").Bundle} Bundle
 * @typedef {import("./choice.js").Choice} Choice
 * @typedef {import("../core/kit.js").Kit} Kit
 * @typedef {import("../core/latency.js").Latency} Latency
 * @typedef {Bundle & {kit: Kit, choice: Choice}} Ready
 */

const runButton = element("run", HTMLButtonElement);
const downloadButton = element("download", HTMLButtonElement);
const withLatency = element("with-latency", HTMLInputElement);
const progress = element("progress", HTMLProgressElement);
const step = element("step", HTMLElement);
const list = element("vectors", HTMLOListElement);
const judgeCard = element("judge", HTMLElement);

let isIdle = true; // until the first check
const NOT_CHECKED = "Could not be checked";

/** @returns {Promise<Ready>} */
async function start() {
  element("to-photograph", HTMLAnchorElement).search = location.search;
  say(step, "Loading the model and its images…");
  const [settings, offer] = await Promise.all([loadSettings(), offerOf()]);
  document.title = `Is it right? ${settings.app_name}`;
  element("title", HTMLElement).textContent = settings.app_name;
  showOffer(offer, settings.provider);
  const choice = choose(settings, offer, location.search);
  showChoice(choice);
  say(element("ran-on", HTMLElement), `${titleOf(choice)} · ${settings.runtime.name} ${settings.runtime.version}`);
  progress.hidden = false;
  const payload = await loadModel(settings, (received, total) => {
    progress.value = received / total;
  });
  const kit = await readKit(new URL("conformance/", ROOT).href, fetchHere, payload);
  list.replaceChildren(...kit.vectors.map((vector) => waitingVector(vector, new Blob([fileOf(kit, vector.image)]))));
  say(step, "");
  progress.hidden = true;
  return { settings, payload, kit, choice };
}

/**
 * From the first vector to the verdict. Whatever stops it, the verdict is that nothing is known.
 * @param {Ready} ready
 */
async function check(ready) {
  hideTrouble();
  showBusy(true);
  try {
    const { results, threads } = await runVectors(ready);
    const latency = await measureFor(ready);
    const runtime = { ...ready.settings.runtime, provider: ready.choice.provider, threads };
    offerReport(deviceReport({ payload: ready.payload, device: await thisDevice(), runtime, vectors: results, latency }));
  } catch (error) {
    fail(error);
  } finally {
    showBusy(false);
  }
}

/** @param {boolean} isBusy */
function showBusy(isBusy) {
  isIdle = false;
  runButton.disabled = withLatency.disabled = isBusy;
  progress.hidden = step.hidden = !isBusy;
  if (!isBusy) return void (runButton.textContent = "Run it again");
  downloadButton.hidden = judgeCard.hidden = true;
  progress.value = 0;
  showVerdict({ state: "none", title: "Checking…", text: "Each image is prepared and given to the model." });
}

/** @param {unknown} error */
function fail(error) {
  showVerdict({ state: "unchecked", title: NOT_CHECKED, text: `${wordsOf(error).what}. Nothing is known of this device.` });
  showTrouble(error);
}

/** @param {Ready} ready */
async function runVectors({ payload, kit, choice }) {
  const { manifest } = payload;
  list.replaceChildren(...kit.vectors.map((vector) => waitingVector(vector, new Blob([fileOf(kit, vector.image)]))));
  await painted();
  const session = await createSession(payload.model, choice);
  try {
    let done = 0;
    const results = await runKit(kit, manifest, { ...subjectOf(manifest, session.run), decode }, async (result) => {
      const place = done++;
      showVector(/** @type {HTMLElement} */ (list.children[place]), result, kit.vectors[place], manifest);
      progress.value = done / kit.vectors.length;
      say(step, `${done} of ${kit.vectors.length}`);
      await painted();
    });
    showVerdict(verdictOf(results, kit.vectors.length));
    performance.mark("cloformer verdict");
    return { results, threads: session.threads };
  } finally {
    session.release();
  }
}

/**
 * What the kit found stands whatever becomes of this.
 * @param {Ready} ready
 * @returns {Promise<Latency | null>} null where nobody asked for it, or it failed, which is said
 */
async function measureFor({ payload, choice }) {
  if (!withLatency.checked) return null;
  say(step, "Measuring the latency. Leave the device alone meanwhile.");
  progress.value = 0;
  try {
    return await measure(payload.model, payload.manifest.input, choice, (share) => {
      progress.value = share;
    });
  } catch (error) {
    showTrouble(new Trouble("The latency could not be measured", "The report has the check alone.", error));
    return null;
  }
}

/** @param {string} report */
function offerReport(report) {
  downloadButton.onclick = () => save(report);
  downloadButton.hidden = judgeCard.hidden = false;
}

/** @param {string} report */
function save(report) {
  const address = URL.createObjectURL(new Blob([report], { type: "application/json" }));
  Object.assign(document.createElement("a"), { href: address, download: FILE }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000); // browsers begin to read it later
}

try {
  const ready = await start();
  runButton.disabled = false;
  runButton.addEventListener("click", () => check(ready));
  performance.mark("cloformer ready");
} catch (error) {
  say(step, "");
  progress.hidden = true;
  fail(error);
}
await keepOffline(() => isIdle);
