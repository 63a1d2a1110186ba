/** `npm run reference`: writes the pages of docs/ that are made from tables of the program. */
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { referencePages } from "./reference/pages.ts";

const root = resolve(import.meta.dirname, "../../..");
for (const [path, text] of referencePages(root)) {
  writeFileSync(join(root, path), text);
  process.stdout.write(`${path}\n`);
}
