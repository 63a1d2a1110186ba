/** Copies of compiled modules with a mistake in them, beside the installed ones. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Edit } from "./mutation.ts";

const compiled = fileURLToPath(new URL("../../src/", import.meta.url));
/** Where packages are found as they are from the installed modules. */
const builds = fileURLToPath(new URL("../../../../.build/", import.meta.url));

/** Of a module that is imported by its path: what stands before it, and the path. */
const IMPORTED = /(\bfrom |\bimport |\bimport\()"(\.{1,2}\/[^"]+)"/gu;

const texts = new Map<string, string>();

function textOf(path: string): string {
  const text = texts.get(path) ?? readFileSync(path, "utf8");
  texts.set(path, text);
  return text;
}

function importedBy(path: string): string[] {
  return [...textOf(path).matchAll(IMPORTED)].map(([, , specifier = ""]) => join(dirname(path), specifier));
}

/** The modules that an entry is made of, itself included. */
function graphOf(entry: string): Set<string> {
  const graph = new Set([entry]);
  for (const path of graph) for (const imported of importedBy(path)) graph.add(imported);
  return graph;
}

export class Mutants {
  #directory: string | null = null;
  #count = 0;

  /**
   * A module below the compiled sources, with the edits made in whatever it is made of. Only modules that are edited, or import
   * what is, are copied; the others are shared. Throws when a line is not there exactly once.
   */
  async load<Module>(entry: string, edits: readonly Edit[]): Promise<Module> {
    const graph = graphOf(join(compiled, entry));
    const copied = new Set(edits.map(({ file }) => join(compiled, file)));
    for (const path of copied) if (!graph.has(path)) throw new Error(`${path} is no part of ${entry}`);
    let size = 0;
    while (size !== copied.size) {
      size = copied.size;
      for (const path of graph) if (importedBy(path).some((imported) => copied.has(imported))) copied.add(path);
    }
    if (copied.size === 0) return (await import(pathToFileURL(join(compiled, entry)).href)) as Module;
    mkdirSync(builds, { recursive: true });
    this.#directory ??= mkdtempSync(join(builds, "mutants-"));
    const directory = join(this.#directory, String(this.#count++));
    const placeOf = (path: string): string => (copied.has(path) ? join(directory, relative(compiled, path)) : path);
    mkdirSync(directory);
    writeFileSync(join(directory, "package.json"), '{ "type": "module" }');
    for (const path of copied) {
      const edited = edits.filter(({ file }) => join(compiled, file) === path).reduce(withEdit, textOf(path));
      const text = edited
        .replaceAll(IMPORTED, (_, before: string, specifier: string) => {
          return `${before}"${pathToFileURL(placeOf(join(dirname(path), specifier))).href}"`;
        })
        .replace(/^\/\/# sourceMappingURL=.*$/mu, "");
      mkdirSync(dirname(placeOf(path)), { recursive: true });
      writeFileSync(placeOf(path), text);
    }
    return (await import(pathToFileURL(placeOf(join(compiled, entry))).href)) as Module;
  }

  /** What was loaded stays usable. */
  remove(): void {
    if (this.#directory !== null) rmSync(this.#directory, { recursive: true });
    this.#directory = null;
  }
}

function withEdit(text: string, { file, from, to }: Edit): string {
  const parts = text.split(from);
  if (parts.length !== 2) throw new Error(`${from} stands ${parts.length - 1} times in ${file}, not once`);
  return parts.join(to);
}
