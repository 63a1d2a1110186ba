/** What somebody sees who asks the repository's commands for help, or types an option wrongly. */
import { spawnSync } from "node:child_process";
import { join, resolve } from "node:path";
import { expect } from "chai";

const scripts = resolve(import.meta.dirname, "../src");

describe("the command lines of npm run", () => {
  for (const name of ["bench", "sim", "story", "packages"]) {
    const run = (...args: string[]) =>
      spawnSync(process.execPath, [join(scripts, `${name}.js`), ...args], { encoding: "utf8" });

    it(`${name} says how it is used`, () => {
      const { status, stdout, stderr } = run("--help");
      expect([status, stderr]).to.deep.equal([0, ""]);
      expect(stdout).to.match(new RegExp(`^usage: npm run ${name} -- `, "u"));
    });

    it(`${name} names an option that it does not have, without a stack`, () => {
      const { status, stdout, stderr } = run("--nonsense");
      expect([status, stdout]).to.deep.equal([2, ""]);
      expect(stderr).to.match(/^error: Unknown option '--nonsense'\nusage: npm run /u);
      expect(stderr).to.not.include("    at ");
    });
  }
});
