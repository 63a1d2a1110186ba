/**
 * Reads of one log (12.1(3)): whole batches from the one that contains an offset on, below a limit, never across two
 * segments. The place comes from the index (floor entry, then headers), or from a hint that the last read of a sequential
 * reader left behind; the bytes go straight into the caller's memory.
 *
 * What of a batch lies outside its CRC is held against what the log knows: an epoch that did not hold there, and an offset
 * further on than the one before ends, in a log that was not compacted, end a read. Somebody looks closer then (verify).
 *
 * Bytes near the end of the active segment are in the page cache and are read at once; all others off the event loop. A
 * read that was overtaken by a truncation (the log's generation rose) answers with nothing: its caller looks again. What
 * clients and followers ask for waits for a slot of the disk: a pool full of reads would hold up writes and syncs.
 */
import { asOffset } from "../base/index.ts";
import type { Offset } from "../base/index.ts";
import { BATCH_HEADER_BYTES, batchSizeAt, readInt64 } from "@tidemark/proto";
import { lastOffsetAt, lastOffsetDeltaAt, leaderEpochAt } from "./batch-fields.ts";
import { readFully, readFullySync } from "./file-io.ts";
import { scanHeaders, scanHeadersSync } from "./header-scan.ts";
import type { HeaderVisitor } from "./header-scan.ts";
import type { Segment } from "./segment.ts";
import type { SyncSlots } from "./sync-slots.ts";
import type { ReadResult, ReadSpan } from "./types.ts";

/** How far from the end of the active segment bytes still count as hot. */
const TAIL_BYTES = 8 * 1024 * 1024;

/** Sequential readers of one log whose places are remembered. */
const HINTS_KEPT = 8;

const NO_BYTES = Buffer.alloc(0);

/** What of a log those see who read it. */
export interface ReadableLog {
  /** Ascending, the active one last. */
  readonly segments: readonly Segment[];
  /** Raised by every truncation. */
  readonly generation: number;
}

/** What the log knows of its batches beside their bytes. */
export interface ReaderSource extends ReadableLog {
  /** Whether a batch of this leader epoch may begin there. */
  isOfEpoch(epoch: number, baseOffset: number): boolean;
  /** Nothing lies between two batches of the segment, as far as is known. */
  isGapless(segment: Segment): boolean;
}

interface Place {
  readonly segment: Segment;
  readonly position: number;
}

/** A batch whose base offset is `offset` begins at `position`. */
interface Hint {
  readonly segment: Segment;
  readonly offset: number;
  readonly position: number;
}

export class LogReader {
  readonly #log: ReaderSource;
  readonly #slots: SyncSlots;
  readonly #hints: (Hint | undefined)[] = [];
  #hintSlot = 0;

  constructor(log: ReaderSource, slots: SyncSlots) {
    this.#log = log;
    this.#slots = slots;
  }

  async read(offset: Offset, maxBytes: number, limit: Offset): Promise<ReadResult> {
    const generation = this.#log.generation;
    const place = await this.#find(offset, limit);
    if (place === null || generation !== this.#log.generation) return nothing(offset);
    let room = roomFor(place, maxBytes);
    for (;;) {
      const bytes = Buffer.allocUnsafeSlow(room);
      const span = await this.#readAt(place, bytes, 0, offset, limit);
      if (span.bytes > 0) return { records: bytes.subarray(0, span.bytes), nextOffset: span.nextOffset };
      if (span.firstBatchBytes <= room) return nothing(offset);
      room = span.firstBatchBytes;
    }
  }

  readInto(into: Buffer, at: number, offset: Offset, limit: Offset): Promise<ReadSpan> {
    const generation = this.#log.generation;
    return this.#slots.runAsync(async () => {
      if (generation !== this.#log.generation) return noSpan(offset);
      const place = await this.#find(offset, limit);
      if (place === null || generation !== this.#log.generation) return noSpan(offset);
      return this.#readAt(place, into, at, offset, limit);
    });
  }

  readTail(offset: Offset, maxBytes: number, limit: Offset): ReadResult | null {
    const place = this.#findInTail(offset, limit);
    if (place === null || place === "elsewhere") return place === null ? nothing(offset) : null;
    let room = roomFor(place, maxBytes);
    for (;;) {
      const bytes = Buffer.allocUnsafeSlow(room);
      const span = this.#readTailAt(place, bytes, 0, offset, limit);
      if (span.bytes > 0) return { records: bytes.subarray(0, span.bytes), nextOffset: span.nextOffset };
      if (span.firstBatchBytes <= room) return nothing(offset);
      room = span.firstBatchBytes;
    }
  }

  readTailInto(into: Buffer, at: number, offset: Offset, limit: Offset): ReadSpan | null {
    const place = this.#findInTail(offset, limit);
    if (place === "elsewhere") return null;
    return place === null ? noSpan(offset) : this.#readTailAt(place, into, at, offset, limit);
  }

  /** The batch that contains `offset`, or the next one; null beyond the end. */
  async locate(offset: number): Promise<(Place & { readonly baseOffset: number }) | null> {
    const { segments } = this.#log;
    // A copy: old segments may leave the list between two steps.
    for (const segment of segments.slice(Math.max(0, slotOf(segments, offset)))) {
      await segment.ready();
      const search = new BatchSearch(offset);
      const from = segment.offsets.floorPosition(Math.max(0, offset - segment.baseOffset));
      await scanHeaders(segment.log, from, segment.writtenBytes, search.visit);
      // Behind the last batch of a segment comes the next segment.
      if (search.position >= 0) return { segment, position: search.position, baseOffset: search.baseOffset };
    }
    return null;
  }

  // ---- where ----

  async #find(offset: Offset, limit: Offset): Promise<Place | null> {
    return offset >= limit ? null : (this.#hinted(offset) ?? (await this.locate(offset)));
  }

  #findInTail(offset: Offset, limit: Offset): Place | null | "elsewhere" {
    if (offset >= limit) return null;
    const active = this.#log.segments.at(-1);
    if (active === undefined || offset < active.baseOffset) return "elsewhere";
    const hotFrom = active.writtenBytes - TAIL_BYTES;
    const hinted = this.#hinted(offset);
    if (hinted !== null) return hinted.position >= hotFrom ? hinted : "elsewhere";
    const from = active.offsets.floorPosition(offset - active.baseOffset);
    if (from < hotFrom) return "elsewhere";
    const search = new BatchSearch(offset);
    scanHeadersSync(active.log, from, active.writtenBytes, search.visit);
    return search.position < 0 ? null : { segment: active, position: search.position };
  }

