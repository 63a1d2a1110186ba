/**
 * The metadata log in a key-value store: entries with an index and a term, each an opaque value to this file. It has the
 * shape that Raft's storage needs; which entries are written, and when they count, is decided above.
 *
 * Layout (semantics 10.1(9)): key `e` + index (u64) holds an entry, key `last` the index and term of the newest one, and
 * is written again in every batch. Each value opens with the CRC-32C of the rest of it:
 *
 *     crc u32 | index u64 | term u64 | bytes of the entry          (`last`: without bytes)
 *
 * LevelDB drops and alters damaged writes in silence, synced ones too. So at open the indexes must run without a gap from
 * 1 to exactly `last`, terms must not fall, and every checksum must be good; else the store is lost, and a single voter
 * refuses to start and changes nothing. One batch with `sync: true` per append; the store has no other writes.
 */
import { crc32c } from "@tidemark/proto";
import { assert } from "../base/index.ts";
import { DiskFault } from "../ports/index.ts";
import type { Disk, DiskFaultKind, KeyValueStore, StoreOperation } from "../ports/index.ts";
import { isPassing, syncDirectory } from "./file-io.ts";
import { parentOf } from "./cluster-identity.ts";
import { StorageError } from "./storage-error.ts";

export interface MetadataEntry {
  /** 1-based, without gaps. */
  readonly index: number;
  readonly term: number;
  readonly data: Uint8Array;
}

export interface MetadataStoreOptions {
  readonly store: KeyValueStore;
  /** For messages. */
  readonly path: string;
  /** Whether no entry at all is a store that was just made; else it is a lost one. */
  readonly mayBeEmpty: boolean;
}

export class MetadataStore {
  /** Where it lies, for messages. */
  readonly path: string;
  readonly #store: KeyValueStore;
  /** Invariant: the store holds entries 1 to #lastIndex, and `last` names #lastIndex and #lastTerm. */
  #lastIndex: number;
  #lastTerm: number;
  #isWriting = false;

  private constructor(store: KeyValueStore, path: string, last: MetadataEntry | undefined) {
    this.path = path;
    this.#store = store;
    this.#lastIndex = last?.index ?? 0;
    this.#lastTerm = last?.term ?? 0;
  }

  /** Reads and checks the whole store. Throws StorageError METADATA_LOST naming what is wrong. */
  static async open(options: MetadataStoreOptions): Promise<MetadataStore> {
    const { store, path, mayBeEmpty } = options;
    const refuse = (what: string): StorageError =>
      new StorageError("METADATA_LOST", path, `the metadata store is damaged (${what}); nothing was changed`);
    const pairs = await store.range(FIRST_KEY, END_KEY);
    const lastValue = store.get(LAST_KEY);
    if (lastValue === undefined) {
      if (pairs.length > 0) throw refuse("the key `last` is missing");
      if (!mayBeEmpty) throw refuse("it is empty");
      return new MetadataStore(store, path, undefined);
    }
    const last = decode(lastValue);
    if (last === null || last.data.length > 0) throw refuse("the key `last` has a wrong checksum");
    let newest: MetadataEntry | undefined;
    for (const [key, value] of pairs) {
      const expected = (newest?.index ?? 0) + 1;
      if (!Buffer.from(key).equals(entryKey(expected))) throw refuse(`entry ${expected} is missing`);
      const entry = decode(value);
      if (entry === null) throw refuse(`entry ${expected} has a wrong checksum`);
      if (entry.index !== expected) throw refuse(`entry ${expected} calls itself ${entry.index}`);
      if (entry.term < (newest?.term ?? 1)) throw refuse(`the term falls at entry ${expected}`);
      newest = entry;
    }
    if (newest === undefined || newest.index < last.index) {
      throw refuse(`entry ${(newest?.index ?? 0) + 1} is missing; the last one is ${last.index}`);
    }
    if (newest.index > last.index) throw refuse(`entry ${last.index + 1} stands behind the last one`);
    if (newest.term !== last.term) throw refuse(`\`last\` names term ${last.term}, entry ${last.index} ${newest.term}`);
    return new MetadataStore(store, path, newest);
  }

  get lastIndex(): number {
    return this.#lastIndex;
  }

  get lastTerm(): number {
    return this.#lastTerm;
  }

  /** All entries from `index` on, in order. They were checked at open; a value that changed since is an assertion. */
  async readFrom(index: number): Promise<MetadataEntry[]> {
    const pairs = await this.#store.range(entryKey(index), END_KEY);
    return pairs.map(([, value], slot) => {
      const entry = decode(value);
      assert(entry !== null && entry.index === index + slot, `metadata entry ${index + slot} changed under the broker`);
      return entry;
    });
  }

