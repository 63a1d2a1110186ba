/** Record batches for tests: well-formed ones, and ways to spoil them. */
import { BatchField, crc32c, RecordBatchBuilder, RecordCursor } from "@tidemark/proto";

export interface BatchSpec {
  readonly values?: readonly string[];
  readonly timestamp?: number;
  readonly producerId?: number;
  readonly producerEpoch?: number;
  readonly baseSequence?: number;
}

export function batch(spec: BatchSpec = {}): Buffer {
  const builder = new RecordBatchBuilder();
  for (const value of spec.values ?? ["one"])
    builder.append(spec.timestamp ?? 1_700_000_000_000, null, Buffer.from(value), null);
  const { producerId, producerEpoch = 0, baseSequence = 0 } = spec;
  return builder.build(producerId === undefined ? {} : { producerId, producerEpoch, baseSequence });
}

/** A copy, changed by `spoil`; with a right CRC unless `keepCrc`. */
export function spoiled(bytes: Buffer, spoil: (bytes: Buffer) => void, options: { keepCrc?: boolean } = {}): Buffer {
  const copy = Buffer.from(bytes);
  spoil(copy);
  if (options.keepCrc !== true) copy.writeUInt32BE(crc32c(copy, BatchField.ATTRIBUTES, copy.length), BatchField.CRC);
  return copy;
}

/** Offset and value of every record in batches that lie back to back. */
export function recordsOf(batches: Buffer): { offset: number; value: string }[] {
  const cursor = new RecordCursor(batches, { verifyCrc: true });
  const records: { offset: number; value: string }[] = [];
  while (cursor.next()) records.push({ offset: cursor.offset, value: cursor.value?.toString() ?? "null" });
  return records;
}
