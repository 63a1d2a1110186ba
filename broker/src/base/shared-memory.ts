/**
 * Memory that several look at, and that goes back when the last of them has let go: received batches, which their request,
 * the tail cache and messages to readers hold at a time.
 */
import { assert } from "./assert.ts";

export class SharedMemory {
  /** What holding it costs. */
  readonly pinnedBytes: number;
  /** What holding it costs, beside each byte of it that is wanted; at least 1. */
  readonly pinnedRatio: number;
  #holdersCount = 1;
  readonly #onFree: (() => void) | null;

  /** Held by its maker. `onFree` null: nobody wants it back, the collector takes it. */
  constructor(pinnedBytes: number, wantedBytes: number, onFree: (() => void) | null) {
    this.pinnedBytes = pinnedBytes;
    this.pinnedRatio = Math.max(1, pinnedBytes / Math.max(1, wantedBytes));
    this.#onFree = onFree;
  }

  hold(): void {
    assert(this.#holdersCount > 0, "memory is held that was let go");
    this.#holdersCount += 1;
  }

  letGo(): void {
    assert(this.#holdersCount > 0, "memory was let go twice");
    this.#holdersCount -= 1;
    if (this.#holdersCount === 0) this.#onFree?.();
  }
}
