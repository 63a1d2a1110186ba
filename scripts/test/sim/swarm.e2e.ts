/** What `npm run sim` tells scripts, and what is left of a series in which a process dies. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect } from "chai";

const sim = resolve(import.meta.dirname, "../../src/sim.js");
const mutations = resolve(import.meta.dirname, "../../../../broker/dist/test/mutations/main.js");

/** Preloaded into every process of a run: the one whose first seed is 2 does `deed` when its second run is told. */
const diesInItsThird = (deed: string): readonly string[] => {
  const text = `
if (process.argv[2] === "--worker") {
  let first = 0;
  let told = 0;
  const { emit } = process;
  process.emit = function (name, job, ...more) {
    if (name === "message") first = job.seeds.from;
    return emit.call(this, name, job, ...more);
  };
  const send = process.send.bind(process);
  process.send = (part, onTold) => send(part, () => {
    onTold();
    if (first === 2 && ++told === 2) ${deed};
  });
}`;
  return ["--import", `data:text/javascript,${encodeURIComponent(text)}`];
};

const KILL = 'process.kill(process.pid, "SIGKILL")';
const THROW = 'throw new Error("out of the blue")';

/** A series of which a script reads the last line. */
interface SeriesLine {
  readonly kind: string;
  readonly ok: boolean;
  readonly profile: string;
  readonly commit: string;
  readonly seeds: { readonly from: number; readonly count: number | null };
  readonly runs: number;
  readonly failed: number;
  readonly failures: readonly object[];
  readonly runAgain: number;
  readonly leftAnotherTrace: readonly object[];
  readonly notFired?: readonly string[];
  readonly eventsPerCpuSecond: number;
  readonly simulatedHoursPerCpuHour?: number;
  readonly fired: Readonly<Record<string, number>>;
}

describe("npm run sim", () => {
  const directory = mkdtempSync(join(tmpdir(), "tidemark-sim-"));
  after(() => rmSync(directory, { recursive: true }));
  const run = (execArgv: readonly string[], line: string, env: Readonly<Record<string, string>> = {}) =>
    spawnSync(process.execPath, [...execArgv, sim, ...line.split(" ")], {
      encoding: "utf8",
      cwd: directory,
      env: { ...process.env, ...env },
    });
  const linesOf = (stdout: string): object[] =>
    stdout
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line) as object);

  for (const [deed, how] of [
    [KILL, "SIGKILL"],
    [THROW, "code 1"],
  ] as const) {
    it(`names the seed at which a process ended with ${how}, and keeps what all have told`, () => {
      const { status, stdout } = run(diesInItsThird(deed), "--profile raft --seeds 1..10 --workers 2");
      expect(status).to.equal(1);
      expect(stdout)
        .to.match(/^SIM FAIL died seed=6 commit=\S+ event=unknown profile=raft$/mu)
        .and.to.include(`\nits process ended with ${how}\nreplay: npm run sim -- --profile raft --seed 6\n`)
        .and.to.match(/^runs {8}8 \(seeds from 1\), 1 failed$/mu)
        .and.to.match(/^ +\d+ {2}election$/mu);
    });
  }

  it("goes on behind a process that died, with --keep-going", () => {
    const { status, stdout } = run(
      diesInItsThird(KILL),
      "--profile raft --seeds 1..10 --workers 2 --keep-going --json",
    );
    expect(status).to.equal(1);
    const [failure, series, ...more] = linesOf(stdout) as [object, SeriesLine];
    expect(more).to.deep.equal([]);
    const { commit } = series;
    expect(failure).to.deep.equal({
      kind: "failure",
      profile: "raft",
      seed: 6,
      commit,
      invariant: "died",
      message: "its process ended with SIGKILL",
      event: null,
      file: null,
      replay: "npm run sim -- --profile raft --seed 6",
    });
    expect(series).to.include({ kind: "series", ok: false, runs: 10, failed: 1 });
    expect(series.failures).to.deep.equal([failure]);
  });

  it("names the seed at which the process died that runs some again", () => {
    const text = `if (process.argv.includes("--hashes")) {
  const { stdout } = process;
  const write = stdout.write.bind(stdout);
  stdout.write = (line) => { write(line); ${KILL}; };
}`;
    // That process is given no other options of node's.
    const env = { NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(text)}` };
    const { status, stdout } = run([], "--profile raft --seeds 1..60 --json", env);
    expect(status).to.equal(1);
    const [series] = linesOf(stdout) as [SeriesLine];
    expect(series).to.include({ ok: false, runs: 60, failed: 0, runAgain: 2 });
    expect(series.leftAnotherTrace).to.deep.equal([{ seed: 51, message: "the other process ended with SIGKILL" }]);
  });

  it("counts a known mistake whose process died as one that survived", () => {
    const text = `if (process.argv[2] === "--worker") process.emit = () => ${KILL};`;
    const preload = ["--import", `data:text/javascript,${encodeURIComponent(text)}`];
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [...preload, mutations, "--only", "store-log-unread", "--json"],
      { encoding: "utf8" },
    );
    expect(status).to.equal(1);
    expect(linesOf(stdout)).to.have.lengthOf(1);
    expect(linesOf(stdout)[0]).to.include({ mutation: "store-log-unread", caught: false, seeds: 0, invariant: null });
    expect(stderr).to.include("store-log-unread: its process ended with SIGKILL\n");
  });

  for (const [line, runs] of [
    ["--profile raft --seed 5", 1],
    ["--profile log --seeds 3..5", 3],
    ["--profile store --seed 3 --runs 2", 2],
    ["--profile replication --minutes 0.002", null],
  ] as const) {
    it(`${line} --json: a series is one line of JSON, and words go to stderr`, () => {
      const { status, stdout, stderr } = run([], `${line} --json`);
      expect(status).to.equal(0);
      const [series, ...more] = linesOf(stdout) as [SeriesLine];
      expect(more).to.deep.equal([]);
      expect([series.failed, series.seeds.count]).to.deep.equal([0, runs]);
      // How many there is time for is the machine's.
      if (runs !== null) {
        expect(series.runs).to.equal(runs);
        expect(series.eventsPerCpuSecond).to.be.greaterThan(0);
        expect(series.fired).to.not.deep.equal({});
      }
      expect(stderr).to.match(/^runs {8}\d+ \(seeds from \d+\), 0 failed$/mu);
    });
  }

  it("--stop-at and --json: a run that was stopped says where, and is no failure", () => {
    const { status, stdout } = run([], "--seed 5 --stop-at 0 --shrink --json");
    expect(status).to.equal(0);
    const [stopped, series] = linesOf(stdout) as [object, SeriesLine];
    expect(stopped).to.include({
      kind: "stopped",
      seed: 5,
      event: 1,
      replay: "npm run sim -- --profile cluster --seed 5",
    });
    expect(series).to.include({ ok: true, profile: "cluster", runs: 1, failed: 0, runAgain: 0 });
    expect(series.simulatedHoursPerCpuHour).to.be.greaterThan(0);
  });
});
