// Keeps the page for use without a network, and asks for the headers that several threads need (sw.js).
// @ts-check

import { element, say } from "./dom.js";

const LISTING = "files.json";
const RELOADED = "cloformer reloaded for threads";

/**
 * Installs this version beside what is there. To be called when the page is ready: it loads every file once more.
 *
 * A page that came without the headers is loaded once again when the worker that adds them has taken over, if `isIdle` says that
 * nobody has begun to use it; and never a second time, whatever the host does.
 *
 * @param {() => boolean} isIdle
 */
export async function keepOffline(isIdle) {
  const note = element("offline", HTMLElement);
  if (!("serviceWorker" in navigator)) {
    return say(note, "It cannot be kept for use without a network: that needs HTTPS.");
  }
  if (navigator.serviceWorker.controller) say(note, "It is kept for use without a network.");
  navigator.serviceWorker.addEventListener("message", ({ data }) => {
    const what = navigator.serviceWorker.controller ? "A new version" : "It";
    if (typeof data?.notKept === "string") say(note, `${what} could not be kept for use without a network: ${data.notKept}.`);
  });
  try {
    const registration = await navigator.serviceWorker.register(`sw.js?version=${encodeURIComponent(await versionOf())}`);
    offerUpdate(registration);
    await navigator.serviceWorker.ready;
    say(note, "It is kept for use without a network.");
    if (!globalThis.crossOriginIsolated) reloadOnce(isIdle);
  } catch (error) {
    // Without a network there is nothing new to keep, and what was kept goes on.
    if (navigator.serviceWorker.controller) return;
    say(note, "It could not be kept for use without a network.");
    console.warn(error);
  }
}

async function versionOf() {
  const found = await fetch(LISTING, { cache: "no-store" });
  const listing = await found.json();
  return String(listing.version);
}

/** @param {() => boolean} isIdle */
function reloadOnce(isIdle) {
  if (sessionStorage.getItem(RELOADED) !== null || !isIdle()) return;
  sessionStorage.setItem(RELOADED, "1");
  location.reload();
}

/**
 * A version that is ready waits until it is asked for: this page's files stay those of one version.
 * @param {ServiceWorkerRegistration} registration
 */
function offerUpdate(registration) {
  if (!navigator.serviceWorker.controller) return;
  const show = () => {
    const waiting = registration.waiting;
    if (!waiting) return;
    element("update", HTMLElement).hidden = false;
    element("use-update", HTMLButtonElement).onclick = () => {
      navigator.serviceWorker.addEventListener("controllerchange", () => location.reload(), { once: true });
      waiting.postMessage("take over");
    };
  };
  show();
  registration.installing?.addEventListener("statechange", show);
  registration.addEventListener("updatefound", () => registration.installing?.addEventListener("statechange", show));
}
