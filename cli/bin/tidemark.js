#!/usr/bin/env node
// The committed launcher, so that `npx tidemark` finds an executable before anything was built. Plain JavaScript: it must
// run on a fresh clone, where `dist` does not exist yet, and say what to do there.
//
// CommonJS (package.json beside it): before it runs a module, Node reads its text off the loop and makes its thread pool for that, after
// which nobody can say how large the pool is to be.

// Syncs of many small logs at a time end together, in one commit of the file system's journal (platform/threads.ts). Not said where it
// would not be so, which the broker could not tell: what is imported before has the pool made already, and on Windows the library that
// makes it has an environment of its own.
const hooked = /(?:^|\s)--(?:import|loader|experimental-loader)(?:[=\s]|$)/u;
const isHooked = hooked.test([...process.execArgv, process.env.NODE_OPTIONS ?? ""].join(" "));
if (!isHooked && process.platform !== "win32") process.env.UV_THREADPOOL_SIZE ||= "16";

// Asked of the process, because an `import` of a module of Node's has to look at all that it exports: 4 ms for `node:fs`.
const { statSync } = process.getBuiltinModule("node:fs");
const { pathToFileURL } = process.getBuiltinModule("node:url");

// From Node 22.1 on the compiled code of one start serves the next; where it cannot be kept, nothing is lost but time.
process.getBuiltinModule("node:module").enableCompileCache?.();

const at = (path) => new URL(path, pathToFileURL(__filename));
const timeOf = (url) => statSync(url, { throwIfNoEntry: false })?.mtimeMs ?? 0;

// What was linked into a few files (scripts/src/link.ts), unless a package was compiled after that; else the modules.
const linked = at("../dist/linked/cli_main.js");
const modules = at("../dist/src/main.js");
const compiled = ["proto", "client", "broker", "cli"].map((name) => at(`../../${name}/dist/tsconfig.tsbuildinfo`));
const isLinked = timeOf(linked) > Math.max(0, ...compiled.map(timeOf));

if (isLinked || timeOf(modules) > 0) {
  // Whatever Node is told to make of rejections.
  import((isLinked ? linked : modules).href).catch((error) => {
    process.stderr.write(`error: NOT_BUILT: ${error?.stack ?? error}\nhint: build or install it again\n`);
    process.exitCode = 1;
  });
} else {
  process.stderr.write(
    "error: NOT_BUILT: tidemark has not been built here yet\nhint: run `npm run build` in the repository\n",
  );
  process.exitCode = 1;
}
