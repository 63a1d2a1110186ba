/**
 * Leader side of one partition in one leader epoch: who is in sync, how far everybody is, where the high watermark stands,
 * what followers are answered, and whether acks=all may be taken in (semantics 5.2, 5.4, 6, 7, 8.1, 8.2). Knows nothing of
 * disk, sockets or dates; a new leader epoch is a new object, in which nothing is known of the followers (7(3)).
 *
 * An end offset is what its owner vouches for: written, or in the synced modes synced (15.1(2)). The shell reports the
 * one that counts for this replica; a follower says of which kind its own is.
 *
 * Invariants: logStartOffset <= highWatermark <= logEndOffset; the high watermark never falls; no end offset lies beyond
 * logEndOffset; at most one proposal is in flight, and only applied metadata changes the ISR (7(7)).
 *
 * Not here: one follower's figures (follower-progress.ts), the life of a proposal (isr-proposals.ts).
 */
import { asOffset, assert } from "../base/index.ts";
import type { BrokerId, LeaderEpoch, Ms, Offset } from "../base/index.ts";
import { FollowerProgress } from "./follower-progress.ts";
import { type IsrMember, type IsrProposal, IsrProposals } from "./isr-proposals.ts";
import type { FollowerView, JoinBar, LeaderView } from "./leader-view.ts";
import type { EpochEnd, ReplicaRefusal, ReplicaReport } from "./replica-report.ts";

export interface PartitionLeaderOptions {
  readonly brokerId: BrokerId;
  readonly leaderEpoch: LeaderEpoch;
  readonly logStartOffset: Offset;
  /** Where the leader epoch begins. */
  readonly logEndOffset: Offset;
  /** This replica's own end offset: written or synced, by mode. */
  readonly endOffset: Offset;
  /** As checkpointed, or told by the leader before: a lower bound of the true one (4.2(10)). */
  readonly highWatermark: Offset;
  readonly membership: Membership;
  /** Only synced ends count (15.1(2)). */
  readonly countsSynced: boolean;
  /** `replica.lag.time.max.ms`. */
  readonly lagTimeMaxMs: number;
}

/** What the metadata says of the partition. */
export interface Membership {
  readonly partitionEpoch: number;
  readonly replicas: readonly BrokerId[];
  readonly isr: readonly BrokerId[];
  readonly minInsyncReplicas: number;
  /** Chosen from lastIsr or uncleanly, and not reported as recovered yet (9(3)). */
  readonly isRecovering: boolean;
}

/** What the metadata says of a broker; a BrokerImage is one. */
export interface ReplicaBroker {
  readonly brokerEpoch: number;
  readonly isFenced: boolean;
  readonly isFull: boolean;
  readonly isShuttingDown: boolean;
}

/** The log, as far as a leader asks it; a PartitionLog is one. */
export interface LeaderLog {
  readonly logStartOffset: Offset;
  endOffsetFor(epoch: LeaderEpoch): EpochEnd | null;
}

/** One for all partitions of a broker. */
export interface PartitionLeaderDeps {
  /** As registered: what the own AlterPartitions are sent with. */
  ownBrokerEpoch(): number;
  broker(brokerId: BrokerId): ReplicaBroker | undefined;
}

export type LeaderEffect =
  | { readonly kind: "advanceHighWatermark"; readonly to: Offset }
  /** Send it to the controller; no answer, 41: `retryProposal`, any other: `onProposalAnswered`. */
  | { readonly kind: "proposeIsr"; readonly proposal: IsrProposal }
  /** What every live replica has deleted durably (13(4)): look at `leastLogStart` again. */
  | { readonly kind: "logStartsMoved" };

export type LeaderRefusal = "NOT_ENOUGH_REPLICAS" | "NOT_ENOUGH_REPLICAS_AFTER_APPEND";

export type ReportVerdict =
  /** Send from here on, in the generation that asked. */
  | { readonly kind: "serve"; readonly readFrom: Offset }
  /** Nothing to answer: it told where it is, or told something that no longer counts. */
  | { readonly kind: "none" }
  | { readonly kind: "diverging"; readonly end: EpochEnd }
  | {
      readonly kind: "refused";
      readonly code: ReplicaRefusal;
      /** For OFFSET_OUT_OF_RANGE (5.3(5)). */
      readonly logStartOffset: Offset;
      readonly logEndOffset: Offset;
    };

