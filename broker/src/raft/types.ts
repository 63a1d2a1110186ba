/**
 * What the consensus core speaks of: replicas, entries, the state that must survive a crash, snapshots.
 *
 * A replica is (node id, directory id), so that a node whose disk was emptied is somebody else and cannot vote as if it
 * remembered (semantics 10.1(5), KIP-853).
 */

/** Raft term: an integer >= 0, 0 = before the first campaign. Never falls on a replica. */
export type Term = number;
/** Place of an entry in the log: 1, 2, …; 0 = before the first. The metadata offset of the rest of the house. */
export type LogIndex = number;

export interface ReplicaId {
  readonly nodeId: number;
  /** 22 characters, base64url. */
  readonly directoryId: string;
}

/** The same text for the same replica: a key of maps. */
export function replicaKey(replica: ReplicaId): string {
  return `${replica.nodeId}:${replica.directoryId}`;
}

export function isSameReplica(one: ReplicaId | null, other: ReplicaId | null): boolean {
  if (one === null || other === null) return one === other;
  return one.nodeId === other.nodeId && one.directoryId === other.directoryId;
}

export function includesReplica(list: readonly ReplicaId[], replica: ReplicaId): boolean {
  return list.some((each) => isSameReplica(each, replica));
}

export type EntryBody =
  /** Opaque to the core. */
  | { readonly kind: "command"; readonly bytes: Uint8Array }
  /** First entry of a leader: with it everything before commits too (thesis 3.6.2, "no-op"). */
  | { readonly kind: "leaderStart" }
  /** The complete list of voters, in force from its append (10.1(7)). */
  | { readonly kind: "voters"; readonly voters: readonly ReplicaId[] };

export interface Entry {
  readonly index: LogIndex;
  readonly term: Term;
  readonly body: EntryBody;
}

/** What an entry costs on the wire and in memory beside the bytes of its command; a round figure for limits. */
const ENTRY_OVERHEAD_BYTES = 32;

export function entryBytes(entry: Entry): number {
  return ENTRY_OVERHEAD_BYTES + (entry.body.kind === "command" ? entry.body.bytes.byteLength : 0);
}

/** On disk before anything that depends on it (10.1(1), `quorum-state`). */
export interface HardState {
  readonly term: Term;
  /** To whom this replica gave its vote in `term`; null = nobody yet. */
  readonly vote: ReplicaId | null;
}

/**
 * A snapshot, described. Two descriptions that are equal in every field describe the same bytes, so a transfer resumes
 * with another leader too.
 */
export interface Snapshot {
  /** Last entry it contains; 0 = the cluster's birth. */
  readonly index: LogIndex;
  readonly term: Term;
  /** In force at `index`. */
  readonly voters: readonly ReplicaId[];
  readonly sizeBytes: number;
  /** CRC-32C of its bytes. */
  readonly crc: number;
}

export function isSameSnapshot(one: Snapshot, other: Snapshot): boolean {
  return (
    one.index === other.index && one.term === other.term && one.sizeBytes === other.sizeBytes && one.crc === other.crc
  );
}

/** What a replica finds on its disk when it starts. */
export interface StoredState {
  readonly hardState: HardState;
  /** The newest durable one; every cluster begins with one (10.1(8)). */
  readonly snapshot: Snapshot;
  /** Without gap; may begin below the end of the snapshot, must reach it or be empty. */
  readonly entries: readonly Entry[];
}
