/**
 * The sparse index of one segment, offset to position (2.5(1)), as a typed array. On disk, big-endian, 8 bytes an entry:
 *
 *     0  i32  relative offset   last offset of a batch - base offset of the segment
 *     4  i32  position          first byte of that batch
 *
 * Not checksummed: it is rebuilt from the log whenever the recovery point lies at or below its segment's end (4.2(5)).
 * Entries ascend in both columns. A tail of zeros, as Kafka preallocates it, counts as not there.
 */
import { assert } from "../base/index.ts";

export const OFFSET_INDEX_ENTRY_BYTES = 8;

const FIRST_CAPACITY = 16;
const IS_LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

export class OffsetIndex {
  /** Slot i: relative offset at 2i, position at 2i + 1. */
  #slots: Uint32Array;
  #count: number;

  private constructor(slots: Uint32Array, count: number) {
    this.#slots = slots;
    this.#count = count;
  }

  static empty(): OffsetIndex {
    return new OffsetIndex(new Uint32Array(0), 0);
  }

  /** Takes the bytes of a file over (they must start at offset 0 of their memory). Null: corrupt. */
  static parse(bytes: Buffer): OffsetIndex | null {
    if (bytes.length % OFFSET_INDEX_ENTRY_BYTES !== 0) return null;
    assert(bytes.byteOffset % 4 === 0, "an index file is read into memory of its own");
    if (IS_LITTLE_ENDIAN) bytes.swap32();
    const slots = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    let count = bytes.length / OFFSET_INDEX_ENTRY_BYTES;
    // No entry points at the first batch of a segment: position 0 is preallocated emptiness.
    while (count > 0 && slots[2 * count - 1] === 0) count -= 1;
    const index = new OffsetIndex(slots, count);
    const { lastPosition } = index;
    if (count > 0 && (index.relativeOffsetAt(count - 1) > 0x7fff_ffff || lastPosition > 0x7fff_ffff)) return null;
    // Whoever loads it holds the last entry against the log, and none may lead further.
    for (let slot = 0; slot < count; slot += 1) if (index.positionAt(slot) > lastPosition) return null;
    return index;
  }

  get count(): number {
    return this.#count;
  }

  relativeOffsetAt(slot: number): number {
    return this.#slots[2 * slot] as number;
  }

  positionAt(slot: number): number {
    return this.#slots[2 * slot + 1] as number;
  }

  /** Where the newest entry points; 0 when there is none. */
  get lastPosition(): number {
    return this.#count === 0 ? 0 : this.positionAt(this.#count - 1);
  }

  add(relativeOffset: number, position: number): void {
    const slot = this.#count;
    assert(position > this.lastPosition, "index entries ascend");
    if (2 * slot === this.#slots.length) this.#grow();
    this.#slots[2 * slot] = relativeOffset;
    this.#slots[2 * slot + 1] = position;
    this.#count = slot + 1;
  }

  /** The newest slot whose batch ends at or before `relativeOffset`; -1 = none. */
  floorSlot(relativeOffset: number): number {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.relativeOffsetAt(middle) <= relativeOffset) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** A batch begins there, and none before it holds an offset beyond `relativeOffset`. */
  floorPosition(relativeOffset: number): number {
    const slot = this.floorSlot(relativeOffset);
    return slot < 0 ? 0 : this.positionAt(slot);
  }

  /** Drops the entries of batches at or behind `position`. */
  truncate(position: number): void {
    while (this.#count > 0 && this.lastPosition >= position) this.#count -= 1;
  }

  /** Drops the newest entries but for the first `count`. */
  keep(count: number): void {
    this.#count = Math.min(this.#count, count);
  }

  /** The entries from `slot` on, as they lie in the file. */
  encode(slot: number): Buffer {
    const bytes = Buffer.allocUnsafe((this.#count - slot) * OFFSET_INDEX_ENTRY_BYTES);
    for (let from = slot, at = 0; from < this.#count; from += 1, at += OFFSET_INDEX_ENTRY_BYTES) {
      bytes.writeUInt32BE(this.relativeOffsetAt(from), at);
      bytes.writeUInt32BE(this.positionAt(from), at + 4);
    }
    return bytes;
  }

  #grow(): void {
    const slots = new Uint32Array(Math.max(2 * FIRST_CAPACITY, this.#slots.length * 2));
    slots.set(this.#slots);
    this.#slots = slots;
  }
}
