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
import { parseEpochs, parseOffsets } from "./checkpoint-file.ts";
import { offsetOfName } from "./directory-names.ts";
import { EPOCH_CHECKPOINT } from "./epoch-file.ts";
import { readFullySync, readWholeFile } from "./file-io.ts";
import { OffsetIndex } from "./offset-index.ts";
import { decodeProducerSnapshot } from "./producer-snapshot.ts";
import { LOG_SUFFIX, OFFSET_INDEX_SUFFIX, TIME_INDEX_SUFFIX } from "./segment.ts";
import { SNAPSHOT_SUFFIX } from "./snapshot-store.ts";
import { TimeIndex } from "./time-index.ts";
import { decodeTxnIndex, TXN_INDEX_SUFFIX } from "./txn-index-file.ts";
import type { AbortedTransaction } from "./txn-index-file.ts";
import { INDEX_BYTES_MAX } from "./verify-segment.ts";

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
        /** Last offset - first offset of that batch. */
        readonly offsetDelta: number;
        readonly lastTimestamp: number;
        /** -1 = no transaction marker so far. */
        readonly coordinatorEpoch: number;
        /** First offset of the open transaction; -1 = none. */
        readonly currentTxnFirstOffset: number;
      }[];
    }
  | { readonly kind: "transaction-index"; readonly entries: readonly AbortedTransaction[] }
  | {
      readonly kind: "offsets-checkpoint";
      readonly entries: readonly { readonly partition: string; readonly offset: number }[];
    }
  | {
      readonly kind: "epoch-checkpoint";
      readonly entries: readonly { readonly epoch: number; readonly startOffset: number }[];
    };

/**
 * What a file beside the segments says: `.index`, `.timeindex`, `.txnindex`, `.snapshot`, a checkpoint. Throws ProtoError
 * CORRUPT_MESSAGE when it is not whole, INVALID_REQUEST when the name is none of these (a `.log` is for `dumpSegment`), and
 * DiskFault.
 */
export function dumpFile(disk: Disk, path: string): DumpedFile {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const read = READERS.find((reader) => reader.isOf(name));
  if (read === undefined) {
    throw new ProtoError(
      "INVALID_REQUEST",
      `${name} is no file of a log that can be shown (${LOG_SUFFIX}, ${SHOWN_SUFFIXES.join(", ")}, *-checkpoint)`,
    );
  }
  const size = disk.sizeOf(path);
  const bytes = size === null || size > INDEX_BYTES_MAX ? null : readWholeFile(disk, path);
  const dumped = bytes === null ? null : read.read(bytes, name);
  if (dumped === null) throw new ProtoError("CORRUPT_MESSAGE", `${path} is missing or not whole`);
  return dumped;
}

interface FileReader {
  isOf(name: string): boolean;
  /** Null: not whole. */
  read(bytes: Buffer, name: string): DumpedFile | null;
}

const SHOWN_SUFFIXES = [OFFSET_INDEX_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX, SNAPSHOT_SUFFIX] as const;

const READERS: readonly FileReader[] = [
  { isOf: (name) => offsetOfName(name, OFFSET_INDEX_SUFFIX) !== null, read: readOffsetIndex },
  { isOf: (name) => offsetOfName(name, TIME_INDEX_SUFFIX) !== null, read: readTimeIndex },
  { isOf: (name) => offsetOfName(name, TXN_INDEX_SUFFIX) !== null, read: readTxnIndex },
  { isOf: (name) => offsetOfName(name, SNAPSHOT_SUFFIX) !== null, read: readSnapshot },
  { isOf: (name) => name === EPOCH_CHECKPOINT, read: readEpochs },
  { isOf: (name) => name.endsWith("-offset-checkpoint"), read: readOffsets },
];

function readOffsetIndex(bytes: Buffer, name: string): DumpedFile | null {
  const index = OffsetIndex.parse(bytes);
  if (index === null) return null;
  const base = offsetOfName(name, OFFSET_INDEX_SUFFIX) ?? 0;
  const entries = slotsOf(index.count).map((slot) => ({
    offset: base + index.relativeOffsetAt(slot),
    position: index.positionAt(slot),
  }));
  return { kind: "offset-index", entries };
}

function readTimeIndex(bytes: Buffer, name: string): DumpedFile | null {
  const index = TimeIndex.parse(bytes);
  if (index === null) return null;
  const base = offsetOfName(name, TIME_INDEX_SUFFIX) ?? 0;
  const entries = slotsOf(index.count).map((slot) => ({
    timestamp: index.timestampAt(slot),
    offset: base + index.relativeOffsetAt(slot),
  }));
  return { kind: "time-index", entries };
}

function readTxnIndex(bytes: Buffer): DumpedFile | null {
  const entries = decodeTxnIndex(bytes);
  return entries === null ? null : { kind: "transaction-index", entries };
}

function readSnapshot(bytes: Buffer): DumpedFile | null {
  const state = decodeProducerSnapshot(bytes, 0);
  if (state === null) return null;
  const entries = [...state.producers()].map((producer) => {
    const batch = producer.batches.at(-1);
    return {
      producerId: producer.producerId,
      producerEpoch: producer.producerEpoch,
      lastSequence: producer.lastSequence,
      lastOffset: batch?.lastOffset ?? -1,
      offsetDelta: batch === undefined ? 0 : batch.lastOffset - batch.baseOffset,
      lastTimestamp: producer.lastTimestamp,
      coordinatorEpoch: producer.coordinatorEpoch,
      currentTxnFirstOffset: producer.currentTxnFirstOffset,
    };
  });
  return { kind: "producer-snapshot", entries };
}

function readEpochs(bytes: Buffer): DumpedFile | null {
  const parsed = parseEpochs(bytes.toString("utf8"));
  return parsed.ok ? { kind: "epoch-checkpoint", entries: parsed.entries } : null;
}

function readOffsets(bytes: Buffer): DumpedFile | null {
  const parsed = parseOffsets(bytes.toString("utf8"));
  if (!parsed.ok) return null;
  return {
    kind: "offsets-checkpoint",
    entries: [...parsed.entries].map(([partition, offset]) => ({ partition, offset })),
  };
}

function slotsOf(count: number): number[] {
  return Array.from({ length: count }, (_, slot) => slot);
}
