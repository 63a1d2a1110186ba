/**
 * An ordered key-value store with LevelDB's promises and no more: a batch is atomic; a batch with `sync` makes itself and
 * all earlier ones durable; after a failed write every write fails until the store is opened again. Keys are ordered by
 * bytes. Values come back as they were stored or, after damage, altered or not at all: whoever stores carries a checksum.
 */
export type StoreOperation =
  | { readonly type: "put"; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: "del"; readonly key: Uint8Array };

export interface KeyValueStore {
  get(key: Uint8Array): Uint8Array | undefined;
  /** All pairs with from <= key < to, ascending. */
  range(from: Uint8Array, to: Uint8Array): Promise<readonly (readonly [key: Uint8Array, value: Uint8Array])[]>;
  /** Resolves when the batch is stored (and synced). Rejects with DiskFault. */
  batch(operations: readonly StoreOperation[], options: { readonly sync: boolean }): Promise<void>;
  close(): Promise<void>;
}
