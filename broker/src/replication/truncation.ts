/**
 * Where a follower cuts its log when the leader says that it diverges (semantics 5.3(3); KIP-101, KIP-279). Pure.
 *
 * The leader answered for the follower's latest epoch, or the greatest one below it that it has, and where that ends in its
 * own log. What the two share ends there at the latest; where the follower does not have that epoch, it asks again from
 * what is left. By epochs only: the high watermark of either is a lower bound, never a point to cut at (P01).
 */
import { asOffset } from "../base/index.ts";
import type { LeaderEpoch, Offset } from "../base/index.ts";
import type { EpochEnd } from "./replica-report.ts";

export interface EpochLog {
  readonly logEndOffset: Offset;
  endOffsetFor(epoch: LeaderEpoch): EpochEnd | null;
}

/** The new log end; at most the old one, at which epochs without batches still go (5.1(4)). */
export function truncationPoint(leaderEnd: EpochEnd, log: EpochLog): Offset {
  const own = log.endOffsetFor(leaderEnd.epoch);
  const ends: number[] = [log.logEndOffset];
  if (own === null) ends.push(leaderEnd.endOffset);
  else if (own.epoch === leaderEnd.epoch) ends.push(own.endOffset, leaderEnd.endOffset);
  else ends.push(own.endOffset);
  return asOffset(Math.min(...ends));
}
