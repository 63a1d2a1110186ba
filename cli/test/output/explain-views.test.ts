/** What `explain acked | visible | isr` print: JSON with stable keys, and for people the cause in the first line. */
import type { Explanation } from "@tidemark/client";
import { expect } from "chai";
import { parseOutput } from "../../src/global-flags.ts";
import { printExplanation } from "../../src/output/explain-views.ts";
import { testContext, textOf } from "../support/context.ts";
import { expectGolden } from "../support/golden.ts";

const NOW = 1_800_000_000_000;

const EXPLANATION: Explanation = {
  topic: "orders",
  partition: 0,
  question: "acked",
  offset: 95,
  holds: false,
  code: "WAITS_FOR_REPLICAS",
  text: "orders:0 offset 95 is not acknowledged yet: the high watermark stands at 90: broker 3 is 20 records behind",
  since: NOW - 4_000,
  blockers: [{ broker: 3, code: "BEHIND", text: "broker 3 is 20 records behind", since: NOW - 4_000 }],
  advice: ["look at broker 3"],
  state: {
    topicId: "AAAAAAAAAAAAAAAAAAAAAA",
    leader: 1,
    leaderEpoch: 4,
    isr: [1, 3],
    elr: [],
    lastIsr: [1, 3],
    minIsr: 2,
    recovering: false,
    countsSynced: true,
    start: 10,
    highWatermark: 90,
    end: 110,
    proposal: { isr: [1, 2, 3], ageMs: 40 },
    replicas: [1, 2, 3].map((id) => ({
      broker: id,
      role: id === 1 ? "leader" : "follower",
      state: id === 2 ? "down" : "alive",
      inSync: id !== 2,
      end: id === 3 ? 90 : id === 1 ? 110 : null,
      synced: id === 1 ? 110 : null,
      lag: id === 3 ? 20 : id === 1 ? 0 : null,
      caughtUpMs: id === 3 ? 4_000 : id === 1 ? 0 : null,
      damagedFrom: id === 2 ? 17 : null,
    })),
    changes: [
      {
        at: NOW - 60_000,
        metadataOffset: 40,
        type: "isr-shrunk",
        reason: "fenced",
        isr: [1, 3],
        isrBefore: [1, 2, 3],
        leader: null,
        leaderBefore: null,
        broker: null,
      },
      {
        at: NOW - 60_000,
        metadataOffset: 40,
        type: "leader-changed",
        reason: "fenced",
        isr: null,
        isrBefore: null,
        leader: 1,
        leaderBefore: 2,
        broker: null,
      },
    ],
    controller: 1,
    silent: [{ broker: 2, message: "connect ECONNREFUSED" }],
  },
};

describe("the view of an explanation", () => {
  function shown(output: string): string {
    const context = testContext({ flags: { output: parseOutput(output).format } });
    printExplanation(context, EXPLANATION, NOW);
    return textOf(context.stdout);
  }

  it("is the same in every format", () => {
    for (const format of ["table", "json", "csv", "name"]) expectGolden(`views/explain.${format}`, shown(format));
  });

  it("begins with the cause", () => {
    expect(shown("table").split("\n")[0]).to.equal(`${EXPLANATION.text} (for 4.0 s)`);
  });
});
