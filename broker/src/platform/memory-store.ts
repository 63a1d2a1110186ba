/** The KeyValueStore in memory, for `dev --memory` and tests. Gone with the process; a sync has nothing to do. */
import { assert } from "../base/index.ts";
import type { KeyValueStore, StoreOperation } from "../ports/index.ts";

export class MemoryStore implements KeyValueStore {
  /** By the key's bytes as latin1 text, whose order by code unit is the order of the bytes. */
  readonly #values = new Map<string, Uint8Array>();
  #isOpen = true;

  get(key: Uint8Array): Uint8Array | undefined {
    assert(this.#isOpen, "the store is closed");
    return this.#values.get(textOf(key));
  }

  async range(from: Uint8Array, to: Uint8Array): Promise<readonly (readonly [Uint8Array, Uint8Array])[]> {
    assert(this.#isOpen, "the store is closed");
    const first = textOf(from);
    const end = textOf(to);
    return [...this.#values]
      .filter(([key]) => key >= first && key < end)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]) => [Buffer.from(key, "latin1"), value] as const);
  }

  async batch(operations: readonly StoreOperation[]): Promise<void> {
    assert(this.#isOpen, "the store is closed");
    for (const operation of operations) {
      const key = textOf(operation.key);
      // A copy: the caller may use its bytes again.
      if (operation.type === "put") this.#values.set(key, Uint8Array.from(operation.value));
      else this.#values.delete(key);
    }
  }

  async close(): Promise<void> {
    this.#isOpen = false;
  }
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}
