import { PayloadError } from "./errors.js";
import { Fields } from "./fields.js";
import { readRule, withoutNormalization } from "./preprocessing.js";

/** @typedef {import("./preprocessing.js").Rule} Rule */

/** A file as the manifest or a kit lists it. @typedef {{path: string, role: string | null, sha256: string, bytes: number}} FileEntry */

/**
 * `isChannelsLast`: the model takes one pixel after the other, and not one channel after the other. The `rule` is what is left to the
 * page: a model that normalizes inside takes the cropped pixels, 0 to 255.
 *
 * @typedef {{name: string, shape: number[], isChannelsLast: boolean, rule: Rule}} Input
 */

/** Boxes are their centre and size, or left, top, right and bottom; in shares of the input's sides, or in its pixels. @typedef {{isCenterSize: boolean, isShares: boolean}} Coordinates */

/**
 * `role` says what the values mean, and `type` what they are: float32, or int32 and int64 for the numbers of classes. `labels` is the
 * file with a class name a line; `coordinates` are of boxes and points.
 *
 * @typedef {{name: string, role: string, type: string, shape: number[], labels: string | null, coordinates: Coordinates | null}} Output
 */

/**
 * What the page needs to know of the model, from the `manifest.json` that was exported with it. `outputs` are all that the model gives,
 * in its order; `isSuppressed` says whether the model itself leaves out boxes that overlap better ones.
 *
 * @typedef {{
 *   name: string, format: string, precision: string, modelPath: string, files: FileEntry[], input: Input, outputs: Output[],
 *   isSuppressed: boolean, cloformer: string,
 * }} Manifest
 */

export const FILE = "manifest.json";
const SCHEMA_VERSION = 2;

/** What is shown; scores of boxes are beside them. */
const SHOWN = ["logits", "probabilities", "class_scores", "class_map", "boxes", "masks", "keypoints", "image"];
const WITH_PLACES = ["boxes", "keypoints"];
const TYPES = ["float32", "int32", "int64"];

/**
 * @param {string} text
 * @returns {Manifest} {@link PayloadError} for what is damaged, newer than this code, or of another kind of model
 */
export function readManifest(text) {
  const fields = Fields.parse(text, FILE);
  const version = fields.whole("schema_version");
  if (version > SCHEMA_VERSION) {
    throw new PayloadError(
      `this model was exported by a newer cloformer (manifest version ${version}, this app reads ${SCHEMA_VERSION}): ` +
        "update the app's cloformer code",
    );
  }
  const called = fields.first("functions");
  const manifest = {
    name: fields.text("name"),
    format: fields.text("format"),
    precision: fields.object("precision").text("name"),
    modelPath: checkedPath(fields.object("model").text("path")),
    files: fileEntries(fields),
    input: input(called.first("inputs")),
    outputs: called.objects("outputs").map(output),
    isSuppressed: Boolean(fields.object("request").optional("decoding")?.optional("suppression")),
    cloformer: fields.object("versions").text("cloformer"),
  };
  check(manifest, called.list("inputs").length);
  return manifest;
}

/** @param {Manifest} manifest @param {string} role @returns {Output | undefined} the first of that role */
export function ofRole(manifest, role) {
  return manifest.outputs.find((output) => output.role === role);
}

/** @param {Output} output */
export function isOfClasses(output) {
  return output.role === "logits" || output.role === "probabilities";
}

/** @param {Manifest} manifest @returns {boolean} whether the model gives scores of classes, and nothing of places */
export function isClassifier(manifest) {
  return isOfClasses(manifest.outputs[0]);
}

/** @param {Manifest} manifest @returns {FileEntry} */
export function modelFile(manifest) {
  return /** @type {FileEntry} */ (manifest.files.find((file) => file.path === manifest.modelPath));
}

/**
 * `files` of a manifest or a kit.
 *
 * @param {Fields} fields
 * @returns {FileEntry[]}
 */
export function fileEntries(fields) {
  return fields.objects("files").map((entry) => ({
    path: checkedPath(entry.text("path")), role: entry.has("role") ? entry.text("role") : null, sha256: entry.text("sha256"), bytes: entry.whole("bytes"),
  }));
}

/**
 * @param {string} path
 * @returns {string} `path` itself; {@link PayloadError} if it could name a file outside of its folder
 */
export function checkedPath(path) {
  const isInside = path.split("/").every((part) => part !== "" && part !== "." && part !== "..") && !/[\\\0]/.test(path);
  if (!isInside) throw new PayloadError(`the path "${path.slice(0, 80)}" leaves the folder: do not use this model`);
  return path;
}

/** @param {Fields} fields @returns {Input} */
function input(fields) {
  if (fields.text("dtype") !== "float32") throw new PayloadError("the model takes no float32 values: export it without --io-type");
  const rule = readRule(fields.object("preprocessing"));
  return {
    name: fields.text("name"),
    shape: fields.wholes("shape"),
    isChannelsLast: fields.has("layout") && fields.text("layout") === "NHWC",
    rule: fields.truth("preprocessing_inside") ? withoutNormalization(rule) : rule,
  };
}

/** @param {Fields} fields @returns {Output} */
function output(fields) {
  const coordinates = fields.optional("coordinates");
  return {
    name: fields.text("name"),
    role: fields.text("role"),
    type: fields.text("dtype"),
    shape: fields.wholes("shape"),
    labels: fields.has("labels") ? checkedPath(fields.text("labels")) : null,
    coordinates: coordinates && { isCenterSize: coordinates.text("form") === "center_size", isShares: coordinates.text("unit") === "shares" },
  };
}

/**
 * @param {Manifest} manifest
 * @param {number} inputs how many the model takes
 */
function check({ input: { rule, shape, isChannelsLast }, outputs, files, modelPath }, inputs) {
  const sides = [rule.height, rule.width];
  const made = isChannelsLast ? [1, ...sides, rule.mean.length] : [1, rule.mean.length, ...sides];
  if (inputs !== 1 || shape.join() !== made.join()) {
    throw new PayloadError(`the model takes ${shape.join(" x ")}, which its preprocessing does not make: export it again`);
  }
  if (!outputs.some((output) => SHOWN.includes(output.role))) {
    const roles = outputs.map((output) => `"${output.role.slice(0, 80)}"`).join(", ");
    throw new PayloadError(`the model gives ${roles}, which this app does not show: say what its outputs are, and export again`);
  }
  const other = outputs.find((output) => !TYPES.includes(output.type));
  if (other) throw new PayloadError(`the model gives values of ${other.type.slice(0, 80)}: export it without --io-type`);
  const isPlaced = outputs.every((output) => !WITH_PLACES.includes(output.role) || output.coordinates !== null);
  const hasScores = !outputs.some((output) => output.role === "boxes") || outputs.some((output) => output.role === "box_scores");
  if (!isPlaced || !hasScores) throw new PayloadError(`${FILE} does not say where boxes are, or how sure they are: export it again`);
  if (!files.some((file) => file.path === modelPath)) throw new PayloadError(`${FILE} does not list ${modelPath}: export it again`);
}
