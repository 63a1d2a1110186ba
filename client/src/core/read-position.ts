/**
 * Where a reader stands in one partition: what it asks for next, what it hands out next, and where it ends.
 *
 * Invariant: from <= readOffset <= fetchOffset, for the fetched and not yet read records lie between the two; both only
 * rise. Batches are whole: the first record of a batch may lie before readOffset and is passed over, and offsets may have
 * gaps (semantics 12.1(3)).
 */
import { validateStoredBatch } from "@tidemark/proto";

export interface PositionOptions {
  readonly partition: number;
  readonly from: number;
  /** First offset not to read; infinite when there is none. */
  readonly to: number;
  /** Ends at the first record with this timestamp (Unix ms) or a later one; infinite when it does not. */
  readonly untilTimestamp: number;
  /** Reads beyond the end that the log has at the first answer. */
  readonly follow: boolean;
}

/** What was fetched at `fetchOffset`. */
export interface Fetched {
  readonly fetchOffset: number;
  /** The end of what this reader may see: high watermark, or last stable offset. */
  readonly visibleEnd: number;
  /** Whole batches. */
  readonly records: Buffer;
}

/** What was taken in: batches of so many bytes, the rest is damaged; null: the answer is not for where the reader stands. */
export interface Taken {
  readonly bytes: number;
  readonly recordsCount: number;
}

export class ReadPosition {
  readonly partition: number;
  readonly untilTimestamp: number;
  #from: number;
  #fetchOffset: number;
  #readOffset: number;
  #end: number;
  #isEndKnown: boolean;

  constructor(options: PositionOptions) {
    this.partition = options.partition;
    this.untilTimestamp = options.untilTimestamp;
    this.#from = options.from;
    this.#fetchOffset = options.from;
    this.#readOffset = options.from;
    this.#end = options.to;
    this.#isEndKnown = options.follow;
  }

  /** What to ask for. */
  get fetchOffset(): number {
    return this.#fetchOffset;
  }

  /** The next record to hand out has this offset or a later one. */
  get readOffset(): number {
    return this.#readOffset;
  }

  /** First offset not to hand out; infinite when the reader follows. */
  get end(): number {
    return this.#end;
  }

  /** Whether nothing was fetched yet. */
  get isUntouched(): boolean {
    return this.#fetchOffset === this.#from;
  }

  /** Whether everything was handed out. */
  get isDone(): boolean {
    return this.#isEndKnown && this.#readOffset >= this.#end;
  }

  /** Whether everything was fetched. */
  get isFetched(): boolean {
    return this.#isEndKnown && this.#fetchOffset >= this.#end;
  }

  /** Takes in what was fetched: the next fetch starts behind it. */
  onFetched(fetched: Fetched): Taken | null {
    if (fetched.fetchOffset !== this.#fetchOffset) return null;
    if (!this.#isEndKnown) {
      this.#end = Math.min(this.#end, fetched.visibleEnd);
      this.#isEndKnown = true;
    }
    const { records } = fetched;
    let recordsCount = 0;
    let bytes = 0;
    while (bytes < records.length) {
      const step = validateStoredBatch(records, bytes, records.length);
      if (!step.ok || step.header.nextOffset <= this.#fetchOffset) break;
      this.#fetchOffset = step.header.nextOffset;
      recordsCount += step.header.recordsCount;
      bytes += step.header.sizeBytes;
    }
    return { bytes, recordsCount };
  }

  /** A record was handed out, or passed over. */
  onRead(offset: number): void {
    if (offset >= this.#readOffset) this.#readOffset = offset + 1;
  }

  /** Everything before `offset` was read: the rest of a chunk held nothing. */
  onReadUpTo(offset: number): void {
    if (offset > this.#readOffset) this.#readOffset = offset;
  }

  /** Ends here, whatever lies behind. */
  finish(): void {
    this.#end = this.#readOffset;
    this.#isEndKnown = true;
  }

  /** Begins elsewhere: nothing was read yet, and the log does not begin where it did. */
  restartAt(offset: number): void {
    this.#from = offset;
    this.#fetchOffset = offset;
    this.#readOffset = offset;
  }
}
