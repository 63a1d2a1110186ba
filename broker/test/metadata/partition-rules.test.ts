/** ISR, ELR, last ISR and leaders of one partition (semantics 7(6), 9), against the model and by name. */
import { expect } from "chai";
import fc from "fast-check";
import {
  alterConfigs,
  alterPartitions,
  type ClusterImage,
  ChosenLeaders,
  decodeImage,
  electLeaders,
  encodeImage,
  encodeRecords,
  type LogEnd,
  longestLog,
  needsInquiry,
  reportDamage,
  whomToAsk,
} from "../../src/metadata/index.ts";
import { ClusterBench } from "./cluster-bench.ts";
import { testConfig } from "./fixtures.ts";
import { PartitionOracle } from "./partition-oracle.ts";

const synced = { "tidemark.durability": "group-commit" };
const config = testConfig();

function three(overrides: Record<string, string> = synced): ClusterBench {
  const bench = new ClusterBench();
  bench.create("t", [[1, 2, 3]], overrides);
  return bench;
}

function setMin(bench: ClusterBench, value: string, owner: "topic" | "cluster" = "topic"): void {
  const resource = owner === "topic" ? { type: "topic" as const, name: "t" } : { type: "cluster" as const };
  const changes = [{ name: "min.insync.replicas", operation: "set" as const, value }];
  const [result] = bench.decide(alterConfigs(bench.image, [{ resource, changes }], config));
  expect(result?.message).to.equal("");
}

function choose(bench: ClusterBench, brokerId: number, choice: "lastIsr" | "unclean"): void {
  const chosen = new ChosenLeaders();
  chosen.add(choice, brokerId, bench.topicId(), 0);
  bench.decide({ records: chosen.records, response: null });
}

function textOf(bench: ClusterBench): string {
  const { leaderId, isr, elr, lastIsr, leaderEpoch, partitionEpoch, uncleanEpoch } = bench.partition();
  const last = lastIsr.map(({ brokerId, directoryId }) => `${brokerId}:${directoryId}`);
  return `${leaderId} [${isr.join()}] [${elr.join()}] [${last.join()}] u${uncleanEpoch} e${leaderEpoch} p${partitionEpoch}`;
}

const brokerId = fc.integer({ min: 1, max: 3 });
const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("restart" as const),
      brokerId,
      how: fc.constantFrom("clean" as const, "unclean" as const, "emptied" as const),
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("unfence" as const), brokerId }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("fence" as const), brokerId }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("shutDown" as const), brokerId }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("alter" as const),
      members: fc.uniqueArray(brokerId, { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("min" as const), value: fc.integer({ min: 1, max: 3 }) }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("choose" as const), brokerId, isUnclean: fc.boolean() }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** Takes a step in both worlds, where it is lawful in the model. */
function take(bench: ClusterBench, oracle: PartitionOracle, each: Step): void {
  const { state } = oracle;
  switch (each.kind) {
    case "restart": {
      bench.restart(each.brokerId, each.how);
      const directory = bench.image.brokers.get(each.brokerId)?.directoryId ?? "";
      oracle.restart(each.brokerId, each.how === "clean", directory);
      return;
    }
    case "unfence": {
      bench.beat(each.brokerId);
      if (bench.image.brokers.get(each.brokerId)?.isShuttingDown === false && state.away.has(each.brokerId))
        oracle.unfence(each.brokerId);
      return;
    }
    case "fence": {
      const wasUsable = !state.away.has(each.brokerId);
      bench.fence(each.brokerId);
      if (wasUsable) oracle.leave(each.brokerId);
      return;
    }
    case "shutDown": {
      const isFenced = bench.image.brokers.get(each.brokerId)?.isFenced === true;
      bench.beat(each.brokerId, { wantShutDown: true, wantFence: isFenced });
      if (!state.away.has(each.brokerId)) oracle.leave(each.brokerId);
      return;
    }
    case "alter": {
      if (state.leader === -1) return;
      const isLawful = each.members.includes(state.leader) && each.members.every((id) => !state.away.has(id));
      expect(bench.alter(each.members) === "NONE").to.equal(isLawful);
      if (isLawful) oracle.alter(each.members);
      return;
    }
    case "min":
      setMin(bench, String(each.value));
      oracle.setMin(each.value);
      return;
    case "choose": {
      expect(needsInquiry(bench.image, bench.topicId(), 0)).to.equal(oracle.isOpen());
      const isCandidate = oracle.isOpen() && oracle.candidates().includes(each.brokerId);
      const isLawful = each.isUnclean ? state.leader === -1 : isCandidate;
      if (!isLawful || state.away.has(each.brokerId)) return;
      choose(bench, each.brokerId, each.isUnclean ? "unclean" : "lastIsr");
      oracle.choose(each.brokerId, each.isUnclean);
      return;
    }
  }
}

