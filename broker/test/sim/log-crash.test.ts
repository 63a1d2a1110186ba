import { expect } from "chai";
import { runLogCrash } from "../../src/sim/index.ts";
import type { CrashRunResult } from "../../src/sim/index.ts";
import { openLogDirectory } from "../../src/storage/index.ts";
import { describeKnownMistakes } from "../mutations/known-mistakes.ts";
import { seedOfCommit } from "../support/seed-of-commit.ts";

/** Other seeds with every commit; CRASH_SEED repeats one. */
const FIRST_SEED = Number(process.env["CRASH_SEED"] ?? seedOfCommit().seed);
/** `npm run crash` runs as many as one likes. */
const RUNS = 60;

function describeFailure({ seed, failure }: CrashRunResult): string {
  if (failure === null) return "";
  return [
    `CRASH FAIL ${failure.invariant} seed=${seed} life=${failure.life} operation=${failure.operation}`,
    failure.message,
    failure.stack,
    JSON.stringify(failure.options),
    ...failure.lastEvents,
    `replay: npm run crash -- --seed ${seed} --runs 1`,
  ].join("\n");
}

describe("The log under crashes", () => {
  it(`recovers every flushed record and a clean prefix of the rest (seeds ${FIRST_SEED} to ${FIRST_SEED + RUNS - 1})`, async () => {
    const counts = new Map<string, number>();
    for (let seed = FIRST_SEED; seed < FIRST_SEED + RUNS; seed++) {
      const result = await runLogCrash(seed, openLogDirectory);
      expect(describeFailure(result)).to.equal("");
      for (const [what, count] of result.counts) counts.set(what, (counts.get(what) ?? 0) + count);
    }
    // The runs bit: both kinds of crash, clean stops and injected faults took place.
    for (const what of [
      "restart after process",
      "restart after power",
      "life crashed",
      "life killed",
      "life stopped",
      "truncation",
      "write off the loop",
    ]) {
      expect(counts.get(what) ?? 0, what).to.be.greaterThan(20);
    }
    expect([...counts.keys()].some((what) => what.endsWith(" EIO"))).to.equal(true);
  });

  it("seed 187730779: a process that dies before it hears of a failed sync leaves no mark of it", async () => {
    const result = await runLogCrash(187_730_779, openLogDirectory);
    expect(describeFailure(result)).to.equal("");
    expect(result.counts.get("run ended: a failed sync is not marked")).to.equal(1);
  });

  it("seed 320001138: a log that ended below its log start, and a death while it began anew", async () => {
    expect(describeFailure(await runLogCrash(320_001_138, openLogDirectory))).to.equal("");
  });

  it("does the same in two runs of one seed", async () => {
    for (let seed = FIRST_SEED; seed < FIRST_SEED + 3; seed++) {
      const first = await runLogCrash(seed, openLogDirectory);
      const second = await runLogCrash(seed, openLogDirectory);
      expect(second.traceHash, `seed ${seed}`).to.equal(first.traceHash);
      expect(second.events).to.equal(first.events);
    }
  });

  describeKnownMistakes("log");
});
