/**
 * Preloaded into a broker by `--require`: writes the files of all loaded CommonJS modules to $MODULES_FILE in the moment
 * the ready line is printed. Packages from npm that the broker uses are CommonJS or native, so all of them are seen.
 */
"use strict";
const { writeFileSync } = require("node:fs");
const Module = require("node:module");

const write = process.stdout.write.bind(process.stdout);
process.stdout.write = (chunk, ...rest) => {
  if (String(chunk).includes('"event":"ready"'))
    writeFileSync(process.env.MODULES_FILE, Object.keys(Module._cache).join("\n"));
  return write(chunk, ...rest);
};
