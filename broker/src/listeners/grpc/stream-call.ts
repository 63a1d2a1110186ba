/**
 * One streaming gRPC call on its bare HTTP/2 stream (grpc/doc/PROTOCOL-HTTP2.md), for the two methods that carry records.
 * grpc-js would concatenate each message into fresh memory on the way in and copy it into a fresh frame on the way out; here
 * messages are put together in slabs, and records are written from the memory they were read into.
 *
 * It answers headers at once, hands messages to its listener while that reads, writes messages given in pieces, and ends with a
 * status in trailers. Request headers of other features (deadlines, message compression) have no meaning here: clients end
 * streams by themselves, and batches are compressed already.
 *
 * Invariants: the listener hears of no message after the call is over, and of its end exactly once.
 */
import http2 from "node:http2";
import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { ERROR_DETAIL_TRAILER, GRPC_MAX_RECEIVE_BYTES, MessageReader, ProtoError } from "@tidemark/proto";
import { ApiError } from "../../api/index.ts";
import type { ClientContext, Refusals, SlabPool, UnfinishedMessage, UnfinishedMessages } from "../../api/index.ts";
import { clientFrom } from "./door-context.ts";
import { statusOf } from "./status.ts";

export interface StreamListener {
  /** `slab`, if any, goes back to the pool when nobody looks at `message` any more. */
  onMessage(message: Buffer, slab: Buffer | null): void;
  /** The client has ended its side. */
  onEnd(): void;
  /** The call is over, for whatever reason. Once. */
  onClosed(): void;
}

/** What the calls of one door share. */
export interface StreamCallDeps {
  readonly slabs: SlabPool;
  readonly unfinished: UnfinishedMessages;
  readonly refusals: Refusals;
  /** For tests. */
  readonly slowMessageMs?: number | undefined;
}

const GRPC_OK = 0;
/** A message is whole this long after its first byte, or the call ends (security 2, "slow frame"). */
export const SLOW_MESSAGE_MS = 30_000;
const CONTENT_TYPE = "application/grpc";
const RESPONSE_HEADERS: OutgoingHttpHeaders = {
  ":status": 200,
  "content-type": "application/grpc+proto",
  "grpc-accept-encoding": "identity",
};

/** Whether a stream speaks gRPC at all; if not it is answered 415, as grpc-js does, or 405. */
export function isGrpc(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): boolean {
  const { HTTP_STATUS_METHOD_NOT_ALLOWED, HTTP_STATUS_UNSUPPORTED_MEDIA_TYPE } = http2.constants;
  const isPost = headers[":method"] === "POST";
  if (isPost && headers["content-type"]?.startsWith(CONTENT_TYPE) === true) return true;
  stream.on("error", () => undefined);
  const status = isPost ? HTTP_STATUS_UNSUPPORTED_MEDIA_TYPE : HTTP_STATUS_METHOD_NOT_ALLOWED;
  stream.respond({ ":status": status }, { endStream: true });
  return false;
}

function trailersOf(error: ApiError): OutgoingHttpHeaders {
  const { code, details, metadata } = statusOf(error);
  const [detail] = metadata.get(ERROR_DETAIL_TRAILER);
  return {
    "grpc-status": code,
    "grpc-message": encodeURI(details),
    [ERROR_DETAIL_TRAILER]: Buffer.from(detail ?? "").toString("base64"),
  };
}

