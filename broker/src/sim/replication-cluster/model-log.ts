/**
 * One replica's log under simulation: batches as the page cache has them, what of them is on stable storage, and the ends
 * that follow. What a process crash and a power failure leave is decided here; everything else is told to it.
 *
 * Epochs are read off the batches at every question, slowly, plus the one that a leader began and never wrote in (5.1).
 */
import { asLeaderEpoch, asOffset, type SeededRandom } from "../../base/index.ts";
import type { LeaderEpoch, Offset } from "../../base/index.ts";
import type { EpochEnd } from "../../replication/index.ts";

export interface ModelBatch {
  readonly baseOffset: Offset;
  readonly lastOffset: Offset;
  readonly epoch: LeaderEpoch;
  readonly value: number;
  /** Hash of this batch and of all before it. */
  readonly chain: number;
  readonly previousChain: number;
}

export interface SyncUnderWay {
  readonly to: Offset;
  readonly generation: number;
}

const ZERO = asOffset(0);
const NO_EPOCH = asLeaderEpoch(-1);

export class ModelLog {
  batches: ModelBatch[] = [];
  /** What a power failure cannot take. */
  durable: readonly ModelBatch[] = [];
  /** Where a log without batches stands. */
  base: Offset = ZERO;
  logStartOffset: Offset = ZERO;
  durableLogStartOffset: Offset = ZERO;
  highWatermark: Offset = ZERO;
  /** Of the checkpoint: a lower bound that may be old. */
  checkpointedHighWatermark: Offset = ZERO;
  writtenEnd: Offset = ZERO;
  syncedEnd: Offset = ZERO;
  /** Rises with every cut: a sync begun before counts for nothing after (5.5(2)). */
  generation = 0;
  /** Begun at the log end, without a batch; -1 = none. */
  #tailEpoch: LeaderEpoch = NO_EPOCH;

  get logEndOffset(): Offset {
    const last = this.batches.at(-1);
    return last === undefined ? this.base : asOffset(last.lastOffset + 1);
  }

  get latestEpoch(): LeaderEpoch {
    return this.#tailEpoch >= 0 ? this.#tailEpoch : (this.batches.at(-1)?.epoch ?? NO_EPOCH);
  }

  get lastChain(): number {
    return this.batches.at(-1)?.chain ?? 0;
  }

  startEpoch(epoch: LeaderEpoch): void {
    this.#tailEpoch = epoch;
  }

  endOffsetFor(epoch: LeaderEpoch): EpochEnd | null {
    const entries = this.#epochs();
    const newest = entries.at(-1);
    if (newest === undefined || epoch < 0) return null;
    if (newest.epoch === epoch) return { epoch, endOffset: this.logEndOffset };
    const above = entries.findIndex((entry) => entry.epoch > epoch);
    const next = entries[above];
    if (next === undefined) return null;
    return { epoch: entries[above - 1]?.epoch ?? epoch, endOffset: next.start };
  }

  append(batches: readonly ModelBatch[]): void {
    this.batches.push(...batches);
    this.#tailEpoch = NO_EPOCH;
  }

  /** Whole batches from the one that contains `from` on, below the written end. */
  read(from: Offset, count: number): readonly ModelBatch[] {
    const first = this.batches.findIndex((batch) => batch.lastOffset >= from);
    if (first === -1) return [];
    return this.batches.slice(first, first + count).filter((batch) => batch.lastOffset < this.writtenEnd);
  }

  at(offset: number): ModelBatch | undefined {
    return this.batches.find((batch) => batch.baseOffset <= offset && offset <= batch.lastOffset);
  }

  /** All that was appended is written. */
  finishWrite(to: Offset): void {
    this.writtenEnd = to;
  }

  /** 3.1(12): the write failed. */
  failWrite(): void {
    this.batches = this.batches.filter((batch) => batch.lastOffset < this.writtenEnd);
    this.highWatermark = asOffset(Math.min(this.highWatermark, this.writtenEnd));
    // The batch that the log start lies inside of is gone (5.3(8)).
    if (this.logEndOffset < this.logStartOffset) this.restart(this.logStartOffset);
  }

  beginSync(): SyncUnderWay {
    return { to: this.writtenEnd, generation: this.generation };
  }

  finishSync({ to, generation }: SyncUnderWay): void {
    if (generation !== this.generation) return;
    this.durable = this.batches.filter((batch) => batch.lastOffset < to);
    this.syncedEnd = to;
  }