describe("the rules of a partition", () => {
  it("are those of the model, over random commands (property)", () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 40 }),
        fc.boolean(),
        fc.integer({ min: 1, max: 3 }),
        (steps, isSynced, minIsr) => {
          const bench = three({
            "tidemark.durability": isSynced ? "group-commit" : "page-cache",
            "min.insync.replicas": String(minIsr),
          });
          const directories = new Map(
            [...bench.image.brokers.values()].map((each) => [each.brokerId, each.directoryId]),
          );
          const oracle = new PartitionOracle(minIsr, isSynced, directories);
          const taken: string[] = [];
          for (const each of steps) {
            taken.push(`${oracle.text()} ${JSON.stringify(each)}`);
            take(bench, oracle, each);
            expect(textOf(bench), taken.slice(-5).join("\n")).to.equal(oracle.text());
          }
          // As a snapshot it comes back whole.
          const { image, topicsDeleted } = decodeImage(encodeImage({ image: bench.image, topicsDeleted: ["gone"] }));
          expect(image).to.deep.equal(bench.image);
          expect([...topicsDeleted]).to.deep.equal(["gone"]);
        },
      ),
      { numRuns: 500 },
    );
  });

  it("P79: in a synced mode the last ISR replaces an ELR that does not return, and clears it", () => {
    const bench = three();
    for (const id of [3, 2, 1]) bench.fence(id);
    bench.restart(1, "unclean");
    bench.beat(1);
    expect(bench.state()).to.equal("-1 [] / [2] / [1,2]");
    expect(needsInquiry(bench.image, bench.topicId(), 0)).to.equal(true);
    choose(bench, 1, "lastIsr");
    expect(bench.state()).to.equal("1 [1] / [] / [1,2]");
    expect(bench.partition()).to.deep.include({ isRecovering: true, uncleanEpoch: bench.partition().leaderEpoch });
  });

  it("P38: a lowered min ISR lets no ELR member be chosen cleanly any more", () => {
    const bench = three();
    expect(bench.alter([1, 2])).to.equal("NONE");
    expect(bench.alter([1])).to.equal("NONE");
    expect(bench.state()).to.equal("1 [1] / [2] / [1,2]");
    setMin(bench, "1");
    expect(bench.state(), "from here on 1 alone moves the watermark").to.equal("1 [1] / [] / [1]");
    bench.fence(1);
    expect(bench.state()).to.equal("-1 [] / [1] / [1]");
  });

  it("P39: a raised min ISR counts for the shrink that is decided next", () => {
    const bench = three({ ...synced, "min.insync.replicas": "1" });
    expect(bench.alter([1, 2])).to.equal("NONE");
    const stale = bench.proposal([1]);
    setMin(bench, "2");
    expect(bench.alter([1], stale), "of before the raise").to.equal("INVALID_UPDATE_VERSION");
    expect(bench.alter([1])).to.equal("NONE");
    expect(bench.state()).to.equal("1 [1] / [2] / [1,2]");
  });

  it("works out ELR and last ISR again where the cluster's min ISR changes, and only there", () => {
    const bench = three();
    bench.create("own", [[1, 2, 3]], { ...synced, "min.insync.replicas": "2" });
    expect(bench.alter([1, 2])).to.equal("NONE");
    expect(bench.alter([1])).to.equal("NONE");
    const before = bench.partition(0, "own");
    setMin(bench, "1", "cluster");
    expect(bench.state()).to.equal("1 [1] / [] / [1]");
    expect(bench.partition(0, "own")).to.equal(before);
    expect(bench.records).to.have.length(1);
  });

  it("follows the controller's file where nothing is set (9(5))", () => {
    const bench = three();
    expect(bench.alter([1, 2])).to.equal("NONE");
    const started = (minIsrDefault: number | null) =>
      bench.decide({
        records: [{ type: "termStarted", term: 9, controllerId: 1, minIsrDefault }],
        response: null,
      });
    const { partitionEpoch } = bench.partition();
    started(3);
    expect(bench.state()).to.equal("1 [1,2] / [] / [1,2]");
    expect(bench.alter([1])).to.equal("NONE");
    expect(bench.state()).to.equal("1 [1] / [2] / [1,2]");
    started(null);
    expect(bench.partition().partitionEpoch).to.equal(partitionEpoch + 3);
  });
});

