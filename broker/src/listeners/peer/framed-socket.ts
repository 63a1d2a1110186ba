/**
 * One TCP connection between two brokers, as both ends have it: frames out in pieces, without a copy; frames in, read to where they
 * stay (FrameReader). It says again and again that it is alive, and notices by itself when the other side does not.
 *
 * It owns no queue but that of its socket: how much waits there is told, and bounded by who sends. Reading is never stopped: what
 * waits for replication must not stop the reports that it waits for (semantics 11.4).
 *
 * The listener hears of its end exactly once, last, and of nothing inside a call to this object.
 */
import net from "node:net";
import {
  FrameReader,
  PEER_HELLO_BYTES_MAX,
  PEER_MESSAGE_BYTES_MAX,
  PeerFrameKind,
  peerFrameHead,
  ProtoError,
} from "@tidemark/proto";
import type { SlabPool, UnfinishedMessage } from "../../api/index.ts";
import { Keepalive } from "../../base/index.ts";

export interface FramedSocketListener {
  /** The connection stands. Of one that was accepted it is not called. */
  onOpen?(): void;
  /** `slab`, if any, goes back to the pool when nobody looks at `payload` any more. May throw ProtoError, as for `onFault`. */
  onFrame(kind: number, payload: Buffer, slab: Buffer | null): void;
  /** Something was written; fewer bytes wait. */
  onWritten(): void;
  /** What arrived breaks the rules, or takes too long. Nothing more is taken in. */
  onFault(error: ProtoError): void;
  /** Null: closed from this side, or the other side ended it. */
  onClosed(cause: Error | null): void;
}

export interface FramedSocketDeps {
  readonly slabs: SlabPool;
  /** Counts what has begun to arrive; null: nobody counts. */
  readonly unfinished?: UnfinishedMessage | undefined;
  /** For tests. */
  readonly aliveMs?: number | undefined;
}

/** How a socket is told where to read to; as the option `onread` of Node's sockets. */
type OnRead = Pick<net.OnReadOpts, "callback"> & { readonly buffer: () => Buffer };

/** Said this often, at the least; who was silent for all of the next one too is gone (security 5). */
const ALIVE_MS = 5_000;
/** A frame is whole after so many of them at the latest (security 2, "slow frame"). */
const SLOW_FRAME_CHECKS = 6;
const SOCKET_BUFFER_BYTES = 64 * 1024;
const NOTHING: readonly Uint8Array[] = [];

export class FramedSocket {
  readonly #socket: net.Socket;
  readonly #listener: FramedSocketListener;
  readonly #reader: FrameReader;
  readonly #unfinished: UnfinishedMessage | undefined;
  readonly #keepalive = new Keepalive();
  readonly #aliveMs: number;
  #timer: NodeJS.Timeout | null = null;
  #aheadBytes = 0;
  /** Whether anything was sent at all. */
  #hasSpoken = false;
  /** Of frames that were whole, at the last check; and for how many checks one has been under way since. */
  #framesCount = 0;
  #slowChecks = 0;
  #cause: Error | null = null;
  #isEnding = false;
  #isClosed = false;

  /** Dials. Plain TCP; the one place where another kind of connection would be made. */
  static dial(
    to: { readonly host: string; readonly port: number },
    deps: FramedSocketDeps,
    listener: FramedSocketListener,
  ): FramedSocket {
    return new FramedSocket(deps, listener, (onread) => {
      // The typings of net.connect do not know highWaterMark; sockets do.
      const options: net.NetConnectOpts & { highWaterMark: number } = {
        host: to.host,
        port: to.port,
        noDelay: true,
        highWaterMark: SOCKET_BUFFER_BYTES,
        onread: onread as unknown as net.OnReadOpts,
      };
      return net.connect(options);
    });
  }

