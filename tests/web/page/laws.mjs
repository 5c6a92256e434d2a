// What the page says of what it found, and when; among the checks of tests/web/core/cases.mjs, in node and in a browser.
import { addressWith, choose } from "../../../deploy/web/app/choice.js";
import { describe } from "../../../deploy/web/app/device.js";
import { capitalized } from "../../../deploy/web/app/dom.js";
import { milliseconds } from "../../../deploy/web/app/results.js";
import { wordsOf } from "../../../deploy/web/app/trouble.js";
import { figuresOf, meaningsOf, numbered, stateOf, verdictOf } from "../../../deploy/web/app/verdict.js";
import { PayloadError } from "../../../deploy/web/core/errors.js";
import { equal, failing, rejects } from "../core/assertions.mjs";

const TOLERANCE = { maxRelative: 0.01, minCosine: 0.999, because: "" };
const RIGHT = { passed: true, maxAbs: 0.001, largest: 2, cosine: 1 };
const FAR = { passed: false, maxAbs: 1, largest: 2, cosine: 1 };
const TURNED = { passed: false, maxAbs: 0.001, largest: 2, cosine: 0.5 };
const NOTHING = { passed: false, maxAbs: NaN, largest: NaN, cosine: NaN };

/** A result as core/judge.js gives it. */
const result = (preprocessing, output, whyNot = null, name = "crop") => ({
  name,
  aimsAt: "where the middle is cut out",
  preprocessing,
  outputs: new Map(output ? [["logits", output]] : []),
  whyNot,
  passed: Boolean(output?.passed) && whyNot === null && (preprocessing?.passed ?? true),
});
const prepared = (passed, maxAbs, whyNot = null) => ({ passed, maxAbs, whyNot });

const PASSED = result(prepared(true, 0), RIGHT);
const ALONE = result(null, RIGHT, null, "photograph");
const CUT = result(prepared(false, 40), RIGHT);
const UNREAD = result(prepared(false, NaN, "this image is damaged"), RIGHT);
const OFF = result(prepared(true, 0), FAR);
const NOT_RUN = result(prepared(true, 0), NOTHING, "the runtime has no memory");
const CUT_AND_NOT_RUN = result(prepared(false, 40), NOTHING, "the runtime has no memory");
const NO_OUTPUT = result(prepared(true, 0), null);

/** A result, its state, and what is said of it. */
const STATES = [
  [PASSED, "passed", []],
  [ALONE, "passed", []],
  [CUT, "failed", ["Another part of the photograph is cut out"]],
  [UNREAD, "unchecked", ["could not be prepared: this image is damaged"]],
  [OFF, "failed", ["The model itself gives other values"]],
  [NOT_RUN, "unchecked", ["could not be run: the runtime has no memory"]],
  [CUT_AND_NOT_RUN, "failed", ["Another part", "could not be run"]],
  [NO_OUTPUT, "failed", ["The model itself gives other values"]],
  [result(prepared(false, 3), RIGHT, null, "of-later"), "failed", ["What this image aims at is wrong here: where the middle is cut out"]],
];

/** Results, how many were to be run, and the verdict. */
const VERDICTS = [
  [[PASSED, ALONE], 2, "passed", "All 2 vectors passed"],
  [[PASSED, ALONE], 3, "unchecked", "1 could not be run, which is no pass"],
  [[], 7, "unchecked", "7 could not be run"],
  [[], 0, "unchecked", "0 of 0"],
  [[PASSED, ALONE, PASSED], 2, "unchecked", "3 of 2"],
  [[PASSED, CUT], 2, "failed", "1 of 2 vectors failed: where the middle is cut out."],
  [[CUT, NOT_RUN, PASSED], 3, "failed", "1 of 3 vectors failed: where the middle is cut out. 1 could not be run"],
  [[UNREAD], 1, "unchecked", "1 could not be run"],
  ...STATES.filter(([, state]) => state !== "passed").map(([one, state]) => [[PASSED, one], 2, state, ""]),
];

function verdicts() {
  for (const [one, state, said] of STATES) {
    equal(stateOf(one), state, `the state of ${one.name}`);
    const meanings = meaningsOf(one);
    equal(meanings.length, said.length, `what is said: ${meanings}`);
    said.forEach((words, at) => failing(!meanings[at].includes(words), `"${meanings[at]}" does not say "${words}"`));
  }
  for (const [results, expected, state, words] of VERDICTS) {
    const verdict = verdictOf(results, expected);
    equal(verdict.state, state, `the verdict over ${results.length} of ${expected}`);
    failing(!verdict.text.includes(words), `"${verdict.text}" does not say "${words}"`);
    equal(/^Right/.test(verdict.title), state === "passed", `"${verdict.title}"`);
  }
  return `${STATES.length} results, ${VERDICTS.length} verdicts`;
}

