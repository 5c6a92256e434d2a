/** A model, its manifest, a conformance kit or an image that cannot be used; the message says why, and behind a colon what to do next. */
export class PayloadError extends Error {
  /**
   * @param {string} message
   * @param {ErrorOptions} [options]
   */
  constructor(message, options) {
    super(message, options);
    this.name = "PayloadError";
  }
}

/**
 * @param {unknown} error
 * @returns {string} what was raised, in one line for a person
 */
export function said(error) {
  return error instanceof Error ? error.message : String(error);
}
