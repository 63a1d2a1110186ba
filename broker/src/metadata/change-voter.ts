/**
 * Who is to vote on the metadata (semantics 10.1(7), 10.1(8)): the nodes that the configuration lists, but for what an operator has
 * chosen by hand. His word is a record, so that it outlives the leader that he gave it to; the seats themselves are Raft's, and follow
 * one at a time.
 */
import type { ErrorName } from "@tidemark/proto";
import type { Decision } from "./decision.ts";
import type { ClusterImage } from "./image.ts";
import type { MetadataRecord } from "./records.ts";

export interface VoterChange {
  readonly nodeId: number;
  readonly isVoter: boolean;
}

/** The seats as the leader sees them. */
export interface QuorumView {
  /** By node id; the leader's own among them. */
  readonly voters: readonly { readonly nodeId: number; readonly directoryId: string; readonly isHeard: boolean }[];
}

export type VoterDecision =
  | { readonly ok: true }
  | { readonly ok: false; readonly error: ErrorName; readonly message: string };

const TAKEN: VoterDecision = { ok: true };

/** The nodes that should have a seat, by id. */
export function wantedVoters({ voterChoices }: ClusterImage, listedIds: readonly number[]): number[] {
  const chosen = [...voterChoices].filter(([, isVoter]) => isVoter).map(([nodeId]) => nodeId);
  const wanted = new Set([...listedIds, ...chosen].filter((nodeId) => voterChoices.get(nodeId) !== false));
  return [...wanted].sort((a, b) => a - b);
}

/** Asked again for what is so already, it answers as the first time, with nothing to do. */
export function changeVoter(working: ClusterImage, change: VoterChange, quorum: QuorumView): Decision<VoterDecision> {
  const refusal = change.isVoter ? additionRefusal(working, change) : removalRefusal(working, change, quorum);
  if (refusal !== null) return { records: [], response: refusal };
  const { nodeId, isVoter } = change;
  const isKnown = working.voterChoices.get(nodeId) === isVoter;
  const record: MetadataRecord = { type: "voterChosen", nodeId, isVoter };
  return { records: isKnown ? [] : [record], response: TAKEN };
}

function additionRefusal({ brokers }: ClusterImage, { nodeId }: VoterChange): VoterDecision | null {
  const broker = brokers.get(nodeId);
  if (broker === undefined)
    return refused(
      "BROKER_ID_NOT_REGISTERED",
      `no broker ${nodeId} has ever joined this cluster: start it with the cluster's voters in controller.quorum.voters, then add it`,
    );
  if (broker.isFenced)
    return refused(
      "BROKER_NOT_AVAILABLE",
      `broker ${nodeId} is down, and would be a voter that nobody can count on: start it first`,
    );
  return null;
}

function removalRefusal(
  { brokers }: ClusterImage,
  { nodeId }: VoterChange,
  { voters }: QuorumView,
): VoterDecision | null {
  const isSeated = voters.some((voter) => voter.nodeId === nodeId);
  if (!isSeated && !brokers.has(nodeId))
    return refused("VOTER_NOT_FOUND", `there is no voter ${nodeId}: the voters are ${listOf(voters)}`);
  if (!isSeated) return null;
  if (voters.length === 1)
    return refused("INCONSISTENT_VOTER_SET", `node ${nodeId} is the only voter: add another one first`);
  if (isRemovable(nodeId, { voters })) return null;
  const silent = voters.filter((voter) => voter.nodeId !== nodeId && !voter.isHeard);
  const rest = voters.length - 1;
  return refused(
    "INCONSISTENT_VOTER_SET",
    `without node ${nodeId} only ${rest - silent.length} of ${rest} voters would be there, which is no majority: ` +
      `bring ${listOf(silent)} back first, or remove ${silent.length === 1 ? "it" : "them"} instead`,
  );
}

/** Whether those that are left without it have a majority that is there. */
export function isRemovable(nodeId: number, { voters }: QuorumView): boolean {
  const rest = voters.filter((voter) => voter.nodeId !== nodeId);
  return rest.filter(({ isHeard }) => isHeard).length * 2 > rest.length;
}

function listOf(voters: QuorumView["voters"]): string {
  return voters.map(({ nodeId }) => nodeId).join(", ");
}

function refused(error: ErrorName, message: string): VoterDecision {
  return { ok: false, error, message };
}
