/** Record batches of about a wanted size, as a producer would send them: random values, so that nothing compresses. */
import { RecordBatchBuilder, writeInt64 } from "@tidemark/proto";
import { randomBytes } from "node:crypto";

/** Different payloads that either side sends in turn: one that stays in the processor's cache would flatter. */
export const PAYLOADS = 32;

/** `count` different batches of at most `bytes` bytes each (and nearly that), of values of `valueBytes`. */
export function makeBatches(bytes: number, count: number, valueBytes = Math.min(1000, bytes >> 2)): Buffer[] {
  return Array.from({ length: count }, () => {
    const builder = new RecordBatchBuilder({ initialBytes: bytes });
    const value = randomBytes(valueBytes);
    while (builder.sizeBytes + valueBytes + 24 < bytes) builder.append(1_700_000_000_000, null, value, null);
    return builder.build({});
  });
}

/** A batch as it came from its producer: the log writes the base offset into the bytes that it is handed. */
export function fresh(batch: Buffer | undefined): Buffer {
  const bytes = batch ?? Buffer.alloc(8);
  writeInt64(bytes, 0, 0);
  return bytes;
}
