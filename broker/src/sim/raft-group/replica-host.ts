/**
 * One replica under simulation: a disk that keeps what was synced, the node that runs on it, and the state machine that it
 * feeds. Does with a Ready what a driver does, in the same order, but says when a write ends: `finishWrite`.
 *
 * The state machine is a running hash over all entries, so that equal states mean equal histories. Snapshots are its
 * bytes.
 */
import { assert } from "../../base/index.ts";
import { isSameSnapshot, survivingEntries } from "../../raft/index.ts";
import type {
  Entry,
  HardState,
  LogIndex,
  Message,
  RaftDeps,
  RaftNode,
  RaftOptions,
  ReadConfirmed,
  Ready,
  ReadyWrite,
  ReplicaId,
  Snapshot,
  Term,
} from "../../raft/index.ts";

/** What survives a crash. */
export interface ReplicaDisk {
  hardState: HardState;
  snapshot: Snapshot;
  /** Of the snapshot. */
  image: StateImage;
  entries: readonly Entry[];
}

export interface StateImage {
  readonly index: LogIndex;
  readonly hash: number;
}

export type NodeFactory = (options: RaftOptions, deps: RaftDeps) => RaftNode;

export interface HostDeps extends RaftDeps {
  readonly createNode: NodeFactory;
  readonly send: (host: ReplicaHost, message: Message) => void;
  /** For checks: before a write reaches the disk, after an entry was applied, when reads were confirmed. */
  readonly onWrite: (host: ReplicaHost, write: ReadyWrite) => void;
  readonly onApplied: (host: ReplicaHost, entry: Entry) => void;
  readonly onInstalled: (host: ReplicaHost) => void;
  readonly onReadConfirmed: (host: ReplicaHost, confirmed: ReadConfirmed) => void;
}

export type HostOptions = Omit<RaftOptions, "replica" | "stored"> & { readonly chunkBytes: number };

/** The term of a stored entry; null if the disk does not have it. */
export function storedTerm({ entries }: ReplicaDisk, index: LogIndex): Term | null {
  return entries[index - (entries[0]?.index ?? 0)]?.term ?? null;
}

const IMAGE_BYTES = 24;

export class ReplicaHost {
  readonly replica: ReplicaId;
  readonly disk: ReplicaDisk;
  readonly #options: HostOptions;
  readonly #deps: HostDeps;
  #node: RaftNode | null = null;
  #image: StateImage;
  #write: ReadyWrite | null = null;
  /** The `.part` file of a snapshot on its way; lost with the process, as the node does not ask what is there. */
  #part: { readonly snapshot: Snapshot; bytes: Uint8Array } | null = null;

  constructor(replica: ReplicaId, disk: ReplicaDisk, options: HostOptions, deps: HostDeps) {
    this.replica = replica;
    this.disk = disk;
    this.#options = options;
    this.#deps = deps;
    this.#image = disk.image;
  }

  get node(): RaftNode | null {
    return this.#node;
  }

  get image(): StateImage {
    return this.#image;
  }

  get isWriting(): boolean {
    return this.#write !== null;
  }