export class StreamCall {
  readonly client: ClientContext;
  readonly #stream: ServerHttp2Stream;
  readonly #slabs: SlabPool;
  readonly #refusals: Refusals;
  readonly #unfinished: UnfinishedMessage;
  #listener: StreamListener | null = null;
  #onData: ((chunk: Buffer) => void) | null = null;
  #reader: MessageReader | null = null;
  readonly #slowMessageMs: number;
  #aheadBytes = 0;
  #isOver = false;
  /** How often reading was stopped: a message is not slow while it was we who did not read. */
  #pausesCount = 0;
  /** While a message may become slow. At most one in `#slowMessageMs`, so that quick messages cost none. */
  #slowTimer: NodeJS.Timeout | null = null;

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, deps: StreamCallDeps) {
    this.#stream = stream;
    this.#slabs = deps.slabs;
    this.#refusals = deps.refusals;
    this.#unfinished = deps.unfinished.of(() =>
      this.#refuse(new ApiError("THROTTLING_QUOTA_EXCEEDED", "too much was begun and not finished at this broker")),
    );
    this.#slowMessageMs = deps.slowMessageMs ?? SLOW_MESSAGE_MS;
    this.client = clientFrom(headers, stream.session?.socket.remoteAddress);
    // An error comes with a close, which says all there is to say.
    stream.on("error", () => undefined);
    stream.once("close", () => this.#close());
    stream.respond(RESPONSE_HEADERS, { waitForTrailers: true });
  }

  /** Bytes written and not yet taken by the socket. */
  get aheadBytes(): number {
    return this.#aheadBytes;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Begins to hand out messages. */
  listen(listener: StreamListener): void {
    this.#listener = listener;
    const reader = new MessageReader({
      maxBytes: GRPC_MAX_RECEIVE_BYTES,
      slabs: this.#slabs,
      onMessage: (message, slab) => {
        if (this.#isOver) return;
        listener.onMessage(message, slab);
      },
    });
    this.#reader = reader;
    this.#onData = (chunk): void => {
      const { messagesCount } = reader;
      try {
        reader.push(chunk);
      } catch (error: unknown) {
        if (!(error instanceof ProtoError)) throw error;
        this.#refuse(new ApiError(error.code, error.message));
      }
      if (this.#isOver) return;
      if (reader.messagesCount !== messagesCount) this.#unfinished.clear();
      this.#unfinished.set(reader.unfinishedBytes);
      if (reader.isInside && this.#slowTimer === null) this.#watchMessage(reader);
    };
    this.#stream.on("data", this.#onData);
    this.#stream.once("end", () => {
      if (this.#isOver) return;
      if (reader.isInside) this.#refuse(new ApiError("INVALID_REQUEST", "the stream ended inside a message"));
      else listener.onEnd();
    });
  }

  pause(): void {
    this.#pausesCount++;
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  /**
   * Sends one message, given in pieces. `onWritten` is called when their memory is free again; never when the stream breaks off
   * before.
   */
  send(pieces: readonly Uint8Array[], onWritten: () => void): void {
    if (this.#isOver) return;
    let length = 0;
    for (const piece of pieces) length += piece.length;
    const prefix = Buffer.allocUnsafe(5);
    prefix.writeUInt8(0, 0);
    prefix.writeUInt32BE(length, 1);
    const size = length + prefix.length;
    this.#aheadBytes += size;
    const stream = this.#stream;
    stream.cork();
    let last: Uint8Array = prefix;
    for (const piece of pieces) {
      stream.write(last);
      last = piece;
    }
    stream.write(last, (error) => {
      this.#aheadBytes -= size;
      // To a destroyed stream Node reports no error, though frames with this memory may still wait in the socket.
      if (!stream.destroyed && (error === null || error === undefined)) onWritten();
    });
    stream.uncork();
  }

  /** Holds back what is sent until `uncork`, so that the messages of one turn leave together. */
  cork(): void {
    this.#stream.cork();
  }

  uncork(): void {
    this.#stream.uncork();
  }

  /** Ends the call well, behind everything that was sent. */
  end(): void {
    this.#finish({ "grpc-status": GRPC_OK });
  }

  /** Ends the call with a coded error, behind everything that was sent. */
  fail(error: ApiError): void {
    this.#finish(trailersOf(error));
  }

  /** Ends the call at once, and drops what its client has not taken, which would stand before any status. */
  abort(error: ApiError): void {
    if (this.#isOver) return;
    this.#refusals.count("message", error.code);
    this.#close();
    this.#stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
  }

  /** For what arrived, before anybody has looked into it. */
  #refuse(error: ApiError): void {
    if (this.#isOver) return;
    this.#refusals.count("message", error.code);
    this.fail(error);
  }

  #watchMessage(reader: MessageReader): void {
    if (this.#isOver) return;
    const { messagesCount } = reader;
    const pausesCount = this.#pausesCount;
    this.#slowTimer = setTimeout(() => {
      this.#slowTimer = null;
      if (!reader.isInside) return;
      const isSlow =
        reader.messagesCount === messagesCount && this.#pausesCount === pausesCount && !this.#stream.isPaused();
      if (isSlow)
        this.#refuse(
          new ApiError("REQUEST_TIMED_OUT", `a message was not whole ${this.#slowMessageMs} ms after its first byte`),
        );
      else this.#watchMessage(reader);
    }, this.#slowMessageMs);
    this.#slowTimer.unref();
  }

  #finish(trailers: OutgoingHttpHeaders): void {
    if (this.#isOver) return;
    const stream = this.#stream;
    if (!stream.destroyed && !stream.closed) {
      stream.once("wantTrailers", () => stream.sendTrailers(trailers));
      stream.end();
    }
    this.#close();
    // What the client still sends is read and dropped, or the stream would never close.
    stream.resume();
  }

  #close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#unfinished.clear();
    if (this.#slowTimer !== null) clearTimeout(this.#slowTimer);
    this.#slowTimer = null;
    // The stream may stay for as long as its client likes; the message that was under way goes now.
    this.#reader?.drop();
    if (this.#onData !== null) this.#stream.off("data", this.#onData);
    this.#listener?.onClosed();
  }
}
