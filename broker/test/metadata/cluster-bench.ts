/** A cluster's metadata under commands, one after the other: what each answers, and the image after it, checked each time. */
import { expect } from "chai";
import {
  alterPartitions,
  alterReassignments,
  applyEntry,
  type BrokerHeartbeat,
  type ClusterImage,
  createTopics,
  type Decision,
  decodeRecords,
  diffImages,
  drainBrokers,
  effectiveMinIsr,
  encodeRecords,
  fenceBroker,
  heartbeat,
  type IsrProposal,
  isReassigning,
  type MetadataRecord,
  type PartitionImage,
  registerBroker,
  replicationFactorOf,
  targetOf,
  unregisterBroker,
} from "../../src/metadata/index.ts";
import { clusterOf, inForce, registration, seededBytes, spec, testConfig } from "./fixtures.ts";

const config = testConfig();

export class ClusterBench {
  image: ClusterImage;
  /** Of the last command. */
  records: readonly MetadataRecord[] = [];

  constructor(brokers = 3) {
    this.image = clusterOf(brokers);
  }

  decide<Response>(decision: Decision<Response>): Response {
    this.records = decision.records;
    if (decision.records.length > 0) this.#apply(decision.records);
    return decision.response;
  }

  #apply(records: readonly MetadataRecord[]): void {
    const before = this.image;
    const stored = decodeRecords(encodeRecords(records));
    const { image, delta } = applyEntry(before, before.metadataOffset + 1, stored);
    expect(diffImages(before, image), "a snapshot in the place of the entry says the same").to.deep.equal(delta);
    this.image = image;
    expectSound(before, image);
  }

  create(name: string, assignment: number[][], overrides: Record<string, string> = {}): void {
    const context = { ...inForce(config), random: seededBytes(this.image.metadataOffset), ifAbsent: false };
    const [result] = this.decide(createTopics(this.image, [spec(name, { assignment, config: overrides })], context));
    expect(result?.message).to.equal("");
  }

  topicId(name = "t"): string {
    return this.image.topics.get(name)?.topicId ?? "";
  }

  partition(number = 0, name = "t"): PartitionImage {
    const partition = this.image.topics.get(name)?.partitions[number];
    if (partition === undefined) throw new Error(`no partition ${number} of ${name}`);
    return partition;
  }

  /** "leader isr / elr / lastIsr", the last one with changed directories marked. */
  state(number = 0, name = "t"): string {
    const { leaderId, isr, elr, lastIsr } = this.partition(number, name);
    const last = lastIsr.map(({ brokerId, directoryId }) =>
      this.image.brokers.get(brokerId)?.directoryId === directoryId ? `${brokerId}` : `(${brokerId})`,
    );
    return `${leaderId} [${isr.join()}] / [${elr.join()}] / [${last.join()}]`;
  }

  epochOf(brokerId: number): number {
    return this.image.brokers.get(brokerId)?.brokerEpoch ?? -1;
  }

  /** A new process of the broker; clean by its marker unless said otherwise. */
  restart(
    brokerId: number,
    how: "clean" | "unclean" | "emptied" = "clean",
    over: Parameters<typeof registration>[1] = {},
  ) {
    const before = this.image.brokers.get(brokerId);
    const fresh = `${brokerId}-${this.image.metadataOffset}`;
    return this.decide(
      registerBroker(
        this.image,
        registration(brokerId, {
          incarnationId: `incarnation-${fresh}`,
          directoryId: how === "emptied" ? `directory-${fresh}` : (before?.directoryId ?? fresh),
          previousBrokerEpoch: how === "clean" ? this.epochOf(brokerId) : -1,
          ...over,
        }),
        { isAlive: false, isAppliedAtOnce: false },
      ),
    );
  }

  beat(brokerId: number, over: Partial<BrokerHeartbeat> = {}) {
    return this.decide(
      heartbeat(this.image, {
        brokerId,
        brokerEpoch: this.epochOf(brokerId),
        metadataOffset: this.image.metadataOffset,
        readyOffset: this.image.metadataOffset,
        wantFence: false,
        wantShutDown: false,
        isFull: false,
        isOffline: false,
        ...over,
      }),
    );
  }

  fence(brokerId: number): boolean {
    return this.decide(fenceBroker(this.image, brokerId, this.epochOf(brokerId)));
  }

  /** Null cancels. Answers "NONE", or the error and its text. */
  reassign(topic: string, partition: number, replicas: readonly number[] | null): string {
    const [result] = this.decide(alterReassignments(this.image, [{ topic, partition, replicas }], { config }));
    return result?.error === "NONE" ? "NONE" : `${result?.error}: ${result?.message}`;
  }

  drain(brokerId: number, isDraining = true): string {
    return this.decide(drainBrokers(this.image, [brokerId], isDraining))[0]?.error ?? "";
  }

  unregister(brokerId: number, isVoter = false): string {
    const { error, message } = this.decide(unregisterBroker(this.image, brokerId, { isVoter }));
    return error === "NONE" ? "NONE" : `${error}: ${message}`;
  }

  /** "replicas +adding -removing". */
  placed(number = 0, name = "t"): string {
    const { replicas, addingReplicas, removingReplicas } = this.partition(number, name);
    return `${replicas.join()} +${addingReplicas.join()} -${removingReplicas.join()}`;
  }

  /** What the leader of a partition that is up to date proposes. */
  proposal(isr: readonly number[], over: Partial<IsrProposal> = {}): IsrProposal {
    const { partition, leaderEpoch, partitionEpoch } = this.partition();
    const members = isr.map((brokerId) => ({ brokerId, brokerEpoch: this.epochOf(brokerId) }));
    return {
      topicId: this.topicId(),
      partition,
      leaderEpoch,
      partitionEpoch,
      isr: members,
      isRecovering: false,
      ...over,
    };
  }

  alter(isr: readonly number[], over: Partial<IsrProposal> = {}, senderId = this.partition().leaderId): string {
    const partitions = [this.proposal(isr, over)];
    const request = { brokerId: senderId, brokerEpoch: this.epochOf(senderId), partitions };
    return this.decide(alterPartitions(this.image, request))[0]?.error ?? "";
  }
}

