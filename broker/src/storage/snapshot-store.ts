/**
 * The producer snapshots in one replica's directory: which there are, the newest that serves a given end, and the rule of
 * how long they live (2.5(4)): as long as the segment with that base; of those that name no base only the newest.
 *
 * A snapshot that is found belongs to the bytes that are there: before the log is cut below one it is deleted, and the
 * directory synced before the next append (5.5(1), 4.2(9)). One that is not whole is deleted, an older one serves.
 */
import type { Disk, Logger } from "../ports/index.ts";
import { offsetName, offsetOfName } from "./directory-names.ts";
import { readWholeFile, removeFile, syncPath, writeWholeFile } from "./file-io.ts";
import { decodeProducerSnapshot, encodeProducerSnapshot } from "./producer-snapshot.ts";
import type { ProducerState } from "./producer-state.ts";

export const SNAPSHOT_SUFFIX = ".snapshot";

const NONE: readonly number[] = [];

export interface LoadedSnapshot {
  readonly offset: number;
  readonly state: ProducerState;
}

export class SnapshotStore {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #logger: Logger;
  /** Ascending. */
  #offsets: readonly number[] = NONE;
  /** Those that may be in the page cache only. */
  #unsynced: readonly number[] = NONE;

  constructor(disk: Disk, directory: string, names: readonly string[], logger: Logger) {
    this.#disk = disk;
    this.#directory = directory;
    this.#logger = logger;
    for (const name of names) {
      const offset = offsetOfName(name, SNAPSHOT_SUFFIX);
      if (offset !== null) this.#offsets = withOne(this.#offsets, offset);
    }
  }

  get offsets(): readonly number[] {
    return this.#offsets;
  }

  has(offset: number): boolean {
    return this.#offsets.includes(offset);
  }

  pathOf(offset: number): string {
    return `${this.#directory}/${offsetName(offset)}${SNAPSHOT_SUFFIX}`;
  }

  /** Writes the snapshot, unsynced. Throws DiskFault; then none is left. */
  write(offset: number, state: ProducerState): void {
    try {
      writeWholeFile(this.#disk, this.pathOf(offset), encodeProducerSnapshot(state));
    } catch (error: unknown) {
      this.delete(offset);
      throw error;
    }
    this.#unsynced = withOne(this.#unsynced, offset);
    this.#offsets = withOne(this.#offsets, offset);
  }

  /** The snapshot at exactly `offset`; null when there is none that is whole. */
  load(offset: number, nowMs: number): LoadedSnapshot | null {
    const bytes = readWholeFile(this.#disk, this.pathOf(offset));
    const state = bytes === null ? null : decodeProducerSnapshot(bytes, nowMs);
    if (state !== null) return { offset, state };
    this.#logger.warn("producer snapshot is not whole and was deleted", { path: this.pathOf(offset) });
    this.delete(offset);
    return null;
  }

  /** The newest whole one at or below `offset`. */
  newestAtMost(offset: number, nowMs: number): LoadedSnapshot | null {
    for (const candidate of this.#offsets.toReversed()) {
      if (candidate > offset) continue;
      const loaded = this.load(candidate, nowMs);
      if (loaded !== null) return loaded;
    }
    return null;
  }

  /** The last life ended without a sync: what it left may be in the page cache only. */
  distrustAll(): void {
    this.#unsynced = this.#offsets;
  }

  /** Syncs the snapshot at `offset`, if there is one that needs it. Rejects with DiskFault. */
  async sync(offset: number): Promise<void> {
    if (!this.#unsynced.includes(offset)) return;
    await syncPath(this.#disk, this.pathOf(offset));
    this.#unsynced = without(this.#unsynced, offset);
  }

  get unsynced(): readonly number[] {
    return this.#unsynced;
  }

  delete(offset: number): void {
    this.#unsynced = without(this.#unsynced, offset);
    removeFile(this.#disk, this.pathOf(offset));
    this.#offsets = without(this.#offsets, offset);
  }

  deleteAbove(offset: number): void {
    for (const gone of this.#offsets.filter((kept) => kept > offset)) this.delete(gone);
  }

  deleteAtOrBelow(offset: number): void {
    for (const gone of this.#offsets.filter((kept) => kept <= offset)) this.delete(gone);
  }

  /** Deletes what neither names one of `bases` nor is the newest that does not. */
  prune(bases: ReadonlySet<number>): void {
    const baseless = this.#offsets.filter((offset) => !bases.has(offset));
    for (const gone of baseless.slice(0, -1)) this.delete(gone);
  }
}

/** Lists are replaced, never changed: most logs have none and share one. */
function withOne(offsets: readonly number[], offset: number): readonly number[] {
  return offsets.includes(offset) ? offsets : [...offsets, offset].sort((left, right) => left - right);
}

function without(offsets: readonly number[], offset: number): readonly number[] {
  return offsets.includes(offset) ? offsets.filter((kept) => kept !== offset) : offsets;
}
