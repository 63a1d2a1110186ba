/**
 * Memory for records on their way through: messages that came in pieces, reads on their way out. A copy into fresh memory costs
 * two to three times the copy itself (page faults), and large external allocations provoke collections; so memory is taken from
 * here and given back.
 *
 * Slabs come in classes of 5 * 2^k * 16 KiB, so that a batch of 64 or 128 KiB fits one with what is around it. Beyond the
 * largest class memory is fresh each time. A slab that is never given back, because the stream it was meant for broke off, is
 * collected like any other memory: the pool counts only what lies in it, and keeps KEPT_BYTES at most.
 */

export const SMALLEST_SLAB_BYTES = 80 * 1024;
const CLASSES_COUNT = 5;
export const KEPT_BYTES = 8 * 1024 * 1024;

/** What one fetch message holds of records, but for a larger batch; fits the largest class. */
export const SLAB_BYTES = 1024 * 1024;

export class SlabPool {
  /** By class; all of one class are equally long. */
  readonly #free: Buffer[][] = Array.from({ length: CLASSES_COUNT }, () => []);
  #keptBytes = 0;

  /** Bytes that lie here unused. */
  get keptBytes(): number {
    return this.#keptBytes;
  }

  /** At least `bytes` long, uninitialised. */
  take(bytes: number): Buffer {
    let size = SMALLEST_SLAB_BYTES;
    for (const free of this.#free) {
      if (bytes <= size) {
        const slab = free.pop();
        if (slab === undefined) return Buffer.allocUnsafeSlow(size);
        this.#keptBytes -= size;
        return slab;
      }
      size *= 2;
    }
    return Buffer.allocUnsafeSlow(bytes);
  }

  /** Nobody looks into `slab`, as it was taken, any more. */
  give(slab: Buffer): void {
    let size = SMALLEST_SLAB_BYTES;
    for (const free of this.#free) {
      if (slab.length === size) {
        if (this.#keptBytes + size > KEPT_BYTES) return;
        this.#keptBytes += size;
        free.push(slab);
        return;
      }
      size *= 2;
    }
  }
}
