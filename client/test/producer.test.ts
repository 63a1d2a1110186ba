/** The producer over a real socket, against the in-test broker. */
import { codecByName, ProtoError, registerCodec } from "@tidemark/proto";
import { expect } from "chai";
import { BrokerError, Client, CodecError, codecs, type ProducerRecord, TimeoutError, topic } from "../src/index.ts";
import { connectAttempts } from "./support/connect-attempts.ts";
import { MemoryBroker } from "./support/memory-broker.ts";
import { rejection } from "./support/rejection.ts";

const words = topic("words", { key: codecs.string, value: codecs.string });

function numbered(count: number, from = 0): { value: string }[] {
  return Array.from({ length: count }, (_, index) => ({ value: `v${from + index}` }));
}

function values(count: number): string[] {
  return numbered(count).map(({ value }) => value);
}

describe("producer over a socket", () => {
  let broker: MemoryBroker;
  let client: Client;

  beforeEach(async () => {
    broker = await MemoryBroker.start({ words: 1, many: 4 });
    client = new Client({ brokers: broker.address, retry: { initialDelay: 5, maxDelay: 50 } });
  });

  afterEach(async () => {
    await client.close({ timeout: 0 }).catch(() => {});
    await broker.stop();
  });

  describe("send", () => {
    it("resolves with the offset of the record", async () => {
      const producer = client.producer();
      const first = await producer.send(words, { value: "one" });
      const second = await producer.send(words, { value: "two", timestamp: 12_345 });
      expect(first).to.include({ topic: "words", partition: 0, offset: 0, duplicate: false });
      expect(second).to.include({ offset: 1, timestamp: 12_345 });
      expect(broker.values("words")).to.deep.equal(["one", "two"]);
    });

    it("keeps the order of calls, many in flight", async () => {
      const producer = client.producer({ batchBytes: 500 });
      const sent = await Promise.all(numbered(2_000).map((record) => producer.send(words, record)));
      expect(sent.map(({ offset }) => offset)).to.deep.equal(Array.from({ length: 2_000 }, (_, index) => index));
      expect(broker.values("words")).to.deep.equal(values(2_000));
    });

    it("keeps the order of calls when encodings take their time", async () => {
      const slow = topic("words", {
        value: {
          encode: async (value: string) => (await new Promise((resolve) => setImmediate(resolve)), Buffer.from(value)),
          decode: String,
        },
      });
      const mixed = topic("words", {
        value: {
          encode: (value: string) =>
            value.endsWith("7") ? Promise.resolve().then(() => Buffer.from(value)) : Buffer.from(value),
          decode: String,
        },
      });
      const producer = client.producer();
      await Promise.all(numbered(10).map((record) => producer.send(slow, record)));
      await Promise.all(numbered(30, 10).map((record) => producer.send(mixed, record)));
      expect(broker.values("words")).to.deep.equal(values(40));
    });

    it("puts records of one key where Kafka's Java clients put them", async () => {
      const keyed = topic("many", { value: codecs.string });
      const sent = await client.producer().send(keyed, { key: "21", value: "x" });
      // murmur2("21") = -973932308; (that & 0x7fffffff) % 4
      expect(sent.partition).to.equal((-973_932_308 & 0x7fffffff) % 4);
    });

    it("spreads records without a key over the partitions, batch by batch", async () => {
      const producer = client.producer({ batchBytes: 300 });
      const keyless = topic("many", { value: codecs.string });
      await Promise.all(numbered(400).map((record) => producer.send(keyless, record)));
      for (let partition = 0; partition < 4; partition += 1)
        expect(broker.records("many", partition).length).to.be.greaterThan(50);
    });

    it("asks a partitioner of the user's own, and fails the record when it answers nonsense", async () => {
      const keyless = topic("many", { value: codecs.string });
      const producer = client.producer({
        partitioner: ({ value, partitions }) => (value?.length === 1 ? (partitions.at(-1) ?? 0) : 99),
      });
      expect((await producer.send(keyless, { value: "x" })).partition).to.equal(3);
      expect(await rejection(producer.send(keyless, { value: "long" }))).to.include({ code: "INVALID_ARGUMENT" });
    });

    it("carries keys, nulls, headers and timestamps", async () => {
      const producer = client.producer();
      await producer.send("words", {
        key: Buffer.from("k"),
        value: "v",
        headers: { a: "1", b: Buffer.from("2"), c: null },
        timestamp: new Date(5),
      });
      await producer.send(words, { key: "t", value: null });
      const records = await client.reader(topic("words", { key: codecs.bytes, value: codecs.bytes })).toArray();
      expect(records[0]?.raw.key?.toString()).to.equal("k");
      expect(
        [...(records[0]?.headers ?? [])].map(([name, value]) => [name, value === null ? null : String(value)]),
      ).to.deep.equal([
        ["a", "1"],
        ["b", "2"],
        ["c", null],
      ]);
      expect(records[0]?.timestamp).to.equal(5);
      expect(records[1]?.value).to.equal(null);
    });

    it("asks for a few of many partitions at a time: an answer waits for all that were asked for together", async () => {
      broker.create("wide", 300);
      const producer = client.producer();
      const asked: number[] = [];
      broker.onProduce = (partitions) => {
        asked.push(partitions.length);
        return { kind: "serve" };
      };
      const wide = topic("wide", { key: codecs.string, value: codecs.string });
      const each = Array.from({ length: 300 }, (_, partition) => ({ partition, value: `v${partition}` }));
      await Promise.all(each.map((record) => producer.send(wide, record)));
      expect(asked).to.deep.equal([128, 128, 44]);
      for (const { partition, value } of each) expect(broker.values("wide", partition)).to.deep.equal([value]);
    });

    it("is refused for a topic that does not exist, once asking again has not helped", async () => {
      await client.ready();
      const asked = broker.calls.metadata;
      const error = await rejection(client.producer().send("nowhere", { value: "x" }));
      expect(error).to.include({ code: "UNKNOWN_TOPIC_OR_PARTITION", topic: "nowhere", fatal: false });
      expect(broker.calls.metadata).to.be.greaterThan(asked + 1);
    });

    it("creates the topic with its first use where the broker does that", async () => {
      broker.autoCreatePartitions = 2;
      const told: object[] = [];
      const logger = { debug: () => {}, info: (fields: object) => told.push(fields), warn: () => {}, error: () => {} };
      await using other = new Client({ brokers: broker.address, logger });
      await other.producer().send("fresh", { value: "x", partition: 1 });
      expect(broker.values("fresh", 1)).to.deep.equal(["x"]);
      expect(told).to.deep.include({ event: "topic-created", topic: "fresh", partitions: 2 });
    });

    it("is refused for a partition that does not exist, and for a name that is none", async () => {
      const producer = client.producer();
      expect(await rejection(producer.send(words, { value: "x", partition: 7 }))).to.include({
        code: "UNKNOWN_TOPIC_OR_PARTITION",
      });
      expect(await rejection(producer.send(words, { value: "x", partition: -1 }))).to.include({
        code: "INVALID_ARGUMENT",
      });
      expect(await rejection(producer.send("../x", { value: "x" }))).to.include({ code: "INVALID_ARGUMENT" });
    });

    it("is refused with the codec's error, and sends the others", async () => {
      const producer = client.producer();
      const strict = topic("words", { value: codecs.json<object>() });
      const cyclic: { self?: object } = {};
      cyclic.self = cyclic;
      expect(await rejection(producer.send(strict, { value: cyclic }))).to.be.instanceOf(CodecError);
      await producer.send(strict, { value: { a: 1 } });
      expect(broker.values("words")).to.deep.equal(['{"a":1}']);
    });
  });

  describe("when things go wrong on the way", () => {
    it("sends again in order, with nothing double, when streams break", async () => {
      broker.onProduce = (_, index) => (index % 3 === 1 ? { kind: "cut", append: index % 2 === 0 } : { kind: "serve" });
      const producer = client.producer({ batchBytes: 400 });
      const sent = await Promise.all(numbered(600).map((record) => producer.send(words, record)));
      expect(broker.values("words")).to.deep.equal(values(600));
      expect(sent.map(({ offset }) => offset)).to.deep.equal(Array.from({ length: 600 }, (_, index) => index));
      expect(sent.some(({ duplicate }) => duplicate)).to.equal(true);
    });

    it("sends again after errors that pass", async () => {
      broker.onProduce = (_, index) =>
        index % 4 === 0
          ? { kind: "refuse", error: "NOT_ENOUGH_REPLICAS", append: false }
          : index % 4 === 1
            ? { kind: "refuse", error: "REQUEST_TIMED_OUT", append: true }
            : { kind: "serve" };
      const producer = client.producer({ batchBytes: 400 });
      await Promise.all(numbered(300).map((record) => producer.send(words, record)));
      expect(broker.values("words")).to.deep.equal(values(300));
    });

    it("tells the logger once that a partition refuses, until it takes records again", async () => {
      broker.onProduce = (_, index) =>
        index < 3 || index === 4 ? { kind: "refuse", error: "KAFKA_STORAGE_ERROR", append: false } : { kind: "serve" };
      const told: [object, string | undefined][] = [];
      const silent = (): void => {};
      const warn = (fields: object, message?: string): void => void told.push([fields, message]);
      await using other = new Client({
        brokers: broker.address,
        logger: { debug: silent, info: silent, warn, error: silent },
        retry: { initialDelay: 1, maxDelay: 5 },
      });
      const producer = other.producer();
      await producer.send(words, { value: "v0" });
      await producer.send(words, { value: "v1" });
      expect(broker.values("words")).to.deep.equal(["v0", "v1"]);
      expect(told.map(([, message]) => message)).to.deep.equal(["a batch was refused", "a batch was refused"]);
      expect(told[0]?.[0]).to.include({ topic: "words", partition: 0, code: "KAFKA_STORAGE_ERROR" });
    });

    it("goes on with a broker that was away, on the same port", async () => {
      const producer = client.producer({ batchBytes: 400 });
      await producer.send(words, { value: "v0" });
      await broker.stop();
      const sent = Promise.all(numbered(200, 1).map((record) => producer.send(words, record)));
      await connectAttempts(3);
      await broker.start();
      await sent;
      expect(broker.values("words")).to.deep.equal(values(201));
      expect(broker.calls.initProducerId).to.equal(1);
    });

    it("is alive before its broker is", async () => {
      const { address } = broker;
      await broker.stop();
      await using early = new Client({ brokers: address, retry: { initialDelay: 5, maxDelay: 50, budget: 200 } });
      const sent = early.producer().send(words, { value: "early" });
      await connectAttempts(3);
      await broker.start();
      expect((await sent).offset).to.equal(0);
    });

    it("says not-sent for what never left, unknown for what may have arrived", async () => {
      // What is asked before a first record can go has its time elsewhere.
      await client.producer().send(words, { value: "first" });
      const producer = client.producer({ deliveryTimeout: 4_000 });
      broker.onProduce = () => ({ kind: "swallow", append: true });
      const swallowed = await rejection(producer.send(words, { value: "swallowed" }));
      expect(swallowed).to.be.instanceOf(TimeoutError);
      expect(swallowed).to.include({ code: "TIMEOUT", outcome: "unknown", retriable: true });
      await broker.settled(() => broker.values("words").length === 2);
      await broker.stop();
      const hasty = client.producer({ deliveryTimeout: 100 });
      const stranded = await rejection(hasty.send(words, { value: "stranded" }));
      expect(stranded).to.be.instanceOf(TimeoutError);
      expect(stranded).to.include({ outcome: "not-sent" });
      expect(broker.values("words")).to.deep.equal(["first", "swallowed"]);
    });

    it("splits a batch that is too large for its topic, and refuses the one record that is", async () => {
      broker.maxBatchBytes = 300;
      const producer = client.producer();
      const result = await producer.sendAll(words, [...numbered(50), { value: "x".repeat(400) }, ...numbered(50, 50)]);
      expect(result.ok.length).to.equal(100);
      expect(result.failed.map(({ index, error }) => [index, error.code])).to.deep.equal([[50, "RECORD_TOO_LARGE"]]);
      expect(broker.values("words")).to.deep.equal(values(100));
    });

    it("lets go of the connection, and takes another, when a broker falls silent", async () => {
      await using impatient = new Client({
        brokers: broker.address,
        retry: { initialDelay: 5, maxDelay: 50 },
        timeouts: { request: 50 },
      });
      broker.onProduce = (_, index) => (index === 0 ? { kind: "swallow", append: true } : { kind: "serve" });
      const sent = await impatient.producer().send(words, { value: "once" });
      expect(sent.duplicate).to.equal(true);
      expect(broker.values("words")).to.deep.equal(["once"]);
    });
  });

  describe("other promises than all", () => {
    it("takes acks leader and none without a producer id", async () => {
      const leader = client.producer({ acks: "leader" });
      const none = client.producer({ acks: "none" });
      expect((await leader.send(words, { value: "a" })).offset).to.equal(0);
      expect((await none.send(words, { value: "b" })).offset).to.equal(-1);
      await none.close();
      await leader.send(words, { value: "c" });
      expect(broker.values("words")).to.have.members(["a", "b", "c"]);
      expect(broker.calls.initProducerId).to.equal(0);
    });

    it("refuses options that contradict each other", () => {
      expect(() => client.producer({ acks: "leader", idempotent: true }))
        .to.throw(BrokerError)
        .with.property("code", "INVALID_ARGUMENT");
      expect(() => client.producer({ maxInFlight: 6 })).to.throw("maxInFlight");
      expect(() => client.producer({ linger: -1 })).to.throw("linger");
    });

    it("refuses a codec that this process does not have, before there is a record", () => {
      const present = codecByName("zstd");
      const refuse = (): never => {
        throw new ProtoError("UNSUPPORTED_COMPRESSION_TYPE", "no zstd here");
      };
      // Which codecs there are depends on Node and on what else this process has loaded.
      registerCodec({ name: "zstd", compress: refuse, decompress: refuse });
      try {
        expect(() => client.producer({ compression: "zstd" }))
          .to.throw(BrokerError)
          .with.property("code", "UNSUPPORTED");
      } finally {
        registerCodec(present);
      }
    });

    for (const compression of ["gzip", "snappy", "lz4"] as const) {
      it(`squeezes batches with ${compression}, and reads them`, async () => {
        const text = "to be or not to be ".repeat(20);
        await client.producer({ compression }).sendAll(
          words,
          Array.from({ length: 100 }, () => ({ value: text })),
        );
        expect(broker.partition("words").batches.reduce((sum, batch) => sum + batch.length, 0)).to.be.lessThan(
          text.length * 20,
        );
        expect((await client.reader(words).toArray()).map(({ value }) => value)).to.deep.equal(
          Array.from({ length: 100 }, () => text),
        );
      });
    }
  });

  describe("sendAll", () => {
    it("hides no partial success", async () => {
      const producer = client.producer();
      const records: ProducerRecord<string, string>[] = [{ value: "a" }, { value: "b", partition: 9 }, { value: "c" }];
      const result = await producer.sendAll(words, records);
      expect(result.ok.map(({ offset }) => offset)).to.deep.equal([0, 1]);
      expect(result.failed.map(({ index, error }) => [index, error.code])).to.deep.equal([
        [1, "UNKNOWN_TOPIC_OR_PARTITION"],
      ]);
      expect(() => result.throwIfFailed()).to.throw(BrokerError);
    });

    it("tells of each record when its time is over", async () => {
      const producer = client.producer({ batchBytes: 100 });
      await producer.send(words, { value: "first" });
      broker.onProduce = (_, index) => (index === 1 ? { kind: "serve" } : { kind: "swallow", append: false });
      const result = await producer.sendAll(words, numbered(40), { timeout: 4_000 });
      expect(result.ok.length).to.be.greaterThan(0);
      expect(result.ok.length + result.failed.length).to.equal(40);
      expect(result.failed.every(({ error }) => error instanceof TimeoutError)).to.equal(true);
    });
  });

  describe("enqueue", () => {
    it("takes records without promises and tells of each when asked", async () => {
      const producer = client.producer();
      const offsets: number[] = [];
      for (const record of numbered(100))
        expect(
          producer.enqueue(words, record, (error, metadata) =>
            offsets.push(error === null ? (metadata?.offset ?? -1) : -1),
          ),
        ).to.equal(true);
      await producer.flush();
      expect(offsets).to.deep.equal(Array.from({ length: 100 }, (_, index) => index));
      expect(producer.buffered).to.deep.equal({ records: 0, bytes: 0 });
    });

    it("says no when the buffer is full, and yes again after ready", async () => {
      const producer = client.producer({ maxBuffered: { bytes: 10_000 } });
      await producer.send(words, { value: "first" });
      let taken = 0;
      while (producer.enqueue(words, { value: "x".repeat(100) })) taken += 1;
      expect(taken).to.be.within(80, 100);
      expect(producer.buffered.bytes).to.be.greaterThanOrEqual(10_000);
      await producer.ready();
      expect(producer.enqueue(words, { value: "x" })).to.equal(true);
      await producer.flush();
      expect(broker.values("words").length).to.equal(taken + 2);
    });

    it("tells of a failure that nobody asked about with the next flush, once", async () => {
      const producer = client.producer();
      producer.enqueue(words, { value: "x", partition: 9 });
      expect(await rejection(producer.flush())).to.include({ code: "UNKNOWN_TOPIC_OR_PARTITION" });
      await producer.flush();
    });

    it("refuses an asynchronous codec", () => {
      const slow = topic("words", {
        value: { encode: (value: string) => Promise.resolve(Buffer.from(value)), decode: String },
      });
      expect(() => client.producer().enqueue(slow, { value: "x" })).to.throw(CodecError);
    });
  });

  describe("streams", () => {
    async function* source(count: number): AsyncGenerator<{ value: string }> {
      for (const record of numbered(count)) yield record;
    }

    it("pipes what an iterable yields, held back by the buffer", async () => {
      const producer = client.producer({ maxBuffered: { bytes: 2_000 }, batchBytes: 500 });
      let most = 0;
      async function* watched(): AsyncGenerator<{ value: string }> {
        for await (const record of source(1_000)) {
          most = Math.max(most, producer.buffered.bytes);
          yield record;
        }
      }
      expect(await producer.pipe(words, watched())).to.deep.equal({ sent: 1_000 });
      expect(broker.values("words")).to.deep.equal(values(1_000));
      expect(most).to.be.lessThan(2_300);
    });

    it("stops the source at the first failure", async () => {
      let isStopped = false;
      async function* endless(): AsyncGenerator<{ value: string; partition?: number }> {
        try {
          for (let index = 0; ; index += 1) yield index === 10 ? { value: "x", partition: 9 } : { value: "x" };
        } finally {
          isStopped = true;
        }
      }
      const producer = client.producer({ maxBuffered: { bytes: 2_000 } });
      expect(await rejection(producer.pipe(words, endless()))).to.include({ code: "UNKNOWN_TOPIC_OR_PARTITION" });
      expect(isStopped).to.equal(true);
    });

    it("stops a source that yields nothing when its caller gives up", async () => {
      const controller = new AbortController();
      const silent: AsyncIterable<{ value: string }> = {
        [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }),
      };
      const piped = client.producer().pipe(words, silent, { signal: controller.signal });
      controller.abort(new Error("enough"));
      expect(await rejection(piped)).to.include({ code: "ABORTED" });
    });

    it("is a writable stream", async () => {
      const sink = client.producer().sink(words);
      await ReadableStream.from(numbered(50)).pipeTo(sink);
      expect(broker.values("words")).to.deep.equal(values(50));
    });
  });

  describe("limits of a call", () => {
    it("sends nothing that was aborted before or while it waited for room", async () => {
      const producer = client.producer({ maxBuffered: { bytes: 100 } });
      const controller = new AbortController();
      controller.abort();
      expect(await rejection(producer.send(words, { value: "x" }, { signal: controller.signal }))).to.include({
        code: "ABORTED",
      });
      broker.onProduce = () => ({ kind: "swallow", append: true });
      const full = producer.send(words, { value: "x".repeat(200) }).catch(() => {});
      await broker.settled(() => broker.values("words").length === 1);
      const late = await rejection(producer.send(words, { value: "late" }, { timeout: 100 }));
      expect(late).to.include({ code: "TIMEOUT", outcome: "not-sent" });
      const inFlight = new AbortController();
      const waiting = producer.send(words, { value: "waiting" }, { signal: inFlight.signal });
      inFlight.abort();
      expect(await rejection(waiting)).to.include({ code: "ABORTED" });
      expect(broker.values("words").length).to.equal(1);
      await producer.close({ timeout: 0 }).catch(() => {});
      await full;
    });

    it("lets waiting sends in, in their order", async () => {
      const producer = client.producer({ maxBuffered: { bytes: 300 }, batchBytes: 100 });
      await Promise.all(numbered(300).map((record) => producer.send(words, record)));
      expect(broker.values("words")).to.deep.equal(values(300));
    });
  });

  describe("close", () => {
    it("waits for what it has, takes no more, and may be called again", async () => {
      broker.onProduce = () => ({ kind: "serve", afterMs: 100 });
      const producer = client.producer();
      const sent = producer.send(words, { value: "last" });
      const closed = producer.close();
      expect(producer.close()).to.equal(closed);
      expect(await rejection(producer.send(words, { value: "late" }))).to.include({ code: "CLOSED", fatal: true });
      await closed;
      expect((await sent).offset).to.equal(0);
    });

    it("lets go after its timeout, and says what may have happened", async () => {
      const producer = client.producer();
      const swallowed = new Promise<void>((resolve) => {
        broker.onProduce = () => {
          resolve();
          return { kind: "swallow", append: false };
        };
      });
      const outcome = rejection(producer.send(words, { value: "x" }));
      await swallowed;
      await producer.close({ timeout: 50 });
      expect(await outcome).to.include({ code: "TIMEOUT", outcome: "unknown" });
    });

    it("comes with the client's", async () => {
      const producer = client.producer();
      const sent = producer.send(words, { value: "x" });
      await client.close();
      expect((await sent).offset).to.equal(0);
      expect(() => client.producer()).to.throw("closed");
    });
  });
});
