/**
 * One gRPC call to a peer on its bare HTTP/2 stream (grpc/doc/PROTOCOL-HTTP2.md): messages out in pieces, without a copy; messages
 * in, put together once where they came in pieces. The other end is the peer door.
 *
 * The listener hears of the answer's headers once, before any message; of the end exactly once, last; and of nothing inside a call
 * to this object.
 */
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from "node:http2";
import {
  ERROR_DETAIL_TRAILER,
  type ErrorName,
  isErrorName,
  MessageReader,
  type MessageSlabs,
  PEER_MESSAGE_BYTES_MAX,
  wire,
} from "@tidemark/proto";
import { PeerError } from "../../ports/index.ts";

export interface ClientCallListener {
  /** The other side took the call. What this throws ends the call with it. */
  onAnswered(headers: IncomingHttpHeaders): void;
  /** `slab`, if any, is the memory that the message lies in. */
  onMessage(message: Buffer, slab: Buffer | null): void;
  /** Something was written; fewer bytes wait. */
  onWritten(): void;
  /** Null: it ended well. */
  onClosed(error: PeerError | null): void;
}

const GRPC_OK = "0";
const PREFIX_BYTES = 5;

export class ClientCall {
  readonly #stream: ClientHttp2Stream;
  readonly #reader: MessageReader;
  readonly #listener: ClientCallListener;
  #aheadBytes = 0;
  /** Why it ended, as soon as that is known. */
  #outcome: { readonly error: PeerError | null } | null = null;
  #isOver = false;

  constructor(
    session: ClientHttp2Session,
    options: {
      readonly path: string;
      readonly headers: Readonly<Record<string, string>>;
      readonly slabs: MessageSlabs;
    },
    listener: ClientCallListener,
  ) {
    this.#listener = listener;
    this.#reader = new MessageReader({
      maxBytes: PEER_MESSAGE_BYTES_MAX,
      slabs: options.slabs,
      onMessage: (message, slab) => {
        if (!this.#isOver && this.#outcome === null) listener.onMessage(message, slab);
      },
    });
    const stream = session.request({
      ":method": "POST",
      ":path": options.path,
      "content-type": "application/grpc+proto",
      te: "trailers",
      ...options.headers,
    });
    this.#stream = stream;
    stream.on("response", (headers) => this.#onResponse(headers));
    stream.on("trailers", (headers) => this.#note(outcomeOf(headers, "remote")));
    stream.on("data", (chunk: Buffer) => this.#attempt(() => this.#reader.push(chunk)));
    stream.on("error", (cause) =>
      this.#note(new PeerError("closed", `the call broke: ${messageOf(cause)}`, { cause })),
    );
    // The other side has said all it had to say.
    stream.once("end", () => stream.end());
    stream.once("close", () => this.#onClose());
  }

  /** Bytes written and not yet taken by the socket. */
  get aheadBytes(): number {
    return this.#aheadBytes;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Sends one message, given in pieces. `onWritten` is called when their memory is free again; never when the call breaks off before. */
  send(pieces: readonly Uint8Array[], onWritten?: () => void): void {
    const stream = this.#stream;
    if (this.#isOver || stream.destroyed || stream.writableEnded) return;
    let length = 0;
    for (const piece of pieces) length += piece.length;
    const prefix = Buffer.allocUnsafe(PREFIX_BYTES);
    prefix.writeUInt8(0, 0);
    prefix.writeUInt32BE(length, 1);
    const size = length + PREFIX_BYTES;
    this.#aheadBytes += size;
    stream.cork();
    let last: Uint8Array = prefix;
    for (const piece of pieces) {
      stream.write(last);
      last = piece;
    }
    stream.write(last, (error) => {
      this.#aheadBytes -= size;
      // To a destroyed stream Node reports no error, though frames with this memory may still wait in the socket.
      if (stream.destroyed || (error !== null && error !== undefined)) return;
      onWritten?.();
      if (!this.#isOver) this.#listener.onWritten();
    });
    stream.uncork();
  }

  /** Nothing more is sent; the other side ends the call in its turn. */
  end(): void {
    if (!this.#stream.destroyed) this.#stream.end();
  }

  /** Breaks it off. */
  cancel(error: PeerError | null): void {
    this.#note(error);
    this.#stream.destroy();
  }

  #onResponse(headers: IncomingHttpHeaders): void {
    const status = headers[":status"];
    if (Number(status) !== 200)
      this.cancel(new PeerError("refused", `answered HTTP ${Number(status)}: no peer door stands there`));
    // Refused at once: the headers are the trailers as well.
    else if (headers["grpc-status"] !== undefined) this.#note(outcomeOf(headers, "refused"));
    else this.#attempt(() => this.#listener.onAnswered(headers));
  }

  #attempt(step: () => void): void {
    try {
      step();
    } catch (cause: unknown) {
      this.cancel(
        cause instanceof PeerError
          ? cause
          : new PeerError("closed", `the answer is malformed: ${messageOf(cause)}`, { cause }),
      );
    }
  }

  #note(error: PeerError | null): void {
    this.#outcome ??= { error };
  }

  #onClose(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#reader.drop();
    const { error } = this.#outcome ?? { error: new PeerError("closed", "the connection closed") };
    this.#listener.onClosed(error);
  }
}

/** How the other side ended it; null: well. */
function outcomeOf(headers: IncomingHttpHeaders, kind: "refused" | "remote"): PeerError | null {
  if (headers["grpc-status"] === GRPC_OK) return null;
  const { code, message } = detailOf(headers);
  return new PeerError(kind, message, { code });
}

function detailOf(headers: IncomingHttpHeaders): { code: ErrorName | null; message: string } {
  const detail = headers[ERROR_DETAIL_TRAILER];
  if (typeof detail === "string") {
    try {
      const { name, message } = wire.errorDetail.decode(Buffer.from(detail, "base64"));
      return { code: isErrorName(name) ? name : "UNKNOWN_SERVER_ERROR", message };
    } catch {
      // Then the status alone tells.
    }
  }
  return { code: null, message: `the call ended with gRPC status ${String(headers["grpc-status"])}` };
}

export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
