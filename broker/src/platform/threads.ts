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
const LEAST = 3;
/** More than these gain nothing. */
const MOST = 16;

/** `poolSize`: the variable's text, undefined where it is not set. */
export function syncsAtATime(poolSize: string | undefined): number {
  const size = Math.trunc(Number(poolSize ?? DEFAULT_THREADS));
  const threads = size >= 1 ? Math.min(size, THREADS_MAX) : DEFAULT_THREADS;
  return Math.min(MOST, Math.max(LEAST, threads - OTHERS));
}
