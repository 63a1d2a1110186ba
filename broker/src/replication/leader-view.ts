/** What a leader can tell of its partition when it is asked why something is as it is (semantics 15.6). A copy, as of one moment. */
import type { BrokerId } from "../base/index.ts";

/** What keeps a follower out of the ISR (7(5)). */
export type JoinBar =
  /** It has not reported in this leader epoch. */
  | "unheard"
  /** It is fenced, full, shutting down, or not the process that the metadata knows. */
  | "broker"
  /** It is below the high watermark or the start of the leader epoch. */
  | "behind"
  /** Its log begins below the leader's. */
  | "log-start"
  /** Nothing but the answer of the controller. */
  | "none";

export interface FollowerView {
  readonly brokerId: BrokerId;
  /** What it vouches for; -1 = unknown. */
  readonly endOffset: number;
  readonly isInIsr: boolean;
  /** Counts as a member until a proposal is over. */
  readonly isProposed: boolean;
  /** Its stream is open. */
  readonly isLive: boolean;
  /** Since it last stood at the log end; 0 = it stands there; -1 = not in this leader epoch. */
  readonly caughtUpAgoMs: number;
  /** The high watermark does not pass it. */
  readonly isWaitedFor: boolean;
  readonly bar: JoinBar;
}

export interface LeaderView {
  readonly highWatermark: number;
  readonly logEndOffset: number;
  /** This replica's own: written or synced, by mode. */
  readonly endOffset: number;
  readonly epochStartOffset: number;
  readonly countsSynced: boolean;
  readonly isr: readonly BrokerId[];
  readonly minInsyncReplicas: number;
  readonly effectiveMinIsr: number;
  readonly followers: readonly FollowerView[];
  /** ISR of the proposal in flight; null = none. */
  readonly proposedIsr: readonly BrokerId[] | null;
  /** An attempt of a refused proposal may still commit. */
  readonly isLingering: boolean;
  /** `replica.lag.time.max.ms`. */
  readonly lagTimeMaxMs: number;
}
