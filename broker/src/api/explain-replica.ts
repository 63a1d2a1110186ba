/** What this broker can tell of its own replica of a partition when it is asked why something is as it is (semantics 15.6). */
import type { LeaderView } from "../replication/index.ts";
import type { ReplicaHere } from "../runtime/index.ts";

export interface ReplicaExplanation {
  /** `none`: its log is open and takes no part: damaged, stopped, or nobody leads. */
  readonly role: "leader" | "follower" | "none";
  /** That it leads or follows in; -1 = neither. */
  readonly leaderEpoch: number;
  readonly logStartOffset: number;
  readonly writtenEndOffset: number;
  readonly syncedEndOffset: number;
  readonly highWatermark: number;
  /** Only synced records count (15.1(2)). */
  readonly countsSynced: boolean;
  readonly damage: ReplicaDamage | null;
  /** What was damaged is being fetched again. */
  readonly isRepairing: boolean;
  /** Records behind the leader, as far as that has told; -1: it follows nobody. */
  readonly lag: number;
  /** It does not follow, and keeps its bytes: an operator has to look, unless it is repaired in a moment. */
  readonly isStopped: boolean;
  /** Of the leader; null elsewhere. */
  readonly led: LeaderView | null;
  /** Since the change of the ISR in flight was proposed; -1 = there is none. */
  readonly proposalAgeMs: number;
}

export interface ReplicaDamage {
  /** First offset that is lost here. */
  readonly offset: number;
  readonly path: string;
  readonly reason: string;
}

export function explainReplica({ log, led, followed, proposalAgeMs }: ReplicaHere): ReplicaExplanation {
  const damage = log.damage ?? log.rot;
  return {
    role: led !== undefined ? "leader" : followed !== undefined ? "follower" : "none",
    leaderEpoch: led?.leaderEpoch ?? followed?.leaderEpoch ?? -1,
    logStartOffset: log.logStartOffset,
    writtenEndOffset: log.writtenEndOffset,
    syncedEndOffset: Math.min(log.syncedEndOffset, log.writtenEndOffset),
    highWatermark: led?.highWatermark ?? log.highWatermark,
    countsSynced: log.config.durability === "group-commit" || log.config.durability === "fsync-each",
    damage: damage === null ? null : { offset: damage.offset, path: damage.path, reason: damage.reason },
    isRepairing: log.isRepairing,
    lag: followed?.lag ?? -1,
    isStopped: followed?.isStopped ?? false,
    led: led?.view() ?? null,
    proposalAgeMs,
  };
}
