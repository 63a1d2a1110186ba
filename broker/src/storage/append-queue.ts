/**
 * Batches between `append` and their write: the bytes, in order, for one vectored write, and what it takes to let the last
 * of them go back when that write fails (3.1(12)).
 */
import { asOffset } from "../base/index.ts";
import type { Offset, SharedMemory } from "../base/index.ts";
import { DiskFault } from "../ports/index.ts";
import type { Writable, WritableOffLoop } from "./file-io.ts";
import type { KeptProducer } from "./producer-state.ts";
import type { SegmentMark } from "./segment.ts";

export interface QueuedBatch {
  readonly sizeBytes: number;
  readonly nextOffset: Offset;
  readonly maxTimestamp: number;
  /** -1 = none. */
  readonly producerId: number;
  /** Its producer as it was before. */
  readonly producerBefore: KeptProducer | undefined;
  /** Where its bytes lie; null: they are the log's until the write has ended and no longer. */
  readonly memory: SharedMemory | null;
}

export interface WriteOutcome {
  readonly fault: DiskFault | null;
  /** Bytes that are in the file for certain. */
  readonly bytesDone: number;
}

export class AppendQueue {
  /** The segment before the first batch; null while there is none. */
  mark: SegmentMark | null = null;
  readonly #batches: QueuedBatch[] = [];
  readonly #buffers: Buffer[] = [];
  #sizeBytes = 0;

  get isEmpty(): boolean {
    return this.#batches.length === 0;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Where the log ends with these batches. The queue is not empty. */
  get endOffset(): Offset {
    return this.#batches.at(-1)?.nextOffset ?? asOffset(0);
  }

  push(bytes: Buffer, batch: QueuedBatch): void {
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

  /** The same off the event loop. Queue and buffers stay as they are until `done`, which may come at once if a file cannot be opened. */
  writeOffLoop(file: WritableOffLoop, at: number, done: (outcome: WriteOutcome) => void): void {
    let buffers: readonly Uint8Array[] = this.#buffers;
    let bytesDone = 0;
    const onWritten = (fault: DiskFault | null, written: number): void => {
      bytesDone += written;
      if (fault !== null || bytesDone === this.#sizeBytes) return done({ fault, bytesDone });
      if (written === 0) return done({ fault: new DiskFault("ENOSPC", "write", file.path), bytesDone });
      buffers = skip(buffers, written);
      next();
    };
    const next = (): void => {
      try {
        file.writev(buffers, at + bytesDone, onWritten);
      } catch (error: unknown) {
        if (!(error instanceof DiskFault)) throw error;
        done({ fault: error, bytesDone });
      }
    };
    next();
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

  /** One for each batch. */
  get buffers(): readonly Buffer[] {
    return this.#buffers;
  }

  clear(): void {
    // Popped, and not cut to length 0: that would give the memory back, and the next turn wants it again.
    while (this.#batches.length > 0) this.#batches.pop();
    while (this.#buffers.length > 0) this.#buffers.pop();
    this.#sizeBytes = 0;
    this.mark = null;
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
