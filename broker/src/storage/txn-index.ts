/**
 * The aborted transactions whose markers stand in one segment (2.5(3)), for readers that want committed records only. Kept
 * in memory between their end and the next write of the segment's indexes; like those it is made anew by recovery, so it is
 * trusted only below the recovery point. There is a file only where there is an entry.
 *
 * Invariant: entries ascend by `lastOffset`.
 */
import { assert } from "../base/index.ts";
import type { Disk } from "../ports/index.ts";
import { readWholeFile, removeFile, writeTail } from "./file-io.ts";
import { slotOf } from "./log-reader.ts";
import type { Segment } from "./segment.ts";
import { decodeTxnIndex, encodeTxnIndex, TXN_ENTRY_BYTES } from "./txn-index-file.ts";
import type { AbortedTransaction } from "./txn-index-file.ts";

export class TxnIndex {
  readonly #disk: Disk;
  readonly #path: string;
  #entries: AbortedTransaction[] = [];
  /** Leading entries that the file has, too. */
  #onFile = 0;
  /** The file has something behind those. */
  #hasStaleTail: boolean;

  private constructor(disk: Disk, path: string, hasStaleTail: boolean) {
    this.#disk = disk;
    this.#path = path;
    this.#hasStaleTail = hasStaleTail;
  }

  /** Begins anew: whatever the file holds goes with the next write. */
  static empty(disk: Disk, path: string): TxnIndex {
    return new TxnIndex(disk, path, true);
  }

  /** What the file holds; one that is corrupt counts as empty, loaders look at it before. Throws DiskFault. */
  static load(disk: Disk, path: string): TxnIndex {
    const bytes = readWholeFile(disk, path);
    const entries = bytes === null ? [] : decodeTxnIndex(bytes);
    const index = new TxnIndex(disk, path, entries === null);
    index.#entries = entries ?? [];
    index.#onFile = index.#entries.length;
    return index;
  }

  get entries(): readonly AbortedTransaction[] {
    return this.#entries;
  }

  get isOnFile(): boolean {
    return this.#onFile === this.#entries.length && !this.#hasStaleTail;
  }

  add(transaction: AbortedTransaction): void {
    assert(transaction.lastOffset > (this.#entries.at(-1)?.lastOffset ?? -1), "aborted transactions end in order");
    this.#entries.push(transaction);
  }

  /** The log ends at `offset` now: markers at or behind it are no more. */
  truncate(offset: number): void {
    while ((this.#entries.at(-1)?.lastOffset ?? -1) >= offset) this.#entries.pop();
    if (this.#onFile <= this.#entries.length) return;
    this.#onFile = this.#entries.length;
    this.#hasStaleTail = true;
  }

  /** Writes what the file lacks; true if there was anything. Throws DiskFault; nothing is lost by that. */
  flush(): boolean {
    if (this.isOnFile) return false;
    if (this.#entries.length === 0) removeFile(this.#disk, this.#path);
    else
      writeTail(
        this.#disk,
        this.#path,
        encodeTxnIndex(this.#entries.slice(this.#onFile)),
        this.#onFile * TXN_ENTRY_BYTES,
      );
    this.#onFile = this.#entries.length;
    this.#hasStaleTail = false;
    return true;
  }
}

/** Aborted transactions with records in [from, to), in the order of their markers. Throws DiskFault. */
export function findAborted(segments: readonly Segment[], from: number, to: number): AbortedTransaction[] {
  const found: AbortedTransaction[] = [];
  for (const segment of segments.slice(Math.max(0, slotOf(segments, from)))) {
    for (const transaction of segment.abortedTransactions) {
      if (transaction.lastOffset >= from && transaction.firstOffset < to) found.push(transaction);
      // What was still open then began at or behind that place.
      if (transaction.lastStableOffset >= to) return found;
    }
  }
  return found;
}
