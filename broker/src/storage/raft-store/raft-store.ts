/**
 * What Raft keeps on disk (semantics 10.1, 10.2), for one life: entries in a key-value store, term and vote in
 * `quorum-state`, snapshots in files of their own. Opening, and what a start finds, is in open-raft-store.ts.
 *
 * The parts of one write go to disk in this order: term and vote, snapshot, entries. A crash between them leaves a term
 * that nobody heard of, or a snapshot whose log has not been dropped yet; both are harmless, in the other order neither is.
 *
 * Invariants: the store holds entries #firstIndex to #lastIndex without a gap and `last` names the last of them, or the
 * snapshot's end if there are none; one batch with `sync: true` per write; after a failed write or cut there is none until
 * the store is opened again.
 */
import { assert } from "../../base/index.ts";
import { DiskFault } from "../../ports/index.ts";
import type { KeyValueStore, StoreOperation } from "../../ports/index.ts";
import { isSameSnapshot } from "../../raft/index.ts";
import type { Entry, LogIndex, ReadyWrite, Snapshot, Term } from "../../raft/index.ts";
import { type SafeWriteHost, safeWrite } from "../safe-write.ts";
import { StorageError } from "../storage-error.ts";
import { encodeEntry, encodeLast, entryKey, LAST_KEY, type LastEntry } from "./entry-codec.ts";
import { leaveCleanStop } from "./clean-stop.ts";
import { encodeQuorumState, QUORUM_STATE } from "./quorum-state.ts";
import type { SnapshotFiles, SnapshotPoint } from "./snapshot-files.ts";

/** Entries removed in one batch when the log is cut: as many as do not hold up the loop. */
const CUT_BATCH_COUNT = 1000;

export interface RaftStoreParts {
  readonly host: SafeWriteHost;
  /** The data directory. */
  readonly directory: string;
  readonly store: KeyValueStore;
  readonly snapshots: SnapshotFiles;
  readonly snapshot: Snapshot;
  /** Of the first entry that is stored; one beyond the last if none is. */
  readonly firstIndex: LogIndex;
  readonly last: LastEntry;
}

export class RaftStore {
  /** Where it lies, for messages. */
  readonly directory: string;
  readonly #host: SafeWriteHost;
  readonly #store: KeyValueStore;
  readonly #snapshots: SnapshotFiles;
  #snapshot: Snapshot;
  #firstIndex: LogIndex;
  #lastIndex: LogIndex;
  #lastTerm: Term;
  #isWriting = false;
  /** A batch failed: what is on disk shows at the next open only. */
  #hasFailed = false;

  constructor(parts: RaftStoreParts) {
    this.directory = parts.directory;
    this.#host = parts.host;
    this.#store = parts.store;
    this.#snapshots = parts.snapshots;
    this.#snapshot = parts.snapshot;
    this.#firstIndex = parts.firstIndex;
    this.#lastIndex = parts.last.index;
    this.#lastTerm = parts.last.term;
  }

  /** The newest that is durable. */
  get snapshot(): Snapshot {
    return this.#snapshot;
  }

  get lastIndex(): LogIndex {
    return this.#lastIndex;
  }