  /** 5.5, in the page cache; `finishCut` makes it durable. */
  cut(to: Offset): void {
    this.batches = this.batches.filter((batch) => batch.lastOffset < to);
    this.#tailEpoch = NO_EPOCH;
    this.generation += 1;
    // It lies inside the batch that the log starts inside of: nothing is left.
    if (this.logEndOffset < this.logStartOffset) this.restart(this.logStartOffset);
    else this.#clampTo(this.logEndOffset);
  }

  restart(at: Offset): void {
    this.batches = [];
    this.base = at;
    this.#tailEpoch = NO_EPOCH;
    this.generation += 1;
    this.logStartOffset = at;
    this.durableLogStartOffset = at;
    this.highWatermark = at;
    this.writtenEnd = at;
    this.syncedEnd = at;
  }

  finishCut(): void {
    const kept = new Set(this.batches);
    this.durable = this.durable.filter((batch) => kept.has(batch));
  }

  /** What a start finds after the process was killed: the page cache, whole. */
  afterCrash(random: SeededRandom): void {
    this.batches = this.batches.filter((batch) => batch.lastOffset < this.writtenEnd);
    this.#recover(random);
  }

  /** Each unsynced batch is there or not, and the log ends before the first that is not. */
  afterPowerFailure(random: SeededRandom): void {
    const written = this.batches.filter((batch) => batch.lastOffset < this.writtenEnd);
    const found: ModelBatch[] = [];
    for (let slot = 0; slot < Math.max(written.length, this.durable.length); slot++) {
      const now = written[slot];
      const before = this.durable[slot];
      const batch = now === before ? now : random.chance(0.5) ? now : before;
      const last = found.at(-1);
      if (batch === undefined) break;
      if (last !== undefined && (batch.baseOffset <= last.lastOffset || batch.epoch < last.epoch)) break;
      found.push(batch);
    }
    this.batches = found;
    this.durable = found;
    this.#recover(random);
  }

  /** A clean stop: everything is on disk, and so is the epoch that nobody wrote in. */
  stopCleanly(): void {
    this.durable = [...this.batches];
    this.syncedEnd = this.logEndOffset;
    this.durableLogStartOffset = this.logStartOffset;
    this.checkpointedHighWatermark = this.highWatermark;
  }

  /** 4.2(10): nothing of this log is on its way any more. */
  syncAtStart(): void {
    this.durable = [...this.batches];
    this.syncedEnd = this.logEndOffset;
  }

  wipe(): void {
    this.restart(ZERO);
    this.durable = [];
    this.checkpointedHighWatermark = ZERO;
  }

  #recover(random: SeededRandom): void {
    this.#tailEpoch = NO_EPOCH;
    this.generation += 1;
    this.logStartOffset = this.durableLogStartOffset;
    // 4.2(7).
    if (this.logEndOffset < this.logStartOffset) {
      this.batches = [];
      this.base = this.logStartOffset;
    }
    this.writtenEnd = this.logEndOffset;
    const kept = new Set(this.batches);
    this.durable = this.durable.filter((batch) => kept.has(batch));
    this.syncedEnd = asOffset((this.durable.at(-1)?.lastOffset ?? this.base - 1) + 1);
    // A start lowers a checkpoint that is above the end, before anything is appended.
    this.checkpointedHighWatermark = asOffset(Math.min(this.checkpointedHighWatermark, this.logEndOffset));
    // The checkpoint may be of any time before.
    const checkpointed = random.chance(0.3) ? this.highWatermark : this.checkpointedHighWatermark;
    this.highWatermark = asOffset(Math.max(this.logStartOffset, Math.min(checkpointed, this.logEndOffset)));
  }

  #clampTo(end: Offset): void {
    this.writtenEnd = end;
    this.syncedEnd = asOffset(Math.min(this.syncedEnd, end));
    this.highWatermark = asOffset(Math.min(this.highWatermark, end));
    this.checkpointedHighWatermark = asOffset(Math.min(this.checkpointedHighWatermark, end));
  }

  /** Ascending; what starts below the log start is said to start there (5.1(4)). */
  #epochs(): { readonly epoch: LeaderEpoch; readonly start: Offset }[] {
    const entries: { epoch: LeaderEpoch; start: Offset }[] = [];
    const add = (epoch: LeaderEpoch, at: Offset): void => {
      const start = asOffset(Math.max(at, this.logStartOffset));
      if (entries.at(-1)?.epoch === epoch) return;
      if (entries.at(-1)?.start === start) entries.pop();
      entries.push({ epoch, start });
    };
    for (const batch of this.batches) add(batch.epoch, batch.baseOffset);
    if (this.#tailEpoch >= 0) add(this.#tailEpoch, this.logEndOffset);
    return entries;
  }
}
