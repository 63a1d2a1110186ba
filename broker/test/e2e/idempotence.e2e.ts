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
  /** One of its own for each test, of one broker. */
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

  async function log(topic: string): Promise<string[]> {
    const end = (await client.listOffset(topic, -1)).offset;
    const reader = client.fetchStream();
    reader.send({ creditBytes: 10_000_000 });
    reader.subscribe(1, topic, 0);
    const values: string[] = [];
    while (values.length < end) for (const { value } of recordsOf((await reader.part()).records)) values.push(value);
    await reader.end();
    return values;
  }

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
    expect(await log(topic)).to.have.length(1);
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
    expect(await log(topic)).to.have.length(8);
  });

  it("refuses a gap with 45 and an older epoch with 47", async () => {
    const { producerId } = await client.initProducerId();
    await producer.produce(topic, numbered(producerId, 0));
    expect((await producer.produce(topic, numbered(producerId, 2))).errorCode).to.equal(45);
    expect((await producer.produce(topic, numbered(producerId, 0, { producerEpoch: 1 }))).errorCode).to.equal(0);
    expect((await producer.produce(topic, numbered(producerId, 1))).errorCode).to.equal(47);
    expect(await log(topic)).to.have.length(2);
  });

  /** What is done on a topic of its own before the broker ends, and then held against the one that comes back. */
  const lives: Readonly<Record<string, (topic: string) => Promise<() => Promise<void>>>> = {
    "hands out producer ids that nobody had before": async () => {
      const seen: number[] = [];
      const take = async (): Promise<void> => {
        for (let k = 0; k < 3; k++) seen.push((await client.initProducerId()).producerId);
      };
      await take();
      return async () => {
        await take();
        expect(new Set(seen).size).to.equal(6);
      };
    },

    "answers a retry with the old time where the topic keeps the append's, also when it has to be looked up": async (
      topic,
    ) => {
      const stamped = `${topic}-stamped`;
      await client.createTopic(stamped, { config: { "message.timestamp.type": "LogAppendTime" } });
      const { producerId } = await client.initProducerId();
      const times: number[] = [];
      for (const sequence of [0, 1])
        times.push((await producer.produce(stamped, numbered(producerId, sequence))).logAppendTime);
      expect(times[0]).to.be.above(0);
      const retryAll = async (): Promise<void> => {
        for (const [sequence, logAppendTime] of times.entries()) {
          const retry = await producer.produce(stamped, numbered(producerId, sequence));
          expect(retry).to.deep.include({ errorCode: 0, duplicate: true, logAppendTime });
        }
      };
      await retryAll();
      return retryAll;
    },

    "keeps sequences: a retry is a duplicate, the next batch goes on, a gap is refused": async (topic) => {
      const { producerId } = await client.initProducerId();
      await producer.produce(topic, numbered(producerId, 0, { values: ["a", "b"] }));
      return async () => {
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
        expect(await log(topic)).to.deep.equal(["a", "b", "sequence 2"]);
      };
    },

    "looks up all five in flight, with later batches behind them (11.1(2), P62)": async (topic) => {
      const { producerId } = await client.initProducerId();
      const inFlight = [0, 1, 2, 3, 4];
      for (const sequence of inFlight) await producer.produce(topic, numbered(producerId, sequence));
      return async () => {
        // The client never saw the answers: it sends all five again, and two new ones behind them, without waiting.
        const sent = [...inFlight, 5, 6].map((sequence) =>
          producer.send({
            acks: Acks.ALL,
            partitions: [
              {
                topic,
                partition: 0,
                topicId: Buffer.alloc(0),
                records: numbered(producerId, sequence),
                expectedEnd: null,
              },
            ],
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
        expect(await log(topic)).to.have.length(7);
      };
    },

    "refuses a lower sequence that never was, and does not take it for a duplicate (P62)": async (topic) => {
      const { producerId } = await client.initProducerId();
      // A producer that is unknown here may start anywhere.
      await producer.produce(topic, numbered(producerId, 10));
      return async () => {
        expect((await producer.produce(topic, numbered(producerId, 4))).errorCode).to.equal(45);
        expect(await log(topic)).to.deep.equal(["sequence 10"]);
      };
    },

    "keeps the fence": async (topic) => {
      const { producerId } = await client.initProducerId();
      await producer.produce(topic, numbered(producerId, 0));
      await producer.produce(topic, numbered(producerId, 0, { producerEpoch: 1 }));
      return async () => {
        expect((await producer.produce(topic, numbered(producerId, 1))).errorCode).to.equal(47);
      };
    },
  };

  for (const how of ["kill", "stop"] as const) {
    describe(how === "kill" ? "across kill -9" : "across a clean stop", () => {
      const checks = new Map<string, () => Promise<void>>();
      before(async () => {
        for (const [title, live] of Object.entries(lives)) {
          const own = `${how}-${checks.size}`;
          await client.createTopic(own);
          checks.set(title, await live(own));
        }
        await restart(how);
      });
      for (const title of Object.keys(lives)) it(title, () => checks.get(title)?.());
    });
  }
});
