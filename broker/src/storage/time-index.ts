/**
 * The time index of one segment (2.5(2)): (T, offset) says that no record up to that offset is newer than T. On disk,
 * big-endian, 12 bytes an entry:
 *
 *     0  i64  timestamp         ms; strictly ascending
 *     8  i32  relative offset   last offset of the batch with that timestamp - base offset of the segment
 *
 * A closed segment ends with its largest timestamp. Not checksummed, rebuilt like the offset index. A tail of zeros, as
 * Kafka preallocates it, counts as not there.
 */
import { NO_TIMESTAMP, readInt64, writeInt64 } from "@tidemark/proto";
import type { Disk } from "../ports/index.ts";
import { readFullySync } from "./file-io.ts";

export const TIME_INDEX_ENTRY_BYTES = 12;

const FIRST_CAPACITY = 16;

export class TimeIndex {
  #timestamps: Float64Array;
  #relativeOffsets: Uint32Array;
  #count = 0;

  private constructor(capacity: number) {
    this.#timestamps = new Float64Array(capacity);
    this.#relativeOffsets = new Uint32Array(capacity);
  }

  static empty(): TimeIndex {
    return new TimeIndex(0);
  }

  /** The entries of a file. Null: corrupt. */
  static parse(bytes: Buffer): TimeIndex | null {
    if (bytes.length % TIME_INDEX_ENTRY_BYTES !== 0) return null;
    const index = new TimeIndex(bytes.length / TIME_INDEX_ENTRY_BYTES);
    for (let at = 0; at < bytes.length; at += TIME_INDEX_ENTRY_BYTES) {
      index.#timestamps[index.#count] = readInt64(bytes, at);
      index.#relativeOffsets[index.#count] = bytes.readUInt32BE(at + 8);
      index.#count += 1;
    }
    index.#dropZeroTail();
    return index.#count > 0 && index.relativeOffsetAt(index.#count - 1) > 0x7fff_ffff ? null : index;
  }

  get count(): number {
    return this.#count;
  }

  timestampAt(slot: number): number {
    return this.#timestamps[slot] as number;
  }

  relativeOffsetAt(slot: number): number {
    return this.#relativeOffsets[slot] as number;
  }

  /** -1 = no entry. */
  get lastTimestamp(): number {
    return this.#count === 0 ? NO_TIMESTAMP : this.timestampAt(this.#count - 1);
  }

  get lastRelativeOffset(): number {
    return this.#count === 0 ? 0 : this.relativeOffsetAt(this.#count - 1);
  }

  /** Adds the entry if it says something new; false if not. */
  maybeAdd(timestamp: number, relativeOffset: number): boolean {
    if (timestamp <= this.lastTimestamp) return false;
    if (this.#count === this.#timestamps.length) this.#grow();
    this.#timestamps[this.#count] = timestamp;
    this.#relativeOffsets[this.#count] = relativeOffset;
    this.#count += 1;
    return true;
  }

  /** The newest slot whose timestamp is at or below `timestamp`; -1 = none. */
  floorSlot(timestamp: number): number {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.timestampAt(middle) <= timestamp) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** Drops the entries of offsets at or above `relativeOffset`. */
  truncate(relativeOffset: number): void {
    while (this.#count > 0 && this.lastRelativeOffset >= relativeOffset) this.#count -= 1;
  }

  /** Drops the newest entries but for the first `count`. */
  keep(count: number): void {
    this.#count = Math.min(this.#count, count);
  }

  /** The entries from `slot` on, as they lie in the file. */
  encode(slot: number): Buffer {
    const bytes = Buffer.allocUnsafe((this.#count - slot) * TIME_INDEX_ENTRY_BYTES);
    for (let from = slot, at = 0; from < this.#count; from += 1, at += TIME_INDEX_ENTRY_BYTES) {
      writeInt64(bytes, at, this.timestampAt(from));
      bytes.writeUInt32BE(this.relativeOffsetAt(from), at + 8);
    }
    return bytes;
  }

  /** Only the very first entry of a file may be all zeros by right: a record of 1970 that is alone in its batch. */
  #dropZeroTail(): void {
    const read = this.#count;
    while (this.#count > 0 && this.lastTimestamp === 0 && this.lastRelativeOffset === 0) this.#count -= 1;
    if (this.#count === 0 && read === 1) this.#count = 1;
  }

  #grow(): void {
    const capacity = Math.max(FIRST_CAPACITY, this.#count * 2);
    const timestamps = new Float64Array(capacity);
    const relativeOffsets = new Uint32Array(capacity);
    timestamps.set(this.#timestamps);
    relativeOffsets.set(this.#relativeOffsets);
    this.#timestamps = timestamps;
    this.#relativeOffsets = relativeOffsets;
  }
}

/** The newest entry of a file, without the others; null when there is none, or the file's size is wrong. Throws DiskFault. */
export function readLastTimeEntry(disk: Disk, path: string): { timestamp: number; relativeOffset: number } | null {
  const sizeBytes = disk.sizeOf(path);
  if (sizeBytes === null || sizeBytes === 0 || sizeBytes % TIME_INDEX_ENTRY_BYTES !== 0) return null;
  const file = disk.open(path, "read");
  try {
    const bytes = Buffer.allocUnsafe(TIME_INDEX_ENTRY_BYTES);
    if (readFullySync(file, bytes, sizeBytes - TIME_INDEX_ENTRY_BYTES) < bytes.length) return null;
    return { timestamp: readInt64(bytes, 0), relativeOffset: bytes.readUInt32BE(8) };
  } finally {
    file.closeSync();
  }
}