export interface ReportOutcome {
  readonly verdict: ReportVerdict;
  readonly effects: readonly LeaderEffect[];
}

/** No effect, as one shared value: most turns of an idle partition have none. */
const NOTHING: readonly LeaderEffect[] = [];
/**
 * Who is not in sync is waited for only when it is so close to the log end, and so about to join (6(2)). With `replica.lag.time.max.ms`
 * instead, as Kafka has it, a replica that is being filled would hold the high watermark from half a minute behind, and writers with it
 * for as long as it takes to copy that.
 */
const JOINING_MS = 500;
const NO_ANSWER: ReportVerdict = { kind: "none" };
const UNHEARD: ReportOutcome = { verdict: NO_ANSWER, effects: NOTHING };
/** Shared by all that are their partition's only replica. */
const NOBODY: FollowerProgress[] = [];

export class PartitionLeader {
  readonly leaderEpoch: LeaderEpoch;
  /** The leader epoch began here. */
  readonly epochStartOffset: Offset;
  readonly #brokerId: BrokerId;
  readonly #lagTimeMaxMs: number;
  readonly #log: LeaderLog;
  readonly #deps: PartitionLeaderDeps;
  readonly #proposals = new IsrProposals();
  #membership: Membership;
  #logEndOffset: Offset;
  #endOffset: Offset;
  #countsSynced: boolean;
  /** The other replicas, in assignment order. */
  #followers: FollowerProgress[] = NOBODY;
  /** Never falls; logStartOffset <= highWatermark <= logEndOffset. Set in `#advance` only. */
  #highWatermark: Offset;
  /** The controller said no, and nothing that we know of has changed since it was asked: the answer would be the same. */
  #isHoldingBack = false;
  /** Metadata of the partition, or of brokers, has changed since the last proposal. */
  #hasNews = false;

  constructor(options: PartitionLeaderOptions, log: LeaderLog, deps: PartitionLeaderDeps, now: Ms) {
    assert(options.logStartOffset <= options.highWatermark, "high watermark below the log start");
    assert(options.highWatermark <= options.logEndOffset, "high watermark beyond the log end");
    assert(options.endOffset <= options.logEndOffset, "end offset beyond the log end");
    this.leaderEpoch = options.leaderEpoch;
    this.epochStartOffset = options.logEndOffset;
    this.#brokerId = options.brokerId;
    this.#lagTimeMaxMs = options.lagTimeMaxMs;
    this.#countsSynced = options.countsSynced;
    this.#log = log;
    this.#deps = deps;
    this.#logEndOffset = options.logEndOffset;
    this.#endOffset = options.endOffset;
    this.#highWatermark = shownFrom(options);
    assertMembership(options.membership, options.brokerId);
    this.#membership = options.membership;
    this.#seatFollowers(now);
  }

  get highWatermark(): Offset {
    return this.#highWatermark;
  }

  get isr(): readonly BrokerId[] {
    return this.#membership.isr;
  }

  /** Chosen from lastIsr or uncleanly, and the metadata does not know yet that it has recovered (9(3)). */
  get isRecovering(): boolean {
    return this.#membership.isRecovering;
  }

  /** Of the other replicas, for whoever describes the partition. */
  get followers(): readonly Readonly<FollowerProgress>[] {
    return this.#followers;
  }

  /** Sent and not over; null: none. */
  get proposalInFlight(): IsrProposal | null {
    return this.#proposals.inFlight;
  }

