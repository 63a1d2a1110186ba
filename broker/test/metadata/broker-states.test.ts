import { expect } from "chai";
import { createTopics, electLeaders, registerBroker, reportDamage } from "../../src/metadata/index.ts";
import { ClusterBench } from "./cluster-bench.ts";
import { clusterOf, inForce, registration, seededBytes, spec, testConfig } from "./fixtures.ts";

const synced = { "tidemark.durability": "group-commit" };

/** One partition on three brokers, min ISR 2. */
function three(overrides: Record<string, string> = synced): ClusterBench {
  const bench = new ClusterBench();
  bench.create("t", [[1, 2, 3]], overrides);
  return bench;
}

describe("registration (10.4(1))", () => {
  it("gives every incarnation a greater broker epoch, and keeps it for a repeated request", () => {
    const bench = new ClusterBench(2);
    const before = bench.epochOf(1);
    const first = bench.restart(1, "clean", { incarnationId: "a" });
    const again = bench.restart(1, "clean", { incarnationId: "a" });
    expect(again).to.deep.equal(first);
    expect(bench.records).to.deep.equal([]);
    expect(bench.epochOf(1)).to.be.greaterThan(before);
  });

  it("refuses directory ids that are missing or another's, and a broker of another cluster", () => {
    const bench = new ClusterBench(2);
    const error = (over: Parameters<typeof registration>[1]): unknown => {
      const response = bench.restart(1, "clean", over);
      expect(bench.records).to.deep.equal([]);
      return response.ok ? "NONE" : response.error;
    };
    expect(error({ directoryId: "" })).to.equal("INVALID_REGISTRATION");
    expect(error({ directoryId: "directory-2" })).to.equal("INVALID_REGISTRATION");
    const twice = { name: "GRPC", host: "127.0.0.1", port: 1 };
    expect(error({ listeners: [twice, twice] })).to.equal("INVALID_REGISTRATION");
    expect(error({ clusterId: "another" })).to.equal("INCONSISTENT_CLUSTER_ID");
  });

  it("lets another directory take a broker id only when nobody living has it (101); the same one takes over at once", () => {
    const bench = new ClusterBench(2);
    const register = (directoryId: string, isAlive: boolean) => {
      const request = registration(1, { incarnationId: `${directoryId} ${isAlive}`, directoryId });
      const { response } = registerBroker(bench.image, request, { isAlive, isAppliedAtOnce: false });
      return response.ok ? "NONE" : response.error;
    };
    expect(register("other", true)).to.equal("DUPLICATE_BROKER_REGISTRATION");
    expect(register("other", false)).to.equal("NONE");
    expect(register("directory-1", true)).to.equal("NONE");
    bench.fence(1);
    expect(register("other", true)).to.equal("NONE");
  });

  it("passes every new incarnation through a fencing, clean or not: a new leader in a new epoch (P59)", () => {
    const bench = three();
    bench.restart(1, "clean");
    expect(bench.state()).to.equal("2 [2,3] / [] / [2,3]");
    expect(bench.partition()).to.include({ leaderEpoch: 1, partitionEpoch: 1 });
    expect(bench.image.brokers.get(1)?.isFenced).to.equal(true);
  });

  it("is one record, whatever the broker hosts", () => {
    const bench = new ClusterBench();
    bench.create("t", Array(50).fill([1, 2, 3]));
    bench.restart(1, "unclean");
    expect(bench.records.map(({ type }) => type)).to.deep.equal(["brokerRegistered"]);
    expect(bench.image.topics.get("t")?.partitions.map(({ leaderId }) => leaderId)).to.deep.equal(Array(50).fill(2));
    bench.beat(1);
    expect(bench.records.map(({ type }) => type)).to.deep.equal(["brokerChanged"]);
  });

  it("takes an unclean restart out of ISR and ELR before leaders are chosen (9(4), P19)", () => {
    const bench = three();
    bench.fence(3);
    bench.fence(2);
    expect(bench.state()).to.equal("1 [1] / [2] / [1,2]");
    bench.fence(1);
    expect(bench.state()).to.equal("-1 [] / [1,2] / [1,2]");
    bench.restart(1, "unclean");
    bench.beat(1);
    expect(bench.state(), "only 2 is known to have everything").to.equal("-1 [] / [2] / [1,2]");
    bench.restart(2, "clean");
    bench.beat(2);
    expect(bench.state()).to.equal("2 [2] / [] / [1,2]");
    expect(bench.partition().uncleanEpoch).to.equal(-1);
  });

  it("takes an emptied directory for a new replica, and its old disk for gone (9(6))", () => {
    const bench = three();
    bench.restart(1, "emptied");
    bench.beat(1);
    expect(bench.state()).to.equal("2 [2,3] / [] / [2,3]");
    bench.fence(3);
    bench.fence(2);
    bench.restart(2, "emptied");
    bench.beat(2);
    expect(bench.state()).to.equal("-1 [] / [3] / [(2),3]");
  });

  it("takes damaged replicas out of leadership, ISR and ELR, but not the only replica", () => {
    const bench = three();
    bench.create("alone", [[1]]);
    const damaged = [
      { topicId: bench.topicId(), partitions: [0] },
      { topicId: bench.topicId("alone"), partitions: [0] },
    ];
    bench.fence(3);
    bench.fence(2);
    bench.restart(1, "clean", { damaged });
    bench.beat(1);
    expect(bench.state()).to.equal("-1 [] / [2] / [1,2]");
    expect(bench.partition(0, "alone").leaderId).to.equal(1);
  });

  it("makes a broker on the only voter live with its registration: RF 1 leads again, by one command", () => {
    const bench = new ClusterBench(1);
    bench.create("t", [[1], [1]]);
    for (const previousBrokerEpoch of [bench.epochOf(1), -1]) {
      const { leaderEpoch } = bench.partition();
      const request = registration(1, { incarnationId: `at ${previousBrokerEpoch}`, previousBrokerEpoch });
      bench.decide(registerBroker(bench.image, request, { isAlive: false, isAppliedAtOnce: true }));
      expect(bench.records).to.have.length(1);
      for (const number of [0, 1]) {
        expect(bench.state(number)).to.equal("1 [1] / [] / [1]");
        expect(bench.partition(number).leaderEpoch).to.equal(leaderEpoch + 1);
      }
    }
    // By the marker cleanly; without it by the only log there is.
    expect(bench.partition()).to.include({ uncleanEpoch: 2, isRecovering: true });
  });
});

