/**
 * mocha's spec reporter, and what a run of many mochas has to know of each: with `--reporter-option summary=PATH` the counts,
 * the skipped titles, the failures and how long each file took are written there as JSON. Alone it ends with a plain line, `N passed, N failed, N skipped`,
 * and names every skipped test aloud: a skip must never look like a pass. CommonJS, because mocha loads reporters with require.
 */
"use strict";
const { writeFileSync } = require("node:fs");
const { Spec } = require("mocha").reporters;

class TidemarkReporter extends Spec {
  constructor(runner, options) {
    super(runner, options);
    const path = options.reporterOptions?.summary;
    const skipped = [];
    const failures = [];
    const files = timesPerFile(runner);
    runner.on("pending", (test) => skipped.push(test.fullTitle()));
    runner.on("fail", (test, error) => failures.push({ title: test.fullTitle(), text: textOf(error) }));
    runner.once("end", () => {
      const passed = this.stats.passes;
      if (path !== undefined)
        return writeFileSync(path, JSON.stringify({ passed, failures, skipped, files: [...files.values()] }));
      for (const title of skipped) console.log(`SKIPPED ${title}`);
      console.log(`${passed} passed, ${this.stats.failures} failed, ${skipped.length} skipped`);
    });
  }
}

/** By path: elapsed time, and the processor time that this process spent in it; neither counts loading. */
function timesPerFile(runner) {
  const files = new Map();
  let begun = null;
  runner.on("suite", (suite) => {
    if (suite.parent?.root) begun = { atMs: Date.now(), cpu: process.cpuUsage() };
  });
  runner.on("suite end", (suite) => {
    if (!suite.parent?.root || begun === null) return;
    const { user, system } = process.cpuUsage(begun.cpu);
    const file = files.get(suite.file) ?? { path: suite.file, elapsedMs: 0, cpuMs: 0 };
    file.elapsedMs += Date.now() - begun.atMs;
    file.cpuMs += (user + system) / 1000;
    files.set(suite.file, file);
  });
  return files;
}

function textOf(error) {
  return String(error?.stack ?? error);
}

module.exports = TidemarkReporter;
