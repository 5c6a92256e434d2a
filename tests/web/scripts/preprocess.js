// Every case through the bundle's own decoder and preprocessing, beside what Python wrote.
export default async ({ core, cases }) => {
  const { decodeImage } = await import(`${core}/decode.js`);
  const { readRule, resized, normalized } = await import(`${core}/preprocessing.js`);
  const { Fields } = await import(`${core}/fields.js`);
  const bytes = async (url) => {
    const found = await fetch(url);
    if (!found.ok) throw new Error(`${url}: ${found.status}`);
    return found.arrayBuffer();
  };
  const largest = (found, wanted) => {
    if (found.length !== wanted.length) return `${found.length} values, and not ${wanted.length}`;
    let most = 0;
    for (let at = 0; at < wanted.length; at++) {
      const off = Math.abs(found[at] - wanted[at]);
      if (!(off <= most)) most = off; // what is no number is kept
    }
    return Number.isFinite(most) ? most : String(most);
  };
  const results = [];
  for (const { name, file, base, preprocessing } of cases) {
    const rule = readRule(new Fields(preprocessing, "case"));
    const image = await decodeImage(new Blob([await bytes(file)]));
    const pixels = resized(image, rule);
    results.push({
      name,
      size: [image.width, image.height],
      decoded: largest(image.data, new Uint8Array(await bytes(`${base}.upright`))),
      resized: largest(pixels.data, new Uint8Array(await bytes(`${base}.pixels`))),
      normalized: largest(normalized(pixels, rule), new Float32Array(await bytes(`${base}.f32`))),
    });
  }
  return results;
};
