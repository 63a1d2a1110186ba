/** What lies on the brokers' disks. */
import { type DescribeLogDirsResponse, errorRow, type LogDir as WireDir } from "@tidemark/proto";
import { askEach, call, limitsOf } from "./admin-call.ts";
import { BrokerError, brokerErrorOf } from "./errors.ts";
import type { Cluster } from "./transport/cluster.ts";
import type { CallOptions, LogDir, LogDisk } from "./types.ts";

export interface LogAdmin {
  /**
   * Every replica on the disks of all brokers, or of one, by broker, topic and partition. What one broker cannot tell takes
   * nothing from the others: it is thrown behind the last of them.
   * @throws BrokerError KAFKA_STORAGE_ERROR for a directory that is offline, CONNECTION_LOST for a broker that does not answer;
   * `disks` tells of those too
   */
  dirs(options?: CallOptions & { broker?: number }): AsyncIterableIterator<LogDir>;
  /** The data directories themselves: room, and what is wrong with them. A broker that does not answer has a row of its own. */
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
  let failure: BrokerError | null = null;
  for (const { broker, answer } of await askBrokers(cluster, options)) {
    for (const dir of answer instanceof BrokerError ? [] : answer.dirs) {
      if (dir.errorCode === 0)
        for (const { topic, partition, bytes, lag } of dir.replicas)
          yield { topic, partition, broker, path: dir.path, bytes, lag };
      else failure ??= errorOf(dir, broker);
    }
    if (answer instanceof BrokerError) failure ??= answer;
  }
  if (failure !== null) throw failure;
}

async function* logDisks(
  cluster: Cluster,
  options: CallOptions & { broker?: number } = {},
): AsyncIterableIterator<LogDisk> {
  for (const { broker, answer } of await askBrokers(cluster, options)) {
    if (answer instanceof BrokerError) {
      yield { broker, path: null, totalBytes: null, freeBytes: null, usedBytes: 0, error: answer };
      continue;
    }
    for (const dir of answer.dirs) {
      const { path, totalBytes, freeBytes, replicas } = dir;
      yield {
        broker,
        path,
        totalBytes: totalBytes < 0 ? null : totalBytes,
        freeBytes: freeBytes < 0 ? null : freeBytes,
        usedBytes: replicas.reduce((sum, { bytes }) => sum + bytes, 0),
        error: dir.errorCode === 0 ? null : errorOf(dir, broker),
      };
    }
  }
}

function errorOf({ errorCode, errorMessage }: WireDir, broker: number): BrokerError {
  return brokerErrorOf(errorRow(errorCode), errorMessage, { broker });
}

interface Answer {
  readonly broker: number;
  readonly answer: DescribeLogDirsResponse | BrokerError;
}

/** All brokers side by side, or the one that was asked for, whose failure is thrown. */
async function askBrokers(cluster: Cluster, options: CallOptions & { broker?: number }): Promise<Answer[]> {
  const limits = limitsOf(options);
  await cluster.refresh([], { create: false });
  const known = (cluster.info?.brokers ?? []).map(({ id }) => id).sort((a, b) => a - b);
  const { broker: wanted } = options;
  if (wanted === undefined) {
    const answers = await askEach(cluster, "describeLogDirs", () => ({}), known, limits);
    return [...answers].map(([broker, answer]) => ({ broker, answer }));
  }
  if (!known.includes(wanted))
    throw brokerErrorOf(errorRow("BROKER_ID_NOT_REGISTERED"), `there is no broker ${wanted}`, { broker: wanted });
  const answer = await call(cluster, "describeLogDirs", {}, { ...limits, broker: wanted, isExact: true });
  return [{ broker: wanted, answer }];
}
