/**
 * The buffers of batches that were acknowledged, kept for the next ones. They live outside V8's heap, and a producer at full
 * speed leaves enough of them behind to make V8 mark the whole heap ten times a second.
 */
import type { BatchBuffers } from "@tidemark/proto";

/** What is kept at most: the batches in flight of a dozen busy partitions. */
const KEPT_BYTES_MAX = 4 * 1024 * 1024;

export class BatchMemory implements BatchBuffers {
  /** What was made here. A small batch is copied out of its builder, into memory that it may share with anything. */
  readonly #own = new WeakSet<ArrayBufferLike>();
  readonly #kept: ArrayBufferLike[] = [];
  #keptBytes = 0;

  take(bytes: number): Buffer {
    const kept = this.#kept.pop();
    if (kept !== undefined) {
      this.#keptBytes -= kept.byteLength;
      // One that is too small is let go: its partition has outgrown it.
      if (kept.byteLength >= bytes) return Buffer.from(kept);
    }
    const fresh = Buffer.allocUnsafeSlow(bytes);
    this.#own.add(fresh.buffer);
    return fresh;
  }

  /** Nobody else reads or writes the memory behind `batch` any more. */
  give(batch: Buffer): void {
    const memory = batch.buffer;
    if (!this.#own.has(memory) || this.#keptBytes + memory.byteLength > KEPT_BYTES_MAX) return;
    this.#kept.push(memory);
    this.#keptBytes += memory.byteLength;
  }
}
