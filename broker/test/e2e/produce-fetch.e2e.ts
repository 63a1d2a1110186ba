/** Batches in, the same batches out, over a real socket: acks, credit, subscriptions, positions. */
import { expect } from "chai";
import { Acks, Durability, PRODUCE_CREDIT_BYTES } from "@tidemark/proto";
import type { Broker } from "../../src/index.ts";
import { batch, recordsOf } from "./support/batches.ts";
import { RawClient } from "./support/raw-client.ts";
import { startMemoryBroker } from "./support/test-broker.ts";

describe("produce and fetch over gRPC", () => {
  let broker: Broker;
  let client: RawClient;

  before(async () => {
    broker = await startMemoryBroker();
    client = new RawClient(broker.grpcAddress);
  });

  after(async () => {
    client.close();
    await broker.stop();
  });

  it("gives back what was appended, in order, with offsets from 0", async () => {
    await client.createTopic("plain");
    const producer = client.produceStream();
    expect(await producer.opened()).to.equal(PRODUCE_CREDIT_BYTES);
    const first = await producer.produce("plain", batch({ values: ["a", "b", "c"] }));
    expect(first).to.deep.include({
      errorCode: 0,
      baseOffset: 0,
      logAppendTime: -1,
      duplicate: false,
      durability: Durability.PAGE_CACHE,
    });
    expect((await producer.produce("plain", batch({ values: ["d"] }))).baseOffset).to.equal(3);

    const reader = client.fetchStream();
    reader.send({ creditBytes: 1024 * 1024 });
    reader.subscribe(1, "plain", 0);
    const part = await reader.part();
    expect(part).to.deep.include({
      subscriptionId: 1,
      errorCode: 0,
      fetchOffset: 0,
      highWatermark: 4,
      lastStableOffset: 4,
      logStartOffset: 0,
    });
    expect(recordsOf(part.records)).to.deep.equal([
      { offset: 0, value: "a" },
      { offset: 1, value: "b" },
      { offset: 2, value: "c" },
      { offset: 3, value: "d" },
    ]);
    expect((await producer.end()).status).to.equal(0);
    expect((await reader.end()).status).to.equal(0);
  });

  it("tells a reader at the end where the log stands, at once, and sends what comes later", async () => {
    await client.createTopic("tail");
    const reader = client.fetchStream();
    reader.send({ creditBytes: 1024 * 1024 });
    reader.subscribe(5, "tail", 0);
    const greeting = await reader.part();
    expect(greeting).to.deep.include({ subscriptionId: 5, highWatermark: 0, errorCode: 0 });
    expect(greeting.records).to.have.length(0);

    const producer = client.produceStream();
    await producer.opened();
    await producer.produce("tail", batch({ values: ["late"] }));
    const part = await reader.part();
    expect(recordsOf(part.records)).to.deep.equal([{ offset: 0, value: "late" }]);
    await Promise.all([producer.end(), reader.end()]);
  });

  it("sends no records without credit, and one batch may overdraw it", async () => {
    await client.createTopic("credit");
    const producer = client.produceStream();
    await producer.opened();
    for (const value of ["x".repeat(500), "y".repeat(500), "z".repeat(500)])
      await producer.produce("credit", batch({ values: [value] }));
    const reader = client.fetchStream();
    reader.subscribe(1, "credit", 0);
    expect((await reader.part()).records, "the greeting").to.have.length(0);
    reader.send({ creditBytes: 1 });
    expect(recordsOf((await reader.part()).records)).to.have.length(1);
    // The overdraft must be paid before anything else comes.
    reader.send({ creditBytes: 10_000 });
    const rest = await reader.part();
    expect(rest.fetchOffset).to.equal(1);
    expect(recordsOf(rest.records).map(({ offset }) => offset)).to.deep.equal([1, 2]);
    await Promise.all([producer.end(), reader.end()]);
  });

  it("returns a batch from its begin when the offset lies inside it (12.1(3))", async () => {
    await client.createTopic("inside");
    const producer = client.produceStream();
    await producer.opened();
    await producer.produce("inside", batch({ values: ["a", "b", "c", "d"] }));
    const reader = client.fetchStream();
    reader.send({ creditBytes: 1024 * 1024 });
    reader.subscribe(1, "inside", 2);
    const part = await reader.part();
    expect(part.fetchOffset).to.equal(2);
    expect(recordsOf(part.records).map(({ offset }) => offset)).to.deep.equal([0, 1, 2, 3]);
    await Promise.all([producer.end(), reader.end()]);
  });

  it("serves many subscriptions of one stream, and none that was ended", async () => {
    await client.createTopic("many", { partitions: 3 });
    const reader = client.fetchStream();
    reader.send({ creditBytes: 1024 * 1024 });
    for (const partition of [0, 1, 2]) reader.subscribe(partition + 1, "many", 0, { partition });
    const greeted = [await reader.part(), await reader.part(), await reader.part()].map(
      ({ subscriptionId }) => subscriptionId,
    );
    expect(greeted).to.have.members([1, 2, 3]);
    reader.send({ unsubscribe: [2] });
    // A later subscription is answered behind the end of the earlier one: the order of one stream.
    reader.subscribe(4, "many", 0, { partition: 0 });
    await reader.part();

    const producer = client.produceStream();
    await producer.opened();
    for (const partition of [1, 0, 2])
      await producer.produce("many", batch({ values: [`p${partition}`] }), { partition });
    const seen = [await reader.part(), await reader.part(), await reader.part()];
    expect(seen.map(({ subscriptionId }) => subscriptionId)).to.have.members([1, 3, 4]);
    await Promise.all([producer.end(), reader.end()]);
  });

  it("answers requests in flight together by their correlation ids, and gives their credit back", async () => {
    await client.createTopic("flight");
    const producer = client.produceStream();
    await producer.opened();
    const sizes = new Map<number, number>();
    for (let i = 0; i < 20; i++) {
      const records = batch({ values: [`${i}`.repeat(i + 1)] });
      sizes.set(
        producer.send({
          partitions: [{ topic: "flight", partition: 0, topicId: Buffer.alloc(0), records, expectedEnd: null }],
        }),
        records.length,
      );
    }
    const offsets: number[] = [];
    for (let i = 0; i < 20; i++) {
      const answer = await producer.next();
      expect(answer.creditBytes).to.equal(sizes.get(answer.correlationId));
      offsets.push(answer.results[0]?.baseOffset ?? -1);
    }
    expect(offsets).to.deep.equal(Array.from({ length: 20 }, (_, i) => i));
    await producer.end();
  });

  it("answers several partitions of one request in its order, each by itself", async () => {
    await client.createTopic("several", { partitions: 2 });
    const producer = client.produceStream();
    await producer.opened();
    const topicId = Buffer.alloc(0);
    producer.send({
      partitions: [
        { topic: "several", partition: 1, topicId, records: batch({ values: ["x"] }), expectedEnd: null },
        { topic: "several", partition: 7, topicId, records: batch({ values: ["x"] }), expectedEnd: null },
        { topic: "several", partition: 0, topicId, records: batch({ values: ["x", "y"] }), expectedEnd: null },
      ],
    });
    const { results } = await producer.next();
    expect(results.map(({ errorCode }) => errorCode)).to.deep.equal([0, 3, 0]);
    await producer.end();
  });

  it("gives credit and nothing else for acks=none, and ends the stream when such a batch fails (8.1)", async () => {
    await client.createTopic("none");
    const producer = client.produceStream();
    await producer.opened();
    const records = batch({ values: ["quiet"] });
    producer.send({
      acks: Acks.NONE,
      partitions: [{ topic: "none", partition: 0, topicId: Buffer.alloc(0), records, expectedEnd: null }],
    });
    expect(await producer.next()).to.deep.equal({ correlationId: 0, results: [], creditBytes: records.length });
    producer.send({
      acks: Acks.NONE,
      partitions: [{ topic: "absent", partition: 0, topicId: Buffer.alloc(0), records, expectedEnd: null }],
    });
    const ended = await producer.ended;
    expect(ended.error).to.deep.include({ name: "UNKNOWN_TOPIC_OR_PARTITION", code: 3 });
    expect((await client.listOffset("none", -1)).offset).to.equal(1);
  });

  it("ends a subscription when its topic is deleted, and says so", async () => {
    await client.createTopic("doomed");
    const reader = client.fetchStream();
    reader.send({ creditBytes: 1024 });
    reader.subscribe(1, "doomed", 0);
    await reader.part();
    await client.deleteTopics(["doomed"]);
    expect(await reader.part()).to.deep.include({ subscriptionId: 1, errorCode: 3 });
    await reader.end();
  });

  it("writes LogAppendTime into the batch and returns it (11.5)", async () => {
    await client.createTopic("stamped", { config: { "message.timestamp.type": "LogAppendTime" } });
    const producer = client.produceStream();
    await producer.opened();
    const result = await producer.produce("stamped", batch({ values: ["t"], timestamp: 5 }));
    expect(result.logAppendTime).to.be.closeTo(Date.now(), 60_000);
    const { offset, timestamp } = await client.listOffset("stamped", -3);
    expect({ offset, timestamp }).to.deep.equal({ offset: 0, timestamp: result.logAppendTime });
    await producer.end();
  });

  it("finds offsets by time and by name (12.4)", async () => {
    await client.createTopic("times");
    const producer = client.produceStream();
    await producer.opened();
    for (const [i, timestamp] of [1000, 3000, 2000].entries())
      await producer.produce("times", batch({ values: [`${i}`], timestamp }));
    expect(await client.listOffset("times", -2)).to.deep.include({ offset: 0, errorCode: 0 });
    expect(await client.listOffset("times", -1)).to.deep.include({ offset: 3 });
    expect(await client.listOffset("times", -3)).to.deep.include({ offset: 1, timestamp: 3000 });
    expect(await client.listOffset("times", 1500)).to.deep.include({ offset: 1, timestamp: 3000 });
    expect(await client.listOffset("times", 9999)).to.deep.include({ offset: -1 });
    await producer.end();
  });
});
