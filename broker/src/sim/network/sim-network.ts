/**
 * The simulated network: brokers at addresses, and what lies between them. What runs on a connection comes whole and in order, late
 * or never, as on TCP: a cut holds it back and lets it through when it heals, and a connection that was cut for too long breaks.
 * Raft frames are datagrams, so that Raft meets what it must bear: they get lost, come twice and overtake one another.
 *
 * A link has two directions, each cut by itself. A stall is a machine that stands still: nothing is lost, nothing arrives. Whoever
 * crashes a process tells the network (`leave`): its peers then see their connections break, and dials are refused.
 */
import type { PeerVersions } from "@tidemark/proto";
import { assert } from "../../base/index.ts";
import type { SeededRandom } from "../../base/index.ts";
import { PEER_STREAM_AHEAD_BYTES, type PeerAddress, type PeerIdentity, type PeerService } from "../../ports/index.ts";
import type { SimProcess, SimWorld } from "../sim-world.ts";
import { SimPeerTransport } from "./sim-peer-transport.ts";
import type { SimConnection } from "./sim-connection.ts";

export interface SimNetworkOptions {
  readonly delayMs: { readonly min: number; readonly max: number };
  /** Of Raft frames: chances in [0, 1]. */
  readonly raftLoss: number;
  readonly raftDuplication: number;
  /** Held back for up to ten times the longest delay. */
  readonly raftReordering: number;
  /** Of one connection in one direction; 0: as many as come. */
  readonly bytesPerMs: number;
  /** Of replication streams: the chance that a frame comes in pieces, and that what is behind a piece comes with it. */
  readonly streamPieces: number;
}

export const CALM_NETWORK: SimNetworkOptions = {
  delayMs: { min: 0.2, max: 1 },
  raftLoss: 0,
  raftDuplication: 0,
  raftReordering: 0,
  bytesPerMs: 0,
  streamPieces: 0,
};

/** Of one frame, at most. */
const CUTS_MAX = 3;

/** One process at one address. */
export interface SimNode {
  readonly process: SimProcess;
  readonly address: PeerAddress;
  readonly service: PeerService;
  /** That it speaks; those of this release unless told otherwise. */
  readonly versions?: PeerVersions;
  identity(): PeerIdentity;
  /** Somebody has dialled it, and is no stranger. */
  onHeard?(peer: PeerIdentity, door: PeerIdentity["door"] | null): void;
  /** It has answered a call, and the answer has not left yet. */
  onAnswer?(method: string, answer: Uint8Array): void;
}

/** As long as the real transport takes to find out that nobody answers. */
export const KEEPALIVE_MS = 10_000;

export class SimNetwork {
  readonly world: SimWorld;
  /** Of a replication stream, on their way: its sender is told to wait. */
  streamAheadBytes = PEER_STREAM_AHEAD_BYTES;
  /** Frames that a leader sent all the same. */
  overrunsCount = 0;
  readonly #random: SeededRandom;
  readonly #piecesRandom: SeededRandom;
  /** Ends of replication streams that broke inside a frame. */
  tornFramesCount = 0;
  #options: SimNetworkOptions;
  /** By "host:port". */
  readonly #nodes = new Map<string, SimNode>();
  /** Directions "from>to" in which nothing gets through. */
  readonly #cuts = new Set<string>();
  readonly #stalled = new Set<number>();
  /** Directions in which replication streams stand still, and in which everything is late. */
  readonly #stalledStreams = new Set<string>();
  readonly #clogs = new Map<string, number>();
  readonly #connections = new Set<SimConnection>();
  /** Frames of replication that a node was handed and has not let go of, in bytes. */
  readonly #heldBytes = new Map<SimNode, number>();
  /** Raft frames of stalled machines, in order. */
  #held: (() => void)[] = [];

  constructor(world: SimWorld, random: SeededRandom, options: SimNetworkOptions = CALM_NETWORK) {
    this.world = world;
    this.#random = random.fork("network");
    this.#piecesRandom = random.fork("pieces");
    this.#options = options;
  }

  set options(options: SimNetworkOptions) {
    this.#options = options;
  }

  /** Opens the door of `node` and answers the transport by which it reaches others. */
  join(node: SimNode): SimPeerTransport {
    this.#nodes.set(placeOf(node.address), node);
    return new SimPeerTransport(this, node);
  }

