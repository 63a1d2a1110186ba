/**
 * Preloaded into a broker by `--require`: writes the files of all modules that are loaded in the moment the ready line is
 * printed to $MODULES_FILE. The inspector knows the scripts of both module systems; native addons stand in the cache of
 * CommonJS.
 */
"use strict";
const { writeFileSync } = require("node:fs");
const { Session } = require("node:inspector");
const Module = require("node:module");
const { fileURLToPath } = require("node:url");

function loadedFiles() {
  const files = new Set(Object.keys(Module._cache));
  const session = new Session();
  session.connect();
  session.on("Debugger.scriptParsed", ({ params: { url } }) => {
    if (url.startsWith("file:")) files.add(fileURLToPath(url));
  });
  // Tells of every script there is before it returns.
  session.post("Debugger.enable");
  session.disconnect();
  return [...files];
}

const write = process.stdout.write.bind(process.stdout);
process.stdout.write = (chunk, ...rest) => {
  if (String(chunk).includes('"event":"ready"')) writeFileSync(process.env.MODULES_FILE, loadedFiles().join("\n"));
  return write(chunk, ...rest);
};