  start(): void {
    const { disk } = this;
    disk.entries = survivingEntries(disk.snapshot, disk.entries);
    this.#image = disk.image;
    this.#node = this.#deps.createNode(
      {
        ...this.#options,
        replica: this.replica,
        stored: { hardState: disk.hardState, snapshot: disk.snapshot, entries: disk.entries },
      },
      this.#deps,
    );
    this.drain();
  }

  /** The process dies; a write that is out reaches the disk in part: `kept` says how far. */
  crash(kept: "nothing" | "hardState" | "snapshot" | "all"): void {
    const write = this.#write;
    if (write !== null && kept !== "nothing") {
      if (write.hardState !== null) this.disk.hardState = write.hardState;
      if (kept !== "hardState") this.#writeSnapshot(write);
      if (kept === "all") this.#writeEntries(write);
    }
    this.#write = null;
    this.#part = null;
    this.#node = null;
  }

  /** One input, and everything that follows from it. */
  run(input: (node: RaftNode) => void): void {
    if (this.#node === null) return;
    input(this.#node);
    this.drain();
  }

  /** The write that is out is on disk. */
  finishWrite(): void {
    const write = this.#write;
    if (write === null || this.#node === null) return;
    this.#write = null;
    this.#perform(write);
    for (const message of write.messages) this.#deps.send(this, message);
    this.#node.advance();
    this.drain();
  }

  drain(): void {
    for (;;) {
      const ready = this.#node?.takeReady() ?? null;
      if (ready === null) return;
      this.#take(ready);
    }
  }

  /** A snapshot of what is applied, at once durable; the log keeps `trailing` entries before it. */
  writeSnapshot(trailing: number): void {
    const node = this.#node;
    if (node === null) return;
    const point = node.snapshotPoint;
    if (point.index <= this.disk.snapshot.index || point.index !== this.#image.index) return;
    const bytes = encodeImage(this.#image);
    const snapshot = { ...point, sizeBytes: bytes.byteLength, crc: checksum(bytes) };
    this.disk.snapshot = snapshot;
    this.disk.image = this.#image;
    node.onSnapshotWritten(snapshot);
    const cutIndex = Math.max(0, snapshot.index - trailing);
    node.cutLogTo(cutIndex);
    // One more than the node needs: it takes the first stored entry for its base.
    this.disk.entries = this.disk.entries.filter((entry) => entry.index >= cutIndex);
  }

  #take(ready: Ready): void {
    for (const message of ready.messages) this.#deps.send(this, message);
    if (ready.write !== null) {
      this.#deps.onWrite(this, ready.write);
      this.#write = ready.write;
    }
    for (const entry of ready.committed) {
      this.#image = { index: entry.index, hash: foldEntry(this.#image.hash, entry) };
      this.#deps.onApplied(this, entry);
    }
    if (ready.readConfirmed !== null) this.#deps.onReadConfirmed(this, ready.readConfirmed);
    for (const { from, to, term, snapshot, position } of ready.snapshotReads) {
      if (!isSameSnapshot(snapshot, this.disk.snapshot)) continue;
      const bytes = encodeImage(this.disk.image).slice(position, position + this.#options.chunkBytes);
      this.#deps.send(this, { kind: "snapshotChunk", from, to, term, snapshot, position, bytes });
    }
  }

  #perform(write: ReadyWrite): void {
    if (write.hardState !== null) this.disk.hardState = write.hardState;
    const isInstalled = this.#writeSnapshot(write);
    if (isInstalled) this.disk.entries = [];
    this.#writeEntries(write);
    if (!isInstalled) return;
    this.#image = this.disk.image;
    this.#deps.onInstalled(this);
  }

  #writeEntries(write: ReadyWrite): void {
    const first = write.entries[0];
    if (first === undefined) return;
    const stored = survivingEntries(this.disk.snapshot, this.disk.entries);
    this.disk.entries = [...stored.filter((entry) => entry.index < first.index), ...write.entries];
  }

  #takeChunk(chunk: NonNullable<ReadyWrite["chunk"]>): void {
    if (chunk.position === 0) this.#part = { snapshot: chunk.snapshot, bytes: new Uint8Array(0) };
    const part = this.#part;
    assert(part !== null && isSameSnapshot(part.snapshot, chunk.snapshot), "a piece of another snapshot");
    assert(part.bytes.byteLength === chunk.position, "a piece with a gap before it");
    const bytes = new Uint8Array(chunk.position + chunk.bytes.byteLength);
    bytes.set(part.bytes);
    bytes.set(chunk.bytes, chunk.position);
    part.bytes = bytes;
  }

  /** On disk before the log is dropped: a crash may come between. */
  #writeSnapshot({ chunk, snapshot }: ReadyWrite): boolean {
    if (chunk !== null) this.#takeChunk(chunk);
    const part = this.#part;
    if (snapshot === null) return false;
    assert(part !== null && isSameSnapshot(part.snapshot, snapshot), "installs what it did not receive");
    assert(checksum(part.bytes) === snapshot.crc, "the snapshot's bytes are damaged");
    this.disk.snapshot = snapshot;
    this.disk.image = decodeImage(part.bytes);
    return true;
  }
}

/** The start of every replica of a group: its birth, or a copy of somebody's snapshot. */
export function newDisk(snapshot: Snapshot, image: StateImage): ReplicaDisk {
  return { hardState: { term: snapshot.term, vote: null }, snapshot, image, entries: [] };
}

export function birthSnapshot(voters: readonly ReplicaId[]): { snapshot: Snapshot; image: StateImage } {
  const image = { index: 0, hash: 0 };
  const bytes = encodeImage(image);
  return { snapshot: { index: 0, term: 0, voters, sizeBytes: bytes.byteLength, crc: checksum(bytes) }, image };
}

/** What an entry says, as a number. */
export function entryHash(entry: Entry): number {
  let hash = Math.imul(entry.index ^ Math.imul(entry.term, 0x9e3779b1), 0x85ebca6b);
  if (entry.body.kind === "command") for (const byte of entry.body.bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  if (entry.body.kind === "voters") for (const voter of entry.body.voters) hash = Math.imul(hash ^ voter.nodeId, 31);
  return hash >>> 0;
}

function foldEntry(hash: number, entry: Entry): number {
  return (Math.imul(hash, 0x01000193) ^ entryHash(entry)) >>> 0;
}

function encodeImage(image: StateImage): Uint8Array {
  const bytes = new Uint8Array(IMAGE_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, image.index);
  view.setUint32(4, image.hash);
  // The rest makes it longer than a piece, and different in every piece.
  for (let at = 8; at < IMAGE_BYTES; at++) bytes[at] = (image.hash >>> (at % 4)) ^ at;
  return bytes;
}

function decodeImage(bytes: Uint8Array): StateImage {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return { index: view.getUint32(0), hash: view.getUint32(4) };
}

function checksum(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
