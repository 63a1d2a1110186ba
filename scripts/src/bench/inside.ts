/**
 * Preloaded into a broker that is measured (`--import`): answers the benchmark over the IPC channel, and does
 * nothing else. The channel does not keep the broker alive.
 */
import { readdirSync, readlinkSync } from "node:fs";
import { Session } from "node:inspector";
import { type IntervalHistogram, monitorEventLoopDelay } from "node:perf_hooks";

/** The histogram counts from one turn of its timer to the next, and so this much too much. */
const RESOLUTION_MS = 2;

let delay: IntervalHistogram | null = null;

/** Of rounds, until one gives nothing back. */
const ROUNDS_MAX = 6;
const SHRINKS_BYTES = 256 * 1024;
/** Other threads give freed pages back, and what finalizers let go of goes with the next round. */
const PAGES_RETURN_MS = 1_000;

/**
 * As where memory is short: until nothing is left to free, half empty pages moved together, the young generation as small as it gets.
 * `gc()` leaves that to what V8 thinks of the last seconds, and with it up to thirty megabytes, or not, as it happens.
 */
async function collect(): Promise<void> {
  const session = new Session();
  session.connect();
  let before = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    await new Promise((resolve) => session.post("HeapProfiler.collectGarbage", resolve));
    await new Promise((resolve) => setTimeout(resolve, PAGES_RETURN_MS));
    const rss = process.memoryUsage.rss();
    if (before - rss < SHRINKS_BYTES) break;
    before = rss;
  }
  session.disconnect();
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
    const standingRssBytes = process.memoryUsage.rss();
    void collect().then(() => {
      const { rss, external, heapUsed } = process.memoryUsage();
      const openPaths = openPathsOf();
      const openFiles = openPaths.length;
      process.send?.({
        standingRssBytes,
        rssBytes: rss,
        externalBytes: external,
        heapUsedBytes: heapUsed,
        openFiles,
        openPaths,
      });
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
