/**
 * storage: everything that Tidemark keeps on disk, on the Disk and KeyValueStore ports: logs, checkpoints, whose data
 * directory it is, the metadata log.
 *
 * Inputs: whole batches, offsets, entries. Outputs: the same bytes again, and how far they are written and synced.
 * Invariants: what is reported synced survives a power failure; damage is refused or cut, never guessed at; the files of a
 * log are Apache Kafka's, byte for byte.
 * Not here: who leads, what is acknowledged, what an entry means; compaction, so far. What only looks at files is behind a
 * door of its own, tools.ts, which a broker never opens.
 *
 * The way of a batch: data-directory.ts (all logs, start and stop) → segmented-log.ts (append, roll, truncate) →
 * log-writer.ts (the turn's write) → segment.ts (files and indexes) → group-sync.ts (what is synced); back by log-reader.ts
 * or tail-cache.ts; after a crash log-loader.ts and recovery-scan.ts.
 */
export type * from "./types.ts";
export { openLogDirectory } from "./data-directory.ts";
export { isPassingFault } from "./file-io.ts";
export { BadBytesError, StorageError, type StorageErrorCode } from "./storage-error.ts";
export type { ClaimedDirectory, ClaimOptions, ClusterIdentity } from "./cluster-identity.ts";
export { claimDirectory, completeBirth, inconsistentCluster, readIdentity } from "./cluster-identity.ts";
export type { OpenedRaftStore, RaftStoreOptions } from "./raft-store/open-raft-store.ts";
export { createRaftStore, openRaftStore, removeRaftStore } from "./raft-store/open-raft-store.ts";
export { findLevelLogDamage, inspectLevelLog, type LevelLogState } from "./raft-store/level-log.ts";
export type { RaftStore } from "./raft-store/raft-store.ts";
export type { SnapshotPoint } from "./raft-store/snapshot-files.ts";
export { readBody, readVoters, writeBody, writeVoters } from "./raft-store/entry-codec.ts";
