/**
 * Clients of fetch that cost more than they should: who subscribes and does not read, and who subscribes without end. Passes
 * when the broker holds little for them, ends what breaks the contract with a code, and serves others.
 */
import { once } from "node:events";
import http2 from "node:http2";
import type { ClientHttp2Session, ClientHttp2Stream } from "node:http2";
import { expect } from "chai";
import { DATA_SERVICE, wire } from "@tidemark/proto";
import type { Broker } from "../../src/index.ts";
import { batch } from "../e2e/support/batches.ts";
import { RawClient } from "../e2e/support/raw-client.ts";
import { startMemoryBroker } from "../e2e/support/test-broker.ts";
import { keptBytes } from "../support/garbage.ts";

type Subscribe = Parameters<typeof wire.fetchSubscribe.encode>[0];

function subscription(subscriptionId: number, topic: string): Subscribe {
  return {
    subscriptionId,
    topic,
    partition: 0,
    topicId: Buffer.alloc(0),
    offset: 0,
    maxBytes: 0,
    isolation: 0,
    currentLeaderEpoch: -1,
    isSuspect: false,
  };
}

function subscriptions(firstId: number, count: number, topic: string, step = 1): Buffer {
  const subscribe = Array.from({ length: count }, (_, i) => subscription(firstId + i * step, topic));
  return wire.fetchRequest.encode({ subscribe, unsubscribe: [], creditBytes: 0 });
}

function framed(message: Buffer): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

describe("fetch, from clients that ask for much", () => {
  let broker: Broker;
  let client: RawClient;
  let session: ClientHttp2Session;

  before(async () => {
    broker = await startMemoryBroker();
    client = new RawClient(broker.grpcAddress);
    await client.createTopic("wanted");
    session = http2.connect(`http://${broker.grpcAddress}`, { maxSessionMemory: 1_000 });
    session.on("error", () => undefined);
  });

  after(async () => {
    session.destroy();
    client.close();
    await broker.stop();
  });

  async function expectServed(): Promise<void> {
    const producer = client.produceStream();
    await producer.opened();
    expect((await producer.produce("wanted", batch())).errorCode).to.equal(0);
    await producer.end();
  }

  function fetch(): ClientHttp2Stream {
    const stream = session.request({
      ":method": "POST",
      ":path": DATA_SERVICE.fetch.path,
      "content-type": "application/grpc",
    });
    stream.on("error", () => undefined);
    return stream;
  }

  it("stops reading the requests of a client that does not read its refusals", async () => {
    const stream = fetch();
    // Nothing of the answers is read: what does not fit the window of the stream must wait at the broker.
    const name = "x".repeat(249);
    let writtenCount = 0;
    const message = (i: number): Buffer => framed(subscriptions(1 + i * 1_000, 1_000, name));
    for (let i = 0; i < 100; i++) stream.write(message(i), () => writtenCount++);
    for (let i = 0; i < 50; i++) await expectServed();
    // 4 MiB wait in the stream's window and a few are answered; 27 MB were sent.
    expect(writtenCount).to.be.below(60);
    stream.close(http2.constants.NGHTTP2_CANCEL);
    await once(stream, "close");
    await expectServed();
  });

  it("holds a few messages for a reader at the end that does not read, however many small ones come", async () => {
    const stream = fetch();
    const request = wire.fetchRequest.encode({
      subscribe: [subscription(1, "wanted")],
      unsubscribe: [],
      creditBytes: Number.MAX_SAFE_INTEGER,
    });
    stream.write(framed(request));
    await once(stream, "response");
    const producer = client.produceStream();
    await producer.opened();
    const before = await keptBytes();
    // More than the stream's window takes, or each would leave at once.
    for (let i = 0; i < 400; i++) await producer.produce("wanted", batch({ values: ["x".repeat(2_000)] }));
    expect((await keptBytes()) - before).to.be.below(16 * 1024 * 1024);
    await producer.end();
    stream.close(http2.constants.NGHTTP2_CANCEL);
    await once(stream, "close");
  });

  it("ends a stream that subscribes without end, or with ids that leave gaps without end", async () => {
    const limited = await startMemoryBroker({ "max.partitions.per.broker": "100" });
    const own = new RawClient(limited.grpcAddress);
    await own.createTopic("wanted");
    const endless = own.fetchStream();
    endless.call.write(subscriptions(1, 101, "wanted"));
    expect((await endless.ended).error).to.deep.include({ name: "INVALID_REQUEST" });
    const gaps = own.fetchStream();
    for (let i = 0; i <= 10; i++) gaps.call.write(subscriptions(2 + i * 20_000, 10_000, "absent", 2));
    expect((await gaps.ended).error).to.deep.include({ name: "INVALID_REQUEST" });
    own.close();
    await limited.stop();
  });
});
