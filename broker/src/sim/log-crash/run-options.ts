/**
 * What one seed decides about its run: shape, configuration, how the disk behaves, how each life ends. Everything is drawn
 * here, printed with a failure, and never changed later.
 */
import type { SeededRandom } from "../../base/index.ts";
import type { LogConfig } from "../../storage/index.ts";
import type { DirectoryMode } from "../sim-tree.ts";

export interface CrashRunOptions {
  readonly diskMode: DirectoryMode;
  readonly lives: number;
  readonly partitions: number;
  readonly config: LogConfig;
  readonly checkpointIntervalMs: number;
  readonly producers: number;
  /** Faults other than crashes: none in half of the seeds, so that clean histories are seen as well. */
  readonly hasFaults: boolean;
  /** Damage to files between two lives. */
  readonly hasDamage: boolean;
  readonly openFilesMax: number;
  /** Log files that are open at a time; few, and one is closed and opened again all the time. */
  readonly pooledFilesMax: number;
  /** SimDisk.slowWriteMs. Above 0 the log writes off the loop most of the time. */
  readonly slowWriteMs: number;
  /** What is kept in memory for readers at the tail; then some batches are so large that they are kept. 0: nothing is. */
  readonly tailCacheBytes: number;
}

const NEVER = Number.MAX_SAFE_INTEGER;

export function drawOptions(random: SeededRandom): CrashRunOptions {
  const tail = random.fork("tail cache");
  return {
    diskMode: random.chance(0.7) ? "strict" : "journal",
    lives: random.between(2, 5),
    partitions: random.between(1, 3),
    config: drawConfig(random),
    checkpointIntervalMs: random.pick([20, 200, 5000]),
    producers: random.between(1, 4),
    hasFaults: random.chance(0.5),
    hasDamage: random.chance(0.2),
    openFilesMax: 10_000,
    slowWriteMs: random.chance(0.3) ? random.pick([2, 5, 20, 200]) : 0,
    pooledFilesMax: random.chance(0.3) ? random.between(1, 3) : 512,
    tailCacheBytes: tail.chance(0.2) ? tail.between(20_000, 500_000) : 0,
  };
}

function drawConfig(random: SeededRandom): LogConfig {
  // A stream of its own: seeds that failed before draw what they drew then.
  const window = random.fork("flush window");
  return {
    // Powers of two, so that small segments, which roll often, are as frequent as large ones.
    segmentBytes: 2 ** random.between(10, 15) + random.below(1024),
    segmentMs: random.chance(0.2) ? random.between(20, 200) : 604_800_000,
    segmentJitterMs: random.chance(0.5) ? 0 : 10,
    segmentIndexBytes: random.chance(0.2) ? random.between(24, 96) : 10_485_760,
    indexIntervalBytes: random.pick([0, 100, 1000, 4096]),
    flushMessages: random.chance(0.2) ? random.between(1, 20) : NEVER,
    flushMs: random.chance(0.2) ? random.between(5, 100) : NEVER,
    flushWindowMs: window.chance(0.3) ? window.between(1, 50) : 0,
    fileDeleteDelayMs: random.pick([0, 10, 1000]),
    cleanupPolicy: random.chance(0.8) ? ["delete"] : ["compact"],
    retentionMs: random.chance(0.5) ? random.pick([0, 5, 50, 400]) : -1,
    retentionBytes: random.chance(0.3) ? random.below(20_000) : -1,
    producerIdExpirationMs: 86_400_000,
    durability: random.pick(["page-cache", "page-cache", "group-commit", "group-commit", "fsync-each", "none"]),
  };
}
