/**
 * The loop of recovery (4.2(5)): every batch of a segment, byte for byte, up to the first bad one. It is O(bytes) and
 * decides how long a crashed broker takes to come back, so it reads large pieces into one slab that is used again, takes
 * header fields straight from the bytes, makes no object per batch, and checks the CRCs of a piece together (span-crc.ts).
 *
 * A batch is bad when fewer bytes are left than its header or than it claims, its size is below the minimum (a zero tail)
 * or beyond what any batch may have, its format is not v2, its CRC or its counts are wrong, an offset lies below the end
 * so far or beyond what the segment can index, or its leader epoch below that of the batch before. What follows from a bad
 * one is the caller's decision.
 *
 * Base offset and leader epoch lie outside the CRC, and whatever they claim decides who leads and what others cut (9(3), 5.3). So both are
 * held against what else is known: a log that was never compacted has no gaps, no batch reaches into the next segment, none is of an epoch
 * that the metadata has not reached, below the recovery point the epoch file is exact, and a batch that leaps is the bad one where the next
 * one contradicts it.
 */
import { asLeaderEpoch, asOffset } from "../base/index.ts";
import {
  BATCH_HEADER_BYTES,
  BatchField,
  batchSizeAt,
  crc32c,
  isBatchIntact,
  MAGIC_V2,
  readInt64,
  readUint32,
} from "@tidemark/proto";
import type { Timers } from "../ports/index.ts";
import {
  lastOffsetDeltaAt,
  leaderEpochAt,
  maxTimestampAt,
  producerIdAt,
  RELATIVE_OFFSET_MAX,
  STORED_BATCH_BYTES_MAX,
} from "./batch-fields.ts";
import type { EpochCache } from "./epoch-cache.ts";
import { readFullySync } from "./file-io.ts";
import { replayBatch } from "./producer-replay.ts";
import type { ProducerState } from "./producer-state.ts";
import type { Segment } from "./segment.ts";
import { SpanCrc } from "./span-crc.ts";

/** What fits the processor's cache is read, checked and forgotten before it goes cold. */
const SLAB_BYTES = 1024 * 1024;

/** The event loop gets its turn after this many bytes. */
const YIELD_EVERY_BYTES = 8 * 1024 * 1024;

/** Of a batch that no leader of a replicated partition has written. */
const NO_EPOCH = -1;

export type BadBatch = "short" | "size" | "magic" | "crc" | "counts" | "offset" | "epoch";

/** Reads the files of one log after another, and hands the pieces to a target. */
export class RecoveryScan {
  readonly #timers: Timers;
  readonly #onBytes: (bytes: number) => void;
  /** Both are made for the first bytes there are to scan: a new log has none. */
  #spanCrc: SpanCrc | null = null;
  #slab = Buffer.alloc(0);
  #bytesSinceYield = 0;

  constructor(timers: Timers, onBytes: (bytes: number) => void) {
    this.#timers = timers;
    this.#onBytes = onBytes;
  }

