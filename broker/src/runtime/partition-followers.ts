/**
 * The followers of a partition that is led here, as far as they are not the core's: who reads along, and who waits until
 * every live replica has deleted what DeleteRecords asked for (13(4)). Made when there is a follower; most partitions of a
 * broker of its own have none.
 */
import type { ErrorName } from "@tidemark/proto";
import type { Ms, Offset } from "../base/index.ts";
import type { ReplicaWatcher } from "./partition.ts";
import type { Purgatory, Waiter } from "./purgatory.ts";

const NOBODY: readonly ReplicaWatcher[] = [];

export class PartitionFollowers {
  readonly #purgatory: Purgatory;
  /** Replaced, never changed: one or two, and an array that grows takes room for more. */
  #readers: readonly ReplicaWatcher[] = NOBODY;
  /** Null before the first. */
  #waits: Set<LogStartWait> | null = null;
  #writtenEnd = -1;

  constructor(purgatory: Purgatory) {
    this.#purgatory = purgatory;
  }

  add(reader: ReplicaWatcher): void {
    this.#readers = this.#readers.toSpliced(this.#readers.length, 0, reader);
  }

  /** False: it read along no more. */
  remove(reader: ReplicaWatcher): boolean {
    if (!this.#readers.includes(reader)) return false;
    this.#readers = this.#readers.filter((other) => other !== reader);
    return true;
  }

  /** All of them were sent what lies below; null: nobody reads along. */
  get leastSentTo(): Offset | null {
    let least: Offset | null = null;
    for (const { sentTo } of this.#readers) if (least === null || sentTo < least) least = sentTo;
    return least;
  }

  onWritten(writtenEnd: Offset): void {
    if (writtenEnd === this.#writtenEnd) return;
    this.#writtenEnd = writtenEnd;
    for (const reader of this.#readers) reader.onWritten();
  }

  onMarks(): void {
    for (const reader of this.#readers) reader.onMarks();
  }

  /** Resolves when all replicas start at `offset` or later, the deadline has passed, or the leadership is over. */
  untilLogStart(offset: Offset, deadline: Ms): Promise<void> {
    return new Promise((resolve) => {
      const wait = new LogStartWait(offset, deadline, () => {
        this.#waits?.delete(wait);
        this.#purgatory.release(wait);
        resolve();
      });
      this.#waits ??= new Set();
      this.#waits.add(wait);
      this.#purgatory.park(wait);
    });
  }

  /** The least log start of all live replicas is `offset` now. */
  onLeastLogStart(offset: number): void {
    for (const wait of this.#waits ?? []) if (wait.offset <= offset) wait.onDeadline();
  }

  close(code: ErrorName): void {
    for (const wait of this.#waits ?? []) wait.onDeadline();
    const readers = this.#readers;
    this.#readers = NOBODY;
    for (const reader of readers) reader.onPartitionClosed(code);
  }
}

class LogStartWait implements Waiter {
  readonly offset: Offset;
  readonly deadline: Ms;
  purgatorySlot = -1;
  readonly onDeadline: () => void;

  constructor(offset: Offset, deadline: Ms, onEnd: () => void) {
    this.offset = offset;
    this.deadline = deadline;
    this.onDeadline = onEnd;
  }
}