  /** min(`min.insync.replicas`, number of replicas); the leader counts. */
  get effectiveMinIsr(): number {
    return Math.min(this.#membership.minInsyncReplicas, this.#membership.replicas.length);
  }

  /** For whoever asks why (15.6). */
  view(now: Ms): LeaderView {
    const { isr, minInsyncReplicas } = this.#membership;
    return {
      highWatermark: this.#highWatermark,
      logEndOffset: this.#logEndOffset,
      endOffset: this.#endOffset,
      epochStartOffset: this.epochStartOffset,
      countsSynced: this.#countsSynced,
      isr,
      minInsyncReplicas,
      effectiveMinIsr: this.effectiveMinIsr,
      followers: this.#followers.map((follower) => this.#viewOf(follower, now)),
      proposedIsr: this.#proposals.inFlight?.isr.map(({ brokerId }) => brokerId) ?? null,
      isLingering: this.#proposals.isLingering,
      lagTimeMaxMs: this.#lagTimeMaxMs,
    };
  }

  #viewOf(follower: FollowerProgress, now: Ms): FollowerView {
    const { brokerId, endOffset, isInIsr, isProposed, isLive, caughtUpMs } = follower;
    const isAtEnd = isLive && endOffset === this.#logEndOffset;
    const caughtUpAgoMs = isAtEnd ? 0 : caughtUpMs === Number.NEGATIVE_INFINITY ? -1 : Math.max(0, now - caughtUpMs);
    const isWaitedFor = this.#isWaitedFor(follower, now);
    const bar = this.#barOf(follower);
    return { brokerId, endOffset, isInIsr, isProposed, isLive, caughtUpAgoMs, isWaitedFor, bar };
  }

  /** What every live replica has deleted durably is below it (13(4)); null: one of them has not said. */
  leastLogStart(ownDurableLogStart: Offset): number | null {
    let least: number = ownDurableLogStart;
    for (const follower of this.#followers) {
      const broker = this.#deps.broker(follower.brokerId);
      if (broker === undefined || broker.isFenced) continue;
      const logStart = follower.durableLogStart(broker.brokerEpoch);
      if (logStart === -1) return null;
      least = Math.min(least, logStart);
    }
    return least;
  }

  // ---- acks=all ----

  /** May a batch that waits for all in-sync replicas be appended now (8.2)? Others may always. */
  admitAcksAll(): LeaderRefusal | null {
    return this.#hasMinIsr() ? null : "NOT_ENOUGH_REPLICAS";
  }

  /** What an acks=all batch below the high watermark is answered: the ISR may have shrunk since the append (8.2). */
  committed(): LeaderRefusal | null {
    return this.#maximalIsrCount() >= this.effectiveMinIsr ? null : "NOT_ENOUGH_REPLICAS_AFTER_APPEND";
  }

  // ---- the own log ----

