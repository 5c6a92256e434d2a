// The ways in which a photograph comes: the camera, a file, dropped, or pasted.
// @ts-check

import { Camera, hasCamera } from "./camera.js";
import { element } from "./dom.js";
import { Trouble } from "./trouble.js";

/**
 * @typedef {object} Receiver
 * @property {(photograph: Blob) => void} onPhotograph
 * @property {(error: unknown) => void} onTrouble
 */

/**
 * Makes the page take photographs; they wait for nothing, so the receiver says whether it is ready.
 * @param {Receiver} receiver
 */
export function takePhotographs({ onPhotograph, onTrouble }) {
  const stage = element("stage", HTMLElement);
  const take = element("take", HTMLButtonElement);
  const camera = cameraOf(stage, take, onPhotograph, onTrouble);
  const fileCamera = element("file-camera", HTMLInputElement);
  const gallery = element("file-gallery", HTMLInputElement);
  take.addEventListener("click", () => (hasCamera() ? camera.open() : fileCamera.click()));
  element("choose", HTMLButtonElement).addEventListener("click", () => gallery.click());
  /** @param {Blob} photograph */
  const receive = (photograph) => {
    camera.close();
    onPhotograph(photograph);
  };
  for (const input of [fileCamera, gallery]) {
    input.addEventListener("change", () => {
      if (input.files?.[0]) receive(input.files[0]);
      input.value = ""; // so that the same one can be chosen again
    });
  }
  takeDropped(receive, onTrouble);
  document.addEventListener("paste", (event) => {
    const pasted = imageIn(event.clipboardData);
    if (pasted) receive(pasted);
  });
}

/**
 * @param {HTMLElement} stage
 * @param {HTMLButtonElement} opener gets the focus back
 * @param {(photograph: Blob) => void} onPhotograph
 * @param {(error: unknown) => void} onTrouble
 */
function cameraOf(stage, opener, onPhotograph, onTrouble) {
  const video = element("viewfinder", HTMLVideoElement);
  const bar = element("camera-bar", HTMLElement);
  const turn = element("turn-camera", HTMLButtonElement);
  const shutter = element("shutter", HTMLButtonElement);
  const camera = new Camera(video);
  let before = "empty";
  /** @param {boolean} isOpen */
  const show = (isOpen) => {
    if (isOpen && stage.dataset.state !== "camera") before = stage.dataset.state ?? "empty";
    stage.dataset.state = isOpen ? "camera" : before;
    video.hidden = bar.hidden = !isOpen;
  };
  const close = () => {
    if (video.hidden) return;
    camera.close();
    show(false);
    opener.focus();
  };
  /** @param {() => Promise<void>} task */
  const guarded = async (task) => {
    try {
      await task();
    } catch (error) {
      close();
      onTrouble(error);
    }
  };
  const open = () =>
    guarded(async () => {
      await camera.open();
      turn.hidden = !(await camera.hasAnother());
      show(true);
      shutter.focus();
    });
  shutter.addEventListener("click", () =>
    guarded(async () => {
      const photograph = await camera.photograph();
      close();
      onPhotograph(photograph);
    }),
  );
  turn.addEventListener("click", () => guarded(() => camera.turn()));
  element("close-camera", HTMLButtonElement).addEventListener("click", close);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) close();
  });
  return { open, close };
}

/**
 * @param {(photograph: Blob) => void} receive
 * @param {(error: unknown) => void} onTrouble
 */
function takeDropped(receive, onTrouble) {
  const body = document.body;
  let depth = 0; // the pointer enters a child before it leaves the parent
  const leave = () => {
    depth = 0;
    body.classList.remove("is-dropping");
  };
  document.addEventListener("dragenter", () => body.classList.toggle("is-dropping", ++depth > 0));
  document.addEventListener("dragleave", () => body.classList.toggle("is-dropping", --depth > 0));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    leave();
    const dropped = imageIn(event.dataTransfer);
    if (dropped) receive(dropped);
    else onTrouble(new Trouble("What was dropped is no image file", "Save the picture first, and drop the file."));
  });
}

/** @param {DataTransfer | null} transfer */
function imageIn(transfer) {
  return Array.from(transfer?.files ?? []).find((file) => file.type.startsWith("image/")) ?? null;
}
