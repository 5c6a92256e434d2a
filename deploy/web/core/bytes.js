/**
 * @param {Uint8Array[]} parts
 * @returns {Uint8Array<ArrayBuffer>} one after the other
 */
export function joined(parts) {
  const result = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}

/**
 * @param {Uint8Array} content
 * @param {string} text of characters below 256
 * @param {number} [at]
 * @returns {boolean}
 */
export function startsWith(content, text, at = 0) {
  return content.length >= at + text.length && Array.from(text).every((letter, place) => content[at + place] === letter.charCodeAt(0));
}

/** @param {Uint8Array} content @returns {string} a character for each byte */
export function latin(content) {
  let text = "";
  for (let at = 0; at < content.length; at += 4096) text += String.fromCharCode(...content.subarray(at, at + 4096));
  return text;
}