  /**
   * Stores entries that follow the last one; resolves when they are durable. Rejects with DiskFault: nothing may be
   * appended afterwards, and whether the entries are there shows at the next open. One append at a time.
   */
  async append(entries: readonly MetadataEntry[]): Promise<void> {
    assert(!this.#isWriting, "one append at a time, and none after a failed one");
    const last = entries.at(-1);
    if (last === undefined) return;
    let { index, term } = { index: this.#lastIndex, term: this.#lastTerm };
    for (const entry of entries) {
      assert(entry.index === index + 1 && entry.term >= term, `entry ${entry.index} does not follow entry ${index}`);
      ({ index, term } = entry);
    }
    const operations = entries.map(
      (entry): StoreOperation => ({
        type: "put",
        key: entryKey(entry.index),
        value: encode(entry),
      }),
    );
    operations.push({ type: "put", key: LAST_KEY, value: encode({ ...last, data: new Uint8Array(0) }) });
    this.#isWriting = true;
    await this.#store.batch(operations, { sync: true });
    this.#isWriting = false;
    this.#lastIndex = last.index;
    this.#lastTerm = last.term;
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}

export interface OpenMetadataOptions {
  readonly path: string;
  /** Where the store's files lie, if they are files. */
  readonly disk: Disk;
  readonly openStore: (path: string, options: { readonly createIfMissing: boolean }) => Promise<KeyValueStore>;
  /** No cluster was born in this data directory yet: nothing in the store was ever relied upon. */
  readonly isUnborn: boolean;
}

/**
 * Opens the metadata log of a data directory whose lock is held. Before a cluster is born the store is made, and made
 * anew where a crash left half of one; afterwards it must be there and whole.
 *
 * Throws StorageError METADATA_LOST, nothing changed; DiskFault for faults that may pass (full disk, EIO).
 */
export async function openMetadataStore(options: OpenMetadataOptions): Promise<MetadataStore> {
  const { path, disk, isUnborn } = options;
  let metadata: MetadataStore;
  try {
    metadata = await openChecked(options);
  } catch (error: unknown) {
    if (!isUnborn || !(error instanceof StorageError)) throw error;
    if (disk.isDirectory(path)) for (const name of disk.list(path)) disk.unlink(`${path}/${name}`);
    metadata = await openChecked(options);
  }
  // Opening made files, and maybe the directory; the first synced entry must not hang on entries that are not.
  if (disk.isDirectory(path)) {
    await syncDirectory(disk, path);
    await syncDirectory(disk, parentOf(path));
  }
  return metadata;
}

/** They say nothing of the store. */
const faultsOfTheDisk: ReadonlySet<DiskFaultKind> = new Set<DiskFaultKind>(["EIO", "EACCES", "EROFS"]);

async function openChecked({ path, openStore, isUnborn }: OpenMetadataOptions): Promise<MetadataStore> {
  let store: KeyValueStore;
  try {
    store = await openStore(path, { createIfMissing: isUnborn });
  } catch (cause: unknown) {
    if (!(cause instanceof DiskFault) || isPassing(cause) || faultsOfTheDisk.has(cause.kind)) throw cause;
    // LevelDB too speaks of a missing file, when what names it is damaged.
    const isMissing = cause.kind === "ENOENT" && cause.cause === undefined;
    const what = isMissing ? "is missing" : `cannot be opened (${deepestMessage(cause)})`;
    throw new StorageError("METADATA_LOST", path, `the metadata store ${what}; nothing was changed`, { cause });
  }
  try {
    return await MetadataStore.open({ store, path, mayBeEmpty: isUnborn });
  } catch (error: unknown) {
    await store.close();
    throw error;
  }
}

/** What the store itself said, under whatever it was wrapped in. */
function deepestMessage(error: Error): string {
  return error.cause instanceof Error ? deepestMessage(error.cause) : error.message;
}

const ENTRY_PREFIX = 0x65; // "e"
const FIRST_KEY = Buffer.from([ENTRY_PREFIX]);
const END_KEY = Buffer.from([ENTRY_PREFIX + 1]);
const LAST_KEY = Buffer.from("last");
const HEADER_BYTES = 4 + 8 + 8;

function entryKey(index: number): Buffer {
  const key = Buffer.alloc(9);
  key[0] = ENTRY_PREFIX;
  key.writeBigUInt64BE(BigInt(index), 1);
  return key;
}

function encode({ index, term, data }: MetadataEntry): Buffer {
  const value = Buffer.alloc(HEADER_BYTES + data.length);
  value.writeBigUInt64BE(BigInt(index), 4);
  value.writeBigUInt64BE(BigInt(term), 12);
  value.set(data, HEADER_BYTES);
  value.writeUInt32BE(crc32c(value, 4), 0);
  return value;
}

/** Null when the value is not what `encode` wrote. */
function decode(value: Uint8Array): MetadataEntry | null {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (bytes.length < HEADER_BYTES || crc32c(bytes, 4) !== bytes.readUInt32BE(0)) return null;
  return {
    index: Number(bytes.readBigUInt64BE(4)),
    term: Number(bytes.readBigUInt64BE(12)),
    data: bytes.subarray(HEADER_BYTES),
  };
}
