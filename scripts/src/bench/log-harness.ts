/** A log on the real file system without a broker around it, as `append` and `recover` measure it. */
import { asLeaderEpoch, asMs, asPartitionId } from "@tidemark/broker/base";
import { createLogger, FileDisk, SystemClock, SystemTimers } from "@tidemark/broker/platform";
import {
  openLogDirectory,
  type LogConfig,
  type LogDirectory,
  type PartitionLog,
  type ReplicaSpec,
} from "@tidemark/broker/storage";
import { validateProducedBatch } from "@tidemark/proto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

const never = Number.MAX_SAFE_INTEGER;

export const clock = new SystemClock();
const topic = "bench";
const partition = asPartitionId(0);

/** Kafka's defaults; only the durability mode differs between rows. */
export function logConfig(durability: LogConfig["durability"]): LogConfig {
  return {
    segmentBytes: 2 ** 30,
    segmentMs: 7 * 24 * 3600 * 1000,
    segmentJitterMs: 0,
    segmentIndexBytes: 10 * 2 ** 20,
    indexIntervalBytes: 4096,
    flushMessages: never,
    flushMs: never,
    flushWindowMs: 0,
    fileDeleteDelayMs: 60_000,
    cleanupPolicy: ["delete"],
    retentionMs: -1,
    retentionBytes: -1,
    producerIdExpirationMs: 24 * 3600 * 1000,
    durability,
  };
}

export async function openDirectory(path: string, replicas: readonly ReplicaSpec[]): Promise<LogDirectory> {
  return await openLogDirectory({
    path,
    disk: new FileDisk(),
    clock,
    timers: new SystemTimers(),
    logger: createLogger({ level: "error", nodeId: 0 }),
    replicas,
    recoveryCheckpointIntervalMs: never,
    logStartCheckpointIntervalMs: never,
    highWatermarkCheckpointIntervalMs: never,
    onOffline: (fault) => {
      throw fault;
    },
  });
}

/** The topic id is fixed, so that a second start finds the log of the first. */
export const replica = (config: LogConfig): ReplicaSpec => ({
  topic,
  partition,
  topicId: "AAAAAAAAAAAAAAAAAAAAAA",
  config,
});

export async function openFreshLog(
  root: string,
  name: string,
  config: LogConfig,
): Promise<{ directory: LogDirectory; log: PartitionLog }> {
  const path = join(root, name);
  mkdirSync(path, { mode: 0o700 });
  const directory = await openDirectory(path, []);
  return { directory, log: await directory.createLog(replica(config)) };
}

/** One batch as the broker appends it: validated, appended, written. Waits where the log writes off the loop. */
export async function appendBatch(log: PartitionLog, batch: Buffer): Promise<void> {
  const verdict = validateProducedBatch(batch, { maxBytes: 32 * 2 ** 20 });
  if (!verdict.ok) throw new Error(verdict.message);
  const result = log.append(batch, verdict.header, asLeaderEpoch(0), now());
  if (!result.ok) throw new Error(result.code);
  const fault = log.writeAppended();
  if (fault !== null) throw fault;
  if (log.writtenEndOffset < log.logEndOffset) await log.whenWritten();
}

export const now = () => asMs(Date.now());