/** What holds of any image, and of any step from one to the next (9(5), 7(8), the model's invariants). */
export function expectSound(before: ClusterImage, after: ClusterImage): void {
  for (const topic of after.topics.values()) {
    for (const partition of topic.partitions) {
      const { replicas, isr, elr, lastIsr, leaderId, leaderEpoch, partitionEpoch, uncleanEpoch, isRecovering } =
        partition;
      const title = `${topic.name}-${partition.partition}: ${JSON.stringify(partition)}`;
      const minIsr = effectiveMinIsr(after, topic, replicationFactorOf(partition));
      expect(leaderId === -1 || isr.includes(leaderId), `leader in the ISR, ${title}`).to.equal(true);
      expect(
        isr.filter((id) => elr.includes(id)),
        `ISR and ELR apart, ${title}`,
      ).to.deep.equal([]);
      if (isr.length >= minIsr) expect(elr, `no ELR at min ISR, ${title}`).to.deep.equal([]);
      const last = lastIsr.map(({ brokerId }) => brokerId);
      if (isr.length >= minIsr) expect(last, `the last ISR is the ISR, ${title}`).to.deep.equal([...isr]);
      expect(
        isr.every((id) => last.includes(id)),
        `the last ISR has the ISR, ${title}`,
      ).to.equal(true);
      for (const id of isr) {
        const broker = after.brokers.get(id);
        expect(broker?.isFenced || broker?.isShuttingDown || broker?.isOffline, `ISR is alive, ${title}`).to.equal(
          false,
        );
        const directory = lastIsr.find(({ brokerId }) => brokerId === id)?.directoryId;
        expect(directory, `directory of ${id}, ${title}`).to.equal(broker?.directoryId);
      }
      if (isRecovering) expect(isr.length, `alone while it recovers, ${title}`).to.be.at.most(1);
      expect(uncleanEpoch).to.be.at.most(leaderEpoch);
      expectPlaced(partition, title);
      const old = before.topicsById.get(topic.topicId)?.partitions[partition.partition];
      if (old === undefined || old === partition) continue;
      expect(partitionEpoch, `partition epoch, ${title}`).to.equal(old.partitionEpoch + 1);
      expect(leaderEpoch - old.leaderEpoch, `leader epoch, ${title}`).to.be.within(0, 1);
      if (leaderId !== old.leaderId) expect(leaderEpoch, `new leader, ${title}`).to.equal(old.leaderEpoch + 1);
      const gone = old.replicas.filter((id) => !replicas.includes(id));
      if (gone.length === 0) continue;
      expect(leaderEpoch, `a replica is gone, ${title}`).to.equal(old.leaderEpoch + 1);
      const counted = [...old.isr, ...old.elr, ...old.lastIsr.map(({ brokerId }) => brokerId)];
      if (gone.some((id) => counted.includes(id)))
        expect(isr.length, `copies that are left, ${title}`).to.be.at.least(minIsr);
    }
  }
  for (const { brokerId, brokerEpoch } of before.brokers.values()) {
    const now = after.brokers.get(brokerId);
    if (now !== undefined) expect(now.brokerEpoch).to.be.at.least(brokerEpoch);
  }
}

/** 13(6): what the lists say of each other, and that a reassignment that could be over is over. */
function expectPlaced(partition: PartitionImage, title: string): void {
  const { replicas, addingReplicas, removingReplicas, isr, elr, lastIsr } = partition;
  const target = targetOf(partition);
  expect(replicas, `the target, then what is removed, ${title}`).to.deep.equal([...target, ...removingReplicas]);
  expect(
    addingReplicas.filter((id) => !replicas.includes(id)),
    `adding lies in the replicas, ${title}`,
  ).to.deep.equal([]);
  expect(
    [...elr, ...lastIsr.map(({ brokerId }) => brokerId)].filter((id) => !replicas.includes(id)),
    `nothing is remembered of who is gone, ${title}`,
  ).to.deep.equal([]);
  if (!isReassigning(partition) || partition.isRecovering) return;
  expect(
    target.every((id) => isr.includes(id)),
    `over when every target is in sync, ${title}`,
  ).to.equal(false);
}
