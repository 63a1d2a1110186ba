/**
 * Steps from batch to batch by their headers (size and offsets), without reading bodies it need not: producer replay,
 * searches, the tail of a segment after a clean stop, an index made anew. The CRC is not looked at; recovery, which does,
 * has a loop of its own (recovery-scan.ts).
 */
import { assert } from "../base/index.ts";
import { BATCH_HEADER_BYTES, batchSizeAt } from "@tidemark/proto";
import { isControlAt } from "./batch-fields.ts";
import { readFully, readFullySync } from "./file-io.ts";
import type { Readable } from "./file-io.ts";
import { MARKER_BATCH_BYTES_MAX } from "./transaction-marker.ts";

/**
 * Sees one header at bytes[at, at + 61), whose batch begins at `position` of the file; a control batch small enough for a
 * marker is there as a whole. False ends the scan.
 */
export type HeaderVisitor = (bytes: Buffer, at: number, position: number) => boolean;

export interface ScanEnd {
  /** The first batch that was not visited to satisfaction, or the end. */
  readonly position: number;
  /** False: what stands at `position` is no batch that could end before the end of the scan. */
  readonly isWhole: boolean;
}

/** A read that only one header is wanted of. */
const SMALL_READ_BYTES = 4096;
const LARGE_READ_BYTES = 256 * 1024;

/** Scans file[from, to), at once. For tails and short distances. */
export function scanHeadersSync(file: Readable, from: number, to: number, visit: HeaderVisitor): ScanEnd {
  const walk = new HeaderWalk(from, to);
  let bytes = Buffer.allocUnsafe(SMALL_READ_BYTES);
  while (!walk.isDone) {
    const want = walk.wantBytes();
    if (want > bytes.length) bytes = Buffer.allocUnsafe(want);
    walk.feed(
      bytes,
      readFullySync(file, want === bytes.length ? bytes : bytes.subarray(0, want), walk.position),
      visit,
    );
  }
  return walk;
}

/** Scans file[from, to), off the event loop. Rejects with DiskFault. */
export async function scanHeaders(file: Readable, from: number, to: number, visit: HeaderVisitor): Promise<ScanEnd> {
  const walk = new HeaderWalk(from, to);
  let bytes = Buffer.allocUnsafe(SMALL_READ_BYTES);
  while (!walk.isDone) {
    const want = walk.wantBytes();
    if (want > bytes.length) bytes = Buffer.allocUnsafeSlow(want);
    walk.feed(bytes, await readFully(file, bytes.subarray(0, want), walk.position), visit);
  }
  return walk;
}

/** Where a scan stands; the callers read, it walks. */
class HeaderWalk implements ScanEnd {
  position: number;
  isWhole = true;
  isDone: boolean;
  readonly #to: number;
  #lastBatchBytes = 0;
  #readsCount = 0;

  constructor(from: number, to: number) {
    assert(from <= to, `scan from ${from} to ${to}`);
    this.position = from;
    this.#to = to;
    this.isDone = from === to;
  }

  /** Small at first and among large batches, of whose bytes most would be read in vain. */
  wantBytes(): number {
    const isFewWanted = this.#readsCount === 0 || this.#lastBatchBytes > LARGE_READ_BYTES / 8;
    return Math.min(isFewWanted ? SMALL_READ_BYTES : LARGE_READ_BYTES, this.#to - this.position);
  }

  feed(bytes: Buffer, length: number, visit: HeaderVisitor): void {
    const start = this.position;
    this.#readsCount += 1;
    for (;;) {
      if (this.position === this.#to) return this.#end(true);
      const at = this.position - start;
      if (at + BATCH_HEADER_BYTES > length) break;
      const size = batchSizeAt(bytes, at);
      if (size < BATCH_HEADER_BYTES || size > this.#to - this.position) return this.#end(false);
      if (isControlAt(bytes, at) && at + Math.min(size, MARKER_BATCH_BYTES_MAX) > length) break;
      this.#lastBatchBytes = size;
      if (!visit(bytes, at, this.position)) return this.#end(true);
      this.position += size;
    }
    // No step was made: the file ends before the header does.
    if (this.position === start) this.#end(false);
  }

  #end(isWhole: boolean): void {
    this.isWhole = isWhole;
    this.isDone = true;
  }
}