describe("sessions and states of brokers (10.4(2)-(4), 10.5, 3.8)", () => {
  it("unfences a broker once it has applied its own registration, not before (10.4(3))", () => {
    const bench = three();
    bench.restart(1);
    expect(bench.beat(1, { metadataOffset: bench.epochOf(1) - 1 })).to.include({ isFenced: true });
    expect(bench.records).to.deep.equal([]);
    expect(bench.beat(1, { wantFence: true })).to.include({ isFenced: true });
    expect(bench.beat(1)).to.include({ error: "NONE", isFenced: false });
    expect(bench.image.brokers.get(1)?.isFenced).to.equal(false);
    expect(bench.beat(1).isFenced, "again, and nothing is written").to.equal(false);
    expect(bench.records).to.deep.equal([]);
  });

  it("answers an old broker epoch 77, and says who took over", () => {
    const bench = three();
    const brokerEpoch = bench.epochOf(1);
    bench.restart(1, "clean", { incarnationId: "new" });
    expect(bench.beat(1, { brokerEpoch })).to.deep.include({
      error: "STALE_BROKER_EPOCH",
      supersededBy: { incarnationId: "new", listeners: registration(1).listeners },
    });
    expect(bench.beat(9, { brokerEpoch }).supersededBy).to.equal(null);
  });

  it("fences in one command: leaders moved in a new epoch, out of every ISR", () => {
    const bench = three();
    expect(bench.fence(1)).to.equal(true);
    expect(bench.state()).to.equal("2 [2,3] / [] / [2,3]");
    expect(bench.records).to.have.length(1);
    expect(bench.fence(1), "once").to.equal(false);
    expect(bench.records).to.deep.equal([]);
  });

  it("keeps a member that left below min ISR eligible, and lets it lead again cleanly", () => {
    const bench = three();
    for (const id of [3, 2, 1]) bench.fence(id);
    expect(bench.state()).to.equal("-1 [] / [1,2] / [1,2]");
    bench.beat(2);
    expect(bench.state()).to.equal("2 [2] / [1] / [1,2]");
    bench.beat(1);
    expect(bench.state(), "1 follows first").to.equal("2 [2] / [1] / [1,2]");
    expect(bench.alter([1, 2])).to.equal("NONE");
    expect(bench.state()).to.equal("2 [1,2] / [] / [1,2]");
  });

  it("moves leaders away at a controlled shutdown, to nobody where nobody else may (10.5)", () => {
    const bench = three();
    bench.create("alone", [[1]]);
    bench.beat(1, { wantShutDown: true });
    expect(bench.state()).to.equal("2 [2,3] / [] / [2,3]");
    expect(bench.state(0, "alone")).to.equal("-1 [] / [1] / [1]");
    expect(bench.alter([1, 2, 3]), "it joins no ISR").to.equal("INELIGIBLE_REPLICA");
    bench.beat(1);
    expect(bench.image.brokers.get(1)?.isShuttingDown, "until it registers anew").to.equal(true);
    bench.restart(1, "clean");
    bench.beat(1);
    expect(bench.state(0, "alone")).to.equal("1 [1] / [] / [1]");
    expect(bench.partition(0, "alone").uncleanEpoch).to.equal(-1);
  });

  it("moves leaders off a full disk, and the broker out of ISRs where min ISR stays (3.8(2))", () => {
    const bench = three();
    bench.beat(1, { isFull: true });
    expect(bench.state()).to.equal("2 [2,3] / [] / [2,3]");
    bench.beat(2, { isFull: true });
    expect(bench.state(), "min ISR keeps it").to.equal("3 [2,3] / [] / [2,3]");
    expect(bench.alter([1, 2, 3])).to.equal("INELIGIBLE_REPLICA");
    expect(bench.alter([2, 3]), "one that is in may stay").to.equal("NONE");
    bench.beat(3, { isFull: true });
    expect(bench.state(), "all are full: somebody leads").to.equal("3 [2,3] / [] / [2,3]");
    bench.beat(2);
    expect(bench.state()).to.equal("2 [2,3] / [] / [2,3]");
  });

  it("gives up on a broker whose log directory failed (3.8(1))", () => {
    const bench = three();
    bench.beat(1, { isOffline: true });
    expect(bench.state()).to.equal("2 [2,3] / [] / [2,3]");
    bench.beat(1);
    expect(bench.image.brokers.get(1)?.isOffline, "until it registers anew").to.equal(true);
  });
});

