/**
 * Making, opening and giving up what Raft keeps in a data directory whose lock is held (semantics 10.1(8), 10.1(9)).
 *
 * Before the directory belongs to a cluster, nothing in it was ever relied upon: `createRaftStore` removes what a crash left
 * of an earlier try and writes the first snapshot, an empty log, and term and vote. Afterwards all of it must be there and
 * whole, and `openRaftStore` refuses anything else with METADATA_LOST, having changed nothing. What follows from that is
 * the caller's decision: a single voter has nobody to learn from and refuses to start, others `removeRaftStore`.
 */
import type { ClusterIdentity } from "../cluster-identity.ts";
import { renewDirectoryId } from "../cluster-identity.ts";
import { hasSyncFailed, markSyncFailed } from "../clean-marker.ts";
import type { Disk, DiskFaultKind, Failpoint, KeyValueStore, RandomBytes } from "../../ports/index.ts";
import { DiskFault, noFailpoint } from "../../ports/index.ts";
import type { Entry, HardState, StoredState } from "../../raft/index.ts";
import { survivingEntries } from "../../raft/index.ts";
import { isPassing, readWholeFile, removeFile, syncDirectory } from "../file-io.ts";
import { safeWrite, type SafeWriteHost, TEMP_SUFFIX } from "../safe-write.ts";
import { StorageError } from "../storage-error.ts";
import { readCleanStop, removeCleanStop } from "./clean-stop.ts";
import {
  decodeEntry,
  decodeLast,
  encodeLast,
  END_ENTRY_KEY,
  entryKey,
  FIRST_ENTRY_KEY,
  LAST_KEY,
  type LastEntry,
} from "./entry-codec.ts";
import { findLevelLogDamage } from "./level-log.ts";
import { mendManifest } from "./level-manifest.ts";
import { decodeQuorumState, encodeQuorumState, QUORUM_STATE } from "./quorum-state.ts";
import { RaftStore, removals } from "./raft-store.ts";
import { type LoadedSnapshot, SnapshotFiles, type SnapshotPoint } from "./snapshot-files.ts";

const LEVEL_DIRECTORY = "tidemark-metadata";

export interface RaftStoreOptions {
  /** The data directory; its lock is held. */
  readonly directory: string;
  readonly disk: Disk;
  /** For tests and the simulation; nothing is failed without it. */
  readonly failpoint?: Failpoint;
  readonly openStore: (path: string, options: { readonly createIfMissing: boolean }) => Promise<KeyValueStore>;
}

export interface OpenedRaftStore {
  readonly store: RaftStore;
  readonly stored: StoredState;
  /** Content of `stored.snapshot`. */
  readonly snapshotBytes: Uint8Array;
  /** What a power failure had torn and was put right, for people; null: nothing. */
  readonly mended: string | null;
}

/**
 * Puts a first snapshot into a directory that belongs to no cluster yet: the cluster's birth, or a copy of a member's when
 * a node joins. Removes what a crash left of an earlier try. All of it is safe when this resolves; the directory belongs to
 * the cluster when `completeBirth` has said so. Rejects with DiskFault.
 */
export async function createRaftStore(
  options: RaftStoreOptions,
  first: { readonly point: SnapshotPoint; readonly bytes: Uint8Array },
): Promise<OpenedRaftStore> {
  const { directory, openStore } = options;
  removeRaftFiles(options);
  const host = hostOf(options);
  const snapshots = new SnapshotFiles(host, directory);
  const { index, term } = first.point;
  const hardState: HardState = { term, vote: null };
  await safeWrite(host, directory, QUORUM_STATE, encodeQuorumState(hardState));
  const path = levelPath(options);
  const store = await openStore(path, { createIfMissing: true });
  try {
    await store.batch([{ type: "put", key: LAST_KEY, value: encodeLast({ index, term }) }], { sync: true });
    await syncDirectories(options);
    const snapshot = await snapshots.write(first.point, first.bytes);
    const parts = { host, directory, store, snapshots, snapshot, firstIndex: index + 1, last: { index, term } };
    const stored = { hardState, snapshot, entries: [] };
    return { store: new RaftStore(parts), stored, snapshotBytes: first.bytes, mended: null };
  } catch (error: unknown) {
    await store.close();
    throw error;
  }
}

/**
 * Opens what `createRaftStore` made and `RaftStore` went on with. `mayBeTorn`: a write of this same life failed; else only
 * a life that did not end cleanly may have left a torn batch.
 *
 * Rejects with StorageError METADATA_LOST naming what is wrong, and DiskFault for faults that say nothing of the store.
 */
