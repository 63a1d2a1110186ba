/**
 * Small requests that ask for much work: many elements of no bytes, names and partitions again and again. Passes when each is
 * refused or answered in bounded memory, and others are served.
 */
import { expect } from "chai";
import { Acks, ADMIN_METHODS, DATA_SERVICE, MAX_PARTITIONS_PER_REQUEST, wire } from "@tidemark/proto";
import type { Broker } from "../../src/index.ts";
import { batch } from "../e2e/support/batches.ts";
import { failed, RawClient } from "../e2e/support/raw-client.ts";
import { startMemoryBroker } from "../e2e/support/test-broker.ts";

const NO_BYTES = Buffer.alloc(0);

describe("requests that ask for much", () => {
  let broker: Broker;
  let client: RawClient;

  before(async () => {
    broker = await startMemoryBroker();
    client = new RawClient(broker.grpcAddress);
    await client.createTopic("wide", { partitions: 200 });
  });

  after(async () => {
    client.close();
    await broker.stop();
  });

  afterEach("others are served", async () => {
    const producer = client.produceStream();
    await producer.opened();
    expect((await producer.produce("wide", batch())).errorCode).to.equal(0);
    await producer.end();
  });

  it("admin requests of millions of empty elements: INVALID_REQUEST before they are made", async () => {
    const elements = Buffer.alloc(16 * 1024 * 1024);
    for (let at = 0; at < elements.length; at += 2) elements[at] = 0x0a;
    for (const method of ["createTopics", "describeTopics", "deleteTopics"] as const) {
      const before = process.memoryUsage().heapUsed;
      const { error } = await failed(client.unary(ADMIN_METHODS[method], elements));
      expect(error, method).to.deep.include({ name: "INVALID_REQUEST" });
      expect(process.memoryUsage().heapUsed - before, method).to.be.below(64 * 1024 * 1024);
    }
  });

  it("one topic described ten thousand times: once, and refusals", async () => {
    const names = Array.from({ length: 10_000 }, () => "wide");
    const { results } = await client.admin("describeTopics", { names });
    expect(results[0]?.topic?.partitions).to.have.length(200);
    for (const { errorCode, topic } of results.slice(1)) expect([errorCode, topic]).to.deep.equal([42, null]);
  });

  it("one partition's offset by time ten thousand times: all answered", async () => {
    const partitions = Array.from({ length: 10_000 }, () => ({ topic: "wide", partition: 0, timestamp: 1 }));
    const bytes = wire.listOffsetsRequest.encode({ partitions, isolation: 0 });
    const { results } = wire.listOffsetsResponse.decode(await client.unary(DATA_SERVICE.listOffsets.path, bytes));
    expect(results).to.have.length(10_000);
    expect(new Set(results.map(({ errorCode, offset }) => `${errorCode} ${offset}`)).size).to.equal(1);
  });

  it("a produce request for more partitions than one may name: the stream ends, without a refusal for each", async () => {
    const part = { topic: "wide", partition: 0, topicId: NO_BYTES, records: NO_BYTES, expectedEnd: null };
    const producer = client.produceStream();
    await producer.opened();
    producer.send({ acks: Acks.ALL, partitions: Array.from({ length: MAX_PARTITIONS_PER_REQUEST + 1 }, () => part) });
    expect((await producer.ended).error).to.deep.include({ name: "INVALID_REQUEST" });
  });

  it("numbers at the ends of their types: coded answers", async () => {
    const producer = client.produceStream();
    await producer.opened();
    expect((await producer.produce("wide", batch(), { timeoutMs: 2 ** 32 - 1 })).errorCode).to.equal(0);
    expect((await producer.produce("wide", batch(), { partition: 2 ** 32 - 1 })).errorCode).to.equal(3);
    expect((await producer.produce("wide", batch(), { acks: -(2 ** 31) })).errorCode).to.equal(21);
    await producer.end();
    for (const timestamp of [Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, -6, 2 ** 32])
      expect((await client.listOffset("wide", timestamp)).errorCode).to.be.oneOf([0, 42]);
    const reader = client.fetchStream();
    for (let i = 0; i < 3; i++) reader.send({ creditBytes: Number.MAX_SAFE_INTEGER });
    reader.subscribe(2 ** 32 - 1, "wide", Number.MAX_SAFE_INTEGER, { maxBytes: 2 ** 32 - 1 });
    expect((await reader.part()).errorCode).to.equal(1);
    reader.send({ unsubscribe: [2 ** 32 - 1, 7, 7] });
    expect((await reader.end()).status).to.equal(0);
  });
});
