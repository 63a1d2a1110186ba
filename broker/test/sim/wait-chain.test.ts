/** What a run that did not come to its end in time says of it: who should act, and what for. */
import { createProducerCore, createReaderCore } from "@tidemark/client/core";
import { expect } from "chai";
import { type ClusterOptions, kindOfFailure, type MakeNode, type PlanStep, runCluster } from "../../src/sim/index.ts";
import { makeNode } from "../../src/simulation.ts";

/** The start with this number, of all brokers, never ends. */
const stuckAt = (number: number): MakeNode => {
  let startsCount = 0;
  return (options) => {
    const node = makeNode(options);
    if (++startsCount !== number) return node;
    return { start: () => new Promise(() => undefined), stop: () => node.stop(), waitingFor: ["nothing that comes"] };
  };
};

const topic = (name: string, replicationFactor: number): ClusterOptions["topics"][number] => ({
  name,
  partitions: 3,
  replicationFactor,
  minIsr: Math.min(2, replicationFactor),
  minIsrLeast: 1,
  durability: "group-commit",
  retentionBytes: -1,
});

/** Broker 3 goes, and its next start is the fourth of all: it hangs. */
const PLAN = [
  { atMs: 300, fault: "kill", broker: 3 } as PlanStep,
  { atMs: 500, fault: "start", broker: 3 } as PlanStep,
];

const OPTIONS: Partial<ClusterOptions> = {
  brokersCount: 3,
  topics: [topic("t", 3), topic("u", 1)],
  producers: [{ acks: "all", isIdempotent: true, codec: 0 }],
  moreReaders: 0,
  recordIntervalMs: 150,
  chaosMs: 1_000,
  healsCoreFirst: false,
};

describe("a simulated cluster that does not come to its end in time", () => {
  it("says who should act and what stands in the way, from the brokers down to those who wait (R=3, R=1)", async () => {
    const parts = { makeNode: stuckAt(4), makeProducerCore: createProducerCore, makeReaderCore: createReaderCore };
    const { failure } = await runCluster(1, parts, OPTIONS, { plan: PLAN });
    expect(failure).to.include({
      invariant: "RE15",
      message: "not in time: every broker is ready (broker 3 is starting)",
    });
    if (failure !== null)
      expect(kindOfFailure(failure), "whoever shrinks it").to.equal("RE15: not in time: every broker is ready");
    const chain = failure?.waitChain ?? [];
    const told = chain.join("\n");
    expect(chain[0]).to.equal("who waits for what:");
    expect(told).to.match(/^ {2}broker 1 is ready, life 1$/mu);
    expect(told).to.match(/^ {2}broker 3 is starting, fenced, life 2, waits for nothing that comes$/mu);
    expect(told).to.match(
      /^ {2}metadata at broker \d: leader in term 1, .*, committed (\d+) of \1, .*voters .*; 3 at /mu,
    );
    // Whoever nobody leads comes first.
    const places = chain.flatMap((line) => /^ {2}([tu]-\d): /u.exec(line)?.[1] ?? []);
    expect(places.map((place) => place.charAt(0)).join("")).to.equal("uttt");
    expect(told).to.match(
      /^ {2}u-\d: broker \d has to choose a leader, as controller among ISR and ELR: broker 3 \(starting\)$/mu,
    );
    expect(told).to.match(/^ {4}metadata \d+: leader none in epoch \d, isr -, elr 3, last isr 3, replicas 3, /mu);
    expect(told).to.match(/^ {2}t-\d: broker 3 \(starting\) has to catch up with broker \d$/mu);
    expect(told).to.match(/^ {6}follower 3 out of sync at -?\d+, no stream, kept out by: \w+$/mu);
    expect(told).to.match(/^ {2}producer 0 has \d+ records without an end: .*nobody is known to lead u-\d/mu);
  });
});
