/** The three kinds of calls at the peer door, each on its StreamCall. */
import { peerFrameHead, peerWire } from "@tidemark/proto";
import { ApiError } from "../../../api/index.ts";
import type { SlabPool } from "../../../api/index.ts";
import { PEER_STREAM_AHEAD_BYTES, PeerError, type PeerStream, type PeerStreamHandlers } from "../../../ports/index.ts";
import type { StreamCall, StreamListener } from "../stream-call.ts";

/** Raft messages of one peer. Each gets memory of its own: entries of it stay for long, and must not keep all of a read with them. */
export class RaftInbox implements StreamListener {
  readonly #call: StreamCall;
  readonly #onFrame: (frame: Buffer) => void;

  constructor(call: StreamCall, onFrame: (frame: Buffer) => void) {
    this.#call = call;
    this.#onFrame = onFrame;
    call.listen(this);
  }

  end(): void {
    this.#call.end();
  }

  onMessage(message: Buffer, slab: Buffer | null): void {
    const payload = payloadOf(message, this.#call);
    if (payload === null) return;
    this.#onFrame(slab === null ? Buffer.from(payload) : payload);
  }

  onEnd(): void {
    this.#call.end();
  }

  onClosed(): void {}
}

/** One question and its answer. */
export class PeerCallStream implements StreamListener {
  readonly #call: StreamCall;
  readonly #answer: (message: Buffer) => Promise<Uint8Array>;
  readonly #errorOf: (thrown: unknown) => ApiError;
  #isAsked = false;

  constructor(
    call: StreamCall,
    answer: (message: Buffer) => Promise<Uint8Array>,
    errorOf: (thrown: unknown) => ApiError,
  ) {
    this.#call = call;
    this.#answer = answer;
    this.#errorOf = errorOf;
    call.listen(this);
  }

  end(): void {
    this.#call.fail(new ApiError("NETWORK_EXCEPTION", "the broker is stopping"));
  }

  onMessage(message: Buffer): void {
    if (this.#isAsked) return this.#call.fail(new ApiError("INVALID_REQUEST", "a second question in one call"));
    this.#isAsked = true;
    void this.#serve(message);
  }

  /** Never rejects. */
  async #serve(message: Buffer): Promise<void> {
    try {
      const body = await this.#answer(message);
      const answer = peerWire.callResponse.encode({ body: Buffer.from(body.buffer, body.byteOffset, body.length) });
      this.#call.send([answer], () => undefined);
      this.#call.end();
    } catch (thrown: unknown) {
      this.#call.fail(this.#errorOf(thrown));
    }
  }

  onEnd(): void {
    if (!this.#isAsked) this.#call.fail(new ApiError("INVALID_REQUEST", "a call without a question"));
  }

  onClosed(): void {}
}

/** The answering end of a replication stream. */
export class ReplicationEnd implements StreamListener, PeerStream {
  readonly #call: StreamCall;
  readonly #slabs: SlabPool;
  readonly #handlers: PeerStreamHandlers;
  #isDrainDue = false;
  #hasEnded = false;
  readonly #onTaken = (): void => {
    if (!this.#isDrainDue || this.#call.isOver || this.#call.aheadBytes > PEER_STREAM_AHEAD_BYTES / 2) return;
    this.#isDrainDue = false;
    this.#handlers.onDrain();
  };

  constructor(call: StreamCall, slabs: SlabPool, open: (end: PeerStream) => PeerStreamHandlers) {
    this.#call = call;
    this.#slabs = slabs;
    // Nothing is handed out before this turn is over.
    call.listen(this);
    this.#handlers = open(this);
  }

  /** The door closes. */
  end(): void {
    this.close();
  }

  // ---- PeerStream ----

  get bufferedBytes(): number {
    return this.#call.aheadBytes;
  }

  send(frame: Uint8Array | readonly Uint8Array[], onWritten?: () => void): boolean {
    const call = this.#call;
    if (call.isOver) return true;
    const payload = frame instanceof Uint8Array ? [frame] : frame;
    let bytes = 0;
    for (const piece of payload) bytes += piece.length;
    call.send([peerFrameHead(bytes), ...payload], () => {
      onWritten?.();
      this.#onTaken();
    });
    this.#isDrainDue ||= call.aheadBytes >= PEER_STREAM_AHEAD_BYTES;
    return !this.#isDrainDue;
  }

  close(error?: { readonly code: ApiError["code"]; readonly message: string }): void {
    this.#hasEnded = true;
    if (error === undefined) this.#call.end();
    else this.#call.fail(new ApiError(error.code, error.message));
  }

  // ---- StreamListener ----

  onMessage(message: Buffer, slab: Buffer | null): void {
    const payload = payloadOf(message, this.#call);
    if (payload !== null) this.#handlers.onFrame(payload, slab === null ? null : () => this.#slabs.give(slab));
  }

  onEnd(): void {
    this.#hasEnded = true;
    this.#call.end();
  }

  /** Not inside a call to this stream, which is how it may have ended. */
  onClosed(): void {
    queueMicrotask(() =>
      this.#handlers.onClosed(this.#hasEnded ? null : new PeerError("closed", "the connection closed")),
    );
  }
}

/** Null: it was no frame, and the call has ended. */
function payloadOf(message: Buffer, call: StreamCall): Buffer | null {
  try {
    return peerWire.frame.decode(message).payload;
  } catch {
    call.fail(new ApiError("INVALID_REQUEST", "a malformed frame"));
    return null;
  }
}
