/**
 * Messages between replicas. Each names sender and receiver with their directory ids; the core drops what was meant for
 * another directory of its node. They may be lost, repeated and reordered.
 */
import type { Entry, LogIndex, ReplicaId, Snapshot, Term } from "./types.ts";

interface Header {
  readonly from: ReplicaId;
  readonly to: ReplicaId;
  /** Of the sender; of a pre-vote and its grant: the term that the candidate would campaign in. */
  readonly term: Term;
}

export interface VoteRequest extends Header {
  readonly kind: "voteRequest";
  /** A question only: nobody raises its term for it (thesis 9.6). */
  readonly isPreVote: boolean;
  /** The leader asked for it, so that its lease binds nobody (thesis 3.10, 4.2.3). */
  readonly isTransfer: boolean;
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
}

export interface VoteResponse extends Header {
  readonly kind: "voteResponse";
  readonly isPreVote: boolean;
  readonly isGranted: boolean;
}

export interface AppendRequest extends Header {
  readonly kind: "appendRequest";
  readonly previousIndex: LogIndex;
  readonly previousTerm: Term;
  /** Those after `previousIndex`; may be empty. */
  readonly entries: readonly Entry[];
  readonly commitIndex: LogIndex;
}

export interface AppendAccepted extends Header {
  readonly kind: "appendAccepted";
  /** Up to here the sender holds, on disk, what the leader of `term` holds. */
  readonly matchIndex: LogIndex;
}

/** The sender has no entry (previousIndex, previousTerm). */
export interface AppendRejected extends Header {
  readonly kind: "appendRejected";
  readonly previousIndex: LogIndex;
  /** Highest place where both logs may still agree, and the term that the sender has there. */
  readonly hintIndex: LogIndex;
  readonly hintTerm: Term;
}

export interface HeartbeatRequest extends Header {
  readonly kind: "heartbeatRequest";
  /** min(commit index, what the receiver is known to hold). */
  readonly commitIndex: LogIndex;
  /** The newest read barrier that was begun before this was sent. */
  readonly readRound: number;
}

export interface HeartbeatResponse extends Header {
  readonly kind: "heartbeatResponse";
  readonly readRound: number;
}

/** "You lack entries that I no longer have": the receiver fetches the snapshot if it needs it. */
export interface SnapshotOffer extends Header {
  readonly kind: "snapshotOffer";
  readonly snapshot: Snapshot;
}

export interface SnapshotFetch extends Header {
  readonly kind: "snapshotFetch";
  readonly snapshot: Snapshot;
  /** Bytes that the sender has. */
  readonly position: number;
}

export interface SnapshotChunk extends Header {
  readonly kind: "snapshotChunk";
  readonly snapshot: Snapshot;
  readonly position: number;
  readonly bytes: Uint8Array;
}

/** "Campaign at once": leadership transfer (thesis 3.10). */
export interface TimeoutNow extends Header {
  readonly kind: "timeoutNow";
}

/** A replica outside the voters that hears no leader asks to be sent the log. */
export interface FollowRequest extends Header {
  readonly kind: "followRequest";
}

export type Message =
  | VoteRequest
  | VoteResponse
  | AppendRequest
  | AppendAccepted
  | AppendRejected
  | HeartbeatRequest
  | HeartbeatResponse
  | SnapshotOffer
  | SnapshotFetch
  | SnapshotChunk
  | TimeoutNow
  | FollowRequest;

/** What a leader says of itself: whoever receives it knows its leader. */
export type LeaderMessage = AppendRequest | HeartbeatRequest | SnapshotOffer | SnapshotChunk | TimeoutNow;
