/**
 * LevelDB's manifest and tables, looked at before LevelDB is: it checks no block of a table when it reads one, and an altered
 * one makes it answer wrongly or abort the whole process. Every block carries a checksum, so that altered bytes are found
 * here. Its log is the affair of whoever knows how the last life ended (storage/raft-store/level-log.ts).
 *
 *     CURRENT        name of the manifest, LF
 *     MANIFEST-n     a log of edits, in the layout of LevelDB's logs; each a row of tag varint and fields
 *     n.ldb          blocks, then the metaindex and index blocks, which name the others, and a footer of 48 bytes
 *     block          content | type u8 (0 = not compressed) | masked crc32c u32 LE of content and type
 *     footer         handles of metaindex and index, padded to 40 bytes | magic u64        handle = offset, size varints
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { crc32c } from "@tidemark/proto";

const LOG_BLOCK_BYTES = 32_768;
const RECORD_HEADER_BYTES = 7;
const RECORD = { full: 1, first: 2, middle: 3, last: 4 } as const;
const MASK_DELTA = 0xa282ead8;
const FOOTER_BYTES = 48;
const HANDLES_BYTES = 40;
const BLOCK_TRAILER_BYTES = 5;
const MAGIC = Buffer.from("57fb808b247547db", "hex");

class Damage extends Error {}

/** What is wrong with the store's manifest or tables, for people; null: nothing, or there is no store. */
export function findTableDamage(path: string): string | null {
  try {
    if (!existsSync(join(path, "CURRENT"))) return null;
    const current = readFileSync(join(path, "CURRENT"), "latin1");
    if (!/^MANIFEST-\d+\n$/u.test(current)) return "CURRENT names no manifest";
    const manifest = current.trimEnd();
    if (!existsSync(join(path, manifest))) return `${manifest} is missing`;
    const tables = within(manifest, () => liveTables(readFileSync(join(path, manifest))));
    for (const [number, sizeBytes] of tables) {
      const name = ["ldb", "sst"].map((suffix) => `${String(number).padStart(6, "0")}.${suffix}`);
      const found = name.find((each) => existsSync(join(path, each)));
      if (found === undefined) return `table ${name[0]} is missing`;
      within(found, () => checkTable(readFileSync(join(path, found)), sizeBytes));
    }
    return null;
  } catch (error: unknown) {
    if (error instanceof Damage) return error.message;
    throw error;
  }
}

function within<Result>(file: string, look: () => Result): Result {
  try {
    return look();
  } catch (error: unknown) {
    if (error instanceof Damage || error instanceof RangeError) throw new Damage(`${file}: ${error.message}`);
    throw error;
  }
}

/** Sizes of the tables that the edits add up to, by number. A torn last edit was never relied upon: LevelDB passes it over too. */
function liveTables(manifest: Buffer): Map<number, number> {
  const tables = new Map<number, number>();
  for (const edit of edits(manifest)) applyEdit(edit, tables);
  return tables;
}

function* edits(log: Buffer): Generator<Buffer> {
  let fragments: Buffer[] = [];
  for (let at = 0; at < log.length; ) {
    const left = LOG_BLOCK_BYTES - (at % LOG_BLOCK_BYTES);
    if (left < RECORD_HEADER_BYTES) {
      at += left;
      continue;
    }
    if (at + RECORD_HEADER_BYTES > log.length) return;
    const length = log.readUInt16LE(at + 4);
    const end = at + RECORD_HEADER_BYTES + length;
    if (RECORD_HEADER_BYTES + length > left) throw new Damage(`an edit at byte ${at} is longer than its block`);
    // Cut short; a checksum that fits up to the end says that the length was altered instead.
    if (end > log.length) {
      if (isSound(log, at, at + 6, log.length)) throw new Damage(`the length of the edit at byte ${at} was altered`);
      return;
    }
    const type = log[at + 6];
    if (!isSound(log, at, at + 6, end)) throw new Damage(`the edit at byte ${at} was altered`);
    fragments.push(log.subarray(at + RECORD_HEADER_BYTES, end));
    if (type === RECORD.full || type === RECORD.last) {
      yield Buffer.concat(fragments);
      fragments = [];
    }
    at = end;
  }
}

