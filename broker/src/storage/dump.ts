/**
 * Reads the files of a log as they stand, without a log around them: for `logs dump-segment` and whoever else looks into a
 * data directory, a broker's or one that Kafka stopped. Nothing is written, no lock is needed; a file that grows meanwhile
 * is shown up to where it ended when it was opened.
 *
 * A segment is walked batch by batch with every CRC checked. The first thing that is no good batch ends the walk and is
 * said in the last entry: what stands behind it cannot be found by offsets.
 */
import { BATCH_HEADER_BYTES, batchSizeAt, decodeRecords, ProtoError, validateStoredBatch } from "@tidemark/proto";
import type { BatchHeader, DecodedRecord, ScanFailure } from "@tidemark/proto";
import type { Disk, File } from "../ports/index.ts";
import { STORED_BATCH_BYTES_MAX } from "./batch-fields.ts";
import { offsetOfName } from "./directory-names.ts";
import { readFullySync, readWholeFile } from "./file-io.ts";
import { OffsetIndex } from "./offset-index.ts";
import { decodeProducerSnapshot } from "./producer-snapshot.ts";
import { LOG_SUFFIX, OFFSET_INDEX_SUFFIX, TIME_INDEX_SUFFIX } from "./segment.ts";
import { SNAPSHOT_SUFFIX } from "./snapshot-store.ts";
import { TimeIndex } from "./time-index.ts";

export interface DumpedBatch {
  readonly kind: "batch";
  /** Byte place in the file. */
  readonly position: number;
  readonly header: BatchHeader;
  /** The records, opened at the call. Throws ProtoError: an unknown codec, a batch that lies about its records. */
  records(): readonly DecodedRecord[];
}

/** Where the good batches end before the file does. */
export interface DumpedDamage {
  readonly kind: "bad";
  readonly position: number;
  readonly reason: ScanFailure;
  /** Bytes from there to the end of the file. */
  readonly bytesLeft: number;
}

/** Walks the batches of a `.log` file. Throws DiskFault. */
export function* dumpSegment(disk: Disk, path: string): Generator<DumpedBatch | DumpedDamage, void> {
  const file = disk.open(path, "read");
  try {
    for (let position = 0; position < file.size; ) {
      const bytes = readBatch(file, position);
      const step = validateStoredBatch(bytes, 0, bytes.length);
      if (!step.ok) {
        yield { kind: "bad", position, reason: step.reason, bytesLeft: file.size - position };
        return;
      }
      yield {
        kind: "batch",
        position,
        header: step.header,
        records: () => decodeRecords(bytes, 0, { verifyCrc: false }),
      };
      position += step.header.sizeBytes;
    }
  } finally {
    file.closeSync();
  }
}

/** The bytes of the batch at `position`, or as many as there are; each batch gets memory of its own. */
function readBatch(file: File, position: number): Buffer {
  const head = Buffer.allocUnsafe(BATCH_HEADER_BYTES);
  const length = readFullySync(file, head, position);
  if (length < BATCH_HEADER_BYTES) return head.subarray(0, length);
  const size = batchSizeAt(head, 0);
  const isReadable = size >= BATCH_HEADER_BYTES && size <= STORED_BATCH_BYTES_MAX && position + size <= file.size;
  if (!isReadable) return head;
  const bytes = Buffer.allocUnsafeSlow(size);
  return bytes.subarray(0, readFullySync(file, bytes, position));
}

export type DumpedFile =
  | {
      readonly kind: "offset-index";
      readonly entries: readonly { readonly offset: number; readonly position: number }[];
    }
  | {
      readonly kind: "time-index";
      readonly entries: readonly { readonly timestamp: number; readonly offset: number }[];
    }
  | {
      readonly kind: "producer-snapshot";
      readonly entries: readonly {
        readonly producerId: number;
        readonly producerEpoch: number;
        readonly lastSequence: number;
        readonly lastOffset: number;
        readonly lastTimestamp: number;
      }[];
    };

/**
 * What a `.index`, `.timeindex` or `.snapshot` file says. Throws ProtoError CORRUPT_MESSAGE when it is not whole,
 * INVALID_REQUEST when the name is none of these (a `.log` is for `dumpSegment`), and DiskFault.
 */
export function dumpFile(disk: Disk, path: string): DumpedFile {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const bytes = readWholeFile(disk, path);
  const corrupt = (): ProtoError => new ProtoError("CORRUPT_MESSAGE", `${path} is missing or not whole`);
  const indexBase = offsetOfName(name, OFFSET_INDEX_SUFFIX);
  if (indexBase !== null) {
    const index = bytes === null ? null : OffsetIndex.parse(bytes);
    if (index === null) throw corrupt();
    const slots = Array.from({ length: index.count }, (_, slot) => slot);
    const entries = slots.map((slot) => ({
      offset: indexBase + index.relativeOffsetAt(slot),
      position: index.positionAt(slot),
    }));
    return { kind: "offset-index", entries };
  }
  const timeBase = offsetOfName(name, TIME_INDEX_SUFFIX);
  if (timeBase !== null) {
    const index = bytes === null ? null : TimeIndex.parse(bytes);
    if (index === null) throw corrupt();
    const slots = Array.from({ length: index.count }, (_, slot) => slot);
    const entries = slots.map((slot) => ({
      timestamp: index.timestampAt(slot),
      offset: timeBase + index.relativeOffsetAt(slot),
    }));
    return { kind: "time-index", entries };
  }
  if (offsetOfName(name, SNAPSHOT_SUFFIX) !== null) {
    const state = bytes === null ? null : decodeProducerSnapshot(bytes, 0);
    if (state === null) throw corrupt();
    const entries = [...state.producers()].map(
      ({ producerId, producerEpoch, lastSequence, batches, lastTimestamp }) => ({
        producerId,
        producerEpoch,
        lastSequence,
        lastOffset: batches.at(-1)?.lastOffset ?? -1,
        lastTimestamp,
      }),
    );
    return { kind: "producer-snapshot", entries };
  }
  throw new ProtoError(
    "INVALID_REQUEST",
    `${name} is no file of a segment (${LOG_SUFFIX}, ${OFFSET_INDEX_SUFFIX}, ${TIME_INDEX_SUFFIX}, ${SNAPSHOT_SUFFIX})`,
  );
}
