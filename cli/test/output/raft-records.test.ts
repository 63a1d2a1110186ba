/** What entries of the metadata log say in words. */
import { expect } from "chai";
import { textsOf } from "../../src/output/raft-records.ts";

const ID = "TTTTTTTTTTTTTTTTTTTTTT";
const at = (partitions: readonly number[]): object[] => [{ topicId: ID, topic: "orders", partitions }];

describe("a record of the metadata log", () => {
  for (const [record, said] of [
    [{ type: "clusterCreated", clusterId: "C" }, "cluster C born"],
    [{ type: "termStarted", term: 4, controllerId: 2 }, "broker 2 decides"],
    [{ type: "brokerRegistered", brokerId: 3, isUnclean: false }, "broker 3 registered"],
    [{ type: "brokerRegistered", brokerId: 3, isUnclean: true }, "broker 3 registered, not cleanly stopped before"],
    [{ type: "brokerChanged", brokerId: 3, isFenced: true }, "broker 3 fenced"],
    [{ type: "brokerChanged", brokerId: 3, isFenced: false, isFull: true }, "broker 3 alive, full"],
    [{ type: "replicasDamaged", brokerId: 3, damaged: at([0, 2]) }, "replicas damaged on broker 3: orders:0,2"],
    [{ type: "topicCreated", topicId: ID, name: "orders" }, "topic orders created"],
    [{ type: "topicDeleted", topicId: ID }, `topic ${ID} deleted`],
    [{ type: "isrsChanged", isr: [1, 2], partitions: at([0]) }, "in sync 1,2: orders:0"],
    [{ type: "leadersChosen", leaderId: 2, choice: "inSync", partitions: at([5]) }, "broker 2 leads: orders:5"],
    [
      { type: "leadersChosen", leaderId: 2, choice: "unclean", partitions: at([5]) },
      "broker 2 leads (unclean): orders:5",
    ],
    [
      { type: "isrsChanged", isr: [1], partitions: at([...Array(12).keys()]) },
      "in sync 1: orders:0,1,2,3,4,5,6,7 and 4 more",
    ],
    [
      {
        type: "partitionReassigned",
        topicId: ID,
        topic: "orders",
        partition: 1,
        addingReplicas: [4],
        removingReplicas: [1],
      },
      "orders:1 moves to 4 from 1",
    ],
    [
      {
        type: "partitionReassigned",
        topicId: ID,
        topic: "orders",
        partition: 1,
        addingReplicas: [],
        removingReplicas: [],
      },
      "orders:1 moves no more",
    ],
    [{ type: "brokerDraining", brokerId: 1, isDraining: true }, "broker 1 drains"],
    [{ type: "brokerDraining", brokerId: 1, isDraining: false }, "broker 1 takes replicas again"],
    [{ type: "brokerUnregistered", brokerId: 1 }, "broker 1 removed"],
    [
      {
        type: "configChanged",
        owner: { type: "topic", topicId: ID, topic: "orders" },
        set: { "retention.ms": "1" },
        unset: [],
      },
      "topic/orders set retention.ms",
    ],
    [
      { type: "configChanged", owner: { type: "cluster" }, set: { a: "1" }, unset: ["b", "c"] },
      "cluster set a and unset b,c",
    ],
    [{ type: "voterChosen", nodeId: 4, isVoter: true }, "broker 4 votes"],
    [
      { type: "producerIdsAllocated", brokerId: 2, firstId: 1000, count: 1000 },
      "producer ids from 1000 for broker 2 (1000)",
    ],
    [{ type: "ofALaterVersion", brokerId: 2 }, "ofALaterVersion"],
    [{ type: "isrsChanged" }, "in sync : "],
  ] as const) {
    it(`of ${JSON.stringify(record).slice(0, 80)}`, () => {
      expect(textsOf([record])).to.deep.equal([said]);
    });
  }

  it("says once how many partitions of a topic were made", () => {
    const made = [0, 1, 2].map((partition) => ({ type: "partitionCreated", topicId: ID, partition }));
    const records = [{ type: "topicCreated", topicId: ID, name: "orders" }, ...made];
    expect(textsOf(records)).to.deep.equal(["topic orders created", "3 partitions of orders created"]);
    expect(textsOf(made.slice(0, 1))).to.deep.equal([`a partition of ${ID} created`]);
  });
});
