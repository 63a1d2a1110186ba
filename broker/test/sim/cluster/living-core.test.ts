/** Which partitions a majority owes a leader while the others are dead: those that 9(1) and 9(3) find one for. */
import { expect } from "chai";
import type { ClusterImage } from "../../../src/metadata/index.ts";
import type { ClusterOptions } from "../../../src/sim/index.ts";
import type { ClusterBroker } from "../../../src/sim/cluster/cluster-broker.ts";
import { LivingCore } from "../../../src/sim/cluster/living-core.ts";

type Topic = ClusterOptions["topics"][number];

interface Lists {
  readonly isr?: readonly number[];
  readonly elr?: readonly number[];
  readonly lastIsr?: readonly number[];
}

interface Doctored {
  /** Brokers whose logs are bad; told: the controller knows. */
  readonly bad?: readonly number[];
  readonly toldBad?: readonly number[];
  /** Brokers that came back on another disk than the one that was in the last ISR. */
  readonly emptied?: readonly number[];
}

const DURABILITIES = ["page-cache", "group-commit", "fsync-each"] as const;

/** Brokers 1 to 3 live, 4 and 5 are dead; nobody leads. */
function isOwed(durability: Topic["durability"], lists: Lists, doctored: Doctored = {}): boolean {
  const { isr = [], elr = [], lastIsr = [] } = lists;
  const { bad = [], toldBad = [], emptied = [] } = doctored;
  const partition = {
    partition: 0,
    replicas: [3, 4, 5],
    isr,
    elr,
    lastIsr: lastIsr.map((brokerId) => ({ brokerId, directoryId: `disk ${brokerId}` })),
    leaderId: -1,
  };
  const brokers = [1, 2, 3, 4, 5].map((brokerId) => ({
    brokerId,
    directoryId: emptied.includes(brokerId) ? "a new disk" : `disk ${brokerId}`,
    damaged: toldBad.includes(brokerId) ? [{ topicId: "T", partitions: [0] }] : [],
  }));
  const image = {
    metadataOffset: 7,
    brokers: new Map(brokers.map((broker) => [broker.brokerId, broker])),
    topics: new Map([["t", { topicId: "T", partitions: [partition] }]]),
  } as unknown as ClusterImage;
  const living = [1, 2, 3].map((nodeId) => ({
    nodeId,
    context: {
      image: () => image,
      replicas: { find: () => undefined, log: () => ({ isDamaged: bad.includes(nodeId) }) },
    },
  }));
  const topic: Topic = {
    name: "t",
    partitions: 1,
    replicationFactor: 3,
    minIsr: 1,
    minIsrLeast: 1,
    durability,
    retentionBytes: -1,
  };
  return !new LivingCore(living as unknown as readonly ClusterBroker[], [topic]).isLed;
}

describe("what the living core of a simulated cluster owes", () => {
  for (const durability of DURABILITIES)
    describe(durability, () => {
      const owed = (lists: Lists, doctored?: Doctored): boolean => isOwed(durability, lists, doctored);

      it("is a leader where one of the ISR or ELR lives, whoever of them is dead", () => {
        expect(owed({ isr: [3], lastIsr: [3] })).to.equal(true);
        expect(owed({ isr: [3, 4], lastIsr: [3, 4] })).to.equal(true);
        expect(owed({ elr: [3, 4], lastIsr: [3, 4] })).to.equal(true);
      });

      it("is none where all who may lead are dead, however much the living hold", () => {
        expect(owed({ lastIsr: [4] }), "the last of the ISR came back without its tail, and died").to.equal(false);
        expect(owed({ isr: [4], lastIsr: [4] })).to.equal(false);
        expect(owed({ elr: [4], lastIsr: [4, 5] })).to.equal(false);
      });

      it("is one out of the last ISR where nobody is known to have everything, though others of it are dead", () => {
        expect(owed({ lastIsr: [3] })).to.equal(true);
        expect(owed({ lastIsr: [3, 4, 5] })).to.equal(true);
      });

      it("is none of a disk that was emptied, nor of bad bytes", () => {
        expect(owed({ lastIsr: [3, 4] }, { emptied: [3] })).to.equal(false);
        expect(owed({ lastIsr: [3, 4] }, { bad: [3] })).to.equal(false);
        expect(owed({ lastIsr: [3, 4] }, { toldBad: [3] })).to.equal(false);
      });

      it("waits for a dead member of the ELR in page-cache mode alone", () => {
        expect(owed({ elr: [4], lastIsr: [3, 4] })).to.equal(durability !== "page-cache");
      });
    });
});
