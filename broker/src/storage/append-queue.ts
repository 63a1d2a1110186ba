/**
 * The batches of one turn between `append` and the write: their bytes, in order, for one vectored write, and what it takes
 * to let the last of them go back when that write fails (3.1(12)).
 */
import type { Offset } from "../base/index.ts";
import { DiskFault } from "../ports/index.ts";
import type { Writable } from "./file-io.ts";
import type { KeptProducer } from "./producer-state.ts";

export interface QueuedBatch {
  readonly sizeBytes: number;
  readonly nextOffset: Offset;
  readonly maxTimestamp: number;
  /** -1 = none. */
  readonly producerId: number;
  /** Its producer as it was before. */
  readonly producerBefore: KeptProducer | undefined;
}

export interface WriteOutcome {
  readonly fault: DiskFault | null;
  /** Bytes that are in the file for certain. */
  readonly bytesDone: number;
}

export class AppendQueue {
  readonly #batches: QueuedBatch[] = [];
  readonly #buffers: Uint8Array[] = [];
  #sizeBytes = 0;

  get isEmpty(): boolean {
    return this.#batches.length === 0;
  }

  push(bytes: Uint8Array, batch: QueuedBatch): void {
    this.#buffers.push(bytes);
    this.#batches.push(batch);
    this.#sizeBytes += batch.sizeBytes;
  }

  /** Writes everything at `at`, in one call if the file takes it. The queue stays as it is. */
  write(file: Writable, at: number): WriteOutcome {
    let buffers: readonly Uint8Array[] = this.#buffers;
    let bytesDone = 0;
    try {
      for (;;) {
        const written = file.writevSync(buffers, at + bytesDone);
        bytesDone += written;
        if (bytesDone === this.#sizeBytes) return { fault: null, bytesDone };
        if (written === 0) return { fault: new DiskFault("ENOSPC", "write", file.path), bytesDone };
        buffers = skip(buffers, written);
      }
    } catch (error: unknown) {
      if (!(error instanceof DiskFault)) throw error;
      return { fault: error, bytesDone };
    }
  }

  /** After a write that did `bytesDone` bytes: how many of the batches are whole in the file. */
  wholeCount(bytesDone: number): number {
    let count = 0;
    let end = 0;
    for (const batch of this.#batches) {
      end += batch.sizeBytes;
      if (end > bytesDone) break;
      count += 1;
    }
    return count;
  }

  get batches(): readonly QueuedBatch[] {
    return this.#batches;
  }

  clear(): void {
    // Popped, and not cut to length 0: that would give the memory back, and the next turn wants it again.
    while (this.#batches.length > 0) this.#batches.pop();
    while (this.#buffers.length > 0) this.#buffers.pop();
    this.#sizeBytes = 0;
  }
}

/** The buffers without their first `bytes`. */
function skip(buffers: readonly Uint8Array[], bytes: number): Uint8Array[] {
  const rest: Uint8Array[] = [];
  let left = bytes;
  for (const buffer of buffers) {
    if (left < buffer.length) rest.push(left === 0 ? buffer : buffer.subarray(left));
    left = Math.max(0, left - buffer.length);
  }
  return rest;
}
