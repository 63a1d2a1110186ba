/**
 * One connection to a peer: dialled when it is made, open or not, and closed once. Both ends say who they are first; what is sent
 * before the other one has is on its way already, and is dropped there by who does not want it.
 *
 *     dialling → open → met → closed       any of them may close at once
 */
import {
  decodePeerHello,
  encodePeerHello,
  isErrorName,
  type PeerFailure,
  PeerFrameKind,
  type PeerPurpose,
  peerWire,
  type ProtoError,
} from "@tidemark/proto";
import { type PeerAddress, PeerError, type PeerIdentity } from "../../ports/index.ts";
import { FramedSocket, type FramedSocketListener } from "./framed-socket.ts";
import type { LinkDeps } from "./link-deps.ts";

export interface ConnectionListener {
  /** It takes frames. */
  onOpen(): void;
  /** As FramedSocketListener has it, of frames behind the first. */
  onFrame(kind: number, payload: Buffer, slab: Buffer | null): void;
  onWritten(): void;
  /** Once. The connection could not be made, broke, or was closed here. */
  onClosed(error: PeerError): void;
}

const DIAL_TIMEOUT_MS = 2_000;

export class PeerConnection implements FramedSocketListener {
  readonly #to: PeerAddress;
  readonly #purpose: PeerPurpose;
  readonly #deps: LinkDeps;
  readonly #listener: ConnectionListener;
  readonly #socket: FramedSocket;
  readonly #startedAt = performance.now();
  readonly #dialTimer: NodeJS.Timeout;
  /** Who this node was when it said so. */
  #said: PeerIdentity | null = null;
  #hasMet = false;
  #reason: PeerError | null = null;

  constructor(to: PeerAddress, purpose: PeerPurpose, deps: LinkDeps, listener: ConnectionListener) {
    this.#to = to;
    this.#purpose = purpose;
    this.#deps = deps;
    this.#listener = listener;
    this.#socket = FramedSocket.dial(to, { slabs: deps.slabs }, this);
    this.#dialTimer = setTimeout(
      () => this.close(new PeerError("unreachable", `${nameOf(to)} does not answer within ${DIAL_TIMEOUT_MS} ms`)),
      DIAL_TIMEOUT_MS,
    );
    this.#dialTimer.unref();
  }

  /** False while it is dialled and when it is closed. */
  get isOpen(): boolean {
    return this.#said !== null && !this.#socket.isOver;
  }

  /** Bytes sent and not taken by the network yet. */
  get aheadBytes(): number {
    return this.#socket.aheadBytes;
  }

  /** Whether a peer was there, and for how long: since then it is no use to wait before another dial. */
  get provenMs(): number {
    return this.#hasMet ? performance.now() - this.#startedAt : 0;
  }

  /** This node was born, joined or lost its store since it named itself: what it says here is taken for another's. */
  get isOutdated(): boolean {
    if (this.#said === null) return false;
    const { clusterId, directoryId } = this.#deps.identity();
    return clusterId !== this.#said.clusterId || directoryId !== this.#said.directoryId;
  }

  /** As FramedSocket has it. */
  send(kind: number, pieces: readonly Uint8Array[], onWritten?: () => void): void {
    this.#socket.send(kind, pieces, onWritten);
  }

  /** Behind what was sent; `onClosed` follows. */
  end(): void {
    this.#socket.end();
  }

  /** `onClosed` follows, with `error`. */
  close(error: PeerError): void {
    this.#reason ??= error;
    this.#socket.destroy();
  }

  // ---- FramedSocketListener ----

  onOpen(): void {
    clearTimeout(this.#dialTimer);
    this.#said = { ...this.#deps.identity() };
    this.#socket.send(PeerFrameKind.HELLO, [
      encodePeerHello(this.#said, { to: this.#to.nodeId, purpose: this.#purpose }),
    ]);
    this.#listener.onOpen();
  }

  onFrame(kind: number, payload: Buffer, slab: Buffer | null): void {
    if (this.#reason !== null) return;
    // Behind a meeting it answers nothing that was asked: that may have been done.
    if (kind === PeerFrameKind.REFUSED)
      return this.close(failureOf(peerWire.failure.decode(payload), this.#hasMet ? "closed" : "refused"));
    if (this.#hasMet) return this.#listener.onFrame(kind, payload, slab);
    try {
      this.#deps.meet(this.#to, kind === PeerFrameKind.HELLO ? (decodePeerHello(payload)?.names ?? null) : null);
    } catch (error: unknown) {
      if (!(error instanceof PeerError)) throw error;
      return this.close(error);
    }
    this.#hasMet = true;
    this.#socket.trust();
  }

  onWritten(): void {
    this.#listener.onWritten();
  }

  onFault(error: ProtoError): void {
    const { host, port } = this.#to;
    this.close(
      this.#hasMet
        ? new PeerError("closed", `${nameOf(this.#to)} sent what is malformed: ${error.message}`, { cause: error })
        : new PeerError("refused", `no peer of this version stands at ${host}:${port}`, { cause: error }),
    );
  }

  onClosed(cause: Error | null): void {
    clearTimeout(this.#dialTimer);
    this.#listener.onClosed(this.#reason ?? this.#broken(cause));
  }

  #broken(cause: Error | null): PeerError {
    if (cause === null) return new PeerError("closed", `${nameOf(this.#to)} closed the connection`);
    const kind = this.#said === null ? "unreachable" : "closed";
    return new PeerError(kind, `${nameOf(this.#to)}: ${reasonOf(cause)}`, { cause });
  }
}

/** What the other side says went wrong. */
export function failureOf({ code, message }: PeerFailure, kind: "refused" | "closed" | "remote"): PeerError {
  return new PeerError(kind, message, { code: isErrorName(code) ? code : "UNKNOWN_SERVER_ERROR" });
}

/** `node 2 at [::1]:9392`. */
export function nameOf({ nodeId, host, port }: PeerAddress): string {
  return `node ${nodeId} at ${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** Node joins the errors of several addresses into one without a message. */
function reasonOf(cause: Error): string {
  return cause instanceof AggregateError
    ? cause.errors.map((each: unknown) => (each instanceof Error ? each.message : String(each))).join(", ")
    : cause.message;
}
