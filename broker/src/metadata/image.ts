/**
 * The cluster as one value: what all metadata records up to `metadataOffset` add up to. Images are immutable; a new one
 * shares what did not change with the one before, so that readers keep theirs as long as they like.
 */
import { type DynamicConfigs, type Listener, noDynamicConfigs } from "../config/index.ts";
import type { TopicPartitions } from "./broker-requests.ts";

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
  /** `min.insync.replicas` of the controller's file: what holds where nothing was set for the cluster. Null = by number of replicas. */
  readonly minIsrDefault: number | null;
  /** What was set for the cluster and for single brokers; the same object until an entry changes it. */
  readonly configs: DynamicConfigs;
  /** First producer id that no block has handed out. */
  readonly nextProducerId: number;
  /** By hand, by node id: whether it is to vote on the metadata. Of the others the configuration says it. The same object until an entry changes it. */
  readonly voterChoices: ReadonlyMap<number, boolean>;
}

export interface BrokerImage {
  readonly brokerId: number;
  /** New for each process start and growing: the metadata offset of the registration. */
  readonly brokerEpoch: number;
  readonly incarnationId: string;
  readonly directoryId: string;
  readonly listeners: readonly Listener[];
  readonly rack: string | null;
  /** The machine, below the rack; null = one of its own. */
  readonly host: string | null;
  /** This incarnation was registered without the marker of a clean stop of the one before (9(4)). */
  readonly isUnclean: boolean;
  /** Registered, but not usable as leader, ISR member or placement target. */
  readonly isFenced: boolean;
  /** In a controlled shutdown (10.5). */
  readonly isShuttingDown: boolean;
  /** No room but the reserve (3.8(2)). */
  readonly isFull: boolean;
  /** Its log directory failed (3.8(1)). */
  readonly isOffline: boolean;
  /** An operator takes it out of service: no new replicas, and others lead where they may. Survives its restarts. */
  readonly isDraining: boolean;
  /** The metadata that this incarnation understands (feature-level.ts). */
  readonly metadataLevel: number;
  /** Replicas that this incarnation registered or reported as damaged (15.7), until they are in sync again: never chosen unasked. */
  readonly damaged: readonly TopicPartitions[];
}

export interface TopicImage {
  readonly name: string;
  /** 22 characters, base64url. A recreated topic has another. */
  readonly topicId: string;
  readonly internal: boolean;
  readonly overrides: ReadonlyMap<string, string>;
  /** Of the request that made it, where that had one: asked again, it is answered with this topic. */
  readonly creationId?: string;
  /** By partition number, without gaps. */
  readonly partitions: readonly PartitionImage[];
}

export interface PartitionImage {
  readonly partition: number;
  /** In order of preference. While they are reassigned (13(6)): the target, and behind it those that are removed at the end. */
  readonly replicas: readonly number[];
  /** Replicas that it did not have before the reassignment; a cancelled one takes them away again. */
  readonly addingReplicas: readonly number[];
  /** Replicas that it will not have after it. One that is in both lists goes either way. */
  readonly removingReplicas: readonly number[];
  readonly isr: readonly number[];
  /** Eligible leader replicas: left the ISR below min ISR, and hold all that is committed (9(5)). None while the ISR has min ISR. */
  readonly elr: readonly number[];
  /** The last ISR that had min ISR, and who joined below it, with the directories that held the logs (9(5)). */
  readonly lastIsr: readonly ReplicaDirectory[];
  /** -1 = none. */
  readonly leaderId: number;
  /** Leader epoch of the last choice among replicas that were not known to hold everything (9(3)); -1 = none. */
  readonly uncleanEpoch: number;
  /** From such a choice until the leader reports that it has recovered. */
  readonly isRecovering: boolean;
  /** +1 at a leader change, at a restart of the leader, and where a replica is removed (7(8)). */
  readonly leaderEpoch: number;
  /** +1 at every change. */
  readonly partitionEpoch: number;
}

/** A replica as long as its disk is not emptied. */
export interface ReplicaDirectory {
  readonly brokerId: number;
  readonly directoryId: string;
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
  minIsrDefault: null,
  configs: noDynamicConfigs,
  nextProducerId: 0,
  voterChoices: new Map(),
};
