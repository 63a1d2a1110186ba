/**
 * Walks a segment file from its first byte to its last in large pieces, for tools: every header is checked and every CRC,
 * and a bad batch does not end the walk when the one behind it can be found. Recovery, which makes no object per batch and
 * stops at the first bad one, has a loop of its own (recovery-scan.ts).
 */
import { BATCH_HEADER_BYTES, BatchHeader, batchSizeAt, validateStoredBatch } from "@tidemark/proto";
import type { ScanFailure } from "@tidemark/proto";
import type { Disk, Timers } from "../ports/index.ts";
import { STORED_BATCH_BYTES_MAX } from "./batch-fields.ts";
import { readFullySync } from "./file-io.ts";

const SLAB_BYTES = 1024 * 1024;

/** The event loop gets its turn after this many bytes. */
const YIELD_EVERY_BYTES = 8 * 1024 * 1024;

export interface BatchVisitor {
  /** A good batch; its bytes stand at bytes[at, at + header.sizeBytes) until this returns. */
  onBatch(header: BatchHeader, position: number, bytes: Buffer, at: number): void;
  /** A batch whose sum or counts are wrong, and behind which the walk goes on. */
  onBadBatch(reason: ScanFailure, position: number, header: BatchHeader): void;
}

export interface WalkEnd {
  /** Size of the file when it was opened. */
  readonly fileBytes: number;
  /** Where the walk ended: at the end of the file, or where no batch begins. */
  readonly position: number;
  /** Null: at the end of the file. */
  readonly reason: ScanFailure | null;
}

export interface WalkHost {
  readonly disk: Disk;
  readonly timers: Timers;
  onBytes(bytes: number): void;
}

/** Rejects with DiskFault. */
export async function walkBatches(host: WalkHost, path: string, visitor: BatchVisitor): Promise<WalkEnd> {
  const file = host.disk.open(path, "read");
  try {
    const fileBytes = file.size;
    let slab = Buffer.allocUnsafeSlow(Math.min(SLAB_BYTES, fileBytes));
    let sinceYield = 0;
    let position = 0;
    while (position < fileBytes) {
      const filled = readFullySync(file, slab.subarray(0, Math.min(slab.length, fileBytes - position)), position);
      // The file may have become shorter: then it ends where the bytes do.
      const isLast = position + filled >= fileBytes || filled < slab.length;
      const step = visitPiece(slab, filled, isLast, position, visitor);
      position += step.taken;
      host.onBytes(step.taken);
      if (step.reason !== null) return { fileBytes, position, reason: step.reason };
      if (isLast) break;
      if (step.taken === 0) slab = Buffer.allocUnsafeSlow(Math.min(slab.length * 4, STORED_BATCH_BYTES_MAX));
      sinceYield += step.taken;
      if (sinceYield >= YIELD_EVERY_BYTES) {
        sinceYield = 0;
        await host.timers.yieldTurn();
      }
    }
    return { fileBytes, position, reason: null };
  } finally {
    file.closeSync();
  }
}

/** Visits the whole batches of bytes[0, filled); `isLast`: nothing comes behind them. */
function visitPiece(
  bytes: Buffer,
  filled: number,
  isLast: boolean,
  position: number,
  visitor: BatchVisitor,
): { taken: number; reason: ScanFailure | null } {
  let at = 0;
  while (at < filled) {
    const isHeaderHere = filled - at >= BATCH_HEADER_BYTES;
    const size = isHeaderHere ? batchSizeAt(bytes, at) : 0;
    const mayContinue = !isHeaderHere || (size >= BATCH_HEADER_BYTES && size <= STORED_BATCH_BYTES_MAX);
    if (!isLast && mayContinue && at + Math.max(size, BATCH_HEADER_BYTES) > filled) break;
    const step = validateStoredBatch(bytes, at, filled);
    if (step.ok) {
      visitor.onBatch(step.header, position + at, bytes, at);
    } else {
      const isSizeBelieved =
        (step.reason === "crc" || step.reason === "counts") && seemsBatch(bytes, at + size, filled);
      if (!isSizeBelieved) return { taken: at, reason: step.reason };
      visitor.onBadBatch(step.reason, position + at, new BatchHeader(bytes, at));
    }
    at += size;
  }
  return { taken: at, reason: null };
}

/** Whether what stands at `at` can be believed to be a batch, so that the size in front of it was right. */
function seemsBatch(bytes: Buffer, at: number, filled: number): boolean {
  if (at === filled) return true;
  const step = validateStoredBatch(bytes, at, filled);
  return step.ok || step.reason === "short";
}
