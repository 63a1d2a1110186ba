#!/usr/bin/env node
// The committed launcher, so that `npx tidemark` finds an executable before anything was built. Plain JavaScript: it must
// run on a fresh clone, where `dist` does not exist yet, and say what to do there.
import { existsSync } from "node:fs";
import module from "node:module";
import { fileURLToPath } from "node:url";

// From Node 22.1 on the compiled code of one start serves the next; where it cannot be kept, nothing is lost but time.
module.enableCompileCache?.();

const entry = new URL("../dist/src/main.js", import.meta.url);

if (existsSync(fileURLToPath(entry))) {
  await import(entry.href);
} else {
  process.stderr.write(
    "error: NOT_BUILT: tidemark has not been built here yet\nhint: run `npm run build` in the repository\n",
  );
  process.exitCode = 1;
}
