// What the bundle's own modules give for a photograph, output by output.
export default async ({ root, image }) => {
  const { loadPayload } = await import(`${root}/core/payload.js`);
  const { decodeImage } = await import(`${root}/core/decode.js`);
  const { prepare } = await import(`${root}/core/preprocessing.js`);
  const { createSession } = await import(`${root}/app/session.js`);
  const payload = await loadPayload(`${root}/payload/`, (...asked) => fetch(...asked));
  const input = prepare(await decodeImage(new Blob([new Uint8Array(image)])), payload.manifest.input);
  const session = await createSession(payload.model, { provider: "wasm", threads: 1 });
  const found = await session.run(input);
  session.release();
  return Object.fromEntries([...found].map(([output, values]) => [output, Array.from(values)]));
};
