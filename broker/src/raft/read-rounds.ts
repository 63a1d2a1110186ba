/**
 * The read barrier of a leader (semantics 10.1(6), P56, P74; thesis 6.4): one round of heartbeats at a time confirms all
 * reads that were asked for before it began. A ticket is the number of the round that will confirm it, so that any number
 * of reads costs nothing here.
 *
 * Invariant: the commit index of a round is noted after an entry of the leader's own term has committed, and before the
 * first heartbeat of the round leaves.
 */
import type { ReadConfirmed } from "./ready.ts";
import { type LogIndex, type ReplicaId, replicaKey, type Term } from "./types.ts";

export class ReadRounds {
  readonly #term: Term;
  #begunRound = 0;
  #isWanted = false;
  /** Of the round under way. */
  #asked: { readonly index: LogIndex; readonly answered: Set<string> } | null = null;

  constructor(term: Term) {
    this.#term = term;
  }

  /** The newest round that was begun: every heartbeat carries it. */
  get round(): number {
    return this.#begunRound;
  }

  /** A read came: the ticket to wait for. */
  ask(): number {
    this.#isWanted = true;
    return this.#begunRound + 1;
  }

  /** Begins a round if one is wanted and none is under way. Heartbeats must follow if it answers true. */
  maybeBegin(commitIndex: LogIndex): boolean {
    if (!this.#isWanted || this.#asked !== null) return false;
    this.#isWanted = false;
    this.#begunRound += 1;
    this.#asked = { index: commitIndex, answered: new Set() };
    return true;
  }

  /** `hasMajority` says whether those counted are one, the leader included where it is a voter. */
  onAnswered(
    replica: ReplicaId | null,
    round: number,
    hasMajority: (isCounted: (voter: ReplicaId) => boolean) => boolean,
  ): ReadConfirmed | null {
    const asked = this.#asked;
    if (asked === null || round !== this.#begunRound) return null;
    if (replica !== null) asked.answered.add(replicaKey(replica));
    if (!hasMajority((voter) => asked.answered.has(replicaKey(voter)))) return null;
    this.#asked = null;
    return { term: this.#term, ticket: round, index: asked.index };
  }
}
