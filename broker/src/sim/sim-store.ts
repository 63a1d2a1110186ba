/**
 * LevelDB on the simulated disk, as far as whoever uses the KeyValueStore port can tell: the log has LevelDB's own layout,
 * byte for byte; batches are appended to it, and synced when asked; a failed write is the last; opening replays the log,
 * passes over what it cannot read without a word, writes all into a synced table and begins a new log.
 *
 *     CURRENT               name of the manifest
 *     MANIFEST-n            number of the table and of the log; this file's own layout
 *     n.ldb                 all pairs when it was written; this file's own layout
 *     n.log                 LevelDB's: batches since
 *
 * Not here: compaction, and LevelDB's tables. A table is written whole and synced before it is named, in both.
 */
import { crc32c } from "@tidemark/proto";
import { ByteReader, ByteWriter } from "../base/index.ts";
import { DiskFault, type Disk, type File, type KeyValueStore, type StoreOperation } from "../ports/index.ts";

const BLOCK_BYTES = 32_768;
const HEADER_BYTES = 7;
const RECORD = { full: 1, first: 2, middle: 3, last: 4 } as const;

type Pairs = Map<string, Uint8Array>;

export class SimStore implements KeyValueStore {
  readonly #path: string;
  readonly #pairs: Pairs;
  readonly #log: File;
  #writes: Promise<void> = Promise.resolve();
  #hasFailed = false;
  #isOpen = true;

  private constructor(path: string, pairs: Pairs, log: File) {
    this.#path = path;
    this.#pairs = pairs;
    this.#log = log;
  }

  /** Rejects with DiskFault: ENOENT when there is no store and none may be made, "other" when it does not open. */
  static async open(disk: Disk, path: string, options: { readonly createIfMissing: boolean }): Promise<SimStore> {
    if (!disk.isDirectory(path) && options.createIfMissing) disk.mkdir(path);
    const before = disk.isDirectory(path) ? readManifest(disk, path) : null;
    if (before === null && !options.createIfMissing) throw new DiskFault("ENOENT", "open", path);
    const pairs = before === null ? new Map<string, Uint8Array>() : readTable(disk, path, before.table);
    const logs = numbersOf(disk, path, ".log");
    for (const number of logs) {
      if (before === null || number < before.log) continue;
      for (const batch of readBatches(readFile(disk, fileName(path, number, "log")))) applyBatch(pairs, batch);
    }
    const number = Math.max(0, ...logs, before?.table ?? 0, before?.log ?? 0, before?.number ?? 0) + 1;
    await writeSynced(disk, fileName(path, number, "ldb"), encodeTable(pairs));
    const log = disk.open(fileName(path, number + 1, "log"), "create");
    try {
      await name(disk, path, { number: number + 2, table: number, log: number + 1 });
      removeOthers(disk, path, number);
    } catch (error: unknown) {
      log.closeSync();
      throw error;
    }
    return new SimStore(path, pairs, log);
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#pairs.get(textOf(key));
  }

  async range(from: Uint8Array, to: Uint8Array): Promise<readonly (readonly [Uint8Array, Uint8Array])[]> {
    return [...this.#pairs]
      .filter(([key]) => key >= textOf(from) && key < textOf(to))
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([key, value]) => [Buffer.from(key, "latin1"), value] as const);
  }

  batch(operations: readonly StoreOperation[], options: { readonly sync: boolean }): Promise<void> {
    const written = this.#writes.then(() => this.#write(operations, options.sync));
    this.#writes = written.catch(() => undefined);
    return written;
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.#writes;
    this.#log.closeSync();
  }

