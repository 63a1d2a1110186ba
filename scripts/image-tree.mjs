/**
 * Puts together what a container image holds (Dockerfile): the packages as they are published, and their dependencies without
 * what other platforms would run.
 *
 *     node scripts/image-tree.mjs DIRECTORY
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(fileURLToPath(new URL("..", import.meta.url)));
const [target] = process.argv.slice(2);
if (target === undefined) throw new Error("usage: node scripts/image-tree.mjs DIRECTORY");

for (const name of ["proto", "broker", "client", "cli"]) {
  const { files } = JSON.parse(readFileSync(join(root, name, "package.json"), "utf8"));
  for (const file of ["package.json", ...files.filter((path) => path !== "src")])
    if (existsSync(join(root, name, file)))
      cpSync(join(root, name, file), join(target, name, file), { recursive: true });
}
mkdirSync(join(target, "node_modules"), { recursive: true });
cpSync(join(root, "node_modules"), join(target, "node_modules"), { recursive: true, verbatimSymlinks: true });

// Native parts for every platform lie side by side in one package (prebuildify).
const here = `${process.platform}-${process.arch}`;
for (const path of readdirSync(join(target, "node_modules"), { recursive: true })) {
  if (!/(?:^|\/)prebuilds$/u.test(path)) continue;
  for (const platform of readdirSync(join(target, "node_modules", path)))
    if (platform !== here) rmSync(join(target, "node_modules", path, platform), { recursive: true });
}
