/**
 * mocha's spec reporter, and what a run of many mochas has to know of each: with `--reporter-option summary=PATH` the counts,
 * the skipped titles and the failures are written there as JSON. Alone it ends with a plain line, `N passed, N failed, N skipped`,
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
    runner.on("pending", (test) => skipped.push(test.fullTitle()));
    runner.on("fail", (test, error) => failures.push({ title: test.fullTitle(), text: textOf(error) }));
    runner.once("end", () => {
      const passed = this.stats.passes;
      if (path !== undefined) return writeFileSync(path, JSON.stringify({ passed, failures, skipped }));
      for (const title of skipped) console.log(`SKIPPED ${title}`);
      console.log(`${passed} passed, ${this.stats.failures} failed, ${skipped.length} skipped`);
    });
  }
}

function textOf(error) {
  return String(error?.stack ?? error);
}

module.exports = TidemarkReporter;