  async #write(operations: readonly StoreOperation[], mustSync: boolean): Promise<void> {
    if (this.#hasFailed || !this.#isOpen) throw new DiskFault("other", "batch", this.#path);
    try {
      const batch = encodeBatch(operations);
      await append(this.#log, encodeRecords(this.#log.size, batch));
      if (mustSync) await datasync(this.#log);
      applyBatch(this.#pairs, batch);
    } catch (error: unknown) {
      this.#hasFailed = true;
      throw error;
    }
  }
}

/** The records of a batch for a log that has `at` bytes. */
export function encodeRecords(at: number, batch: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [];
  let position = at;
  let done = 0;
  // Not by `done`: where a header alone has room, the first record has no data.
  let isFirst = true;
  do {
    const left = BLOCK_BYTES - (position % BLOCK_BYTES);
    if (left < HEADER_BYTES) {
      parts.push(new Uint8Array(left));
      position += left;
      continue;
    }
    const data = batch.subarray(done, done + left - HEADER_BYTES);
    const isLast = done + data.length === batch.length;
    const type = isFirst ? (isLast ? RECORD.full : RECORD.first) : isLast ? RECORD.last : RECORD.middle;
    isFirst = false;
    const record = Buffer.alloc(HEADER_BYTES + data.length);
    record.writeUInt16LE(data.length, 4);
    record[6] = type;
    record.set(data, HEADER_BYTES);
    record.writeUInt32LE(maskedCrc(crc32c(record, 6)), 0);
    parts.push(record);
    position += record.length;
    done += data.length;
  } while (done < batch.length);
  return Buffer.concat(parts);
}

/** What LevelDB's reader makes of a log: what it cannot read it drops, with the rest of the block, and goes on. */
export function readBatches(log: Uint8Array): Uint8Array[] {
  const batches: Uint8Array[] = [];
  let fragments: Uint8Array[] | null = null;
  for (let blockStart = 0; blockStart < log.length; blockStart += BLOCK_BYTES) {
    const blockEnd = Math.min(blockStart + BLOCK_BYTES, log.length);
    for (let at = blockStart; at + HEADER_BYTES <= blockEnd; ) {
      const header = Buffer.from(log.buffer, log.byteOffset + at, HEADER_BYTES);
      const end = at + HEADER_BYTES + header.readUInt16LE(4);
      const isGood = end <= blockEnd && maskedCrc(crc32c(log, at + 6, end)) === header.readUInt32LE(0);
      if (!isGood) {
        fragments = null;
        break;
      }
      const data = log.subarray(at + HEADER_BYTES, end);
      const type = header[6];
      if (type === RECORD.full) batches.push(data);
      if (type === RECORD.full) fragments = null;
      else if (type === RECORD.first) fragments = [data];
      else fragments?.push(data);
      if (type === RECORD.last && fragments !== null) batches.push(Buffer.concat(fragments));
      if (type === RECORD.last) fragments = null;
      at = end;
    }
  }
  return batches;
}

function maskedCrc(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** sequence u64, count u32, then type u8 (1 put, 0 delete), key and value behind their lengths. */
function encodeBatch(operations: readonly StoreOperation[]): Uint8Array {
  const writer = new ByteWriter().u64(0).u32(operations.length);
  for (const operation of operations) {
    writer
      .u8(operation.type === "put" ? 1 : 0)
      .u32(operation.key.length)
      .bytes(operation.key);
    if (operation.type === "put") writer.u32(operation.value.length).bytes(operation.value);
  }
  return Uint8Array.from(writer.finish());
}

function applyBatch(pairs: Pairs, batch: Uint8Array): void {
  const reader = new ByteReader(batch, 8);
  for (let count = reader.u32(); count > 0; count -= 1) {
    const isPut = reader.u8() === 1;
    const key = textOf(reader.bytes(reader.u32()));
    if (isPut) pairs.set(key, reader.bytes(reader.u32()));
    else pairs.delete(key);
  }
}

function encodeTable(pairs: Pairs): Uint8Array {
  const operations = [...pairs].map(
    ([key, value]) => ({ type: "put", key: Buffer.from(key, "latin1"), value }) as const,
  );
  return encodeBatch(operations);
}

function readTable(disk: Disk, path: string, number: number): Pairs {
  const pairs: Pairs = new Map();
  try {
    applyBatch(pairs, readFile(disk, fileName(path, number, "ldb")));
  } catch (cause: unknown) {
    if (cause instanceof RangeError) throw new DiskFault("other", "open", path, { cause });
    throw cause;
  }
  return pairs;
}

interface Manifest {
  readonly number: number;
  readonly table: number;
  readonly log: number;
}

function readManifest(disk: Disk, path: string): Manifest | null {
  if (disk.sizeOf(`${path}/CURRENT`) === null) return null;
  const current = Buffer.from(readFile(disk, `${path}/CURRENT`))
    .toString("latin1")
    .trim();
  const text = Buffer.from(readFile(disk, `${path}/${current}`)).toString("latin1");
  const found = /^(\d+) (\d+)\n$/u.exec(text);
  if (found === null) throw new DiskFault("other", "open", path, { cause: new Error("Corruption: manifest") });
  return { number: Number(current.slice("MANIFEST-".length)), table: Number(found[1]), log: Number(found[2]) };
}

async function name(disk: Disk, path: string, { number, table, log }: Manifest): Promise<void> {
  const manifest = `MANIFEST-${String(number).padStart(6, "0")}`;
  await writeSynced(disk, `${path}/${manifest}`, Buffer.from(`${table} ${log}\n`));
  await syncDirectory(disk, path);
  const temp = `${path}/${String(number).padStart(6, "0")}.dbtmp`;
  await writeSynced(disk, temp, Buffer.from(`${manifest}\n`));
  disk.rename(temp, `${path}/CURRENT`);
  await syncDirectory(disk, path);
}

function removeOthers(disk: Disk, path: string, below: number): void {
  for (const file of disk.list(path)) {
    const number = Number(/(\d+)/u.exec(file)?.[1] ?? Number.POSITIVE_INFINITY);
    if (number < below) disk.unlink(`${path}/${file}`);
  }
}

function numbersOf(disk: Disk, path: string, suffix: string): number[] {
  const names = disk.list(path).filter((file) => file.endsWith(suffix));
  return names.map((file) => Number.parseInt(file, 10)).sort((left, right) => left - right);
}

function fileName(path: string, number: number, suffix: "log" | "ldb"): string {
  return `${path}/${String(number).padStart(6, "0")}.${suffix}`;
}

function readFile(disk: Disk, path: string): Uint8Array {
  const file = disk.open(path, "read");
  try {
    const bytes = new Uint8Array(file.size);
    for (let at = 0, read = 1; read > 0 && at < bytes.length; at += read) read = file.readSync(bytes.subarray(at), at);
    return bytes;
  } finally {
    file.closeSync();
  }
}

async function writeSynced(disk: Disk, path: string, bytes: Uint8Array): Promise<void> {
  const file = disk.open(path, "create");
  try {
    if (file.size > 0) file.truncateSync(0);
    await append(file, bytes);
    await datasync(file);
  } finally {
    file.closeSync();
  }
}

function append(file: File, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    const at = file.size;
    const write = (done: number): void => {
      file.writev([bytes.subarray(done)], at + done, (fault, written) => {
        if (fault !== null) reject(fault);
        else if (done + written >= bytes.length) resolve();
        else if (written === 0) reject(new DiskFault("ENOSPC", "write", file.path));
        else write(done + written);
      });
    };
    write(0);
  });
}

function datasync(file: File): Promise<void> {
  return new Promise((resolve, reject) => {
    file.datasync((fault) => {
      if (fault === null) resolve();
      else reject(fault);
    });
  });
}

function syncDirectory(disk: Disk, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    disk.syncDirectory(path, (fault) => {
      if (fault === null) resolve();
      else reject(fault);
    });
  });
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}
