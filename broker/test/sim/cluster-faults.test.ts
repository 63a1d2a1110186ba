/** That what goes wrong in a simulated cluster bites: each class strikes, is seen, and is got over. */
import { createProducerCore, createReaderCore } from "@tidemark/client/core";
import { expect } from "chai";
import { type ClusterOptions, type ClusterTopic, type PlanStep, runCluster } from "../../src/sim/index.ts";
import { makeNode } from "../../src/simulation.ts";

const parts = { makeNode, makeProducerCore: createProducerCore, makeReaderCore: createReaderCore };

const TOPIC: ClusterTopic = {
  name: "topic-0",
  partitions: 2,
  replicationFactor: 3,
  minIsr: 2,
  minIsrLeast: 2,
  durability: "group-commit",
  retentionBytes: -1,
};
/** With what its fault is done with. */
type Step = PlanStep & Readonly<Record<string, unknown>>;

const CALM: Partial<ClusterOptions> = {
  brokersCount: 3,
  topics: [TOPIC],
  producers: [
    { acks: "all", isIdempotent: true, codec: 0 },
    { acks: "leader", isIdempotent: false, codec: 1 },
    { acks: "none", isIdempotent: false, codec: 3 },
  ],
  recordIntervalMs: 30,
  valueBytesMax: 200,
  isTiny: true,
  segmentBytes: 1_024,
  scrubIntervalMs: 0,
  chaosMs: 2_000,
  healsCoreFirst: false,
  faults: {},
  changes: {},
};

async function countsOf(seed: number, options: Partial<ClusterOptions>): Promise<ReadonlyMap<string, number>> {
  const { failure, counts } = await runCluster(seed, parts, { ...CALM, ...options });
  expect(failure?.message, `seed ${seed}`).to.equal(undefined);
  return counts;
}

const expectAll = (counts: ReadonlyMap<string, number>, names: readonly string[]): void => {
  expect(names.filter((name) => (counts.get(name) ?? 0) === 0)).to.deep.equal([]);
};

describe("faults of a simulated cluster (R=3)", () => {
  it("bytes that rot while others are whole are found and mended; producers of every promise go on", async () => {
    const counts = await countsOf(11, { chaosMs: 1_200, faults: { rot: 10, misdirect: 10 }, changes: { verify: 3 } });
    expectAll(counts, [
      "fault rot",
      "fault misdirect",
      "whole again: bytes",
      "produce: acked by leader",
      "produce: not asked",
    ]);
  });

  it("bytes that are known to be bad when all die are not counted on: whoever is whole leads", async () => {
    const counts = await countsOf(2, { chaosMs: 8_000, faults: { foundRot: 2 } });
    expectAll(counts, ["fault foundRot", "all died while damage was known", "whole again: bytes"]);
  });

  it("a sync that lies takes nothing from the cluster when the power fails behind it", async () => {
    expectAll(await countsOf(1, { faults: { lie: 6 } }), ["power lost behind a sync that lied", "whole again: tail"]);
  });

  it("a cluster that dies at once loses nothing, though the page cache of who comes back first is gone", async () => {
    const topics = [{ ...TOPIC, durability: "page-cache" }];
    expectAll(await countsOf(5, { topics, faults: { domino: 8 } }), ["fault domino", "whole again: tail"]);
  });

  it("a broker whose metadata rots under it comes as another voter; one of a release apart finds nobody, and comes back", async () => {
    const counts = await countsOf(6, { faults: { rotMetadata: 3, misfit: 1, roll: 1 } });
    expectAll(counts, ["fault rotMetadata", "came as another voter", "fault misfit", "fault roll"]);
  });

  it("records that are deleted are gone everywhere, and nothing else is; streams break, stall and are late", async () => {
    const topics = [
      { ...TOPIC, retentionBytes: 4_000 },
      { ...TOPIC, name: "topic-1" },
    ];
    const counts = await countsOf(8, {
      topics,
      faults: { streamReset: 3, streamStall: 1, slowReader: 2, clog: 1, roll: 5 },
      changes: { delete: 3, minIsr: 2, segment: 1 },
    });
    const faults = ["streamReset", "streamStall", "slowReader", "clog", "roll"].map((name) => `fault ${name}`);
    expectAll(counts, [...faults, "change delete", "change minIsr", "fetch: OFFSET_OUT_OF_RANGE"]);
  });

  it("a broker that dies when it is told to stop is gone to its clients, though it starts again before anything else happens", async () => {
    const sends = (atMs: number): Step[] =>
      [0, 1, 2].map((partition) => ({ atMs: atMs + 3 * partition, send: 0, topic: "topic-0", partition, bytes: 10 }));
    const plan: Step[] = [
      // What is due in these seconds happens all at once when the write is over.
      { atMs: 10, fault: "stall", broker: 3, operation: "write", stallMs: 5_000, times: 1 },
      ...sends(20),
      { atMs: 1_000, fault: "failpoint", broker: 3, name: "shutdown.begin", nth: 1, what: "process" },
      { atMs: 1_100, fault: "stop", broker: 3 },
      { atMs: 1_200, fault: "start", broker: 3 },
      ...sends(8_000),
    ];
    const topics = [{ ...TOPIC, partitions: 3 }];
    const producers = [{ acks: "all", isIdempotent: true, codec: 0 }] as const;
    const { failure, counts } = await runCluster(1, parts, { ...CALM, topics, producers, chaosMs: 9_000 }, { plan });
    expect(failure?.message).to.equal(undefined);
    expectAll(counts, ["died at shutdown.begin", "fault start"]);
  });
});
