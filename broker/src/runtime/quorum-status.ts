/**
 * The replicated metadata log as one node knows it, for people to look at (`raft status`). How far the others are only its
 * leader knows; learners are in nobody's list but the leader's.
 */
import type { Consensus } from "./consensus.ts";

export interface QuorumStatus {
  /** A candidate is one before its pre-vote too. */
  readonly role: "leader" | "follower" | "candidate" | "learner";
  readonly term: number;
  /** -1: none known. */
  readonly leaderId: number;
  /** None is known for so long; 0: one is. */
  readonly leaderlessMs: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  /** Of the log here, committed or not. */
  readonly lastIndex: number;
  /** No room to store entries. */
  readonly isSuspended: boolean;
  readonly nodes: readonly QuorumNode[];
}

export interface QuorumNode {
  readonly id: number;
  readonly directoryId: string;
  readonly isVoter: boolean;
  /** -1: not known. */
  readonly matchIndex: number;
  /** -1: not known. */
  readonly lastContactMs: number;
}

export function quorumStatus(consensus: Consensus, leaderlessMs: number): QuorumStatus {
  return new StatusNow(consensus, leaderlessMs);
}

class StatusNow implements QuorumStatus {
  readonly role: QuorumStatus["role"];
  readonly term: number;
  readonly leaderId: number;
  readonly leaderlessMs: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly lastIndex: number;
  readonly isSuspended: boolean;
  readonly #consensus: Consensus;
  readonly #voters: Consensus["voters"];

  constructor(consensus: Consensus, leaderlessMs: number) {
    const { softState } = consensus;
    this.#consensus = consensus;
    this.#voters = consensus.voters;
    this.role = roleOf(softState.role, this.#isVoter(consensus.replica));
    this.term = softState.term;
    this.leaderId = softState.leader?.nodeId ?? -1;
    this.leaderlessMs = leaderlessMs;
    this.commitIndex = consensus.commitIndex;
    this.appliedIndex = consensus.appliedIndex;
    this.lastIndex = consensus.lastIndex;
    this.isSuspended = consensus.isSuspended;
  }

  /** Worked out for whoever asks: few do. */
  get nodes(): readonly QuorumNode[] {
    const known =
      this.#consensus.progress ??
      this.#voters.map((replica) => ({ replica, matchIndex: -1, silentMs: -1, heardCount: 0 }));
    return known.map(({ replica, matchIndex, silentMs }) => ({
      id: replica.nodeId,
      directoryId: replica.directoryId,
      isVoter: this.#isVoter(replica),
      matchIndex,
      lastContactMs: silentMs,
    }));
  }

  #isVoter({ nodeId, directoryId }: Consensus["replica"]): boolean {
    return this.#voters.some((voter) => voter.nodeId === nodeId && voter.directoryId === directoryId);
  }
}

function roleOf(role: Consensus["softState"]["role"], isVoter: boolean): QuorumStatus["role"] {
  if (role === "leader") return role;
  if (!isVoter) return "learner";
  return role === "follower" ? role : "candidate";
}
