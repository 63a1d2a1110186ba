/**
 * One follower as its leader sees it, in one leader epoch (semantics 5.4, 7(1)-7(3)): how far it is, what it may vouch for,
 * and when it was last caught up. Everything is unknown until it reports in this epoch (7(3)).
 *
 * Two positions (5.4): what it was found free of divergence for, or was sent (`#validatedTo`), may run ahead; what it has
 * appended, in the synced modes synced, is its end offset. Only the second counts, and never beyond the first.
 *
 * A report counts only from the newest process life (broker epoch) and the newest generation of that life; the generation
 * changes whenever the follower asks anew, as after a truncation.
 */
import type { BrokerId, Ms, Offset } from "../base/index.ts";

/** Not reported in this leader epoch. */
const UNKNOWN = -1;

export class FollowerProgress {
  readonly brokerId: BrokerId;
  /** Member of the committed ISR. */
  isInIsr: boolean;
  /** Counts as a member until a proposal is over, or a higher partition epoch is applied (7(6), 7(7)). */
  isProposed = false;
  /** Its stream is open: while it stands at the log end it has nothing to report. */
  isLive = false;
  #brokerEpoch = UNKNOWN;
  #generation = UNKNOWN;
  /** Bytes below were compared or sent in the newest generation; UNKNOWN: not compared yet. */
  #validatedTo: number = UNKNOWN;
  #endOffset: number = UNKNOWN;
  #endBrokerEpoch = UNKNOWN;
  #isEndSynced = false;
  #durableLogStart: number = UNKNOWN;
  #logStartBrokerEpoch = UNKNOWN;
  #caughtUpMs: number;
  #sampleMs: number;
  #sampleEnd: Offset;

  constructor(brokerId: BrokerId, isInIsr: boolean, logEndOffset: Offset, now: Ms) {
    this.brokerId = brokerId;
    this.isInIsr = isInIsr;
    this.#caughtUpMs = isInIsr ? now : Number.NEGATIVE_INFINITY;
    this.#sampleMs = now;
    this.#sampleEnd = logEndOffset;
  }

  /** What it vouches for; -1 = unknown, and then it holds the high watermark if it is in sync. */
  get endOffset(): number {
    return this.#endOffset;
  }

  /** Process life that `endOffset` is from; -1 = unknown. */
  get endBrokerEpoch(): number {
    return this.#endBrokerEpoch;
  }

  /** Its log start, as far as that would survive a crash (13(4)), told by this process life; -1 = unknown. */
  durableLogStart(brokerEpoch: number): number {
    return brokerEpoch === this.#logStartBrokerEpoch ? this.#durableLogStart : UNKNOWN;
  }

  /** When it last stood at the log end, as far as reports tell; -Infinity = never in this epoch. */
  get caughtUpMs(): number {
    return this.#caughtUpMs;
  }

  /** Since when it has not stood at the log end, as far as reports tell; never before this epoch began for one that is not in sync. */
  get behindSinceMs(): number {
    return this.#caughtUpMs === Number.NEGATIVE_INFINITY ? this.#sampleMs : this.#caughtUpMs;
  }

  /** Told by an earlier process life than one that was heard here already (P05). */
  isOutlived(brokerEpoch: number): boolean {
    return brokerEpoch < this.#brokerEpoch;
  }

  /** Told in an earlier generation of the same life: whatever it says is about another log. */
  isStale(brokerEpoch: number, generation: number): boolean {
    return brokerEpoch === this.#brokerEpoch && generation < this.#generation;
  }

  /** It asks in a new generation, or a new life: what was compared before is no longer what it has. */
  beginGeneration(brokerEpoch: number, generation: number): void {
    if (brokerEpoch === this.#brokerEpoch && generation === this.#generation) return;
    this.#brokerEpoch = brokerEpoch;
    this.#generation = generation;
    this.#validatedTo = UNKNOWN;
  }

  /** Found free of divergence up to `to`, or sent up to there. */
  validate(generation: number, to: Offset): void {
    if (generation === this.#generation && to > this.#validatedTo) this.#validatedTo = to;
  }

  /** Does a report of this life and generation count? Not before the generation was found free of divergence (5.4, P36). */
  counts(brokerEpoch: number, generation: number): boolean {
    return brokerEpoch === this.#brokerEpoch && generation === this.#generation && this.#validatedTo !== UNKNOWN;
  }

  /** A report that counts. */
  report(appendedTo: Offset, isSynced: boolean, logEndOffset: Offset, now: Ms): void {
    this.#endOffset = Math.min(appendedTo, this.#validatedTo);
    this.#isEndSynced = isSynced;
    this.#endBrokerEpoch = this.#brokerEpoch;
    // 7(1): measured against the sample, not the last report: under load those come per tick and never reach the end.
    if (this.#endOffset === logEndOffset) this.#caughtUpMs = now;
    else if (this.#endOffset >= this.#sampleEnd) this.#caughtUpMs = this.#sampleMs;
    else return;
    this.#sampleMs = now;
    this.#sampleEnd = logEndOffset;
  }

  /** True if it moved. A life that lost its log says less than the one before. */
  reportLogStart(durableLogStart: Offset): boolean {
    if (durableLogStart === this.durableLogStart(this.#brokerEpoch)) return false;
    this.#durableLogStart = durableLogStart;
    this.#logStartBrokerEpoch = this.#brokerEpoch;
    return true;
  }

  /** Before an append moves the log end: who stands there on a live stream is caught up, though it says nothing (7(1), P51). */
  beforeAppend(logEndOffset: Offset, newLogEndOffset: Offset, now: Ms): void {
    if (this.#endOffset !== logEndOffset || !this.isLive) return;
    this.#caughtUpMs = now;
    this.#sampleMs = now;
    this.#sampleEnd = newLogEndOffset;
  }

  /** Its stream is gone. Until now it stood where it stood. */
  onStreamLost(logEndOffset: Offset, now: Ms): void {
    if (this.isLive && this.#endOffset === logEndOffset) this.#caughtUpMs = now;
    this.isLive = false;
  }

  /** 7(2): at the log end, or there lately; by time only. */
  isCaughtUp(logEndOffset: Offset, lagTimeMaxMs: number, now: Ms): boolean {
    return this.#endOffset === logEndOffset || now - this.#caughtUpMs <= lagTimeMaxMs;
  }

  /** Written ends count no longer (15.1(5)). One that was told as synced stands: its follower has nothing to add. */
  forgetWrittenEnd(): void {
    if (!this.#isEndSynced) this.#endOffset = UNKNOWN;
  }
}
