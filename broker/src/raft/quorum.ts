/**
 * Arithmetic of majorities over a list of voters. Pure; compared with a slow oracle in the tests.
 */
import type { LogIndex, ReplicaId } from "./types.ts";

/** How many of `votersCount` are more than half. */
export function majorityOf(votersCount: number): number {
  return Math.floor(votersCount / 2) + 1;
}

export function hasMajority(voters: readonly ReplicaId[], isCounted: (voter: ReplicaId) => boolean): boolean {
  let count = 0;
  for (const voter of voters) if (isCounted(voter)) count += 1;
  return count >= majorityOf(voters.length);
}

/** The highest index that a majority of the voters hold. */
export function majorityIndex(voters: readonly ReplicaId[], matchIndexOf: (voter: ReplicaId) => LogIndex): LogIndex {
  const indexes = voters.map(matchIndexOf).sort((a, b) => b - a);
  return indexes[majorityOf(voters.length) - 1] ?? 0;
}
