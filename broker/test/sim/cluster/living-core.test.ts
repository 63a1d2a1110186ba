/** Which partitions a majority owes a leader while the others are dead: those that 9(1) and 9(3) find one for, by what was decided last. */
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
  return !coreOf(living, durability).isLed;
}

function coreOf(living: readonly object[], durability: Topic["durability"] = "group-commit"): LivingCore {
  const topic: Topic = {
    name: "t",
    partitions: 1,
    replicationFactor: 3,
    minIsr: 1,
    minIsrLeast: 1,
    durability,
    retentionBytes: -1,
  };
  return new LivingCore(living as unknown as readonly ClusterBroker[], [topic]);
}

interface Told {
  readonly metadataOffset: number;
  readonly isr: readonly number[];
  readonly leaderId: number;
  readonly leaderEpoch: number;
  readonly fenced?: readonly number[];
}

interface Metadata {
  readonly role?: "leader" | "follower";
  readonly lastIndex?: number;
}

/** Of brokers 1 to 3; it leads in that epoch, as it believes. */
function living(nodeId: number, told: Told, ledEpoch: number | null, metadata: Metadata = {}): object {
  const { metadataOffset, fenced = [], isr, leaderId, leaderEpoch } = told;
  const { role = "follower", lastIndex = metadataOffset } = metadata;
  const partition = { partition: 0, replicas: [1, 2, 3], isr, elr: [], lastIsr: [], leaderId, leaderEpoch };
  const brokers = [1, 2, 3].map((brokerId) => ({ brokerId, isFenced: fenced.includes(brokerId) }));
  const image = {
    metadataOffset,
    brokers: new Map(brokers.map((broker) => [broker.brokerId, broker])),
    topics: new Map([["t", { topicId: "T", partitions: [partition] }]]),
  };
  const led = ledEpoch === null ? undefined : { leaderEpoch: ledEpoch, effectiveMinIsr: 1, isDamaged: false };
  const context = {
    image: () => image,
    quorum: () => ({ role, appliedIndex: metadataOffset, lastIndex }),
    replicas: { find: () => led, log: () => undefined },
  };
  return { nodeId, context };
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

  describe("what was decided last", () => {
    const old: Told = { metadataOffset: 24, isr: [2, 3], leaderId: 2, leaderEpoch: 0 };
    const given: Told = { metadataOffset: 32, isr: [3], leaderId: 3, leaderEpoch: 1 };
    const whole: Told = { metadataOffset: 34, isr: [1, 2], leaderId: 2, leaderEpoch: 1, fenced: [3] };

    it("is no writing to a leader that was replaced by one that is dead, and has not heard of it", () => {
      expect(coreOf([living(1, old, null), living(2, old, 0)]).writable(), "nobody has").to.deep.equal(["t-0"]);
      expect(coreOf([living(1, given, null), living(2, old, 0)]).writable()).to.deep.equal([]);
    });

    it("is a leader in the epoch that was decided", () => {
      const late = coreOf([living(1, whole, null), living(2, old, 0)]);
      expect(late.isLed).to.equal(false);
      expect(late.writable()).to.deep.equal([]);
      const now = coreOf([living(1, whole, null), living(2, whole, 1)]);
      expect(now.isLed).to.equal(true);
      expect(now.writable()).to.deep.equal(["t-0"]);
    });

    it("is known when one of the living decides, on all that was decided, and has fenced the dead", () => {
      const follower = living(2, old, 0);
      const leader = { role: "leader" } as const;
      expect(coreOf([living(1, whole, null), follower]).knowsTheDead, "nobody decides").to.equal(false);
      expect(coreOf([living(1, given, null, leader), follower]).knowsTheDead, "the dead may be chosen").to.equal(false);
      expect(coreOf([living(1, whole, null, { ...leader, lastIndex: 35 }), follower]).knowsTheDead).to.equal(false);
      const replaced = living(2, { ...old, fenced: [3] }, 0, leader);
      expect(coreOf([living(1, whole, null), replaced]).knowsTheDead, "who decided before").to.equal(false);
      expect(coreOf([living(1, whole, null, leader), follower]).knowsTheDead).to.equal(true);
    });
  });
});
