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

  it("a misspelt option is told by the one that is meant", () => {
    for (const [script, wrong, meant] of [
      ["sim.js", "--minuts", "--minutes"],
      ["sim.js", "--keepgoing", "--keep-going"],
      ["bench.js", "--tinny", "--tiny"],
      ["../../../broker/dist/test/mutations/main.js", "--jsn", "--json"],
    ] as const) {
      const { status, stderr } = spawnSync(process.execPath, [join(scripts, script), wrong], { encoding: "utf8" });
      expect(status).to.equal(2);
      expect(stderr.split("\n")[0]).to.equal(`error: Unknown option '${wrong}'; did you mean ${meant}?`);
    }
  });

  const sim = (...args: string[]) =>
    spawnSync(process.execPath, [join(scripts, "sim.js"), ...args], { encoding: "utf8" });

  for (const [args, why] of [
    ["--profile nonsense", '--profile wants one of log, raft, replication, store, cluster, not "nonsense"'],
    [
      "--profile rafts",
      '--profile wants one of log, raft, replication, store, cluster, not "rafts"; did you mean raft?',
    ],
    ["--seeds 1000", '--seeds wants the first and the last, as 1..200, not "1000"; --runs N is so many'],
    ["--seeds 10..5", '--seeds wants the first and the last, as 1..200, not "10..5"; --runs N is so many'],
    ["--seeds 1..5 --seed 3", "--seeds says all of them; --seed and --runs go without it"],
    ["--workers 0", '--workers wants a whole number from 1 on, not "0"'],
    ["--replay a.json --seed 3", "--seed is said by the file that --replay names"],
  ] as const) {
    it(`sim ${args}: ${why}`, () => {
      const { status, stdout, stderr } = sim(...args.split(" "));
      expect([status, stdout, stderr]).to.deep.equal([2, "", `error: ${why}\n`]);
    });
  }

  it("sim runs whole clusters unless told otherwise, and says what could not be stopped or made smaller", () => {
    const stopped = sim("--seed", "5", "--stop-at", "0", "--shrink");
    expect(stopped.status).to.equal(0);
    expect(stopped.stdout)
      .to.match(/^SIM STOP seed=5 commit=\S+ event=1 profile=cluster$/mu)
      .and.to.match(/^nothing failed, and nothing is made smaller$/mu)
      .and.to.match(/^simulated ms \d+$/mu);
    const ended = sim("--profile", "raft", "--seed", "5", "--stop-at", "999999999");
    expect(ended.status).to.equal(0);
    expect(ended.stdout).to.match(/^nothing was stopped: no trace goes as far as event 999999999$/mu);
  });
});
