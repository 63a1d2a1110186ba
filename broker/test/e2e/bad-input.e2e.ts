/**
 * What nobody should send, and what it gets: a coded error, nothing written, the process alive. One `it` per kind of bad
 * input; each ends with proof that the broker still takes a good batch and that nothing of the bad one is in the log.
 */
import { once } from "node:events";
import http2 from "node:http2";
import net from "node:net";
import { expect } from "chai";
import {
  BATCH_HEADER_BYTES,
  BatchField,
  DATA_SERVICE,
  errorCode,
  RecordBatchBuilder,
  uuidFromText,
} from "@tidemark/proto";
import type { ErrorName } from "@tidemark/proto";
import type { Broker } from "../../src/index.ts";
import { MemoryDisk } from "../../src/platform/index.ts";
import { batch, spoiled } from "./support/batches.ts";
import { failed, RawClient } from "./support/raw-client.ts";
import type { RawProduceStream } from "./support/raw-client.ts";
import { HeldSyncs } from "./support/held-syncs.ts";
import { startBroker, startMemoryBroker } from "./support/test-broker.ts";

/** A frame of HTTP/2: u24 length, u8 type, u8 flags, u32 stream. */
function frame(type: number, flags: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header.writeUInt8(type, 3);
  header.writeUInt8(flags, 4);
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, payload]);
}

/** A POST to `path` and its reset, headers without compression tables (RFC 7541: static names, literal values). */
function openedAndReset(stream: number, path: string, contentType: string): Buffer {
  const literal = (name: readonly number[], value: string): Buffer =>
    Buffer.concat([Buffer.from([...name, value.length]), Buffer.from(value)]);
  const headers = Buffer.concat([
    Buffer.from([0x83, 0x86]),
    literal([0x04], path),
    literal([0x01], "x"),
    literal([0x0f, 0x10], contentType),
  ]);
  return Buffer.concat([frame(1, 0x04, stream, headers), frame(3, 0, stream, Buffer.from([0, 0, 0, 8]))]);
}

