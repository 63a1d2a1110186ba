import { expect } from "chai";
import { alterReassignments, isUsable } from "../../src/metadata/index.ts";
import { SeededRandom } from "../../src/base/index.ts";
import { ClusterBench } from "./cluster-bench.ts";
import { testConfig } from "./fixtures.ts";

describe("alterReassignments (13(6), KIP-455)", () => {
  it("adds the target beside what is there, and is over when every target is in sync: one record, a new leader epoch", () => {
    const bench = new ClusterBench(5);
    bench.create("t", [[1, 2, 3]]);
    expect(bench.reassign("t", 0, [3, 4, 5])).to.equal("NONE");
    expect(bench.placed()).to.equal("3,4,5,1,2 +4,5 -1,2");
    expect(bench.state(), "who leads and who is in sync stays").to.equal("1 [3,1,2] / [] / [3,1,2]");
    expect(bench.partition().leaderEpoch).to.equal(0);
    expect(bench.alter([1, 2, 3, 4])).to.equal("NONE");
    expect(bench.placed()).to.equal("3,4,5,1,2 +4,5 -1,2");
    expect(bench.alter([1, 2, 3, 4, 5]), "the leader is no target: another one is chosen").to.equal(
      "NEW_LEADER_ELECTED",
    );
    expect(bench.records).to.have.length(1);
    expect(bench.placed()).to.equal("3,4,5 + -");
    expect(bench.state()).to.equal("3 [3,4,5] / [] / [3,4,5]");
    expect(bench.partition().leaderEpoch).to.equal(1);
  });

  it("keeps the leader where it is a target, in a new epoch that fences who was removed (7(8))", () => {
    const bench = new ClusterBench(4);
    bench.create("t", [[1, 2, 3]]);
    bench.reassign("t", 0, [2, 1, 4]);
    expect(bench.alter([1, 2, 3, 4])).to.equal("NONE");
    expect(bench.state()).to.equal("1 [2,1,4] / [] / [2,1,4]");
    expect(bench.partition().leaderEpoch).to.equal(1);
  });

  it("is over at once where nothing is to be copied: fewer replicas, another order, more leaders' preference", () => {
    const bench = new ClusterBench(3);
    bench.create("t", [[1, 2, 3]]);
    bench.reassign("t", 0, [3, 2, 1]);
    expect([bench.placed(), bench.state(), bench.partition().leaderEpoch]).to.deep.equal([
      "3,2,1 + -",
      "1 [3,2,1] / [] / [3,2,1]",
      0,
    ]);
    bench.reassign("t", 0, [2]);
    expect([bench.placed(), bench.state(), bench.partition().leaderEpoch]).to.deep.equal([
      "2 + -",
      "2 [2] / [] / [2]",
      1,
    ]);
    bench.reassign("t", 0, [2]);
    expect(bench.records, "nothing changes").to.deep.equal([]);
  });

  it("waits for a target that has the replica and is away", () => {
    const bench = new ClusterBench(4);
    bench.create("t", [[1, 2, 3]]);
    bench.fence(3);
    expect(bench.reassign("t", 0, [2, 3])).to.equal("NONE");
    expect(bench.placed()).to.equal("2,3,1 + -1");
    bench.beat(3);
    bench.alter([1, 2, 3]);
    expect(bench.placed()).to.equal("2,3 + -");
  });

  it("does not raise the effective min ISR before it is over, nor lower it", () => {
    const bench = new ClusterBench(3);
    bench.create("t", [[1]], { "min.insync.replicas": "2" });
    bench.reassign("t", 0, [2, 3]);
    expect(bench.state(), "producers go on").to.equal("1 [1] / [] / [1]");
    bench.alter([1, 2]);
    bench.fence(2);
    expect(bench.state()).to.equal("1 [1] / [] / [1]");
  });

  it("is replaced by another target; the way back stays the one that it was", () => {
    const bench = new ClusterBench(5);
    bench.create("t", [[1, 2]]);
    bench.reassign("t", 0, [3, 4]);
    expect(bench.reassign("t", 0, [2, 5])).to.equal("NONE");
    expect(bench.placed(), "3 and 4 have nothing yet").to.equal("2,5,1 +5 -1");
    expect(bench.partition().leaderEpoch, "they may have asked already").to.equal(1);
    bench.reassign("t", 0, null);
    expect(bench.placed(), "the order is the newest").to.equal("2,1 + -");
  });

  it("keeps what an older target has committed until the end, or the way back", () => {
    const bench = new ClusterBench(5);
    bench.create("t", [[1, 2]]);
    bench.reassign("t", 0, [3, 4]);
    bench.alter([1, 2, 3]);
    bench.reassign("t", 0, [2, 5]);
    expect(bench.placed()).to.equal("2,5,3,1 +5,3 -3,1");
    const other = bench.image;
    bench.reassign("t", 0, null);
    expect([bench.placed(), bench.state()]).to.deep.equal(["2,1 + -", "1 [2,1] / [] / [2,1]"]);
    bench.image = other;
    bench.alter([1, 2, 3, 5]);
    expect([bench.placed(), bench.state()]).to.deep.equal(["2,5 + -", "2 [2,5] / [] / [2,5]"]);
  });

  it("goes back, and the leader with it", () => {
    const bench = new ClusterBench(4);
    bench.create("t", [[1, 2, 3]]);
    bench.reassign("t", 0, [4, 2, 3]);
    bench.fence(3);
    bench.alter([1, 2, 4]);
    bench.fence(1);
    bench.fence(2);
    expect(bench.state()).to.equal("4 [4] / [2] / [2,4]");
    expect(bench.reassign("t", 0, null)).to.equal(
      "INVALID_REPLICA_ASSIGNMENT: t-0 cannot go back to [2, 3, 1]: of these [] are in sync, and min.insync.replicas asks for 2; " +
        "bring them back first, or let it go on",
    );
    bench.beat(1);
    bench.beat(2);
    bench.alter([4, 1, 2]);
    expect(bench.reassign("t", 0, null)).to.equal("NONE");
    expect([bench.placed(), bench.state()]).to.deep.equal(["2,3,1 + -", "2 [2,1] / [] / [2,1]"]);
    expect(bench.reassign("t", 0, null)).to.equal("NO_REASSIGNMENT_IN_PROGRESS: t-0 is not being reassigned");
  });

  it("goes back without any replica in sync where those that were added have nothing", () => {
    const bench = new ClusterBench(4);
    bench.create("t", [[1, 2]]);
    bench.reassign("t", 0, [3, 4]);
    bench.fence(1);
    bench.fence(2);
    expect(bench.reassign("t", 0, null)).to.equal("NONE");
    bench.beat(2);
    expect([bench.placed(), bench.state()]).to.deep.equal(["1,2 + -", "2 [2] / [] / [2]"]);
  });

  it("refuses targets that cannot be", () => {
    const bench = new ClusterBench(5);
    bench.create("t", [[1, 2]]);
    bench.fence(3);
    bench.drain(4);
    bench.beat(5, { isFull: true });
    const refused = (target: readonly number[]): string => bench.reassign("t", 0, target);
    expect(refused([])).to.equal("INVALID_REPLICA_ASSIGNMENT: t-0 has no replica");
    expect(refused([1, 1])).to.equal("INVALID_REPLICA_ASSIGNMENT: t-0 [1, 1] names a broker twice");
    expect(refused([1, 9])).to.equal("INVALID_REPLICA_ASSIGNMENT: t-0 [1, 9]: there is no broker 9");
    expect(refused([1, 3])).to.contain("broker 3 is fenced");
    expect(refused([1, 4])).to.equal("INVALID_REPLICA_ASSIGNMENT: t-0 [1, 4]: broker 4 is being drained");
    expect(refused([1, 5])).to.contain("the disk of broker 5 is full");
    expect(bench.reassign("t", 7, [1])).to.equal("UNKNOWN_TOPIC_OR_PARTITION: there is no partition 7 of topic t");
    expect(bench.reassign("u", 0, [1])).to.contain("UNKNOWN_TOPIC_OR_PARTITION");
    const twice = { topic: "t", partition: 0, replicas: [2] };
    const { response } = alterReassignments(bench.image, [twice, twice], { config: testConfig() });
    expect(response.map(({ error }) => error)).to.deep.equal(["NONE", "INVALID_REQUEST"]);
  });

  it("is not over while its leader recovers, and is with the word that it has", () => {
    const bench = new ClusterBench(2);
    bench.create("t", [[1]]);
    bench.reassign("t", 0, [2]);
    bench.fence(1);
    bench.decide({
      records: [
        {
          type: "leadersChosen",
          leaderId: 2,
          choice: "unclean",
          partitions: [{ topicId: bench.topicId(), partitions: [0] }],
        },
      ],
      response: null,
    });
    expect([bench.placed(), bench.state()]).to.deep.equal(["2,1 +2 -1", "2 [2] / [] / [2]"]);
    bench.alter([2]);
    expect([bench.placed(), bench.state()]).to.deep.equal(["2 + -", "2 [2] / [] / [2]"]);
  });

  it("knows the damage of a replica that is gone until it is in sync again: its log may be there still", () => {
    const bench = new ClusterBench(4);
    bench.create("t", [[1, 2, 3]]);
    const damaged = [{ topicId: bench.topicId(), partitions: [0] }];
    bench.decide({ records: [{ type: "replicasDamaged", brokerId: 3, damaged }], response: null });
    expect(bench.image.brokers.get(3)?.damaged).to.deep.equal(damaged);
    bench.reassign("t", 0, [1, 2, 4]);
    bench.alter([1, 2, 4]);
    expect(bench.image.brokers.get(3)?.damaged).to.deep.equal(damaged);
    bench.reassign("t", 0, [1, 2, 3, 4]);
    expect(bench.image.brokers.get(3)?.damaged).to.deep.equal(damaged);
    bench.alter([1, 2, 3, 4]);
    expect(bench.image.brokers.get(3)?.damaged).to.deep.equal([]);
  });

  it("keeps what holds of every image through anything that happens beside it", () => {
    for (let seed = 1; seed <= 20; seed++) runRandomly(seed);
  });
});

