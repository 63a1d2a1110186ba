/** Seeds of the simulated group, and proof that its checks see what they are for. */
import { expect } from "chai";
import { runRaftGroup } from "../../src/sim/index.ts";
import type { GroupRunResult } from "../../src/sim/index.ts";
import { describeKnownMistakes } from "../mutations/known-mistakes.ts";
import { seedOfCommit } from "../support/seed-of-commit.ts";

/** Other seeds with every commit; RAFT_SEED repeats one, RAFT_RUNS says how many; CI runs 1,000 of them on all cores (.ci/run). */
const FIRST_SEED = Number(process.env["RAFT_SEED"] ?? seedOfCommit().seed);
const RUNS = Number(process.env["RAFT_RUNS"] ?? 60);

/** Seeds at which the checks or the faults asked too much; those that found a bug are in the museum. */
const ONCE_ASKED_TOO_MUCH: readonly (readonly [seed: number, what: string])[] = [
  [200688, "votes counted late made a leader of a term long past"],
  [203737, "an acknowledgement of an earlier term left after its entries were cut: it was taken for one of now"],
  [208403, "a disk was lost whose seat a change under way needed"],
];

function describeFailure({ seed, failure }: GroupRunResult): string {
  if (failure === null) return "";
  return [
    `SIM FAIL ${failure.invariant} seed=${seed}`,
    failure.message,
    failure.stack,
    JSON.stringify(failure.options),
    ...failure.lastEvents,
    `replay: npm run sim -- --profile raft --seed ${seed} --runs 1`,
  ].join("\n");
}

describe("A simulated Raft group", () => {
  it(`keeps every invariant and comes to rest (seeds ${FIRST_SEED} to ${FIRST_SEED + RUNS - 1})`, () => {
    const counts = new Map<string, number>();
    for (let seed = FIRST_SEED; seed < FIRST_SEED + RUNS; seed++) {
      const result = runRaftGroup(seed);
      expect(describeFailure(result)).to.equal("");
      for (const [what, count] of result.counts) counts.set(what, (counts.get(what) ?? 0) + count);
    }
    // The runs bit.
    for (const what of [
      "election",
      "truncation",
      "snapshot installed",
      "crash",
      "wipe",
      "partition",
      "voters changed",
    ]) {
      if (RUNS >= 60) expect(counts.get(what) ?? 0, what).to.be.greaterThan(2);
    }
    for (const what of ["entry committed", "read confirmed"]) {
      if (RUNS >= 60) expect(counts.get(what) ?? 0, what).to.be.greaterThan(RUNS / 2);
    }
  });

  for (const [seed, what] of ONCE_ASKED_TOO_MUCH) {
    it(`seed ${seed}: ${what}`, () => {
      expect(describeFailure(runRaftGroup(seed))).to.equal("");
    });
  }

  it("does the same in two runs of one seed", () => {
    for (let seed = FIRST_SEED; seed < FIRST_SEED + 3; seed++) {
      const first = runRaftGroup(seed);
      const second = runRaftGroup(seed);
      expect(second.traceHash, `seed ${seed}`).to.equal(first.traceHash);
      expect(second.events).to.equal(first.events);
    }
  });

  describeKnownMistakes("raft");
});
