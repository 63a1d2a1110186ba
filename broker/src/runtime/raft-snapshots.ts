/**
 * Snapshots of the metadata on one node (10.2): after so many bytes of entries, or so long after the first entry behind the one before, or
 * because somebody wants one; the log is cut behind each that is durable. A follower that lacks what was cut fetches it in pieces.
 *
 * It outlives the cores of the driver. What is under way when one is given up comes to its end, and counts for nothing.
 */
import type { Clock, Logger, TimerHandle, Timers } from "../ports/index.ts";
import type { LogIndex, Message, RaftNode, SnapshotRead } from "../raft/index.ts";
import { isPassingFault } from "../storage/index.ts";
import type { RaftStore } from "../storage/index.ts";

const PIECE_BYTES = 256 * 1024;
/** Entries kept behind a snapshot, for followers that are a little behind. */
const KEPT_ENTRIES = 1000;
/** A snapshot that a follower is fetching is not replaced, unless twice the bytes have come together. */
const FETCH_QUIET_MS = 10_000;
const SNAPSHOT_RETRY_MS = 60_000;

/** One core on one opening of the store. */
export interface Life {
  readonly node: RaftNode;
  readonly store: RaftStore;
}

export interface RaftSnapshotsOptions {
  /** Of entries applied since the last one. */
  readonly snapshotBytes: number;
  readonly snapshotMs: number;
  /** Of the one that the store was opened with. */
  readonly storedBytes: number;
}

export interface RaftSnapshotsDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  isCurrent(life: Life): boolean;
  /** Of everything applied. */
  encode(): Uint8Array;
  send(message: Message): void;
  /** Calls `maybeWrite` soon, or now. */
  look(): void;
  /** The store of a life failed in a way that another one may get over. */
  onWriteFailed(life: Life, fault: unknown): void;
  onFault(fault: unknown): void;
}

export class RaftSnapshots {
  readonly #options: RaftSnapshotsOptions;
  readonly #deps: RaftSnapshotsDeps;
  /** Of the newest. */
  bytes: number;
  #writing: Promise<void> | null = null;
  readonly #pieces = new Set<Promise<void>>();
  #pieceSentAtMs = Number.NEGATIVE_INFINITY;
  #bytesSince = 0;
  #isDue = false;
  /** Somebody waits for one. */
  #isWanted = false;
  #timer: TimerHandle | null = null;

  constructor(options: RaftSnapshotsOptions, deps: RaftSnapshotsDeps) {
    this.#options = options;
    this.#deps = deps;
    this.bytes = options.storedBytes;
  }

  /** Resolves when the one that is being written is, if any. */
  written(): Promise<void> {
    return this.#writing ?? Promise.resolve();
  }

  /** Resolves when no store is read or written for one any more. */
  async settled(): Promise<void> {
    await this.#writing;
    await Promise.all(this.#pieces);
  }

  // ---- what happened ----

  /** A crash came between a snapshot and the cut behind it (10.2). */
  begin(life: Life): void {
    this.#writing ??= this.#cutLog(life).finally(() => {
      this.#writing = null;
    });
  }

  onApplied(entryBytes: number): void {
    this.#bytesSince += entryBytes;
  }

  /** A leader's has taken the place of what was applied. */
  onInstalled(bytes: number): void {
    this.#bytesSince = 0;
    this.bytes = bytes;
  }

  /** There is no life for now. */
  rest(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  // ---- written ----

  /** The next look writes one. */
  want(): void {
    this.#isWanted = true;
  }

  maybeWrite(life: Life, appliedIndex: LogIndex): void {
    const { node, store } = life;
    const isBehind = node.snapshotPoint.index !== appliedIndex;
    if (this.#writing !== null || isBehind || appliedIndex <= store.snapshot.index) return;
    const { snapshotBytes, snapshotMs } = this.#options;
    this.#timer ??= this.#after(snapshotMs);
    const isDue = this.#isDue || this.#bytesSince >= snapshotBytes;
    const isFetched = this.#deps.clock.monotonicNow() - this.#pieceSentAtMs < FETCH_QUIET_MS;
    const isHeldBack = isFetched && this.#bytesSince < 2 * snapshotBytes;
    if (!this.#isWanted && (!isDue || isHeldBack)) return;
    this.#writing = this.#write(life).finally(() => {
      this.#writing = null;
    });
  }

  #after(delayMs: number): TimerHandle {
    return this.#deps.timers.after(delayMs, () => {
      this.#timer = null;
      this.#isDue = true;
      this.#deps.look();
    });
  }

  /** Never rejects. */
  async #write(life: Life): Promise<void> {
    const { node, store } = life;
    const { logger } = this.#deps;
    try {
      const point = node.snapshotPoint;
      const bytes = this.#deps.encode();
      this.#isDue = false;
      this.#isWanted = false;
      this.#bytesSince = 0;
      this.#timer?.cancel();
      this.#timer = null;
      const snapshot = await store.writeSnapshot(point, bytes);
      // A newer one may be on its way in meanwhile.
      if (snapshot === null || !this.#deps.isCurrent(life) || snapshot.index <= node.snapshot.index) return;
      node.onSnapshotWritten(snapshot);
      this.bytes = bytes.byteLength;
      logger.info("a snapshot of the metadata is written", { metadataOffset: point.index, bytes: bytes.byteLength });
    } catch (error: unknown) {
      if (!this.#deps.isCurrent(life)) return;
      if (!isPassingFault(error)) return this.#deps.onFault(error);
      logger.warn("no room for a snapshot of the metadata", { err: error });
      this.#timer ??= this.#after(SNAPSHOT_RETRY_MS);
      return;
    }
    await this.#cutLog(life);
  }

  async #cutLog(life: Life): Promise<void> {
    const index = life.store.snapshot.index - KEPT_ENTRIES;
    if (index <= 0) return;
    try {
      life.node.cutLogTo(index);
      await life.store.cutTo(index);
    } catch (error: unknown) {
      this.#deps.onWriteFailed(life, error);
    }
  }

  // ---- fetched ----

  sendPiece(life: Life, read: SnapshotRead): void {
    this.#pieceSentAtMs = this.#deps.clock.monotonicNow();
    const sent = this.#readPiece(life, read).finally(() => this.#pieces.delete(sent));
    this.#pieces.add(sent);
  }

  async #readPiece(life: Life, { from, to, term, snapshot, position }: SnapshotRead): Promise<void> {
    try {
      const bytes = await life.store.readSnapshotPiece(snapshot, position, PIECE_BYTES);
      if (bytes === null || !this.#deps.isCurrent(life)) return;
      this.#deps.send({ kind: "snapshotChunk", from, to, term, snapshot, position, bytes });
    } catch (error: unknown) {
      // Without a descriptor for now: the follower asks again.
      if (this.#deps.isCurrent(life) && !isPassingFault(error)) this.#deps.onFault(error);
    }
  }
}
