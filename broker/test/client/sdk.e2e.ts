/** The SDK against a real broker in this process: what it promises its users, over real sockets. */
import { Client, codecs, ExpectedOffsetError, TimeoutError, topic } from "@tidemark/client";
import { expect } from "chai";
import type { Broker } from "../../src/index.ts";
import { startMemoryBroker } from "../e2e/support/test-broker.ts";

const words = topic("words", { key: codecs.string, value: codecs.string });

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error("it was to reject");
    },
    (error: unknown) => error,
  );
}

describe("the SDK and a broker", () => {
  let broker: Broker;
  let client: Client;

  before(async () => {
    broker = await startMemoryBroker({ "num.partitions": "3" });
  });

  after(() => broker.stop());

  beforeEach(async () => {
    client = new Client({ brokers: broker.grpcAddress, retry: { initialDelay: 5, maxDelay: 50 } });
    await client.admin.topics.delete("words", { ifExists: true });
    await client.admin.topics.create({ name: "words", partitions: 1 });
  });

  afterEach(() => client.close({ timeout: 0 }).catch(() => {}));

  it("knows the cluster", async () => {
    const info = await client.ready();
    expect(info.clusterId).to.equal(broker.clusterId);
    expect(info.brokers).to.have.length(1);
    const { brokers, ...cluster } = await client.admin.cluster();
    expect(cluster).to.include({ clusterId: info.clusterId, controllerId: info.controllerId });
    expect(brokers).to.have.length(1);
    expect(brokers[0]).to.include(info.brokers[0]);
  });

  it("reads what was sent, as it was sent", async () => {
    const producer = client.producer();
    const sent = await producer.send(words, { key: "k", value: "v", headers: { a: "1", b: null }, timestamp: 42 });
    expect(sent).to.deep.equal({ topic: "words", partition: 0, offset: 0, timestamp: 42, duplicate: false });
    await producer.send(words, { value: null });
    const records = await client.reader(topic("words", { key: codecs.bytes, value: codecs.bytes })).toArray();
    expect(records.map(({ key, value, offset }) => [key?.toString(), value?.toString(), offset])).to.deep.equal([
      ["k", "v", 0],
      [undefined, undefined, 1],
    ]);
    expect([...(records[0]?.headers ?? [])].map(([name, value]) => [name, value?.toString()])).to.deep.equal([
      ["a", "1"],
      ["b", undefined],
    ]);
  });

  it("keeps order and count over many batches in flight, however they are handed over", async () => {
    const producer = client.producer({ batchBytes: 2_000 });
    const values = Array.from({ length: 9_000 }, (_, index) => `v${index}`);
    const sends = values.slice(0, 3_000).map((value) => producer.send(words, { value }));
    for (const value of values.slice(3_000, 6_000)) while (!producer.enqueue(words, { value })) await producer.ready();
    await Promise.all(sends);
    const rest = await producer.sendAll(
      words,
      values.slice(6_000).map((value) => ({ value })),
    );
    expect(rest.failed).to.deep.equal([]);
    expect((await client.reader(words).toArray()).map(({ value }) => value)).to.deep.equal(values);
  });

  for (const compression of ["none", "gzip", "snappy", "lz4"] as const) {
    it(`carries batches squeezed with ${compression}`, async () => {
      const values = Array.from(
        { length: 500 },
        (_, index) => `${index} ${"all work and no play ".repeat(index % 20)}`,
      );
      await client.producer({ compression }).sendAll(
        words,
        values.map((value) => ({ value })),
      );
      expect((await client.reader(words, { from: 250 }).toArray()).map(({ value }) => value)).to.deep.equal(
        values.slice(250),
      );
    });
  }

  it("splits batches that are too large for their topic, and refuses the record that is", async () => {
    await client.admin.topics.delete("words");
    await client.admin.topics.create({ name: "words", partitions: 1, config: { "max.message.bytes": "2000" } });
    const values = Array.from({ length: 400 }, (_, index) => `v${index}`);
    const result = await client.producer().sendAll(
      words,
      [...values.slice(0, 200), "x".repeat(3_000), ...values.slice(200)].map((value) => ({ value })),
    );
    expect(result.failed.map(({ index, error }) => [index, error.code, error.kafkaCode])).to.deep.equal([
      [200, "RECORD_TOO_LARGE", 10],
    ]);
    expect((await client.reader(words).toArray()).map(({ value }) => value)).to.deep.equal(values);
  });

  it("follows what is written while it reads", async () => {
    const reader = client.reader(words, { follow: true, limit: 50 });
    const read = reader.toArray();
    const producer = client.producer();
    for (let index = 0; index < 50; index += 1) await producer.send(words, { value: `v${index}` });
    expect((await read).map(({ offset }) => offset)).to.deep.equal(Array.from({ length: 50 }, (_, index) => index));
  });

  it("finds offsets by time, and reads between them", async () => {
    const producer = client.producer();
    await producer.sendAll(
      words,
      Array.from({ length: 100 }, (_, index) => ({ value: `v${index}`, timestamp: 1_000 + index })),
    );
    const { topics } = client.admin;
    expect([
      await topics.offsets("words", "earliest"),
      await topics.offsets("words", "latest"),
      await topics.offsets("words", new Date(1_050)),
    ]).to.deep.equal([new Map([[0, 0]]), new Map([[0, 100]]), new Map([[0, 50]])]);
    const read = await client.reader(words, { from: new Date(1_010), to: new Date(1_020) }).toArray();
    expect(read.map(({ timestamp }) => timestamp)).to.deep.equal(
      Array.from({ length: 10 }, (_, index) => 1_010 + index),
    );
  });

  it("shows the time of the append where the topic keeps that (LogAppendTime)", async () => {
    await client.admin.topics.create({
      name: "stamped",
      partitions: 1,
      config: { "message.timestamp.type": "LogAppendTime" },
    });
    const stamped = topic("stamped", { value: codecs.string });
    const began = Date.now();
    const sent = await client.producer().send(stamped, { value: "x", timestamp: 5 });
    expect(sent.timestamp).to.be.within(began - 1, Date.now() + 1);
    const [read] = await client.reader(stamped).toArray();
    expect(read).to.include({ timestamp: sent.timestamp, timestampType: "append" });
    expect(await client.admin.topics.offsets("stamped", new Date(sent.timestamp))).to.deep.equal(new Map([[0, 0]]));
    await client.admin.topics.delete("stamped");
  });

  it("manages topics", async () => {
    const { topics } = client.admin;
    const [created] = await topics.create({ name: "orders", partitions: 2, config: { "retention.ms": "1000" } });
    expect(created).to.include({ name: "orders", partitions: 2, replicas: 1, internal: false });
    expect(created?.id).to.have.length(22);
    expect(created?.config.find(({ name }) => name === "retention.ms")).to.include({ value: "1000", source: "topic" });
    expect(created?.detail.map(({ partition, leader }) => [partition, leader])).to.deep.equal([
      [0, 1],
      [1, 1],
    ]);
    expect(await rejection(topics.create({ name: "orders" }))).to.include({
      code: "TOPIC_ALREADY_EXISTS",
      kafkaCode: 36,
      topic: "orders",
    });
    expect((await topics.create({ name: "orders", partitions: 9 }, { ifNotExists: true }))[0]?.id).to.equal(
      created?.id,
    );
    expect(await rejection(topics.create({ name: "a/b" }))).to.include({ code: "INVALID_ARGUMENT" });
    await topics.create({ name: "dry" }, { validateOnly: true }).catch(() => []);
    const names: string[] = [];
    for await (const { name } of topics.list()) names.push(name);
    expect(names).to.include("orders").and.not.include("dry");
    await topics.delete("orders");
    expect(await rejection(topics.describe("orders"))).to.include({ code: "UNKNOWN_TOPIC_OR_PARTITION" });
    expect(await rejection(topics.delete("orders"))).to.include({ code: "UNKNOWN_TOPIC_OR_PARTITION" });
    await topics.delete("orders", { ifExists: true });
  });

  it("creates a topic with its first record", async () => {
    const told: object[] = [];
    const logger = { debug: () => {}, info: (fields: object) => told.push(fields), warn: () => {}, error: () => {} };
    await using other = new Client({ brokers: broker.grpcAddress, logger });
    await other.producer().send("by-first-use", { value: "x" });
    expect(told).to.deep.include({ event: "topic-created", topic: "by-first-use", partitions: 3 });
    await other.admin.topics.delete("by-first-use");
  });

  it("does not mistake a topic made anew for the one that it reads", async () => {
    await client.producer().send(words, { value: "old" });
    const iterator = client.reader(words, { follow: true })[Symbol.asyncIterator]();
    expect((await iterator.next()).value?.value).to.equal("old");
    const next = rejection(iterator.next());
    await client.admin.topics.delete("words");
    await client.admin.topics.create({ name: "words", partitions: 1 });
    expect(await next).to.include({ code: "UNKNOWN_TOPIC_OR_PARTITION" });
  });

  it("goes on producing into a topic made anew", async () => {
    const producer = client.producer();
    await producer.send(words, { value: "old" });
    await client.admin.topics.delete("words");
    await client.admin.topics.create({ name: "words", partitions: 1 });
    await producer.send(words, { value: "new" });
    expect((await client.reader(words).toArray()).map(({ value }) => value)).to.deep.equal(["new"]);
  });

  it("appends where the log is expected to end, or not at all (15.5)", async () => {
    const producer = client.producer({ linger: 1_000 });
    const at = (value: string, expectedOffset: number): Promise<unknown> =>
      producer.send(words, { value, partition: 0 }, { expectedOffset, expectedLeaderEpoch: 0 });
    const companion = producer.send(words, { value: "first" });
    expect(await at("second", 1)).to.include({ offset: 1 });
    expect(await companion).to.include({ offset: 0 });

    const rival = client.producer();
    const race = await Promise.allSettled([
      at("mine", 2),
      rival.send(words, { value: "theirs", partition: 0 }, { expectedOffset: 2 }),
    ]);
    const lost = race.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason as unknown] : []));
    expect(lost).to.have.length(1);
    expect(lost[0]).to.be.instanceOf(ExpectedOffsetError);
    expect(lost[0]).to.include({ code: "EXPECTED_OFFSET_MISMATCH", retriable: false, attempts: 1 });
    expect(lost[0]).to.include({ logEndOffset: 3, leaderEpoch: 0, topic: "words", partition: 0 });

    expect(await at("last", 3)).to.include({ offset: 3 });
    const values = (await client.reader(words).toArray()).map(({ value }) => value);
    expect(values).to.have.length(4);
    expect([...values.slice(0, 2), values[3]]).to.deep.equal(["first", "second", "last"]);

    for (const wrong of [{ expectedOffset: -1 }, { expectedLeaderEpoch: 0 }])
      expect(await rejection(producer.send(words, { value: "x", partition: 0 }, wrong))).to.include({
        code: "INVALID_ARGUMENT",
      });
    expect(await rejection(producer.send(words, { value: "x" }, { expectedOffset: 4 }))).to.include({
      code: "INVALID_ARGUMENT",
    });
  });

  it("promises less with other acks", async () => {
    const leader = client.producer({ acks: "leader" });
    expect((await leader.send(words, { value: "a" })).offset).to.equal(0);
    const none = client.producer({ acks: "none" });
    expect((await none.send(words, { value: "b" })).offset).to.equal(-1);
    await none.close();
    const read = await client.reader(words, { follow: true, limit: 2 }).toArray();
    expect(read.map(({ value }) => value)).to.deep.equal(["a", "b"]);
  });

  it("tells a client whose broker is not there", async () => {
    await using lost = new Client({ brokers: "127.0.0.1:1", retry: { initialDelay: 5, maxDelay: 20, budget: 5_000 } });
    expect(await rejection(lost.ready())).to.include({ code: "CONNECTION_LOST", retriable: true });
    const unsent = await rejection(lost.producer({ deliveryTimeout: 100 }).send(words, { value: "x" }));
    expect(unsent).to.be.instanceOf(TimeoutError).with.property("outcome", "not-sent");
  });
});
