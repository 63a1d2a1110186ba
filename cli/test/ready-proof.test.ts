import { expect } from "chai";
import { createServer, type Http2Server, type ServerHttp2Stream } from "node:http2";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createBroker } from "@tidemark/broker";
import { loadConfig } from "@tidemark/broker/config";
import { DATA_SERVICE, errorCode, type ErrorName, RecordBatchBuilder, wire } from "@tidemark/proto";
import { CliFailure } from "../src/failure.ts";
import { proveReady } from "../src/ready-proof.ts";

const PATHS = { metadata: DATA_SERVICE.getMetadata.path, produce: DATA_SERVICE.produce.path };

/** How a door that is not well answers. */
interface Sickness {
  readonly produceCode?: ErrorName;
  /** Value of the record that comes out. */
  readonly fetched?: string;
  /** Path whose calls are refused as gRPC refuses. */
  readonly refused?: string;
  /** Path whose calls get no answer. */
  readonly silent?: string;
}

const topicId = Buffer.alloc(16, 7);

function framed(message: Buffer): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

function answersOf(path: string, { produceCode = "NONE", fetched = "" }: Sickness): Buffer[] {
  if (path === PATHS.metadata) {
    const topic = {
      name: "__tidemark_ready",
      topicId,
      errorCode: 0,
      errorMessage: "",
      internal: true,
      created: false,
      partitions: [],
    };
    const cluster = { clusterId: "c", controllerId: 1, metadataOffset: 0, brokers: [], topics: [topic] };
    return [wire.metadataResponse.encode(cluster)];
  }
  if (path === PATHS.produce) {
    const result = {
      baseOffset: 5,
      logAppendTime: -1,
      logStartOffset: 0,
      duplicate: false,
      durability: 2,
      leader: null,
      unwritten: false,
      pending: false,
      logEnd: null,
    };
    const results = [{ ...result, errorCode: errorCode(produceCode), errorMessage: "it says" }];
    const credit = wire.produceResponse.encode({ correlationId: 0, results: [], creditBytes: 100 });
    return [credit, wire.produceResponse.encode({ correlationId: 1, results, creditBytes: 0 })];
  }
  const builder = new RecordBatchBuilder();
  builder.append(0, null, fetched);
  const offsets = { fetchOffset: 5, highWatermark: 6, lastStableOffset: 6, logStartOffset: 0, leaderEpoch: 0 };
  const one = { subscriptionId: 1, errorCode: 0, errorMessage: "", ...offsets, leader: null };
  return [
    wire.fetchResponse.encode({ partitions: [{ ...one, records: Buffer.alloc(0) }] }),
    wire.fetchResponse.encode({ partitions: [{ ...one, records: builder.build() }] }),
  ];
}

async function sickDoor(sickness: Sickness, onSilence: () => void = () => undefined): Promise<Http2Server> {
  const server = createServer();
  server.on("stream", (stream: ServerHttp2Stream, headers) => {
    stream.on("error", () => undefined);
    const path = String(headers[":path"]);
    if (path === sickness.silent) return onSilence();
    const reply = { ":status": 200, "content-type": "application/grpc+proto" };
    if (path === sickness.refused) {
      return stream.respond({ ...reply, "grpc-status": "8", "grpc-message": "too%20many" }, { endStream: true });
    }
    stream.respond(reply);
    const bytes = Buffer.concat(answersOf(path, sickness).map(framed));
    // Where frames are cut is nobody's promise.
    stream.write(bytes.subarray(0, 3));
    setImmediate(() => stream.write(bytes.subarray(3)));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

async function proofAt(server: Http2Server, signal = new AbortController().signal): Promise<unknown> {
  const grpcAddress = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    await proveReady([{ grpcAddress }], { hasReadyTopic: true, topics: [], signal });
    return null;
  } catch (error: unknown) {
    return error;
  } finally {
    server.close();
  }
}

async function refusalAt(sickness: Sickness): Promise<string> {
  const error = await proofAt(await sickDoor(sickness));
  expect(error).to.be.instanceOf(CliFailure).with.property("code", "NOT_READY");
  return (error as CliFailure).message;
}

describe("the proof that a broker is ready", () => {
  it("is a record that goes in and comes out (dev), or an answer (server)", async () => {
    for (const profile of ["dev", "server"] as const) {
      const flags = { "node.id": "1", "log.dirs": "memory", listeners: "GRPC://127.0.0.1:0", "log.level": "warn" };
      const loaded = loadConfig({ profile, env: {}, flags });
      if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
      await using broker = await createBroker({ config: loaded.config, memory: true });
      await broker.start();
      const { signal } = new AbortController();
      await proveReady([broker], { hasReadyTopic: profile === "dev", topics: [], signal });
      expect(broker.counters.bytesOut > 0, profile).to.equal(profile === "dev");
    }
  });

  it("fails by the code of a produce that is refused", async () => {
    expect(await refusalAt({ produceCode: "KAFKA_STORAGE_ERROR" })).to.match(/KAFKA_STORAGE_ERROR: it says$/);
  });

  it("fails when other bytes come out", async () => {
    expect(await refusalAt({ fetched: "something else" })).to.match(/at offset 5 of __tidemark_ready and did not/);
  });

  it("fails by the status of a call that is refused", async () => {
    expect(await refusalAt({ refused: PATHS.metadata })).to.match(/gRPC status 8: too many$/);
    expect(await refusalAt({ refused: PATHS.produce })).to.match(/gRPC status 8: too many$/);
  });

  it("fails when nobody listens", async () => {
    const server = await sickDoor({});
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, "close");
    const error = await proveReady([{ grpcAddress: `127.0.0.1:${port}` }], {
      hasReadyTopic: true,
      topics: [],
      signal: new AbortController().signal,
    }).catch((thrown: unknown) => thrown);
    expect(error)
      .to.be.instanceOf(CliFailure)
      .with.property("message")
      .match(/ECONNREFUSED/);
  });

  it("ends with the signal while the broker is silent", async () => {
    const stop = new AbortController();
    const server = await sickDoor({ silent: PATHS.produce }, () => stop.abort());
    expect(await proofAt(server, stop.signal)).to.be.instanceOf(CliFailure);
  });
});
