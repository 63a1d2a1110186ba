import { expect } from "chai";
import { balanceLeaders, createTopics, electLeaders } from "../../src/metadata/index.ts";
import { ClusterBench } from "./cluster-bench.ts";
import { inForce, seededBytes, spec, testConfig } from "./fixtures.ts";

const context = { ...inForce(testConfig()), random: seededBytes(7), ifAbsent: false };

describe("drainBrokers", () => {
  it("lets others lead at once, and never again while it lasts, where another one in sync may", () => {
    const bench = new ClusterBench(3);
    bench.create("t", [[1, 2, 3]]);
    bench.create("u", [[1]]);
    expect(bench.drain(1)).to.equal("NONE");
    expect(bench.partition(0).leaderId).to.equal(2);
    expect(bench.partition(0, "u").leaderId, "nobody else has it").to.equal(1);
    expect(bench.partition(0).isr, "it stays in sync").to.deep.equal([1, 2, 3]);
    bench.fence(2);
    expect(bench.partition(0).leaderId).to.equal(3);
    bench.fence(3);
    expect(bench.partition(0).leaderId, "before nobody leads").to.equal(1);
    bench.beat(3);
    expect(bench.alter([1, 3]), "who comes back leads in its place").to.equal("NEW_LEADER_ELECTED");
    expect(bench.partition(0).leaderId).to.equal(3);
  });

  it("keeps preferred leadership from it", () => {
    const bench = new ClusterBench(3);
    bench.create("t", [[1, 2, 3]]);
    bench.drain(1);
    expect(balanceLeaders(bench.image, 0).records).to.deep.equal([]);
    const elected = electLeaders(bench.image, "preferred", [{ topic: "t", partition: 0 }]);
    expect(elected.response[0]?.error).to.equal("PREFERRED_LEADER_NOT_AVAILABLE");
    bench.drain(1, false);
    expect(electLeaders(bench.image, "preferred", null).response[0]?.error).to.equal("NONE");
  });

  it("places nothing there, by itself or by hand", () => {
    const bench = new ClusterBench(4);
    bench.drain(2);
    const made = createTopics(bench.image, [spec("t", { partitions: 12, replicationFactor: 3 })], context);
    expect(made.response[0]?.topic?.partitions.flatMap(({ replicas }) => replicas)).not.to.include(2);
    const tooMany = createTopics(bench.image, [spec("t", { partitions: 1, replicationFactor: 4 })], context);
    expect(tooMany.response[0]?.message).to.equal(
      "replication factor 4 needs 4 brokers; there are 3 (being drained: 2)",
    );
    const byHand = createTopics(bench.image, [spec("t", { assignment: [[1, 2]] })], context);
    expect(byHand.response[0]?.error).to.equal("INVALID_REPLICA_ASSIGNMENT");
    expect(byHand.response[0]?.message).to.contain("broker 2 is being drained");
  });

  it("survives its restarts, and is told twice without a record", () => {
    const bench = new ClusterBench(2);
    bench.drain(2);
    bench.restart(2, "emptied");
    expect(bench.image.brokers.get(2)?.isDraining).to.equal(true);
    bench.drain(2);
    expect(bench.records).to.deep.equal([]);
    expect(bench.drain(9)).to.equal("BROKER_ID_NOT_REGISTERED");
  });
});

describe("unregisterBroker", () => {
  it("forgets a broker that is fenced and has no replicas, and no other", () => {
    const bench = new ClusterBench(3);
    bench.create("t", [[1, 3]]);
    bench.create("u", [[1]]);
    expect(bench.unregister(2)).to.equal("POLICY_VIOLATION: broker 2 is alive: stop it first");
    bench.fence(3);
    expect(bench.unregister(3)).to.equal("POLICY_VIOLATION: broker 3 has 1 replicas (t-0): move them to others first");
    bench.reassign("t", 0, [1]);
    expect(bench.unregister(3, true)).to.contain("votes on the cluster's metadata");
    expect(bench.unregister(3)).to.equal("NONE");
    expect([...bench.image.brokers.keys()]).to.deep.equal([1, 2]);
    expect(bench.unregister(3)).to.contain("BROKER_ID_NOT_REGISTERED");
    bench.restart(3);
    expect(bench.image.brokers.get(3)?.isDraining, "a new one, should it come back").to.equal(false);
  });
});
