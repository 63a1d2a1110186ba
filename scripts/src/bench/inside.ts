/**
 * Preloaded into a broker that is measured (`--expose-gc --import`): answers the benchmark over the IPC channel, and does
 * nothing else. The channel does not keep the broker alive.
 */
import { readdirSync, readlinkSync } from "node:fs";
import { type IntervalHistogram, monitorEventLoopDelay } from "node:perf_hooks";

/** The histogram counts from one turn of its timer to the next, and so this much too much. */
const RESOLUTION_MS = 2;

/** Freed pages are the system's again. */
const PAGES_RETURN_MS = 1_500;

let delay: IntervalHistogram | null = null;

/** Of rounds that still give something back. */
const ROUNDS_MIN = 2;
const ROUNDS_MAX = 6;
const SHRINKS_BYTES = 256 * 1024;

async function collect(): Promise<void> {
  // What finalizers let go of goes with the second round, and a round moves together what lies in a few megabytes of half empty pages.
  // Behind a collection other threads give the freed pages back: read at once, resident memory is up to 13 MB higher, or not, as it happens.
  let before = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, PAGES_RETURN_MS));
    const rss = process.memoryUsage.rss();
    if (round + 1 >= ROUNDS_MIN && before - rss < SHRINKS_BYTES) return;
    before = rss;
  }
}

/** What each descriptor stands for: a path, or the kind of what has none (`socket:[1234]`). */
function openPathsOf(): string[] {
  return readdirSync("/proc/self/fd").flatMap((descriptor) => {
    try {
      return [readlinkSync(`/proc/self/fd/${descriptor}`)];
    } catch {
      // The one that the directory itself was listed with.
      return [];
    }
  });
}

process.on("message", (message) => {
  if (message === "inside") {
    void collect().then(() => {
      const { rss, external, heapUsed } = process.memoryUsage();
      const openPaths = openPathsOf();
      const openFiles = openPaths.length;
      process.send?.({ rssBytes: rss, externalBytes: external, heapUsedBytes: heapUsed, openFiles, openPaths });
    });
  } else if (message === "watch") {
    delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
    delay.enable();
    process.send?.(0);
  } else if (message === "watched") {
    delay?.disable();
    process.send?.((delay?.percentile(99) ?? Number.NaN) / 1e6 - RESOLUTION_MS);
  }
});
process.channel?.unref();
