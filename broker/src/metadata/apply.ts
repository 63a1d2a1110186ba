/**
 * The one mutator of the cluster image. `applyEntry` is a pure function of image and entry: the same on the controller
 * that decided, on every other node, and at start. The records of one entry become visible together.
 *
 * A record that does not fit the image is an assertion failure: commands are checked before they are records, and two
 * nodes that disagree about what fits no longer have one cluster.
 */
import { assert } from "../base/index.ts";
import { applyChange, type DynamicConfigs } from "../config/index.ts";
import { emptyImage } from "./image.ts";
import type { BrokerImage, ClusterImage, MetadataDelta, PartitionImage, TopicImage } from "./image.ts";
import type { MetadataRecord } from "./records.ts";

export interface Applied {
  readonly image: ClusterImage;
  readonly delta: MetadataDelta;
}

/** The image after the entry at `index`, which is the next one, and what changed. */
export function applyEntry(image: ClusterImage, index: number, records: readonly MetadataRecord[]): Applied {
  assert(index === image.metadataOffset + 1, `entry ${index} does not follow ${image.metadataOffset}`);
  const draft = new ImageDraft(image);
  for (const record of records) draft.apply(record);
  return draft.finish(index);
}

/**
 * All entries of a log, one after the other, and one image at the end: what `applyEntry` gives entry by entry, without an
 * image for each. So a start costs what the records say, and not that times the topics there are.
 */
export class Replay {
  readonly #draft = new ImageDraft(emptyImage);
  readonly #topicsDeleted = new Set<string>();
  #metadataOffset = emptyImage.metadataOffset;