export async function openRaftStore(
  options: RaftStoreOptions,
  { mayBeTorn = false }: { readonly mayBeTorn?: boolean } = {},
): Promise<OpenedRaftStore> {
  const { directory, disk } = options;
  const path = levelPath(options);
  const cleanStop = mayBeTorn ? null : readCleanStop(disk, directory);
  if (disk.isDirectory(path)) {
    const damage = findLevelLogDamage(disk, path, { mayBeTorn: cleanStop === null });
    if (damage !== null) throw lost(options, damage);
  }
  const quorumState = readWholeFile(disk, `${directory}/${QUORUM_STATE}`);
  const hardState = quorumState === null ? null : decodeQuorumState(quorumState);
  if (hardState === null) throw lost(options, `${QUORUM_STATE} is ${quorumState === null ? "missing" : "damaged"}`);
  const host = hostOf(options);
  const snapshots = new SnapshotFiles(host, directory);
  const name = snapshots.newestName();
  const loaded = name === null ? null : snapshots.load(name);
  if (loaded === null) throw lost(options, name === null ? "there is no snapshot" : `${name} is damaged`);
  const { snapshot } = loaded;
  const mended = cleanStop === null ? await mendManifest(disk, path) : null;
  const store = await openLevel(options);
  try {
    const log = await readLog(options, store);
    if (cleanStop !== null && (log.last.index !== cleanStop.index || log.last.term !== cleanStop.term)) {
      throw lost(options, `it ends at entry ${log.last.index}, and ended at ${cleanStop.index} when it was closed`);
    }
    const entries = checkedBehind(options, loaded, log);
    const last = entries.at(-1) ?? snapshot;
    if (hardState.term < Math.max(last.term, snapshot.term)) {
      throw lost(options, `${QUORUM_STATE} is of term ${hardState.term}, the log of term ${last.term}`);
    }
    // Nothing was changed before this line, and whatever was renamed just before a kill is durable behind it (4.2(1)).
    removeCleanStop(disk, directory);
    snapshots.removeParts();
    await syncDirectories(options);
    if (hasSyncFailed(disk, directory)) await writeAnew(host, directory, hardState, snapshots, loaded);
    if (last.index !== log.last.index || last.term !== log.last.term) await dropLog(store, log, snapshot);
    snapshots.removeBelow(snapshot.index);
    const parts = {
      host,
      directory,
      store,
      snapshots,
      snapshot,
      firstIndex: entries[0]?.index ?? last.index + 1,
      last,
    };
    return {
      store: new RaftStore(parts),
      stored: { hardState, snapshot, entries },
      snapshotBytes: loaded.bytes,
      mended,
    };
  } catch (error: unknown) {
    await store.close();
    throw error;
  }
}

/**
 * Gives up a store that is lost: all of it goes, and the directory becomes another one, which belongs to no cluster and
 * has promised nothing (10.1(5), 10.1(9)). A crash in the middle leaves a store that is lost too. Rejects with DiskFault.
 */
export async function removeRaftStore(
  options: RaftStoreOptions,
  identity: ClusterIdentity,
  random: RandomBytes,
): Promise<ClusterIdentity> {
  removeRaftFiles(options);
  await syncDirectory(options.disk, options.directory);
  return renewDirectoryId(options.disk, options.directory, identity, random);
}

function lost({ directory }: RaftStoreOptions, what: string, cause?: unknown): StorageError {
  const message = `the metadata store is damaged (${what}); nothing was changed`;
  return new StorageError("METADATA_LOST", `${directory}/${LEVEL_DIRECTORY}`, message, { cause });
}

function levelPath({ directory }: RaftStoreOptions): string {
  return `${directory}/${LEVEL_DIRECTORY}`;
}

/** What its files are written with. */
export function hostOf({
  disk,
  directory,
  failpoint = noFailpoint,
}: Pick<RaftStoreOptions, "disk" | "directory" | "failpoint">): SafeWriteHost {
  return {
    disk,
    failpoint,
    onSyncFailed: () => {
      // Best effort: it tells the next start to write anew what may only look written.
      try {
        markSyncFailed(disk, directory);
      } catch (error: unknown) {
        if (!(error instanceof DiskFault)) throw error;
      }
    },
  };
}

/** They say nothing of the store. */
const faultsOfTheDisk: ReadonlySet<DiskFaultKind> = new Set<DiskFaultKind>(["EIO", "EACCES", "EROFS"]);

async function openLevel(options: RaftStoreOptions): Promise<KeyValueStore> {
  try {
    return await options.openStore(levelPath(options), { createIfMissing: false });
  } catch (cause: unknown) {
    throw asLoss(options, cause, "cannot be opened");
  }
}