describe("damage at run time (15.7(2), 15.7(4))", () => {
  const report = (bench: ClusterBench, brokerId: number): string | undefined => {
    const damaged = [{ topicId: bench.topicId(), partitions: [0] }];
    const request = { brokerId, brokerEpoch: bench.epochOf(brokerId), damaged };
    return bench.decide(reportDamage(bench.image, request))[0]?.error;
  };

  it("takes the replica out, and a leader passes through a new epoch", () => {
    const bench = three();
    expect(report(bench, 1)).to.equal("NONE");
    expect(bench.state()).to.equal("2 [2,3] / [] / [2,3]");
    expect(report(bench, 2)).to.equal("NONE");
    expect(bench.state(), "not in the ELR").to.equal("3 [3] / [] / [2,3]");
  });

  it("leaves the last good copy where it is", () => {
    const bench = three({ ...synced, "min.insync.replicas": "1" });
    bench.fence(3);
    bench.fence(2);
    expect(report(bench, 1)).to.equal("ELIGIBLE_LEADERS_NOT_AVAILABLE");
    expect(bench.state()).to.equal("1 [1] / [] / [1]");
  });

  it("leaves it where it is also when all others were damaged before, or it is in no ISR or ELR", () => {
    const bench = three();
    for (const id of [1, 2]) expect(report(bench, id)).to.equal("NONE");
    expect(bench.state(), "2 is damaged as well").to.equal("3 [3] / [] / [2,3]");
    expect(report(bench, 3)).to.equal("ELIGIBLE_LEADERS_NOT_AVAILABLE");
    bench.restart(3, "unclean");
    expect(bench.state()).to.equal("-1 [] / [] / [2,3]");
    expect(report(bench, 3)).to.equal("ELIGIBLE_LEADERS_NOT_AVAILABLE");
    expect(report(bench, 2), "3 has it all").to.equal("NONE");
  });

  describe("where only a member of the last ISR could stand in", () => {
    const alone = (durability: string): ClusterBench => {
      const bench = three({ "tidemark.durability": durability });
      bench.fence(3);
      bench.restart(2, "unclean");
      bench.beat(2);
      expect(bench.state()).to.equal("1 [1] / [] / [1,2]");
      return bench;
    };

    it("takes the replica out in a synced mode: that member has what was committed", () => {
      const bench = alone("group-commit");
      expect(report(bench, 1)).to.equal("NONE");
      expect(bench.state()).to.equal("-1 [] / [] / [1,2]");
    });

    it("leaves it in page-cache mode, until the other is in sync: that one may have lost its tail", () => {
      const bench = alone("page-cache");
      expect(report(bench, 1)).to.equal("ELIGIBLE_LEADERS_NOT_AVAILABLE");
      expect(bench.state()).to.equal("1 [1] / [] / [1,2]");
      expect(bench.alter([1, 2])).to.equal("NONE");
      expect(report(bench, 1)).to.equal("NONE");
      expect(bench.state()).to.equal("2 [2] / [] / [1,2]");
    });
  });

  it("begins a leader epoch, for a follower too: what its leader knows of it counts no more (7(3), 7(6))", () => {
    const bench = three();
    const { leaderEpoch } = bench.partition();
    expect(report(bench, 2)).to.equal("NONE");
    expect([bench.state(), bench.partition().leaderEpoch]).to.deep.equal(["1 [1,3] / [] / [1,3]", leaderEpoch + 1]);
    expect(report(bench, 2), "in none of them").to.equal("NONE");
    expect(bench.partition().leaderEpoch).to.equal(leaderEpoch + 2);
  });

  it("is forgotten when the replica is in sync again", () => {
    const bench = three();
    expect(report(bench, 2)).to.equal("NONE");
    expect(bench.image.brokers.get(2)?.damaged).to.have.length(1);
    expect(bench.alter([1, 2, 3])).to.equal("NONE");
    expect(bench.image.brokers.get(2)?.damaged).to.deep.equal([]);
  });

  it("is remembered over restarts until then, but not of a disk that was emptied", () => {
    const bench = three();
    const known = [{ topicId: bench.topicId(), partitions: [0] }];
    expect(report(bench, 2)).to.equal("NONE");
    for (const how of ["clean", "unclean"] as const) {
      bench.restart(2, how);
      expect(bench.image.brokers.get(2)?.damaged, how).to.deep.equal(known);
    }
    bench.restart(2, "clean", { damaged: known });
    expect(bench.image.brokers.get(2)?.damaged, "found by the start, too").to.deep.equal(known);
    bench.restart(2, "unclean", { directoryId: "another" });
    expect(bench.image.brokers.get(2)?.damaged).to.deep.equal([]);
  });

  it("is forgotten of the replica that is chosen all the same: what it has counts from here on", () => {
    const bench = three();
    expect(report(bench, 2)).to.equal("NONE");
    bench.fence(1);
    bench.fence(3);
    const partitions = [{ topicId: bench.topicId(), partitions: [0] }];
    bench.decide({ records: [{ type: "leadersChosen", leaderId: 2, choice: "unclean", partitions }], response: null });
    expect(bench.state()).to.equal("2 [2] / [] / [2]");
    expect(bench.image.brokers.get(2)?.damaged).to.deep.equal([]);
  });

  it("keeps one note of what is reported again", () => {
    const bench = three();
    for (let times = 0; times < 3; times += 1) expect(report(bench, 1)).to.equal("NONE");
    expect(bench.image.brokers.get(1)?.damaged).to.deep.equal([{ topicId: bench.topicId(), partitions: [0] }]);
  });
});

