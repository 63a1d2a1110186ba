/** The dialling end of a replication stream, on a connection that it makes and that ends with it. */
import { PEER_METHODS, peerFrameHead, peerWire } from "@tidemark/proto";
import {
  PEER_STREAM_AHEAD_BYTES,
  type PeerAddress,
  PeerError,
  type PeerStream,
  type PeerStreamHandlers,
} from "../../ports/index.ts";
import { ClientCall } from "./client-call.ts";
import { PeerConnection } from "./connection.ts";
import type { LinkDeps } from "./link-deps.ts";

interface WaitingFrame {
  readonly pieces: readonly Uint8Array[];
  readonly bytes: number;
  readonly onWritten: (() => void) | undefined;
}

export class ReplicationLink implements PeerStream {
  readonly #to: PeerAddress;
  readonly #deps: LinkDeps;
  readonly #handlers: PeerStreamHandlers;
  readonly #onOver: (link: ReplicationLink) => void;
  readonly #connection: PeerConnection;
  #call: ClientCall | null = null;
  /** Until the connection stands. */
  #waiting: WaitingFrame[] = [];
  #waitingBytes = 0;
  #isDrainDue = false;
  /** Closed here: it ends well, whatever happens on the way. */
  #isEnding = false;
  #isOver = false;

  constructor(to: PeerAddress, deps: LinkDeps, handlers: PeerStreamHandlers, onOver: (link: ReplicationLink) => void) {
    this.#to = to;
    this.#deps = deps;
    this.#handlers = handlers;
    this.#onOver = onOver;
    this.#connection = new PeerConnection(to, {
      onOpen: (session) => this.#onOpen(new ClientCall(session, deps.callOptions(PEER_METHODS.replicate, to), this)),
      onClosed: (error) => this.#end(error),
    });
  }

  get bufferedBytes(): number {
    return this.#waitingBytes + (this.#call?.aheadBytes ?? 0);
  }

  send(frame: Uint8Array | readonly Uint8Array[], onWritten?: () => void): boolean {
    if (this.#isOver || this.#isEnding) return true;
    const payload = frame instanceof Uint8Array ? [frame] : frame;
    let bytes = 0;
    for (const piece of payload) bytes += piece.length;
    const pieces = [peerFrameHead(bytes), ...payload];
    if (this.#call !== null) this.#call.send(pieces, onWritten);
    else {
      this.#waiting.push({ pieces, bytes, onWritten });
      this.#waitingBytes += bytes;
    }
    this.#isDrainDue ||= this.bufferedBytes >= PEER_STREAM_AHEAD_BYTES;
    return !this.#isDrainDue;
  }

  close(error?: { readonly message: string }): void {
    if (this.#isOver || this.#isEnding) return;
    this.#isEnding = true;
    // A client has no words for why it leaves.
    if (this.#call === null || error !== undefined)
      this.abort(new PeerError("closed", error?.message ?? "closed here"));
    else this.#call.end();
  }

  /** Breaks it off. */
  abort(error: PeerError): void {
    this.#connection.close(error);
  }

  #onOpen(call: ClientCall): void {
    this.#call = call;
    for (const { pieces, onWritten } of this.#waiting) call.send(pieces, onWritten);
    this.#waiting = [];
    this.#waitingBytes = 0;
    if (this.#isEnding) call.end();
  }

  // ---- ClientCallListener ----

  onAnswered(headers: Parameters<LinkDeps["meet"]>[1]): void {
    this.#deps.meet(this.#to, headers);
  }

  onMessage(message: Buffer, slab: Buffer | null): void {
    const { payload } = peerWire.frame.decode(message);
    this.#handlers.onFrame(payload, slab === null ? null : () => this.#deps.slabs.give(slab));
  }

  onWritten(): void {
    if (!this.#isDrainDue || this.bufferedBytes > PEER_STREAM_AHEAD_BYTES / 2) return;
    this.#isDrainDue = false;
    this.#handlers.onDrain();
  }

  onClosed(error: PeerError | null): void {
    this.#end(error);
  }

  #end(error: PeerError | null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#connection.close(error ?? new PeerError("closed", "the stream ended"));
    if (error !== null && !this.#isEnding) this.#deps.note(this.#to, error);
    this.#onOver(this);
    this.#handlers.onClosed(this.#isEnding ? null : error);
  }
}
