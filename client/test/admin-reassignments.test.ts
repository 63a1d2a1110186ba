/** Moves of partitions as the SDK asks for them: what goes over the wire, what is waited for, and what a lost answer does. */
import type { AdminCalls, OngoingReassignment, PartitionDescription } from "@tidemark/proto";
import { expect } from "chai";
import { BrokerError, Client, type Reassignment } from "../src/index.ts";
import { FakeAdminCluster } from "./support/fake-admin.ts";
import { rejection } from "./support/rejection.ts";

const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

type Row = Partial<PartitionDescription> & { readonly partition: number };
type Altered = AdminCalls["alterPartitionReassignments"]["request"];

const POLICY_VIOLATION = 44;
const INVALID_REPLICA_ASSIGNMENT = 39;
const NO_REASSIGNMENT_IN_PROGRESS = 85;
const NETWORK_EXCEPTION = 13;
const BROKER_ID_NOT_REGISTERED = 102;

function ongoing(partition: number, over: Partial<OngoingReassignment> = {}): OngoingReassignment {
  return {
    topic: "t",
    partition,
    replicas: [4, 2, 1],
    addingReplicas: [4],
    removingReplicas: [1],
    isr: [1, 2],
    leaderId: 1,
    ...over,
  };
}

describe("moving partitions", () => {
  let cluster: FakeAdminCluster;
  let client: Client;
  let altered: Altered[];

  beforeEach(async () => {
    cluster = await FakeAdminCluster.start(2);
    client = new Client({ brokers: cluster.addresses, logger: quiet });
    altered = [];
    answerAlterations(() => 0);
  });
  afterEach(async () => {
    await client.close();
    await cluster[Symbol.asyncDispose]();
  });

  function answerAlterations(code: (partition: number, times: number) => number): void {
    for (const { answers } of cluster.brokers)
      answers.alterPartitionReassignments = (request) => {
        altered.push(request);
        const results = request.reassignments.map(({ topic, partition }) => {
          const errorCode = code(partition, altered.length);
          return { topic, partition, errorCode, errorMessage: errorCode === 0 ? "" : `no: ${partition}` };
        });
        return { results, metadataOffset: 5 };
      };
  }

  function describing(rows: readonly Row[]): void {
    for (const { answers } of cluster.brokers)
      answers.describeTopics = ({ names }) => ({
        results: names.map((name) => ({
          name,
          topic: { name, topicId: "id", partitions: rows.map((row) => ({ leaderId: 1, ledHere: true, ...row })) },
        })),
        metadataOffset: 9,
      });
  }

  function moving(look: () => readonly OngoingReassignment[]): void {
    for (const { answers } of cluster.brokers)
      answers.listPartitionReassignments = () => ({ reassignments: look(), metadataOffset: 9 });
  }

  it("hands a plan over in one request, from a list or from a map of topic:partition", async () => {
    await client.admin.partitions.reassign([{ topic: "t", partition: 0, replicas: [2, 1] }]);
    await client.admin.partitions.reassign(new Map([["a:b:7", [3]]]));
    expect(altered.map(({ reassignments }) => reassignments)).to.deep.equal([
      [{ topic: "t", partition: 0, replicas: [2, 1] }],
      [{ topic: "a:b", partition: 7, replicas: [3] }],
    ]);
    expect(altered.map(({ validateOnly }) => validateOnly)).to.deep.equal([false, false]);
  });

  it("never sends an empty list of brokers, which would be a cancellation", async () => {
    const error = await rejection(client.admin.partitions.reassign([{ topic: "t", partition: 0, replicas: [] }]));
    expect(BrokerError.is(error, "INVALID_ARGUMENT")).to.equal(true);
    expect(altered).to.deep.equal([]);
  });

  it("refuses ids and names that the wire would bend", async () => {
    const { partitions } = client.admin;
    for (const plan of [
      [{ topic: "t", partition: 1.5, replicas: [1] }],
      [{ topic: "t", partition: 0, replicas: [1, -2] }],
      new Map([["t-0", [1]]]),
    ])
      expect(BrokerError.is(await rejection(partitions.reassign(plan)), "INVALID_ARGUMENT")).to.equal(true);
    expect(altered).to.deep.equal([]);
  });

  it("throws the first refusal, with all of them as its cause", async () => {
    answerAlterations((partition) => (partition === 0 ? 0 : INVALID_REPLICA_ASSIGNMENT));
    const plan = [0, 1, 2].map((partition) => ({ topic: "t", partition, replicas: [9] }));
    const error = await rejection(client.admin.partitions.reassign(plan, { validateOnly: true }));
    expect(error).to.include({ code: "INVALID_ARGUMENT", message: "no: 1", topic: "t" });
    expect((error as Error).cause).to.be.instanceOf(AggregateError);
    expect(altered[0]?.validateOnly).to.equal(true);
  });

  it("shows a move by where it goes, without what an earlier target had added", async () => {
    moving(() => [ongoing(0, { replicas: [4, 2, 1, 5], addingReplicas: [4, 5], removingReplicas: [1, 5] })]);
    const rows: Reassignment[] = [];
    for await (const row of client.admin.partitions.reassignments()) rows.push(row);
    expect(rows).to.deep.equal([
      { topic: "t", partition: 0, replicas: [4, 2], adding: [4], removing: [1, 5], copies: [] },
    ]);
  });

  it("asks the disks for progress: what is there beside what the fullest settled replica has", async () => {
    moving(() => [ongoing(0, { replicas: [2, 1], addingReplicas: [2], removingReplicas: [1] })]);
    const disk = (brokerId: number, bytes: number) => () => ({
      brokerId,
      dirs: [{ path: "/data", replicas: [{ topic: "t", partition: 0, bytes }] }],
    });
    cluster.broker(1).answers.describeLogDirs = disk(1, 1_000);
    cluster.broker(2).answers.describeLogDirs = disk(2, 250);
    const copies = [];
    for await (const row of client.admin.partitions.reassignments({ progress: true })) copies.push(...row.copies);
    expect(copies).to.deep.equal([{ broker: 2, bytes: 250, ofBytes: 1_000 }]);
  });

  it("cancels all that moves; what ended meanwhile is no failure, but one that was named is", async () => {
    moving(() => [ongoing(0), ongoing(3)]);
    answerAlterations((partition) => (partition === 3 ? NO_REASSIGNMENT_IN_PROGRESS : 0));
    const { partitions } = client.admin;
    expect(await partitions.cancelReassignments("all")).to.deep.equal([
      { topic: "t", partition: 0 },
      { topic: "t", partition: 3 },
    ]);
    expect(altered[0]?.reassignments.map(({ replicas }) => replicas)).to.deep.equal([[], []]);
    const error = await rejection(partitions.cancelReassignments([{ topic: "t", partition: 3 }]));
    expect(BrokerError.is(error, "NO_REASSIGNMENT_IN_PROGRESS")).to.equal(true);
  });

  it("takes a cancellation for done that finds nothing when it asks again after an uncertain answer", async () => {
    answerAlterations((_, times) => (times === 1 ? NETWORK_EXCEPTION : NO_REASSIGNMENT_IN_PROGRESS));
    await client.admin.partitions.cancelReassignments([{ topic: "t", partition: 0 }]);
    expect(altered).to.have.length(2);
  });

  it("makes moves of a plan: from where each partition is headed, what copies already counted once, with bytes", async () => {
    describing([
      { partition: 0, replicas: [1, 2], bytes: 100 },
      { partition: 1, replicas: [2, 1], bytes: 100 },
      { partition: 2, replicas: [3, 1, 2], addingReplicas: [3], removingReplicas: [2], bytes: 50 },
      { partition: 3, replicas: [1, 2], bytes: 7, ledHere: false, leaderId: -1 },
    ]);
    const moves = await client.admin.partitions.planReassignment({
      assignments: [
        { topic: "t", partition: 0, replicas: [1, 2] },
        { topic: "t", partition: 1, replicas: [3, 4] },
        { topic: "t", partition: 2, replicas: [3, 2] },
        { topic: "t", partition: 3, replicas: [1, 3] },
      ],
    });
    expect(moves.map(({ partition, ...move }) => ({ partition, ...move, topic: undefined }))).to.deep.equal([
      {
        topic: undefined,
        partition: 1,
        replicas: [3, 4],
        current: [2, 1],
        adding: [3, 4],
        removing: [2, 1],
        bytes: 200,
      },
      { topic: undefined, partition: 2, replicas: [3, 2], current: [3, 1], adding: [], removing: [1], bytes: 0 },
      { topic: undefined, partition: 3, replicas: [1, 3], current: [1, 2], adding: [3], removing: [2], bytes: null },
    ]);
  });

  it("says which partition of a plan does not exist", async () => {
    describing([{ partition: 0, replicas: [1] }]);
    const assignments = [{ topic: "t", partition: 9, replicas: [2] }];
    const error = await rejection(client.admin.partitions.planReassignment({ assignments }));
    expect(error).to.include({
      code: "UNKNOWN_TOPIC_OR_PARTITION",
      message: "topic t has no partition 9",
      partition: 9,
    });
  });

  it("asks the cluster for a plan that empties a broker, spreads topics, or balances, and never for one of everything by mistake", async () => {
    const asked: AdminCalls["planReassignments"]["request"][] = [];
    for (const { answers } of cluster.brokers)
      answers.planReassignments = (request) => {
        asked.push(request);
        return { moves: [{ topic: "t", partition: 0, replicas: [2], currentReplicas: [1] }], metadataOffset: 9 };
      };
    describing([{ partition: 0, replicas: [1], bytes: 10 }]);
    const { partitions } = client.admin;
    expect(await partitions.planReassignment({ drain: 1 })).to.deep.equal([
      { topic: "t", partition: 0, replicas: [2], current: [1], adding: [2], removing: [1], bytes: 10 },
    ]);
    await partitions.planReassignment({ topics: ["t"], brokers: [2, 3] });
    await partitions.planReassignment({ balance: true });
    expect(asked).to.deep.equal([
      { drainBrokers: [1], balance: false, topics: [], brokers: [] },
      { drainBrokers: [], balance: true, topics: ["t"], brokers: [2, 3] },
      { drainBrokers: [], balance: true, topics: [], brokers: [] },
    ]);
    for (const goal of [
      { topics: [], brokers: [1] },
      { topics: ["t"], brokers: [] },
    ])
      expect(BrokerError.is(await rejection(partitions.planReassignment(goal)), "INVALID_ARGUMENT")).to.equal(true);
    expect(asked).to.have.length(3);
  });

  it("waits until nothing of the plan moves, tells of each step, and names what ended up elsewhere", async () => {
    let looks = 0;
    moving(() => [[ongoing(0), ongoing(1)], [ongoing(1)], []][looks++] ?? []);
    describing([
      { partition: 0, replicas: [4, 2] },
      { partition: 1, replicas: [1, 2] },
    ]);
    const left: number[] = [];
    const plan = [0, 1].map((partition) => ({ topic: "t", partition, replicas: [4, 2] }));
    const startedAt = performance.now();
    const missed = await client.admin.partitions.untilReassigned(plan, {
      onProgress: (rows) => {
        left.push(rows.length);
        cluster.tell("t");
      },
    });
    // By what it is told, and not because time passed: twice the five seconds between two looks.
    expect(performance.now() - startedAt).to.be.lessThan(9_000);
    expect(left).to.deep.equal([2, 1, 0]);
    expect(missed).to.deep.equal([{ topic: "t", partition: 1, replicas: [1, 2] }]);
  });

  it("stops waiting when it is told to, or when its time is over", async () => {
    moving(() => [ongoing(0)]);
    const { partitions } = client.admin;
    const plan = [{ topic: "t", partition: 0, replicas: [4, 2] }];
    expect(await rejection(partitions.untilReassigned(plan, { timeout: 300 }))).to.include({ code: "TIMEOUT" });
    const stop = new AbortController();
    const waiting = partitions.untilReassigned(plan, { signal: stop.signal, onProgress: () => stop.abort() });
    expect(await rejection(waiting)).to.include({ code: "ABORTED" });
  });

  it("drains, undrains and unregisters, and takes a broker for removed that is gone after an uncertain answer", async () => {
    const drained: object[] = [];
    let unregistered = 0;
    for (const { answers } of cluster.brokers) {
      answers.drainBrokers = (request) => {
        drained.push(request);
        return { results: [{ brokerId: 7 }], metadataOffset: 1 };
      };
      answers.unregisterBroker = () => {
        unregistered += 1;
        return { errorCode: unregistered === 1 ? NETWORK_EXCEPTION : BROKER_ID_NOT_REGISTERED, metadataOffset: 1 };
      };
    }
    const { brokers } = client.admin;
    await brokers.drain(7);
    await brokers.undrain(7);
    expect(drained).to.deep.equal([
      { brokerIds: [7], draining: true },
      { brokerIds: [7], draining: false },
    ]);
    await brokers.unregister(7);
    expect(unregistered).to.equal(2);
    for (const { answers } of cluster.brokers)
      answers.unregisterBroker = () => ({ errorCode: POLICY_VIOLATION, errorMessage: "broker 7 lives" });
    expect(await rejection(brokers.unregister(7))).to.include({ code: "INVALID_ARGUMENT", message: "broker 7 lives" });
  });
});
