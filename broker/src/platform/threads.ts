/**
 * How many syncs a process has room for at a time. Each takes a thread of libuv's pool (`UV_THREADPOOL_SIZE`, 4 without it), and reads
 * and writes off the loop keep some for themselves. A file system with a journal makes one commit for all that wait for it: a thousand
 * small logs that are synced three at a time take three times as long as twelve at a time, with as many more turns of the loop
 * for their ends (docs/performance.md, "Failover").
 */
const DEFAULT_THREADS = 4;
/** libuv's own bound. */
const THREADS_MAX = 1024;
/** For reads and writes off the loop, two each (data-directory.ts), where the pool is larger than Node makes it by itself. */
const OTHERS = 4;
/** Of a pool of Node's own size, all but one. */
const FEW = 3;
/** More than these gain nothing. */
const MOST = 16;

/** `poolSize`: the variable's text, undefined where it is not set. */
export function syncsAtATime(poolSize: string | undefined): number {
  const threads = threadsOf(poolSize);
  return Math.max(1, Math.min(FEW, threads - 1), Math.min(MOST, threads - OTHERS));
}

/** As libuv reads it: the digits that it begins with, one thread where it has none, and all that it allows below zero. */
function threadsOf(poolSize: string | undefined): number {
  if (poolSize === undefined) return DEFAULT_THREADS;
  const size = Number.parseInt(poolSize, 10);
  if (Number.isNaN(size) || size === 0) return 1;
  return size < 0 ? THREADS_MAX : Math.min(size, THREADS_MAX);
}

/** The pool is the process's, whatever brokers are in it: all their syncs together have so many of its threads. First come, first served. */
export class SyncRoom {
  #freeCount: number;
  readonly #waiting: ((leave: () => void) => void)[] = [];

  constructor(count: number) {
    this.#freeCount = count;
  }

  /** `begin` is called now or when there is room, and calls `leave` once, later on. */
  enter(begin: (leave: () => void) => void): void {
    if (this.#freeCount === 0) {
      this.#waiting.push(begin);
      return;
    }
    this.#freeCount -= 1;
    begin(() => this.#leave());
  }

  #leave(): void {
    this.#freeCount += 1;
    const next = this.#waiting.shift();
    if (next !== undefined) this.enter(next);
  }
}
