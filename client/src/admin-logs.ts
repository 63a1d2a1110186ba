/** What lies on the brokers' disks. */
import { errorRow } from "@tidemark/proto";
import { call, limitsOf } from "./admin-call.ts";
import { brokerErrorOf } from "./errors.ts";
import type { Limits } from "./pause.ts";
import type { Cluster } from "./transport/cluster.ts";
import type { CallOptions, LogDir, LogDisk } from "./types.ts";

export interface LogAdmin {
  /**
   * Every replica on the disks of all brokers, or of one, by topic and partition.
   * @throws BrokerError KAFKA_STORAGE_ERROR for a directory that is offline; `disks` tells of those too
   */
  dirs(options?: CallOptions & { broker?: number }): AsyncIterableIterator<LogDir>;
  /** The data directories themselves: room, and what is wrong with them. */
  disks(options?: CallOptions & { broker?: number }): AsyncIterableIterator<LogDisk>;
}

export function createLogAdmin(cluster: Cluster): LogAdmin {
  return Object.freeze<LogAdmin>({
    dirs: (options) => logDirs(cluster, options),
    disks: (options) => logDisks(cluster, options),
  });
}

async function* logDirs(
  cluster: Cluster,
  options: CallOptions & { broker?: number } = {},
): AsyncIterableIterator<LogDir> {
  for await (const { broker, dir } of directories(cluster, options)) {
    const { path, errorCode, errorMessage } = dir;
    if (errorCode !== 0) throw brokerErrorOf(errorRow(errorCode), errorMessage, { broker });
    for (const { topic, partition, bytes, lag } of dir.replicas) yield { topic, partition, broker, path, bytes, lag };
  }
}

async function* logDisks(
  cluster: Cluster,
  options: CallOptions & { broker?: number } = {},
): AsyncIterableIterator<LogDisk> {
  for await (const { broker, dir } of directories(cluster, options)) {
    const { path, errorCode, errorMessage, totalBytes, freeBytes } = dir;
    const error = errorCode === 0 ? null : brokerErrorOf(errorRow(errorCode), errorMessage, { broker });
    yield {
      broker,
      path,
      totalBytes: totalBytes < 0 ? null : totalBytes,
      freeBytes: freeBytes < 0 ? null : freeBytes,
      usedBytes: dir.replicas.reduce((sum, { bytes }) => sum + bytes, 0),
      error,
    };
  }
}

type Directory = Awaited<ReturnType<typeof ask>>["dirs"][number];

async function* directories(
  cluster: Cluster,
  options: CallOptions & { broker?: number },
): AsyncIterableIterator<{ broker: number; dir: Directory }> {
  const limits = limitsOf(options);
  await cluster.refresh([], { create: false });
  const known = cluster.info?.brokers.map(({ id }) => id) ?? [];
  const { broker: wanted } = options;
  if (wanted !== undefined && !known.includes(wanted))
    throw brokerErrorOf(errorRow("BROKER_ID_NOT_REGISTERED"), `there is no broker ${wanted}`, { broker: wanted });
  for (const broker of wanted === undefined ? known : [wanted]) {
    const { brokerId, dirs } = await ask(cluster, broker, limits);
    for (const dir of dirs) yield { broker: brokerId, dir };
  }
}

function ask(cluster: Cluster, broker: number, limits: Limits) {
  return call(cluster, "describeLogDirs", {}, { ...limits, broker });
}
