/**
 * Links the executable: the modules that `tidemark` can reach become a few files, because a module costs Node 0.6 ms to
 * find, read and link, and a broker has 236 of ours at its ready line. `npm run build` runs it behind the compiler; the
 * launcher takes what was linked unless something was compiled after it. Tests and embedders load the modules themselves.
 *
 *     node scripts/dist/src/link.js [folder]      default: cli/dist/linked
 *
 * - A module becomes a function that is called once and answers with its exports. So modules neither import each other in
 *   a circle nor export a `let`; the build fails where they do.
 * - A file holds modules that are always needed together: those that the same starting points bring (main, and whatever is
 *   imported when it is needed) and that are not there yet.
 * - npm's packages stay outside. They are required by the package of ours that names them, wherever that is installed.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { linkModules } from "./link/linker.ts";
import { readModules } from "./link/modules.ts";

const ENTRY = "cli/dist/src/main.js";

const root = resolve(import.meta.dirname, "../../..");
const folder = resolve(process.argv[2] ?? join(root, "cli/dist/linked"));

const modules = readModules(ENTRY, (path) => readFileSync(join(root, path), "utf8"));
const files = linkModules(modules, ENTRY);
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
// The entry comes last: a run that ends half-way leaves nothing that the launcher would take.
for (const [name, text] of files.toReversed()) writeFileSync(join(folder, name), text);
