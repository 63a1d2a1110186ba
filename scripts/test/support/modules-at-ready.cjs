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

/** What is put off for a second or more comes after a start, also on a machine that takes longer for one. */
const PUT_OFF_MS = 1_000;
const { setTimeout: later } = globalThis;
globalThis.setTimeout = (task, delayMs, ...rest) => later(task, delayMs >= PUT_OFF_MS ? 2 ** 31 - 1 : delayMs, ...rest);

const write = process.stdout.write.bind(process.stdout);
process.stdout.write = (chunk, ...rest) => {
  if (String(chunk).includes('"event":"ready"')) writeFileSync(process.env.MODULES_FILE, loadedFiles().join("\n"));
  return write(chunk, ...rest);
};
