import { PayloadError } from "./errors.js";
import { Fields } from "./fields.js";
import { checkedPath, fileEntries, modelFile } from "./manifest.js";
import { checkedFile, listText } from "./payload.js";

/** Where a vector judges the preprocessing: after the crop, after the normalization, or nowhere: the model alone. @typedef {"pixels" | "input" | "outputs"} Stage */

/** `maxRelative` is of the largest expected value, and of a map of classes of its places. @typedef {{maxRelative: number, minCosine: number, because: string}} Tolerance */

/**
 * An image with what must become of it; each image shows one mistake that a page's preprocessing can make, which `aimsAt` says. `image`
 * is a file as a camera or a gallery gives it, `pixels` the file with the cropped pixels in red, green, blue, `input` the one with the
 * normalized values; `outputs` have the original model's values in a file, by output.
 *
 * @typedef {{
 *   name: string, aimsAt: string, image: string, compares: Stage, pixels: string, input: string,
 *   outputs: Map<string, {file: string, tolerance: Tolerance}>,
 * }} Vector
 */

/**
 * The conformance kit that was made with a model: it shows whether a page gives what the original model gives. `files` are by path.
 *
 * @typedef {{vectors: Vector[], files: Map<string, Uint8Array<ArrayBuffer>>}} Kit
 */

export const FILE = "conformance.json";
const SCHEMA_VERSION = 2;
/** @type {readonly string[]} */
const STAGES = ["pixels", "input", "outputs"];

/**
 * The kit below `base`, an address that ends in "/", each of its files held to its hash.
 *
 * @param {string} base
 * @param {typeof globalThis.fetch} fetch
 * @param {{manifest: import("./manifest.js").Manifest, manifestSha256: string}} payload
 * @returns {Promise<Kit>} {@link PayloadError} for a kit that is not whole, newer than this code, or of another model
 */
export async function readKit(base, fetch, payload) {
  const fields = Fields.parse(await listText(base, FILE, fetch), FILE);
  const version = fields.whole("schema_version");
  if (version > SCHEMA_VERSION) {
    throw new PayloadError(
      `the conformance kit was made by a newer cloformer (version ${version}, this app reads ${SCHEMA_VERSION}): ` +
        "update the app's cloformer code",
    );
  }
  checkBelongsTo(fields, payload);
  const vectors = fields.objects("vectors").map(vector);
  if (vectors.length === 0) throw new PayloadError("the conformance kit has no vector: bundle the model again");
  const files = new Map();
  for (const entry of fileEntries(fields)) files.set(entry.path, await checkedFile(base, entry, fetch));
  return { vectors, files };
}

/**
 * @param {Kit} kit
 * @param {string} path
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function fileOf(kit, path) {
  const content = kit.files.get(path);
  if (content === undefined) throw new PayloadError(`${FILE} does not list ${path}: bundle the model again`);
  return content;
}

/**
 * A file of little-endian floats.
 *
 * @param {Kit} kit
 * @param {string} path
 * @returns {Float32Array<ArrayBuffer>}
 */
export function floatsOf(kit, path) {
  const content = fileOf(kit, path);
  if (content.length === 0 || content.length % 4 !== 0) throw new PayloadError(`${path} holds no float32 values: bundle the model again`);
  const view = new DataView(content.buffer, content.byteOffset, content.length);
  return Float32Array.from({ length: content.length / 4 }, (_, at) => view.getFloat32(4 * at, true));
}

/**
 * @param {Fields} fields
 * @param {{manifest: import("./manifest.js").Manifest, manifestSha256: string}} payload
 */
function checkBelongsTo(fields, { manifest, manifestSha256 }) {
  const isSame = fields.text("manifest_sha256") === manifestSha256;
  const isModel = !fields.has("model_sha256") || fields.text("model_sha256") === modelFile(manifest).sha256;
  if (!isSame || !isModel) throw new PayloadError("the conformance kit is of another model: bundle model and kit together again");
}

/** @param {Fields} fields @returns {Vector} */
function vector(fields) {
  const compares = fields.text("compares");
  if (!STAGES.includes(compares)) {
    throw new PayloadError(`the conformance kit compares "${compares.slice(0, 80)}": update the app's cloformer code`);
  }
  const outputs = fields.object("outputs");
  return {
    name: fields.text("name"),
    aimsAt: fields.text("aims_at"),
    image: checkedPath(fields.text("image")),
    compares: /** @type {Stage} */ (compares),
    pixels: checkedPath(fields.text("pixels")),
    input: checkedPath(fields.text("input")),
    outputs: new Map(outputs.names().map((name) => [name, expected(outputs.object(name))])),
  };
}

/** @param {Fields} fields */
function expected(fields) {
  const tolerance = { maxRelative: fields.number("max_rel"), minCosine: fields.number("min_cosine"), because: fields.text("because") };
  return { file: checkedPath(fields.text("file")), tolerance };
}
