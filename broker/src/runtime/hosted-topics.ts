/**
 * What the metadata says now of the topics with a replica on this broker: their images, their settings with the broker's and the
 * cluster's defaults under them, and who is in sync.
 */
import { asBrokerIds, asPartitionId } from "../base/index.ts";
import type { BrokerConfig, LiveConfig, TopicConfig } from "../config/index.ts";
import { topicConfig } from "../config/index.ts";
import { effectiveMinIsr, emptyImage, replicationFactorOf } from "../metadata/index.ts";
import type { ClusterImage, PartitionImage, TopicImage } from "../metadata/index.ts";
import type { Membership } from "../replication/index.ts";
import type { ReplicaSpec } from "../storage/index.ts";
import type { PartitionSettings } from "./partition.ts";

export interface HostedTopic {
  readonly image: TopicImage;
  /** What `config` was made of, beside the topic's own. */
  readonly defaults: BrokerConfig;
  readonly config: TopicConfig;
  /** Of all its partitions. */
  readonly settings: PartitionSettings;
}

export class HostedTopics {
  readonly #config: LiveConfig;
  readonly #topics = new Map<string, HostedTopic>();
  /** As of the last metadata entry. */
  #image: ClusterImage = emptyImage;

  constructor(config: LiveConfig) {
    this.#config = config;
  }

  get image(): ClusterImage {
    return this.#image;
  }

  /** Topics follow by `update` and `remove`, in the same stretch. */
  set image(image: ClusterImage) {
    this.#image = image;
  }

  get brokerId(): number {
    return this.#config.base.nodeId;
  }

  /** -1: not registered, as far as is applied here. */
  get ownBrokerEpoch(): number {
    return this.#image.brokers.get(this.brokerId)?.brokerEpoch ?? -1;
  }

  find(name: string): HostedTopic | undefined {
    return this.#topics.get(name);
  }

  images(): readonly TopicImage[] {
    return [...this.#topics.values()].map(({ image }) => image);
  }

  /** The topic as it is now, with the defaults as they are now; forgotten where none of its replicas are here any more. */
  update(topic: TopicImage): void {
    if (!topic.partitions.some((partition) => this.hosts(partition))) {
      this.remove(topic);
      return;
    }
    const before = this.#topics.get(topic.name);
    const defaults = this.#config.current;
    // Partitions move far more often than settings, and each keeps the settings that it was given.
    if (before?.defaults === defaults && before.image.overrides === topic.overrides) {
      this.#topics.set(topic.name, { ...before, image: topic });
      return;
    }
    const config = topicConfig(defaults, topic.overrides);
    this.#topics.set(topic.name, { image: topic, defaults, config, settings: settingsOf(topic, config) });
  }

  /** False: not here, or another topic of this name is by now. */
  remove({ name, topicId }: TopicImage): boolean {
    return this.#topics.get(name)?.image.topicId === topicId && this.#topics.delete(name);
  }

  /** With a replica here. */
  partitionsOf(topic: TopicImage): PartitionImage[] {
    return topic.partitions.filter((partition) => this.hosts(partition));
  }

  /** Whether the metadata of now places this very replica here. */
  wants({ name, topicId }: TopicImage, number: number): boolean {
    const image = this.#topics.get(name)?.image;
    const partition = image?.topicId === topicId ? image.partitions[number] : undefined;
    return partition !== undefined && this.hosts(partition);
  }

  hosts({ replicas }: PartitionImage): boolean {
    return replicas.includes(this.brokerId);
  }

  specOf(topic: TopicImage, partition: PartitionImage): ReplicaSpec {
    const config = this.#topics.get(topic.name)?.config ?? topicConfig(this.#config.current, topic.overrides);
    return {
      topic: topic.name,
      partition: asPartitionId(partition.partition),
      topicId: topic.topicId,
      config: config.log,
      leaderEpoch: partition.leaderEpoch,
    };
  }

  membershipOf(topic: TopicImage, partition: PartitionImage): Membership {
    return {
      partitionEpoch: partition.partitionEpoch,
      replicas: asBrokerIds(partition.replicas),
      isr: asBrokerIds(partition.isr),
      minInsyncReplicas: effectiveMinIsr(this.#image, topic, replicationFactorOf(partition)),
      isRecovering: partition.isRecovering,
    };
  }
}

function settingsOf(image: TopicImage, config: TopicConfig): PartitionSettings {
  return {
    maxMessageBytes: config.maxMessageBytes,
    isLogAppendTime: config.messageTimestampType === "LogAppendTime",
    timestampBeforeMaxMs: config.messageTimestampBeforeMaxMs,
    timestampAfterMaxMs: config.messageTimestampAfterMaxMs,
    validatesRecords: config.validateRecords,
    isInternal: image.internal,
  };
}
