/**
 * Lists of replicas that partitions share: there are few different ones and many partitions. One pool lives as long as an image
 * is being changed; what an image holds is plain arrays.
 */
import type { ReplicaDirectory } from "./image.ts";

const EMPTY: readonly number[] = Object.freeze([]);

export class ListPool {
  readonly #ids = new Map<string, readonly number[]>();
  readonly #directories = new Map<string, readonly ReplicaDirectory[]>();

  ids(list: readonly number[]): readonly number[] {
    if (list.length === 0) return EMPTY;
    return shared(this.#ids, list.join(), list);
  }

  directories(list: readonly ReplicaDirectory[]): readonly ReplicaDirectory[] {
    return shared(
      this.#directories,
      list.map(({ brokerId, directoryId }) => `${brokerId} ${directoryId}`).join(),
      list,
    );
  }
}

function shared<List>(pool: Map<string, List>, key: string, list: List): List {
  const before = pool.get(key);
  if (before !== undefined) return before;
  pool.set(key, list);
  return list;
}
