/**
 * Leader side of one partition in one leader epoch: who is in sync, how far everybody is, where the high watermark
 * stands, and whether acks=all may be taken in (semantics 6, 7(2), 7(3), 8.1, 8.2). Knows nothing of disk, sockets or
 * dates; a new leader epoch is a new object.
 *
 * An end offset is what its owner vouches for: written, or in the synced modes synced (15.1(2)). The shell reports the
 * one that counts; this core does not know the mode.
 *
 * Invariants: logStartOffset <= highWatermark <= logEndOffset; the high watermark never falls; no end offset lies beyond
 * logEndOffset.
 *
 * Not here: growing and shrinking the ISR (7(1), 7(4)-(7)). Only applied metadata changes it (`onMetadata`).
 */
import { assert } from "../base/index.ts";
import type { BrokerId, LeaderEpoch, Offset } from "../base/index.ts";

export interface PartitionLeaderOptions {
  readonly brokerId: BrokerId;
  readonly leaderEpoch: LeaderEpoch;
  readonly logStartOffset: Offset;
  readonly logEndOffset: Offset;
  /** This replica's own end offset: written or synced, by mode. */
  readonly endOffset: Offset;
  /** As checkpointed: a lower bound of the true one (4.2(10)). */
  readonly highWatermark: Offset;
  readonly membership: Membership;
}

/** What the metadata says of the partition. */
export interface Membership {
  readonly partitionEpoch: number;
  readonly replicas: readonly BrokerId[];
  readonly isr: readonly BrokerId[];
  readonly minInsyncReplicas: number;
}

export type LeaderEffect = { readonly kind: "advanceHighWatermark"; readonly to: Offset };

export type LeaderRefusal = "NOT_ENOUGH_REPLICAS" | "NOT_ENOUGH_REPLICAS_AFTER_APPEND";

/** No effect, as one shared value: most turns of an idle partition have none. */
const NOTHING: readonly LeaderEffect[] = [];

export class PartitionLeader {
  readonly leaderEpoch: LeaderEpoch;
  readonly #brokerId: BrokerId;
  #membership: Membership;
  #logEndOffset: Offset;
  #endOffset: Offset;
  /** Of the other replicas. Absent = not reported in this leader epoch, and then it holds the watermark (7(3)). */
  #followerEnds: Map<BrokerId, Offset> | null = null;
  /** Never falls; logStartOffset <= highWatermark <= logEndOffset. Set in `#advance` only. */
  #highWatermark: Offset;

  constructor(options: PartitionLeaderOptions) {
    assert(options.logStartOffset <= options.highWatermark, "high watermark below the log start");
    assert(options.highWatermark <= options.logEndOffset, "high watermark beyond the log end");
    assert(options.endOffset <= options.logEndOffset, "end offset beyond the log end");
    this.leaderEpoch = options.leaderEpoch;
    this.#brokerId = options.brokerId;
    this.#logEndOffset = options.logEndOffset;
    this.#endOffset = options.endOffset;
    this.#highWatermark = options.highWatermark;
    assertMembership(options.membership, options.brokerId);
    this.#membership = options.membership;
  }

  get highWatermark(): Offset {
    return this.#highWatermark;
  }

  get isr(): readonly BrokerId[] {
    return this.#membership.isr;
  }

