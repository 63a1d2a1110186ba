/**
 * The cluster as one value: what all metadata records up to `metadataOffset` add up to. Images are immutable; a new one
 * shares what did not change with the one before, so that readers keep theirs as long as they like.
 */
import { type DynamicConfigs, type Listener, noDynamicConfigs } from "../config/index.ts";

export interface ClusterImage {
  /** 22 characters, base64url; empty before the first record. */
  readonly clusterId: string;
  /** Index of the last entry applied; 0 = none. */
  readonly metadataOffset: number;
  /** Node that decides commands in the current term; -1 before the first. */
  readonly controllerId: number;
  readonly brokers: ReadonlyMap<number, BrokerImage>;
  /** By name. */
  readonly topics: ReadonlyMap<string, TopicImage>;
  readonly topicsById: ReadonlyMap<string, TopicImage>;
  /** What was set for the cluster and for single brokers; the same object until an entry changes it. */
  readonly configs: DynamicConfigs;
  /** First producer id that no block has handed out. */
  readonly nextProducerId: number;
}

export interface BrokerImage {
  readonly brokerId: number;
  /** New for each process start and growing: the metadata offset of the registration. */
  readonly brokerEpoch: number;
  readonly incarnationId: string;
  readonly directoryId: string;
  readonly listeners: readonly Listener[];
  readonly rack: string | null;
}

export interface TopicImage {
  readonly name: string;
  /** 22 characters, base64url. A recreated topic has another. */
  readonly topicId: string;
  readonly internal: boolean;
  readonly overrides: ReadonlyMap<string, string>;
  /** By partition number, without gaps. */
  readonly partitions: readonly PartitionImage[];
}

export interface PartitionImage {
  readonly partition: number;
  /** In order of preference. */
  readonly replicas: readonly number[];
  readonly isr: readonly number[];
  /** -1 = none. */
  readonly leaderId: number;
  /** +1 at a leader change and at a restart of the leader. */
  readonly leaderEpoch: number;
  /** +1 at every change. */
  readonly partitionEpoch: number;
}

/** What one entry changed. A topic that was created in it has no row in `partitionsChanged`. */
export interface MetadataDelta {
  readonly metadataOffset: number;
  readonly topicsCreated: readonly TopicImage[];
  readonly topicsDeleted: readonly TopicImage[];
  readonly partitionsChanged: readonly { readonly topic: string; readonly partition: number }[];
  readonly brokersChanged: readonly number[];
  /** Topics whose overrides changed, by name; a topic that was created in the entry has no row. */
  readonly topicConfigsChanged: readonly string[];
}

export const emptyImage: ClusterImage = {
  clusterId: "",
  metadataOffset: 0,
  controllerId: -1,
  brokers: new Map(),
  topics: new Map(),
  topicsById: new Map(),
  configs: noDynamicConfigs,
  nextProducerId: 0,
};
