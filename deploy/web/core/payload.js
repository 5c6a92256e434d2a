import { joined } from "./bytes.js";
import { PayloadError } from "./errors.js";
import { FILE, modelFile, readManifest } from "./manifest.js";

/** @typedef {import("./manifest.js").FileEntry} FileEntry */
/** @typedef {import("./manifest.js").Manifest} Manifest */
/** Told how many bytes of how many are there. @typedef {(received: number, total: number) => void} Progress */

/**
 * What the bundle carries of a model, each file held to its hash.
 *
 * @typedef {{manifest: Manifest, labels: string[] | null, model: Uint8Array<ArrayBuffer>, manifestSha256: string}} Payload
 */

const AGAIN = "bundle the model again";
const MAX_LIST_BYTES = 2 ** 26; // of a manifest or a kit's list
const FORMAT = "onnx";

/**
 * The model below `base`, an address that ends in "/". `manifestSha256`, where it is given, is what the manifest has to be.
 *
 * @param {string} base
 * @param {typeof globalThis.fetch} fetch
 * @param {{manifestSha256?: string, progress?: Progress}} [options]
 * @returns {Promise<Payload>} {@link PayloadError} for what is missing, damaged, or of another kind
 */
export async function loadPayload(base, fetch, { manifestSha256, progress } = {}) {
  const content = await received(base, FILE, fetch, MAX_LIST_BYTES);
  const found = await sha256(content);
  if (manifestSha256 !== undefined && found !== manifestSha256) throw new PayloadError(`${FILE} is not the file that was bundled: ${AGAIN}`);
  const manifest = readManifest(decoded(content, FILE));
  if (manifest.format !== FORMAT) {
    throw new PayloadError(`the model is ${manifest.format.slice(0, 80)}, and this app runs ${FORMAT}: ${AGAIN}`);
  }
  const labels = await labelsOf(manifest, base, fetch);
  const model = await checkedFile(base, modelFile(manifest), fetch, progress);
  return { manifest, labels, model, manifestSha256: found };
}

/**
 * The whole file that `entry` lists, below `base`.
 *
 * @param {string} base
 * @param {FileEntry} entry
 * @param {typeof globalThis.fetch} fetch
 * @param {Progress} [progress]
 * @returns {Promise<Uint8Array<ArrayBuffer>>} {@link PayloadError} if it is missing or is not the one that was listed
 */
export async function checkedFile(base, entry, fetch, progress) {
  const content = await received(base, entry.path, fetch, entry.bytes, progress);
  if (content.length !== entry.bytes || (await sha256(content)) !== entry.sha256) {
    throw new PayloadError(`${entry.path} is not the file that was exported: ${AGAIN}`);
  }
  return content;
}

/**
 * A list of files, which nothing has a hash of.
 *
 * @param {string} base
 * @param {string} path
 * @param {typeof globalThis.fetch} fetch
 * @returns {Promise<string>}
 */
export async function listText(base, path, fetch) {
  return decoded(await received(base, path, fetch, MAX_LIST_BYTES), path);
}

/**
 * @param {Uint8Array<ArrayBuffer>} content
 * @returns {Promise<string>} in hexadecimal
 */
export async function sha256(content) {
  if (globalThis.crypto?.subtle === undefined) {
    throw new PayloadError("browsers check files in pages over https or from this machine alone: open the page by https, or with `cloformer serve`");
  }
  const digest = new Uint8Array(await globalThis.crypto.subtle.digest("SHA-256", content));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * The class names in `text`, one a line.
 *
 * @param {string} text
 * @param {number | null} classes how many there are; null is as many as there are names
 * @param {string} path
 * @returns {string[]}
 */
export function readLabels(text, classes, path) {
  const labels = text.replace(/\n$/, "").split("\n");
  if (classes !== null && labels.length !== classes) {
    throw new PayloadError(`${path} has ${labels.length} labels for ${classes} classes: export again`);
  }
  return labels;
}

/**
 * @param {Manifest} manifest
 * @param {string} base
 * @param {typeof globalThis.fetch} fetch
 * @returns {Promise<string[] | null>} null if the model has none
 */
async function labelsOf(manifest, base, fetch) {
  const output = manifest.outputs.find((each) => each.labels !== null);
  if (output === undefined || output.labels === null) return null;
  const entry = manifest.files.find((file) => file.path === output.labels);
  if (entry === undefined) throw new PayloadError(`${FILE} does not list ${output.labels}: export it again`);
  return readLabels(decoded(await checkedFile(base, entry, fetch), entry.path), classesOf(output), entry.path);
}

/**
 * @param {import("./manifest.js").Output} output
 * @returns {number | null} null where its shape does not say: numbers of classes do not tell how many there are
 */
function classesOf({ role, shape }) {
  if (role === "logits" || role === "probabilities") return shape[shape.length - 1];
  if (role === "class_scores") return shape[1];
  return role === "box_scores" && shape.length === 3 ? shape[2] : null;
}

/**
 * @param {Uint8Array} content
 * @param {string} path
 * @returns {string}
 */
function decoded(content, path) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(content);
  } catch (error) {
    throw new PayloadError(`${path} is no text in UTF-8: ${AGAIN}`, { cause: error });
  }
}

/**
 * At most `limit` bytes: of what is longer, no more is received than shows it.
 *
 * @param {string} base
 * @param {string} path
 * @param {typeof globalThis.fetch} fetch
 * @param {number} limit
 * @param {Progress} [progress]
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
async function received(base, path, fetch, limit, progress) {
  const address = base + path.split("/").map(encodeURIComponent).join("/");
  try {
    const answer = await fetch(address);
    if (!answer.ok) throw new PayloadError(`${path} is missing (status ${answer.status}): ${AGAIN}`);
    return answer.body === null ? new Uint8Array(0) : await whole(answer.body, limit, progress);
  } catch (error) {
    if (error instanceof PayloadError) throw error;
    throw new PayloadError(`${path} cannot be loaded: see whether there is a network, and load the page again`, { cause: error });
  }
}

/**
 * @param {ReadableStream<Uint8Array>} body
 * @param {number} limit
 * @param {Progress} [progress]
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
async function whole(body, limit, progress) {
  const reader = body.getReader();
  const parts = [];
  let length = 0;
  for (let { done, value } = await reader.read(); !done && value; { done, value } = await reader.read()) {
    parts.push(value);
    length += value.length;
    progress?.(Math.min(length, limit), limit);
    if (length > limit) {
      await reader.cancel();
      break;
    }
  }
  return joined(parts);
}
