/**
 * Reads batches of a log that is in use back from the disk, and says where they are not what was written: for a reader's or
 * a follower's suspicion, and for the looks that are taken at everything from time to time. Nothing is changed.
 *
 * Held against each batch: size, format, CRC, counts; that it begins behind the one before and ends inside its segment; its
 * leader epoch against the epoch cache, since that lies outside the CRC. So does the base offset: a gap that the next batch
 * contradicts is damage of the batch behind it, and any other the cleaner's work. Bytes that are cut, or retained away, while they are read are nobody's damage.
 *
 * A closed segment that the disk does not give is damaged from its first offset on: whoever cuts it need not read it (decision 0034).
 */
import { BATCH_HEADER_BYTES, batchSizeAt, readInt64, validateStoredBatch } from "@tidemark/proto";
import { asOffset, asPosition } from "../base/index.ts";
import type { Offset } from "../base/index.ts";
import { DiskFault } from "../ports/index.ts";
import { lastOffsetAt, leaderEpochAt, RELATIVE_OFFSET_MAX, STORED_BATCH_BYTES_MAX } from "./batch-fields.ts";
import type { EpochCache } from "./epoch-cache.ts";
import { readFully } from "./file-io.ts";
import { slotOf } from "./log-reader.ts";
import type { LogState } from "./log-state.ts";
import type { Segment } from "./segment.ts";
import type { FoundDamage, LogDamage } from "./types.ts";

const SLAB_BYTES = 1024 * 1024;

export interface VerificationSource {
  readonly state: LogState;
  readonly epochs: EpochCache;
  /** The disk does not give bytes of a closed segment. */
  onUnreadable(fault: DiskFault, segment: Segment): void;
}

/** Bytes were read; whoever wants to be slow answers when to go on. */
export type Pace = (bytes: number) => Promise<void> | null;

/**
 * The first damage in the segments with offsets of [from, to); null: none, or the log was closed meanwhile. Where it was cut, what is
 * left is looked at again from the segment on that was being read. Rejects with DiskFault.
 */
export async function findDamage(
  source: VerificationSource,
  { from, to, pace }: { readonly from: Offset; readonly to: Offset; readonly pace: Pace },
): Promise<FoundDamage | null> {
  const { state } = source;
  const { generation } = state;
  for (const segment of state.segments.slice(Math.max(0, slotOf(state.segments, from)))) {
    if (segment.baseOffset >= to) break;
    const check = new SegmentCheck(source, segment, endOf(state, segment));
    const found = await check.run(pace);
    if (state.isClosed || state.isOffline) return null;
    if (generation !== state.generation) {
      const again = asOffset(Math.max(from, segment.baseOffset));
      return findDamage(source, { from: again, to, pace });
    }
    if (found !== null && state.segments.includes(segment)) return found;
  }
  return null;
}

/** The damage of a closed segment that the disk does not give: all of it, whichever byte was refused. */
export function unreadable({ baseOffset, log }: Segment, end: Offset): FoundDamage {
  const [offset, until] = [baseOffset, asOffset(Math.max(end, baseOffset + 1))];
  return { offset, until, recoveryPoint: end, path: log.path, position: asPosition(0), reason: "unreadable" };
}

/** Where its batches have to end: written ones of the active segment, as of now. */
export function endOf(state: LogState, segment: Segment): Offset {
  const next = state.segments[state.segments.indexOf(segment) + 1];
  return next?.baseOffset ?? segment.writtenEnd;
}

class SegmentCheck {
  readonly #source: VerificationSource;
  readonly #segment: Segment;
  readonly #end: Offset;
  readonly #bytes: number;
  /** Offset and place of the newest batch that began further on than the one before ended. */
  #gap: { readonly offset: number; readonly position: number; readonly next: number } | null = null;
  #slab: Buffer;
  /** Offset and place of the next batch. */
  #next: number;
  #position = 0;

  constructor(source: VerificationSource, segment: Segment, end: Offset) {
    this.#source = source;
    this.#segment = segment;
    this.#end = end;
    this.#bytes = segment.writtenBytes;
    this.#next = segment.baseOffset;
    this.#slab = Buffer.allocUnsafeSlow(Math.min(SLAB_BYTES, this.#bytes));
  }

