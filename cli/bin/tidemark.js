#!/usr/bin/env node
// The committed launcher, so that `npx tidemark` finds an executable before anything was built. Plain JavaScript: it must
// run on a fresh clone, where `dist` does not exist yet, and say what to do there.

// Asked of the process, because an `import` of a module of Node's has to look at all that it exports: 4 ms for `node:fs`.
const { statSync } = process.getBuiltinModule("node:fs");

// From Node 22.1 on the compiled code of one start serves the next; where it cannot be kept, nothing is lost but time.
process.getBuiltinModule("node:module").enableCompileCache?.();

const at = (path) => new URL(path, import.meta.url);
const timeOf = (url) => statSync(url, { throwIfNoEntry: false })?.mtimeMs ?? 0;

// What was linked into a few files (scripts/src/link.ts), unless a package was compiled after that; else the modules.
const linked = at("../dist/linked/cli_main.js");
const modules = at("../dist/src/main.js");
const compiled = ["proto", "client", "broker", "cli"].map((name) => at(`../../${name}/dist/tsconfig.tsbuildinfo`));
const isLinked = timeOf(linked) > Math.max(0, ...compiled.map(timeOf));

if (isLinked || timeOf(modules) > 0) {
  await import((isLinked ? linked : modules).href);
} else {
  process.stderr.write(
    "error: NOT_BUILT: tidemark has not been built here yet\nhint: run `npm run build` in the repository\n",
  );
  process.exitCode = 1;
}
