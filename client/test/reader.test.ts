/** The reader over a real socket, against the in-test broker. */
import { expect } from "chai";
import { BrokerError, Client, CodecError, codecs, type ConsumerRecord, type Producer, topic } from "../src/index.ts";
import { MemoryBroker } from "./support/memory-broker.ts";
import { rejection } from "./support/rejection.ts";

const words = topic("words", { key: codecs.string, value: codecs.string });
const many = topic("many", { value: codecs.string });

describe("reader over a socket", () => {
  let broker: MemoryBroker;
  let client: Client;

  beforeEach(async () => {
    broker = await MemoryBroker.start({ words: 1, many: 3 });
    client = new Client({ brokers: broker.address, retry: { initialDelay: 5, maxDelay: 50 } });
  });

  afterEach(async () => {
    await client.close({ timeout: 0 }).catch(() => {});
    await broker.stop();
  });

  /** v0, v1 …: `batch` records in each batch, record i at Unix ms 1000 + i. */
  async function fill(
    count: number,
    batch = count,
    producer: Producer = client.producer({ linger: 0 }),
  ): Promise<void> {
    for (let from = 0; from < count; from += batch) {
      const records = Array.from({ length: Math.min(batch, count - from) }, (_, index) => ({
        value: `v${from + index}`,
        timestamp: 1_000 + from + index,
      }));
      (await producer.sendAll(words, records)).throwIfFailed();
    }
  }

  const values = (records: readonly ConsumerRecord<unknown, string>[]): string[] => records.map(({ value }) => value);
  const expected = (from: number, to: number): string[] =>
    Array.from({ length: to - from }, (_, index) => `v${from + index}`);

  it("reads from the start to the end of the log and ends", async () => {
    await fill(10);
    const records = await client.reader(words).toArray();
    expect(values(records)).to.deep.equal(expected(0, 10));
    expect(records[3]).to.include({
      topic: "words",
      partition: 0,
      offset: 3,
      timestamp: 1_003,
      timestampType: "create",
      key: "",
      deliveryAttempt: 1,
    });
    expect(records[3]?.raw).to.deep.equal({ key: null, value: Buffer.from("v3") });
    expect(JSON.parse(JSON.stringify(records[3]))).to.deep.include({ offset: 3, value: "v3", headers: [] });
  });

  it("ends at once in an empty topic", async () => {
    expect(await client.reader(words).toArray()).to.deep.equal([]);
  });

  it("begins and ends inside batches", async () => {
    await fill(100, 25);
    for (const [from, to] of [
      [0, 100],
      [3, 4],
      [24, 26],
      [25, 50],
      [99, 100],
      [10, 10],
      [60, 40],
    ] as const) {
      expect(values(await client.reader(words, { from, to }).toArray()), `${from} to ${to}`).to.deep.equal(
        expected(from, Math.max(from, to)),
      );
    }
  });

  it("begins and ends at times", async () => {
    await fill(50, 10);
    expect(values(await client.reader(words, { from: new Date(1_017), to: new Date(1_033) }).toArray())).to.deep.equal(
      expected(17, 33),
    );
    expect(values(await client.reader(words, { from: new Date(99_999) }).toArray())).to.deep.equal([]);
    expect(values(await client.reader(words, { to: new Date(99_999) }).toArray())).to.deep.equal(expected(0, 50));
  });

  it("begins at the end, and follows until its limit", async () => {
    await fill(5);
    const reader = client.reader(words, { from: "latest", follow: true, limit: 3 });
    const iterator = reader[Symbol.asyncIterator]();
    const first = iterator.next();
    await broker.settled(() => broker.calls.fetchStreams === 1);
    await client.producer().sendAll(words, [{ value: "a" }, { value: "b" }, { value: "c" }, { value: "d" }]);
    expect((await first).value).to.include({ value: "a", offset: 5 });
    const rest: string[] = [];
    for await (const { value } of reader) rest.push(value);
    expect(rest).to.deep.equal(["b", "c"]);
  });

  it("follows until a time that has not come", async () => {
    await fill(5);
    const read = client.reader(words, { follow: true, to: new Date(5_000) }).toArray();
    await client.producer().sendAll(words, [
      { value: "v5", timestamp: 4_999 },
      { value: "beyond", timestamp: 5_000 },
    ]);
    expect(values(await read)).to.deep.equal(expected(0, 6));
  });

  it("reads partitions in their own order, from where each is told", async () => {
    const producer = client.producer();
    for (let partition = 0; partition < 3; partition += 1) {
      await producer.sendAll(
        many,
        Array.from({ length: 10 }, (_, index) => ({ value: `${partition}:${index}`, partition })),
      );
    }
    const records = await client
      .reader(many, {
        from: new Map([
          [0, 8],
          [2, 5],
        ]),
        to: new Map([[2, 7]]),
      })
      .toArray();
    expect(records.filter(({ partition }) => partition === 0).map(({ offset }) => offset)).to.deep.equal([8, 9]);
    expect(records.filter(({ partition }) => partition === 1)).to.deep.equal([]);
    expect(records.filter(({ partition }) => partition === 2).map(({ offset }) => offset)).to.deep.equal([5, 6]);
    expect((await client.reader(many, { partitions: [1] }).toArray()).length).to.equal(10);
    expect((await client.reader(many).toArray()).length).to.equal(30);
  });

  it("goes on at its position when streams break and brokers come back", async () => {
    await fill(200, 10);
    const seen: string[] = [];
    let restarts = 0;
    for await (const { value, offset } of client.reader(words, {
      follow: true,
      limit: 300,
      prefetch: { bytes: 200 },
    })) {
      seen.push(value);
      if (offset === 20) broker.cutStreams();
      if (offset === 60) void broker.restart().then(() => (restarts += 1));
      if (offset === 150) void fill(200, 20).catch(() => {});
    }
    expect(seen).to.deep.equal([...expected(0, 200), ...expected(0, 100)]);
    expect(restarts).to.equal(1);
  });

  it("holds the broker back when it is not asked for records", async () => {
    const value = "x".repeat(1_000);
    const producer = client.producer({ batchBytes: 2_000 });
    await producer.sendAll(
      words,
      Array.from({ length: 600 }, () => ({ value })),
    );
    const iterator = client.reader(words, { prefetch: { bytes: 50_000 } })[Symbol.asyncIterator]();
    await iterator.next();
    await broker.settled(() => broker.fetchCredit <= 0);
    expect(broker.fetchedBytes).to.be.lessThan(60_000);
    for (let read = 1; read < 200; read += 1) await iterator.next();
    expect(broker.fetchedBytes).to.be.lessThan(300_000);
    await iterator.return?.();
  });

  it("ends the loops of others when it is closed, and closes when a loop is left", async () => {
    await fill(5);
    const reader = client.reader(words, { from: "latest", follow: true });
    const waiting = reader[Symbol.asyncIterator]().next();
    await reader.close();
    expect(await waiting).to.deep.equal({ done: true, value: undefined });
    await reader.close();
    const other = client.reader(words, { follow: true });
    for await (const { value } of other) if (value === "v2") break;
    await broker.settled(() => broker.openFetchStreams === 0);
    expect(await other[Symbol.asyncIterator]().next()).to.deep.equal({ done: true, value: undefined });
  });

  it("is aborted by its signal, before and while it reads", async () => {
    await fill(5);
    const controller = new AbortController();
    const reader = client.reader(words, { follow: true, signal: controller.signal });
    const iterator = reader[Symbol.asyncIterator]();
    for (let read = 0; read < 5; read += 1) await iterator.next();
    const waiting = iterator.next();
    controller.abort(new Error("enough"));
    expect(await rejection(waiting)).to.include({ code: "ABORTED" });
    expect(await iterator.next()).to.deep.equal({ done: true, value: undefined });
    expect(await rejection(client.reader(words, { signal: controller.signal }).toArray())).to.include({
      code: "ABORTED",
    });
  });

  it("says what is wrong with an offset, a partition, a topic or an option", async () => {
    await fill(5);
    expect(await rejection(client.reader(words, { from: 6 }).toArray())).to.include({
      code: "OFFSET_OUT_OF_RANGE",
      kafkaCode: 1,
      topic: "words",
      partition: 0,
    });
    expect(await rejection(client.reader(words, { partitions: [4] }).toArray())).to.include({
      code: "UNKNOWN_TOPIC_OR_PARTITION",
    });
    expect(await rejection(client.reader(topic("nowhere")).toArray())).to.include({
      code: "UNKNOWN_TOPIC_OR_PARTITION",
      topic: "nowhere",
    });
    for (const options of [
      { from: -1 },
      { to: 1.5 },
      { limit: -1 },
      { prefetch: { bytes: 0 } },
      { from: new Date(Number.NaN) },
    ]) {
      expect(() => client.reader(words, options))
        .to.throw(BrokerError)
        .with.property("code", "INVALID_ARGUMENT");
    }
  });

  it("refuses damaged bytes", async () => {
    await fill(30, 10);
    const batch = broker.partition("words").batches[1];
    if (batch !== undefined) batch[80] = (batch[80] ?? 0) ^ 1;
    const seen: string[] = [];
    const read = (async () => {
      for await (const { value } of client.reader(words)) seen.push(value);
    })();
    expect(await rejection(read)).to.include({ code: "CORRUPT" });
    expect(seen).to.deep.equal(expected(0, 10));
  });

  it("hands out the record that its codec cannot decode, with the error", async () => {
    await fill(3);
    const error = await rejection(client.reader(topic("words", { value: codecs.int32 })).toArray());
    expect(error).to.be.instanceOf(CodecError);
    expect(error).to.include({ code: "CODEC", topic: "words", partition: 0 });
    expect(error instanceof CodecError ? error.record?.raw.value?.toString() : "").to.equal("v0");
  });

  it("waits for asynchronous codecs, and keeps order", async () => {
    await fill(20, 5);
    const slow = topic("words", {
      value: {
        encode: (value: string) => Buffer.from(value),
        decode: async (bytes) => (await new Promise((resolve) => setImmediate(resolve)), String(bytes)),
      },
    });
    expect(values(await client.reader(slow).toArray())).to.deep.equal(expected(0, 20));
    const failing = topic("words", {
      value: { encode: (value: string) => Buffer.from(value), decode: () => Promise.reject(new Error("no")) },
    });
    const error = await rejection(client.reader(failing).toArray());
    expect(error).to.be.instanceOf(CodecError).with.property("message").that.includes("record 0 of words-0");
  });

  it("answers calls of next that do not wait for each other, in order", async () => {
    await fill(10, 2);
    const iterator = client.reader(words)[Symbol.asyncIterator]();
    const results = await Promise.all(Array.from({ length: 12 }, () => iterator.next()));
    expect(results.map(({ value }) => value?.value)).to.deep.equal([...expected(0, 10), undefined, undefined]);
  });

  it("begins where the log begins, when retention was faster", async () => {
    await fill(30, 10);
    broker.beforeFetch = () => broker.trim("words", 20);
    expect(values(await client.reader(words).toArray())).to.deep.equal(expected(20, 30));
  });
});
