/** The sparse indexes of a segment, made anew from the headers of its batches. */
import type { Offset } from "../base/index.ts";
import { NO_TIMESTAMP } from "@tidemark/proto";
import { lastOffsetAt, maxTimestampAt } from "./batch-fields.ts";
import { OffsetIndex } from "./offset-index.ts";
import { TimeIndex } from "./time-index.ts";

/** Indexes on the way: the rule of `admit`, applied to batches that are already there. */
export class IndexRebuild {
  readonly offsets = OffsetIndex.empty();
  readonly times = TimeIndex.empty();
  maxTimestamp = NO_TIMESTAMP;
  maxTimestampOffset: number;
  readonly #baseOffset: Offset;
  readonly #intervalBytes: number;
  #lastEntryAt = 0;

  constructor(baseOffset: Offset, intervalBytes: number) {
    this.#baseOffset = baseOffset;
    this.#intervalBytes = intervalBytes;
    this.maxTimestampOffset = baseOffset;
  }

  visit(bytes: Buffer, at: number, position: number): boolean {
    const lastOffset = lastOffsetAt(bytes, at);
    const timestamp = maxTimestampAt(bytes, at);
    if (timestamp > this.maxTimestamp) {
      this.maxTimestamp = timestamp;
      this.maxTimestampOffset = lastOffset;
    }
    if (position - this.#lastEntryAt > this.#intervalBytes) {
      this.offsets.add(lastOffset - this.#baseOffset, position);
      this.times.maybeAdd(this.maxTimestamp, this.maxTimestampOffset - this.#baseOffset);
      this.#lastEntryAt = position;
    }
    return true;
  }
}
