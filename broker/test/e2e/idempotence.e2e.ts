/** Idempotent producing over a real socket, across kill -9 and a clean stop: retries answered with the old offsets, never doubled. */
import { expect } from "chai";
import { Acks } from "@tidemark/proto";
import { batch, recordsOf } from "./support/batches.ts";
import { RawClient } from "./support/raw-client.ts";
import type { RawProduceStream } from "./support/raw-client.ts";
import { BrokerProcess, freshDirectory, removeDirectory } from "./support/test-broker.ts";

describe("idempotent producing", () => {
  let directory: string;
  let broker: BrokerProcess;
  let client: RawClient;
  let producer: RawProduceStream;
  /** One of its own for each test, of the one broker that all of them kill and stop. */
  let topic: string;
  let count = 0;

  async function connect(): Promise<void> {
    broker = await BrokerProcess.start({ "log.dirs": directory });
    client = new RawClient(broker.grpcAddress);
    producer = client.produceStream();
    await producer.opened();
  }

  async function restart(how: "kill" | "stop"): Promise<void> {
    client.close();
    await broker[how]();
    await connect();
  }

  before(async () => {
    directory = freshDirectory();
    await connect();
  });

  beforeEach(async () => {
    count += 1;
    topic = `once-${count}`;
    await client.createTopic(topic);
  });

  after(async () => {
    client.close();
    await broker.stop();
    removeDirectory(directory);
  });

  function numbered(
    producerId: number,
    baseSequence: number,
    options: { values?: string[]; producerEpoch?: number } = {},
  ): Buffer {
    return batch({
      values: options.values ?? [`sequence ${baseSequence}`],
      producerId,
      producerEpoch: options.producerEpoch ?? 0,
      baseSequence,
    });
  }

  async function log(): Promise<string[]> {
    const end = (await client.listOffset(topic, -1)).offset;
    const reader = client.fetchStream();
    reader.send({ creditBytes: 10_000_000 });
    reader.subscribe(1, topic, 0);
    const values: string[] = [];
    while (values.length < end) for (const { value } of recordsOf((await reader.part()).records)) values.push(value);
    await reader.end();
    return values;
  }

  it("hands out producer ids that nobody had before, also after a kill", async () => {
    const seen = new Set<number>();
    for (let i = 0; i < 3; i++) {
      for (let k = 0; k < 3; k++) seen.add((await client.initProducerId()).producerId);
      await restart("kill");
    }
    expect(seen.size).to.equal(9);
  });

  it("answers a retry with the old offset and writes nothing", async () => {
    const { producerId } = await client.initProducerId();
    expect(await producer.produce(topic, numbered(producerId, 0))).to.deep.include({
      errorCode: 0,
      baseOffset: 0,
      duplicate: false,
    });
    expect(await producer.produce(topic, numbered(producerId, 0))).to.deep.include({
      errorCode: 0,
      baseOffset: 0,
      duplicate: true,
    });
    expect(await log()).to.have.length(1);
  });

  it("answers a retry with the old time where the topic keeps the append's, also when it is looked up after a kill", async () => {
    await client.createTopic("stamped", { config: { "message.timestamp.type": "LogAppendTime" } });
    const { producerId } = await client.initProducerId();
    const times: number[] = [];
    for (const sequence of [0, 1])
      times.push((await producer.produce("stamped", numbered(producerId, sequence))).logAppendTime);
    expect(times[0]).to.be.above(0);
    for (const how of ["at once", "after a kill"]) {
      if (how !== "at once") await restart("kill");
      for (const [sequence, logAppendTime] of times.entries()) {
        const retry = await producer.produce("stamped", numbered(producerId, sequence));
        expect(retry, how).to.deep.include({ errorCode: 0, duplicate: true, logAppendTime });
      }
    }
  });

  it("answers each of the last five batches as a duplicate, and finds older ones in the log (11.1(2))", async () => {
    const { producerId } = await client.initProducerId();
    for (let sequence = 0; sequence < 8; sequence++) await producer.produce(topic, numbered(producerId, sequence));
    for (let sequence = 0; sequence < 8; sequence++) {
      expect(await producer.produce(topic, numbered(producerId, sequence))).to.deep.include({
        errorCode: 0,
        baseOffset: sequence,
        duplicate: true,
      });
    }
    expect(await log()).to.have.length(8);
  });

  it("refuses a gap with 45 and an older epoch with 47", async () => {
    const { producerId } = await client.initProducerId();
    await producer.produce(topic, numbered(producerId, 0));
    expect((await producer.produce(topic, numbered(producerId, 2))).errorCode).to.equal(45);
    expect((await producer.produce(topic, numbered(producerId, 0, { producerEpoch: 1 }))).errorCode).to.equal(0);
    expect((await producer.produce(topic, numbered(producerId, 1))).errorCode).to.equal(47);
    expect(await log()).to.have.length(2);
  });

  for (const how of ["kill", "stop"] as const) {
    const across = how === "kill" ? "kill -9" : "a clean stop";

    it(`keeps sequences across ${across}: a retry is a duplicate, the next batch goes on, a gap is refused`, async () => {
      const { producerId } = await client.initProducerId();
      await producer.produce(topic, numbered(producerId, 0, { values: ["a", "b"] }));
      await restart(how);
      expect(await producer.produce(topic, numbered(producerId, 0, { values: ["a", "b"] }))).to.deep.include({
        errorCode: 0,
        baseOffset: 0,
        duplicate: true,
      });
      expect((await producer.produce(topic, numbered(producerId, 3))).errorCode).to.equal(45);
      expect(await producer.produce(topic, numbered(producerId, 2))).to.deep.include({
        errorCode: 0,
        baseOffset: 2,
        duplicate: false,
      });
      expect(await log()).to.deep.equal(["a", "b", "sequence 2"]);
    });

    it(`looks up all five in flight after ${across}, with later batches behind them (11.1(2), P62)`, async () => {
      const { producerId } = await client.initProducerId();
      const inFlight = [0, 1, 2, 3, 4];
      for (const sequence of inFlight) await producer.produce(topic, numbered(producerId, sequence));
      await restart(how);
      // The client never saw the answers: it sends all five again, and two new ones behind them, without waiting.
      const sent = [...inFlight, 5, 6].map((sequence) =>
        producer.send({
          acks: Acks.ALL,
          partitions: [{ topic, partition: 0, topicId: Buffer.alloc(0), records: numbered(producerId, sequence) }],
        }),
      );
      const answers = new Map<number, { errorCode: number; baseOffset: number; duplicate: boolean }>();
      for (const _ of sent) {
        const { correlationId, results } = await producer.next();
        const [result] = results;
        if (result !== undefined) answers.set(correlationId, result);
      }
      const inOrder = sent.map((correlationId) => answers.get(correlationId));
      expect(inOrder.map((answer) => answer?.errorCode)).to.deep.equal([0, 0, 0, 0, 0, 0, 0]);
      expect(inOrder.map((answer) => answer?.baseOffset)).to.deep.equal([0, 1, 2, 3, 4, 5, 6]);
      expect(inOrder.map((answer) => answer?.duplicate)).to.deep.equal([true, true, true, true, true, false, false]);
      expect(await log()).to.have.length(7);
    });
  }

  it("refuses a lower sequence that never was, and does not take it for a duplicate (P62)", async () => {
    const { producerId } = await client.initProducerId();
    // A producer that is unknown here may start anywhere.
    await producer.produce(topic, numbered(producerId, 10));
    await restart("kill");
    expect((await producer.produce(topic, numbered(producerId, 4))).errorCode).to.equal(45);
    expect(await log()).to.deep.equal(["sequence 10"]);
  });

  it("keeps the fence across a kill", async () => {
    const { producerId } = await client.initProducerId();
    await producer.produce(topic, numbered(producerId, 0));
    await producer.produce(topic, numbered(producerId, 0, { producerEpoch: 1 }));
    await restart("kill");
    expect((await producer.produce(topic, numbered(producerId, 1))).errorCode).to.equal(47);
  });
});
