/**
 * LevelDB's own log, read before LevelDB opens it (semantics 10.1(9)). LevelDB drops what it cannot read without a word,
 * synced batches too: whether what it dropped was a torn tail, which nobody relied upon, or damage, is decided here.
 *
 *     file     blocks of 32 KiB; a record does not cross the end of a block
 *     record   masked crc32c u32 LE (of type and data) | length u16 LE | type u8 | data
 *     type     1 FULL | 2 FIRST, 3 MIDDLE …, 4 LAST: one batch
 *     trailer  less than 7 bytes before the end of a block; not looked at, as LevelDB does not
 *
 * Every batch is synced before the next is begun, so that a torn one can only be the last: nothing that begins a batch is
 * readable behind it. A torn record is cut short, or lacks pages or sectors, which then read as zeros.
 */
import { crc32c } from "@tidemark/proto";
import type { Disk } from "../../ports/index.ts";
import { readWholeFile } from "../file-io.ts";

export const LEVEL_BLOCK_BYTES = 32_768;
export const LEVEL_HEADER_BYTES = 7;
export const LEVEL_RECORD = { full: 1, first: 2, middle: 3, last: 4 } as const;
const MASK_DELTA = 0xa282ead8;
/** What a disk writes whole or not at all. */
const SECTOR_BYTES = 512;

export type LevelLogState =
  | { readonly kind: "whole" }
  /** What a crash may leave; LevelDB drops it, and nothing that was synced with it. */
  | { readonly kind: "torn"; readonly position: number }
  | { readonly kind: "damaged"; readonly position: number; readonly what: string };

interface LevelRecord {
  readonly type: number;
  readonly end: number;
}

/**
 * Looks at all logs of the store at `path`. Null: LevelDB may open it. Else what is wrong, for people.
 * Throws DiskFault.
 */
export function findLevelLogDamage(disk: Disk, path: string, options: { readonly mayBeTorn: boolean }): string | null {
  let isNewest = true;
  for (const name of logNamesNewestFirst(disk.list(path))) {
    const bytes = readWholeFile(disk, `${path}/${name}`);
    if (bytes === null || bytes.length === 0) continue;
    const state = inspectLevelLog(bytes);
    if (state.kind === "damaged") return `${name} at byte ${state.position}: ${state.what}`;
    if (state.kind === "torn" && !(isNewest && options.mayBeTorn)) {
      const why = isNewest ? "though the store was closed cleanly" : "and a newer log follows";
      return `${name} at byte ${state.position}: it ends in the middle of a batch, ${why}`;
    }
    isNewest = false;
  }
  return null;
}

/** One file's bytes. */
export function inspectLevelLog(bytes: Uint8Array): LevelLogState {
  let batchStart = -1;
  for (let at = nextRecordAt(bytes, 0); at < bytes.length; ) {
    const record = readRecord(bytes, at);
    if (record === null) return judgeBadRecord(bytes, at);
    const continues = record.type === LEVEL_RECORD.middle || record.type === LEVEL_RECORD.last;
    if (continues !== batchStart >= 0) {
      return {
        kind: "damaged",
        position: at,
        what: continues ? "a batch without its beginning" : "a batch without its end",
      };
    }
    if (record.type === LEVEL_RECORD.first) batchStart = at;
    else if (record.type === LEVEL_RECORD.last) batchStart = -1;
    at = nextRecordAt(bytes, record.end);
  }
  return batchStart < 0 ? { kind: "whole" } : { kind: "torn", position: batchStart };
}

/** What the batches of a log hold, up to the first record that is not sound. */
export function* levelBatches(bytes: Uint8Array): Generator<Uint8Array> {
  const parts: Uint8Array[] = [];
  for (let at = nextRecordAt(bytes, 0); at < bytes.length; ) {
    const record = readRecord(bytes, at);
    if (record === null) return;
    parts.push(bytes.subarray(at + LEVEL_HEADER_BYTES, record.end));
    if (record.type === LEVEL_RECORD.full || record.type === LEVEL_RECORD.last) yield Buffer.concat(parts.splice(0));
    at = nextRecordAt(bytes, record.end);
  }
}

