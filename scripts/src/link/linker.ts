/** Distributes modules over files, and writes these. Pure. */
import { LinkError, type Module, nameOf } from "./modules.ts";

/**
 * @param modules in the order of evaluation, as `readModules` gives them
 * @returns name and text of each file; the first one is the entry's
 */
export function linkModules(modules: ReadonlyMap<string, Module>, entry: string): [name: string, text: string][] {
  const files = distribute(modules, entry);
  const fileOf = new Map(files.flatMap(({ name, members }) => members.map(({ path }) => [path, name] as const)));
  return files.map(({ name, members }) => [name, writeFile(name, members, fileOf)]);
}

interface File {
  readonly name: string;
  /** In the order of evaluation. */
  readonly members: readonly Module[];
}

/** Modules that the same starting points bring share a file. */
function distribute(modules: ReadonlyMap<string, Module>, entry: string): File[] {
  const at = (path: string): Module => {
    const module = modules.get(path);
    if (module === undefined) throw new LinkError(`${path} was not read`);
    return module;
  };
  const lazy = [...modules.values()].flatMap(({ lazyImports }) => lazyImports);
  const starts = [entry, ...new Set(lazy.filter((path) => path !== entry))];
  const brings = new Map(starts.map((start) => [start, reach(start, at)]));
  const isThere = loadedBefore(starts, brings, modules);
  const files = new Map<string, Module[]>();
  for (const module of modules.values()) {
    const needing = starts.filter(
      (start) => brings.get(start)?.has(module.path) && !isThere.get(start)?.has(module.path),
    );
    const key = needing.join(" ");
    files.set(key, [...(files.get(key) ?? []), module]);
  }
  const used = new Set<string>();
  return [...files]
    .toSorted(([a], [b]) => Number(b === entry) - Number(a === entry))
    .map(([, members]) => ({ name: uniqueName(members, used), members }));
}

/** All that is evaluated with a module, itself included. */
function reach(path: string, at: (path: string) => Module): Set<string> {
  const found = new Set([path]);
  for (const one of found) for (const next of at(one).imports) found.add(next);
  return found;
}

/** For each starting point the modules that are loaded whenever it is asked for: what all who ask for it have in common. */
function loadedBefore(
  starts: readonly string[],
  brings: ReadonlyMap<string, ReadonlySet<string>>,
  modules: ReadonlyMap<string, Module>,
): Map<string, Set<string>> {
  const [entry = "", ...rest] = starts;
  const all = new Set(modules.keys());
  const before = new Map([[entry, new Set<string>()], ...rest.map((start) => [start, all] as const)]);
  const asking = new Map(
    rest.map((start) => [
      start,
      starts.filter((one) =>
        [...(brings.get(one) ?? [])].some((path) => modules.get(path)?.lazyImports.includes(start)),
      ),
    ]),
  );
  for (let isDone = false; !isDone; ) {
    isDone = true;
    for (const start of rest) {
      const isThere = (path: string): boolean =>
        (asking.get(start) ?? []).every((one) => brings.get(one)?.has(path) || before.get(one)?.has(path));
      const common = new Set([...(before.get(start) ?? [])].filter(isThere));
      if (common.size === before.get(start)?.size) continue;
      before.set(start, common);
      isDone = false;
    }
  }
  return before;
}

/** After its last module, which needs the others. */
function uniqueName(members: readonly Module[], used: Set<string>): string {
  const stem = nameOf(members.at(-1)?.path ?? "").slice(1);
  let name = `${stem}.js`;
  for (let n = 2; used.has(name); n++) name = `${stem}-${n}.js`;
  used.add(name);
  return name;
}

/** Node's own modules are asked of the process: an `import` looks at all their exports, which loads what those are made of. */
function writeFile(name: string, members: readonly Module[], fileOf: ReadonlyMap<string, string>): string {
  const collect = (list: (module: Module) => readonly string[]): string[] => [...new Set(members.flatMap(list))];
  const elsewhere = new Map<string, string[]>();
  for (const path of collect(({ imports }) => imports)) {
    const file = fileOf.get(path) ?? "";
    if (file !== name) elsewhere.set(file, [...(elsewhere.get(file) ?? []), nameOf(path)]);
  }
  const packages = collect((module) => module.packages);
  return [
    ...[...elsewhere].map(([file, names]) => `import { ${names.join(", ")} } from "./${file}";`),
    ...collect(({ builtins }) => builtins).map((one) => `const ${nameOf(one)} = process.getBuiltinModule("${one}");`),
    ...(packages.length === 0 ? [] : [REQUIRE]),
    ...packages.map(placeOf),
    ...members.map(
      (module) => `// ${module.path}\nconst ${nameOf(module.path)} = (() => {\n${bodyOf(module, fileOf)}\n})();`,
    ),
    `export { ${members.map(({ path }) => nameOf(path)).join(", ")} };`,
    "",
  ].join("\n");
}

const REQUIRE = `const { createRequire: $createRequire } = process.getBuiltinModule("node:module");
const $require_cli = $createRequire(import.meta.url);`;

/** What a package of ours requires, it requires from its own folder, and its modules lie where they lay. */
function placeOf(name: string): string {
  const manifest = `$require_cli.resolve("${name === "cli" ? "tidemark" : `@tidemark/${name}`}/package.json")`;
  return `${name === "cli" ? "" : `const $require_${name} = $createRequire(${manifest});\n`}function $meta_${name}(path) {
  const { pathToFileURL, fileURLToPath } = process.getBuiltinModule("node:url");
  const url = new URL(path, pathToFileURL(${manifest}));
  return { url: url.href, dirname: fileURLToPath(new URL(".", url)).slice(0, -1) };
}`;
}

function bodyOf({ body, lazyImports }: Module, fileOf: ReadonlyMap<string, string>): string {
  return lazyImports.reduce(
    (text, path) =>
      text.replaceAll(`import("${path}")`, `import("./${fileOf.get(path)}").then(({ ${nameOf(path)}: all }) => all)`),
    body,
  );
}
