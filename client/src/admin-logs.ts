/** What lies on the brokers' disks. */
import { type DescribeLogDirsResponse, errorRow, type LogDir as WireDir } from "@tidemark/proto";
import { askEach, limitsOf } from "./admin-call.ts";
import { BrokerError, brokerErrorOf } from "./errors.ts";
import type { Limits } from "./pause.ts";
import type { Cluster } from "./transport/cluster.ts";
import type { CallOptions, LogDir, LogDisk, TopicPartition } from "./types.ts";

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
  const { broker: wanted, ...rest } = options;
  // All of them: how far a replica is behind shows beside the others.
  const answers = await askBrokers(cluster, rest, wanted);
  const replicas = answers.flatMap(({ answer }) =>
    answer instanceof BrokerError ? [] : answer.dirs.flatMap((dir) => dir.replicas),
  );
  const ends = new Map<string, number>();
  for (const { topic, partition, logEndOffset } of replicas)
    ends.set(`${topic}:${partition}`, Math.max(ends.get(`${topic}:${partition}`) ?? 0, logEndOffset));
  let failure: BrokerError | null = null;
  for (const { broker, answer } of answers) {
    if (wanted !== undefined && broker !== wanted) continue;
    for (const dir of answer instanceof BrokerError ? [] : answer.dirs) {
      if (dir.errorCode !== 0) failure ??= errorOf(dir, broker);
      for (const { topic, partition, bytes, logEndOffset: end } of dir.replicas) {
        const lag = (ends.get(`${topic}:${partition}`) ?? end) - end;
        yield { topic, partition, broker, path: dir.path, bytes, end, lag };
      }
    }
    if (answer instanceof BrokerError) failure ??= answer;
  }
  if (failure !== null) throw failure;
}

/** Every replica on these brokers; nothing of one that does not answer. */
export async function replicasOn(
  cluster: Cluster,
  brokers: Iterable<number>,
  limits: Limits,
): Promise<(TopicPartition & { readonly broker: number; readonly bytes: number })[]> {
  const answers = await askEach(cluster, "describeLogDirs", () => ({}), brokers, limits);
  return [...answers].flatMap(([broker, answer]) =>
    answer instanceof BrokerError
      ? []
      : answer.dirs.flatMap(({ replicas }) =>
          replicas.map(({ topic, partition, bytes }) => ({ topic, partition, broker, bytes })),
        ),
  );
}

async function* logDisks(
  cluster: Cluster,
  options: CallOptions & { broker?: number } = {},
): AsyncIterableIterator<LogDisk> {
  const { broker: wanted, ...rest } = options;
  for (const { broker, answer } of await askBrokers(cluster, rest, wanted)) {
    if (wanted !== undefined && broker !== wanted) continue;
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

/** All brokers side by side, in order. @throws BrokerError BROKER_ID_NOT_REGISTERED where `wanted` is none of them */
async function askBrokers(cluster: Cluster, options: CallOptions, wanted?: number): Promise<Answer[]> {
  const limits = limitsOf(options);
  await cluster.refresh([], { create: false });
  const known = (cluster.info?.brokers ?? []).map(({ id }) => id).sort((a, b) => a - b);
  if (wanted !== undefined && !known.includes(wanted))
    throw brokerErrorOf(errorRow("BROKER_ID_NOT_REGISTERED"), `there is no broker ${wanted}`, { broker: wanted });
  const answers = await askEach(cluster, "describeLogDirs", () => ({}), known, limits);
  return [...answers].map(([broker, answer]) => ({ broker, answer }));
}