export function maskedCrc(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + MASK_DELTA) >>> 0;
}

function logNamesNewestFirst(names: readonly string[]): string[] {
  const numbered = names.flatMap((name) => {
    const found = /^(\d+)\.log$/u.exec(name);
    return found === null ? [] : [{ name, number: Number(found[1]) }];
  });
  return numbered.sort((left, right) => right.number - left.number).map(({ name }) => name);
}

/** Where the next record begins: a trailer is passed over. */
function nextRecordAt(bytes: Uint8Array, at: number): number {
  const left = LEVEL_BLOCK_BYTES - (at % LEVEL_BLOCK_BYTES);
  return left < LEVEL_HEADER_BYTES ? Math.min(bytes.length, at + left) : at;
}

/** Null when no whole and sound record begins there. */
function readRecord(bytes: Uint8Array, at: number): LevelRecord | null {
  const header = headerAt(bytes, at);
  if (header === null || header.end > Math.min(blockEnd(at), bytes.length)) return null;
  const isKnown = header.type >= LEVEL_RECORD.full && header.type <= LEVEL_RECORD.last;
  return isKnown && isSound(bytes, at, header.end) ? header : null;
}

function headerAt(bytes: Uint8Array, at: number): LevelRecord | null {
  if (at + LEVEL_HEADER_BYTES > bytes.length) return null;
  const length = (bytes[at + 4] as number) | ((bytes[at + 5] as number) << 8);
  return { type: bytes[at + 6] as number, end: at + LEVEL_HEADER_BYTES + length };
}

function blockEnd(at: number): number {
  return at - (at % LEVEL_BLOCK_BYTES) + LEVEL_BLOCK_BYTES;
}

/** Does the checksum fit a record from `at` to `end`? It does not cover the length. */
function isSound(bytes: Uint8Array, at: number, end: number): boolean {
  const stored = new DataView(bytes.buffer, bytes.byteOffset).getUint32(at, true);
  return maskedCrc(crc32c(bytes, at + 6, end)) === stored;
}

function judgeBadRecord(bytes: Uint8Array, at: number): LevelLogState {
  const damaged = (what: string): LevelLogState => ({ kind: "damaged", position: at, what });
  const header = headerAt(bytes, at);
  const isCutShort = header === null || (header.end > bytes.length && header.end <= blockEnd(at));
  // The length is outside the checksum: altered, it must not make a whole record look cut.
  if (isCutShort && header !== null && isSound(bytes, at, bytes.length)) return damaged("a record's length is altered");
  const behind = findBatchStart(bytes, at + 1);
  if (behind !== null) return damaged(`a bad record, and a readable batch behind it at byte ${behind}`);
  const end = Math.min(header === null ? bytes.length : header.end, blockEnd(at), bytes.length);
  if (isCutShort || hasLostSector(bytes, at, end)) return { kind: "torn", position: at };
  return damaged("a bad record that no crash leaves");
}

/**
 * The first FULL or FIRST record that is readable from `from` on. A bad record's length says nothing, so that every byte
 * may be where one begins; few look like it.
 */
function findBatchStart(bytes: Uint8Array, from: number): number | null {
  for (let at = from; at + LEVEL_HEADER_BYTES <= bytes.length; at += 1) {
    const type = bytes[at + 6];
    if ((type === LEVEL_RECORD.full || type === LEVEL_RECORD.first) && readRecord(bytes, at) !== null) return at;
  }
  return null;
}

/** Zeros from its own start, or from the start of a sector within it, to the end of that sector or of the file. */
function hasLostSector(bytes: Uint8Array, at: number, recordEnd: number): boolean {
  for (let start = at; start < recordEnd; ) {
    const next = start - (start % SECTOR_BYTES) + SECTOR_BYTES;
    if (isZero(bytes, start, Math.min(next, bytes.length))) return true;
    start = next;
  }
  return false;
}

function isZero(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at += 1) if (bytes[at] !== 0) return false;
  return true;
}
