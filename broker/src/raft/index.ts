/**
 * raft: a consensus core: elections with pre-vote and check-quorum, replication, membership, snapshots, transfer of
 * leadership, read barrier (semantics 10.1, 10.2).
 *
 * Inputs: messages, ticks, proposals, the word that a write is done, a random number for timeouts. Outputs: `Ready`, a
 * value. Invariants: one leader per term; committed entries are never truncated; nothing is said that the disk could
 * forget; nothing here waits, reads a clock or touches a disk.
 *
 * Not here: the driver that performs a Ready (runtime), term, vote and log on disk (storage), what commands mean
 * (metadata), the birth of a cluster and the search for its leader (10.1(8), runtime).
 */
export type { InflightMessage } from "./inflight-window.ts";
export type { Message, SnapshotChunk } from "./messages.ts";
export type { RaftDeps, RaftOptions } from "./options.ts";
export type {
  Proposed,
  RaftRefusal,
  ReadBegun,
  ReadConfirmed,
  Ready,
  ReadyWrite,
  ReplicaProgress,
  RoleName,
  SnapshotRead,
  SoftState,
  TransferBegun,
} from "./ready.ts";
export { RaftNode } from "./raft-node.ts";
export { survivingEntries } from "./raft-log.ts";
export type { Entry, EntryBody, HardState, LogIndex, ReplicaId, Snapshot, StoredState, Term } from "./types.ts";
export { includesReplica, isSameReplica, isSameSnapshot, replicaKey } from "./types.ts";