  /** For one that was accepted. */
  static of(socket: net.Socket, deps: FramedSocketDeps, listener: FramedSocketListener): FramedSocket {
    const framed = new FramedSocket(deps, listener, () => socket.setNoDelay(true));
    socket.on("data", (chunk: Buffer) => framed.#take(() => framed.#reader.push(chunk)));
    framed.#watch();
    return framed;
  }

  private constructor(deps: FramedSocketDeps, listener: FramedSocketListener, open: (onread: OnRead) => net.Socket) {
    this.#listener = listener;
    this.#unfinished = deps.unfinished;
    this.#aliveMs = deps.aliveMs ?? ALIVE_MS;
    const reader = new FrameReader({
      maxBytes: PEER_HELLO_BYTES_MAX,
      slabs: deps.slabs,
      onFrame: (kind, payload, slab) => {
        if (kind !== PeerFrameKind.ALIVE) listener.onFrame(kind, payload, slab);
      },
    });
    this.#reader = reader;
    const socket = open({
      buffer: () => reader.room(),
      callback: (bytes) => {
        this.#take(() => reader.filled(bytes));
        return true;
      },
    });
    this.#socket = socket;
    socket.once("connect", () => {
      this.#watch();
      listener.onOpen?.();
    });
    socket.on("error", (cause) => (this.#cause ??= cause));
    socket.once("close", () => this.#onClose());
  }

  /** Bytes sent and not taken by the network yet. */
  get aheadBytes(): number {
    return this.#aheadBytes;
  }

  /** Nothing that is sent now would arrive. */
  get isOver(): boolean {
    return this.#isEnding || this.#isClosed || this.#socket.destroyed || this.#socket.writableEnded;
  }

  /** The other side has said who it is: frames of every size are taken from now on. */
  trust(): void {
    this.#reader.maxBytes = PEER_MESSAGE_BYTES_MAX;
  }

  /**
   * Sends one frame, its payload given in pieces. `onWritten` is called when their memory is free again; never when the connection
   * breaks before.
   */
  send(kind: number, pieces: readonly Uint8Array[], onWritten?: () => void): void {
    if (this.isOver) return;
    this.#hasSpoken = true;
    let payloadBytes = 0;
    for (const piece of pieces) payloadBytes += piece.length;
    const head = peerFrameHead(kind, payloadBytes);
    const size = head.length + payloadBytes;
    this.#aheadBytes += size;
    const socket = this.#socket;
    socket.cork();
    let last: Uint8Array = head;
    for (const piece of pieces) {
      if (piece.length === 0) continue;
      socket.write(last);
      last = piece;
    }
    socket.write(last, (error) => {
      this.#aheadBytes -= size;
      if (socket.destroyed || (error !== null && error !== undefined)) return;
      onWritten?.();
      if (!this.#isClosed) this.#listener.onWritten();
    });
    socket.uncork();
  }

  /** Nothing more is sent behind what was, and nothing more is taken in; the other side ends it in its turn. */
  end(): void {
    if (this.isOver) return;
    this.#isEnding = true;
    this.#dropIncoming();
    this.#socket.end();
  }

  /** Breaks it off. */
  destroy(): void {
    this.#dropIncoming();
    this.#socket.destroy();
  }

  #dropIncoming(): void {
    this.#reader.drop();
    this.#unfinished?.clear();
  }

  #take(step: () => void): void {
    const { framesCount } = this.#reader;
    try {
      step();
    } catch (error: unknown) {
      if (!(error instanceof ProtoError)) throw error;
      this.#fail(error);
    }
    if (this.#unfinished === undefined) return;
    // The next one is young again.
    if (this.#reader.framesCount !== framesCount) this.#unfinished.clear();
    this.#unfinished.set(this.#reader.unfinishedBytes);
  }

  #fail(error: ProtoError): void {
    this.#dropIncoming();
    this.#listener.onFault(error);
  }

  #watch(): void {
    this.#timer = setInterval(() => this.#check(), this.#aliveMs);
    this.#timer.unref();
  }

  #check(): void {
    if (this.#keepalive.check(this.#socket.bytesRead) === "dead") {
      this.#cause ??= new Error(`nothing was heard for ${2 * this.#aliveMs} ms`);
      return this.destroy();
    }
    // Whatever was said since the last check: without this word the silence behind it could last for two checks, as long as is borne with.
    if (this.#hasSpoken) this.send(PeerFrameKind.ALIVE, NOTHING);
    const { framesCount, isInside } = this.#reader;
    this.#slowChecks = isInside && framesCount === this.#framesCount ? this.#slowChecks + 1 : 0;
    this.#framesCount = framesCount;
    if (this.#slowChecks > SLOW_FRAME_CHECKS)
      this.#fail(
        new ProtoError(
          "REQUEST_TIMED_OUT",
          `a frame was not whole ${SLOW_FRAME_CHECKS * this.#aliveMs} ms after its first byte`,
        ),
      );
  }

  #onClose(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#dropIncoming();
    this.#listener.onClosed(this.#cause);
  }
}