  /**
   * Admits the good batches of the file into `segment`, which was reset, and takes what they say into epochs and
   * producers. Null: every byte of the file belongs to a good batch. Throws DiskFault.
   */
  async run(segment: Segment, fileBytes: number, target: RecoveryTarget): Promise<BadBatch | null> {
    if (fileBytes === 0) return null;
    if (this.#slab.length === 0) this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
    this.#spanCrc ??= new SpanCrc();
    let filled = 0;
    for (let position = 0; position < fileBytes; ) {
      // [0, filled) of the slab holds the start of the batch at `position`.
      const wanted = Math.min(this.#slab.length, fileBytes - position) - filled;
      const read = readFullySync(segment.log, this.#slab.subarray(filled, filled + wanted), position + filled);
      filled += read;
      const piece = new RecoveryPiece(this.#slab, filled, fileBytes - position, this.#spanCrc);
      const bad = target.take(piece, segment);
      position += target.taken;
      this.#onBytes(target.taken);
      if (bad !== null) return bad;
      if (read < wanted) return position < fileBytes ? "short" : null;
      this.#slab.copyWithin(0, target.taken, filled);
      filled -= target.taken;
      if (target.taken === 0) this.#grow();
      this.#bytesSinceYield += target.taken;
      if (this.#bytesSinceYield >= YIELD_EVERY_BYTES) {
        this.#bytesSinceYield = 0;
        await this.#timers.yieldTurn();
      }
    }
    return null;
  }

  /** The batch is larger than the slab: sizes were checked, so this ends at the largest batch there is. */
  #grow(): void {
    const larger = Buffer.allocUnsafeSlow(Math.min(this.#slab.length * 4, STORED_BATCH_BYTES_MAX));
    this.#slab.copy(larger);
    this.#slab = larger;
  }
}

/** What lies in the slab: whole batches, checked, up to `end`; behind them the start of the next one, or a bad one. */
class RecoveryPiece {
  readonly bytes: Buffer;
  readonly end: number;
  /** Why the batches end at `end`; null = only because the slab does. */
  readonly bad: BadBatch | null;
  /** More of the file follows behind `end`, as far as anybody knows good. */
  readonly hasMore: boolean;

  /** `left` bytes of the file begin at bytes[0], `filled` of them are here. */
  constructor(bytes: Buffer, filled: number, left: number, spanCrc: SpanCrc) {
    this.bytes = bytes;
    spanCrc.reset();
    let at = 0;
    let bad: BadBatch | null = null;
    for (;;) {
      if (at === left) break;
      if (at + BATCH_HEADER_BYTES > filled) {
        if (left - at < BATCH_HEADER_BYTES) bad = "short";
        break;
      }
      const size = batchSizeAt(bytes, at);
      if (size < BATCH_HEADER_BYTES || size > STORED_BATCH_BYTES_MAX) bad = "size";
      else if (size > left - at) bad = "short";
      else if (bytes[at + BatchField.MAGIC] !== MAGIC_V2) bad = "magic";
      if (bad !== null || at + size > filled) break;
      spanCrc.appendBytes(bytes, at, at + BatchField.ATTRIBUTES);
      spanCrc.appendSum(readUint32(bytes, at + BatchField.CRC), size - BatchField.ATTRIBUTES);
      at += size;
    }
    const isIntact = at === 0 || spanCrc.value === crc32c(bytes, 0, at);
    this.end = isIntact ? at : firstBroken(bytes, at);
    this.bad = this.end < at ? "crc" : bad;
    this.hasMore = this.bad === null && this.end < left;
  }
}

/** Where the first batch begins whose own CRC is wrong. */
function firstBroken(bytes: Buffer, end: number): number {
  let at = 0;
  while (at < end && isBatchIntact(bytes, at, at + batchSizeAt(bytes, at))) at += batchSizeAt(bytes, at);
  return at;
}

/** What the batches are taken into. */
export class RecoveryTarget {
  readonly #epochs: EpochCache;
  readonly #producers: ProducerState;
  readonly #nowMs: number;
  readonly #cutAt: number;
  readonly #noneOver: number;
  readonly #isGapless: boolean;
  readonly #epochMax: number;
  readonly #epochsExactTo: number;
  /** Where the next segment begins, which no batch reaches. */
  #nextSegment = Number.POSITIVE_INFINITY;
  /** Next offset that may come. */
  #end: number;
  /** Of the newest batch before that, as far as it is known: no later one is of an older epoch. */
  #epoch = NO_EPOCH;
  /** Bytes of good batches in the last piece. */
  taken = 0;

  constructor(options: {
    epochs: EpochCache;
    producers: ProducerState;
    end: number;
    nowMs: number;
    /** Whatever reaches beyond it is bad: the log is to end here, and is filled again from a peer (15.7). */
    cutAt?: number | undefined;
    /** No batch begins below it and ends beyond it. */
    noneOver?: number | undefined;
    /** Nothing lies between two batches. */
    isGapless: boolean;
    /** No batch is of a later leader epoch; null = nobody knows. */
    epochMax: number | null;
    /** What `epochs` holds below is right. */
    epochsExactTo: number;
  }) {
    this.#isGapless = options.isGapless;
    this.#epochMax = options.epochMax ?? Number.POSITIVE_INFINITY;
    this.#epochsExactTo = options.epochsExactTo;
    this.#cutAt = options.cutAt ?? Number.POSITIVE_INFINITY;
    this.#noneOver = options.noneOver ?? -1;
    this.#epochs = options.epochs;
    this.#producers = options.producers;
    this.#end = options.end;
    this.#nowMs = options.nowMs;
    if (options.end <= options.epochsExactTo) this.#epoch = options.epochs.epochAt(options.end - 1) ?? NO_EPOCH;
  }

  get end(): number {
    return this.#end;
  }

  /** The log goes on at `baseOffset`, with a segment behind which another one begins at `nextSegment`. */
  beginSegment(baseOffset: number, nextSegment = Number.POSITIVE_INFINITY): void {
    this.#end = Math.max(this.#end, baseOffset);
    this.#nextSegment = nextSegment;
  }

  /** Takes the batches of a piece, up to the first that cannot follow those before. */
  take({ bytes, end, bad, hasMore }: RecoveryPiece, segment: Segment): BadBatch | null {
    let at = 0;
    while (at < end) {
      this.taken = at;
      const baseOffset = readInt64(bytes, at);
      const lastOffset = baseOffset + lastOffsetDeltaAt(bytes, at);
      if (lastOffset < baseOffset || !Number.isSafeInteger(lastOffset + 1)) return "counts";
      // Further on than a segment can say is no gap of compaction: the offset lies outside the CRC.
      if (baseOffset < this.#end || lastOffset - segment.baseOffset > RELATIVE_OFFSET_MAX) return "offset";
      if (lastOffset >= this.#cutAt || (this.#end < this.#noneOver && lastOffset >= this.#noneOver)) return "offset";
      if (lastOffset >= this.#nextSegment || (this.#isGapless && baseOffset > this.#end)) return "offset";
      const epoch = leaderEpochAt(bytes, at);
      if (epoch < NO_EPOCH || (epoch < this.#epoch && epoch >= 0) || epoch > this.#epochMax) return "epoch";
      if (baseOffset < this.#epochsExactTo && epoch >= 0 && !this.#epochs.holds(epoch, baseOffset)) return "epoch";
      if (baseOffset > this.#end || epoch > this.#epoch) {
        const next = at + batchSizeAt(bytes, at);
        // Nobody can say before the next one is here; the largest batch of all is taken at its word.
        if (next >= end && hasMore && (at > 0 || bytes.length < STORED_BATCH_BYTES_MAX)) return null;
        if (next < end && baseOffset > this.#end && this.#isBetween(readInt64(bytes, next), lastOffset))
          return "offset";
        const isConfirmed = baseOffset < this.#epochsExactTo && this.#epochs.epochAt(baseOffset) === epoch;
        if (next < end && !isConfirmed && this.#isOlder(leaderEpochAt(bytes, next), epoch)) return "epoch";
      }

      if (epoch > this.#epoch) {
        this.#epoch = epoch;
        if (epoch > this.#epochs.latest) this.#epochs.add(asLeaderEpoch(epoch), asOffset(baseOffset));
      }
      const size = batchSizeAt(bytes, at);
      segment.admit(size, lastOffset, maxTimestampAt(bytes, at));
      if (producerIdAt(bytes, at) >= 0) {
        const aborted = replayBatch(this.#producers, bytes, at, this.#nowMs);
        if (aborted !== null) segment.addAborted(aborted);
      }
      this.#end = lastOffset + 1;
      at += size;
    }
    this.taken = at;
    return bad;
  }

  /**
   * A gap is compaction's, unless the batch behind it lies in it: then the one that made the gap is not where it says, for the base offset
   * lies outside the CRC. Taken at its word, it would be cut off where the leader ends, and leave a hole before that.
   */
  #isBetween(nextBase: number, lastOffset: number): boolean {
    return nextBase >= this.#end && nextBase <= lastOffset;
  }

  /** The same of a leap in the epoch: no leader goes back, so of this batch and the next one this one is not of the epoch it says, unless the epoch file says so too. */
  #isOlder(nextEpoch: number, epoch: number): boolean {
    return nextEpoch >= this.#epoch && nextEpoch >= 0 && nextEpoch < epoch;
  }
}
