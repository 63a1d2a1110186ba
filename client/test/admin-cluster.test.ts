/** The admin surface on a cluster whose brokers each know a part: what is put together, and what one that is gone leaves out. */
import type { PartitionDescription } from "@tidemark/proto";
import { expect } from "chai";
import { change, limitsOf } from "../src/admin-call.ts";
import { BrokerError, Client } from "../src/index.ts";
import { Cluster } from "../src/transport/cluster.ts";
import { settingsOf } from "../src/transport/settings.ts";
import { FakeAdminCluster } from "./support/fake-admin.ts";

/** Longer than the patience with a broker that is gone. */

function row(partition: number, leaderId: number, over: Partial<PartitionDescription> = {}): PartitionDescription {
  return {
    partition,
    leaderId,
    leaderEpoch: 4,
    replicas: [1, 2, 3],
    isr: [1, 2, 3],
    logStartOffset: 0,
    highWatermark: 0,
    lastStableOffset: 0,
    logEndOffset: 0,
    bytes: 0,
    elr: [],
    lastIsr: [],
    recovering: false,
    minInsyncReplicas: 2,
    ledHere: false,
    addingReplicas: [],
    removingReplicas: [],
    damaged: [],
    ...over,
  };
}

const led = (partition: number, leaderId: number, offset: number, over: Partial<PartitionDescription> = {}) =>
  row(partition, leaderId, {
    ledHere: true,
    highWatermark: offset,
    logEndOffset: offset + 1,
    bytes: 10 * offset,
    ...over,
  });

const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

