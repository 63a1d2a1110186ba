/** From the parts of one broker to the numbers that its metrics publish. Loaded with the first scrape. */
import type { ClusterImage } from "./metadata/index.ts";
import { BrokerMetrics, Metrics } from "./platform/index.ts";
import type { MetricsSource } from "./ports/index.ts";
import type { BrokerCounters, ReplicaManager } from "./runtime/index.ts";

export interface BrokerMetricsParts {
  readonly version: string;
  readonly nodeId: number;
  readonly counters: BrokerCounters;
  /** Null until the metadata is replayed. */
  image(): ClusterImage | null;
  replicas(): ReplicaManager | null;
  /** Throws DiskFault. */
  freeBytes(): number;
  /** What is wrong now: "disk-full", "metadata-suspended". */
  troubles(): readonly string[];
  connections(): readonly (readonly [listener: string, count: number])[];
  /** Doors that count what they refuse. */
  doors(): readonly MetricsSource[];
}

export function brokerMetrics(parts: BrokerMetricsParts): Metrics {
  const numbers = new BrokerMetrics({
    version: parts.version,
    nodeVersion: process.version,
    totals: () => parts.counters,
    topics: () =>
      [...(parts.image()?.topics.values() ?? [])].map(({ name, partitions }) => ({
        topic: name,
        partitionsCount: partitions.length,
      })),
    partitions: () => ledPartitions(parts),
    brokersCount: () => parts.image()?.brokers.size ?? 0,
    connections: () => parts.connections(),
    syncs: () => null,
    diskFreeBytes: () => {
      try {
        return parts.freeBytes();
      } catch {
        return null;
      }
    },
    isDiskFull: () => parts.troubles().includes("disk-full"),
    isMetadataSuspended: () => parts.troubles().includes("metadata-suspended"),
    offlineLogDirectoriesCount: () => (parts.replicas()?.isOffline === true ? 1 : 0),
  });
  return new Metrics([numbers, ...parts.doors()]);
}

function* ledPartitions(
  parts: BrokerMetricsParts,
): ReturnType<ConstructorParameters<typeof BrokerMetrics>[0]["partitions"]> extends Iterable<infer Row>
  ? Generator<Row>
  : never {
  for (const partition of parts.replicas()?.partitions() ?? []) {
    yield {
      topic: partition.topic,
      partition: partition.partition,
      isLeader: true,
      logStartOffset: partition.logStartOffset,
      highWatermark: partition.highWatermark,
      sizeBytes: partition.sizeBytes,
    };
  }
}