/** 5 brokers, 3 partitions, 150 steps; ClusterBench checks each image. */
function runRandomly(seed: number): void {
  const random = new SeededRandom(seed);
  const bench = new ClusterBench(5);
  const minIsr = random.pick(["1", "2", "3"]);
  const overrides = { "min.insync.replicas": minIsr };
  bench.create(
    "t",
    [
      [1, 2, 3],
      [4, 5, 1],
      [3, 2, 5],
    ],
    overrides,
  );
  const anyBroker = (): number => random.between(1, 5);
  const subset = (): number[] => [1, 2, 3, 4, 5].filter(() => random.chance(0.5)).sort(() => random.float() - 0.5);
  for (let step = 0; step < 150; step++) {
    const number = random.between(0, 2);
    const what = random.between(0, 11);
    if (what <= 2) bench.reassign("t", number, subset());
    else if (what === 3) bench.reassign("t", number, null);
    else if (what === 4) bench.fence(anyBroker());
    else if (what === 5) bench.drain(anyBroker(), random.chance(0.5));
    else if (what === 6) bench.restart(anyBroker(), random.pick(["clean", "unclean", "emptied"]));
    else if (what === 7) for (let id = 1; id <= 5; id++) bench.beat(id, { isFull: random.chance(0.1) });
    else proposeAny(bench, number, random);
  }
}

function proposeAny(bench: ClusterBench, number: number, random: SeededRandom): void {
  const { leaderId, replicas, isr, isRecovering, leaderEpoch, partitionEpoch } = bench.partition(number);
  if (leaderId === -1) return;
  const may = (id: number): boolean =>
    isUsable(bench.image.brokers.get(id)) && (isr.includes(id) || !bench.image.brokers.get(id)?.isFull);
  const wanted = isRecovering
    ? [leaderId]
    : replicas.filter((id) => id === leaderId || (may(id) && (random.chance(0.6) || isr.includes(id))));
  const error = bench.alter(wanted, { partition: number, leaderEpoch, partitionEpoch }, leaderId);
  expect(["NONE", "NEW_LEADER_ELECTED"]).to.include(error);
}