  async run(pace: Pace): Promise<FoundDamage | null> {
    const { state } = this.#source;
    const { generation } = state;
    while (this.#position < this.#bytes) {
      const left = this.#bytes - this.#position;
      const wanted = this.#slab.subarray(0, Math.min(this.#slab.length, left));
      let filled: number;
      try {
        filled = await readFully(this.#segment.log, wanted, this.#position);
      } catch (error: unknown) {
        // Retention was here, or a cut.
        if (!state.segments.includes(this.#segment)) return null;
        const isUnreadable = error instanceof DiskFault && error.kind === "EIO" && this.#segment.isSealed;
        if (!isUnreadable || generation !== state.generation || state.isClosed) throw error;
        this.#source.onUnreadable(error, this.#segment);
        return unreadable(this.#segment, this.#end);
      }
      if (generation !== state.generation || !state.segments.includes(this.#segment)) return null;
      if (filled < wanted.length) return this.#damage("short", filled);
      const found = this.#look(filled, left);
      if (found !== null) return found;
      const pause = pace(filled);
      if (pause !== null) await pause;
    }
    this.#segment.hasGaps ||= this.#gap !== null;
    const mayEndEarly = !this.#source.state.isGapless || this.#end - this.#segment.baseOffset > RELATIVE_OFFSET_MAX;
    const isWhole = this.#next === this.#end || (mayEndEarly && this.#next < this.#end);
    return isWhole ? null : this.#damage("missing", 0);
  }

  /** Steps over the whole batches of the slab, of which `left` bytes are the rest of the file. */
  #look(filled: number, left: number): FoundDamage | null {
    const bytes = this.#slab;
    let at = 0;
    while (at < filled) {
      const size = filled - at < BATCH_HEADER_BYTES ? 0 : batchSizeAt(bytes, at);
      const isCutOff = size === 0 || at + size > filled;
      const mayGoOn = size <= Math.min(left - at, STORED_BATCH_BYTES_MAX) && left > filled;
      if (isCutOff && mayGoOn && (size === 0 || size >= BATCH_HEADER_BYTES)) break;
      const reason = this.#badAt(at, filled);
      if (reason !== null) return this.#blame(reason, at, filled);
      const nextOffset = lastOffsetAt(bytes, at) + 1;
      if (readInt64(bytes, at) > this.#next)
        this.#gap = { offset: this.#next, position: this.#position + at, next: nextOffset };
      this.#next = nextOffset;
      at += size;
    }
    if (at === 0) this.#slab = Buffer.allocUnsafeSlow(Math.min(bytes.length * 4, left, STORED_BATCH_BYTES_MAX));
    this.#position += at;
    return null;
  }

  #badAt(at: number, filled: number): LogDamage["reason"] | null {
    const step = validateStoredBatch(this.#slab, at, filled);
    if (!step.ok) return step.reason;
    const { baseOffset, lastOffset } = step.header;
    if (baseOffset < this.#next || lastOffset >= this.#end) return "offset";
    return this.#source.epochs.holds(leaderEpochAt(this.#slab, at), baseOffset) ? null : "epoch";
  }

  #blame(reason: LogDamage["reason"], at: number, filled: number): FoundDamage {
    const gap = this.#gap;
    // It is the one before that is not where it says.
    if (reason === "offset" && gap !== null && gap.next === this.#next) {
      this.#next = gap.offset;
      return this.#damage(reason, gap.position - this.#position);
    }
    return this.#damage(reason, at, this.#believedEnd(reason, at, filled));
  }

  /** Behind a batch whose body alone is bad, which the next one shows, the log goes on; else nobody knows before the segment ends. */
  #believedEnd(reason: LogDamage["reason"], at: number, filled: number): Offset {
    const bytes = this.#slab;
    if (reason !== "crc" && reason !== "epoch") return this.#end;
    const next = at + batchSizeAt(bytes, at);
    const nextOffset = lastOffsetAt(bytes, at) + 1;
    const isNextThere = next + 8 <= filled && readInt64(bytes, next) === nextOffset;
    return isNextThere && nextOffset > this.#next && nextOffset <= this.#end ? asOffset(nextOffset) : this.#end;
  }

  #damage(reason: LogDamage["reason"], at: number, until = this.#end): FoundDamage {
    return {
      offset: asOffset(this.#next),
      until: asOffset(Math.max(until, this.#next + 1)),
      recoveryPoint: this.#end,
      path: this.#segment.log.path,
      position: asPosition(this.#position + at),
      reason,
    };
  }
}
