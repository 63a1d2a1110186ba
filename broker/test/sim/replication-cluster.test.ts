/** Seeds of the simulated replicas of one partition, and proof that the checks see what they are for. */
import { expect } from "chai";
import { runReplicationCluster } from "../../src/sim/index.ts";
import type { ClusterRunOptions, ClusterRunResult } from "../../src/sim/index.ts";
import { describeKnownMistakes } from "../mutations/known-mistakes.ts";
import { seedOfCommit } from "../support/seed-of-commit.ts";

/** Other seeds with every commit; REPLICATION_SEED repeats one, REPLICATION_RUNS says how many. CI runs 45 s of them (.ci/run). */
const FIRST_SEED = Number(process.env["REPLICATION_SEED"] ?? seedOfCommit().seed);
const RUNS = Number(process.env["REPLICATION_RUNS"] ?? 100);

/** Seeds at which the checks asked too much, as they were drawn then: without reassignments. Those that found a bug are in the museum. */
const ONCE_ASKED_TOO_MUCH: readonly (readonly [seed: number, what: string])[] = [
  [503171, "a member of the ISR has something else below the leader's log start"],
  [502801, "min ISR fell below the copies that were destroyed before"],
];

/** Harsher than is drawn. */
const HARSH = { wipeChance: 0.15, deleteChance: 0.05, reassignChance: 0.08, sparesCount: 2, crashChance: 0.04 };

/** The same, since there are reassignments. */
const OF_MOVES: readonly (readonly [seed: number, what: string, wanted?: Partial<ClusterRunOptions>])[] = [
  [
    81002994,
    "the only replica, brought by a move after a deletion, was wiped: the check asked for what had been deleted",
  ],
  [
    83000210,
    "a copy was destroyed between its acknowledgement and the commit that went by it: the check counted it as there",
    { ...HARSH, minIsr: 1 },
  ],
  [
    84003063,
    "a replica was moved away right after an unclean choice had passed it over: the check still counted on it",
    { ...HARSH, minIsr: 2, isSynced: false, powerChance: 0.05 },
  ],
  [
    900001116,
    "a leader of before the mode was raised showed what others had synced since: the check asked that it had, too",
    { ...HARSH, uncleanChance: 0.08, deleteChance: 0.1, wipeChance: 0.1, powerChance: 0.05 },
  ],
  [
    910000419,
    "a leader that was cut off showed what a member of its ISR had lost before it was registered anew: the check counted that copy",
    {
      minIsr: 1,
      isSynced: false,
      deleteChance: 0.15,
      powerChance: 0.06,
      crashChance: 0.04,
      uncleanChance: 0,
      blackoutChance: 0.3,
      checkpointChance: 0.005,
      batchOffsetsMax: 3,
    },
  ],
  [
    91000747,
    "chosen late from lastIsr without what was written before the mode was raised: the check asked for it all the same",
  ],
  [
    1069915682,
    "the last batch was shown as written, then the mode was raised: the check looked for the first time after both",
  ],
  [69, "a report that had waited for metadata was judged between two events: nothing looked at what it changed"],
];

function describeFailure({ seed, failure }: ClusterRunResult): string {
  if (failure === null) return "";
  return [
    `SIM FAIL ${failure.invariant} seed=${seed}`,
    failure.message,
    failure.stack,
    JSON.stringify(failure.options),
    ...failure.lastEvents,
    `replay: REPLICATION_SEED=${seed} REPLICATION_RUNS=1 npm test -- replication-cluster.test.ts`,
  ].join("\n");
}

describe("A simulated replication cluster", () => {
  it(`keeps every invariant and comes to rest (seeds ${FIRST_SEED} to ${FIRST_SEED + RUNS - 1})`, () => {
    const counts = new Map<string, number>();
    for (let seed = FIRST_SEED; seed < FIRST_SEED + RUNS; seed++) {
      const result = runReplicationCluster(seed);
      expect(describeFailure(result)).to.equal("");
      for (const [what, count] of result.counts) counts.set(what, (counts.get(what) ?? 0) + count);
    }
    if (RUNS < 100) return;
    // The runs bit. The first two are rare.
    for (const what of [
      ...(RUNS < 700 ? [] : ["choice timeout", "choice unclean"]),
      "wipe",
      "refused OFFSET_OUT_OF_RANGE",
    ]) {
      expect(counts.get(what) ?? 0, what).to.be.greaterThan(0);
    }
    for (const what of [
      "choice lastIsr",
      "clean stop",
      "crash",
      "cut off",
      "diverging",
      "power failure",
      "reassignment cancelled",
      "replica given up",
      "truncation",
    ]) {
      expect(counts.get(what) ?? 0, what).to.be.greaterThan(RUNS / 20);
    }
    for (const what of ["acked", "clean choice", "committed", "expansion proposed", "shrink proposed"]) {
      expect(counts.get(what) ?? 0, what).to.be.greaterThan(RUNS);
    }
  });

  for (const [seed, what] of ONCE_ASKED_TOO_MUCH) {
    it(`seed ${seed}: ${what}`, () => {
      const wanted = { sparesCount: 0, reassignChance: 0 };
      expect(describeFailure(runReplicationCluster(seed, wanted))).to.equal("");
    });
  }

  for (const [seed, what, wanted] of OF_MOVES) {
    it(`seed ${seed}: ${what}`, () => {
      expect(describeFailure(runReplicationCluster(seed, wanted))).to.equal("");
    });
  }

  it("does the same in two runs of one seed", () => {
    for (let seed = FIRST_SEED; seed < FIRST_SEED + 3; seed++) {
      const first = runReplicationCluster(seed);
      const second = runReplicationCluster(seed);
      expect(second.traceHash, `seed ${seed}`).to.equal(first.traceHash);
      expect(second.events).to.equal(first.events);
    }
  });

  describeKnownMistakes("replication");
});
