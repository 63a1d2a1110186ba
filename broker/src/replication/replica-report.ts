/**
 * What followers and leaders of one partition tell each other (semantics 5.2-5.4), as values: the streams carry them, the
 * cores on both sides make and judge them.
 */
import type { BrokerId, LeaderEpoch, Offset } from "../base/index.ts";

/** Where an epoch ends in a log, or the answer that comes nearest (5.1(3)). */
export interface EpochEnd {
  readonly epoch: LeaderEpoch;
  readonly endOffset: Offset;
}

/** From a follower: where it wants to read on, and how far it is. */
export interface ReplicaReport {
  readonly follower: BrokerId;
  /** Process life of the follower. */
  readonly brokerEpoch: number;
  /** That it follows in. */
  readonly leaderEpoch: LeaderEpoch;
  /** Raised by the follower at every ask: after a truncation, an epoch change, a new stream. */
  readonly generation: number;
  /** Null: it reads on from where it was served to. */
  readonly ask: ReplicaAsk | null;
  /** Appended up to here; `isSynced`: synced up to here. */
  readonly appendedTo: Offset;
  readonly isSynced: boolean;
  /** Its log start, as far as it would survive a crash (13(4)). */
  readonly durableLogStart: Offset;
}

export interface ReplicaAsk {
  /** Its log end. */
  readonly readFrom: Offset;
  /** Latest epoch of its log; -1 = none. */
  readonly epochBefore: LeaderEpoch;
}

/** Why a follower is not served. */
export type ReplicaRefusal =
  | "FENCED_LEADER_EPOCH"
  | "UNKNOWN_LEADER_EPOCH"
  | "NOT_LEADER_OR_FOLLOWER"
  | "OFFSET_OUT_OF_RANGE"
  | "UNKNOWN_TOPIC_ID"
  | "INCONSISTENT_TOPIC_ID"
  | "KAFKA_STORAGE_ERROR";

/** From a leader: batches, or why there are none. `Records` is whatever the shell carries bytes in. */
export interface LeaderFrame<Records> {
  readonly leaderEpoch: LeaderEpoch;
  readonly generation: number;
  /** Position that was asked for, or up to which was sent before: applied only by a log that ends exactly there (5.3(2)). */
  readonly askedFrom: Offset;
  readonly answer: FrameAnswer<Records>;
}

export type FrameAnswer<Records> =
  | {
      readonly kind: "records";
      /** Null: the high watermark or the log start moved, no more. */
      readonly records: Records | null;
      /** Of the first batch: may lie behind `askedFrom` after compaction, or before it (5.3(8)). */
      readonly firstBaseOffset: Offset;
      readonly highWatermark: Offset;
      readonly logStartOffset: Offset;
    }
  | { readonly kind: "diverging"; readonly end: EpochEnd }
  | {
      readonly kind: "refused";
      readonly code: ReplicaRefusal;
      readonly logStartOffset: Offset;
      readonly logEndOffset: Offset;
    };