  #hinted(offset: number): Place | null {
    for (const hint of this.#hints) {
      if (hint === undefined || hint.offset !== offset) continue;
      if (hint.position < hint.segment.writtenBytes && this.#log.segments.includes(hint.segment)) return hint;
    }
    return null;
  }

  #leaveHint(segment: Segment, offset: number, position: number): void {
    this.#hints[this.#hintSlot] = { segment, offset, position };
    this.#hintSlot = (this.#hintSlot + 1) % HINTS_KEPT;
  }

  /** The log was cut: remembered places may lie behind its end, or be other batches' soon. */
  forget(): void {
    this.#hints.length = 0;
    this.#hintSlot = 0;
  }

  // ---- what ----

  async #readAt(place: Place, into: Buffer, at: number, offset: Offset, limit: Offset): Promise<ReadSpan> {
    const generation = this.#log.generation;
    const target = this.#target(place, into, at);
    const length = await readFully(place.segment.log, target, place.position);
    if (generation !== this.#log.generation) return noSpan(offset);
    return this.#measure(place, target, length, offset, limit);
  }

  #readTailAt(place: Place, into: Buffer, at: number, offset: Offset, limit: Offset): ReadSpan {
    const target = this.#target(place, into, at);
    return this.#measure(place, target, readFullySync(place.segment.log, target, place.position), offset, limit);
  }

  /** Not beyond what is written: more may stand in the file, half written. Room for less than a header tells its size only. */
  #target({ segment, position }: Place, into: Buffer, at: number): Buffer {
    const leftBytes = segment.writtenBytes - position;
    if (into.length - at < BATCH_HEADER_BYTES) return Buffer.allocUnsafe(Math.min(BATCH_HEADER_BYTES, leftBytes));
    return into.subarray(at, Math.min(into.length, at + leftBytes));
  }

  /** How much of what was read is whole batches below the limit. */
  #measure(place: Place, bytes: Buffer, length: number, offset: Offset, limit: Offset): ReadSpan {
    let at = 0;
    let nextOffset: number = offset;
    let firstBatchBytes = 0;
    const leftBytes = place.segment.writtenBytes - place.position;
    const isGapless = this.#log.isGapless(place.segment);
    while (at + BATCH_HEADER_BYTES <= length) {
      const size = batchSizeAt(bytes, at);
      const baseOffset = readInt64(bytes, at);
      const lastOffset = baseOffset + lastOffsetDeltaAt(bytes, at);
      // Bytes that are no batch are damage; what stands before them is good. A length that has rotted asks for no memory.
      const isBatch = size >= BATCH_HEADER_BYTES && size <= leftBytes - at && lastOffset >= nextOffset;
      if (!isBatch || lastOffset >= limit || (isGapless && baseOffset > nextOffset)) break;
      if (!this.#log.isOfEpoch(leaderEpochAt(bytes, at), baseOffset)) break;
      if (at === 0) firstBatchBytes = size;
      if (at + size > length) break;
      at += size;
      nextOffset = lastOffset + 1;
    }
    if (at > 0) this.#leaveHint(place.segment, nextOffset, place.position + at);
    return { bytes: at, nextOffset: asOffset(nextOffset), firstBatchBytes };
  }
}

/** Finds the first batch whose last offset is at or beyond the wanted one. */
class BatchSearch {
  /** Of that batch; -1 = not found. */
  position = -1;
  baseOffset = -1;
  readonly visit: HeaderVisitor;

  constructor(offset: number) {
    this.visit = (bytes, at, position): boolean => {
      if (lastOffsetAt(bytes, at) < offset) return true;
      this.position = position;
      this.baseOffset = readInt64(bytes, at);
      return false;
    };
  }
}

/** The newest segment whose base is at or below `offset`; -1 = none. */
export function slotOf(segments: readonly Segment[], offset: number): number {
  let low = 0;
  let high = segments.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((segments[middle]?.baseOffset ?? 0) <= offset) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** At least a header, at most what the segment still has. */
function roomFor({ segment, position }: Place, maxBytes: number): number {
  return Math.min(Math.max(maxBytes, BATCH_HEADER_BYTES), segment.writtenBytes - position);
}

function nothing(offset: Offset): ReadResult {
  return { records: NO_BYTES, nextOffset: offset };
}

function noSpan(offset: Offset): ReadSpan {
  return { bytes: 0, nextOffset: offset, firstBatchBytes: 0 };
}
