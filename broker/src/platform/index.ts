/**
 * platform: the real world behind the ports: files, LevelDB, the data directory's lock, clock and timers, chance, log
 * lines, metrics, native codecs; and their twins in memory for a broker without a disk.
 *
 * Inputs: paths and options. Outputs: implementations of the ports, each passing the port's suite. Invariant: what costs
 * time to load (level, pino, prom-client, native codecs) is loaded at first use.
 * Not here: the metrics (metrics/, loaded with the first scrape) and the disk of a rehearsal (`@tidemark/broker/tools`);
 * decisions. What a fault means is decided by whoever holds the port.
 */
export { SystemClock, SystemTimers } from "./clock.ts";
export { holdProcess } from "./hold-process.ts";
export { descriptorsMax, openFilesLimit, shareDescriptors } from "./descriptors.ts";
export { FileDirectoryLocks, LOCK_FILE, MemoryDirectoryLocks } from "./directory-lock.ts";
export { FileDisk } from "./file-disk.ts";
export { LevelStore } from "./level-store.ts";
export { createLogger, type LoggerOptions } from "./logger.ts";
export { type LogLevel, LogLevels } from "./log-levels.ts";
export type {
  BrokerInfo,
  BrokerNumbers,
  BrokerTotals,
  ClusterNumbers,
  FollowerLag,
  LedPartition,
  PartitionNumbers,
  ProcessNumbers,
  RaftNumbers,
  RequestNumbers,
  TopicNumbers,
  TrafficNumbers,
} from "./broker-numbers.ts";
export { MEMORY_DISK_DEFAULT_BYTES, MemoryDisk } from "./memory-disk.ts";
export { MemoryStore } from "./memory-store.ts";
export { nodeMetricsText, processNumbers, watchEventLoop } from "./process-numbers.ts";
export { randomBytes } from "./random.ts";
export {
  createNativeCodecs,
  type NativePart,
  probeNativeParts,
  registerNativeCodecs,
  registerNativeCrc32c,
} from "./native-codecs.ts";
