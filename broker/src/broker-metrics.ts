/** From the parts of one broker to the numbers that its metrics publish. Loaded with the first scrape. */
import { type ClusterImage, emptyImage, replicationFactorOf } from "./metadata/index.ts";
import { nodeMetricsText, processNumbers } from "./platform/index.ts";
import { Metrics } from "./platform/metrics/render.ts";
import type { BrokerInfo, ClusterNumbers, PartitionNumbers, RaftNumbers, TopicNumbers } from "./platform/index.ts";
import type { CountedDoor, Refusal } from "./ports/index.ts";
import type { BrokerCounters, Controller, ReplicaManager, RequestBudget, RequestLog } from "./runtime/index.ts";

export interface BrokerMetricsParts {
  readonly version: string;
  readonly nodeId: number;
  summaryPartitionsMax(): number;
  readonly counters: BrokerCounters;
  readonly requests: RequestLog;
  /** Null until the metadata is replayed. */
  controller(): Controller | null;
  replicas(): ReplicaManager | null;
  budget(): RequestBudget | null;
  /** Both throw DiskFault. */
  freeBytes(): number;
  totalBytes(): number;
  /** By listener. */
  doors(): readonly (readonly [listener: string, door: CountedDoor])[];
}

export function brokerMetrics(parts: BrokerMetricsParts): Metrics {
  return new Metrics({
    numbers: {
      version: parts.version,
      nodeVersion: process.version,
      nodeId: parts.nodeId,
      get summaryPartitionsMax() {
        return parts.summaryPartitionsMax();
      },
      totals: () => parts.counters,
      topics: () => topics(parts),
      partitions: () => partitions(parts),
      cluster: () => cluster(parts.controller()),
      uncleanElectionsCount: () => parts.controller()?.uncleanElections ?? 0,
      connections: () => parts.doors().map(([listener, door]) => [listener, door.connectionsCount] as const),
      delayedConnections: () =>
        parts.doors().map(([listener, door]) => [listener, door.delayedConnectionsCount] as const),
      refusals: () => refusals(parts),
      requests: () => parts.requests.all,
      slowRequestsCount: () => parts.requests.slowCount,
      queued: () => ({ requests: parts.budget()?.requests ?? 0, bytes: parts.budget()?.bytes ?? 0 }),
      unfinishedBytes: () => parts.doors().map(([listener, door]) => [listener, door.unfinishedBytes] as const),
      syncDurations: () => parts.replicas()?.syncDurations ?? null,
      diskFreeBytes: () => orNull(() => parts.freeBytes()),
      diskTotalBytes: () => orNull(() => parts.totalBytes()),
      isrChanges: () => parts.replicas()?.isrChanges ?? { shrinks: 0, expands: 0 },
      damage: () => parts.replicas()?.damage ?? { replicas: 0, found: 0, repaired: 0 },
      followerLagMax: () => {
        let most = 0;
        for (const { lag } of parts.replicas()?.followed() ?? []) most = Math.max(most, lag);
        return most;
      },
      isDiskFull: () => parts.replicas()?.isFull === true,
      isMetadataSuspended: () => parts.controller()?.isSuspended === true,
      offlineLogDirectoriesCount: () => (parts.replicas()?.isOffline === true ? 1 : 0),
      raft: () => raft(parts),
    },
    process: processNumbers(),
    more: nodeMetricsText,
  });
}

function* topics(parts: BrokerMetricsParts): Iterable<TopicNumbers> {
  const traffic = parts.replicas()?.traffic;
  const controller = parts.controller();
  for (const { name, partitions } of controller?.image.topics.values() ?? []) {
    const partitionsCount = controller?.isActive === true ? partitions.length : null;
    yield { topic: name, partitionsCount, traffic: traffic?.get(name) ?? null };
  }
}

function* partitions(parts: BrokerMetricsParts): Iterable<PartitionNumbers> {
  const manager = parts.replicas();
  const { topics, brokers } = parts.controller()?.image ?? emptyImage;
  for (const { name, partitions } of topics.values()) {
    for (const placed of partitions) {
      const { partition, leaderId, replicas, isr } = placed;
      if (!replicas.includes(parts.nodeId)) continue;
      const teller = leaderId >= 0 ? leaderId : replicas.find((id) => brokers.get(id)?.isFenced === false);
      yield {
        topic: name,
        partition,
        leaderId,
        preferredLeaderId: replicas[0] ?? -1,
        replicasCount: replicationFactorOf(placed),
        isrCount: isr.length,
        isToldHere: teller === parts.nodeId,
        led: manager?.find(name, partition) ?? null,
        log: manager?.log(name, partition) ?? null,
      };
    }
  }
}

function cluster(controller: Controller | null): ClusterNumbers | null {
  return controller?.isActive === true ? clusterNumbers(controller.image) : null;
}

function clusterNumbers({ brokers, topics }: ClusterImage): ClusterNumbers {
  let [partitionsCount, offlinePartitionsCount, strayLeadersCount] = [0, 0, 0];
  for (const { partitions } of topics.values()) {
    partitionsCount += partitions.length;
    for (const { leaderId, replicas } of partitions) {
      if (leaderId < 0) offlinePartitionsCount += 1;
      if (leaderId !== replicas[0]) strayLeadersCount += 1;
    }
  }
  return {
    brokers: brokerInfos(brokers),
    fencedBrokersCount: [...brokers.values()].filter(({ isFenced }) => isFenced).length,
    topicsCount: topics.size,
    partitionsCount,
    offlinePartitionsCount,
    strayLeadersCount,
  };
}

function brokerInfos(brokers: ClusterImage["brokers"]): BrokerInfo[] {
  return [...brokers.values()].map(({ brokerId, listeners }) => {
    const [first] = listeners;
    return { id: brokerId, address: first === undefined ? "" : `${first.host}:${first.port}` };
  });
}

function raft(parts: BrokerMetricsParts): RaftNumbers | null {
  const controller = parts.controller();
  if (controller === null) return null;
  return {
    term: controller.term,
    ...controller.election,
    committedIndex: controller.image.metadataOffset,
    lastIndex: controller.lastIndex,
    recordsAppended: controller.entriesAppended,
    snapshotBytes: controller.snapshotBytes,
    appendDurations: controller.appendDurations,
    commitDurations: controller.commitDurations,
  };
}

function* refusals(parts: BrokerMetricsParts): Iterable<readonly [string, Refusal]> {
  for (const [listener, door] of parts.doors()) for (const refusal of door.refusals) yield [listener, refusal];
}

/** A disk that does not say is no reason to say nothing else. */
function orNull(read: () => number): number | null {
  try {
    return read();
  } catch {
    return null;
  }
}