  /**
   * Makes a write of the core durable, in its order. Resolves with the content of the snapshot that was installed, if one
   * was. Rejects with DiskFault, or StorageError SNAPSHOT_DAMAGED when the bytes that arrived are not those that were
   * announced; nothing may be written afterwards.
   */
  async write({ hardState, chunk, snapshot, entries }: Omit<ReadyWrite, "messages">): Promise<Uint8Array | null> {
    assert(!this.#isWriting && !this.#hasFailed, "one write at a time, and none after a failed one");
    this.#isWriting = true;
    let installed: Uint8Array | null = null;
    try {
      const { failpoint } = this.#host;
      if (hardState !== null) {
        failpoint("raft.vote.beforeWrite");
        await safeWrite(this.#host, this.directory, QUORUM_STATE, encodeQuorumState(hardState));
        failpoint("raft.vote.afterWrite");
      }
      if (chunk !== null) await this.#snapshots.append(chunk.snapshot, chunk.position, chunk.bytes);
      if (snapshot !== null) {
        failpoint("raft.install.beforeWrite");
        installed = await this.#install(snapshot);
        failpoint("raft.install.afterWrite");
      }
      if (entries.length > 0) {
        failpoint("raft.append.beforeWrite");
        await this.#append(entries);
        failpoint("raft.append.afterWrite");
      }
    } catch (error: unknown) {
      this.#hasFailed = true;
      throw error;
    }
    this.#isWriting = false;
    return installed;
  }

  /**
   * Makes a snapshot of one's own applied state durable; may run beside a write. Null: a newer one arrived meanwhile.
   * Rejects with DiskFault, and the one before stays.
   */
  async writeSnapshot(point: SnapshotPoint, bytes: Uint8Array): Promise<Snapshot | null> {
    this.#host.failpoint("raft.snapshot.beforeWrite");
    const snapshot = await this.#snapshots.write(point, bytes);
    this.#host.failpoint("raft.snapshot.afterWrite");
    if (snapshot.index <= this.#snapshot.index) {
      this.#snapshots.removeBelow(this.#snapshot.index);
      return null;
    }
    this.#snapshot = snapshot;
    this.#snapshots.removeBelow(snapshot.index);
    return snapshot;
  }

  /**
   * Bytes of the snapshot for a follower; null when it has been replaced. All of it is checked before the first piece
   * leaves: a damaged one would be sent for ever. Rejects with DiskFault, StorageError METADATA_LOST.
   */
  async readSnapshotPiece(snapshot: Snapshot, position: number, bytesMax: number): Promise<Uint8Array | null> {
    if (!isSameSnapshot(snapshot, this.#snapshot)) return null;
    if (position === 0 && !this.#snapshots.isWhole(snapshot)) {
      const message = `the snapshot of ${snapshot.index} was altered on disk`;
      throw new StorageError("METADATA_LOST", this.directory, message);
    }
    return this.#snapshots.readPiece(snapshot, position, bytesMax);
  }

  /**
   * Removes the entries below `index`, behind a durable snapshot; may run beside a write. The entry at `index` stays: the
   * core takes the first stored one for its base. Rejects with DiskFault; then nothing may be written any more.
   */
  async cutTo(index: LogIndex): Promise<void> {
    assert(index <= this.#snapshot.index, "the log is cut only behind a durable snapshot");
    try {
      while (this.#firstIndex < Math.min(index, this.#lastIndex + 1)) {
        const end = Math.min(index, this.#lastIndex + 1, this.#firstIndex + CUT_BATCH_COUNT);
        const operations = removals(this.#firstIndex, end);
        await this.#store.batch(operations, { sync: true });
        this.#firstIndex = Math.max(this.#firstIndex, end);
      }
    } catch (error: unknown) {
      this.#hasFailed = true;
      throw error;
    }
  }

  /** Leaves word of a clean stop, unless a write failed. Rejects with DiskFault when the store does not close. */
  async close(): Promise<void> {
    this.#snapshots.close();
    await this.#store.close();
    if (this.#hasFailed || this.#isWriting) return;
    try {
      await leaveCleanStop(this.#host.disk, this.directory, { index: this.#lastIndex, term: this.#lastTerm });
    } catch (error: unknown) {
      // Then the next start takes the stop for an unclean one, and allows more.
      if (!(error instanceof DiskFault)) throw error;
    }
  }

  /** The snapshot first: a crash then leaves a log that does not reach it, which the next start drops. */
  async #install(snapshot: Snapshot): Promise<Uint8Array> {
    const bytes = await this.#snapshots.install(snapshot);
    if (bytes === null) {
      const message = `the snapshot of ${snapshot.index} did not arrive as it was announced`;
      throw new StorageError("SNAPSHOT_DAMAGED", this.directory, message);
    }
    this.#snapshot = snapshot;
    this.#snapshots.removeBelow(snapshot.index);
    await this.#dropLog({ index: snapshot.index, term: snapshot.term });
    return bytes;
  }

  async #dropLog(last: LastEntry): Promise<void> {
    const operations = removals(this.#firstIndex, this.#lastIndex + 1);
    operations.push({ type: "put", key: LAST_KEY, value: encodeLast(last) });
    await this.#store.batch(operations, { sync: true });
    this.#firstIndex = last.index + 1;
    this.#lastIndex = last.index;
    this.#lastTerm = last.term;
  }

  /** What contradicts them goes in the same batch. */
  async #append(entries: readonly Entry[]): Promise<void> {
    const first = entries[0];
    const last = entries.at(-1);
    assert(first !== undefined && last !== undefined, "an append of nothing");
    assert(first.index <= this.#lastIndex + 1, `entry ${first.index} does not follow entry ${this.#lastIndex}`);
    const operations: StoreOperation[] = [];
    for (const [slot, entry] of entries.entries()) {
      assert(entry.index === first.index + slot, "entries with a gap");
      operations.push({ type: "put", key: entryKey(entry.index), value: encodeEntry(entry) });
    }
    operations.push(...removals(last.index + 1, this.#lastIndex + 1));
    operations.push({ type: "put", key: LAST_KEY, value: encodeLast(last) });
    await this.#store.batch(operations, { sync: true });
    this.#firstIndex = Math.min(this.#firstIndex, first.index);
    this.#lastIndex = last.index;
    this.#lastTerm = last.term;
  }
}

/** Of the entries from `from` on, below `to`. */
export function removals(from: LogIndex, to: LogIndex): StoreOperation[] {
  return Array.from({ length: Math.max(0, to - from) }, (_, slot) => ({ type: "del", key: entryKey(from + slot) }));
}
