// What checks say that must hold, in node and in a page.

/** Raises `name`, with what was found. */
export function failing(isWrong, name) {
  if (isWrong) throw new Error(name);
}

/** Both as JSON: numbers, texts, truths, and lists of them. */
export function equal(given, expected, name) {
  const [one, other] = [JSON.stringify(given), JSON.stringify(expected)];
  failing(one !== other, `${name}: ${one?.slice(0, 300)} is not ${other?.slice(0, 300)}`);
}

/** Images of the same size and bytes. */
export function isSame(given, expected, name) {
  equal([given.width, given.height, given.data.length], [expected.width, expected.height, expected.data.length], name);
  const off = given.data.reduce((count, value, at) => count + (value === expected.data[at] ? 0 : 1), 0);
  equal(off, 0, `${name}: bytes that differ`);
}

/** `action` raises an error whose message has `reason` in it, and says what to do next: in a part of its own, or behind a colon. */
export async function rejects(action, reason, name) {
  let message = null;
  let next = null;
  try {
    await action();
  } catch (error) {
    message = error instanceof Error ? error.message : String(error);
    next = error.next ?? /: ([a-z][^:]*[^.])$/.exec(message)?.[1];
  }
  failing(message === null, `${name}: nothing is refused, and "${reason}" was to be said`);
  failing(!message.includes(reason), `${name}: "${message}" does not say "${reason}"`);
  failing(!next, `${name}: "${message}" does not say what to do next`);
}

export function text(bytes) {
  return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
}

/** Little-endian numbers of four bytes. */
export function floats(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Float32Array.from({ length: bytes.byteLength / 4 }, (_, at) => view.getFloat32(4 * at, true));
}