  /** Batches were appended: LEO moved. The end offset follows with `onEndOffset` once it counts. */
  onAppended(logEndOffset: Offset, now: Ms): void {
    assert(logEndOffset >= this.#logEndOffset, "an append moved the log end back");
    for (const follower of this.#followers) follower.beforeAppend(this.#logEndOffset, logEndOffset, now);
    this.#logEndOffset = logEndOffset;
  }

  /** A failed write was cut back (3.1(12)). Nothing that counted is lost, so the watermark stays. */
  onCut(logEndOffset: Offset): void {
    assert(logEndOffset >= this.#endOffset, "what was vouched for was cut");
    assert(logEndOffset >= this.#highWatermark, "committed batches were cut");
    this.#logEndOffset = logEndOffset;
  }

  /** This replica's own end offset moved: after the write, or in the synced modes after the sync. */
  onEndOffset(endOffset: Offset, now: Ms): readonly LeaderEffect[] {
    assert(endOffset <= this.#logEndOffset, "end offset beyond the log end");
    assert(endOffset >= this.#endOffset, "the end offset of a leader moved back");
    this.#endOffset = endOffset;
    return this.#advance(now);
  }

  /**
   * From now on only synced ends count (15.1(5)): this replica's is `endOffset`, which may lie below the watermark, and what
   * the others wrote before is forgotten. The watermark stays until all vouch for more.
   */
  onModeRaised(endOffset: Offset): void {
    assert(endOffset <= this.#logEndOffset, "end offset beyond the log end");
    this.#endOffset = endOffset;
    this.#countsSynced = true;
    for (const follower of this.#followers) follower.forgetWrittenEnd();
  }

  // ---- followers ----

  /** What a follower asks and tells, answered in the written order of 5.2. */
  onReplicaReport(report: ReplicaReport, now: Ms): ReportOutcome {
    if (report.leaderEpoch < this.leaderEpoch) return this.#refuse("FENCED_LEADER_EPOCH");
    if (report.leaderEpoch > this.leaderEpoch) return this.#refuse("UNKNOWN_LEADER_EPOCH");
    const follower = this.#find(report.follower);
    const known = this.#deps.broker(report.follower);
    if (follower === undefined || follower.isOutlived(report.brokerEpoch)) {
      return this.#refuse("NOT_LEADER_OR_FOLLOWER");
    }
    if (known !== undefined && report.brokerEpoch < known.brokerEpoch) return this.#refuse("NOT_LEADER_OR_FOLLOWER");
    if (follower.isStale(report.brokerEpoch, report.generation)) return UNHEARD;

    let verdict = NO_ANSWER;
    const { ask } = report;
    if (ask !== null) {
      follower.isLive = true;
      follower.beginGeneration(report.brokerEpoch, report.generation);
      verdict = this.#judge(ask.readFrom, ask.epochBefore);
      // Diverging or out of range: follower state, ISR and watermark stay as they are.
      if (verdict.kind !== "serve") return { verdict, effects: NOTHING };
      follower.validate(report.generation, ask.readFrom);
    }
    if (!follower.counts(report.brokerEpoch, report.generation)) return UNHEARD;
    const hasMovedLogStart = follower.reportLogStart(report.durableLogStart);
    const effects: LeaderEffect[] = hasMovedLogStart ? [{ kind: "logStartsMoved" }] : [];
    // 15.1(5): it does not know yet that the mode was raised.
    if (this.#countsSynced && !report.isSynced) return { verdict, effects };
    follower.report(report.appendedTo, report.isSynced, this.#logEndOffset, now);
    effects.push(...this.#advance(now), ...this.#maybeExpand());
    return { verdict, effects };
  }

  /** Batches below `to` are on their way to a follower, in the generation that asked for them (5.4). */
  onSent(brokerId: BrokerId, generation: number, to: Offset): void {
    assert(to <= this.#logEndOffset, "sent what the log does not have");
    this.#find(brokerId)?.validate(generation, to);
  }

  /** Its stream is gone, or it follows this partition no longer. */
  onStreamLost(brokerId: BrokerId, now: Ms): void {
    this.#find(brokerId)?.onStreamLost(this.#logEndOffset, now);
  }

  // ---- metadata ----

  /** Committed metadata replaces what was known, a pending proposal too; an older partition epoch changes nothing (7(7)). */
  onMetadata(membership: Membership, now: Ms): readonly LeaderEffect[] {
    const { partitionEpoch } = this.#membership;
    if (membership.partitionEpoch < partitionEpoch) return NOTHING;
    assertMembership(membership, this.#brokerId);
    if (membership.partitionEpoch > partitionEpoch) this.#proposals.clear();
    this.#membership = membership;
    this.#onNews();
    this.#seatFollowers(now);
    return [...this.#advance(now), ...this.#maybeExpand()];
  }

  /** What the metadata says of brokers changed: who may join, and who is waited for (7(5), 6(2), 13(4)). */
  onBrokersChanged(now: Ms): readonly LeaderEffect[] {
    if (this.#followers.length === 0) return NOTHING;
    this.#onNews();
    return [...this.#advance(now), ...this.#maybeExpand(), { kind: "logStartsMoved" }];
  }

  #onNews(): void {
    this.#isHoldingBack = false;
    this.#hasNews = true;
  }

  /** Every half of `replica.lag.time.max.ms` (7(4)). */
  onTick(now: Ms): readonly LeaderEffect[] {
    this.#isHoldingBack = false;
    const effects = [...this.#advance(now)];
    if (this.#proposals.inFlight !== null) return effects;
    if (this.#followers.length === 0 && !this.#membership.isRecovering) return effects;
    const kept = this.#followers.filter(
      (follower) => follower.isInIsr && follower.isCaughtUp(this.#logEndOffset, this.#lagTimeMaxMs, now),
    );
    if (kept.length + 1 < this.#membership.isr.length) return [...effects, this.#propose(kept, [])];
    const grown = this.#maybeExpand();
    if (grown.length > 0) return [...effects, ...grown];
    // The committed ISR again: to end what lingers (7(7)), or to say that this replica has recovered (9(3)).
    const isDue = this.#proposals.isLingering || this.#membership.isRecovering;
    return isDue ? [...effects, this.#propose(kept, [])] : effects;
  }

  // ---- proposals ----

  /** No answer in time, NOT_CONTROLLER, or a connection that broke: what to send again, unchanged; null: it is over. */
  retryProposal(proposalId: number): IsrProposal | null {
    return this.#proposals.retry(proposalId);
  }

  /**
   * Any other answer, success or refusal, decided at `metadataOffset`; metadata is applied here up to `appliedOffset`
   * (7(7)).
   */
  onProposalAnswered(
    answer: { readonly proposalId: number; readonly metadataOffset: number; readonly appliedOffset: number },
    now: Ms,
  ): readonly LeaderEffect[] {
    const { proposalId, metadataOffset, appliedOffset } = answer;
    return this.#proposals.onAnswered(proposalId, metadataOffset, appliedOffset) ? this.#onProposalOver(now) : NOTHING;
  }

  /** Metadata up to `metadataOffset` is applied here, and what of it concerns this partition was told before. */
  onApplied(metadataOffset: number, now: Ms): readonly LeaderEffect[] {
    return this.#proposals.onApplied(metadataOffset) ? this.#onProposalOver(now) : NOTHING;
  }

  #onProposalOver(now: Ms): readonly LeaderEffect[] {
    this.#isHoldingBack = !this.#hasNews;
    this.#markProposed();
    return [...this.#advance(now), ...this.#maybeExpand()];
  }

  /** 7(5): everybody who qualifies now, in one proposal. */
  #maybeExpand(): readonly LeaderEffect[] {
    if (this.#isHoldingBack || this.#proposals.inFlight !== null) return NOTHING;
    const joining = this.#followers.filter((follower) => !follower.isInIsr && this.#barOf(follower) === "none");
    if (joining.length === 0) return NOTHING;
    const members = this.#followers.filter((follower) => follower.isInIsr);
    return [this.#propose(members, joining)];
  }

  #propose(members: readonly FollowerProgress[], joining: readonly FollowerProgress[]): LeaderEffect {
    const deps = this.#deps;
    const isr: IsrMember[] = [{ brokerId: this.#brokerId, brokerEpoch: deps.ownBrokerEpoch() }];
    for (const { brokerId } of members) {
      isr.push({ brokerId, brokerEpoch: deps.broker(brokerId)?.brokerEpoch ?? -1 });
    }
    for (const { brokerId, endBrokerEpoch } of joining) isr.push({ brokerId, brokerEpoch: endBrokerEpoch });
    this.#hasNews = false;
    const proposal = this.#proposals.propose(this.leaderEpoch, this.#membership.partitionEpoch, isr);
    this.#markProposed();
    return { kind: "proposeIsr", proposal };
  }

  /** What keeps it from joining (7(5)), but for a proposal in flight. */
  #barOf(follower: FollowerProgress): JoinBar {
    const { endOffset } = follower;
    if (endOffset >= this.#highWatermark && endOffset >= this.epochStartOffset) {
      if (!this.#isEligible(follower)) return "broker";
      return this.#startsHere(follower) ? "none" : "log-start";
    }
    return endOffset === -1 ? "unheard" : "behind";
  }

  /** May it join, as far as its broker goes (7(5))? What it reported must be of the life that the metadata knows (P05). */
  #isEligible({ brokerId, endBrokerEpoch }: FollowerProgress): boolean {
    const broker = this.#deps.broker(brokerId);
    if (broker === undefined || broker.isFenced || broker.isFull || broker.isShuttingDown) return false;
    return broker.brokerEpoch === endBrokerEpoch;
  }

  /**
   * Below the log start nobody can tell any more which epochs there were: what a follower has there may have diverged, and with it
   * as the leader it would be read again.
   */
  #startsHere(follower: FollowerProgress): boolean {
    return follower.durableLogStart(follower.endBrokerEpoch) >= this.#log.logStartOffset;
  }

  // ---- the high watermark ----

  /**
   * 6(1)-(3): to the least end offset of the maximal ISR and of those about to join; held while the committed ISR is below
   * its minimum, or a member is unknown.
   */
  #advance(now: Ms): readonly LeaderEffect[] {
    if (!this.#hasMinIsr()) return NOTHING;
    let least: number = this.#endOffset;
    for (const follower of this.#followers) {
      if (follower.endOffset < least && this.#isWaitedFor(follower, now)) least = follower.endOffset;
    }
    if (least <= this.#highWatermark) return NOTHING;
    assert(least <= this.#logEndOffset, "high watermark beyond the log end");
    const to = least as Offset;
    this.#highWatermark = to;
    return [{ kind: "advanceHighWatermark", to }];
  }

  #isWaitedFor(follower: FollowerProgress, now: Ms): boolean {
    if (follower.isInIsr || follower.isProposed) return true;
    if (follower.endOffset === -1) return false;
    const withinMs = Math.min(this.#lagTimeMaxMs, JOINING_MS);
    return follower.isCaughtUp(this.#logEndOffset, withinMs, now) && this.#isEligible(follower);
  }

  #hasMinIsr(): boolean {
    return this.#membership.isr.length >= this.effectiveMinIsr;
  }

  #maximalIsrCount(): number {
    return 1 + this.#followers.filter(({ isInIsr, isProposed }) => isInIsr || isProposed).length;
  }

  // ---- answers ----

  /** 5.2(2). */
  #judge(readFrom: Offset, epochBefore: LeaderEpoch): ReportVerdict {
    const log = this.#log;
    if (epochBefore >= 0) {
      const end = log.endOffsetFor(epochBefore);
      if (end === null || readFrom < log.logStartOffset) return this.#outOfRange();
      if (end.epoch < epochBefore || end.endOffset < readFrom) return { kind: "diverging", end };
    }
    if (readFrom < log.logStartOffset || readFrom > this.#logEndOffset) return this.#outOfRange();
    return { kind: "serve", readFrom };
  }

  #outOfRange(): ReportVerdict {
    return this.#refuse("OFFSET_OUT_OF_RANGE").verdict;
  }

  #refuse(code: ReplicaRefusal): ReportOutcome {
    const { logStartOffset } = this.#log;
    return { verdict: { kind: "refused", code, logStartOffset, logEndOffset: this.#logEndOffset }, effects: NOTHING };
  }

  // ---- seats ----

  #find(brokerId: BrokerId): FollowerProgress | undefined {
    return this.#followers.find((follower) => follower.brokerId === brokerId);
  }

  /** One seat per other replica; who stays keeps what is known, who is new or back is unknown. */
  #seatFollowers(now: Ms): void {
    const { replicas, isr } = this.#membership;
    if (replicas.length === 1) {
      this.#followers = NOBODY;
      return;
    }
    this.#followers = replicas
      .filter((brokerId) => brokerId !== this.#brokerId)
      .map((brokerId) => {
        const isInIsr = isr.includes(brokerId);
        const follower = this.#find(brokerId) ?? new FollowerProgress(brokerId, isInIsr, this.#logEndOffset, now);
        follower.isInIsr = isInIsr;
        return follower;
      });
    this.#markProposed();
  }

  #markProposed(): void {
    for (const follower of this.#followers) follower.isProposed = this.#proposals.holds(follower.brokerId);
  }
}

/**
 * The first high watermark. In the synced modes it lies no higher than what this replica has synced: one that was not in sync may
 * have been told of more, and is chosen uncleanly (15.1(1), decision 0036).
 */
function shownFrom({ countsSynced, logStartOffset, endOffset, highWatermark }: PartitionLeaderOptions): Offset {
  return countsSynced ? asOffset(Math.max(logStartOffset, Math.min(highWatermark, endOffset))) : highWatermark;
}

function assertMembership(membership: Membership, leader: BrokerId): void {
  assert(membership.replicas.includes(leader), "the leader is none of the replicas");
  assert(membership.isr.includes(leader), "the leader is not in the ISR");
  assert(membership.minInsyncReplicas >= 1, "min.insync.replicas below 1");
}