describe("bad input at the gRPC door", () => {
  let broker: Broker;
  let client: RawClient;
  let producer: RawProduceStream;
  /** Good batches written to the topic so far: what the log must hold, and nothing else. */
  let good = 0;

  before(async () => {
    broker = await startMemoryBroker();
    client = new RawClient(broker.grpcAddress);
    await client.createTopic("bad");
    producer = client.produceStream();
    await producer.opened();
  });

  after(async () => {
    await producer.end();
    client.close();
    await broker.stop();
  });

  afterEach("the process lives and nothing bad was written", async () => {
    const result = await producer.produce("bad", batch({ values: ["good"] }));
    expect(result).to.deep.include({ errorCode: 0, baseOffset: good });
    good++;
    expect((await client.listOffset("bad", -1)).offset).to.equal(good);
    expect(broker.isReady).to.equal(true);
  });

  async function refused(
    records: Buffer,
    code: ErrorName,
    says: RegExp,
    options: Parameters<RawProduceStream["produce"]>[2] = {},
  ): Promise<void> {
    const result = await producer.produce("bad", records, options);
    expect(result.errorCode, result.errorMessage).to.equal(errorCode(code));
    expect(result.errorMessage).to.match(says);
  }

  describe("record batches", () => {
    it("CRC mismatch: CORRUPT_MESSAGE", () =>
      refused(
        spoiled(batch(), (bytes) => bytes.writeUInt8(0x55, bytes.length - 1), { keepCrc: true }),
        "CORRUPT_MESSAGE",
        /CRC/,
      ));

    it("truncated batch: CORRUPT_MESSAGE", async () => {
      const whole = batch({ values: ["a".repeat(100)] });
      for (const length of [17, 40, 61, whole.length - 1])
        await refused(whole.subarray(0, length), "CORRUPT_MESSAGE", /header|cut off/);
    });

    it("no batch at all: CORRUPT_MESSAGE", () => refused(Buffer.alloc(0), "CORRUPT_MESSAGE", /no record batch/));

    it("more than one batch, and bytes behind one: INVALID_RECORD", () =>
      refused(Buffer.concat([batch(), batch()]), "INVALID_RECORD", /follow the batch/));

    it("a batch length that lies: CORRUPT_MESSAGE", async () => {
      for (const length of [-1, 0, 48, 2 ** 31 - 1]) {
        await refused(
          spoiled(batch(), (bytes) => bytes.writeInt32BE(length, BatchField.BATCH_LENGTH), { keepCrc: true }),
          "CORRUPT_MESSAGE",
          /size|cut off/,
        );
      }
    });

    it("wrong magic: INVALID_RECORD", async () => {
      for (const magic of [0, 1, 3, -1])
        await refused(
          spoiled(batch(), (bytes) => bytes.writeInt8(magic, BatchField.MAGIC)),
          "INVALID_RECORD",
          /magic/,
        );
    });

    it("counts and offsets that disagree: INVALID_RECORD", async () => {
      await refused(
        spoiled(batch(), (bytes) => bytes.writeInt32BE(7, BatchField.RECORDS_COUNT)),
        "INVALID_RECORD",
        /records/,
      );
      await refused(
        spoiled(batch(), (bytes) => bytes.writeInt32BE(7, BatchField.LAST_OFFSET_DELTA)),
        "INVALID_RECORD",
        /records/,
      );
      await refused(
        spoiled(batch(), (bytes) => bytes.writeInt32BE(-1, BatchField.LAST_OFFSET_DELTA).toString()),
        "INVALID_RECORD",
        /records/,
      );
      await refused(
        spoiled(batch(), (bytes) => bytes.writeBigInt64BE(5n, BatchField.BASE_OFFSET)),
        "INVALID_RECORD",
        /offset 0/,
      );
      await refused(
        spoiled(batch(), (bytes) => {
          bytes.writeInt32BE(0x7fff_ffff, BatchField.RECORDS_COUNT);
          bytes.writeInt32BE(0x7fff_fffe, BatchField.LAST_OFFSET_DELTA);
        }),
        "INVALID_RECORD",
        /do not fit/,
      );
    });

    it("above max.message.bytes: MESSAGE_TOO_LARGE", () =>
      refused(batch({ values: ["x".repeat(1_048_588)] }), "MESSAGE_TOO_LARGE", /max\.message\.bytes/));

    it("above segment.bytes: RECORD_LIST_TOO_LARGE", async () => {
      await client.createTopic("small-segments", { config: { "segment.bytes": "1024" } });
      const result = await producer.produce("small-segments", batch({ values: ["x".repeat(2_000)] }));
      expect(result.errorCode).to.equal(errorCode("RECORD_LIST_TOO_LARGE"));
    });

    it("control batch from a client: INVALID_RECORD", () =>
      refused(
        spoiled(batch(), (bytes) => bytes.writeInt16BE(0x20, BatchField.ATTRIBUTES)),
        "INVALID_RECORD",
        /control/,
      ));

    it("transactional batch without a transaction: INVALID_TXN_STATE", () =>
      refused(
        spoiled(batch({ producerId: 77 }), (bytes) => bytes.writeInt16BE(0x10, BatchField.ATTRIBUTES)),
        "INVALID_TXN_STATE",
        /transaction/,
      ));

    it("unknown codec: UNSUPPORTED_COMPRESSION_TYPE", async () => {
      for (const codec of [5, 6, 7])
        await refused(
          spoiled(batch(), (bytes) => bytes.writeInt16BE(codec, BatchField.ATTRIBUTES)),
          "UNSUPPORTED_COMPRESSION_TYPE",
          /codec/,
        );
    });

    it("the append's own time from a client: INVALID_TIMESTAMP", () =>
      refused(
        spoiled(batch(), (bytes) => bytes.writeInt16BE(0x08, BatchField.ATTRIBUTES)),
        "INVALID_TIMESTAMP",
        /time of the append/,
      ));

    it("a timestamp far ahead: INVALID_TIMESTAMP", () =>
      refused(batch({ timestamp: Date.now() + 2 * 3_600_000 }), "INVALID_TIMESTAMP", /ahead/));

    it("a record older than message.timestamp.before.max.ms, wherever it stands in its batch: INVALID_TIMESTAMP (11.5)", async () => {
      await client.createTopic("recent", { config: { "message.timestamp.before.max.ms": "60000" } });
      const now = Date.now();
      for (const codec of [0, 1] as const) {
        const builder = new RecordBatchBuilder();
        for (const age of [0, 3_600_000, 0]) builder.append(now - age, null, Buffer.from("x"), null);
        const result = await producer.produce("recent", builder.build({ codec }));
        expect(result.errorCode).to.equal(errorCode("INVALID_TIMESTAMP"));
        expect(result.errorMessage).to.match(/record 1: .*behind/);
      }
      expect(await producer.produce("recent", batch({ timestamp: now }))).to.deep.include({ errorCode: 0 });
      expect((await client.listOffset("recent", -1)).offset).to.equal(1);
    });

    it("records that do not fit their header, where the topic has them looked at: INVALID_RECORD (11.3(2))", async () => {
      await client.createTopic("strict", { config: { "tidemark.validate.records": "true" } });
      const lying = spoiled(batch({ values: ["one", "two"] }), (bytes) => bytes.writeUInt8(0x7f, BATCH_HEADER_BYTES));
      const result = await producer.produce("strict", lying);
      expect(result.errorCode, result.errorMessage).to.equal(errorCode("INVALID_RECORD"));
      expect(await producer.produce("strict", batch())).to.deep.include({ errorCode: 0, baseOffset: 0 });
    });

    it("a decompression bomb, with every codec: INVALID_RECORD beyond decompressed.max.bytes, and nothing is written", async () => {
      const narrow = await startMemoryBroker({ "decompressed.max.bytes": "1048576" });
      const own = new RawClient(narrow.grpcAddress);
      await own.createTopic("strict", { config: { "tidemark.validate.records": "true" } });
      const stream = own.produceStream();
      await stream.opened();
      const builder = new RecordBatchBuilder();
      for (const codec of [1, 2, 3, 4] as const) {
        builder.append(1, null, Buffer.alloc(1_048_577), null);
        const result = await stream.produce("strict", builder.build({ codec }));
        expect(result.errorCode, result.errorMessage).to.equal(errorCode("INVALID_RECORD"));
        builder.append(1, null, Buffer.alloc(1_000_000), null);
        expect(await stream.produce("strict", builder.build({ codec }))).to.deep.include({ errorCode: 0 });
      }
      expect((await own.listOffset("strict", -1)).offset).to.equal(4);
      await stream.end();
      own.close();
      await narrow.stop();
    });

    it("a producer id without sequence or epoch: INVALID_RECORD", async () => {
      await refused(
        spoiled(batch({ producerId: 5 }), (bytes) => bytes.writeInt32BE(-1, BatchField.BASE_SEQUENCE)),
        "INVALID_RECORD",
        /sequence/,
      );
      await refused(
        spoiled(batch({ producerId: 5 }), (bytes) => bytes.writeInt16BE(-1, BatchField.PRODUCER_EPOCH)),
        "INVALID_RECORD",
        /epoch/,
      );
      await refused(
        spoiled(batch({ producerId: 5 }), (bytes) => bytes.writeBigInt64BE(-9n, BatchField.PRODUCER_ID)),
        "INVALID_RECORD",
        /producer id/,
      );
    });
  });

  describe("names", () => {
    it("unknown topic or partition: UNKNOWN_TOPIC_OR_PARTITION, on every door", async () => {
      expect((await producer.produce("absent", batch())).errorCode).to.equal(3);
      expect((await producer.produce("bad", batch(), { partition: 1 })).errorCode).to.equal(3);
      expect((await producer.produce("bad", batch(), { partition: 4_294_967_295 })).errorCode).to.equal(3);
      expect((await client.listOffset("absent", -1)).errorCode).to.equal(3);
      expect((await client.metadata({ topics: ["absent"] })).topics[0]).to.deep.include({
        errorCode: 3,
        created: false,
      });
      expect((await client.admin("describeTopics", { names: ["absent"] })).results[0]?.errorCode).to.equal(3);
      expect((await client.deleteTopics(["absent"])).results[0]?.errorCode).to.equal(3);
      const reader = client.fetchStream();
      reader.subscribe(1, "absent", 0);
      expect((await reader.part()).errorCode).to.equal(3);
      await reader.end();
    });

    it("illegal topic name, also . .. and separators: INVALID_TOPIC_EXCEPTION, and no such topic", async () => {
      const names = ["", ".", "..", "a/b", "../x", "a\\b", "a b", "ä", "a\0b", "x".repeat(250), "😀"];
      for (const name of names) {
        const { results } = await client.admin("createTopics", {
          topics: [{ name, partitions: 1, replicationFactor: 1, assignment: [], config: {}, creationId: "" }],
          validateOnly: false,
          timeoutMs: 0,
        });
        expect(results[0]?.errorCode, JSON.stringify(name)).to.equal(17);
        expect((await producer.produce(name, batch())).errorCode, JSON.stringify(name)).to.equal(17);
        const { topics } = await client.metadata({ topics: [name], allowAutoTopicCreation: true });
        expect(topics[0]?.errorCode, JSON.stringify(name)).to.equal(17);
      }
      const { topics } = await client.metadata({ allTopics: true });
      expect(topics.map(({ name }) => name)).to.not.include.members(names);
    });

    it("a name that equals another after . to _: INVALID_TOPIC_EXCEPTION", async () => {
      await client.createTopic("clash.name");
      const { results } = await client.admin("createTopics", {
        topics: [
          { name: "clash_name", partitions: 1, replicationFactor: 1, assignment: [], config: {}, creationId: "" },
        ],
        validateOnly: false,
        timeoutMs: 0,
      });
      expect(results[0]?.errorCode).to.equal(17);
    });

    it("another topic's id, an unknown one, and no id at all: 103, 100, INVALID_REQUEST", async () => {
      await client.createTopic("other");
      const { topics } = await client.metadata({ topics: ["other", "bad"] });
      const [other, own] = topics;
      await refused(batch(), "INCONSISTENT_TOPIC_ID", /another id/, { topicId: other?.topicId ?? Buffer.alloc(0) });
      await refused(batch(), "UNKNOWN_TOPIC_ID", /deleted/, { topicId: uuidFromText("AAAAAAAAAAAAAAAAAAAAAA") });
      await refused(batch(), "INVALID_REQUEST", /16 bytes/, { topicId: Buffer.alloc(3) });
      expect(
        (await producer.produce("bad", batch({ values: ["good"] }), { topicId: own?.topicId ?? Buffer.alloc(0) }))
          .errorCode,
      ).to.equal(0);
      good++;
    });

    it("an internal topic: INVALID_TOPIC_EXCEPTION, but for __admin_client (8.2)", async () => {
      expect((await producer.produce("__tidemark_ready", batch())).errorCode).to.equal(17);
      const admin = new RawClient(broker.grpcAddress, { clientId: "__admin_client" });
      const stream = admin.produceStream();
      await stream.opened();
      expect((await stream.produce("__tidemark_ready", batch())).errorCode).to.equal(0);
      await stream.end();
      admin.close();
      expect((await client.deleteTopics(["__tidemark_ready"])).results[0]?.errorCode).to.equal(17);
    });

    it("the same partition twice in one request: INVALID_REQUEST, and neither is written", async () => {
      const part = { topic: "bad", partition: 0, topicId: Buffer.alloc(0), records: batch(), expectedEnd: null };
      producer.send({ partitions: [part, { ...part, records: batch() }] });
      expect((await producer.next()).results.map(({ errorCode: code }) => code)).to.deep.equal([42, 42]);
    });
  });

  describe("offsets", () => {
    it("a future offset: OFFSET_OUT_OF_RANGE, naming the range; the end itself is none", async () => {
      const reader = client.fetchStream();
      reader.send({ creditBytes: 1_000_000 });
      reader.subscribe(1, "bad", good + 1);
      const part = await reader.part();
      expect(part).to.deep.include({ errorCode: 1, subscriptionId: 1 });
      expect(part.errorMessage).to.match(new RegExp(`0 to ${good}`, "u"));
      reader.subscribe(2, "bad", good);
      expect(await reader.part()).to.deep.include({ errorCode: 0, subscriptionId: 2 });
      reader.subscribe(3, "bad", Number.MAX_SAFE_INTEGER);
      expect(await reader.part()).to.deep.include({ errorCode: 1, subscriptionId: 3 });
      await reader.end();
    });

    it("a negative offset, and one beyond 2^53: INVALID_REQUEST ends the stream", async () => {
      // subscribe { id 1, topic "bad", offset as a varint of ten bytes: -1 as int64 }.
      for (const offset of ["ffffffffffffffffff01", "8080808080808040"]) {
        const inner = Buffer.concat([
          Buffer.from("08011203626164", "hex"),
          Buffer.from("28", "hex"),
          Buffer.from(offset, "hex"),
        ]);
        const reader = client.fetchStream();
        reader.call.write(Buffer.concat([Buffer.from([0x0a, inner.length]), inner]));
        expect((await reader.ended).error).to.deep.include({ name: "INVALID_REQUEST" });
      }
    });

    it("a negative time that has no name: INVALID_REQUEST", async () => {
      expect((await client.listOffset("bad", -77)).errorCode).to.equal(42);
    });

    it("an old and a future leader epoch: 74 and 75, naming the leader with the first", async () => {
      const { topics } = await client.metadata({ topics: ["bad"] });
      const epoch = topics[0]?.partitions[0]?.leaderEpoch ?? 0;
      const reader = client.fetchStream();
      reader.subscribe(1, "bad", 0, { currentLeaderEpoch: epoch + 1 });
      expect((await reader.part()).errorCode).to.equal(75);
      await reader.end();
    });
  });

  describe("streams", () => {
    it("an unknown acks level: INVALID_REQUIRED_ACKS", () =>
      refused(batch(), "INVALID_REQUIRED_ACKS", /^$/, { acks: 9 }));

    it("a message that is no protobuf: INVALID_REQUEST, the stream ends, others go on", async () => {
      for (const path of [DATA_SERVICE.produce.path, DATA_SERVICE.fetch.path]) {
        const call = client.bidi(path);
        call.on("error", () => undefined);
        call.on("data", () => undefined);
        const status = new Promise<number>((resolve) => call.on("status", ({ code }) => resolve(code)));
        call.write(Buffer.from("ffffffffffffffffffffff", "hex"));
        expect(await status).to.equal(3);
      }
      for (const path of [
        DATA_SERVICE.getMetadata.path,
        DATA_SERVICE.listOffsets.path,
        "/tidemark.v1.Admin/CreateTopics",
      ]) {
        const ended = await failed(client.unary(path, Buffer.from("0aff", "hex")));
        expect(ended.status, path).to.equal(3);
        expect(ended.error?.name, path).to.equal("INVALID_REQUEST");
      }
    });

    it("requests without credit: INVALID_REQUEST, the stream ends; with credit nothing is lost", async () => {
      const syncs = new HeldSyncs(new MemoryDisk());
      const slow = await startBroker({}, { memory: true, world: { disk: syncs.disk } });
      const own = new RawClient(slow.grpcAddress);
      await own.createTopic("held", { config: { "tidemark.durability": "group-commit" } });
      const greedy = own.produceStream();
      let credit = await greedy.opened();
      syncs.hold();
      const records = batch({ values: ["x".repeat(900_000)] });
      const request = {
        partitions: [{ topic: "held", partition: 0, topicId: Buffer.alloc(0), records, expectedEnd: null }],
      };
      let sent = 0;
      for (; credit > 0; sent++) {
        greedy.send(request);
        credit -= records.length;
      }
      greedy.send(request);
      expect((await greedy.ended).error).to.deep.include({ name: "INVALID_REQUEST" });
      syncs.release();
      expect((await own.listOffset("held", -1)).offset).to.be.at.most(sent);
      own.close();
      await slow.stop();
    });

    it("a subscription id used twice: INVALID_REQUEST, the stream ends", async () => {
      const reader = client.fetchStream();
      reader.subscribe(1, "bad", 0);
      reader.send({ unsubscribe: [1] });
      reader.subscribe(1, "bad", 0);
      expect((await reader.ended).error).to.deep.include({ name: "INVALID_REQUEST" });
    });

    it("a message above 40 MiB: refused while it arrives", async () => {
      const huge = new RawClient(broker.grpcAddress);
      const ended = await failed(huge.unary(DATA_SERVICE.getMetadata.path, Buffer.alloc(41 * 1024 * 1024)));
      expect(ended.status).to.equal(8);
      huge.close();
    });

    it("an unknown method, and a method called with the wrong shape: UNIMPLEMENTED, nothing breaks", async () => {
      expect((await failed(client.unary("/tidemark.v1.Data/Nope", Buffer.alloc(0)))).status).to.equal(12);
      expect((await failed(client.unary("/", Buffer.alloc(0)))).status).to.equal(12);
    });

    it("an offset request for more partitions than a request may name: INVALID_REQUEST", async () => {
      const one = Buffer.from("0a050a0162180a", "hex");
      const ended = await failed(
        client.unary(DATA_SERVICE.listOffsets.path, Buffer.concat(Array.from({ length: 10_001 }, () => one))),
      );
      expect(ended.error).to.deep.include({ name: "INVALID_REQUEST" });
    });
  });

  describe("sockets", () => {
    /** Writes to a fresh connection and waits for its end. */
    function abuse(write: (socket: net.Socket) => void): Promise<void> {
      return new Promise((resolve) => {
        const socket = net.connect(Number(broker.grpcAddress.split(":")[1]), "127.0.0.1", () => write(socket));
        socket.on("error", () => undefined);
        socket.on("data", () => undefined);
        socket.on("close", () => resolve());
      });
    }

    it("garbage bytes on the port: the connection ends", async () => {
      await abuse((socket) => socket.write(Buffer.alloc(10_000, 0xa5)));
      await abuse((socket) => socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
      await abuse((socket) => socket.write(Buffer.from("160301020001000001fc0303", "hex")));
      await abuse((socket) => {
        socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        socket.write(Buffer.alloc(4_096, 0xff));
      });
    });

    it("streams that are reset at once, and those that do not speak gRPC: nothing breaks", async () => {
      const paths = [DATA_SERVICE.produce.path, DATA_SERVICE.fetch.path, DATA_SERVICE.getMetadata.path, "/nope"];
      await abuse((socket) => {
        // HEADERS and RST_STREAM in one packet, a hundred times.
        const resets = Array.from({ length: 100 }, (_, i) => {
          const isGrpc = i % 3 !== 0;
          return openedAndReset(2 * i + 1, paths[i % 4] ?? "", isGrpc ? "application/grpc" : "text/plain");
        });
        socket.end(Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), frame(4, 0, 0), ...resets]));
      });
      const session = http2.connect(`http://${broker.grpcAddress}`);
      session.on("error", () => undefined);
      const closed: Promise<unknown>[] = [];
      for (let i = 0; i < 400; i++) {
        const type = i % 3 === 0 ? "text/plain" : "application/grpc";
        const request = session.request({ ":method": "POST", ":path": paths[i % 4] ?? "", "content-type": type });
        request.on("error", () => undefined);
        closed.push(new Promise((resolve) => request.once("close", resolve)));
        request.close(http2.constants.NGHTTP2_CANCEL);
      }
      await Promise.all(closed);
      const plain = session.request({ ":method": "POST", ":path": paths[0] ?? "", "content-type": "text/plain" });
      const [headers] = await once(plain, "response");
      expect(headers).to.have.property(":status", 415);
      session.destroy();
    });

    it("a connection that says nothing, and one that is cut in the middle: nothing breaks", async () => {
      await abuse((socket) => socket.end());
      await abuse((socket) => {
        socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        socket.resetAndDestroy();
      });
    });
  });
});
