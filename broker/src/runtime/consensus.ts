/**
 * The seam between the replicated metadata log and the state machine that runs on it. The state machine is handed what is
 * committed, in order; on the node that leads it proposes. `RaftDriver` implements `Consensus`.
 *
 * Order of the calls of `RaftEvents`: first `onSnapshot` with what the disk holds, then any of them. Of one step of the
 * core the role comes first, so that a deposed leader drops what it was working on before it hears of entries that it did
 * not expect (semantics 10.3(4)). All are called synchronously and may call `Consensus`; an exception of theirs is final.
 */
import type { Histogram } from "../base/index.ts";
import type {
  Entry,
  InflightMessage,
  LogIndex,
  Message,
  RaftRefusal,
  ReplicaId,
  Snapshot,
  SoftState,
  Term,
  TransferBegun,
} from "../raft/index.ts";

/** A committed entry. `bytes` is null where the entry carries no command: only the metadata offset moves. */
export interface CommittedEntry {
  readonly index: LogIndex;
  readonly term: Term;
  readonly bytes: Uint8Array | null;
}

export interface RaftEvents {
  /** Replaces all applied state: the first thing at a start, and when a leader sent a snapshot. */
  onSnapshot(index: LogIndex, term: Term, bytes: Uint8Array): void;
  /** In order, each once, also across a suspension. */
  onCommitted(entries: readonly CommittedEntry[]): void;
  /** While suspended: a follower; the leader is who was last heard to lead, null once he is gone. */
  onRole(softState: SoftState): void;
  /** Of exactly what was applied; asked when a snapshot is due (10.2). */
  encodeSnapshot(): Uint8Array;
  /** Final, and the last call. What passes (ENOSPC, EMFILE) is no fault: the driver is suspended until it has passed. */
  onFault(fault: unknown): void;
}

/** SUSPENDED: no room to store entries; taken again by itself once there is. STOPPED: closed, or failed for good. */
export type ConsensusRefusal = RaftRefusal | "SUSPENDED" | "STOPPED";

export type ProposeResult =
  | { readonly ok: true; readonly term: Term; readonly firstIndex: LogIndex; readonly lastIndex: LogIndex }
  | { readonly ok: false; readonly code: ConsensusRefusal };

export type TransferResult = TransferBegun | { readonly ok: false; readonly code: ConsensusRefusal };

/** What the leader knows of a replica. */
export interface QuorumProgress {
  readonly replica: ReplicaId;
  /** On its disk; 0: nothing is known to be. */
  readonly matchIndex: LogIndex;
  /** Since anything was heard of it, to the tick. */
  readonly silentMs: number;
  /** Messages that came from it since this leader knows it; of itself none do. */
  readonly heardCount: number;
}

/** A stretch of the log as it is here. */
export interface LogPage {
  /** Of the oldest entry that is kept; what is below is in the snapshot. */
  readonly firstIndex: LogIndex;
  readonly lastIndex: LogIndex;
  readonly commitIndex: LogIndex;
  /** The newest that this node holds. */
  readonly snapshot: Snapshot;
  readonly entries: readonly Entry[];
}

export interface Consensus {
  readonly replica: ReplicaId;
  readonly softState: SoftState;
  readonly term: Term;
  /** Whom this node voted for in this term; null: nobody. */
  readonly vote: ReplicaId | null;
  /** Leaders that this process has seen begin. */
  readonly leaderChanges: number;
  readonly commitIndex: LogIndex;
  /** Handed to `onCommitted` or contained in the last `onSnapshot`. */
  readonly appliedIndex: LogIndex;
  /** Of the log, committed or not. */
  readonly lastIndex: LogIndex;
  /** In force, committed or not. */
  readonly voters: readonly ReplicaId[];
  /** How far each replica is: the voters, this one among them, then learners. Null: only the leader knows. */
  readonly progress: readonly QuorumProgress[] | null;
  /** Append messages of a leader that are not answered, by peer, the oldest first. */
  readonly inflight: readonly (readonly InflightMessage[])[];
  /** The store ran out of space and is not open again yet. */
  readonly isSuspended: boolean;
  /** Seconds from handing entries to the disk until they are safe there. */
  readonly appendDurations: Histogram;
  /** Since the start. */
  readonly entriesAppended: number;
  /** Size of the newest snapshot on this node. */
  readonly snapshotBytes: number;

  /** Each command becomes one entry; they are committed when `onCommitted` hands them out with this term. */
  propose(commands: readonly Uint8Array[]): ProposeResult;
  /**
   * Resolves when this node, asked now, has proved that it still leads, and has applied everything that was answered
   * before (10.1(6)). Rejects with ProtoError NOT_CONTROLLER, or KAFKA_STORAGE_ERROR while suspended.
   */
  readBarrier(): Promise<void>;
  addVoter(replica: ReplicaId): ProposeResult;
  removeVoter(replica: ReplicaId): ProposeResult;
  transferTo(replica: ReplicaId): TransferResult;
  /** Entries from `from` on, or from the oldest that is kept; as many as `bytesMax` allows, and one if there is any. Null while suspended. */
  page(from: LogIndex, bytesMax: number): LogPage | null;
  /**
   * A snapshot of everything that is applied when this is called, at least; written now unless there is one. Rejects with ProtoError
   * KAFKA_STORAGE_ERROR where there is no room for it.
   */
  takeSnapshot(): Promise<Snapshot>;

  step(message: Message): void;
  /**
   * Every address of the leader's node refused a connection: nobody listens there (10.4(6)). Or this node has just started, and heard of no
   * leader: it need not wait for one out of silence.
   */
  onLeaderGone(): void;
  /** Somebody named the leader; for a replica whose list of voters is out of date. */
  onLeaderFound(leader: ReplicaId): void;

  /** Resolves when the write that is out has ended and the store is closed. Nothing is called afterwards. */
  close(): Promise<void>;
}
