// The checks of `cases.mjs` in node: `node tests/web/core/node.mjs FOLDER`, after `fixtures.py FOLDER`. Exits with 1 where one fails.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { check } from "./cases.mjs";

const [, , folder] = process.argv;
const shared = fileURLToPath(new URL("../../../deploy/ios/CoreTests/Fixtures/shared.json", import.meta.url));
const read = async (path) => new Uint8Array(await readFile(path === "shared.json" ? shared : join(folder, path)));
const { passed, lines } = await check(read, { isBrowser: false });
console.log(lines.join("\n"));
process.exitCode = passed ? 0 : 1;
