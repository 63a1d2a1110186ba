/**
 * The KeyValueStore on LevelDB (`level`, loaded at first use). Bytes in, bytes out; errors become DiskFault.
 *
 * LevelDB takes a lock file in the store's directory; which process may open the store is decided before, by the lock of
 * the data directory (directory-lock.ts). It refuses all writes after a failed one, which is what the port promises. It
 * believes its tables, so that those are checked before each open (level-tables.ts).
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Level } from "level";
import { DiskFault, type DiskFaultKind, type KeyValueStore, type StoreOperation } from "../ports/index.ts";
import { findTableDamage } from "./level-tables.ts";

type Store = Level<Uint8Array, Uint8Array>;

/** Small buffers: metadata is kilobytes, and it is read once. */
const OPEN_OPTIONS = {
  keyEncoding: "view",
  valueEncoding: "view",
  compression: false,
  cacheSize: 256 * 1024,
  writeBufferSize: 1024 * 1024,
} as const;

export class LevelStore implements KeyValueStore {
  readonly #path: string;
  readonly #store: Store;

  private constructor(path: string, store: Store) {
    this.#path = path;
    this.#store = store;
  }

  /** Rejects with DiskFault: ENOENT when there is no store and `createIfMissing` is false. */
  static async open(path: string, options: { readonly createIfMissing: boolean }): Promise<LevelStore> {
    // LevelDB makes a directory, a lock and a log before it finds that there is no store: a refused start changes nothing.
    if (!options.createIfMissing && !existsSync(join(path, "CURRENT"))) throw new DiskFault("ENOENT", "open", path);
    let damage: string | null;
    try {
      damage = findTableDamage(path);
    } catch (error: unknown) {
      throw faultOf("open", path, error);
    }
    if (damage !== null) throw new DiskFault("other", "open", path, { cause: new Error(`Corruption: ${damage}`) });
    return new LevelStore(path, await openLevel(path, options));
  }

  get(key: Uint8Array): Uint8Array | undefined {
    try {
      return this.#store.getSync(key);
    } catch (error: unknown) {
      throw faultOf("get", this.#path, error);
    }
  }

  async range(from: Uint8Array, to: Uint8Array): Promise<readonly (readonly [Uint8Array, Uint8Array])[]> {
    try {
      return await this.#store.iterator({ gte: from, lt: to }).all();
    } catch (error: unknown) {
      throw faultOf("range", this.#path, error);
    }
  }

  async batch(operations: readonly StoreOperation[], options: { readonly sync: boolean }): Promise<void> {
    try {
      await this.#store.batch([...operations], { sync: options.sync });
    } catch (error: unknown) {
      throw faultOf("batch", this.#path, error);
    }
  }

  async close(): Promise<void> {
    try {
      await this.#store.close();
    } catch (error: unknown) {
      throw faultOf("close", this.#path, error);
    }
  }
}

/** Opens LevelDB itself. Rejects with DiskFault; `isHeld` tells whether another opener is why. */
export async function openLevel(path: string, options: { readonly createIfMissing: boolean }): Promise<Store> {
  const { Level } = await import("level");
  const store: Store = new Level(path, { ...OPEN_OPTIONS, ...options });
  try {
    await store.open();
  } catch (error: unknown) {
    throw faultOf("open", path, error);
  }
  return store;
}

/** Whether an open failed because another opener has the store. */
export function isHeld(fault: unknown): boolean {
  return fault instanceof DiskFault && causesOf(fault).some((error) => codeOf(error) === "LEVEL_LOCKED");
}

/** What LevelDB says, in the words of the operating system, is all there is to tell faults apart. */
const kindByText: readonly (readonly [RegExp, DiskFaultKind])[] = [
  [/no space left|disk quota exceeded/i, "ENOSPC"],
  [/too many open files/i, "EMFILE"],
  [/does not exist|no such file/i, "ENOENT"],
  [/input\/output error|i\/o error/i, "EIO"],
  [/permission denied/i, "EACCES"],
  [/read-only file system/i, "EROFS"],
  [/file name too long/i, "ENAMETOOLONG"],
];

function faultOf(operation: string, path: string, error: unknown): DiskFault {
  const text = causesOf(error)
    .map((cause) => (cause instanceof Error ? cause.message : String(cause)))
    .join(" ");
  const kind = kindByText.find(([pattern]) => pattern.test(text))?.[1] ?? "other";
  return new DiskFault(kind, operation, path, { cause: error });
}

function causesOf(error: unknown): unknown[] {
  const causes: unknown[] = [];
  for (let cause = error; cause !== undefined && causes.length < 8; ) {
    causes.push(cause);
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  return causes;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
