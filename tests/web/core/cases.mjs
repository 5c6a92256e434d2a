// The JavaScript of the web bundle beside Python's, on the files that `fixtures.py` writes. The same checks run in node and in a page:
//
//   python -m web.core.fixtures FOLDER           with PYTHONPATH of this repository, tests and tests/support
//   node tests/web/core/node.mjs FOLDER          everything but what a browser decodes
//   in a page of a host of the repository:       (await import("/tests/web/core/cases.mjs")).check(read, {isBrowser: true})
//
// `read(path)` gives the bytes of a file of FOLDER; "shared.json" is deploy/ios/CoreTests/Fixtures/shared.json, which Kotlin and Swift
// are held to, too. `check` gives {passed, lines}: lines for a person, one for each check.
import { ranked, softmax } from "../../../deploy/web/core/classes.js";
import { decodeImage } from "../../../deploy/web/core/decode.js";
import { Fields } from "../../../deploy/web/core/fields.js";
import { compare } from "../../../deploy/web/core/judge.js";
import { readManifest } from "../../../deploy/web/core/manifest.js";
import { inMatchingOrder } from "../../../deploy/web/core/matching.js";
import { upright } from "../../../deploy/web/core/pixels.js";
import { backX, backY } from "../../../deploy/web/core/placement.js";
import { normalized, placed, readRule, resized } from "../../../deploy/web/core/preprocessing.js";
import { resize } from "../../../deploy/web/core/resize.js";
import { seen, shares } from "../../../deploy/web/core/seen.js";
import { equal, failing, floats, isSame, rejects, text } from "./assertions.mjs";
import { OWN } from "./laws.mjs";
import { PAGE } from "../page/laws.mjs";

/** How far a value of a JPEG or WebP file may be from Pillow's, of 255, and on average: browsers have libjpeg and libwebp as Pillow has
 * them, and where they do not, they round in another way. */
const NEAR = { most: 4, average: 0.05 };

/** Of four colours, as Pillow and browsers come to three in their own ways. */
const NEAR_INK = { most: 8, average: 1 };

/**
 * @param {(path: string) => Promise<Uint8Array>} read
 * @param {{isBrowser: boolean}} where
 * @returns {Promise<{passed: boolean, lines: string[]}>}
 */
export async function check(read, { isBrowser }) {
  const checks = { ...SHARED, ...WRITTEN, ...OWN, ...PAGE, ...(isBrowser ? BROWSERS : {}) };
  const lines = [];
  let passed = true;
  for (const [name, run] of Object.entries(checks)) {
    try {
      lines.push(`ok    ${name}: ${await run(read)}`);
    } catch (error) {
      passed = false;
      lines.push(`FAIL  ${name}: ${error instanceof Error ? `${error.message}\n${error.stack}` : error}`);
    }
  }
  return { passed, lines };
}

const json = async (read, name) => JSON.parse(text(await read(name)));
const picture = ({ width, height, bytes }) => ({ width, height, data: Uint8Array.from(bytes) });
const outputsOf = (values) => new Map(Object.entries(values).map(([name, each]) => [name, Float32Array.from(each)]));

/** A rule as the manifests have it. */
const ruleOf = (fields) =>
  readRule(new Fields({ color_order: "RGB", scale: 1 / 255, mean: [0, 0, 0], std: [1, 1, 1], crop: "center", ...fields }, "a rule"));

/** Every row of a list of shared.json; a list with no rows holds nothing. */
const each = (list, hold) => async (read) => {
  const rows = (await json(read, "shared.json"))[list];
  equal(rows.length > 0, true, "there are rows");
  rows.forEach((row, number) => hold(row, `${list} ${number}`));
  return `${rows.length} rows`;
};

