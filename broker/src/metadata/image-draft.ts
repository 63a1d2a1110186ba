/** An image being changed: what applying records is made of (apply.ts). Partitions follow rules of their own (partition-rules.ts). */
import { assert } from "../base/index.ts";
import { applyChange, type DynamicConfigs } from "../config/index.ts";
import type { Applied } from "./apply.ts";
import { afterBrokerChange, afterDamage, afterRegistration, afterRestartsAlone } from "./broker-sweep.ts";
import type { TopicPartitions } from "./broker-requests.ts";
import type { BrokerImage, ClusterImage, PartitionImage, TopicImage } from "./image.ts";
import { ListPool } from "./list-pool.ts";
import { minIsrRule, type MinIsrSource, replicationFactorOf } from "./min-isr.ts";
import {
  asChanged,
  checked,
  isDamaged,
  recoveredBy,
  uncleanlyLedBy,
  withIsr,
  withReplicas,
  withAcceptedIsr,
} from "./partition-rules.ts";
import type { Surroundings } from "./partition-rules.ts";
import type { MetadataRecord } from "./records.ts";
import { surroundingsOf } from "./surroundings.ts";

/** An image being changed. Maps are copied when they are first written to, topics when they are first touched. */
export class ImageDraft {
  readonly #base: ClusterImage;
  #clusterId: string;
  #controllerId: number;
  #nextProducerId: number;
  #minIsrDefault: number | null;
  #brokers: Map<number, BrokerImage> | null = null;
  #configs: DynamicConfigs;
  #voterChoices: ReadonlyMap<number, boolean>;
  /** Topics touched by this entry, by id; null = deleted. */
  readonly #touched = new Map<string, TopicImage | null>();
  /** Partitions of a topic as this entry leaves them; ours to write to. */
  readonly #partitions = new Map<string, PartitionImage[]>();
  readonly #created = new Set<string>();
  readonly #deleted: TopicImage[] = [];
  /** Partition numbers by topic id. */
  readonly #changed = new Map<string, Set<number>>();
  readonly #brokersChanged = new Set<number>();
  /** By topic id. */
  readonly #topicConfigsChanged = new Set<string>();
  readonly #lists = new ListPool();
  /** Restarts of the only broker that stand behind all that was applied so far (true: unclean): each partition is changed once. */
  #restarts: boolean[] = [];

  constructor(base: ClusterImage) {
    this.#base = base;
    this.#clusterId = base.clusterId;
    this.#controllerId = base.controllerId;
    this.#minIsrDefault = base.minIsrDefault;
    this.#configs = base.configs;
    this.#nextProducerId = base.nextProducerId;
    this.#voterChoices = base.voterChoices;
  }

