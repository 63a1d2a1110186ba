/**
 * mocha's spec reporter with a plain last line, `N passed, N failed, N skipped`, and every skipped test named aloud with
 * its title: a skip must never look like a pass. CommonJS, because mocha loads reporters with require.
 */
"use strict";
const { Spec } = require("mocha").reporters;

class TidemarkReporter extends Spec {
  constructor(runner, options) {
    super(runner, options);
    const skipped = [];
    runner.on("pending", (test) => skipped.push(test.fullTitle()));
    runner.once("end", () => {
      for (const title of skipped) console.log(`SKIPPED ${title}`);
      console.log(`${this.stats.passes} passed, ${this.stats.failures} failed, ${skipped.length} skipped`);
    });
  }
}

module.exports = TidemarkReporter;
