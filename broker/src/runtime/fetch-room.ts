/**
 * The memory of one fetch message: a slab that its parts fill one behind the other, or a buffer for one batch beyond a slab;
 * and what is lent of memory that lies elsewhere. The first batch of a read is whole: into an empty message any fits, in one
 * that holds something it waits for the next message.
 *
 * Invariant: what is said to be left is there. Who looks for a batch that fits gets one, or is told to wait.
 */
import { assert } from "../base/index.ts";
import { SLAB_BYTES } from "./slab-pool.ts";
import type { SlabPool } from "./slab-pool.ts";

export class FetchRoom {
  /** To be given back when nobody looks at the message any more. */
  readonly slabs: Buffer[] = [];
  readonly #pool: SlabPool;
  #slab: Buffer | null = null;
  #at = 0;
  #left: number;
  #isEmpty: boolean;

  /** `usedBytes` of records are in the message already, in memory of their own. `bytesMax`: of all its records, SLAB_BYTES at most. */
  constructor(pool: SlabPool, usedBytes: number, bytesMax = SLAB_BYTES) {
    this.#pool = pool;
    this.#left = Math.max(0, bytesMax - usedBytes);
    this.#isEmpty = usedBytes === 0;
  }

  /** Where the next part begins. */
  get at(): number {
    return this.#at;
  }

  get left(): number {
    return this.#left;
  }

  /** The slab, cut so that at most `bytes` can be put behind `at`. Taken when first needed, as long as what is left then. */
  open(bytes: number): Buffer {
    if (this.#slab === null) {
      this.#slab = this.#pool.take(this.#left);
      this.slabs.push(this.#slab);
    }
    return this.#slab.subarray(0, this.#at + Math.min(bytes, this.#left));
  }

  use(bytes: number): void {
    assert(bytes <= this.#left, "a part lies within the room of its message");
    this.#at += bytes;
    this.#left -= bytes;
    this.#isEmpty = false;
  }

  /** For bytes that lie elsewhere. False: they must wait for the next message. */
  lend(bytes: number): boolean {
    if (bytes > this.#left && !this.#isEmpty) return false;
    this.#left = Math.max(0, this.#left - bytes);
    this.#isEmpty = false;
    return true;
  }

  /** False: the batch must wait for the next message. Else `open` gives as much. */
  makeRoomFor(bytes: number): boolean {
    if (bytes <= this.#left) return true;
    if (!this.#isEmpty) return false;
    if (this.#slab !== null) this.#pool.give(this.#slab);
    this.#slab = this.#pool.take(bytes);
    this.slabs.splice(0, 1, this.#slab);
    this.#left = bytes;
    return true;
  }

  /** No more parts in this message. */
  close(): void {
    this.#left = 0;
  }
}
