/**
 * Appends that wait for an offset: the high watermark, or the synced end. Ordered by the offset they wait for; nearly all
 * arrive in that order, a duplicate may belong further ahead (it waits as its original does).
 */
import type { AppendTask } from "./append-task.ts";

/** Slots of answered tasks are dropped in bulk: shifting an array costs its length. */
const COMPACT_AT = 1024;

export class ParkedQueue {
  /** Ascending by lastOffset from `#head` on. */
  #tasks: AppendTask[] = [];
  #head = 0;

  get length(): number {
    return this.#tasks.length - this.#head;
  }

  /** The greatest offset that is waited for; -1: nobody waits. */
  get newest(): number {
    return this.length === 0 ? -1 : offsetAt(this.#tasks, this.#tasks.length - 1);
  }

  push(task: AppendTask): void {
    const tasks = this.#tasks;
    let at = tasks.length;
    while (at > this.#head && offsetAt(tasks, at - 1) > task.lastOffset) at--;
    if (at === tasks.length) tasks.push(task);
    else tasks.splice(at, 0, task);
  }

  /** The first task whose last offset lies below `end`, taken out; null when the next one must wait. */
  takeBelow(end: number): AppendTask | null {
    const task = this.#tasks[this.#head];
    if (task === undefined || task.lastOffset >= end) return null;
    this.#head++;
    this.#compact();
    return task;
  }

  /** Takes `task` out wherever it stands. */
  remove(task: AppendTask): void {
    const at = this.#tasks.indexOf(task, this.#head);
    if (at >= 0) this.#tasks.splice(at, 1);
    this.#compact();
  }

  /** Takes all out. */
  takeAll(): AppendTask[] {
    const all = this.#tasks.slice(this.#head);
    this.#tasks = [];
    this.#head = 0;
    return all;
  }

  #compact(): void {
    if (this.#head === this.#tasks.length) {
      this.#tasks.length = 0;
      this.#head = 0;
    } else if (this.#head >= COMPACT_AT && this.#head * 2 >= this.#tasks.length) {
      this.#tasks = this.#tasks.slice(this.#head);
      this.#head = 0;
    }
  }
}

function offsetAt(tasks: readonly AppendTask[], at: number): number {
  return tasks[at]?.lastOffset ?? -1;
}