  apply(index: number, records: readonly MetadataRecord[]): void {
    assert(index === this.#metadataOffset + 1, `entry ${index} does not follow ${this.#metadataOffset}`);
    for (const record of records) {
      this.#draft.apply(record);
      if (record.type === "topicDeleted") this.#topicsDeleted.add(record.topicId);
    }
    this.#metadataOffset = index;
  }

  /** Once, after the last entry. */
  finish(): { readonly image: ClusterImage; readonly topicsDeleted: ReadonlySet<string> } {
    return { image: this.#draft.finish(this.#metadataOffset).image, topicsDeleted: this.#topicsDeleted };
  }
}

/** Records that neither say nor ask anything of partitions: raises may wait behind them. */
const APART_FROM_PARTITIONS: ReadonlySet<MetadataRecord["type"]> = new Set([
  "termStarted",
  "brokerRegistered",
  "producerIdsAllocated",
]);

/** An image being changed. Maps are copied when they are first written to, topics when they are first touched. */
class ImageDraft {
  readonly #base: ClusterImage;
  #clusterId: string;
  #controllerId: number;
  #nextProducerId: number;
  #brokers: Map<number, BrokerImage> | null = null;
  #configs: DynamicConfigs;
  /** Topics touched by this entry, by id; null = deleted. */
  readonly #touched = new Map<string, TopicImage | null>();
  /** Partitions of a topic as this entry leaves them; ours to write to. */
  readonly #partitions = new Map<string, PartitionImage[]>();
  readonly #created = new Set<string>();
  readonly #deleted: TopicImage[] = [];
  readonly #changed = new Map<string, { topicId: string; topic: string; partition: number }>();
  readonly #brokersChanged = new Set<number>();
  /** By topic id. */
  readonly #topicConfigsChanged = new Set<string>();
  /** Raises that stand behind all that was applied so far: of many restarts in a row, each partition is changed once. */
  #raises = { brokerId: -1, count: 0 };

  constructor(base: ClusterImage) {
    this.#base = base;
    this.#clusterId = base.clusterId;
    this.#controllerId = base.controllerId;
    this.#configs = base.configs;
    this.#nextProducerId = base.nextProducerId;
  }

  apply(record: MetadataRecord): void {
    const isRaise = record.type === "ledPartitionsRaised" && record.brokerId === this.#raises.brokerId;
    if (!isRaise && !APART_FROM_PARTITIONS.has(record.type)) this.#settleRaises();
    switch (record.type) {
      case "clusterCreated":
        assert(this.#clusterId === "", "a cluster is created once");
        this.#clusterId = record.clusterId;
        return;
      case "termStarted":
        this.#controllerId = record.controllerId;
        return;
      case "brokerRegistered":
        this.#registerBroker(record);
        return;
      case "topicCreated":
        this.#createTopic(record);
        return;
      case "partitionCreated":
        this.#createPartition(record);
        return;
      case "partitionChanged":
        this.#changePartition(record);
        return;
      case "ledPartitionsRaised":
        this.#raises = { brokerId: record.brokerId, count: this.#raises.count + 1 };
        return;
      case "topicDeleted":
        this.#deleteTopic(record.topicId);
        return;
      case "configChanged":
        this.#changeConfig(record);
        return;
      case "producerIdsAllocated":
        assert(record.firstId === this.#nextProducerId, `producer ids from ${record.firstId} are not the next ones`);
        this.#nextProducerId = record.firstId + record.count;
        return;
    }
  }

  finish(metadataOffset: number): Applied {
    this.#settleRaises();
    const { topics, topicsById } = this.#finishTopics();
    const image: ClusterImage = {
      clusterId: this.#clusterId,
      metadataOffset,
      controllerId: this.#controllerId,
      brokers: this.#brokers ?? this.#base.brokers,
      topics,
      topicsById,
      minIsrDefault: null,
      configs: this.#configs,
      nextProducerId: this.#nextProducerId,
    };
    const topicsCreated = [...this.#created].flatMap((id) => topicsById.get(id) ?? []);
    const partitionsChanged = [...this.#changed.values()]
      .filter(({ topicId }) => topicsById.has(topicId))
      .map(({ topic, partition }) => ({ topic, partition }));
    return {
      image,
      delta: {
        metadataOffset,
        topicsCreated,
        topicsDeleted: this.#deleted,
        partitionsChanged,
        brokersChanged: [...this.#brokersChanged],
        topicConfigsChanged: [...this.#topicConfigsChanged].flatMap((id) => topicsById.get(id)?.name ?? []),
      },
    };
  }

  #registerBroker(record: MetadataRecord & { type: "brokerRegistered" }): void {
    this.#brokers ??= new Map(this.#base.brokers);
    const { type: _, ...registered } = record;
    const broker: BrokerImage = {
      ...registered,
      host: null,
      isFenced: false,
      isShuttingDown: false,
      isFull: false,
      isOffline: false,
      damaged: [],
    };
    const before = this.#brokers.get(broker.brokerId);
    assert(before === undefined || before.brokerEpoch < broker.brokerEpoch, "a broker epoch only grows");
    this.#brokers.set(broker.brokerId, broker);
    this.#brokersChanged.add(broker.brokerId);
  }

  #createTopic(record: MetadataRecord & { type: "topicCreated" }): void {
    const { topicId, name, internal, overrides } = record;
    assert(this.#topic(topicId) === undefined, `topic id ${topicId} is taken`);
    const partitions: PartitionImage[] = [];
    this.#partitions.set(topicId, partitions);
    this.#touched.set(topicId, { name, topicId, internal, overrides: new Map(Object.entries(overrides)), partitions });
    this.#created.add(topicId);
  }

  #createPartition(record: MetadataRecord & { type: "partitionCreated" }): void {
    const { partition, replicas, isr, leaderId } = record;
    const partitions = this.#writablePartitions(record.topicId);
    assert(partition === partitions.length, `partition ${partition} leaves a gap behind ${partitions.length}`);
    // Mostly the same, and kept for as long as the partition lives: as one list.
    const ownIsr = isSameList(isr, replicas) ? replicas : isr;
    partitions.push(
      checked({
        partition,
        replicas,
        isr: ownIsr,
        elr: [],
        lastIsr: [],
        leaderId,
        uncleanEpoch: -1,
        isRecovering: false,
        leaderEpoch: 0,
        partitionEpoch: 0,
      }),
    );
    this.#noteChange(record.topicId, partition);
  }

  #changePartition(record: MetadataRecord & { type: "partitionChanged" }): void {
    const { partition, isr, leaderId, leaderEpoch, partitionEpoch } = record;
    const partitions = this.#writablePartitions(record.topicId);
    const before = partitions[partition];
    assert(before !== undefined, `no partition ${partition} to change`);
    assert(partitionEpoch === before.partitionEpoch + 1, "a partition epoch grows by one");
    assert(leaderEpoch >= before.leaderEpoch, "a leader epoch never falls");
    assert(leaderId === before.leaderId || leaderEpoch > before.leaderEpoch, "a new leader has a new epoch");
    const ownIsr = isSameList(isr, before.isr) ? before.isr : isr;
    partitions[partition] = checked({ ...before, isr: ownIsr, leaderId, leaderEpoch, partitionEpoch });
    this.#noteChange(record.topicId, partition);
  }

  #settleRaises(): void {
    const { brokerId, count } = this.#raises;
    if (count === 0) return;
    this.#raises = { brokerId: -1, count: 0 };
    const topicIds = new Set([...this.#base.topicsById.keys(), ...this.#touched.keys()]);
    for (const topicId of topicIds) {
      const partitions = this.#partitions.get(topicId) ?? this.#topic(topicId)?.partitions ?? [];
      if (!partitions.some(({ leaderId }) => leaderId === brokerId)) continue;
      const raised = this.#writablePartitions(topicId);
      for (const [slot, before] of raised.entries()) {
        if (before.leaderId !== brokerId) continue;
        const { leaderEpoch, partitionEpoch } = before;
        raised[slot] = { ...before, leaderEpoch: leaderEpoch + count, partitionEpoch: partitionEpoch + count };
        this.#noteChange(topicId, before.partition);
      }
    }
  }

  #changeConfig({ owner, set, unset }: MetadataRecord & { type: "configChanged" }): void {
    const change = { set, unset };
    switch (owner.type) {
      case "topic": {
        const topic = this.#topic(owner.topicId);
        assert(topic !== undefined, `no topic ${owner.topicId} to change`);
        this.#touched.set(owner.topicId, { ...topic, overrides: applyChange(topic.overrides, change) });
        if (!this.#created.has(owner.topicId)) this.#topicConfigsChanged.add(owner.topicId);
        return;
      }
      case "broker": {
        const { brokers } = this.#configs;
        assert((this.#brokers ?? this.#base.brokers).has(owner.brokerId), `no broker ${owner.brokerId} to change`);
        const texts = applyChange(brokers.get(owner.brokerId) ?? new Map(), change);
        this.#configs = { ...this.#configs, brokers: new Map([...brokers, [owner.brokerId, texts]]) };
        return;
      }
      case "cluster":
        this.#configs = { ...this.#configs, cluster: applyChange(this.#configs.cluster, change) };
        return;
    }
  }

  #deleteTopic(topicId: string): void {
    const topic = this.#topic(topicId);
    assert(topic !== undefined, `no topic ${topicId} to delete`);
    this.#partitions.delete(topicId);
    if (this.#created.delete(topicId)) {
      this.#touched.delete(topicId);
      return;
    }
    this.#touched.set(topicId, null);
    this.#deleted.push(topic);
  }

  #topic(topicId: string): TopicImage | undefined {
    const touched = this.#touched.get(topicId);
    if (touched !== undefined) return touched ?? undefined;
    return this.#base.topicsById.get(topicId);
  }

  #writablePartitions(topicId: string): PartitionImage[] {
    const own = this.#partitions.get(topicId);
    if (own !== undefined) return own;
    const topic = this.#topic(topicId);
    assert(topic !== undefined, `no topic ${topicId}`);
    const partitions = [...topic.partitions];
    this.#partitions.set(topicId, partitions);
    this.#touched.set(topicId, { ...topic, partitions });
    return partitions;
  }

  #noteChange(topicId: string, partition: number): void {
    if (this.#created.has(topicId)) return;
    const topic = this.#topic(topicId)?.name ?? "";
    this.#changed.set(`${topicId} ${partition}`, { topicId, topic, partition });
  }

  #finishTopics(): Pick<ClusterImage, "topics" | "topicsById"> {
    if (this.#touched.size === 0) return this.#base;
    const topics = new Map(this.#base.topics);
    const topicsById = new Map(this.#base.topicsById);
    // Removals first: a name may be deleted and created again in one entry.
    for (const [topicId, topic] of this.#touched) {
      const before = this.#base.topicsById.get(topicId);
      if (topic !== null || before === undefined) continue;
      topics.delete(before.name);
      topicsById.delete(topicId);
    }
    for (const [topicId, topic] of this.#touched) {
      if (topic === null) continue;
      const holder = topics.get(topic.name);
      assert(holder === undefined || holder.topicId === topicId, `two topics are named ${topic.name}`);
      topics.set(topic.name, topic);
      topicsById.set(topicId, topic);
    }
    return { topics, topicsById };
  }
}

function isSameList(left: readonly number[], right: readonly number[]): boolean {
  return left.length === right.length && left.every((id, slot) => id === right[slot]);
}

/** Asserts what holds of every partition: the leader is in the ISR, the ISR within the replicas, all of them distinct. */
function checked(partition: PartitionImage): PartitionImage {
  const { replicas, isr, leaderId } = partition;
  assert(replicas.length > 0 && new Set(replicas).size === replicas.length, "replicas are distinct, at least one");
  assert(new Set(isr).size === isr.length && isr.every((id) => replicas.includes(id)), "the ISR lies in the replicas");
  assert(leaderId === -1 || isr.includes(leaderId), "the leader is in the ISR");
  return partition;
}
