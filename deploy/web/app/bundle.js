// What lies beside the page: its settings, and the model with its manifest, each held to its hash.
// @ts-check

import { loadPayload } from "../core/payload.js";
import { Trouble } from "./trouble.js";

/**
 * @typedef {object} Settings
 * @property {string} app_name
 * @property {string} provider
 * @property {number | null} threads null: as many as serve the model here
 * @property {string} cloformer
 * @property {string} manifest_sha256
 * @property {{name: string, version: string}} runtime
 * @typedef {import("../core/payload.js").Payload} Payload
 * @typedef {{settings: Settings, payload: Payload}} Bundle
 */

export const ROOT = new URL("../", import.meta.url);

/** Everything of this page is on its own host; what it answers with an error is named. @type {typeof fetch} */
export const fetchHere = async (input, init) => {
  try {
    return await fetch(input, init);
  } catch (error) {
    const path = String(input instanceof Request ? input.url : input).replace(ROOT.href, "");
    throw new Trouble(`${path} could not be loaded`, "Look whether there is a network, and load the page again.", error);
  }
};

/** @returns {Promise<Settings>} */
export async function loadSettings() {
  const found = await fetchHere(new URL("settings.json", ROOT), { cache: "no-cache" });
  if (!found.ok) throw new Trouble("settings.json is missing beside the page", "Bundle the model again: cloformer bundle web.");
  try {
    return checked(await found.json());
  } catch (error) {
    throw new Trouble("settings.json cannot be read", "Bundle the model again: cloformer bundle web.", error);
  }
}

/** @param {any} settings @returns {Settings} */
function checked(settings) {
  const isWhole =
    [settings.app_name, settings.provider, settings.cloformer, settings.manifest_sha256, settings.runtime.name, settings.runtime.version].every(
      (value) => typeof value === "string" && value.length < 1000,
    ) && (settings.threads === null || (Number.isInteger(settings.threads) && settings.threads >= 1));
  if (!isWhole) throw new TypeError("a setting is not what it should be");
  return settings;
}

/**
 * @param {Settings} settings
 * @param {(received: number, total: number) => void} progress in bytes of the model
 * @returns {Promise<Payload>}
 */
export function loadModel(settings, progress) {
  return loadPayload(new URL("payload/", ROOT).href, fetchHere, { manifestSha256: settings.manifest_sha256, progress });
}
