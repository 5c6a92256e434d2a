// The camera's live view, from open to close.
// @ts-check

import { Trouble } from "./trouble.js";

/** Whether this browser gives a page the camera: without HTTPS it does not. */
export const hasCamera = () => Boolean(navigator.mediaDevices?.getUserMedia);

const WIDE = 1920; // pixels of a side that is asked for; far more than a model sees, and quick to read

const REASONS = /** @type {Record<string, [string, string]>} */ ({
  NotAllowedError: ["The camera was not allowed", "Allow it for this page in the browser's settings, or choose a photograph."],
  NotFoundError: ["This device has no camera", "Choose a photograph."],
  NotReadableError: ["Another app uses the camera", "Close that app and try again, or choose a photograph."],
  OverconstrainedError: ["This device has no camera that fits", "Choose a photograph."],
});

export class Camera {
  /** @type {MediaStream | null} */
  #stream = null;
  #facing = "environment";
  #video;

  /** @param {HTMLVideoElement} video where the live view is shown */
  constructor(video) {
    this.#video = video;
  }

  /** Shows the live view. Throws {@link Trouble} where there is no camera or it was not allowed. */
  async open() {
    this.close();
    try {
      const size = { width: { ideal: WIDE }, height: { ideal: WIDE } };
      this.#stream = await navigator.mediaDevices.getUserMedia({ audio: false, video: { facingMode: this.#facing, ...size } });
      this.#video.srcObject = this.#stream;
      await this.#video.play();
    } catch (error) {
      this.close();
      const [what, next] = REASONS[error instanceof Error ? error.name : ""] ?? ["The camera cannot be used", "Choose a photograph."];
      throw new Trouble(what, next, error);
    }
  }

  /** The camera on the other side. */
  async turn() {
    this.#facing = this.#facing === "environment" ? "user" : "environment";
    await this.open();
  }

  /** Whether there is another one to turn to; known once the camera was allowed. */
  async hasAnother() {
    const devices = await navigator.mediaDevices.enumerateDevices();
    return devices.filter((device) => device.kind === "videoinput").length > 1;
  }

  /**
   * What the camera sees now, as an image file without loss.
   * @returns {Promise<Blob>}
   */
  async photograph() {
    const { videoWidth: width, videoHeight: height } = this.#video;
    if (!width || !height) throw new Trouble("The camera has shown nothing yet", "Wait until its picture is there.");
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")).drawImage(this.#video, 0, 0);
    return new Promise((resolve, reject) => {
      canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Trouble("The photograph could not be taken", "Try again."))), "image/png");
    });
  }

  close() {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    this.#video.srcObject = null;
  }
}
