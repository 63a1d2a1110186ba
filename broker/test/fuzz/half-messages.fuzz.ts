/**
 * Messages that begin and never end, on hundreds of streams at a time. Passes when what the broker holds of them stays within its bound,
 * in its own count and in the memory of the process, and a large batch of somebody else gets through meanwhile.
 */
import http2 from "node:http2";
import type { ClientHttp2Session, ClientHttp2Stream } from "node:http2";
import net from "node:net";
import { once } from "node:events";
import { ADMIN_METHODS, DATA_SERVICE } from "@tidemark/proto";
import { expect } from "chai";
import type { Broker } from "../../src/index.ts";
import { batch } from "../e2e/support/batches.ts";
import { parseMetrics } from "../e2e/support/prometheus-text.ts";
import { RawClient } from "../e2e/support/raw-client.ts";
import { startMemoryBroker } from "../e2e/support/test-broker.ts";
import { keptBytes } from "../support/garbage.ts";

const MEBIBYTE = 1024 * 1024;
const BOUND = 8 * MEBIBYTE;
const refused = 'tidemark_refused_total{listener="GRPC",stage="message",reason="THROTTLING_QUOTA_EXCEEDED"}';
const HALF = Buffer.alloc(MEBIBYTE);
HALF.writeUInt32BE(30 * MEBIBYTE, 1);

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const [DATA, HEADERS, SETTINGS, UNKNOWN] = [0, 1, 4, 0x77] as const;
const END_HEADERS = 4;

function frame(type: number, streamId: number, body: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(body.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(type === HEADERS ? END_HEADERS : 0, 4);
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, body]);
}

/** A header block of literals, without an index and without Huffman's code (RFC 7541, 6.2.2). */
function requestHeaders(path: string): Buffer {
  const pairs = {
    ":method": "POST",
    ":scheme": "http",
    ":path": path,
    ":authority": "broker",
    "content-type": "application/grpc",
    te: "trailers",
  };
  const texts = Object.entries(pairs).map(([name, value]) => {
    return Buffer.from(`\0${String.fromCharCode(name.length)}${name}${String.fromCharCode(value.length)}${value}`);
  });
  return Buffer.concat(texts);
}

describe("half messages", () => {
  let broker: Broker;
  let sessions: ClientHttp2Session[];

  beforeEach(async () => {
    broker = await startMemoryBroker({ "queued.max.request.bytes": String(BOUND) });
    sessions = Array.from({ length: 4 }, () => http2.connect(`http://${broker.grpcAddress}`));
  });

  afterEach(async () => {
    for (const session of sessions) session.destroy();
    await broker.stop();
  });

  async function series(): Promise<Map<string, number>> {
    return parseMetrics(await (await fetch(`http://${broker.httpAddress}/metrics`)).text());
  }

  /** Begins a message of 30 MiB on a stream of its own; resolves when it was refused, or all of what is sent of it has left. */
  async function begin(session: ClientHttp2Session, path: string): Promise<ClientHttp2Stream> {
    const stream = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
    });
    stream.on("error", () => undefined);
    stream.resume();
    await Promise.race([new Promise((resolve) => stream.write(HALF, resolve)), once(stream, "close")]);
    return stream;
  }

  for (const [name, path] of [
    ["produce streams", DATA_SERVICE.produce.path],
    ["calls that grpc-js serves", ADMIN_METHODS.createTopics],
  ] as const) {
    it(`of ${name}: memory stays within the bound, and others are served`, async () => {
      const client = new RawClient(broker.grpcAddress);
      await client.createTopic("large", { config: { "max.message.bytes": String(6 * MEBIBYTE) } });
      const before = await keptBytes();
      let largest = 0;
      for (let round = 0; round < 25; round++) {
        await Promise.all(sessions.map((session) => begin(session, path)));
        if (round % 8 === 7) largest = Math.max(largest, (await keptBytes()) - before);
      }
      // What has left its client is still on its way for a while.
      while (((await series()).get(refused) ?? 0) <= 60);
      const values = await series();
      expect(values.get('tidemark_unfinished_request_bytes{listener="GRPC"}')).to.be.within(1, BOUND);
      // 100 MiB were begun.
      expect(largest / MEBIBYTE).to.be.below(64);

      const producer = client.produceStream();
      await producer.opened();
      const { errorCode } = await producer.produce("large", batch({ values: ["x".repeat(5 * MEBIBYTE)] }));
      expect(errorCode).to.equal(0);
      await producer.end();
      client.close();
      for (const session of sessions) session.destroy();
      while (((await series()).get('tidemark_unfinished_request_bytes{listener="GRPC"}') ?? 0) > 0);
    });
  }

  for (const [name, path] of [
    ["produce stream", DATA_SERVICE.produce.path],
    ["call that grpc-js serves", ADMIN_METHODS.createTopics],
  ] as const) {
    it(`of a ${name}, byte by byte among frames that mean nothing: what the bytes keep alive is bounded`, async () => {
      const [host = "", port = ""] = broker.grpcAddress.split(":");
      const socket = net.connect(Number(port), host);
      let wake: (value?: unknown) => void = () => undefined;
      socket.on("drain", () => wake());
      socket.on("error", () => undefined);
      socket.once("close", () => wake());
      socket.resume();
      const before = await keptBytes();
      let largest = 0;
      socket.write(Buffer.concat([PREFACE, frame(SETTINGS, 0, Buffer.alloc(0))]));
      const streamIds = Array.from({ length: 16 }, (_, i) => 2 * i + 1);
      for (const id of streamIds) {
        socket.write(frame(HEADERS, id, requestHeaders(path)));
        socket.write(frame(DATA, id, HALF.subarray(0, 5)));
      }
      const noise = Buffer.concat(Array.from({ length: 4 }, () => frame(UNKNOWN, 0, Buffer.alloc(16_000))));
      for (let i = 0; i < 2_000 && !socket.destroyed; i++) {
        const piece = frame(DATA, streamIds[i % streamIds.length] ?? 1, Buffer.alloc(1));
        if (!socket.write(Buffer.concat([piece, noise]))) await new Promise((resolve) => (wake = resolve));
        if (i % 1_000 === 999) largest = Math.max(largest, (await keptBytes()) - before);
      }
      const values = await series();
      const { bytesWritten } = socket;
      socket.destroy();
      expect(bytesWritten / MEBIBYTE).to.be.above(100);
      expect(values.get('tidemark_unfinished_request_bytes{listener="GRPC"}')).to.be.above(0);
      expect(largest / MEBIBYTE).to.be.below(64);
    });
  }

  it("tell their client why", async () => {
    const streams = [];
    for (let i = 0; i < 10; i++) {
      const [session] = sessions;
      if (session === undefined) throw new Error("no session");
      const stream = session.request({
        ":method": "POST",
        ":path": DATA_SERVICE.produce.path,
        "content-type": "application/grpc",
      });
      stream.resume();
      streams.push(stream);
      const trailers = i === 0 ? once(stream, "trailers") : null;
      stream.write(HALF);
      if (trailers !== null) void trailers.then(([headers]) => (first = headers as Record<string, unknown>));
    }
    let first: Record<string, unknown> | null = null;
    while (first === null) await new Promise((resolve) => setImmediate(resolve));
    expect(first["grpc-status"]).to.equal("8");
    expect(String(first["grpc-message"])).to.contain("begun%20and%20not%20finished");
    for (const stream of streams) stream.close();
  });
});
