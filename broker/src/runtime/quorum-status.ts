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
  const { replica: own, softState, voters, commitIndex, appliedIndex, lastIndex, isSuspended } = consensus;
  const isVoter = ({ nodeId, directoryId }: Consensus["replica"]): boolean =>
    voters.some((voter) => voter.nodeId === nodeId && voter.directoryId === directoryId);
  return {
    role: roleOf(softState.role, isVoter(own)),
    term: softState.term,
    leaderId: softState.leader?.nodeId ?? -1,
    leaderlessMs,
    commitIndex,
    appliedIndex,
    lastIndex,
    isSuspended,
    // Most who ask for the rest do not look at these.
    get nodes(): readonly QuorumNode[] {
      const known = consensus.progress ?? voters.map((replica) => ({ replica, matchIndex: -1, silentMs: -1 }));
      return known.map(({ replica, matchIndex, silentMs }) => ({
        id: replica.nodeId,
        directoryId: replica.directoryId,
        isVoter: isVoter(replica),
        matchIndex,
        lastContactMs: silentMs,
      }));
    },
  };
}

function roleOf(role: Consensus["softState"]["role"], isVoter: boolean): QuorumStatus["role"] {
  if (role === "leader") return role;
  if (!isVoter) return "learner";
  return role === "follower" ? role : "candidate";
}