  apply(record: MetadataRecord): void {
    if (!this.#mayWait(record)) this.#settleRestarts();
    switch (record.type) {
      case "clusterCreated":
        assert(this.#clusterId === "", "a cluster is created once");
        this.#clusterId = record.clusterId;
        return;
      case "termStarted":
        this.#controllerId = record.controllerId;
        this.#changeMinIsr(() => (this.#minIsrDefault = record.minIsrDefault));
        return;
      case "brokerRegistered":
        this.#registerBroker(record);
        return;
      case "brokerChanged":
        this.#changeBroker(record);
        return;
      case "replicasDamaged":
        this.#takeOutDamaged(record);
        return;
      case "topicCreated":
        this.#createTopic(record);
        return;
      case "partitionCreated":
        this.#createPartition(record);
        return;
      case "isrsChanged":
        this.#changeIsrs(record);
        return;
      case "leadersChosen":
        this.#chooseLeaders(record);
        return;
      case "partitionReassigned":
        this.#change(record.topicId, record.partition, (before, around) =>
          asChanged(before, withReplicas(before, record, around), around, { isRaised: true }),
        );
        return;
      case "brokerDraining":
        this.#changeBroker(record);
        return;
      case "brokerUnregistered":
        this.#unregisterBroker(record.brokerId);
        return;
      case "topicDeleted":
        this.#deleteTopic(record.topicId);
        return;
      case "configChanged":
        this.#changeConfig(record);
        return;
      case "voterChosen":
        this.#voterChoices = new Map([...this.#voterChoices, [record.nodeId, record.isVoter]]);
        return;
      case "producerIdsAllocated":
        assert(record.firstId === this.#nextProducerId, `producer ids from ${record.firstId} are not the next ones`);
        this.#nextProducerId = record.firstId + record.count;
        return;
    }
  }

  finish(metadataOffset: number): Applied {
    this.#settleRestarts();
    const { topics, topicsById } = this.#finishTopics();
    const image: ClusterImage = {
      clusterId: this.#clusterId,
      metadataOffset,
      controllerId: this.#controllerId,
      brokers: this.#brokers ?? this.#base.brokers,
      topics,
      topicsById,
      minIsrDefault: this.#minIsrDefault,
      configs: this.#configs,
      nextProducerId: this.#nextProducerId,
      voterChoices: this.#voterChoices,
    };
    const topicsCreated = [...this.#created].flatMap((id) => topicsById.get(id) ?? []);
    const partitionsChanged = [...this.#changed].flatMap(([topicId, numbers]) => {
      const topic = topicsById.get(topicId)?.name;
      // Records may name them in any order; whoever gets a snapshot instead hears the same.
      const ascending = [...numbers].sort((a, b) => a - b);
      return topic === undefined ? [] : ascending.map((partition) => ({ topic, partition }));
    });
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

  // ---- brokers, and what becomes of their partitions ----

  #registerBroker(record: MetadataRecord & { type: "brokerRegistered" }): void {
    const { type: _, ...registered } = record;
    const { brokerId, damaged, isUnclean, metadataLevel = 0 } = registered;
    const before = this.#broker(brokerId);
    assert(before === undefined || before.brokerEpoch < registered.brokerEpoch, "a broker epoch only grows");
    const isDraining = before?.isDraining ?? false;
    const state = { isShuttingDown: false, isFull: false, isOffline: false, isDraining };
    const broker: BrokerImage = { ...registered, ...state, metadataLevel };
    const isRestartAlone = this.#isRestartAlone(record);
    this.#setBroker(broker);
    if (isRestartAlone) {
      this.#restarts.push(isUnclean);
      return;
    }
    this.#sweep(brokerId, (partition, around) => {
      const isBad = damaged.length > 0 && isDamaged(broker, around.topicId, partition.partition);
      return afterRegistration(partition, brokerId, { isUnclean, isDamaged: isBad }, around);
    });
  }

