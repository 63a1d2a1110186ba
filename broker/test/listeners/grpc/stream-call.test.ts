/** One streaming call over a real HTTP/2 connection of this process: whose memory is whose, and how it ends. */
import { once } from "node:events";
import http2 from "node:http2";
import type { ClientHttp2Session, ClientHttp2Stream, Http2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import { isGrpc, StreamCall } from "../../../src/listeners/grpc/stream-call.ts";
import { Refusals, UnfinishedMessages } from "../../../src/api/index.ts";
import { LogBook } from "../http/fixtures.ts";
import { SlabPool } from "../../../src/runtime/index.ts";

const HEADERS = { ":method": "POST", ":path": "/any", "content-type": "application/grpc" };
/** More than a client's window takes that is not read. */
const LARGE_BYTES = 1024 * 1024;

describe("StreamCall", () => {
  let server: Http2Server;
  let session: ClientHttp2Session;
  let onCall: (call: StreamCall) => void = () => undefined;
  let slowMessageMs: number | undefined;
  const refusals = new Refusals({ listener: "GRPC", logger: new LogBook(), now: () => 0 });
  const unfinished = new UnfinishedMessages(1024 * 1024);

  before(async () => {
    server = http2.createServer();
    server.on("stream", (stream, headers) => {
      if (isGrpc(stream, headers))
        onCall(
          new StreamCall(stream, headers, {
            slabs: new SlabPool(),
            unfinished,
            refusals,
            slowMessageMs,
          }),
        );
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    session = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  });

  after(() => {
    session.destroy();
    server.close();
  });

  /** Opens a stream; resolves with both of its ends. */
  async function opened(): Promise<{ call: StreamCall; stream: ClientHttp2Stream }> {
    const accepted = new Promise<StreamCall>((resolve) => (onCall = resolve));
    const stream = session.request(HEADERS);
    stream.on("error", () => undefined);
    return { call: await accepted, stream };
  }

  /** Both ends have handled everything that was sent before. */
  function settled(): Promise<void> {
    return new Promise((resolve) => session.ping(() => setImmediate(resolve)));
  }

  it("gives memory back when it was written", async () => {
    const { call, stream } = await opened();
    stream.resume();
    await new Promise<void>((resolve) => call.send([Buffer.alloc(LARGE_BYTES)], resolve));
    expect(call.aheadBytes).to.equal(0);
    call.end();
    stream.end();
    await once(stream, "close");
  });

  it("keeps memory for good when the stream breaks off while it is written: the socket may still look at it", async () => {
    const { call, stream } = await opened();
    const isOver = new Promise<void>((resolve) =>
      call.listen({ onMessage: () => undefined, onEnd: () => undefined, onClosed: resolve }),
    );
    let givenBack = 0;
    for (let i = 0; i < 3; i++) call.send([Buffer.alloc(10), Buffer.alloc(LARGE_BYTES)], () => givenBack++);
    await settled();
    stream.close(http2.constants.NGHTTP2_CANCEL);
    await isOver;
    await settled();
    expect(givenBack).to.equal(0);
  });

  it("lets a stream go that speaks no gRPC, whatever it still sends", async () => {
    const stream = session.request({ ...HEADERS, "content-type": "text/plain" });
    const status = new Promise((resolve) => stream.once("response", (headers) => resolve(headers[":status"])));
    stream.resume();
    stream.end(Buffer.alloc(LARGE_BYTES));
    expect(await status).to.equal(http2.constants.HTTP_STATUS_UNSUPPORTED_MEDIA_TYPE);
    await once(stream, "close");
  });

  it("ends with a coded error when the client ends inside a message, and well when between two", async () => {
    for (const [sent, status] of [
      ["00000000", "3"],
      ["0000000002ff", "3"],
      ["0000000001ff", "0"],
      ["", "0"],
    ] as const) {
      const { call, stream } = await opened();
      call.listen({ onMessage: () => undefined, onEnd: () => call.end(), onClosed: () => undefined });
      const trailers = new Promise<unknown>((resolve) =>
        stream.once("trailers", (headers) => resolve(headers["grpc-status"])),
      );
      stream.resume();
      stream.end(Buffer.from(sent, "hex"));
      expect(await trailers, sent).to.equal(status);
    }
  });

  it("ends a call whose message does not become whole in time, and none that waits between two or while we do not read", async () => {
    slowMessageMs = 40;
    const half = Buffer.from("0000000009ff", "hex");
    const whole = Buffer.from("0000000001ff", "hex");
    const { call: idle, stream: idleStream } = await opened();
    idle.listen({ onMessage: () => undefined, onEnd: () => idle.end(), onClosed: () => undefined });
    idleStream.resume();
    idleStream.write(Buffer.concat([whole, half.subarray(0, 3)]));
    idleStream.write(half.subarray(3));
    idleStream.write(Buffer.alloc(8));
    const { call: paused, stream: pausedStream } = await opened();
    paused.listen({ onMessage: () => undefined, onEnd: () => paused.end(), onClosed: () => undefined });
    pausedStream.resume();
    pausedStream.write(half);
    await settled();
    paused.pause();

    const { call: slow, stream: slowStream } = await opened();
    slow.listen({ onMessage: () => undefined, onEnd: () => undefined, onClosed: () => undefined });
    const trailers = once(slowStream, "trailers");
    slowStream.resume();
    slowStream.write(half);
    const [headers] = (await trailers) as [Record<string, unknown>];
    expect(headers["grpc-status"]).to.equal("4");
    expect(idle.isOver).to.equal(false);
    expect(paused.isOver).to.equal(false);
    slowMessageMs = undefined;
    for (const stream of [idleStream, pausedStream, slowStream]) stream.close(http2.constants.NGHTTP2_CANCEL);
  });

  it("answers 405 to other methods than POST", async () => {
    for (const method of ["GET", "HEAD", "PUT"]) {
      const stream = session.request({ ...HEADERS, ":method": method }, { endStream: true });
      const status = new Promise((resolve) => stream.once("response", (headers) => resolve(headers[":status"])));
      stream.resume();
      expect(await status, method).to.equal(http2.constants.HTTP_STATUS_METHOD_NOT_ALLOWED);
    }
  });
});
