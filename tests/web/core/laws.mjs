// What the JavaScript of the web bundle must do by itself: what it refuses, and in which words; how latency is measured; what a report
// holds; and that the conformance kit finds each mistake of a page's preprocessing by the vector that aims at it.
import { isClassifier, ofRole, readManifest } from "../../../deploy/web/core/manifest.js";
import { ranked, softmax, topClasses } from "../../../deploy/web/core/classes.js";
import { decodeImage } from "../../../deploy/web/core/decode.js";
import { bareJpeg } from "../../../deploy/web/core/jpeg.js";
import { compare, compareClasses, runKit, subjectOf } from "../../../deploy/web/core/judge.js";
import { readKit } from "../../../deploy/web/core/kit.js";
import { measureLatency, quantile } from "../../../deploy/web/core/latency.js";
import { inMatchingOrder, overlap } from "../../../deploy/web/core/matching.js";
import { loadPayload } from "../../../deploy/web/core/payload.js";
import { cropped, reversed } from "../../../deploy/web/core/pixels.js";
import { channelsLast, normalized, placed, prepare, resized } from "../../../deploy/web/core/preprocessing.js";
import { deviceReport } from "../../../deploy/web/core/report.js";
import { FILTERS, resize } from "../../../deploy/web/core/resize.js";
import { seen, shares } from "../../../deploy/web/core/seen.js";
import { equal, failing, rejects, text } from "./assertions.mjs";

const PAYLOAD = "payload/";
const KIT = "conformance/";
const ENTRY = ["files", 0];
const INPUT = ["functions", 0, "inputs", 0];
const OUTPUT = ["functions", 0, "outputs", 0];
const LEAVING = ["../model.onnx", "/model.onnx", "a/../../model.onnx", "a\\model.onnx", "", "a//b", "./model.onnx", "a\0b"];

/** A change of the manifest, and what is said of it; undefined removes the field. */
const REFUSED = [
  [["schema_version"], 3, "exported by a newer cloformer (manifest version 3, this app reads 2)"],
  ...LEAVING.flatMap((path) => [["model", "path"], [...ENTRY, "path"], [...OUTPUT, "labels"]].map((place) => [place, path, "leaves the folder"])),
  [["schema_version"], 1.5, "schema_version is not a whole number"],
  [["functions"], undefined, "functions is not a list"],
  [["functions"], [], "functions is not a list of one object at least"],
  [[...INPUT, "dtype"], "float16", "takes no float32 values"],
  [[...INPUT, "layout"], "NHWC", "its preprocessing does not make"],
  [[...INPUT, "shape"], [1, 3, 64, 65], "its preprocessing does not make"],
  [["functions", 0, "inputs", 1], {}, "its preprocessing does not make"],
  [[...INPUT, "shape"], [1, 3, 64, 0.5], "is not a list of whole numbers"],
  [[...INPUT, "preprocessing"], null, "functions[0].inputs[0].preprocessing is not an object"],
  [[...INPUT, "preprocessing", "interpolation"], "hamming", 'the interpolation "hamming" is not known here'],
  [[...INPUT, "preprocessing", "interpolation"], "constructor", 'the interpolation "constructor" is not known here'],
  [[...INPUT, "preprocessing", "crop"], "five", "is not known here"],
  [[...INPUT, "preprocessing", "color_order"], "GBR", "is not known here"],
  [[...INPUT, "preprocessing", "mean"], [0.5], "is not known here"],
  [[...INPUT, "preprocessing", "std"], [1, 0, 1], "is not known here"],
  [[...INPUT, "preprocessing", "resize_size"], 63, "is not known here"],
  [[...INPUT, "preprocessing", "height"], 2 ** 20, "is not known here"],
  [[...OUTPUT, "role"], "features", 'the model gives "features", which this app does not show'],
  [[...OUTPUT, "role"], "boxes", "does not say where boxes are"],
  [[...OUTPUT, "dtype"], "float16", "the model gives values of float16"],
  [["model", "path"], "another.onnx", "does not list another.onnx"],
];

