/**
 * What the core wants done. The shell takes a Ready after every stretch of inputs and does, in this order or side by side
 * where it says so:
 *   1. `messages` leave at once.
 *   2. `write`, if there is one: hard state, chunk, snapshot, entries, durably and in this order; then its messages leave
 *      and `advance()` is called. One write is out at a time; Readys taken meanwhile have none.
 *   3. `committed` is applied, in order. Everything in it is on this replica's disk already.
 *   4. `readConfirmed` and `snapshotReads` are served, `softState` is told to whom it may concern.
 * A write that fails ends this core: the shell makes a new one from the disk (semantics 10.1(1)).
 */
import type { Message } from "./messages.ts";
import type { Entry, HardState, LogIndex, ReplicaId, Snapshot, Term } from "./types.ts";

export interface Ready {
  readonly messages: readonly Message[];
  readonly write: ReadyWrite | null;
  readonly committed: readonly Entry[];
  readonly readConfirmed: ReadConfirmed | null;
  readonly snapshotReads: readonly SnapshotRead[];
  /** Null = as before. */
  readonly softState: SoftState | null;
}

/** Must be synced: there is no write that need not be. */
export interface ReadyWrite {
  /** Null = as before. */
  readonly hardState: HardState | null;
  /** Bytes of a snapshot under way, which need only be safe when the snapshot is named below. */
  readonly chunk: { readonly snapshot: Snapshot; readonly position: number; readonly bytes: Uint8Array } | null;
  /** Complete: check it, make it safe, drop the log whole, and put the state machine on it. */
  readonly snapshot: Snapshot | null;
  /** Whatever the disk has from the first of them on is replaced. */
  readonly entries: readonly Entry[];
  /** Leave when all of the above is on disk, not before (10.1(2)). */
  readonly messages: readonly Message[];
}

/** Reads of `term` with a ticket up to `ticket` may be answered from a state that has applied `index` (10.1(6)). */
export interface ReadConfirmed {
  readonly term: Term;
  readonly ticket: number;
  readonly index: LogIndex;
}

/** A follower wants bytes: the shell reads them and answers with a `snapshotChunk` made of this header. */
export interface SnapshotRead {
  readonly from: ReplicaId;
  readonly to: ReplicaId;
  readonly term: Term;
  readonly snapshot: Snapshot;
  readonly position: number;
}

export type RoleName = "follower" | "preCandidate" | "candidate" | "leader";

export interface SoftState {
  readonly role: RoleName;
  readonly term: Term;
  readonly leader: ReplicaId | null;
}

/** Why a leader's work was refused. */
export type RaftRefusal =
  | "NOT_LEADER"
  /** Leadership is being handed over; try the next leader. */
  | "TRANSFERRING"
  /** Too many bytes wait for a majority. */
  | "TOO_MUCH_UNCOMMITTED"
  /** No entry of this term has committed yet, or an earlier change has not (10.1(7)). */
  | "CHANGE_NOT_YET"
  | "ALREADY_VOTER"
  | "NOT_VOTER"
  /** The voter lacks entries that were committed at the last heartbeat: it would be a voter that holds everybody up. */
  | "NOT_CAUGHT_UP"
  | "LAST_VOTER";

export type Proposed =
  | { readonly ok: true; readonly term: Term; readonly firstIndex: LogIndex; readonly lastIndex: LogIndex }
  | { readonly ok: false; readonly code: RaftRefusal };

export type ReadBegun =
  | { readonly ok: true; readonly term: Term; readonly ticket: number }
  | { readonly ok: false; readonly code: RaftRefusal };

export type TransferBegun = { readonly ok: true } | { readonly ok: false; readonly code: RaftRefusal };

/** What a leader knows of a replica. */
export interface ReplicaProgress {
  readonly replica: ReplicaId;
  /** On its disk; 0: nothing is known to be. */
  readonly matchIndex: LogIndex;
  /** Ticks since anything was heard of it. */
  readonly silentTicks: number;
  /** Messages that came from it since this leader knows it; of itself none do. */
  readonly heardCount: number;
}