describe("AlterPartition (7(6))", () => {
  it("checks in the written order, each with its code", () => {
    const bench = three();
    bench.fence(3);
    const { leaderEpoch, partitionEpoch } = bench.partition();
    const verdict = (isr: number[], over: Parameters<ClusterBench["proposal"]>[1] = {}, senderId = 1): string => {
      const error = bench.alter(isr, over, senderId);
      expect(bench.records).to.deep.equal([]);
      return error;
    };
    const stale = bench.epochOf(1);
    bench.restart(1);
    bench.beat(1);
    expect(bench.partition()).to.deep.include({ leaderId: 2, isr: [2], leaderEpoch: leaderEpoch + 1 });
    const now = bench.partition();
    expect(verdict([1, 2], { isr: [{ brokerId: 1, brokerEpoch: stale }] }, 1), "a follower asks").to.equal(
      "INVALID_REQUEST",
    );
    expect(verdict([2], { leaderEpoch: now.leaderEpoch + 1 }, 2)).to.equal("NOT_CONTROLLER");
    expect(verdict([2], { partitionEpoch: now.partitionEpoch + 1, leaderEpoch }, 2)).to.equal("NOT_CONTROLLER");
    expect(verdict([2], { leaderEpoch, partitionEpoch }, 1)).to.equal("FENCED_LEADER_EPOCH");
    expect(verdict([2], { partitionEpoch }, 1), "not the leader").to.equal("INVALID_REQUEST");
    expect(verdict([2], { partitionEpoch }, 2)).to.equal("INVALID_UPDATE_VERSION");
    expect(verdict([2, 9], {}, 2)).to.equal("INVALID_REQUEST");
    expect(verdict([2, 2], {}, 2)).to.equal("INVALID_REQUEST");
    expect(verdict([1], {}, 2)).to.equal("INVALID_REQUEST");
    expect(verdict([2, 3], {}, 2), "fenced").to.equal("INELIGIBLE_REPLICA");
    const oldIncarnation = [2, 1].map((id) => ({ brokerId: id, brokerEpoch: id === 1 ? stale : bench.epochOf(id) }));
    expect(verdict([2, 1], { isr: oldIncarnation }, 2), "another life (P05)").to.equal("INELIGIBLE_REPLICA");
    expect(verdict([2], { topicId: "nobody's" }, 2)).to.equal("UNKNOWN_TOPIC_ID");
    expect(bench.alter([2, 1]), "and then it joins").to.equal("NONE");
  });

  it("makes one record of all proposals that come to the same ISR", () => {
    const bench = new ClusterBench();
    bench.create("t", Array<number[]>(1000).fill([1, 3, 2]), synced);
    const proposals = [...Array(1000).keys()].map((partition) => ({
      ...bench.proposal(partition % 2 === 0 ? [1, 2] : [3, 1, 2]),
      partition,
    }));
    const request = { brokerId: 1, brokerEpoch: bench.epochOf(1), partitions: proposals };
    const verdicts = bench.decide(alterPartitions(bench.image, request));
    expect(verdicts.every(({ error }) => error === "NONE")).to.equal(true);
    expect(bench.records.map((record) => record.type === "isrsChanged" && record.isr)).to.deep.equal([
      [1, 2],
      [1, 2, 3],
    ]);
    expect(encodeRecords(bench.records).byteLength).to.be.below(5_000);
    for (const number of [0, 1, 998, 999]) {
      const { isr, lastIsr, partitionEpoch, leaderEpoch, leaderId } = bench.partition(number);
      expect(isr, "in assignment order").to.deep.equal(number % 2 === 0 ? [1, 2] : [1, 3, 2]);
      expect(lastIsr.map((member) => member.brokerId)).to.deep.equal(isr);
      expect([partitionEpoch, leaderEpoch, leaderId], "also where it is the one that was").to.deep.equal([1, 0, 1]);
    }
  });

  it("answers a sender of an older epoch 77 for all that it proposes", () => {
    const bench = three();
    const brokerEpoch = bench.epochOf(1);
    bench.restart(1);
    const late = { brokerId: 1, brokerEpoch, partitions: [bench.proposal([1, 2])] };
    expect(bench.decide(alterPartitions(bench.image, late))[0]?.error).to.equal("STALE_BROKER_EPOCH");
  });

  it("raises the partition epoch, also for the ISR that is, and never the leader epoch (7(7), 7(8))", () => {
    const bench = three();
    for (const isr of [
      [1, 2],
      [1, 2],
      [1, 2, 3],
    ]) {
      const before = bench.partition();
      expect(bench.alter(isr)).to.equal("NONE");
      expect(bench.partition()).to.deep.include({
        isr,
        leaderEpoch: before.leaderEpoch,
        partitionEpoch: before.partitionEpoch + 1,
      });
    }
  });

  it("lets a leader that recovers be alone, and recover once", () => {
    const bench = three();
    for (const id of [3, 2, 1]) bench.fence(id);
    bench.restart(1, "unclean");
    bench.restart(2, "unclean");
    bench.beat(2);
    choose(bench, 2, "lastIsr");
    bench.beat(1);
    expect(bench.partition()).to.deep.include({ leaderId: 2, isRecovering: true, isr: [2] });
    expect(bench.alter([1, 2], { isRecovering: true })).to.equal("INVALID_REQUEST");
    expect(bench.alter([2], { isRecovering: true })).to.equal("NONE");
    expect(bench.alter([1, 2]), "the first proposal says that it has").to.equal("NONE");
    expect(bench.partition()).to.deep.include({ isRecovering: false, isr: [1, 2] });
    expect(bench.alter([2], { isRecovering: true }), "never back").to.equal("INVALID_REQUEST");
  });
});