function figures() {
  const vector = { compares: "pixels", outputs: new Map([["logits", { file: "", tolerance: TOLERANCE }]]) };
  const rows = (one, compares = "pixels", maps = []) => figuresOf(one, { ...vector, compares }, maps).map(({ error, allowed, isOver }) => [error, allowed, isOver]);
  equal(rows(PASSED), [["0 of 255", "0", false], ["0.001", "0.02", false]], "a pass");
  equal(rows(CUT), [["40 of 255", "0", true], ["0.001", "0.02", false]], "a wrong crop");
  equal(rows(OFF, "input"), [["0", "1.0e-6", false], ["1", "0.02", true]], "another model");
  equal(rows(result(null, TURNED)), [["0.001", "0.02", true], ["0.500000", "at least 0.999", true]], "a wrong direction");
  equal(rows(NOT_RUN)[1], ["no number", "no number", true], "what was not run");
  equal(rows(result(null, FAR), "outputs", ["logits"]), [["1 of its places", "0.01", true]], "a map");
  equal([0, 0.00012, 12.3456, 1e9, NaN, Infinity].map(numbered), ["0", "1.2e-4", "12.3", "1.0e+9", "no number", "no number"], "numbers");
  equal([0.1234, 8.126, 81.17, 194.28, 1704.2].map(milliseconds), ["0.123 ms", "8.13 ms", "81.2 ms", "194 ms", "1704 ms"], "times");
  return `6 tables`;
}

async function choices() {
  const here = { hasWebGpu: false, maxThreads: 1 };
  const isolated = { hasWebGpu: true, maxThreads: 8 };
  const set = { provider: "wasm", threads: null };
  const chosen = (settings, offer, search) => Object.values(choose(settings, offer, search)).join();
  equal(chosen(set, here, ""), "wasm,1", "no isolation");
  equal(chosen(set, isolated, ""), "wasm,4", "as many as serve");
  equal(chosen({ ...set, threads: 2 }, isolated, ""), "wasm,2", "the bundle's");
  equal(chosen({ ...set, threads: 2 }, here, ""), "wasm,1", "the bundle's, where they cannot be had");
  equal(chosen(set, isolated, "?threads=8"), "wasm,8", "the address's");
  equal(chosen(set, isolated, "?provider=webgpu&threads=8"), "webgpu,1", "WebGPU");
  equal(chosen({ ...set, provider: "webgpu" }, isolated, ""), "webgpu,1", "the bundle's WebGPU");
  const refused = [["?threads=2", here, "2 threads cannot be had here"], ["?threads=0", isolated, "is no number of threads"], ["?threads=1e1", isolated, "is no number"],
    ["?threads=17", isolated, "is no number"], ["?provider=webgpu", here, "offers no WebGPU"], ["?provider=webnn", isolated, "runs no model here"]]; // prettier-ignore
  for (const [search, offer, words] of refused) await rejects(async () => choose(set, offer, search), words, search);
  equal(addressWith({ provider: "wasm", threads: 2 }, "https://a.example/p/?x=1"), "https://a.example/p/?x=1&provider=wasm&threads=2", "an address");
  equal(addressWith({ provider: "webgpu", threads: 1 }, "https://a.example/p/?threads=2"), "https://a.example/p/?provider=webgpu", "an address of WebGPU");
  return `7 that can be had, ${refused.length} that cannot`;
}

/** A browser's description of itself, what it tells beside it, and what the report says. */
const PIXEL = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Mobile Safari/537.36";
const DEVICES = [
  ["Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1", {}, "Apple iPhone, iOS 18.5, Safari 18.5"],
  ["Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0", {}, "unknown Android device, Android 15, Firefox 140.0"],
  [PIXEL, { model: "Pixel 9", platform: "Android", platformVersion: "16.0.0", fullVersionList: [{ brand: "Not)A;Brand", version: "8.0" }, { brand: "Chromium", version: "150.0.1" }, { brand: "Google Chrome", version: "150.0.2" }] },
    "unknown Pixel 9, Android 16.0.0, Google Chrome 150.0.2"],
  [PIXEL, { fullVersionList: [{ brand: "Chromium", version: "150.0.1" }] }, "unknown Android device, Android 10, Chromium 150.0.1"],
  ["", {}, "unknown device, unknown system, unknown browser"],
]; // prettier-ignore

function devices() {
  for (const [agent, told, expected] of DEVICES) {
    const { manufacturer, model, os } = describe(agent, told, 8);
    equal(`${manufacturer} ${model}, ${os}`, expected, agent || "a browser that says nothing");
  }
  equal(describe("", {}, 0).cpu, "unknown", "no cores");
  return `${DEVICES.length} browsers`;
}

function words() {
  equal(wordsOf(new PayloadError("model.onnx is missing: bundle the model again")), { what: "model.onnx is missing", next: "Bundle the model again." }, "two parts");
  equal(wordsOf(new PayloadError("nothing to do")), { what: "Nothing to do", next: "" }, "one part");
  equal(wordsOf(new Error("")).what, "Something failed that gave no reason", "no reason");
  equal(["the map", "model.onnx is", "a_b c", ""].map(capitalized), ["The map", "model.onnx is", "a_b c", ""], "beginnings");
  return `what happened, and what to do`;
}

/** Each law of the page, by its name. */
export const PAGE = {
  "page: a vector's state and the verdict over all": verdicts,
  "page: figures and what they are called": figures,
  "page: what runs the model": choices,
  "page: what a browser says of the device": devices,
  "page: errors in two parts": words,
};
