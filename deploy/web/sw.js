// The page without a network, and with the headers that several threads need.
//
// The page registers `sw.js?version=V` with the version that files.json names. This worker serves that version and no other: when
// it is installed it fetches every file that files.json lists, holds each to its SHA-256 and keeps all of them or none. A new
// version is another worker with another cache; it takes over in one step, when no page of the old one is left or the user
// asks for it, and then the old cache goes.
// @ts-check

/**
 * @typedef {Event & {waitUntil(task: Promise<unknown>): void}} Lasting
 * @typedef {Lasting & {request: Request, respondWith(answer: Promise<Response>): void}} Fetching
 * @typedef {object} Scope
 * @property {{scope: string, unregister(): Promise<boolean>}} registration
 * @property {{claim(): Promise<void>, matchAll(options: object): Promise<{url: string, postMessage(message: unknown): void}[]>}} clients
 * @property {() => Promise<void>} skipWaiting
 * @property {Location} location
 * @property {(type: string, listener: (event: any) => void) => void} addEventListener
 * @typedef {{version: string, files: Record<string, string>}} Listing
 */

const worker = /** @type {Scope} */ (/** @type {unknown} */ (self));
const PREFIX = "cloformer ";
const LISTING = "files.json";
const START = "index.html";
const VERSION = new URL(worker.location.href).searchParams.get("version") ?? "";
// Pages of one origin share its caches: the place of this page is part of the name.
const OURS = `${PREFIX}${worker.registration.scope} `;
const CACHE = OURS + VERSION;

/** What a browser must be told of a file, whatever the file host says. */
const TYPES = /** @type {Record<string, string>} */ ({
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  mjs: "text/javascript; charset=utf-8",
  json: "application/json",
  webmanifest: "application/manifest+json",
  wasm: "application/wasm",
  svg: "image/svg+xml",
  png: "image/png",
  jpg: "image/jpeg",
  txt: "text/plain; charset=utf-8",
});

/** The first two give a page several threads, where the file host does not; the rest says once more what the pages say. */
const HEADERS = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; style-src 'self'; " +
    "img-src 'self' blob:; media-src blob:; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
};

worker.addEventListener("install", (/** @type {Lasting} */ event) => event.waitUntil(install()));
worker.addEventListener("activate", (/** @type {Lasting} */ event) => event.waitUntil(activate()));
worker.addEventListener("message", (/** @type {MessageEvent} */ event) => {
  if (event.data === "take over") worker.skipWaiting();
});
worker.addEventListener("fetch", (/** @type {Fetching} */ event) => {
  const path = pathOf(event.request);
  if (path !== null) event.respondWith(path === LISTING ? newestListing() : answer(path));
});

/** Every file, or none: an installation that fails leaves the version before it in its place. */
async function install() {
  try {
    const listing = await fetchListing();
    if (listing.version !== VERSION) throw new Error(`${LISTING} is of version ${listing.version}, and not ${VERSION}`);
    const cache = await caches.open(CACHE);
    for (const [path, hash] of Object.entries(listing.files)) await cache.put(urlOf(path), await fetchChecked(path, hash));
    await cache.put(urlOf(LISTING), response(LISTING, encoded(JSON.stringify(listing))));
  } catch (error) {
    await caches.delete(CACHE);
    await tellWhyNot(error instanceof Error ? error.message : String(error));
    throw error;
  }
}

/**
 * The pages of this folder are told, for a browser tells them only that an installation failed, and of a first one nothing.
 * @param {string} reason
 */
async function tellWhyNot(reason) {
  for (const page of await worker.clients.matchAll({ includeUncontrolled: true })) {
    if (page.url.startsWith(worker.registration.scope)) page.postMessage({ notKept: reason });
  }
}

async function activate() {
  for (const name of await caches.keys()) if (name.startsWith(OURS) && name !== CACHE) await caches.delete(name);
  await worker.clients.claim();
}

/**
 * The path below this worker's folder of what is asked for; null for what is not this worker's to answer: another origin, another
 * folder, anything but reading.
 * @param {Request} request
 */
function pathOf(request) {
  const scope = worker.registration.scope;
  const url = request.url.split(/[?#]/)[0];
  if (request.method !== "GET" || new URL(url).origin !== worker.location.origin || !url.startsWith(scope)) return null;
  return decodeURI(url.slice(scope.length)) || START;
}

/** @param {string} path */
const urlOf = (path) => new URL(encodeURI(path), worker.registration.scope).href;

/**
 * The file as it was kept. What a browser has thrown away since is fetched again and held to its hash again.
 * @param {string} path
 */
async function answer(path) {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(urlOf(path));
  if (kept) return kept;
  const listing = await keptListing(cache);
  if (listing === null) return goneAway(path);
  if (!Object.hasOwn(listing.files, path)) return fetch(urlOf(path));
  try {
    const fetched = await fetchChecked(path, listing.files[path]);
    await cache.put(urlOf(path), fetched.clone());
    return fetched;
  } catch (error) {
    return goneAway(path);
  }
}

/**
 * A version that is no longer whole, here or on its host, must not stand in the way of the next: this worker leaves.
 * @param {string} path
 */
async function goneAway(path) {
  await worker.registration.unregister();
  const body = encoded(`${path} is not the file of this version of the page. Load the page again.`);
  return new Response(body, { status: 503, headers: { ...HEADERS, "Content-Type": TYPES.txt } });
}

/** The host's files.json, so that the page sees a new version; without a network the one that was kept. */
async function newestListing() {
  try {
    return await fetch(urlOf(LISTING), { cache: "no-store" });
  } catch (error) {
    return (await (await caches.open(CACHE)).match(urlOf(LISTING))) ?? Response.error();
  }
}

/** @returns {Promise<Listing>} */
async function fetchListing() {
  const found = await fetch(urlOf(LISTING), { cache: "no-store" });
  if (!found.ok) throw new Error(`${LISTING}: the host answers ${found.status}`);
  return found.json();
}

/** @param {Cache} cache @returns {Promise<Listing | null>} */
async function keptListing(cache) {
  const kept = await cache.match(urlOf(LISTING));
  return kept ? kept.json() : null;
}

/**
 * The file with this hash. The browser may have kept another version of it: then the host is asked once more.
 * @param {string} path
 * @param {string} hash SHA-256, in hexadecimal
 */
async function fetchChecked(path, hash) {
  for (const cache of /** @type {RequestCache[]} */ (["default", "reload"])) {
    const found = await fetch(urlOf(path), { cache });
    if (!found.ok) throw new Error(`${path}: the host answers ${found.status}`);
    const content = await found.arrayBuffer();
    if ((await sha256(content)) === hash) return response(path, content);
  }
  throw new Error(`${path} is not the file that ${LISTING} lists`);
}

/** @param {string} path @param {BufferSource} content */
function response(path, content) {
  const type = TYPES[path.slice(path.lastIndexOf(".") + 1).toLowerCase()] ?? "application/octet-stream";
  return new Response(content, { headers: { ...HEADERS, "Content-Type": type } });
}

/** @param {string} text */
const encoded = (text) => new TextEncoder().encode(text);

/** @param {ArrayBuffer} content */
async function sha256(content) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