const json = async (read, name) => JSON.parse(text(await read(name)));

/** The document with another value at a place. */
function changed(document, place, value) {
  const copy = structuredClone(document);
  const last = place[place.length - 1];
  const around = place.slice(0, -1).reduce((inside, name) => inside[name], copy);
  if (value === undefined) delete around[last];
  else around[last] = value;
  return copy;
}

/** What a host answers, with some files in the place of others: null is none. */
const host = (read, others = {}) => async (address) => {
  const path = decodeURIComponent(address);
  const content = path in others ? others[path] : await read(path).catch(() => null);
  return content === null ? new Response(null, { status: 404 }) : new Response(content);
};

const bytesOf = (document) => new TextEncoder().encode(JSON.stringify(document));
const hashOf = async (content) =>
  Array.from(new Uint8Array(await crypto.subtle.digest("SHA-256", content)), (byte) => byte.toString(16).padStart(2, "0")).join("");

/** The model of the fixtures: the mean of each channel of its input. */
async function means({ tensor, dims }) {
  const area = dims[2] * dims[3];
  const mean = (channel) => tensor.subarray(channel * area, (channel + 1) * area).reduce((sum, value) => sum + value, 0) / area;
  return new Map([["logits", Float32Array.from([0, 1, 2], mean)]]);
}

const bundle = async (read) => {
  const payload = await loadPayload(PAYLOAD, host(read));
  return { payload, kit: await readKit(KIT, host(read), payload), subject: subjectOf(payload.manifest, means) };
};

/** Mistakes of a page's preprocessing, by the vector that aims at them: what they change of a subject, given the rule. */
const MISTAKES = [
  ["channel-order", "red and blue exchanged", (rule) => ({ crop: (image) => reversed(resized(image, rule)) })],
  ["normalization", "not scaled", (rule) => ({ normalize: (pixels) => normalized(pixels, { ...rule, scale: 1 }) })],
  ["normalization", "mean and deviation in another order", (rule) => ({
    normalize: (pixels) => normalized(pixels, { ...rule, mean: [...rule.mean].reverse(), std: [...rule.std].reverse() }),
  })],
  ...Object.keys(FILTERS).filter((name) => name !== "bicubic").map((interpolation) =>
    ["resize-filter", interpolation, (rule) => ({ crop: (image) => resized(image, { ...rule, interpolation }) })]),
  ["crop", "squeezed into a square", (rule) => ({
    crop: (image) => resized(resize(image, rule.resizeSize, rule.resizeSize, rule.interpolation), rule),
  })],
];

