/** The three kinds of connections at the peer door, each on its FramedSocket; the door has met who dialled. */
import { PeerFrameKind, peerWire, ProtoError } from "@tidemark/proto";
import { ApiError } from "../../api/index.ts";
import type { SlabPool } from "../../api/index.ts";
import { PEER_STREAM_AHEAD_BYTES, PeerError, type PeerStream, type PeerStreamHandlers } from "../../ports/index.ts";
import type { FramedSocket } from "./framed-socket.ts";

export interface PeerEnd {
  /** As FramedSocketListener has it. */
  onFrame(kind: number, payload: Buffer, slab: Buffer | null): void;
  onWritten(): void;
  /** The connection is over. */
  onClosed(): void;
  /** The door closes: ends it, behind what was sent. */
  end(): void;
}

/** Last words on a stream of replication; without an error it ends well. */
export function encodeEnd(error?: Parameters<PeerStream["close"]>[0]): Buffer {
  return peerWire.failure.encode({ id: 0, code: error?.code ?? "", message: error?.message ?? "" });
}

/** Raft messages of one peer. Each gets memory of its own: entries of it stay for long, and must not keep a slab with them. */
export class RaftInbox implements PeerEnd {
  readonly #socket: FramedSocket;
  readonly #onMessage: (message: Buffer) => void;

  constructor(socket: FramedSocket, onMessage: (message: Buffer) => void) {
    this.#socket = socket;
    this.#onMessage = onMessage;
  }

  onFrame(kind: number, payload: Buffer, slab: Buffer | null): void {
    expectKind(kind, PeerFrameKind.DATA);
    this.#onMessage(slab === null ? payload : Buffer.from(payload));
  }

  onWritten(): void {}

  onClosed(): void {}

  end(): void {
    this.#socket.end();
  }
}

/** Questions of one peer that are under way at a time: far more than a client creates of topics at once, each of which is waited for. */
const CALLS_MAX = 16_384;

/** The questions of one peer, and their answers, in the order in which those come. */
export class CallDesk implements PeerEnd {
  readonly #socket: FramedSocket;
  readonly #answer: (method: string, body: Buffer) => Promise<Uint8Array>;
  readonly #errorOf: (thrown: unknown) => ApiError;
  readonly #underWay = new Set<number>();

  constructor(
    socket: FramedSocket,
    answer: (method: string, body: Buffer) => Promise<Uint8Array>,
    errorOf: (thrown: unknown) => ApiError,
  ) {
    this.#socket = socket;
    this.#answer = answer;
    this.#errorOf = errorOf;
  }

  onFrame(kind: number, payload: Buffer): void {
    expectKind(kind, PeerFrameKind.CALL);
    const { id, method, body } = peerWire.call.decode(payload);
    if (this.#underWay.has(id)) throw new ProtoError("INVALID_REQUEST", "a call with the id of another one");
    if (this.#underWay.size >= CALLS_MAX)
      return this.#fail(id, new ApiError("THROTTLING_QUOTA_EXCEEDED", "too many calls are under way"));
    this.#underWay.add(id);
    void this.#serve(id, method, body);
  }

  onWritten(): void {}

  onClosed(): void {
    this.#underWay.clear();
  }

  end(): void {
    for (const id of this.#underWay) this.#fail(id, new ApiError("NETWORK_EXCEPTION", "the broker is stopping"));
    this.#underWay.clear();
    this.#socket.end();
  }

  /** Never rejects. */
  async #serve(id: number, method: string, body: Buffer): Promise<void> {
    try {
      const answer = await this.#answer(method, body);
      const bytes = Buffer.from(answer.buffer, answer.byteOffset, answer.length);
      if (this.#underWay.delete(id))
        this.#socket.send(PeerFrameKind.ANSWER, [peerWire.answer.encode({ id, body: bytes })]);
    } catch (thrown: unknown) {
      if (this.#underWay.delete(id)) this.#fail(id, this.#errorOf(thrown));
    }
  }

  #fail(id: number, { code, message }: ApiError): void {
    this.#socket.send(PeerFrameKind.FAILURE, [peerWire.failure.encode({ id, code, message })]);
  }
}

/** The answering end of a replication stream. */
export class ReplicationEnd implements PeerEnd, PeerStream {
  readonly #socket: FramedSocket;
  readonly #slabs: SlabPool;
  readonly #handlers: PeerStreamHandlers;
  #isDrainDue = false;
  /** Nothing more is sent; and nothing more is handed out. */
  #hasEnded = false;
  #isOver = false;

  constructor(socket: FramedSocket, slabs: SlabPool, open: (end: PeerStream) => PeerStreamHandlers) {
    this.#socket = socket;
    this.#slabs = slabs;
    this.#handlers = open(this);
  }

  // ---- PeerStream ----

  get bufferedBytes(): number {
    return this.#socket.aheadBytes;
  }

  send(frame: Uint8Array | readonly Uint8Array[], onWritten?: () => void): boolean {
    if (this.#hasEnded || this.#socket.isOver) return true;
    this.#socket.send(PeerFrameKind.DATA, frame instanceof Uint8Array ? [frame] : frame, onWritten);
    this.#isDrainDue ||= this.bufferedBytes >= PEER_STREAM_AHEAD_BYTES;
    return !this.#isDrainDue;
  }

  close(error?: Parameters<PeerStream["close"]>[0]): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#socket.send(PeerFrameKind.END, [encodeEnd(error)]);
    this.#socket.end();
  }

  // ---- PeerEnd ----

  onFrame(kind: number, payload: Buffer, slab: Buffer | null): void {
    if (this.#isOver) return;
    if (kind === PeerFrameKind.END) {
      this.close();
      return this.onClosed();
    }
    expectKind(kind, PeerFrameKind.DATA);
    this.#handlers.onFrame(payload, slab === null ? null : () => this.#slabs.give(slab));
  }

  onWritten(): void {
    if (!this.#isDrainDue || this.#hasEnded || this.bufferedBytes > PEER_STREAM_AHEAD_BYTES / 2) return;
    this.#isDrainDue = false;
    this.#handlers.onDrain();
  }

  onClosed(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#handlers.onClosed(this.#hasEnded ? null : new PeerError("closed", "the connection closed"));
  }

  end(): void {
    this.close();
  }
}

function expectKind(kind: number, expected: number): void {
  if (kind !== expected) throw new ProtoError("INVALID_REQUEST", `a frame of kind ${kind} where ${expected} is due`);
}
