/**
 * A pre-candidate or a candidate: collects answers to one question. The pre-vote asks whether a campaign could be won,
 * without raising anybody's term, so that a replica that was cut off does not disturb those that were not (thesis 9.6).
 *
 * A candidate's own vote counts when it is on disk, as everybody's does.
 */
import type { VoteResponse } from "./messages.ts";
import type { NodeState } from "./node-state.ts";
import { hasMajority } from "./quorum.ts";
import { isSameReplica, replicaKey } from "./types.ts";
import type { ReplicaId, Term } from "./types.ts";

export type CampaignOutcome = "open" | "won" | "lost";

export interface CampaignOptions {
  readonly name: "preCandidate" | "candidate";
  /** Without a result it is asked anew after this long; */
  readonly ticks: number;
  /** that long once somebody has refused: votes are split, or a leader is still heard, and those that are silent may be dead. */
  readonly contestedTicks: number;
  readonly isTransfer: boolean;
}

export class Campaign {
  readonly name: "preCandidate" | "candidate";
  readonly #state: NodeState;
  /** That the replica campaigns in, or would. */
  readonly #term: Term;
  readonly #answers = new Map<string, boolean>();
  readonly #contestedTicks: number;
  #ticksLeft: number;

  constructor(state: NodeState, options: CampaignOptions) {
    const { name, isTransfer } = options;
    this.name = name;
    this.#state = state;
    this.#term = name === "candidate" ? state.term : state.term + 1;
    this.#ticksLeft = options.ticks;
    this.#contestedTicks = options.contestedTicks;
    for (const voter of state.log.voters) {
      if (isSameReplica(voter, state.replica)) continue;
      state.sendAfterSync({
        kind: "voteRequest",
        from: state.replica,
        to: voter,
        term: this.#term,
        isPreVote: name === "preCandidate",
        isTransfer,
        lastIndex: state.log.lastIndex,
        lastTerm: state.log.lastTerm,
      });
    }
  }

  /** True when it is time to ask anew. */
  tick(): boolean {
    this.#ticksLeft -= 1;
    return this.#ticksLeft <= 0;
  }

  get ticksUntilDue(): number {
    return Math.max(1, this.#ticksLeft);
  }

  onOwnVote(): CampaignOutcome {
    return this.#count(this.#state.replica, true);
  }

  onVoteResponse(response: VoteResponse): CampaignOutcome {
    if (response.isPreVote !== (this.name === "preCandidate")) return "open";
    // A grant names the term it is for; a refusal the refuser's own.
    if (response.isGranted && response.term !== this.#term) return "open";
    if (!response.isGranted) this.#ticksLeft = Math.min(this.#ticksLeft, this.#contestedTicks);
    return this.#count(response.from, response.isGranted);
  }

  #count(voter: ReplicaId, isGranted: boolean): CampaignOutcome {
    // The first answer stands: a repeated or late one must not turn a vote.
    if (!this.#answers.has(replicaKey(voter))) this.#answers.set(replicaKey(voter), isGranted);
    const { voters } = this.#state.log;
    if (hasMajority(voters, (each) => this.#answers.get(replicaKey(each)) === true)) return "won";
    const canStillWin = hasMajority(voters, (each) => this.#answers.get(replicaKey(each)) !== false);
    return canStillWin ? "open" : "lost";
  }
}
