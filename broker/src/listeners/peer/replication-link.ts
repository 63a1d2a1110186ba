/** The dialling end of a replication stream, on a connection that it makes and that ends with it. */
import { PeerFrameKind, PeerPurpose, peerWire, ProtoError } from "@tidemark/proto";
import {
  PEER_STREAM_AHEAD_BYTES,
  type PeerAddress,
  PeerError,
  type PeerStream,
  type PeerStreamHandlers,
} from "../../ports/index.ts";
import { failureOf, PeerConnection } from "./connection.ts";
import { encodeEnd } from "./peer-ends.ts";
import type { LinkDeps } from "./link-deps.ts";

interface WaitingFrame {
  readonly pieces: readonly Uint8Array[];
  readonly onWritten: (() => void) | undefined;
}

export class ReplicationLink implements PeerStream {
  readonly #to: PeerAddress;
  readonly #deps: LinkDeps;
  readonly #handlers: PeerStreamHandlers;
  readonly #onOver: (link: ReplicationLink) => void;
  readonly #connection: PeerConnection;
  /** Until the connection stands. */
  #waiting: WaitingFrame[] = [];
  #waitingBytes = 0;
  #isOpen = false;
  #isDrainDue = false;
  /** How it ends, as soon as that is known: closed here or there, it ends well or as was said, whatever happens on the way. */
  #outcome: { readonly error: PeerError | null } | null = null;

  constructor(to: PeerAddress, deps: LinkDeps, handlers: PeerStreamHandlers, onOver: (link: ReplicationLink) => void) {
    this.#to = to;
    this.#deps = deps;
    this.#handlers = handlers;
    this.#onOver = onOver;
    this.#connection = new PeerConnection(to, PeerPurpose.REPLICATION, deps, this);
  }

  get bufferedBytes(): number {
    return this.#waitingBytes + this.#connection.aheadBytes;
  }

  send(frame: Uint8Array | readonly Uint8Array[], onWritten?: () => void): boolean {
    if (this.#outcome !== null) return true;
    const pieces = frame instanceof Uint8Array ? [frame] : frame;
    if (this.#isOpen) this.#connection.send(PeerFrameKind.DATA, pieces, onWritten);
    else {
      this.#waiting.push({ pieces, onWritten });
      for (const piece of pieces) this.#waitingBytes += piece.length;
    }
    this.#isDrainDue ||= this.bufferedBytes >= PEER_STREAM_AHEAD_BYTES;
    return !this.#isDrainDue;
  }

  close(error?: Parameters<PeerStream["close"]>[0]): void {
    if (this.#outcome !== null) return;
    this.#outcome = { error: null };
    if (!this.#isOpen) return this.#connection.close(new PeerError("closed", "closed here"));
    this.#connection.send(PeerFrameKind.END, [encodeEnd(error)]);
    this.#connection.end();
  }

  /** Breaks it off. */
  abort(error: PeerError): void {
    this.#connection.close(error);
  }

  // ---- ConnectionListener ----

  onOpen(): void {
    this.#isOpen = true;
    for (const { pieces, onWritten } of this.#waiting) this.#connection.send(PeerFrameKind.DATA, pieces, onWritten);
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  onFrame(kind: number, payload: Buffer, slab: Buffer | null): void {
    switch (kind) {
      case PeerFrameKind.DATA:
        return this.#handlers.onFrame(payload, slab === null ? null : () => this.#deps.slabs.give(slab));
      case PeerFrameKind.END: {
        const failure = peerWire.failure.decode(payload);
        this.#outcome ??= { error: failure.code === "" ? null : failureOf(failure, "remote") };
        return this.#connection.end();
      }
      default:
        throw new ProtoError("INVALID_REQUEST", `a frame of kind ${kind} on a stream of replication`);
    }
  }

  onWritten(): void {
    if (!this.#isDrainDue || this.bufferedBytes > PEER_STREAM_AHEAD_BYTES / 2) return;
    this.#isDrainDue = false;
    this.#handlers.onDrain();
  }

  onClosed(broken: PeerError): void {
    const { error } = this.#outcome ?? { error: broken };
    this.#outcome = { error };
    this.#waiting = [];
    this.#waitingBytes = 0;
    if (error !== null) this.#deps.note(this.#to, error);
    this.#onOver(this);
    this.#handlers.onClosed(error);
  }
}