function applyEdit(edit: Buffer, tables: Map<number, number>): void {
  const reader = new VarintReader(edit);
  while (reader.left > 0) {
    const tag = reader.varint();
    switch (tag) {
      case 1: // comparator
        reader.skip(reader.varint());
        break;
      case 2: // log number
      case 3: // next file number
      case 4: // last sequence
      case 9: // number of the log before
        reader.varint();
        break;
      case 5: // compaction pointer: level, key
        reader.varint();
        reader.skip(reader.varint());
        break;
      case 6: // table removed: level, number
        reader.varint();
        tables.delete(reader.varint());
        break;
      case 7: {
        // table added: level, number, size, first and last key
        reader.varint();
        const number = reader.varint();
        tables.set(number, reader.varint());
        reader.skip(reader.varint());
        reader.skip(reader.varint());
        break;
      }
      default:
        throw new Damage(`an edit with the unknown tag ${tag}`);
    }
  }
}

function checkTable(table: Buffer, sizeBytes: number): void {
  if (table.length !== sizeBytes) throw new Damage(`${table.length} bytes, ${sizeBytes} were written`);
  const footer = table.subarray(Math.max(0, table.length - FOOTER_BYTES));
  if (!footer.subarray(HANDLES_BYTES).equals(MAGIC)) throw new Damage("it does not end as a table does");
  const handles = new VarintReader(footer);
  for (const listing of [readHandle(handles), readHandle(handles)]) {
    const block = checkedBlock(table, listing);
    for (const handle of handlesIn(block)) checkedBlock(table, handle);
  }
}

interface Handle {
  readonly offset: number;
  readonly size: number;
}

function readHandle(reader: VarintReader): Handle {
  return { offset: reader.varint(), size: reader.varint() };
}

function checkedBlock(table: Buffer, { offset, size }: Handle): Buffer {
  const end = offset + size + 1;
  if (offset + size + BLOCK_TRAILER_BYTES > table.length - FOOTER_BYTES) throw new Damage("a block beyond the end");
  if (!isSound(table, end, offset, end)) throw new Damage(`the block at byte ${offset} was altered`);
  if (table[end - 1] !== 0) throw new Damage(`the block at byte ${offset} is compressed`);
  return table.subarray(offset, offset + size);
}

/** The values of a block of keys and handles. Before its end stand the places of restarts and, as u32, their number. */
function handlesIn(block: Buffer): Handle[] {
  const handles: Handle[] = [];
  const entriesBytes = block.length - 4 * (1 + block.readUInt32LE(block.length - 4));
  const reader = new VarintReader(block.subarray(0, Math.max(0, entriesBytes)));
  while (reader.left > 0) {
    reader.varint();
    const keyBytes = reader.varint();
    const valueBytes = reader.varint();
    reader.skip(keyBytes);
    const value = new VarintReader(reader.take(valueBytes));
    handles.push(readHandle(value));
  }
  return handles;
}

/** Does the masked checksum at `crcAt` fit the bytes [from, to)? */
function isSound(bytes: Buffer, crcAt: number, from: number, to: number): boolean {
  const crc = crc32c(bytes, from, to);
  return (((crc >>> 15) | (crc << 17)) + MASK_DELTA) >>> 0 === bytes.readUInt32LE(crcAt);
}

class VarintReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  varint(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined || scale > 2 ** 49) throw new Damage("a number without an end");
      this.#at += 1;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }

  take(count: number): Buffer {
    if (count > this.left) throw new Damage("a field beyond the end");
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }

  skip(count: number): void {
    this.take(count);
  }
}
