/**
 * Offsets by time (12.4): the first record with a timestamp at or above the wanted one, and the record with the largest.
 * The time index narrows it to a stretch of batches, their headers to one batch; that one batch is opened.
 */
import { asOffset } from "../base/index.ts";
import type { Offset } from "../base/index.ts";
import { batchSizeAt, readInt64, RecordCursor } from "@tidemark/proto";
import { lastOffsetAt, maxTimestampAt } from "./batch-fields.ts";
import { readFully } from "./file-io.ts";
import { scanHeaders } from "./header-scan.ts";
import type { ReadableLog } from "./log-reader.ts";
import type { Segment } from "./segment.ts";

export interface FoundRecord {
  readonly offset: Offset;
  readonly timestamp: number;
}

/** First record in [start, limit) with timestamp >= `timestamp`. */
export async function findByTimestamp(
  log: ReadableLog,
  timestamp: number,
  start: Offset,
  limit: Offset,
): Promise<FoundRecord | null> {
  for (const segment of log.segments.slice()) {
    if (segment.endOffset <= start) continue;
    if (segment.baseOffset >= limit) break;
    await segment.ready();
    if (segment.maxTimestamp < timestamp) continue;
    let from = positionBefore(segment, timestamp);
    // A batch may hold its newest record below the start; then the next batch that is new enough is looked at.
    for (;;) {
      const batch = await firstBatch(segment, from, { start, limit }, (newest) => newest >= timestamp);
      if (batch === null) break;
      const records = await openBatch(segment, batch);
      while (records.next()) {
        if (records.offset < start || records.offset >= limit || records.timestamp < timestamp) continue;
        return { offset: asOffset(records.offset), timestamp: records.timestamp };
      }
      from = batch.position + batch.sizeBytes;
    }
  }
  return null;
}

/** The earliest of the records in [start, limit) with the largest timestamp. */
export async function findMaxTimestamp(log: ReadableLog, start: Offset, limit: Offset): Promise<FoundRecord | null> {
  let best: FoundRecord | null = null;
  for (const segment of log.segments.slice()) {
    if (segment.endOffset <= start) continue;
    if (segment.baseOffset >= limit) break;
    await segment.ready();
    if (best !== null && segment.maxTimestamp <= best.timestamp) continue;
    const found = await newestInSegment(segment, start, limit);
    if (found !== null && (best === null || found.timestamp > best.timestamp)) best = found;
  }
  return best;
}

interface Batch {
  readonly position: number;
  readonly sizeBytes: number;
}

async function newestInSegment(segment: Segment, start: Offset, limit: Offset): Promise<FoundRecord | null> {
  const isWhole = segment.baseOffset >= start && segment.endOffset <= limit;
  // Cut off at either side, the index's largest entry may name a record that is not asked for.
  const wanted = isWhole ? segment.maxTimestamp : Number.NEGATIVE_INFINITY;
  let best: FoundRecord | null = null;
  let from: number = isWhole ? positionBefore(segment, wanted) : 0;
  for (;;) {
    const least = best?.timestamp ?? Number.NEGATIVE_INFINITY;
    const batch = await firstBatch(segment, from, { start, limit }, (newest) => newest > least && newest >= wanted);
    if (batch === null) return best;
    const records = await openBatch(segment, batch);
    while (records.next()) {
      if (records.offset < start || records.offset >= limit) continue;
      if (best !== null && records.timestamp <= best.timestamp) continue;
      best = { offset: asOffset(records.offset), timestamp: records.timestamp };
    }
    if (isWhole && best !== null) return best;
    from = batch.position + batch.sizeBytes;
  }
}

/** No batch before this position has a record with `timestamp` or a newer one. */
function positionBefore(segment: Segment, timestamp: number): number {
  const slot = segment.times.floorSlot(timestamp);
  if (slot < 0) return 0;
  // An entry with exactly this timestamp names the very batch that first had it.
  const position = segment.offsets.floorPosition(segment.times.relativeOffsetAt(slot));
  // An entry of a batch that still waits for its write: all before it that is written is older.
  return Math.min(position, segment.writtenBytes);
}

/** The first batch from position `from` on, with an offset in [start, limit), whose maxTimestamp is wanted. */
async function firstBatch(
  segment: Segment,
  from: number,
  { start, limit }: { start: Offset; limit: Offset },
  isWanted: (maxTimestamp: number) => boolean,
): Promise<Batch | null> {
  // The log may have been cut since the last step.
  const to = Math.max(from, segment.writtenBytes);
  let batch: Batch | null = null;
  await scanHeaders(segment.log, from, to, (bytes, at, position) => {
    if (readInt64(bytes, at) >= limit) return false;
    if (!isWanted(maxTimestampAt(bytes, at)) || lastOffsetAt(bytes, at) < Math.max(segment.baseOffset, start))
      return true;
    batch = { position, sizeBytes: batchSizeAt(bytes, at) };
    return false;
  });
  return batch;
}

/** The records of one batch, markers included as in Kafka: they have offsets and times. They throw ProtoError where the batch is rotten. */
async function openBatch(segment: Segment, batch: Batch): Promise<RecordCursor> {
  const bytes = Buffer.allocUnsafeSlow(batch.sizeBytes);
  const length = await readFully(segment.log, bytes, batch.position);
  return new RecordCursor(bytes.subarray(0, length), { includeControl: true });
}