describe("the admin surface on several brokers", () => {
  let cluster: FakeAdminCluster;
  let client: Client;

  beforeEach(async () => {
    cluster = await FakeAdminCluster.start(3);
    client = new Client({ brokers: cluster.addresses, logger: quiet });
  });
  afterEach(async () => {
    await client.close();
    await cluster[Symbol.asyncDispose]();
  });

  /** Every broker describes topic t: placement by these rows, offsets of what it leads. */
  function describing(rows: readonly PartitionDescription[], topicId = "id"): void {
    for (const { id, answers } of cluster.brokers) {
      answers.describeTopics = ({ names }) => ({
        results: names.map((name) => ({
          name,
          topic: {
            name,
            topicId,
            partitions: rows.map((one) => (one.leaderId === id ? one : row(one.partition, one.leaderId))),
          },
        })),
        metadataOffset: 10,
      });
    }
  }

  /** A broker whose controller is lost while it decides: it cannot tell. */
  const UNCERTAIN = { name: "t", errorCode: 13, errorMessage: "the controller did not answer" };

  it("asks for a topic again under one creation id where a broker cannot tell whether it was made", async () => {
    const ids: string[] = [];
    for (const { answers } of cluster.brokers) {
      answers.createTopics = ({ topics }) => {
        ids.push(...topics.map(({ creationId }) => creationId));
        const topic = { name: "t", topicId: "id", partitions: [row(0, 1)] };
        return { results: [ids.length === 1 ? UNCERTAIN : { name: "t", topic }], metadataOffset: 1 };
      };
    }
    const [made] = await client.admin.topics.create({ name: "t" });
    expect(made).to.include({ name: "t", id: "id" });
    expect(ids.length).to.equal(2);
    expect(new Set(ids).size).to.equal(1);
    expect(ids[0]).to.not.equal("");
  });

  describe("without a controller", () => {
    const NO_CONTROLLER = "no controller: 1 of 3 voters answers; waiting for brokers 2, 3";
    let told: object[] = [];
    let asked = 0;
    let patient: Client;

    /** The first `refusals` answers to a change name no controller. */
    function leaderless(refusals: number): void {
      asked = 0;
      told = [];
      for (const { answers } of cluster.brokers) {
        const refused = { name: "t", errorCode: 41, errorMessage: NO_CONTROLLER };
        const topic = { name: "t", topicId: "id", partitions: [row(0, 1)] };
        answers.createTopics = () => {
          asked += 1;
          return { results: [asked <= refusals ? refused : { name: "t", topic }], metadataOffset: 1 };
        };
      }
    }

    beforeEach(() => {
      const logger = { ...quiet, warn: (fields: object) => void told.push(fields) };
      patient = new Client({ brokers: cluster.addresses, logger, retry: { initialDelay: 10, maxDelay: 20 } });
    });
    afterEach(() => patient.close());

    it("asks for a change again until there is one, and says once what it waits for", async () => {
      leaderless(4);
      expect((await patient.admin.topics.create({ name: "t" }))[0]).to.include({ id: "id" });
      expect(asked).to.equal(5);
      expect(told).to.deep.equal([{ code: "NOT_CONTROLLER", message: NO_CONTROLLER }]);
    });

    it("names the cause when the time of the call is over", async () => {
      leaderless(Number.POSITIVE_INFINITY);
      // The next attempt would come too late.
      const retry = { initialDelay: "10m", maxDelay: "10m" } as const;
      await using hasty = new Client({ brokers: cluster.addresses, logger: quiet, retry });
      const error = await hasty.admin.topics
        .create({ name: "t" }, { timeout: "60s" })
        .catch((thrown: unknown) => thrown);
      expect(error).to.include({ code: "NOT_CONTROLLER", message: NO_CONTROLLER, retriable: true });
      expect((error as BrokerError).hint).to.include("tidemark raft status");
      expect(asked).to.equal(1);
    });

    it("does not ask again where the end of its time would cut the answer off", async () => {
      leaderless(Number.POSITIVE_INFINITY);
      const error = await patient.admin.topics
        .create({ name: "t" }, { timeout: "1500ms" })
        .catch((thrown: unknown) => thrown);
      expect(error).to.include({ code: "NOT_CONTROLLER", message: NO_CONTROLLER });
      expect(asked).to.equal(1);
    });

    it("waits for one from when it is told that there is none, however long that took", async () => {
      leaderless(Number.POSITIVE_INFINITY);
      const own = new Cluster(settingsOf({ brokers: cluster.addresses, logger: quiet, retry: { initialDelay: 10 } }));
      try {
        const request = { topics: [], validateOnly: false, timeoutMs: 60_000 };
        const { results } = await change(own, "createTopics", request, { controllerMs: 0 });
        expect(results[0]).to.include({ errorCode: 41, errorMessage: NO_CONTROLLER });
        expect(asked).to.equal(2);
      } finally {
        own.close();
      }
      expect(limitsOf({}).controllerMs, "where the caller set no limit").to.be.at.least(10_000);
      expect(limitsOf({ timeout: "1m" })).to.not.have.property("controllerMs");
    });

    it("says once that answers are out of date, though others in between say nothing of their age", async () => {
      told = [];
      for (const { id, answers } of cluster.brokers) {
        const metadataOffset = 7;
        answers.describeCluster = () => ({ brokerId: id, metadataOffset, withoutControllerMs: 12_000 });
        answers.listPartitionReassignments = () => ({ metadataOffset });
      }
      for (let turn = 0; turn < 3; turn += 1) {
        await patient.admin.cluster();
        for await (const moving of patient.admin.partitions.reassignments()) expect.fail(JSON.stringify(moving));
      }
      expect(told).to.have.length(1);
    });

    it("reads at a broker that has one, and says how old the answer is where none has", async () => {
      told = [];
      const silent = new Map([
        [1, 90_000],
        [2, 30_000],
        [3, 0],
      ]);
      for (const { id, answers } of cluster.brokers)
        answers.describeCluster = () => ({
          clusterId: "fake",
          controllerId: -1,
          metadataOffset: 7,
          brokerId: id,
          withoutControllerMs: silent.get(id) ?? 0,
        });
      // Whoever's turn it is.
      for (let turn = 0; turn < 3; turn += 1) expect((await patient.admin.cluster()).staleMs).to.equal(null);
      expect(told).to.deep.equal([]);
      for (const id of [1, 2, 3]) silent.set(id, 12_000);
      for (let turn = 0; turn < 3; turn += 1) expect((await patient.admin.cluster()).staleMs).to.equal(12_000);
      const message = "as of metadata offset 7, 12 s old; no controller";
      expect(told).to.deep.equal([
        { event: "stale-metadata", metadataOffset: 7, withoutControllerMs: 12_000, message },
      ]);
    });
  });

  it("spends one time limit on all attempts at a change", async () => {
    const given: number[] = [];
    for (const { answers } of cluster.brokers)
      answers.createPartitions = ({ timeoutMs }) => {
        given.push(timeoutMs);
        const result = { name: "t", errorCode: [41, 13, 0][given.length - 1] ?? 0, errorMessage: "" };
        return { results: [result], metadataOffset: 1 };
      };
    await client.admin.topics.addPartitions("t", 3, { timeout: "60s" });
    expect(given).to.have.length(3);
    const [first = 0, second = 0] = given;
    expect(first).to.be.at.most(60_000);
    expect(second, "what the first attempt and the pause took is gone").to.be.lessThan(first);
  });

  describe("deleting", () => {
    /** The one topic t that there is, by its id; null: none. */
    let there: string | null = null;
    /** Ids that were deleted, in order. */
    let deleted: string[] = [];
    /** What comes of a deletion that was done. */
    let answered: (id: string) => object = (topicId) => ({ name: "t", topicId });

    beforeEach(() => {
      there = "first";
      deleted = [];
      answered = (topicId) => ({ name: "t", topicId });
      const remove = (topicId: string): object => {
        if (topicId !== there) return { name: "", errorCode: 100, errorMessage: "no such id" };
        deleted.push(topicId);
        there = null;
        return answered(topicId);
      };
      for (const { answers } of cluster.brokers)
        answers.deleteTopics = ({ names, topicIds, validateOnly }) => {
          const found = (): object =>
            there === null ? { name: "t", errorCode: 3, errorMessage: "no t" } : { name: "t", topicId: there };
          const named = names.map(() => (validateOnly || there === null ? found() : remove(there)));
          return { results: [...named, ...topicIds.map(remove)], metadataOffset: 1 };
        };
    });

    it("takes a topic for deleted that is gone when it asks again after an uncertain answer", async () => {
      answered = () => UNCERTAIN;
      await client.admin.topics.delete("t");
      expect(deleted).to.deep.equal(["first"]);
    });

    it("leaves alone what another has made under the name before it asks again (13(3))", async () => {
      answered = () => {
        there = "second";
        return UNCERTAIN;
      };
      await client.admin.topics.delete("t");
      expect(deleted).to.deep.equal(["first"]);
      expect(there).to.equal("second");
    });

    it("says that there is none, unless that is no matter", async () => {
      there = null;
      const error: unknown = await client.admin.topics.delete("t").catch((reason: unknown) => reason);
      expect(error).to.include({ code: "UNKNOWN_TOPIC_OR_PARTITION", topic: "t" });
      await client.admin.topics.delete("t", { ifExists: true });
    });
  });

  it("describes a topic with the offsets and bytes that each leader knows", async () => {
    describing([led(0, 1, 100), led(1, 2, 200), led(2, 3, 300)]);
    const { detail, bytes } = await client.admin.topics.describe("t");
    expect(detail.map(({ leader, highWatermark, end }) => [leader, highWatermark, end])).to.deep.equal([
      [1, 100, 101],
      [2, 200, 201],
      [3, 300, 301],
    ]);
    expect(bytes).to.equal(6_000);
    expect(detail.flatMap(({ troubles }) => troubles)).to.deep.equal([]);
  });

  it("says -1 for what a leader that is gone would know, and for what nobody leads", async () => {
    describing([led(0, 1, 100), led(1, 2, 200), row(2, -1, { isr: [], elr: [3] })]);
    await client.ready();
    cluster.broker(2).kill();
    const { detail } = await client.admin.topics.describe("t");
    expect(detail.map(({ start, highWatermark, end }) => [start, highWatermark, end])).to.deep.equal([
      [0, 100, 101],
      [-1, -1, -1],
      [-1, -1, -1],
    ]);
    expect(detail.map(({ troubles }) => troubles[0] ?? null)).to.deep.equal([null, "leader-silent", "leaderless"]);
  });

  it("believes the later leader epoch, and no topic of another id", async () => {
    describing([led(0, 2, 200)]);
    const moved = cluster.broker(2).answers;
    moved.describeTopics = () => ({
      results: [
        { name: "t", topic: { name: "t", topicId: "id", partitions: [row(0, 3, { leaderEpoch: 5, isr: [3] })] } },
      ],
      metadataOffset: 11,
    });
    // Whoever is asked first, 2 tells of the later epoch.
    const later = await client.admin.partitions.describe({ topic: "t", partition: 0 });
    expect(later).to.deep.include({ leader: 3, leaderEpoch: 5, isr: [3], highWatermark: -1 });
    describing([led(0, 2, 200)]);
    cluster.broker(2).answers.describeTopics = () => ({
      results: [{ name: "t", topic: { name: "t", topicId: "another", partitions: [led(0, 2, 999)] } }],
      metadataOffset: 11,
    });
    for (const id of [1, 3]) {
      const answer = cluster.broker(id).answers.describeTopics;
      cluster.broker(id).answers.describeTopics = (request) => ({ ...answer?.(request), metadataOffset: 12 });
    }
    const { highWatermark } = await client.admin.partitions.describe({ topic: "t", partition: 0 });
    expect(highWatermark).to.equal(-1);
  });

  it("compares replicas batch by batch, and says which is damaged, different, behind or silent", async () => {
    describing([row(0, 1, { replicas: [1, 2, 3, 4, 5] })]);
    const whole = { nextOffsets: [10, 20, 30, 40], digests: [1, 2, 3, 4], highWatermark: 40, badOffset: -1 };
    const told: Record<number, object> = {
      1: whole,
      2: { ...whole, digests: [1, 2, 9, 4] },
      3: { ...whole, nextOffsets: [10], digests: [1], badOffset: 10 },
    };
    for (const { id, answers } of cluster.brokers)
      answers.digestReplica = ({ fromOffset }) =>
        fromOffset >= 40 ? { ...whole, nextOffsets: [], digests: [] } : (told[id] ?? {});
    const { replicas, ...rest } = await client.admin.partitions.verify({ topic: "t", partition: 0 });
    expect(rest).to.deep.equal({ topic: "t", partition: 0, leader: 1, start: 0, end: 40 });
    expect(replicas.map(({ broker, verdict, offset }) => [broker, verdict, offset])).to.deep.equal([
      [1, "same", 40],
      [2, "different", 20],
      [3, "damaged", 10],
      [4, "silent", 0],
      [5, "silent", 0],
    ]);
    told[2] = { ...whole, nextOffsets: [10, 20], digests: [1, 2], highWatermark: 20 };
    told[3] = { errorCode: 9, errorMessage: "none here" };
    for (const { id, answers } of cluster.brokers)
      answers.digestReplica = ({ fromOffset }) => {
        const answer = told[id] as typeof whole;
        const from = answer.nextOffsets?.findIndex((next) => next > fromOffset) ?? 0;
        if (answer.nextOffsets === undefined) return answer;
        const first = from < 0 ? answer.nextOffsets.length : from;
        return { ...answer, nextOffsets: answer.nextOffsets.slice(first), digests: answer.digests.slice(first) };
      };
    const again = await client.admin.partitions.verify({ topic: "t", partition: 0 });
    expect(again.replicas.slice(0, 3).map(({ broker, verdict, offset }) => [broker, verdict, offset])).to.deep.equal([
      [1, "same", 40],
      [2, "behind", 20],
      [3, "silent", 0],
    ]);
  });

  for (const leaderHighWatermark of [40, 10])
    it(`names the damage of a leader, and holds the others against each other (it is told of up to ${leaderHighWatermark})`, async () => {
      describing([row(0, 1, { replicas: [1, 2, 3] })]);
      const whole = { offsets: [10, 20, 30, 40], digests: [1, 2, 3, 4], highWatermark: 40, badOffset: -1 };
      const held: Record<number, typeof whole> = {
        1: { offsets: [10], digests: [1], highWatermark: leaderHighWatermark, badOffset: 10 },
        2: whole,
        3: { ...whole, digests: [1, 2, 3, 9] },
      };
      for (const { id, answers } of cluster.brokers)
        answers.digestReplica = ({ fromOffset }) => {
          const { offsets, digests, highWatermark, badOffset } = held[id] ?? whole;
          const slots = offsets.flatMap((next, slot) => (next > fromOffset ? [slot] : []));
          return {
            highWatermark,
            badOffset: badOffset >= fromOffset ? badOffset : -1,
            nextOffsets: slots.map((slot) => offsets[slot]),
            digests: slots.map((slot) => digests[slot]),
          };
        };
      const { replicas, end } = await client.admin.partitions.verify({ topic: "t", partition: 0 });
      expect(end).to.equal(40);
      expect(replicas.map(({ broker, verdict, offset }) => [broker, verdict, offset])).to.deep.equal([
        [1, "damaged", 10],
        [2, "same", 40],
        [3, "different", 30],
      ]);
      expect(replicas[2]?.message).to.equal("its batch is not that of broker 2");
    });

  it("names the damage of an only replica that knows of nothing behind it", async () => {
    describing([row(0, 1, { replicas: [1] })]);
    cluster.broker(1).answers.digestReplica = () => ({
      nextOffsets: [10],
      digests: [1],
      highWatermark: 10,
      badOffset: 10,
    });
    const { replicas } = await client.admin.partitions.verify({ topic: "t", partition: 0 });
    expect(replicas.map(({ verdict, offset }) => [verdict, offset])).to.deep.equal([["damaged", 10]]);
  });

  it("compares what all replicas have where retention removes records of one of them meanwhile", async () => {
    describing([row(0, 1)]);
    let asked = 0;
    for (const { id, answers } of cluster.brokers)
      answers.digestReplica = ({ fromOffset }) => {
        asked += 1;
        const logStartOffset = id === 1 && asked > 3 ? 30 : 0;
        const begun = Math.max(fromOffset, logStartOffset);
        const offsets = [10, 20, 30, 40].filter((next) => next > begun).slice(0, begun === 0 ? 1 : 4);
        return { logStartOffset, highWatermark: 40, nextOffsets: offsets, digests: offsets, badOffset: -1 };
      };
    const { replicas } = await client.admin.partitions.verify({ topic: "t", partition: 0 });
    expect(replicas.map(({ broker, verdict, offset }) => [broker, verdict, offset])).to.deep.equal([
      [1, "same", 40],
      [2, "same", 40],
      [3, "same", 40],
    ]);
    asked = 0;
    for (const { id, answers } of cluster.brokers)
      answers.digestReplica = ({ fromOffset }) => {
        asked += 1;
        const isGone = id === 1 && asked > 3;
        const offsets = isGone ? [] : [10, 20, 30, 40].filter((next) => next > fromOffset).slice(0, 1);
        const ends = { logStartOffset: isGone ? 50 : 0, highWatermark: isGone ? 50 : 40 };
        return { ...ends, nextOffsets: offsets, digests: offsets, badOffset: -1 };
      };
    const gone = await client.admin.partitions.verify({ topic: "t", partition: 0 });
    expect(gone.end).to.equal(40);
    expect(gone.replicas.map(({ verdict }) => verdict)).to.deep.equal(["same", "same", "same"]);
  });

  it("lists topics with the bytes of all leaders", async () => {
    for (const { id, answers } of cluster.brokers) {
      answers.listTopics = () => ({
        topics: [
          { name: "t", partitions: 3, replicas: 3, bytes: id * 100 },
          { name: "u", partitions: 1, replicas: 1, bytes: id === 2 ? 7 : 0 },
        ],
        otherLeaders: [1, 2, 3].filter((other) => other !== id),
        metadataOffset: 10,
      });
    }
    const listed = [];
    for await (const { name, bytes } of client.admin.topics.list()) listed.push([name, bytes]);
    expect(listed).to.deep.equal([
      ["t", 600],
      ["u", 7],
    ]);
  });

  it("lists the partitions that have troubles, and names each", async () => {
    const rows = [
      led(0, 1, 5),
      led(1, 1, 5, { isr: [1] }),
      led(2, 2, 5, { isr: [2, 3] }),
      led(3, 3, 5, { recovering: true }),
    ];
    describing(rows);
    const unhealthy = [];
    for await (const { topic, partition, troubles } of client.admin.partitions.list({ topics: ["t"], unhealthy: true }))
      unhealthy.push([topic, partition, troubles]);
    expect(unhealthy).to.deep.equal([
      ["t", 1, ["under-min-isr", "under-replicated"]],
      ["t", 2, ["under-replicated"]],
      ["t", 3, ["recovering"]],
    ]);
    const missing = await client.admin.partitions
      .describe({ topic: "t", partition: 9 })
      .catch((error: unknown) => error);
    expect(BrokerError.is(missing, "UNKNOWN_TOPIC_OR_PARTITION")).to.equal(true);
  });

  it("finds what it has made, at a broker that is behind too", async () => {
    const topic = { name: "t", topicId: "id", partitions: [row(0, -1)] };
    let late = 3;
    for (const { answers } of cluster.brokers) {
      answers.createTopics = () => ({ results: [{ name: "t", topic }], metadataOffset: 20 });
      answers.describeTopics = () =>
        late-- > 0
          ? { results: [{ name: "t", errorCode: 3, errorMessage: "there is no such topic" }], metadataOffset: 19 }
          : { results: [{ name: "t", topic }], metadataOffset: 20 };
    }
    await client.admin.topics.create({ name: "t" });
    expect((await client.admin.topics.describe("t")).id).to.equal("id");
    expect(late).to.equal(-1);
  });

  it("is as healthy as the least healthy broker: shared facts of the newest metadata, each one's own beside them", async () => {
    const report = (id: number, metadataOffset: number, shared: string[], local: string[]) => () => ({
      healthy: shared.length + local.length === 0,
      reasons: [...shared, ...local],
      localReasons: local,
      brokerId: id,
      controllerId: id === 3 ? -1 : 1,
      metadataOffset,
      underReplicated: shared.length === 0 ? [] : [{ topic: "t", partition: 0 }],
    });
    cluster.broker(1).answers.describeHealth = report(1, 12, ["t-0 has replicas that are not in sync"], []);
    cluster.broker(2).answers.describeHealth = report(
      2,
      10,
      ["what was wrong before"],
      ["the disk of broker 2 is full"],
    );
    cluster.broker(3).answers.describeHealth = report(3, 11, [], ["broker 3 knows no controller"]);
    expect(await client.admin.health()).to.deep.include({
      healthy: false,
      controller: 1,
      underReplicated: [{ topic: "t", partition: 0 }],
    });
    const { reasons } = await client.admin.health();
    expect(reasons[0]).to.equal("t-0 has replicas that are not in sync");
    expect(reasons.slice(1)).to.have.members(["the disk of broker 2 is full", "broker 3 knows no controller"]);
    for (const { id, answers } of cluster.brokers) answers.describeHealth = report(id, 13, [], []);
    expect(await client.admin.health()).to.deep.include({ healthy: true, reasons: [] });
    cluster.broker(2).kill();
    const without = await client.admin.health();
    expect([without.healthy, without.reasons.length]).to.deep.equal([false, 1]);
    expect(without.reasons[0]).to.match(/^broker 2 does not answer/);
    // Where the metadata knows that it is down, nobody waits for it.
    for (const { id, answers } of cluster.brokers) {
      const down = report(id, 14, ["broker 2 is down"], []);
      answers.describeHealth = () => ({ ...down(), brokersDown: [2] });
    }
    expect((await client.admin.health()).reasons).to.deep.equal(["broker 2 is down"]);
  });

  it("takes a broker for down, and not for badly advertised, where no controller vouches for it", async () => {
    const report = (id: number, controllerId: number) => ({ brokerId: id, controllerId, metadataOffset: 7 });
    for (const { id, answers } of cluster.brokers) {
      answers.describeHealth = () => report(id, 1);
      answers.describeQuorum = () => ({ brokerId: id, leaderId: -1 });
    }
    cluster.broker(2).kill();
    const troubleOf = async () => (await client.admin.health()).troubles.find(({ broker }) => broker === 2);
    expect(await troubleOf()).to.include({ code: "broker-unreachable" });
    for (const { id, answers } of cluster.brokers) answers.describeHealth = () => report(id, -1);
    const { port } = cluster.broker(2);
    expect(await troubleOf()).to.deep.equal({
      code: "broker-down",
      text: `broker 2 is down: nobody listens at 127.0.0.1:${port}`,
      broker: 2,
    });
  });

  it("tells the state of the metadata log from its leader's words and everybody's own", async () => {
    const nodes = (isLeader: boolean) =>
      [1, 2, 3].map((id) => ({
        id,
        directoryId: `d${id}`,
        voter: id < 3,
        matchIndex: isLeader ? 100 - id : -1,
        lastContactMs: isLeader ? id : -1,
      }));
    const status = (id: number, role: string, term: number, lastIndex: number) => () => ({
      brokerId: id,
      role,
      term,
      leaderId: 2,
      commitIndex: lastIndex - 1,
      appliedIndex: lastIndex - 2,
      lastIndex,
      nodes: nodes(role === "leader").filter(({ voter }) => voter || role === "leader"),
    });
    // The first one has not heard yet that it leads no longer.
    cluster.broker(1).answers.describeQuorum = status(1, "leader", 6, 90);
    cluster.broker(2).answers.describeQuorum = status(2, "leader", 7, 100);
    cluster.broker(3).answers.describeQuorum = status(3, "learner", 7, 95);
    const raft = await client.admin.raft.status();
    expect(raft).to.include({ leader: 2, term: 7, commitIndex: 99 });
    expect(raft.nodes.map(({ id, role, voter, lag, lastIndex }) => [id, role, voter, lag, lastIndex])).to.deep.equal([
      [1, "leader", true, 1, 90],
      [2, "leader", true, 2, 100],
      [3, "learner", false, 3, 95],
    ]);
    cluster.broker(2).kill();
    cluster.broker(1).answers.describeQuorum = status(1, "follower", 8, 100);
    const headless = await client.admin.raft.status();
    expect(headless).to.include({ leader: 2, term: 8 });
    expect(headless.nodes.map(({ id, role, matchIndex }) => [id, role, matchIndex])).to.deep.equal([
      [1, "follower", null],
      [2, "unknown", null],
      [3, "learner", null],
    ]);
  });

  it("asks one that the metadata calls down when all others are gone, and not before", async () => {
    for (const { answers } of cluster.brokers) answers.describeCluster = () => ({ clusterId: "fake" });
    cluster.fenced.add(3);
    await client.ready();
    for (let i = 0; i < 6; i += 1) await client.admin.cluster();
    expect(cluster.brokers.map(({ calls }) => calls.length)).to.deep.equal([3, 3, 0]);
    cluster.broker(1).kill();
    cluster.broker(2).kill();
    expect((await client.admin.cluster()).clusterId).to.equal("fake");
    expect(cluster.broker(3).calls.length).to.equal(1);
    expect((await client.ready()).brokers.map(({ alive }) => alive)).to.deep.equal([true, true, false]);
  });

  it("tells what brokers run, where they are asked for it", async () => {
    for (const { id, answers } of cluster.brokers) {
      answers.describeCluster = () => ({
        clusterId: "fake",
        brokerId: id,
        version: `1.0.${id}`,
        metadataOffset: 10,
        brokers: [1, 2, 3].map((one) => ({ id: one, alive: one !== 3, fenced: one === 3, brokerEpoch: 5 })),
      });
    }
    const versions = async (isAsked: boolean) =>
      (await client.admin.cluster({ versions: isAsked })).brokers.map(({ version }) => version);
    expect(await versions(true)).to.deep.equal(["1.0.1", "1.0.2", null]);
    expect((await versions(false)).filter((version) => version === null).length).to.be.at.least(2);
  });

  it("tells which versions of a format brokers use that know different ones", async () => {
    const known = new Map([
      [1, [1, 2]],
      [2, [2, 4]],
    ]);
    for (const { id, answers } of cluster.brokers) {
      const [oldest = 5, newest = 5] = known.get(id) ?? [];
      answers.describeCluster = () => ({
        brokerId: id,
        metadataOffset: 10,
        brokers: [1, 2, 3].map((one) => ({ id: one, alive: one !== 3, fenced: one === 3 })),
        features: [{ name: "f", oldest, newest }],
      });
    }
    const first = { broker: 1, oldest: 1, newest: 2 };
    const silent = { broker: 3, oldest: null, newest: null };
    expect(await client.admin.features()).to.deep.equal([
      { name: "f", inUse: 2, brokers: [first, { broker: 2, oldest: 2, newest: 4 }, silent] },
    ]);
    known.set(2, [3, 4]);
    expect((await client.admin.features())[0]?.inUse, "they have none in common").to.equal(null);
  });

  it("tells of the disks of the brokers that answer, and of the one that does not", async () => {
    for (const { id, answers } of cluster.brokers) {
      const replicas = [{ topic: "t", partition: 0, bytes: id, logEndOffset: 10 * id }];
      answers.describeLogDirs = () => ({
        brokerId: id,
        dirs: [{ path: `/d${id}`, totalBytes: 9, freeBytes: 3, replicas }],
      });
    }
    await client.ready();
    cluster.broker(2).kill();
    const disks = [];
    for await (const { broker, path, usedBytes, error } of client.admin.logs.disks())
      disks.push([broker, path, usedBytes, error?.code ?? null]);
    expect(disks).to.deep.equal([
      [1, "/d1", 1, null],
      [2, null, 0, "CONNECTION_LOST"],
      [3, "/d3", 3, null],
    ]);
    const rows: number[][] = [];
    const failure = await (async () => {
      for await (const { broker, end, lag } of client.admin.logs.dirs()) rows.push([broker, end, lag]);
      return null;
    })().catch((error: unknown) => error);
    expect(rows).to.deep.equal([
      [1, 10, 20],
      [3, 30, 0],
    ]);
    expect(BrokerError.is(failure, "CONNECTION_LOST")).to.equal(true);
  });
});
