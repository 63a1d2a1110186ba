/**
 * A batch that is too large for its topic, as two. The broker refused it before it looked at its sequence, so both halves
 * keep their places in it: the first starts where the whole started, the second right behind the first.
 */
import { type CodecId, RecordBatchBuilder, RecordCursor, sequenceAfter } from "@tidemark/proto";
import { assert } from "./assert.ts";
import { Batch } from "./batch.ts";

export function splitBatch<C>(whole: Batch<C>, codec: CodecId): [Batch<C>, Batch<C>] {
  assert(whole.recordsCount > 1, "a batch of one record cannot be split");
  const firstCount = Math.ceil(whole.recordsCount / 2);
  const cursor = new RecordCursor(whole.records, { verifyCrc: false });
  const first = takeRecords(whole, cursor, { from: 0, count: firstCount, codec });
  const second = takeRecords(whole, cursor, { from: firstCount, count: whole.recordsCount - firstCount, codec });
  return [first, second];
}

function takeRecords<C>(
  whole: Batch<C>,
  cursor: RecordCursor,
  part: { readonly from: number; readonly count: number; readonly codec: CodecId },
): Batch<C> {
  const half = new Batch<C>(whole.ordinal + part.from, whole.createdAt);
  const builder = new RecordBatchBuilder({ initialBytes: whole.sizeBytes });
  while (half.recordsCount < part.count && cursor.next()) {
    builder.append(cursor.timestamp, cursor.key, cursor.value, cursor.headers);
    half.recordsCount += 1;
  }
  assert(half.recordsCount === part.count, "a batch holds as many records as were counted");
  half.sizeBytes = builder.sizeBytes;
  half.records = builder.build({ codec: part.codec });
  half.attempts = whole.attempts;
  half.lastError = whole.lastError;
  if (whole.identity !== null) {
    half.identity = { ...whole.identity, sequence: sequenceAfter(whole.identity.sequence, part.from) };
  }
  for (const [index, completion] of whole.completions.entries()) {
    const slot = whole.slotOf(index) - part.from;
    if (slot >= 0 && slot < part.count) half.complete(completion, slot, whole.timestamps[index] ?? -1);
  }
  return half;
}