describe("the longest log (9(3))", () => {
  const open = (): ClusterBench => {
    const bench = three({ ...synced, "min.insync.replicas": "3" });
    for (const id of [1, 2, 3]) bench.fence(id);
    for (const id of [1, 2, 3]) bench.restart(id, "unclean");
    return bench;
  };
  const answer = (
    bench: ClusterBench,
    brokerId: number,
    latestEpoch: number,
    logEndOffset: number,
  ): [number, LogEnd] => {
    const { brokerEpoch = -1, directoryId = "" } = bench.image.brokers.get(brokerId) ?? {};
    return [brokerId, { brokerEpoch, directoryId, latestEpoch, logEndOffset, isDamaged: false }];
  };
  const found = (
    image: ClusterImage,
    answers: [number, LogEnd][],
    isLate = false,
    kind: "lastIsr" | "unclean" = "lastIsr",
  ) => {
    const { topicId = "", partitions: [partition] = [] } = image.topics.get("t") ?? {};
    return partition === undefined ? null : longestLog(image, topicId, partition, new Map(answers), { kind, isLate });
  };

  it("is waited for until all have answered, and then for its broker (P78)", () => {
    const bench = open();
    const [one, two, three] = [answer(bench, 1, 4, 9), answer(bench, 2, 5, 1), answer(bench, 3, 5, 7)];
    for (const id of [1, 2]) bench.beat(id);
    expect(whomToAsk(bench.image, bench.partition(), "lastIsr")).to.deep.equal([1, 2, 3]);
    expect(found(bench.image, [one, two])).to.equal(null);
    expect(found(bench.image, [one, two], true)).to.equal(2);
    expect(found(bench.image, [one, two, three]), "3 is fenced").to.equal(null);
    expect(found(bench.image, [one, two, three], true)).to.equal(2);
    bench.beat(3);
    expect(found(bench.image, [one, two, three])).to.equal(3);
  });

  it("of equals is the first in assignment order that may lead", () => {
    const bench = open();
    const answers = [1, 2, 3].map((id) => answer(bench, id, 5, 5));
    bench.beat(3);
    expect(found(bench.image, answers)).to.equal(3);
    bench.beat(2);
    expect(found(bench.image, answers)).to.equal(2);
  });

  it("of the last ISR is none that ends below what another one has deleted, which was committed (decision 0037)", () => {
    const bench = open();
    for (const id of [1, 2]) bench.beat(id);
    const from = (logStartOffset: number, [id, end]: [number, LogEnd]): [number, LogEnd] => [
      id,
      { ...end, logStartOffset },
    ];
    const [short, emptied] = [from(3, answer(bench, 1, 5, 5)), from(7, answer(bench, 2, -1, 7))];
    const long = from(0, answer(bench, 3, 4, 8));
    expect(found(bench.image, [short, emptied], true)).to.equal(2);
    expect(found(bench.image, [short, emptied, long]), "3 is fenced").to.equal(null);
    expect(found(bench.image, [short, emptied, long], true)).to.equal(2);
    expect(found(bench.image, [short, emptied], true, "unclean"), "it may be of a history that was given up").to.equal(
      1,
    );
    bench.beat(3);
    expect(found(bench.image, [short, emptied, long])).to.equal(3);
    const unsynced = from(7, answer(bench, 2, -1, 6));
    expect(found(bench.image, [short, unsynced], true), "what is deleted needs no sync").to.equal(2);
    expect(found(bench.image, [answer(bench, 1, 5, 5), answer(bench, 2, -1, 7)], true), "not told").to.equal(1);
  });

  it("nor one that ends below what a damaged one has deleted: the partition waits for an operator (15.7(4))", () => {
    const bench = open();
    for (const id of [1, 2, 3]) bench.beat(id);
    const [short, longer] = [answer(bench, 1, 5, 5), answer(bench, 3, 4, 8)];
    const [id, end] = answer(bench, 2, 4, 9);
    const damaged: [number, LogEnd] = [id, { ...end, logStartOffset: 7, isDamaged: true }];
    expect(found(bench.image, [short, damaged], true)).to.equal(null);
    expect(found(bench.image, [short, damaged, longer])).to.equal(3);
    expect(found(bench.image, [short, damaged, longer], true)).to.equal(3);
    expect(found(bench.image, [short, damaged], true, "unclean")).to.equal(1);
  });

  it("counts for the broker epoch that gave it alone (P77)", () => {
    const bench = open();
    const answers = [1, 2, 3].map((id) => answer(bench, id, 5, id));
    bench.restart(3, "unclean");
    for (const id of [1, 2, 3]) bench.beat(id);
    expect(found(bench.image, answers)).to.equal(null);
    expect(found(bench.image, answers, true)).to.equal(2);
  });

  it("is not that of a replica whose damage an earlier life reported, though this one has not found it again (15.7(3))", () => {
    const bench = three();
    bench.fence(2);
    const damaged = [{ topicId: bench.topicId(), partitions: [0] }];
    bench.decide(reportDamage(bench.image, { brokerId: 3, brokerEpoch: bench.epochOf(3), damaged }));
    for (const id of [1, 3]) bench.restart(id, "unclean");
    for (const id of [1, 3]) bench.beat(id);
    expect(bench.state()).to.equal("-1 [] / [] / [1,3]");
    const answers = [answer(bench, 1, 5, 6), answer(bench, 3, 5, 7)];
    expect(found(bench.image, answers)).to.equal(1);
    expect(found(bench.image, answers, true)).to.equal(1);
    expect(found(bench.image, answers, true, "unclean"), "it comes last").to.equal(1);
  });

  it("of the living, damaged ones last, where loss is allowed", () => {
    const bench = open();
    for (const id of [1, 2]) bench.beat(id);
    const [id, end] = answer(bench, 2, 9, 9);
    const damaged: [number, LogEnd] = [id, { ...end, isDamaged: true }];
    expect(found(bench.image, [answer(bench, 1, 1, 1), damaged], false, "unclean")).to.equal(1);
    expect(found(bench.image, [damaged], true, "unclean")).to.equal(2);
    expect(found(bench.image, [damaged], true), "never of the last ISR").to.equal(null);
    expect(electLeaders(bench.image, "unclean", [{ topic: "t", partition: 0 }]).response[0]?.error).to.equal("NONE");
  });
});
