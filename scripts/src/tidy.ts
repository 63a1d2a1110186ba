/**
 * The two laws of the house as a program (docs/architecture: the layer table, the banned globals). It is the first test:
 * `npm test` runs it before anything else, and it has no list of exemptions.
 *
 * Prints `file:line: rule: use instead` for each breach and exits with 1.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { checkFile, type Breach } from "./tidy/laws.ts";

const root = resolve(import.meta.dirname, "../../..");
const packages = ["proto", "client", "broker", "cli", "streams", "console"];

function* sourcesUnder(directory: string): Generator<string> {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) yield* sourcesUnder(path);
    else if (path.endsWith(".ts")) yield path;
  }
}

const breaches: Breach[] = [];
let fileCount = 0;
for (const name of packages) {
  const folder = join(root, name, "src");
  if (!existsSync(folder)) continue;
  for (const path of sourcesUnder(folder)) {
    fileCount++;
    breaches.push(...checkFile(relative(root, path).replaceAll("\\", "/"), readFileSync(path, "utf8")));
  }
}
if (fileCount === 0) {
  process.stderr.write("tidy: found no source at all, which cannot be right\n");
  process.exit(1);
}
for (const { file, line, rule, remedy } of breaches) process.stdout.write(`${file}:${line}: ${rule}: ${remedy}\n`);
process.stdout.write(`tidy: ${fileCount} files, ${breaches.length} breaches of the two laws\n`);
process.exit(breaches.length === 0 ? 0 : 1);