describe("elections that are asked for (9(8))", () => {
  const elect = (bench: ClusterBench, type: "preferred" | "unclean", topic = "t"): string | undefined =>
    bench.decide(electLeaders(bench.image, type, [{ topic, partition: 0 }]))[0]?.error;

  it("gives leadership back to the preferred replica once it is in sync", () => {
    const bench = three();
    expect(elect(bench, "preferred")).to.equal("ELECTION_NOT_NEEDED");
    bench.fence(1);
    expect(elect(bench, "preferred")).to.equal("PREFERRED_LEADER_NOT_AVAILABLE");
    bench.beat(1);
    expect(elect(bench, "preferred"), "back, but not in sync").to.equal("PREFERRED_LEADER_NOT_AVAILABLE");
    expect(bench.alter([1, 2, 3])).to.equal("NONE");
    expect(elect(bench, "preferred")).to.equal("NONE");
    expect(bench.state()).to.equal("1 [1,2,3] / [] / [1,2,3]");
    expect(elect(bench, "preferred", "nobody's")).to.equal("UNKNOWN_TOPIC_OR_PARTITION");
  });

  it("knows when an unclean election is not needed, or nobody could be chosen", () => {
    const bench = three();
    expect(elect(bench, "unclean")).to.equal("ELECTION_NOT_NEEDED");
    for (const id of [1, 2, 3]) bench.fence(id);
    expect(elect(bench, "unclean")).to.equal("ELIGIBLE_LEADERS_NOT_AVAILABLE");
  });
});

