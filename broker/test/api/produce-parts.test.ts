/** Produce requests for several partitions, one of which keeps the others waiting (decision 0027). */
import { expect } from "chai";
import type { BrokerContext, ProduceRequest, ProduceResults } from "../../src/api/index.ts";
import { handleProduce } from "../../src/api/index.ts";
import { SharedMemory } from "../../src/base/index.ts";
import { LiveConfig } from "../../src/config/index.ts";
import { emptyImage } from "../../src/metadata/index.ts";
import { BrokerCounters, RequestBudget } from "../../src/runtime/index.ts";
import { testConfig } from "../metadata/fixtures.ts";
import { makeBatch, PartitionBench } from "../runtime/support/partition-bench.ts";

const CLIENT = { clientId: "", dialledHost: null, isLocal: true };

/** Partition 0 is led here on a disk whose next sync takes 5 s; there is no other. */
async function open() {
  const bench = await PartitionBench.open({ durability: "group-commit" });
  bench.disk.faults.add({ operation: "datasync", effect: "stall", path: /\.log$/u, stallMs: 5_000 });
  const { process, turn, purgatory } = bench;
  const context = {
    config: new LiveConfig(testConfig()),
    clock: process,
    turn,
    purgatory,
    replicas: { find: (_topic: string, partition: number) => (partition === 0 ? bench.partition : undefined) },
    counters: new BrokerCounters(),
    budget: new RequestBudget({ maxBytes: 1_000_000, maxRequests: 100 }),
    image: () => emptyImage,
  } as unknown as BrokerContext;
  const produce = (partitions: readonly number[], acks: ProduceRequest["acks"], isParted: boolean) => {
    const told: { readonly kind: "part" | "rest"; readonly codes: (string | null)[]; readonly atMs: number }[] = [];
    const tell = (kind: "part" | "rest") => (results: ProduceResults) =>
      void told.push({ kind, codes: results.map((result) => result?.code ?? null), atMs: bench.world.nowMs });
    const parts = partitions.map((partition) => ({
      topic: "tide",
      partition,
      topicId: new Uint8Array(),
      records: makeBatch({}),
    }));
    const memory = new SharedMemory(1_000, 1_000, null);
    const request = { acks, timeoutMs: 0, partitions: parts, memory };
    handleProduce(context, request, CLIENT, tell("rest"), isParted ? tell("part") : null);
    return told;
  };
  return { bench, produce };
}

const ABSENT = "UNKNOWN_TOPIC_OR_PARTITION";

describe("a produce request", () => {
  it("is answered in parts, each result once, where whoever asks takes them", async () => {
    const { bench, produce } = await open();
    const startedAt = bench.world.nowMs;
    const told = produce([0, 1], "all", true);
    await bench.world.runFor(4_000);
    expect(told.map(({ kind, codes }) => [kind, codes])).to.deep.equal([["part", [null, ABSENT]]]);
    expect((told[0]?.atMs ?? 0) - startedAt).to.be.within(50, 150);
    await bench.world.runFor(4_000);
    expect(told.map(({ kind, codes }) => [kind, codes])).to.deep.equal([
      ["part", [null, ABSENT]],
      ["rest", ["NONE", null]],
    ]);
    expect(bench.purgatory.count, "nothing waits for it any more").to.equal(0);
  });

  it("is answered whole where they are not taken, and where nothing is late", async () => {
    const { bench, produce } = await open();
    const whole = produce([0, 1], "all", false);
    await bench.world.runFor(4_000);
    expect(whole).to.deep.equal([]);
    await bench.world.runFor(4_000);
    expect(whole.map(({ kind, codes }) => [kind, codes])).to.deep.equal([["rest", ["NONE", ABSENT]]]);
    const prompt = produce([0, 1], "all", true);
    await bench.world.runFor(1_000);
    expect(prompt.map(({ kind, codes }) => [kind, codes])).to.deep.equal([["rest", ["NONE", ABSENT]]]);
  });
});
