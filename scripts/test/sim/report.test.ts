/** What scripts and people are told of a series. */
import { expect } from "chai";
import { STOPPED } from "@tidemark/broker/sim";
import { failedCount, jsonOfFailure, jsonOfSeries, type Series, wordsOf } from "../../src/sim/report.ts";
import { type Failed, merge, newTally } from "../../src/sim/swarm.ts";

const failed = (seed: number, invariant: string, path: string | null): Failed => ({
  file: {
    profile: "cluster",
    seed,
    commit: "abc123",
    invariant,
    message: "t-0: 4 was acknowledged",
    event: 42,
    traceHash: "0123456789abcdef",
    options: { brokersCount: 3 },
    plan: [],
  },
  path,
  text: "",
  replay: `npm run sim -- --profile cluster --seed ${seed}`,
});

const tally = newTally();
for (const [totals, fired] of [
  [{ events: 100, "simulated ms": 1_800_000 }, "kill"],
  [{ events: 50, "simulated ms": 1_800_000 }, "acked"],
] as const)
  merge(tally, {
    ...newTally(),
    runs: 1,
    totals: new Map(Object.entries(totals)),
    counts: new Map([
      [fired, 2],
      ["wipe", 1],
    ]),
    sample: new Map([[totals.events, "hash"]]),
    cpuSeconds: 1.5,
  });
tally.failures.push(failed(8, "RE7", "sim-fail-8.json"), failed(9, STOPPED, null));
const series: Series = { profile: "cluster", commit: "abc123", from: 8, count: 2, tally, seconds: 2 };

describe("the report of npm run sim", () => {
  it("counts what failed, and not what was only stopped", () => {
    expect(failedCount(tally)).to.equal(1);
    expect(wordsOf(series).split("\n")).to.deep.equal([
      "runs        2 (seeds from 8), 1 failed",
      "events      150",
      "simulated ms 3600000",
      "time        2.0 s, 3.0 s CPU, 1 runs/s, 1500.00 ms CPU per run",
      "speed       50 events per CPU second, 1.00 simulated hours, 1200.0 per CPU hour",
      "what fired:",
      "         2  acked",
      "         2  kill",
      "         2  wipe",
    ]);
  });

  it("has the same for scripts: a line for each failure, and one for all", () => {
    const [failure, stopped] = tally.failures.map(jsonOfFailure);
    expect(failure).to.deep.equal({
      kind: "failure",
      profile: "cluster",
      seed: 8,
      commit: "abc123",
      invariant: "RE7",
      message: "t-0: 4 was acknowledged",
      event: 42,
      file: "sim-fail-8.json",
      replay: "npm run sim -- --profile cluster --seed 8",
    });
    expect(stopped).to.include({ kind: "stopped", seed: 9, file: null });
    const different = [{ seed: 50, message: "another trace" }];
    expect(jsonOfSeries(series, { isOk: false, different, missing: ["fault domino"] })).to.deep.equal({
      kind: "series",
      ok: false,
      profile: "cluster",
      commit: "abc123",
      seeds: { from: 8, count: 2 },
      runs: 2,
      failed: 1,
      failures: [failure, stopped],
      runAgain: 2,
      leftAnotherTrace: different,
      notFired: ["fault domino"],
      seconds: 2,
      cpuSeconds: 3,
      eventsPerCpuSecond: 50,
      simulatedHours: 1,
      simulatedHoursPerCpuHour: 1200,
      totals: { events: 150, "simulated ms": 3_600_000 },
      fired: { acked: 2, kill: 2, wipe: 2 },
    });
  });

  it("says nothing of time, of other runs and of what did not fire where nobody asked", () => {
    const line = jsonOfSeries(
      { ...series, profile: "raft", tally: newTally() },
      {
        isOk: true,
        different: null,
        missing: null,
      },
    );
    expect(line).to.include({ ok: true, runs: 0, failed: 0, runAgain: 0, eventsPerCpuSecond: 0 });
    expect(line).to.not.have.any.keys("simulatedHours", "notFired");
  });
});
