import { BrokerError, codecs, type ProducerRecord, type TopicDef, topic } from "@tidemark/client";
import { expect } from "chai";
import { Readable } from "node:stream";
import type { Input } from "../../src/records/inputs.ts";
import { ProduceRun, type ProduceRunOptions } from "../../src/records/produce-run.ts";
import { createRecordReader } from "../../src/records/record-format.ts";

type OnDone = (error: BrokerError | null) => void;

/** Takes `room` records at a time; answers when it is told to wait, or at the flush. */
class FakeProducer {
  readonly taken: string[] = [];
  waits = 0;
  #room: number;
  readonly #roomMax: number;
  #pending: (() => void)[] = [];
  readonly #failAt: number;

  constructor(options: { room: number; failAt?: number }) {
    this.#room = options.room;
    this.#roomMax = options.room;
    this.#failAt = options.failAt ?? -1;
  }

  enqueue<K, V>(_topic: TopicDef<K, V>, record: ProducerRecord<K, V>, onDone?: OnDone): boolean {
    if (this.#room === 0) return false;
    this.#room -= 1;
    const slot = this.taken.length;
    this.taken.push(Buffer.isBuffer(record.value) ? record.value.toString("utf8") : "");
    const error = slot === this.#failAt ? new BrokerError("INVALID_ARGUMENT", "refused") : null;
    this.#pending.push(() => onDone?.(error));
    return true;
  }

  async ready(): Promise<void> {
    this.waits += 1;
    this.#answer();
  }

  async flush(): Promise<void> {
    this.#answer();
  }

  #answer(): void {
    for (const answer of this.#pending.splice(0)) answer();
    this.#room = this.#roomMax;
  }
}

const plain = {
  key: null,
  headers: [],
  partition: null,
  keySeparator: null,
  isTombstone: false,
  keepsPartition: true,
};

function runWith(producer: FakeProducer, overrides: Partial<ProduceRunOptions> = {}): ProduceRun {
  return new ProduceRun({
    producer,
    topic: topic("t", { key: codecs.bytes, value: codecs.bytes }),
    readRecord: createRecordReader("lines", plain),
    isWholeInput: false,
    recordsPerSecond: null,
    signal: new AbortController().signal,
    ...overrides,
  });
}

function input(name: string, chunks: Iterable<string>): Input {
  return { name, sizeBytes: null, open: () => Readable.from([...chunks].map((chunk) => Buffer.from(chunk))) };
}

describe("ProduceRun", () => {
  it("waits for room and loses, repeats and reorders nothing meanwhile", async () => {
    const producer = new FakeProducer({ room: 3 });
    const run = runWith(producer);
    const lines = Array.from({ length: 20 }, (_, slot) => `line ${slot}`);
    expect(await run.sendAll([input("a", [lines.join("\n")]), input("b", ["x\n", "y"])])).to.equal(null);
    expect(producer.taken).to.deep.equal([...lines, "x", "y"]);
    expect(producer.waits).to.be.above(5);
    expect(run.delivery).to.include({ handedOver: 22, acknowledged: 22, failed: 0 });
  });

  it("stops reading at the first record that fails, and awaits what is in flight", async () => {
    const producer = new FakeProducer({ room: 4, failAt: 1 });
    const run = runWith(producer);
    await run.sendAll([input("a", ["0\n1\n2\n3\n4\n5\n6\n"]), input("b", ["never\n"])]);
    expect(producer.taken).to.deep.equal(["0", "1", "2", "3", "4"]);
    expect(run.delivery).to.include({ acknowledged: 4, failed: 1 });
    expect(run.delivery.describeSlot(run.delivery.firstFailed?.slot ?? -1)).to.equal("record 2 of a");
  });

  it("counts a record that the producer refuses at once", async () => {
    const producer = new FakeProducer({ room: 9 });
    const run = runWith(producer, {
      producer: {
        ready: () => Promise.resolve(),
        flush: () => Promise.resolve(),
        enqueue: () => {
          throw new Error("the record could not be taken");
        },
      },
    });
    expect(await run.sendAll([input("a", ["x\n"])])).to.equal(null);
    expect(run.delivery.firstFailed?.error.message).to.equal("the record could not be taken");
  });

  it("names the place of input that makes no sense", async () => {
    const run = runWith(new FakeProducer({ room: 9 }), { readRecord: createRecordReader("ndjson", plain) });
    const stoppedBy = await run.sendAll([input("-", ['{"value":"1"}\n', '{"value":\n'])]);
    expect(stoppedBy?.message).to.match(/^record 2 of standard input: the line is not JSON/);
    expect(run.delivery).to.include({ acknowledged: 1, failed: 0 });
  });

  it("sends no half line when it is told to stop", async () => {
    const producer = new FakeProducer({ room: 9 });
    const controller = new AbortController();
    const run = runWith(producer, { signal: controller.signal });
    const source = new Readable({ read: () => undefined });
    source.push(Buffer.from("whole\nhalf"));
    const sent = run.sendAll([{ name: "-", sizeBytes: null, open: () => source }]);
    while (producer.taken.length === 0) await new Promise((resolve) => setImmediate(resolve));
    controller.abort();
    await sent;
    expect(producer.taken).to.deep.equal(["whole"]);
  });
});
