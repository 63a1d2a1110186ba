/**
 * mocha's spec reporter, and what a run of many mochas has to know of each: with `--reporter-option summary=PATH` the counts,
 * the skipped titles, the failures and how long each file took are written there as JSON. Alone it ends with a plain line, `N passed, N failed, N skipped`,
 * and names every skipped test aloud: a skip must never look like a pass. CommonJS, because mocha loads reporters with require.
 */
"use strict";
const { readFileSync, writeFileSync } = require("node:fs");
const { SourceMap } = require("node:module");
const { fileURLToPath } = require("node:url");
const { Spec } = require("mocha").reporters;

class TidemarkReporter extends Spec {
  constructor(runner, options) {
    super(runner, options);
    const path = options.reporterOptions?.summary;
    const skipped = [];
    const failures = [];
    const files = timesPerFile(runner);
    runner.on("pending", (test) => skipped.push(test.fullTitle()));
    runner.on("fail", (test, error) => {
      if (typeof error?.stack === "string") error.stack = withSources(error.stack);
      failures.push({ title: test.fullTitle(), text: textOf(error) });
    });
    runner.once("end", () => {
      const passed = this.stats.passes;
      if (path !== undefined)
        return writeFileSync(path, JSON.stringify({ passed, failures, skipped, files: [...files.values()] }));
      for (const title of skipped) console.log(`SKIPPED ${title}`);
      console.log(`${passed} passed, ${this.stats.failures} failed, ${skipped.length} skipped`);
    });
  }
}

/** By path: elapsed time, and the processor time of this process and of those that it started and that ended; neither counts loading. */
function timesPerFile(runner) {
  const files = new Map();
  let begun = null;
  runner.on("suite", (suite) => {
    if (suite.parent?.root) begun = { atMs: Date.now(), cpuMs: cpuMs() };
  });
  runner.on("suite end", (suite) => {
    if (!suite.parent?.root || begun === null) return;
    const file = files.get(suite.file) ?? { path: suite.file, elapsedMs: 0, cpuMs: 0 };
    file.elapsedMs += Date.now() - begun.atMs;
    file.cpuMs += cpuMs() - begun.cpuMs;
    files.set(suite.file, file);
  });
  return files;
}

/** So long the processors were busy for this process and, where the system says so (Linux), for its children that have ended. */
function cpuMs() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000 + (process.platform === "linux" ? endedChildrenMs() : 0);
}

/** proc(5): behind the name in brackets `cutime` and `cstime` are the 14th and 15th field, in ticks of 10 ms. */
function endedChildrenMs() {
  const stat = readFileSync("/proc/self/stat", "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[13]) + Number(fields[14])) * 10;
}

function textOf(error) {
  return String(error?.stack ?? error);
}

const POSITION = /(file:\/\/[^\s()]+\.[cm]?js):(\d+):(\d+)/g;

/**
 * The positions of compiled code as those of its sources. With `--enable-source-maps` Node does it too, and for that reads the map of
 * each module that is loaded.
 */
function withSources(stack) {
  const maps = new Map();
  return stack.replaceAll(POSITION, (compiled, url, line, column) => {
    if (!maps.has(url)) maps.set(url, sourceMapOf(url));
    const entry = maps.get(url)?.findEntry(Number(line) - 1, Number(column) - 1) ?? {};
    if (entry.originalSource === undefined) return compiled;
    return `${new URL(entry.originalSource, url)}:${entry.originalLine + 1}:${entry.originalColumn + 1}`;
  });
}

function sourceMapOf(url) {
  try {
    return new SourceMap(JSON.parse(readFileSync(`${fileURLToPath(url)}.map`, "utf8")));
  } catch {
    return undefined;
  }
}

module.exports = TidemarkReporter;