export const OWN = {
  "manifests that are refused": async (read) => {
    const sound = await json(read, `${PAYLOAD}manifest.json`);
    equal(isClassifier(readManifest(JSON.stringify(sound))), true, "the sound one is read");
    for (const [place, value, reason] of REFUSED) {
      await rejects(async () => readManifest(JSON.stringify(changed(sound, place, value))), reason, place.join("."));
    }
    await rejects(async () => readManifest('{"schema_version":'), "is no JSON document", "no JSON");
    await rejects(async () => readManifest("[]"), "the document is not an object", "a list");
    return `${REFUSED.length + 2} changes`;
  },
  "channels last, and normalization inside": async (read) => {
    const sound = await json(read, `${PAYLOAD}manifest.json`);
    const last = changed(changed(sound, [...INPUT, "layout"], "NHWC"), [...INPUT, "shape"], [1, 64, 64, 3]);
    const inside = readManifest(JSON.stringify(changed(last, [...INPUT, "preprocessing_inside"], true)));
    const image = { width: 64, height: 64, data: Uint8Array.from({ length: 3 * 64 * 64 }, (_, at) => (at * 7) % 256) };
    const whole = { ...inside.input, rule: { ...inside.input.rule, resizeSize: 64 } };
    const { tensor, dims, placement } = prepare(image, whole);
    equal(Array.from(tensor), Array.from(image.data), "the pixels as they are");
    equal([dims, placement.left, placement.top], [[1, 64, 64, 3], 0, 0], "shape and place");
    equal(Array.from(channelsLast(Float32Array.of(1, 2, 3, 4, 5, 6), 3)), [1, 3, 5, 2, 4, 6], "channels last");
    equal(ofRole(inside, "boxes"), undefined, "no boxes");
    return "as the model takes them";
  },
  "files of a payload are held to their hashes": async (read) => {
    const load = (others, options) => loadPayload(PAYLOAD, host(read, others), options);
    const { manifest, labels, model, manifestSha256 } = await load({});
    equal([labels, text(model), manifest.precision], [["red", "green", "blue"], "no model", "fp32"], "what is loaded");
    equal(manifestSha256, await hashOf(await read(`${PAYLOAD}manifest.json`)), "the manifest's hash");
    const told = [];
    await load({}, { manifestSha256, progress: (received, total) => told.push([received, total]) });
    equal(told[told.length - 1], [8, 8], "progress");
    const of = (name) => `${PAYLOAD}${name}`;
    await rejects(() => load({}, { manifestSha256: "0" }), "manifest.json is not the file that was bundled", "another manifest");
    for (const content of ["another!", "short", "", "no model, and more"]) {
      await rejects(() => load({ [of("model.onnx")]: content }), "model.onnx is not the file that was exported: bundle the model again", content);
    }
    await rejects(() => load({ [of("labels.txt")]: "red\ngreen\nblack\n" }), "labels.txt is not the file that was exported", "other labels");
    for (const name of ["model.onnx", "labels.txt", "manifest.json"]) await rejects(() => load({ [of(name)]: null }), `${name} is missing`, name);
    const unplugged = () => Promise.reject(new TypeError("Failed to fetch"));
    await rejects(() => loadPayload(PAYLOAD, unplugged), "manifest.json cannot be loaded: see whether there is a network", "no network");
    const sound = await json(read, of("manifest.json"));
    const withManifest = (place, value) => load({ [of("manifest.json")]: bytesOf(changed(sound, place, value)) });
    await rejects(() => withManifest([...ENTRY, "bytes"], 9), "model.onnx is not the file that was exported", "another length");
    await rejects(() => withManifest(["format"], "litert"), "the model is litert, and this app runs onnx", "another format");
    await rejects(() => withManifest([...OUTPUT, "shape"], [1, 4]), "labels.txt has 3 labels for 4 classes", "too few labels");
    await rejects(() => withManifest([...OUTPUT, "labels"], "others.txt"), "does not list others.txt", "labels that are not listed");
    const odd = "a folder/100% #1?.onnx";
    const renamed = changed(changed(sound, ["model", "path"], odd), [...ENTRY, "path"], odd);
    const found = await load({ [of("manifest.json")]: bytesOf(renamed), [of(odd)]: "no model" });
    equal(text(found.model), "no model", "an odd name");
    return "whole, changed, longer, missing, of another kind";
  },
  "kits that are refused": async (read) => {
    const payload = await loadPayload(PAYLOAD, host(read));
    const sound = await json(read, `${KIT}conformance.json`);
    const of = (others) => readKit(KIT, host(read, others), payload);
    const withList = (place, value) => of({ [`${KIT}conformance.json`]: bytesOf(changed(sound, place, value)) });
    equal((await of({})).vectors.length, sound.vectors.length, "the sound one is read");
    await rejects(() => withList(["schema_version"], 3), "made by a newer cloformer (version 3", "newer");
    await rejects(() => withList(["manifest_sha256"], "0"), "of another model", "another manifest");
    await rejects(() => withList(["model_sha256"], "0"), "of another model", "another model");
    await rejects(() => withList(["vectors"], []), "has no vector", "no vector");
    await rejects(() => withList(["vectors", 0, "compares"], "taste"), 'compares "taste"', "another stage");
    await rejects(() => withList(["vectors", 0, "image"], "../x"), "leaves the folder", "a path");
    const file = sound.vectors[0].input;
    await rejects(() => of({ [KIT + file]: "changed" }), `${file} is not the file that was exported`, "a changed file");
    await rejects(() => of({ [KIT + file]: null }), `${file} is missing`, "a missing file");
    return "changed, newer, and of another model";
  },
  "the kit finds mistakes, each by its own vector": async (read) => {
    const { payload: { manifest }, kit, subject } = await bundle(read);
    const isBrowser = typeof createImageBitmap === "function"; // in node, nothing decodes JPEG
    const failed = async (mistake) =>
      (await runKit(kit, manifest, { ...subject, ...mistake })).filter(({ passed, name }) => !passed && (isBrowser || name !== "orientation")).map(({ name }) => name);
    equal(await failed({}), [], "no mistake");
    for (const [aimed, name, change] of MISTAKES) equal(await failed(change(manifest.input.rule)), [aimed], `${aimed}: ${name}`);
    equal((await failed({ run: async () => new Map() })).length >= 6, true, "no output");
    const noisy = { run: (values) => means({ tensor: values.map((value) => 1.01 * value), dims: manifest.input.shape }) };
    equal((await failed(noisy)).length >= 6, true, "another model");
    const small = { crop: (image) => cropped(resized(image, manifest.input.rule), 0, 0, 9, 9), normalize: () => new Float32Array(9) };
    equal((await failed(small)).filter((name) => name !== "photograph").length >= 5, true, "another size");
    const silent = { ...kit, vectors: kit.vectors.map((vector) => ({ ...vector, outputs: new Map() })) };
    equal((await runKit(silent, manifest, subject)).some(({ passed }) => passed), false, "a kit that expects nothing");
    const results = await runKit(kit, manifest, { ...subject, decode: () => Promise.reject(new Error("no canvas")), run: () => Promise.reject(new Error("no memory")) });
    const first = results[0];
    equal([first.passed, first.preprocessing.whyNot, first.whyNot], [false, "no canvas", "no memory"], "what raises has failed");
    return `${MISTAKES.length} mistakes${isBrowser ? "" : ", without the vector of a JPEG file"}`;
  },
  "what is no number fails": async () => {
    const tolerance = { maxRelative: 1e-3, minCosine: 0.999, because: "" };
    const expected = Float32Array.of(1, 2);
    equal([compare(expected, expected, tolerance).passed, compare(new Float32Array(2), new Float32Array(2), tolerance).passed], [true, true], "equal");
    for (const given of [[1, NaN], [1, Infinity], [1], [1, 2.1]]) equal(compare(Float32Array.from(given), expected, tolerance).passed, false, `${given}`);
    equal(compare(undefined, expected, tolerance).passed, false, "none");
    const quarter = { maxRelative: 0.25, minCosine: -1, because: "" };
    equal(compareClasses(Float32Array.of(1, 2, 3, 4), Float32Array.of(1, 2, 3, 5), quarter), { passed: true, maxAbs: 0.25, largest: 1, cosine: 0.75 }, "a map");
    equal(compareClasses(Float32Array.of(1, 2, 4, 4), Float32Array.of(1, 2, 3, 5), quarter).passed, false, "too far off");
    await rejects(async () => ranked(softmax(Float32Array.of(1, NaN)), null, 5), "values that are no numbers", "classes");
    return "in outputs, maps and classes";
  },
  "classes and shares": async (read) => {
    const { payload: { manifest, labels } } = await bundle(read);
    equal(Array.from(softmax(Float32Array.of(1e6, 1e6, -1e6))), [0.5, 0.5, 0], "large logits");
    const top = topClasses(new Map([["logits", Float32Array.of(1, 3, 3)]]), manifest, labels, 2);
    equal(top.map(({ index, label }) => [index, label]), [[1, "green"], [2, "blue"]], "equal ones stay in order");
    await rejects(async () => topClasses(new Map(), manifest, labels), "the model did not give logits", "no output");
    const map = { width: 2, height: 2, classes: Int32Array.of(1, -1, 1, 0) };
    const whole = { inputWidth: 4, inputHeight: 4, placement: { width: 8, height: 8, resizedWidth: 4, resizedHeight: 4, left: 0, top: 0 } };
    equal(shares(map, whole), [{ index: 1, share: 0.5 }, { index: 0, share: 0.25 }], "shares");
    // The upper row of the map lies over the border, but for what is nearest to it: nothing.
    const below = { ...whole, placement: { ...whole.placement, height: 4, resizedHeight: 2, top: -2 } };
    equal(shares(map, below), [{ index: 0, share: 0.5 }, { index: 1, share: 0.5 }], "shares of what is no border");
    return "in their order";
  },
  "boxes without a number, and masks": async (read) => {
    const sound = await json(read, `${PAYLOAD}manifest.json`);
    const coordinates = { form: "xyxy", unit: "pixels" };
    const output = (name, role, shape, more = {}) => ({ name, role, dtype: "float32", shape, ...more });
    const outputs = [output("where", "boxes", [1, 2, 4], { coordinates }), output("what", "box_scores", [1, 2, 3]), output("cut", "masks", [1, 2, 1, 3])];
    const manifest = readManifest(JSON.stringify(changed(sound, ["functions", 0, "outputs"], outputs)));
    const given = new Map([
      ["where", Float32Array.of(0, 0, 9, 9, 20, 20, 30, 30)], ["what", Float32Array.of(0.9, NaN, 0.1, 0.2, 0.8, 0.1)],
      ["cut", Float32Array.of(0.51, 0.5, 0.1, 0.1, 0.2, 0.9)],
    ]);
    const found = seen(given, manifest, placed(manifest.input.rule, 64, 64), null);
    equal(found.boxes.map(({ index }) => index), [1], "the box whose scores are numbers");
    equal(Array.from(found.maps[0].classes), [1, -1, 2], "masks");
    return "as Python has them";
  },
  "boxes that share too little are not one": async () => {
    const places = Array.from({ length: 12 }, (_, place) => 100 * place);
    const boxes = (moved) => Float32Array.from(places.flatMap((x, place) => [x + (place ? 0 : moved), 0, x + 10 + (place ? 0 : moved), 10]));
    const of = (moved) => new Map([["boxes", boxes(moved)], ["box_scores", new Float32Array(12).fill(0.5)], ["box_classes", new Float32Array(12)]]);
    const outputs = [...of(0).keys()].map((role) => ({ name: role, role }));
    const first = (moved) => Array.from(inMatchingOrder({ outputs, isSuppressed: true }, of(moved), of(0)).get("boxes").slice(0, 4));
    equal(first(3), [3, 0, 13, 10], "7 of 13 parts are the same box");
    equal(first(4), [0, 0, 10, 10], "6 of 14 parts are not; of twelve one may match none, and is as expected");
    equal(overlap([0, 0, 10, 10], [3, 0, 13, 10]), 7 / 13, "what they share");
    return "half of what they cover together";
  },
  "latency keeps its protocol": async () => {
    let [time, queries] = [0, 0];
    const told = [];
    const latency = await measureLatency({
      threads: 2, now: () => time, progress: (share) => told.push(share),
      load: async () => (time += 7), query: async () => (time += ++queries === 1 ? 5e8 : 5e7),
    });
    equal([latency.load, latency.first, latency.threads, latency.preset], [7, 5e8, 2, "quick"], "load and first query");
    equal([latency.warmUp.length, latency.samples.length], [20, 200], "a second, and ten");
    equal([quantile(latency, 0.5), told[0], told[100]], [5e7, 0, 0.5], "the median, and how far it was");
    const slow = await measureLatency({ threads: 1, now: () => time, load: async () => {}, query: async () => (time += 1e9) });
    equal([slow.warmUp.length, slow.samples.length], [10, 128], "as many queries at least");
    return "a warm-up of a second and ten queries, ten seconds and 128 queries";
  },
  "the report has the agreed form": async (read) => {
    const { payload } = await bundle(read);
    const comparison = (maxAbs) => ({ passed: Number.isFinite(maxAbs), maxAbs, largest: 2.9, cosine: 1 });
    const result = (name, preprocessing, maxAbs) => ({ name, aimsAt: "", preprocessing, outputs: new Map([["logits", comparison(maxAbs)]]), whyNot: null, passed: false });
    const vectors = [
      result("crop", { passed: true, maxAbs: 0, whyNot: null }, 1e-6),
      result("alpha", { passed: false, maxAbs: NaN, whyNot: null }, NaN),
      result("photograph", null, 0),
    ];
    const device = { manufacturer: " ", model: "m".repeat(300), os: "o", cpu: "c", appBuild: "release" };
    const runtime = { name: "n", version: "1", provider: "wasm", threads: 4 };
    const latency = { load: 1, first: 2, warmUp: [3, 4], samples: [5, 6], threads: 4, preset: "quick" };
    const report = JSON.parse(deviceReport({ payload, device, runtime, vectors, latency, whyNoPlacement: "nobody says it" }));
    const fields = ["schema_version", "kind", "manifest_sha256", "model_sha256", "device", "runtime", "vectors", "latency", "placement"];
    equal(Object.keys(report), fields, "fields");
    equal([report.schema_version, report.kind, report.manifest_sha256], [2, "device-report", payload.manifestSha256], "whose it is");
    equal([report.device.manufacturer, report.device.model.length, report.device.app_build], ["unknown", 200, "release"], "the device");
    equal(report.vectors[0].outputs.logits, { passed: true, max_abs: 1e-6, largest: 2.9, cosine: 1 }, "an output");
    equal(report.vectors[1].outputs, {}, "what could not be compared is left out");
    equal([report.vectors[1].preprocessing.max_abs > 255, report.vectors[2].preprocessing], [true, null], "preprocessing");
    equal(report.latency, { load_ns: 1, first_ns: 2, warmup_ns: [3, 4], samples_ns: [5, 6], threads: 4, preset: "quick" }, "latency");
    equal(report.placement, { asked: "wasm", source: null, cost: null, operators: [], why_not: "nobody says it" }, "placement");
    return "version 2";
  },
  "images that are refused": async (read) => {
    const png = await read("rule-00.png");
    const jpeg = await read("444.jpg");
    const decode = (content) => decodeImage(new Blob([content]));
    const with_ = (content, at, value) => Uint8Array.from(content, (byte, place) => (place === at ? value : byte));
    await rejects(() => decode("no image"), "is no image that is read here", "text");
    await rejects(() => decode('<svg xmlns="http://www.w3.org/2000/svg"/>'), "is no image that is read here", "a drawing");
    await rejects(() => decode(png.subarray(0, png.length - 30)), "PNG image is damaged", "half a PNG file");
    await rejects(() => decode(png.subarray(0, 20)), "PNG image is damaged", "a header");
    await rejects(() => decode(with_(png, 20, 99)), "PNG image is damaged", "another checksum");
    await rejects(async () => decode(await read("enormous.png")), "is larger than", "an enormous PNG");
    for (const end of [jpeg.length - 2, jpeg.length - 3000, 300, 20]) {
      await rejects(async () => bareJpeg(jpeg.slice(0, end)), "JPEG image is damaged", `a JPEG file of ${end} bytes`);
    }
    const frame = jpeg.findIndex((byte, at) => byte === 0xff && jpeg[at + 1] === 0xc0);
    await rejects(() => decode(Uint8Array.from(jpeg, (byte, at) => (at >= frame + 5 && at < frame + 9 ? 255 : byte))), "is larger than", "an enormous JPEG");
    const bare = bareJpeg(jpeg);
    failing(bare.content.size !== jpeg.length, "a file without metadata stays as it is");
    return "damaged, too large, and no images";
  },
};
