/**
 * One end of a replication stream on the simulated network. What is sent are the bytes of the real wire, and they are taken apart by
 * its reader: a connection may break, or stand still, behind any of them.
 */
import { type ErrorName, FrameReader, PEER_MESSAGE_BYTES_MAX, PeerFrameKind, peerFrameHead } from "@tidemark/proto";
import { PeerError, type PeerStream, type PeerStreamHandlers } from "../../ports/index.ts";
import type { SimConnection } from "./sim-connection.ts";
import type { SimNetwork, SimNode } from "./sim-network.ts";

/** Runs what is given with the other end, there and then. */
type Reach = (act: (other: SimStream) => void, bytes: number) => void;
/** Calls back with the other end, made if this is the first that arrives there. */
type WithOther = (then: (other: SimStream) => void) => void;

/** Memory that was given back is another's. */
const SLABS = {
  take: (bytes: number): Buffer => Buffer.allocUnsafe(bytes),
  give: (slab: Buffer) => void slab.fill(0xee),
};

export class SimStream implements PeerStream {
  readonly #network: SimNetwork;
  readonly #node: SimNode;
  readonly #handlers: PeerStreamHandlers;
  readonly #onOver: () => void;
  /** Whose end it is: who was dialled sends records, and has to heed that enough is on its way; who dialled sends reports. */
  readonly #isDialled: boolean;
  readonly #reader = new FrameReader({
    maxBytes: PEER_MESSAGE_BYTES_MAX,
    slabs: SLABS,
    onFrame: (_kind, frame) => this.#take(frame),
  });
  #connection: SimConnection | null = null;
  #reach: Reach | null = null;
  /** Until the connection stands. */
  #waiting: { readonly act: (other: SimStream) => void; readonly bytes: number }[] = [];
  #bufferedBytes = 0;
  #isDrainDue = false;
  #isOver = false;
  #isClosing = false;

  constructor(
    network: SimNetwork,
    node: SimNode,
    handlers: PeerStreamHandlers,
    { isDialled, onOver }: { readonly isDialled: boolean; readonly onOver: () => void },
  ) {
    this.#network = network;
    this.#node = node;
    this.#handlers = handlers;
    this.#onOver = onOver;
    this.#isDialled = isDialled;
  }

  /** The connection stands: `withOther` runs at its other end, in order. */
  attach(connection: SimConnection, withOther: WithOther): void {
    if (this.#isOver) return connection.breakOff(this.#node);
    this.#connection = connection;
    this.#reach = (act, bytes) => connection.send(this.#node, () => withOther(act), bytes);
    // Says that the stream is there, though nothing else is said yet.
    if (this.#waiting.length === 0) this.#reach(() => undefined, 0);
    for (const { act, bytes } of this.#waiting.splice(0)) this.#reach(act, bytes);
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  send(frame: Uint8Array | readonly Uint8Array[], onWritten?: () => void): boolean {
    if (this.#isOver || this.#isClosing) return true;
    const parts = frame instanceof Uint8Array ? [frame] : frame;
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    const wire = Buffer.concat([peerFrameHead(PeerFrameKind.DATA, length), ...parts]);
    const pieces = this.#network.piecesOf(wire);
    if (this.#isDialled && this.#isDrainDue) this.#network.overrunsCount += 1;
    this.#bufferedBytes += length;
    for (const [slot, piece] of pieces.entries()) {
      const isLast = slot === pieces.length - 1;
      this.#act((other) => {
        other.#receive(piece);
        if (isLast) this.#onTaken(length, onWritten);
      }, piece.length);
    }
    this.#isDrainDue ||= this.#bufferedBytes >= this.#network.streamAheadBytes;
    return !this.#isDrainDue;
  }

  close(error?: { readonly code: ErrorName; readonly message: string }): void {
    if (this.#isOver || this.#isClosing) return;
    this.#isClosing = true;
    if (this.#connection === null) return this.#node.process.endOfTurn(() => this.#end(null));
    const told = error === undefined ? null : new PeerError("remote", error.message, { code: error.code });
    this.#act((other) => other.#onFarewell(told), 0);
  }

  /** Breaks it off here. */
  fail(error: PeerError): void {
    this.#node.process.endOfTurn(() => this.#end(error));
    this.#connection?.breakOff(this.#node);
  }

  /** The connection broke. */
  onBroken(error: PeerError): void {
    this.#end(this.#isClosing ? null : error);
  }

  #act(act: (other: SimStream) => void, bytes: number): void {
    if (this.#reach === null) this.#waiting.push({ act, bytes });
    else this.#reach(act, bytes);
  }

  #receive(piece: Buffer): void {
    if (!this.#isOver) this.#reader.push(piece);
  }

  #take(frame: Buffer): void {
    this.#handlers.onFrame(frame, this.#network.lend(this.#node, frame));
  }

  /** At the far end at that time; this end learns of it in the same moment, which no rule of ours depends on. */
  #onTaken(bytes: number, onWritten: (() => void) | undefined): void {
    this.#bufferedBytes -= bytes;
    if (this.#isOver || !this.#node.process.isAlive) return;
    onWritten?.();
    if (!this.#isDrainDue || this.#bufferedBytes > this.#network.streamAheadBytes / 2) return;
    this.#isDrainDue = false;
    this.#handlers.onDrain();
  }

  /** The other end has closed, and this one closes in turn. */
  #onFarewell(error: PeerError | null): void {
    this.#end(error);
    this.#connection?.breakOff(this.#node);
  }

  #end(error: PeerError | null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#waiting = [];
    if (this.#reader.isInside) this.#network.tornFramesCount += 1;
    this.#reader.drop();
    this.#onOver();
    this.#handlers.onClosed(error);
  }
}
