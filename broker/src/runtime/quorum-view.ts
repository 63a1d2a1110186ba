/** The seats of the quorum with who of them is there, as the node that leads it sees them. */
import type { QuorumView } from "../metadata/index.ts";
import { isSameReplica } from "../raft/index.ts";
import type { Consensus } from "./consensus.ts";

/**
 * `silentMs`: who was not heard of for so long is not counted on. Nor is who has not yet told this leader that it holds anything: its
 * silence is counted from the election only, and it may be gone for good.
 */
export function quorumView({ voters, progress }: Pick<Consensus, "voters" | "progress">, silentMs: number): QuorumView {
  const isHeard = (voter: Consensus["replica"]): boolean =>
    (progress ?? []).some(
      (known) => isSameReplica(known.replica, voter) && known.matchIndex > 0 && known.silentMs < silentMs,
    );
  return { voters: voters.map((voter) => ({ ...voter, isHeard: isHeard(voter) })) };
}