const SHARED = {
  "sizes and corners": each("sizes", (row, name) => {
    const rule = ruleOf({ resize_size: row.resize_size, height: row.crop[0], width: row.crop[1], interpolation: "bicubic" });
    const place = placed(rule, row.width, row.height);
    equal([place.resizedWidth, place.resizedHeight], row.resized, name);
    equal([place.left, place.top], row.corner, name);
  }),
  orientations: each("orientations", (row, name) => isSame(upright(picture(row.stored), row.orientation), picture(row.upright), name)),
  resizing: each("resizes", (row, name) =>
    isSame(resize(picture(row.stored), row.resized.width, row.resized.height, row.interpolation), picture(row.resized), name)),
  crops: each("crops", (row, name) => {
    const rule = ruleOf({ resize_size: row.resize_size, height: row.crop[0], width: row.crop[1], interpolation: row.interpolation });
    isSame(resized(picture(row.stored), rule), picture(row.cropped), name);
  }),
  letterboxes: each("letterboxes", (row, name) => {
    const [height, width] = row.into;
    const rule = ruleOf({ resize_size: Math.max(height, width), height, width, interpolation: row.interpolation, crop: "letterbox", fill: row.fill });
    isSame(resized(picture(row.stored), rule), picture(row.fitted), name);
    const place = placed(rule, row.stored.width, row.stored.height);
    for (const [x, y, ...back] of row.points) equal([backX(place, x), backY(place, y)], back, name);
  }),
  probabilities: each("softmax", (row, name) => {
    const found = softmax(Float32Array.from(row.logits));
    row.probabilities.forEach((value, at) => equal(Math.abs(found[at] - value) <= 1e-15, true, `${name}: ${found[at]} and ${value}`));
  }),
  "the most probable classes": each("top", (row, name) =>
    equal(ranked(Float64Array.from(row.probabilities), null, row.count).map(({ index }) => index), row.order, name)),
  "what is judged": each("judged", (row, name) => {
    const found = compare(Float32Array.from(row.got), Float32Array.from(row.expected), { maxRelative: row.max_rel, minCosine: row.min_cosine, because: "" });
    equal(found.passed, row.passed, name);
    equal(Number.isNaN(found.maxAbs) ? null : found.maxAbs, row.max_abs, name);
    if (row.max_abs !== null && !Number.isNaN(found.cosine)) equal(Math.abs(found.cosine - row.cosine) < 1e-12, true, name);
  }),
  "what is seen, as the apps see it": each("seen", held),
  "boxes are held to those that they match": each("matched", (row, name) => {
    const found = inMatchingOrder(readManifest(row.manifest), outputsOf(row.given), outputsOf(row.expected));
    for (const [output, values] of outputsOf(row.ordered)) equal(Array.from(found.get(output) ?? []), Array.from(values), `${name} ${output}`);
  }),
};

/** A row of outputs, and what is seen in them. */
function held(row, name) {
  const manifest = readManifest(row.manifest);
  const place = placed(manifest.input.rule, row.image[0], row.image[1]);
  const found = seen(outputsOf(row.given), manifest, place, row.labels);
  const boxes = row.boxes.map((box) => (Array.isArray(box) ? box : [box.index, box.label, box.score, ...box.corners]));
  equal(found.boxes.map(({ index, label, score, left, top, right, bottom }) => [index, label, score, left, top, right, bottom]), boxes, name);
  equal(found.points.map(({ x, y, score }) => (score === null ? [x, y] : [x, y, score])), row.points, name);
  equal(found.maps.map(({ classes }) => Array.from(classes)), row.maps, name);
  equal(found.maps.map((map) => shares(map, found).map(({ index, share }) => [index, share])), row.shares, name);
  equal(found.pictures.map(({ data }) => Array.from(data)), row.pictures, name);
  return boxes.length;
}

const WRITTEN = {
  "what is seen, as Python sees it": async (read) => {
    const rows = await json(read, "seen.json");
    const boxes = rows.reduce((sum, row, number) => sum + held(row, `seen ${number}`), 0);
    equal(boxes > 50, true, `${boxes} boxes`);
    return `${rows.length} images, ${boxes} boxes`;
  },
  "one side from a size to another": async (read) => {
    const rows = await json(read, "sides.json");
    for (const { name, interpolation, width, height, across, down } of rows) {
      const found = resize({ width, height, data: await read(`${name}.rgb`) }, across, down, interpolation);
      isSame(found, { width: across, height: down, data: await read(`${name}.resized`) }, `${name} ${interpolation} ${width} x ${height}`);
    }
    equal(rows.length >= 100, true, `${rows.length} images`);
    return `${rows.length} images are the same to the bit`;
  },
  "PNG files of every kind": async (read) => {
    const rows = await json(read, "decoded.json");
    equal(rows.length > 200, true, `${rows.length} files`);
    let refused = 0;
    for (const { name, width, height, is_refused: isRefused } of rows) {
      const decoded = async () => decodeImage(new Blob([await read(name)]));
      refused += isRefused;
      if (isRefused) await rejects(decoded, "damaged: choose another one", name);
      else isSame(await decoded(), { width, height, data: await read(`${name}.rgb`) }, name);
    }
    return `${rows.length - refused} files are the same to the bit, and ${refused} that Python refuses are refused`;
  },
  "from the file to what the model takes": async (read) => {
    const rows = await json(read, "rules.json");
    let [largest, refused] = [0, 0];
    for (const { name, preprocessing, points, is_refused: isRefused } of rows) {
      const rule = readRule(new Fields(preprocessing, name));
      const image = await decodeImage(new Blob([await read(name)]));
      if (isRefused) {
        await rejects(async () => resized(image, rule), "is too thin", name);
        refused++;
        continue;
      }
      const pixels = resized(image, rule);
      isSame(pixels, { width: rule.width, height: rule.height, data: await read(`${name}.pixels`) }, name);
      const [given, expected] = [normalized(pixels, rule), floats(await read(`${name}.f32`))];
      equal(given.length, expected.length, name);
      largest = expected.reduce((most, value, at) => Math.max(most, Math.abs(value - given[at])), largest);
      const place = placed(rule, image.width, image.height);
      for (const [x, y, ...back] of points) equal([backX(place, x), backY(place, y)], back, name);
    }
    equal(rows.length - refused >= 50, true, `${rows.length - refused} images`);
    // 1e-6 would do for a model. But both sides compute in double precision and round once: nothing may differ.
    equal(largest, 0, "normalized values differ");
    return `${rows.length - refused} images are the same to the bit, and so are their normalized values; ${refused} too thin ones are refused`;
  },
};