describe("placement on living brokers", () => {
  it("places on brokers that may take part, and names those that may not", () => {
    const bench = new ClusterBench();
    bench.fence(2);
    const context = { ...inForce(testConfig()), random: seededBytes(1), ifAbsent: false };
    const two = createTopics(bench.image, [spec("t", { partitions: 6, replicationFactor: 2 })], context).response[0];
    expect(two?.topic?.partitions.flatMap(({ replicas }) => replicas)).to.not.include(2);
    const refused = createTopics(bench.image, [spec("t")], context).response[0];
    expect([refused?.error, refused?.message]).to.deep.equal([
      "INVALID_REPLICATION_FACTOR",
      "replication factor 3 needs 3 brokers; there are 2 (not alive: 2)",
    ]);
  });

  it("takes a full disk only where the others do not suffice", () => {
    const bench = new ClusterBench();
    bench.beat(3, { isFull: true });
    const context = { ...inForce(testConfig()), random: seededBytes(1), ifAbsent: false };
    const place = (replicationFactor: number): number[] =>
      createTopics(
        bench.image,
        [spec("t", { partitions: 6, replicationFactor })],
        context,
      ).response[0]?.topic?.partitions.flatMap(({ replicas }) => [...replicas]) ?? [];
    expect(place(2)).to.not.include(3);
    expect(place(3)).to.include(3);
  });

  it("starts a partition that is assigned to a dead broker without it", () => {
    const bench = new ClusterBench();
    bench.fence(1);
    bench.create("t", [[1, 2, 3]]);
    expect(bench.state()).to.equal("2 [2,3] / [] / [2,3]");
    const context = { ...inForce(testConfig()), random: seededBytes(1), ifAbsent: false };
    const dead = createTopics(bench.image, [spec("dead", { assignment: [[1]] })], context).response[0];
    expect(dead?.error).to.equal("INVALID_REPLICA_ASSIGNMENT");
    expect(clusterOf(1).brokers.size).to.equal(1);
  });
});
