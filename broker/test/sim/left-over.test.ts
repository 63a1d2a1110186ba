/** BO3: what a broker leaves behind when it has stopped is seen, whatever it is. */
import { createProducerCore, createReaderCore } from "@tidemark/client/core";
import { expect } from "chai";
import { type ClusterOptions, type MakeNode, type NodeWorld, runCluster } from "../../src/sim/index.ts";
import { makeNode } from "../../src/simulation.ts";

/** Brokers that do this last of all. */
const leaving =
  (leave: (world: NodeWorld) => void): MakeNode =>
  (options) => {
    const node = makeNode(options);
    const stop = async (): Promise<void> => {
      await node.stop();
      leave(options.world);
    };
    return { start: () => node.start(), stop, waitingFor: [] };
  };

const ALONE: Pick<ClusterOptions, "brokersCount" | "topics"> = {
  brokersCount: 1,
  topics: [
    {
      name: "t",
      partitions: 1,
      replicationFactor: 1,
      minIsr: 1,
      minIsrLeast: 1,
      durability: "group-commit",
      retentionBytes: -1,
    },
  ],
};

const LEFT: readonly (readonly [what: string, leave: (world: NodeWorld) => void, told: RegExp])[] = [
  ["a timer", ({ timers }) => timers.after(1_000, () => "late"), /and timers go on: .*late/u],
  ["an open file", ({ disk }) => disk.open("/data/left-open", "create"), /and 1 files are open/u],
];

describe("a simulated broker that has stopped", () => {
  for (const [what, leave, told] of LEFT)
    it(`fails the run when it leaves ${what} behind (BO3)`, async () => {
      const parts = {
        makeNode: leaving(leave),
        makeProducerCore: createProducerCore,
        makeReaderCore: createReaderCore,
      };
      const { failure } = await runCluster(1, parts, { ...ALONE, chaosMs: 100, faults: {}, changes: {} });
      expect(failure?.invariant).to.equal("BO3");
      expect(failure?.message)
        .to.match(/^broker 1 has stopped/u)
        .and.to.match(told);
    });
});
