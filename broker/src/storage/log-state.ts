/**
 * What one log knows of itself, shared by its parts (segmented-log.ts, log-writer.ts, log-truncation.ts, log-trim.ts): its
 * segments and its ends. Holds, and asserts; decides nothing.
 *
 * Invariant: log start <= high watermark <= log end; written end <= log end.
 */
import { asOffset, assert } from "../base/index.ts";
import type { Offset } from "../base/index.ts";
import type { ReadableLog } from "./log-reader.ts";
import type { Segment } from "./segment.ts";

export interface LogStateOptions {
  readonly segments: Segment[];
  readonly logStartOffset: Offset;
  readonly durableBase: number;
  readonly highWatermark: number;
  readonly isTouched: boolean;
  readonly isGapless: boolean;
}

export class LogState implements ReadableLog {
  /** Ascending, the active one last; never empty. */
  readonly segments: Segment[];
  active: Segment;
  /** Rises with every truncation: what was read or synced before it counts for nothing after. */
  generation = 0;
  /** Rises when old segments leave: whoever still reads one may find its file gone. */
  removals = 0;

  logStartOffset: Offset;
  /** What of it would survive a crash; a log start above is on its way to the checkpoint. */
  durableLogStart: Offset;
  /** The checkpoint says no less: what was deleted stays deleted, though the log has begun anew below. */
  promisedLogStart = 0;
  /** No file of a segment below it is there, durably. A log start above it has to stand in the checkpoint. */
  durableBase: number;
  logEndOffset: Offset;
  writtenEnd: Offset;
  #highWatermark: Offset;

  isTruncating = false;
  isClosed = false;
  isOffline = false;
  /** Never compacted, as far as this life knows: nothing lies between two batches. */
  isGapless: boolean;
  /** False: nothing happened since a clean stop, and a stop has nothing to write. */
  isTouched: boolean;

  constructor(options: LogStateOptions) {
    const { segments, logStartOffset } = options;
    this.durableBase = options.durableBase;
    this.segments = segments;
    this.active = lastOf(segments);
    this.logStartOffset = logStartOffset;
    this.durableLogStart = logStartOffset;
    this.logEndOffset = this.active.endOffset;
    this.writtenEnd = this.active.endOffset;
    this.#highWatermark = asOffset(Math.min(Math.max(options.highWatermark, logStartOffset), this.logEndOffset));
    this.isTouched = options.isTouched;
    this.isGapless = options.isGapless;
  }

  get highWatermark(): Offset {
    return this.#highWatermark;
  }

  set highWatermark(offset: Offset) {
    assert(offset >= this.logStartOffset && offset <= this.logEndOffset, "the high watermark lies inside the log");
    this.#highWatermark = offset;
  }

  /** Where the log starts after a crash, once all that is asked for is durable. */
  get logStartToKeep(): Offset {
    return asOffset(Math.max(this.logStartOffset, this.promisedLogStart));
  }

  /** A segment begins at `offset`, beyond the log end: there is nothing between. */
  skipTo(offset: Offset): void {
    this.logEndOffset = offset;
    this.writtenEnd = offset;
  }

  /** The log is empty, and starts and ends at `offset`; after a crash it starts at `promisedLogStart` if that is above. */
  startAnewAt(offset: Offset, promisedLogStart: Offset): void {
    this.promisedLogStart = promisedLogStart;
    // Files come that lie below: until they have gone the checkpoint has to name what it is.
    this.durableBase = Math.min(this.durableBase, offset);
    this.logStartOffset = offset;
    this.durableLogStart = asOffset(Math.min(this.durableLogStart, promisedLogStart));
    this.logEndOffset = offset;
    this.writtenEnd = offset;
    this.#highWatermark = offset;
  }

  /** The log ends at `end` now, and all of it is written. */
  endAt(end: Offset): void {
    this.logEndOffset = end;
    this.writtenEnd = end;
    this.#highWatermark = asOffset(Math.min(this.#highWatermark, end));
  }
}

export function lastOf(segments: readonly Segment[]): Segment {
  const last = segments.at(-1);
  assert(last !== undefined, "a log has a segment");
  return last;
}
