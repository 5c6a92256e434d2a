// What this browser says of itself and of the device, for the report.
// @ts-check

/** @typedef {import("../core/report.js").Device} Device */

/**
 * Chromium's own description of itself; no other browser has it.
 * @typedef {{brand: string, version: string}} Brand
 * @typedef {{model?: string, platform?: string, platformVersion?: string, architecture?: string, fullVersionList?: Brand[]}} Hints
 */

/** The first that fits names the browser. @type {readonly [string, RegExp][]} */
const BROWSERS = [
  ["Edge", /\bEdg(?:A|iOS)?\/([\d.]+)/],
  ["Samsung Internet", /\bSamsungBrowser\/([\d.]+)/],
  ["Opera", /\bOPR\/([\d.]+)/],
  ["Firefox", /\b(?:Firefox|FxiOS)\/([\d.]+)/],
  ["Chrome", /\b(?:Chrome|CriOS)\/([\d.]+)/],
  ["Safari", /\bVersion\/([\d.]+).*Safari\//],
];

/** The first that fits names maker, model and system. @type {readonly [RegExp, string, string, string][]} */
const SYSTEMS = [
  [/iPhone OS ([\d_]+)/, "Apple", "iPhone", "iOS"],
  [/iPad.* OS ([\d_]+)/, "Apple", "iPad", "iPadOS"],
  [/Android ([\d.]+)/, "unknown", "Android device", "Android"],
  [/Mac OS X ([\d_.]+)/, "Apple", "Mac", "macOS"],
  [/Windows NT ([\d.]+)/, "unknown", "computer", "Windows NT"],
  [/CrOS \S+ ([\d.]+)/, "unknown", "computer", "ChromeOS"],
  [/Linux/, "unknown", "computer", "Linux"],
];

/** @returns {Promise<Device>} */
export async function thisDevice() {
  return describe(navigator.userAgent, await hints(), navigator.hardwareConcurrency || 0);
}

/**
 * @param {string} agent the browser's old description of itself, which leaves out and makes up some
 * @param {Hints} told
 * @param {number} cores
 * @returns {Device}
 */
export function describe(agent, told, cores) {
  const [pattern, manufacturer, model, system] = SYSTEMS.find(([each]) => each.test(agent)) ?? [/$^/, "unknown", "device", "unknown system"];
  const version = told.platformVersion || (pattern.exec(agent)?.[1] ?? "").replaceAll("_", ".");
  const os = `${told.platform || system} ${version}`.trim();
  return {
    manufacturer,
    model: told.model || model,
    os: `${os}, ${browserOf(agent, told)}`,
    cpu: [told.architecture, cores ? `${cores} cores as the browser says` : ""].filter(Boolean).join(", ") || "unknown",
    appBuild: "release",
  };
}

/** @param {string} agent @param {Hints} told */
function browserOf(agent, told) {
  const brands = (told.fullVersionList ?? []).filter(({ brand: name }) => !/\bnot\b/i.test(name)); // one is made up, so that nobody relies on the list
  const brand = brands.find(({ brand: name }) => name !== "Chromium") ?? brands[0];
  if (brand) return `${brand.brand} ${brand.version}`;
  for (const [name, pattern] of BROWSERS) {
    const version = pattern.exec(agent)?.[1];
    if (version) return `${name} ${version}`;
  }
  return "unknown browser";
}

/** @returns {Promise<Hints>} */
async function hints() {
  const data = /** @type {{userAgentData?: {getHighEntropyValues(names: string[]): Promise<Hints>}}} */ (/** @type {unknown} */ (navigator)).userAgentData;
  try {
    return (await data?.getHighEntropyValues(["model", "platform", "platformVersion", "architecture", "fullVersionList"])) ?? {};
  } catch {
    return {}; // a policy of the page's frame may forbid it
  }
}
