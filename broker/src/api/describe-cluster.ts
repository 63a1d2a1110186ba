/** The cluster as applied here: who belongs to it and in what state, who decides, up to which metadata offset. */
import { PEER_VERSIONS } from "@tidemark/proto";
import {
  type BrokerImage,
  type ClusterImage,
  METADATA_LEVEL,
  RECORD_VERSIONS,
  SNAPSHOT_VERSIONS,
} from "../metadata/index.ts";
import type { BrokerContext } from "./broker-context.ts";
import type { ClientContext } from "./client.ts";

export interface ClusterDescription {
  readonly clusterId: string;
  readonly controllerId: number;
  readonly metadataOffset: number;
  /** Of this broker. */
  readonly version: string;
  readonly brokerId: number;
  /** For so long this broker has known no controller, and its metadata may be older than that; 0: it knows one. */
  readonly withoutControllerMs: number;
  readonly brokers: readonly ClusterBroker[];
  readonly features: readonly FeatureRange[];
}

export interface FeatureRange {
  readonly name: string;
  readonly oldest: number;
  readonly newest: number;
}

/** What two brokers of different releases have to agree on. */
const FEATURES: readonly FeatureRange[] = [
  { name: "peer.protocol", ...PEER_VERSIONS },
  { name: "metadata.records", ...RECORD_VERSIONS },
  { name: "metadata.snapshot", ...SNAPSHOT_VERSIONS },
  { name: "metadata.level", oldest: 0, newest: METADATA_LEVEL },
];

export interface ClusterBroker {
  readonly id: number;
  readonly host: string;
  readonly port: number;
  readonly rack: string;
  readonly alive: boolean;
  readonly fenced: boolean;
  readonly shuttingDown: boolean;
  readonly full: boolean;
  readonly offline: boolean;
  readonly machine: string;
  readonly brokerEpoch: number;
  readonly leaders: number;
  readonly replicas: number;
  readonly draining: boolean;
}

export function handleDescribeCluster(context: BrokerContext, client: ClientContext): ClusterDescription {
  const image = context.image();
  const counts = countsOf(image);
  const described = (broker: BrokerImage): ClusterBroker => {
    const endpoint = context.grpcEndpointOf(broker.brokerId, client);
    const { leaders, replicas } = counts.get(broker.brokerId) ?? { leaders: 0, replicas: 0 };
    return {
      id: broker.brokerId,
      host: endpoint?.host ?? "",
      port: endpoint?.port ?? 0,
      rack: broker.rack ?? "",
      alive: !broker.isFenced,
      fenced: broker.isFenced,
      shuttingDown: broker.isShuttingDown,
      full: broker.isFull,
      offline: broker.isOffline,
      machine: broker.host ?? "",
      brokerEpoch: broker.brokerEpoch,
      leaders,
      replicas,
      draining: broker.isDraining,
    };
  };
  return {
    clusterId: image.clusterId,
    controllerId: controllerOf(context),
    metadataOffset: image.metadataOffset,
    version: context.version,
    brokerId: context.config.current.nodeId,
    withoutControllerMs: context.quorum()?.leaderlessMs ?? 0,
    brokers: [...image.brokers.values()].map(described).sort((a, b) => a.id - b.id),
    features: FEATURES,
  };
}

/** Who leads the metadata log, as far as is known here now: an image remembers one that may be long gone. */
export function controllerOf(context: BrokerContext): number {
  return context.quorum()?.leaderId ?? context.image().controllerId;
}

function countsOf({ topics }: ClusterImage): Map<number, { leaders: number; replicas: number }> {
  const counts = new Map<number, { leaders: number; replicas: number }>();
  const of = (brokerId: number): { leaders: number; replicas: number } => {
    const known = counts.get(brokerId) ?? { leaders: 0, replicas: 0 };
    counts.set(brokerId, known);
    return known;
  };
  for (const { partitions } of topics.values()) {
    for (const { leaderId, replicas } of partitions) {
      if (leaderId >= 0) of(leaderId).leaders += 1;
      for (const replica of replicas) of(replica).replicas += 1;
    }
  }
  return counts;
}