  /** min(`min.insync.replicas`, number of replicas); the leader counts. */
  get effectiveMinIsr(): number {
    return Math.min(this.#membership.minInsyncReplicas, this.#membership.replicas.length);
  }

  /** May a batch that waits for all in-sync replicas be appended now (8.2)? Others may always. */
  admitAcksAll(): LeaderRefusal | null {
    return this.#hasMinIsr() ? null : "NOT_ENOUGH_REPLICAS";
  }

  /** What an acks=all batch below the high watermark is answered: the ISR may have shrunk since the append (8.2). */
  committed(): LeaderRefusal | null {
    return this.#hasMinIsr() ? null : "NOT_ENOUGH_REPLICAS_AFTER_APPEND";
  }

  /** Batches were appended: LEO moved. The end offset follows with `onEndOffset` once it counts. */
  onAppended(logEndOffset: Offset): void {
    assert(logEndOffset >= this.#logEndOffset, "an append moved the log end back");
    this.#logEndOffset = logEndOffset;
  }

  /** A failed write was cut back (3.1(12)). Nothing that counted is lost, so the watermark stays. */
  onCut(logEndOffset: Offset): void {
    assert(logEndOffset >= this.#endOffset, "what was vouched for was cut");
    assert(logEndOffset >= this.#highWatermark, "committed batches were cut");
    this.#logEndOffset = logEndOffset;
  }

  /** This replica's own end offset moved: after the write, or in the synced modes after the sync. */
  onEndOffset(endOffset: Offset): readonly LeaderEffect[] {
    assert(endOffset <= this.#logEndOffset, "end offset beyond the log end");
    assert(endOffset >= this.#endOffset, "the end offset of a leader moved back");
    this.#endOffset = endOffset;
    return this.#advance();
  }

  /**
   * From now on only synced ends count (15.1(5)): this replica's is `endOffset`, which may lie below the watermark, and what
   * the others said before is forgotten. The watermark stays until all vouch for more.
   */
  onModeRaised(endOffset: Offset): void {
    assert(endOffset <= this.#logEndOffset, "end offset beyond the log end");
    this.#endOffset = endOffset;
    this.#followerEnds?.clear();
  }

  /** A follower vouches for everything below `endOffset`, in this leader epoch. */
  onFollowerEndOffset(follower: BrokerId, endOffset: Offset): readonly LeaderEffect[] {
    assert(follower !== this.#brokerId, "the leader does not follow itself");
    if (!this.#membership.replicas.includes(follower)) return NOTHING;
    // A report beyond the own log cannot be of this epoch's log: the door above refuses it (5.4).
    assert(endOffset <= this.#logEndOffset, "a follower vouches for what the leader does not have");
    this.#followerEnds ??= new Map();
    this.#followerEnds.set(follower, endOffset);
    return this.#advance();
  }

  /** Committed metadata replaces what was known; an older partition epoch changes nothing (7(7)). */
  onMetadata(membership: Membership): readonly LeaderEffect[] {
    if (membership.partitionEpoch < this.#membership.partitionEpoch) return NOTHING;
    assertMembership(membership, this.#brokerId);
    this.#membership = membership;
    for (const follower of this.#followerEnds?.keys() ?? []) {
      if (!membership.replicas.includes(follower)) this.#followerEnds?.delete(follower);
    }
    return this.#advance();
  }

  /** 6(1)-(3): to the least end offset of the ISR; held while the ISR is below its minimum or a member is unknown. */
  #advance(): readonly LeaderEffect[] {
    if (!this.#hasMinIsr()) return NOTHING;
    let least = this.#endOffset;
    for (const member of this.#membership.isr) {
      if (member === this.#brokerId) continue;
      const end = this.#followerEnds?.get(member);
      if (end === undefined) return NOTHING;
      if (end < least) least = end;
    }
    if (least <= this.#highWatermark) return NOTHING;
    assert(least <= this.#logEndOffset, "high watermark beyond the log end");
    this.#highWatermark = least;
    return [{ kind: "advanceHighWatermark", to: least }];
  }

  #hasMinIsr(): boolean {
    return this.#membership.isr.length >= this.effectiveMinIsr;
  }
}

function assertMembership(membership: Membership, leader: BrokerId): void {
  assert(membership.replicas.includes(leader), "the leader is none of the replicas");
  assert(membership.isr.includes(leader), "the leader is not in the ISR");
  assert(membership.minInsyncReplicas >= 1, "min.insync.replicas below 1");
}
