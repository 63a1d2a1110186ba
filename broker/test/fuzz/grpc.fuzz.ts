/**
 * The gRPC door under arbitrary bytes: raw sockets with mutilated HTTP/2, well-formed calls with mutilated messages on every
 * method, and produce streams with mutilated batches. Passes when nothing is thrown out of the door, another client is served
 * after each round, and the log holds exactly the good batches.
 */
import net from "node:net";
import { expect } from "chai";
import fc from "fast-check";
import { ADMIN_METHODS, adminRequests, ConfigOperation, DATA_SERVICE, wire } from "@tidemark/proto";
import type { Broker } from "../../src/index.ts";
import { batch } from "../e2e/support/batches.ts";
import { RawClient } from "../e2e/support/raw-client.ts";
import { startMemoryBroker } from "../e2e/support/test-broker.ts";

const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const ROUNDS = Number(process.env["FUZZ_ROUNDS"] ?? 60);

/** A frame of HTTP/2 with whatever header and payload. */
const frame = fc
  .record({
    length: fc.option(fc.nat(0xffffff), { nil: null, freq: 8 }),
    type: fc.oneof({ weight: 8, arbitrary: fc.nat(9) }, { weight: 1, arbitrary: fc.nat(255) }),
    flags: fc.nat(255),
    stream: fc.oneof(fc.nat(7), fc.nat(0x7fffffff)),
    payload: fc.uint8Array({ maxLength: 60 }),
  })
  .map(({ length, type, flags, stream, payload }) => {
    const header = Buffer.alloc(9);
    header.writeUIntBE(length ?? payload.length, 0, 3);
    header.writeUInt8(type, 3);
    header.writeUInt8(flags, 4);
    header.writeUInt32BE(stream, 5);
    return Buffer.concat([header, payload]);
  });

const conversation = fc
  .tuple(
    fc.constantFrom("", PREFACE, PREFACE, PREFACE.slice(0, 11)),
    fc.array(
      fc.oneof(
        frame,
        fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
      ),
      { maxLength: 8 },
    ),
  )
  .map(([preface, parts]) => Buffer.concat([Buffer.from(preface), ...parts]));

/** Bytes near a good message: some of them changed, cut, repeated. */
function near(good: Buffer): fc.Arbitrary<Buffer> {
  const change = fc.record({ at: fc.nat(Math.max(0, good.length - 1)), to: fc.nat(255) });
  return fc
    .tuple(fc.array(change, { maxLength: 6 }), fc.nat(good.length), fc.constantFrom("keep", "cut", "twice"))
    .map(([changes, at, shape]) => {
      const bytes = Buffer.from(good);
      for (const { at: place, to } of changes) if (place < bytes.length) bytes[place] = to;
      if (shape === "cut") return bytes.subarray(0, at);
      return shape === "twice" ? Buffer.concat([bytes, bytes]) : bytes;
    });
}