const BROWSERS = {
  "photographs that a browser decodes": async (read) => {
    const rows = await json(read, "photographs.json");
    const [near, wrong] = [[], []];
    for (const row of rows) {
      const { most, average, problem } = await decodedBeside(read, row);
      const allowed = row.name.startsWith("cmyk") ? NEAR_INK : NEAR;
      const said = problem ?? `${most} at most, ${average.toFixed(3)} on average`;
      if (problem !== null || most > allowed.most || average > allowed.average) wrong.push(`${row.name}: ${said}`);
      else if (most > 0) near.push(`${row.name}: ${said}`);
    }
    failing(wrong.length > 0, [`${wrong.length} of ${rows.length} are not Pillow's`, ...wrong].join("\n        "));
    const same = `${rows.length - near.length} of ${rows.length} are the same to the bit`;
    return near.length > 0 ? [`${same}; how far the others are, of 255:`, ...near].join("\n        ") : same;
  },
  "what a browser would multiply by its transparency": async (read) => {
    await rejects(async () => decodeImage(new Blob([await read("kept.webp")])), "is transparent", "kept.webp");
    return "is refused";
  },
  "a browser that changes what pages read": async (read) => {
    const [row] = await json(read, "photographs.json");
    const canvas = disturbed(OffscreenCanvasRenderingContext2D.prototype, "getImageData", (found) => found.data);
    try {
      // By a frame of a video, or not at all: WebKit's has another order of colours than it is asked for.
      const { most, problem } = await decodedBeside(read, row);
      failing(problem === null ? most > NEAR.most : !problem.includes("changes the pixels"), problem ?? `off by ${most}`);
      const frame = typeof VideoFrame === "function" ? disturbed(VideoFrame.prototype, "copyTo", (_, [data]) => data) : () => {};
      await rejects(async () => decodeImage(new Blob([await read(row.name)])), "changes the pixels that pages read", "nothing is as it was drawn").finally(frame);
      return problem === null ? "is read by a frame of a video; one that changes that, too, is refused" : "is refused";
    } finally {
      canvas();
    }
  },
};

/** Changes one of a thousand bytes that a method gives, as browsers do against being recognized; what is returned undoes it. */
function disturbed(prototype, name, bytesOf) {
  const honest = prototype[name];
  const disturb = (found, given) => {
    const bytes = bytesOf(found, given);
    for (let at = 0; at < bytes.length; at += 1000) bytes[at] ^= 1;
    return found;
  };
  prototype[name] = function (...given) {
    const found = honest.apply(this, given);
    return found instanceof Promise ? found.then((each) => disturb(each, given)) : disturb(found, given);
  };
  return () => (prototype[name] = honest);
}

async function decodedBeside(read, { name, width, height }) {
  try {
    const pixels = await decodeImage(new Blob([await read(name)]));
    equal([pixels.width, pixels.height], [width, height], name);
    return { ...difference(pixels.data, await read(`${name}.rgb`)), problem: null };
  } catch (error) {
    return { most: NaN, average: NaN, problem: error instanceof Error ? error.message : String(error) };
  }
}

function difference(given, expected) {
  equal(given.length, expected.length, "as many bytes");
  let [most, sum] = [0, 0];
  for (let at = 0; at < given.length; at++) {
    const off = Math.abs(given[at] - expected[at]);
    most = Math.max(most, off);
    sum += off;
  }
  return { most, average: sum / given.length };
}
