/**
 * What all roles of one replica share: its log, its term and vote, and the two outboxes. Messages of a leader about its
 * log need not wait for its own disk; everything else says something that must survive a crash, and waits (10.1(2)).
 *
 * Invariants: the term never falls; the vote of a term is given once.
 */
import { assert } from "../base/index.ts";
import type { LeaderMessage, Message } from "./messages.ts";
import type { RaftDeps, RaftOptions } from "./options.ts";
import { RaftLog } from "./raft-log.ts";
import type { ReadConfirmed, ReadyWrite, SnapshotRead } from "./ready.ts";
import { includesReplica, isSameReplica } from "./types.ts";
import type { HardState, ReplicaId, Snapshot, Term } from "./types.ts";

export class NodeState {
  readonly replica: ReplicaId;
  readonly options: RaftOptions;
  readonly random: () => number;
  readonly log: RaftLog;
  /** Leave at once. */
  readonly outbox: Message[] = [];
  /** Leave when all state of now is on disk. */
  readonly outboxAfterSync: Message[] = [];
  readonly snapshotReads: SnapshotRead[] = [];
  readConfirmed: ReadConfirmed | null = null;
  /** At most one: the next is asked for when this one is on disk. */
  chunk: ReadyWrite["chunk"] = null;
  /** Received whole, in the log already, not yet handed to the disk. */
  install: Snapshot | null = null;
  #hardState: HardState;
  #stableHardState: HardState;

  constructor(options: RaftOptions, deps: RaftDeps) {
    this.replica = options.replica;
    this.options = options;
    this.random = deps.random;
    this.log = new RaftLog(options.stored.snapshot, options.stored.entries);
    this.#hardState = options.stored.hardState;
    this.#stableHardState = options.stored.hardState;
    assert(this.term >= this.log.lastTerm, "the log knows a term that quorum-state has forgotten");
  }

  get term(): Term {
    return this.#hardState.term;
  }

  get vote(): ReplicaId | null {
    return this.#hardState.vote;
  }

  get hardState(): HardState {
    return this.#hardState;
  }

  /** Null when the disk has it. */
  get unstableHardState(): HardState | null {
    return this.#hardState === this.#stableHardState ? null : this.#hardState;
  }

  onHardStateStable(hardState: HardState): void {
    this.#stableHardState = hardState;
  }

  /** By the list in force in its own log, committed or not. */
  get isVoter(): boolean {
    return includesReplica(this.log.voters, this.replica);
  }

  raiseTerm(term: Term, vote: ReplicaId | null): void {
    assert(term > this.term, "the term fell");
    this.#hardState = { term, vote };
  }

  giveVote(candidate: ReplicaId): void {
    if (isSameReplica(this.vote, candidate)) return;
    assert(this.vote === null, "two votes in one term");
    this.#hardState = { term: this.term, vote: candidate };
  }

  /** A leader's word. Its term is on disk since its own vote counted. */
  sendAsLeader(message: LeaderMessage): void {
    assert(this.#stableHardState.term === this.term, "a leader speaks in a term that is not on its disk");
    this.outbox.push(message);
  }

  sendAfterSync(message: Message): void {
    this.outboxAfterSync.push(message);
  }
}