describe("gRPC door, fuzzed", () => {
  let broker: Broker;
  let client: RawClient;
  const thrown: unknown[] = [];
  const note = (error: unknown): void => void thrown.push(error);
  let good = 0;

  before(async () => {
    broker = await startMemoryBroker();
    client = new RawClient(broker.grpcAddress);
    await client.createTopic("fuzz");
    process.on("uncaughtExceptionMonitor", note);
  });

  after(async () => {
    process.off("uncaughtExceptionMonitor", note);
    client.close();
    await broker.stop();
  });

  /** Another client, on a stream of its own: its batch goes in at the next offset, so nothing else has. */
  async function expectServed(): Promise<void> {
    expect(thrown).to.deep.equal([]);
    const producer = client.produceStream();
    await producer.opened();
    expect(await producer.produce("fuzz", batch({ values: ["good"] }))).to.deep.include({
      errorCode: 0,
      baseOffset: good,
    });
    good++;
    await producer.end();
  }

  it("survives whatever a socket says", async () => {
    const port = Number(broker.grpcAddress.split(":")[1]);
    await fc.assert(
      fc.asyncProperty(fc.array(conversation, { minLength: 1, maxLength: 5 }), async (all) => {
        const sockets = all.map((bytes) => {
          const socket = net.connect(port, "127.0.0.1", () => socket.write(bytes));
          socket.on("error", () => undefined);
          socket.resume();
          return socket;
        });
        await expectServed();
        for (const socket of sockets) socket.destroy();
      }),
      { numRuns: ROUNDS },
    );
  });

  it("survives whatever a call carries, on every method", async () => {
    const topic = wire.metadataRequest.encode({ topics: ["fuzz"], allTopics: false, allowAutoTopicCreation: false });
    const offsets = wire.listOffsetsRequest.encode({
      partitions: [{ topic: "fuzz", partition: 0, timestamp: -1 }],
      isolation: 0,
    });
    const paths = [
      DATA_SERVICE.listOffsets.path,
      DATA_SERVICE.getMetadata.path,
      DATA_SERVICE.initProducerId.path,
      ADMIN_METHODS.describeCluster,
      ADMIN_METHODS.describeTopics,
      ADMIN_METHODS.listTopics,
      ADMIN_METHODS.createPartitions,
      ADMIN_METHODS.deleteRecords,
      ADMIN_METHODS.describeConfigs,
      ADMIN_METHODS.alterConfigs,
      ADMIN_METHODS.describeLogDirs,
      ADMIN_METHODS.describeHealth,
    ];
    // Of a topic that is not there: whatever they become, nothing of ours changes.
    const changes = [{ name: "retention.ms", operation: ConfigOperation.SET, value: "5" }];
    const alter = adminRequests.alterConfigs.encode({
      resources: [{ type: "topic", name: "none", changes }],
      validateOnly: true,
    });
    const grow = adminRequests.createPartitions.encode({
      topics: [{ name: "none", total: 3, assignment: [{ replicas: [1] }] }],
      validateOnly: true,
      timeoutMs: 5,
    });
    const remove = adminRequests.deleteRecords.encode({
      partitions: [{ topic: "none", partition: 1, beforeOffset: -1 }],
      timeoutMs: 5,
    });
    const bytes = fc.oneof(
      near(topic),
      near(offsets),
      near(alter),
      near(grow),
      near(remove),
      fc.uint8Array({ maxLength: 80 }).map((array) => Buffer.from(array)),
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...paths), bytes, async (path, request) => {
        await client
          .unary(path, request)
          .catch((ended: unknown) => expect(ended).to.have.property("status").that.is.oneOf([3, 5, 8, 13]));
        await expectServed();
      }),
      { numRuns: ROUNDS },
    );
  });

  it("survives whatever a stream carries, and writes nothing of it", async () => {
    // Good requests but for the topic, so that whatever slips through the mutation is still not written here.
    const records = batch({ values: ["bad"], producerId: 3 });
    const produce = wire.produceRequest.encode({
      correlationId: 1,
      acks: 3,
      timeoutMs: 5,
      inParts: false,
      partitions: [{ topic: "fuzz", partition: 9, topicId: Buffer.alloc(0), records, expectedEnd: null }],
    });
    const subscribe = {
      subscriptionId: 1,
      topic: "fuzz",
      partition: 0,
      topicId: Buffer.alloc(0),
      offset: 0,
      maxBytes: 100,
      isolation: 0,
      currentLeaderEpoch: -1,
      isSuspect: false,
    };
    const fetch = wire.fetchRequest.encode({ subscribe: [subscribe], unsubscribe: [1], creditBytes: 1_000 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(near(produce), { maxLength: 4 }),
        fc.array(near(fetch), { maxLength: 4 }),
        async (requests, subscriptions) => {
          for (const [path, messages] of [
            [DATA_SERVICE.produce.path, requests],
            [DATA_SERVICE.fetch.path, subscriptions],
          ] as const) {
            const call = client.bidi(path);
            call.on("error", () => undefined);
            call.on("data", () => undefined);
            const isOver = new Promise((resolve) => call.on("status", resolve));
            // A mutation of the partition number could make it a good one: partition 9 is two bytes from 0.
            for (const message of messages) if (!mightBeGood(message)) call.write(message);
            call.end();
            await isOver;
          }
          await expectServed();
        },
      ),
      { numRuns: ROUNDS },
    );
  });
});

/** Whether a mutated produce request would be taken: it names partition 0 of a topic that is there. */
function mightBeGood(message: Buffer): boolean {
  try {
    return wire.produceRequest.decode(message).partitions.some(({ partition }) => partition === 0);
  } catch {
    return false;
  }
}