/** A fault that speaks of what is stored, not of the disk, is a loss. */
function asLoss(options: RaftStoreOptions, cause: unknown, what: string): unknown {
  if (!(cause instanceof DiskFault) || isPassing(cause) || faultsOfTheDisk.has(cause.kind)) return cause;
  // LevelDB too speaks of a missing file, when what names it is damaged.
  const isMissing = cause.kind === "ENOENT" && cause.cause === undefined;
  return lost(options, isMissing ? "it is missing" : `it ${what}: ${deepestMessage(cause)}`, cause);
}

/** What the store itself said, under whatever it was wrapped in. */
function deepestMessage(error: Error): string {
  return error.cause instanceof Error ? deepestMessage(error.cause) : error.message;
}

interface StoredLog {
  readonly entries: readonly Entry[];
  readonly last: LastEntry;
}

/** All entries, without a gap, and `last` where they end. */
async function readLog(options: RaftStoreOptions, store: KeyValueStore): Promise<StoredLog> {
  let pairs: readonly (readonly [Uint8Array, Uint8Array])[];
  let lastValue: Uint8Array | undefined;
  try {
    pairs = await store.range(FIRST_ENTRY_KEY, END_ENTRY_KEY);
    lastValue = store.get(LAST_KEY);
  } catch (cause: unknown) {
    throw asLoss(options, cause, "cannot be read");
  }
  if (lastValue === undefined) throw lost(options, "the key `last` is missing");
  const last = decodeLast(lastValue);
  if (last === null) throw lost(options, "the key `last` has a wrong checksum");
  const entries: Entry[] = [];
  for (const [key, value] of pairs) {
    const before = entries.at(-1);
    const entry = decodeEntry(value);
    if (entry === null) throw lost(options, `the entry behind ${before?.index ?? "the first"} has a wrong checksum`);
    if (before !== undefined && entry.index !== before.index + 1)
      throw lost(options, `entry ${before.index + 1} is missing`);
    if (!entryKey(entry.index).equals(key)) throw lost(options, `entry ${entry.index} stands under another key`);
    if (entry.term < (before?.term ?? 0)) throw lost(options, `the term falls at entry ${entry.index}`);
    entries.push(entry);
  }
  const end = entries.at(-1);
  if (end !== undefined && end.index < last.index) throw lost(options, `entry ${end.index + 1} is missing`);
  if (end !== undefined && (end.index > last.index || end.term !== last.term)) {
    throw lost(options, `\`last\` names (${last.index}, ${last.term}), the log ends at (${end.index}, ${end.term})`);
  }
  return { entries, last };
}

/** The entries that count beside the snapshot: none of them where a crash came between its install and the cut. */
function checkedBehind(
  options: RaftStoreOptions,
  { snapshot }: LoadedSnapshot,
  { entries, last }: StoredLog,
): readonly Entry[] {
  const first = entries[0];
  if (first === undefined) {
    if (last.index > snapshot.index) throw lost(options, `entry ${snapshot.index + 1} is missing`);
    return entries;
  }
  if (first.index > snapshot.index + 1) throw lost(options, `entry ${snapshot.index + 1} is missing`);
  return survivingEntries(snapshot, entries);
}

/** What the page cache shows may not be on the disk since a sync failed: it is written again, to new blocks (3.4(3)). */
async function writeAnew(
  host: SafeWriteHost,
  directory: string,
  hardState: HardState,
  snapshots: SnapshotFiles,
  { snapshot, bytes }: LoadedSnapshot,
): Promise<void> {
  await safeWrite(host, directory, QUORUM_STATE, encodeQuorumState(hardState));
  await snapshots.write(snapshot, bytes);
}

async function dropLog(store: KeyValueStore, { entries, last }: StoredLog, end: LastEntry): Promise<void> {
  const operations = removals(entries[0]?.index ?? last.index, last.index + 1);
  operations.push({ type: "put", key: LAST_KEY, value: encodeLast({ index: end.index, term: end.term }) });
  await store.batch(operations, { sync: true });
}

/** Opening made files, and maybe the directory; the first synced entry must not hang on entries that are not. */
async function syncDirectories(options: RaftStoreOptions): Promise<void> {
  const { disk, directory } = options;
  const path = levelPath(options);
  if (disk.isDirectory(path)) await syncDirectory(disk, path);
  await syncDirectory(disk, directory);
}

/** `quorum-state` first: without it the store is lost, whatever else a crash leaves. */
function removeRaftFiles(options: RaftStoreOptions): void {
  const { directory, disk } = options;
  removeFile(disk, `${directory}/${QUORUM_STATE}`);
  removeFile(disk, `${directory}/${QUORUM_STATE}${TEMP_SUFFIX}`);
  removeCleanStop(disk, directory);
  new SnapshotFiles(hostOf(options), directory).removeAll();
  const path = levelPath(options);
  if (disk.isDirectory(path)) for (const name of disk.list(path)) disk.unlink(`${path}/${name}`);
}