  /** Whether restarts may wait behind this record: it neither says nor asks anything of partitions. */
  #mayWait(record: MetadataRecord): boolean {
    if (record.type === "termStarted") return record.minIsrDefault === this.#minIsrDefault;
    if (record.type === "brokerRegistered") return this.#isRestartAlone(record);
    return record.type === "producerIdsAllocated";
  }

  #isRestartAlone({
    brokerId,
    directoryId,
    isFenced,
    damaged,
  }: MetadataRecord & { type: "brokerRegistered" }): boolean {
    const { size } = this.#brokers ?? this.#base.brokers;
    const isSameDisk = this.#broker(brokerId)?.directoryId === directoryId;
    return size === 1 && isSameDisk && !isFenced && damaged.length === 0;
  }

  #settleRestarts(): void {
    const restarts = this.#restarts;
    if (restarts.length === 0) return;
    this.#restarts = [];
    const [brokerId = -1] = (this.#brokers ?? this.#base.brokers).keys();
    this.#sweep(brokerId, (before, around) => {
      const alone = afterRestartsAlone(before, brokerId, restarts, around);
      if (alone !== null) return alone;
      let after = before;
      for (const isUnclean of restarts)
        after = afterRegistration(after, brokerId, { isUnclean, isDamaged: false }, around);
      return after;
    });
  }

  #changeBroker(record: MetadataRecord & { type: "brokerChanged" | "brokerDraining" }): void {
    const { type: _, brokerId, ...state } = record;
    const before = this.#broker(brokerId);
    assert(before !== undefined, `no broker ${brokerId} to change`);
    this.#setBroker({ ...before, ...state });
    this.#sweep(brokerId, (partition, around) => afterBrokerChange(partition, brokerId, around));
  }

  #unregisterBroker(brokerId: number): void {
    assert(this.#broker(brokerId)?.isFenced === true, `no fenced broker ${brokerId} to forget`);
    const hosts = this.#topicsNow().some(({ partitions }) =>
      partitions.some(({ replicas }) => replicas.includes(brokerId)),
    );
    assert(!hosts, `broker ${brokerId} has replicas`);
    this.#brokers ??= new Map(this.#base.brokers);
    this.#brokers.delete(brokerId);
    this.#brokersChanged.add(brokerId);
    const brokers = new Map(this.#configs.brokers);
    if (brokers.delete(brokerId)) this.#configs = { ...this.#configs, brokers };
  }

  #takeOutDamaged({ brokerId, damaged }: MetadataRecord & { type: "replicasDamaged" }): void {
    const before = this.#broker(brokerId);
    assert(before !== undefined, `no broker ${brokerId} to change`);
    // It may be reported again and again.
    const fresh = damaged
      .map(({ topicId, partitions }) => {
        return { topicId, partitions: partitions.filter((partition) => !isDamaged(before, topicId, partition)) };
      })
      .filter(({ partitions }) => partitions.length > 0);
    if (fresh.length > 0) this.#setBroker({ ...before, damaged: [...before.damaged, ...fresh] });
    for (const { topicId, partition } of eachOf(damaged)) {
      this.#change(topicId, partition, (before, around) => {
        const after = afterDamage(before, brokerId, around);
        assert(after !== null, "the last good copy is not taken out");
        return after;
      });
    }
  }

  #changeIsrs({ isr, isRecovering, partitions }: MetadataRecord & { type: "isrsChanged" }): void {
    for (const { topicId, partition } of eachOf(partitions)) {
      this.#change(topicId, partition, (before, around) => {
        assert(
          isr.every((id) => before.replicas.includes(id)),
          "the ISR lies in the replicas",
        );
        for (const id of isr) if (!before.isr.includes(id)) this.#forgetDamage(id, topicId, partition);
        return withAcceptedIsr(before, { isr, isRecovering }, around);
      });
    }
  }

  #chooseLeaders({ leaderId, choice, partitions }: MetadataRecord & { type: "leadersChosen" }): void {
    for (const { topicId, partition } of eachOf(partitions)) {
      this.#change(topicId, partition, (before, around) => {
        switch (choice) {
          case "inSync":
            return asChanged(before, { ...before, leaderId }, around);
          case "lastIsr":
            return asChanged(before, recoveredBy(before, leaderId, around), around, { isNewLeader: true });
          case "unclean":
            return asChanged(before, uncleanlyLedBy(before, leaderId, around), around, { isNewLeader: true });
        }
      });
      // What it has is what counts from here on.
      if (choice !== "inSync") this.#forgetDamage(leaderId, topicId, partition);
    }
  }

  #setBroker(broker: BrokerImage): void {
    this.#brokers ??= new Map(this.#base.brokers);
    this.#brokers.set(broker.brokerId, broker);
    this.#brokersChanged.add(broker.brokerId);
  }

  #broker(brokerId: number): BrokerImage | undefined {
    return (this.#brokers ?? this.#base.brokers).get(brokerId);
  }

  /** Every partition with a replica on the broker goes by `rule`; in order of topics, which is the same everywhere. */
  #sweep(brokerId: number, rule: PartitionRule): void {
    for (const topic of this.#topicsNow()) {
      let around: Surroundings | null = null;
      for (const before of topic.partitions) {
        if (!before.replicas.includes(brokerId)) continue;
        around ??= this.#around(topic);
        const after = rule(before, around);
        if (after !== before) this.#put(topic.topicId, before, after);
      }
    }
  }

  #change(topicId: string, number: number, rule: PartitionRule): void {
    const topic = this.#topic(topicId);
    const before = (this.#partitions.get(topicId) ?? topic?.partitions)?.[number];
    assert(topic !== undefined && before !== undefined, `no partition ${number} of ${topicId} to change`);
    const after = rule(before, this.#around(topic));
    if (after !== before) this.#put(topicId, before, after);
  }

  #put(topicId: string, before: PartitionImage, after: PartitionImage): void {
    const { partition } = before;
    this.#writablePartitions(topicId)[partition] = after;
    this.#noteChange(topicId, partition);
  }

  #around(topic: TopicImage): Surroundings {
    const brokers = this.#brokers ?? this.#base.brokers;
    return surroundingsOf({ brokers, ...this.#minIsrSource }, topic, this.#lists);
  }

  get #minIsrSource(): MinIsrSource {
    return { configs: this.#configs, minIsrDefault: this.#minIsrDefault };
  }

  /** Where `change` makes another effective min ISR, ELR and last ISR follow, and the partition epoch says so (9(5)). */
  #changeMinIsr(change: () => void, only?: string): void {
    const source = this.#minIsrSource;
    const topics = only === undefined ? this.#topicsNow() : [this.#topic(only)].filter((topic) => topic !== undefined);
    change();
    for (const before of topics) {
      const now = this.#topic(before.topicId);
      if (now === undefined) continue;
      const minIsrBefore = minIsrRule(source, before);
      const minIsrNow = minIsrRule(this.#minIsrSource, now);
      for (const image of before.partitions) {
        const factor = replicationFactorOf(image);
        if (minIsrNow(factor) === minIsrBefore(factor)) continue;
        this.#change(before.topicId, image.partition, (state, around) =>
          asChanged(state, withIsr(state, state.isr, around), around, { isRaised: true }),
        );
      }
    }
  }

  #topicsNow(): TopicImage[] {
    if (this.#touched.size === 0) return [...this.#base.topicsById.values()];
    const topics: TopicImage[] = [];
    for (const [topicId, topic] of this.#base.topicsById) {
      const touched = this.#touched.get(topicId);
      if (touched !== null) topics.push(touched ?? topic);
    }
    for (const [topicId, topic] of this.#touched) {
      if (topic !== null && !this.#base.topicsById.has(topicId)) topics.push(topic);
    }
    return topics;
  }

  // ---- topics ----

  #createTopic(record: MetadataRecord & { type: "topicCreated" }): void {
    const { topicId, name, internal, overrides: texts, creationId } = record;
    assert(this.#topic(topicId) === undefined, `topic id ${topicId} is taken`);
    const partitions: PartitionImage[] = [];
    this.#partitions.set(topicId, partitions);
    const overrides = new Map(Object.entries(texts));
    const made = creationId === undefined ? {} : { creationId };
    this.#touched.set(topicId, { name, topicId, internal, overrides, ...made, partitions });
    this.#created.add(topicId);
  }

  #createPartition(record: MetadataRecord & { type: "partitionCreated" }): void {
    const { partition, replicas, isr, leaderId } = record;
    const partitions = this.#writablePartitions(record.topicId);
    assert(partition === partitions.length, `partition ${partition} leaves a gap behind ${partitions.length}`);
    const lists = this.#lists;
    const bare: PartitionImage = {
      partition,
      replicas: lists.ids(replicas),
      addingReplicas: lists.ids([]),
      removingReplicas: lists.ids([]),
      isr: lists.ids([]),
      elr: lists.ids([]),
      lastIsr: lists.directories([]),
      leaderId: -1,
      uncleanEpoch: -1,
      isRecovering: false,
      leaderEpoch: 0,
      partitionEpoch: 0,
    };
    const topic = this.#topic(record.topicId);
    assert(topic !== undefined, `no topic ${record.topicId}`);
    partitions.push(checked({ ...withIsr(bare, isr, this.#around(topic)), leaderId }));
    this.#noteChange(record.topicId, partition);
  }

  /**
   * It is in sync again: what was damaged there has been fetched anew, or is done without. Not when the replica is taken away: given back
   * at once it finds its log as it was (13(6)).
   */
  #forgetDamage(brokerId: number, topicId: string, partition: number): void {
    const broker = this.#broker(brokerId);
    if (broker === undefined || !isDamaged(broker, topicId, partition)) return;
    const damaged = broker.damaged
      .map((row) =>
        row.topicId === topicId ? { topicId, partitions: row.partitions.filter((n) => n !== partition) } : row,
      )
      .filter(({ partitions }) => partitions.length > 0);
    this.#setBroker({ ...broker, damaged });
  }

  #changeConfig({ owner, set, unset }: MetadataRecord & { type: "configChanged" }): void {
    const change = { set, unset };
    switch (owner.type) {
      case "topic": {
        const topic = this.#topic(owner.topicId);
        assert(topic !== undefined, `no topic ${owner.topicId} to change`);
        this.#changeMinIsr(
          () => this.#touched.set(owner.topicId, { ...topic, overrides: applyChange(topic.overrides, change) }),
          owner.topicId,
        );
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
        this.#changeMinIsr(() => {
          this.#configs = { ...this.#configs, cluster: applyChange(this.#configs.cluster, change) };
        });
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
    const numbers = this.#changed.get(topicId);
    if (numbers === undefined) this.#changed.set(topicId, new Set([partition]));
    else numbers.add(partition);
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

type PartitionRule = (before: PartitionImage, around: Surroundings) => PartitionImage;

function* eachOf(rows: readonly TopicPartitions[]): Generator<{ topicId: string; partition: number }> {
  for (const { topicId, partitions } of rows) for (const partition of partitions) yield { topicId, partition };
}