  /** The process at this address is gone. */
  leave(address: PeerAddress): void {
    const node = this.#nodes.get(placeOf(address));
    this.#nodes.delete(placeOf(address));
    if (node === undefined) return;
    for (const connection of this.#connections) if (connection.has(node)) connection.breakOff(node);
  }

  // ---- faults ----

  cut(from: number, to: number): void {
    this.#cuts.add(`${from}>${to}`);
    this.#suspect();
  }

  heal(from: number, to: number): void {
    this.#cuts.delete(`${from}>${to}`);
    this.#flush();
  }

  /** Both ways, between every node of one side and every node of the other. */
  partition(oneSide: readonly number[], otherSide: readonly number[]): void {
    for (const one of oneSide)
      for (const other of otherSide) {
        this.cut(one, other);
        this.cut(other, one);
      }
  }

  healAll(): void {
    this.#cuts.clear();
    this.#stalledStreams.clear();
    this.#clogs.clear();
    this.#flush();
  }

  stall(nodeId: number): void {
    this.#stalled.add(nodeId);
    this.#suspect();
  }

  resume(nodeId: number): void {
    this.#stalled.delete(nodeId);
    this.#flush();
    for (const deliver of this.#held.splice(0)) deliver();
  }

  /** Breaks all connections between two nodes; new ones may be made at once. */
  reset(one: number, other: number): void {
    for (const connection of this.#connections) if (connection.isBetween(one, other)) connection.reset();
  }

  /** Who reads replication streams of `from` at `to` takes nothing in; everything else goes on, keepalive too. */
  stallStreams(from: number, to: number): void {
    this.#stalledStreams.add(`${from}>${to}`);
  }

  resumeStreams(from: number, to: number): void {
    this.#stalledStreams.delete(`${from}>${to}`);
    this.#flush();
  }

  /** Replication streams between the two break, each in the middle of what is on its way. */
  resetStreams(one: number, other: number, afterEvents: number): boolean {
    const streams = [...this.#connections].filter((connection) => connection.isStreamBetween(one, other));
    for (const stream of streams) stream.resetAfter(afterEvents);
    return streams.length > 0;
  }

  /** All that `from` sends to `to` is later by so much; 0: no more. */
  clog(from: number, to: number, ms: number): void {
    if (ms === 0) this.#clogs.delete(`${from}>${to}`);
    else this.#clogs.set(`${from}>${to}`, ms);
  }

  /** What the process that runs at this address has of the network: its port, and connections. */
  placesOf(process: SimProcess): string[] {
    const ports = [...this.#nodes].flatMap(([place, node]) => (node.process === process ? [place] : []));
    const connections = [...this.#connections].filter((connection) => connection.isOf(process));
    return [...ports, ...connections.map((connection) => connection.name)];
  }

  /** Memory of replication frames that the node at this address still holds. */
  heldBytes(address: PeerAddress): number {
    const node = this.nodeAt(address);
    return node === undefined ? 0 : (this.#heldBytes.get(node) ?? 0);
  }

  // ---- for transports and connections ----

  /** A frame is handed to `node`: how it is let go of, once. Its memory is another's then (P34). */
  lend(node: SimNode, frame: Buffer): () => void {
    const add = (bytes: number): void => void this.#heldBytes.set(node, (this.#heldBytes.get(node) ?? 0) + bytes);
    add(frame.length);
    let isHeld = true;
    return () => {
      assert(isHeld, "a frame is let go of once");
      isHeld = false;
      add(-frame.length);
      frame.fill(0xee);
    };
  }

  nodeAt(address: PeerAddress): SimNode | undefined {
    return this.#nodes.get(placeOf(address));
  }

  isOpen(from: number, to: number): boolean {
    const isCut = this.#cuts.size > 0 && this.#cuts.has(`${from}>${to}`);
    return !isCut && !this.#stalled.has(from) && !this.#stalled.has(to);
  }

  isStreamStalled(from: number, to: number): boolean {
    return this.#stalledStreams.size > 0 && this.#stalledStreams.has(`${from}>${to}`);
  }

  clogMs(from: number, to: number): number {
    return this.#clogs.size === 0 ? 0 : (this.#clogs.get(`${from}>${to}`) ?? 0);
  }

  transferMs(bytes: number): number {
    const { bytesPerMs } = this.#options;
    return bytesPerMs === 0 ? 0 : bytes / bytesPerMs;
  }

  delayMs(): number {
    const { min, max } = this.#options.delayMs;
    return min + (max - min) * this.#random.float();
  }

  /** A frame as it comes: whole, or cut at any byte. */
  piecesOf(frame: Buffer): Buffer[] {
    const random = this.#piecesRandom;
    if (!random.chance(this.#options.streamPieces)) return [frame];
    const inside = Array.from({ length: random.between(1, CUTS_MAX) }, () => random.between(1, frame.length - 1));
    const cuts = [0, ...inside.toSorted((a, b) => a - b), frame.length];
    return cuts.slice(1).map((end, slot) => frame.subarray(cuts[slot], end));
  }

  /** Whether what is behind a piece of a stream is read in one go with it. */
  comesAlong(): boolean {
    return this.#piecesRandom.chance(this.#options.streamPieces);
  }

  chance(): number {
    return this.#random.float();
  }

  add(connection: SimConnection): void {
    this.#connections.add(connection);
  }

  remove(connection: SimConnection): void {
    this.#connections.delete(connection);
  }

  sendRaft(from: SimNode, to: PeerAddress, frame: Buffer): void {
    const { raftLoss, raftDuplication, raftReordering, delayMs } = this.#options;
    const random = this.#random;
    const copies = random.chance(raftLoss) ? 0 : random.chance(raftDuplication) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      const extraMs = random.chance(raftReordering) ? random.float() * 10 * delayMs.max : 0;
      const deliver = (): void => {
        const fromId = from.address.nodeId;
        if (this.#stalled.has(fromId) || this.#stalled.has(to.nodeId)) return void this.#held.push(deliver);
        if (this.#cuts.has(`${fromId}>${to.nodeId}`)) return;
        const node = this.nodeAt(to);
        if (node?.process.isAlive !== true || node.address.nodeId !== to.nodeId) return;
        // What was sent is theirs who got it.
        node.service.onRaft(Buffer.from(frame), from.identity());
      };
      const clogMs = this.clogMs(from.address.nodeId, to.nodeId);
      this.world.schedule(this.delayMs() + clogMs + extraMs, deliver, () => true);
    }
  }

  #suspect(): void {
    for (const connection of this.#connections) connection.suspect();
  }

  #flush(): void {
    for (const connection of this.#connections) connection.flush();
  }
}

function placeOf({ host, port }: PeerAddress): string {
  return `${host}:${port}`;
}
