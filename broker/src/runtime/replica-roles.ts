/**
 * Who leads and who follows here: the roles of this broker's replicas, taken and ended by the metadata.
 *
 *     none --leader is this broker--> led            none --leader is another--> followed
 *     led, followed --new leader epoch, no leader, topic deleted--> none
 *
 * A role ends in the stretch that applied the metadata: whoever waits is answered before the log is touched by the next one (8.2).
 *
 * Invariants: a partition is led or followed, not both, by the leader epoch that the metadata names, on a log of its topic id.
 */
import type { ErrorName } from "@tidemark/proto";
import { asBrokerId, asLeaderEpoch } from "../base/index.ts";
import type { Offset } from "../base/index.ts";
import type { LiveConfig } from "../config/index.ts";
import type { PartitionImage, TopicImage } from "../metadata/index.ts";
import type { Clock, DiskFault, Failpoint, Logger, TimerHandle, Timers } from "../ports/index.ts";
import type { PartitionLog } from "../storage/index.ts";
import type { ControllerCommands } from "./controller-commands.ts";
import { Traffic } from "./counters.ts";
import type { DamagedReplicas } from "./damaged-replicas.ts";
import type { DiskReserve } from "./disk-reserve.ts";
import type { FollowedPartition } from "./followed-partition.ts";
import { HostedPartitions } from "./hosted-partitions.ts";
import type { HostedTopic, HostedTopics } from "./hosted-topics.ts";
import { IsrSender } from "./isr-proposals.ts";
import { Partition } from "./partition.ts";
import type { PartitionDeps } from "./partition.ts";
import type { Purgatory } from "./purgatory.ts";
import type { Led, Replication, ReplicationHost } from "./replication.ts";
import type { Turn } from "./turn.ts";

export interface ReplicaRolesDeps {
  readonly config: LiveConfig;
  readonly topics: HostedTopics;
  readonly failpoint: Failpoint;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly turn: Turn;
  readonly purgatory: Purgatory;
  readonly reserve: DiskReserve;
  /** Where leaders propose their in-sync replicas. */
  readonly commands: Pick<ControllerCommands, "alterPartitions">;
  /** Where there are other brokers: how to follow them, and be followed (replication.ts). */
  readonly createReplication: ((host: ReplicationHost) => Replication) | undefined;
  readonly damaged: DamagedReplicas;
  /** The log is to be cut where it is damaged before it follows (15.7(2)). */
  onRepairDue(log: PartitionLog): void;
  /** The log may be damaged, nobody knows where. False: it was looked at. */
  onLookDue(log: PartitionLog): boolean;
  onDiskFault(fault: DiskFault): void;
}

export class ReplicaRoles {
  readonly led = new HostedPartitions<Partition>();
  readonly followed = new HostedPartitions<FollowedPartition>();
  /** Streams between brokers; null where there are no others. */
  readonly replication: Replication | null;
  /** How often the ISR of a partition that is led here lost, or won, members. */
  readonly isrChanges = { shrinks: 0, expands: 0 };
  readonly #deps: ReplicaRolesDeps;
  readonly #topics: HostedTopics;
  readonly #partitionDeps: PartitionDeps;
  readonly #proposals: IsrSender;
  /** Generations of replication that were used, by topic id (5.4). */
  readonly #generations = new HostedPartitions<number>();
  /** By topic, from the first partition led here until the topic is deleted. */
  readonly #traffic = new Map<string, Traffic>();
  #isrTimer: TimerHandle | null = null;
  /** No role is taken any more. */
  #isStopped = false;
  /** All have ended. */
  #isOver = false;

  constructor(deps: ReplicaRolesDeps) {
    this.#deps = deps;
    this.#topics = deps.topics;
    const { topics, clock, timers, turn, logger, purgatory, reserve, config } = deps;
    const { brokerId } = topics;
    const onDiskFault = (fault: DiskFault): void => deps.onDiskFault(fault);
    this.#partitionDeps = {
      clock,
      turn,
      purgatory,
      brokers: {
        ownBrokerEpoch: () => topics.ownBrokerEpoch,
        broker: (id) => topics.image.brokers.get(id),
      },
      reserve,
      onDiskFault,
      onSuspect: (log, offset) => deps.damaged.suspect(log, offset),
      proposeIsr: (partition, proposal) => this.#proposals.propose(partition, proposal),
    };
    this.#proposals = new IsrSender({
      commands: deps.commands,
      failpoint: deps.failpoint,
      clock,
      timers,
      turn,
      logger,
      brokerId,
      brokerEpoch: () => topics.ownBrokerEpoch,
      appliedOffset: () => topics.image.metadataOffset,
    });
    this.replication =
      deps.createReplication?.({
        brokerId,
        clock,
        timers,
        turn,
        logger,
        reserve,
        onDiskFault,
        backoffMs: () => config.current.replicaFetchBackoffMs,
        maxBytes: () => config.current.replicaFetchMaxBytes,
        messageBytes: () => config.current.replicaFetchResponseMaxBytes,
        findLed: (topicId, partition, leaderEpoch) => this.#findLed(topicId, partition, leaderEpoch),
        isFilling: (id, topicId, partition) => this.#isFilling(id, topicId, partition),
        followerRate: () => config.current.followerReplicationThrottledRate,
        leaderRate: () => config.current.leaderReplicationThrottledRate,
      }) ?? null;
  }

  get traffic(): ReadonlyMap<string, Traffic> {
    return this.#traffic;
  }

  /** Since a change of its ISR was proposed that is not over; -1 = none is in flight. */
  proposalAgeMs(partition: Partition): number {
    return this.#proposals.ageMs(partition);
  }

  // ---- taken ----

  /** Whether the role that the partition has here is the one that the metadata wants; then it follows what else has changed. */
  keep(topic: TopicImage, image: PartitionImage): boolean {
    const { name, topicId } = topic;
    const { partition: number, leaderEpoch, leaderId } = image;
    const led = this.led.find(name, number);
    if (led !== undefined && led.topicId === topicId && led.leaderEpoch === leaderEpoch) {
      this.#countIsr(led.isr, image.isr);
      led.onMetadata(this.#topics.membershipOf(topic, image));
      // It may have been the only replica until now.
      if (this.#isrTimer === null && led.mustTick && !this.#isStopped) this.#armIsrTimer();
      return true;
    }
    const followed = this.followed.find(name, number);
    const isSameLeader = followed?.leaderEpoch === leaderEpoch && followed.leaderId === leaderId;
    if (followed === undefined || followed.topicId !== topicId || !isSameLeader) return false;
    followed.onMetadata(image.uncleanEpoch);
    return true;
  }

  #countIsr(before: readonly number[], after: readonly number[]): void {
    if (before.some((member) => !after.includes(member))) this.isrChanges.shrinks++;
    if (after.some((member) => !before.includes(member))) this.isrChanges.expands++;
  }

  /** Leads or follows by what the metadata says by now, which may be another epoch than when the log was asked for, or nothing. */
  take(log: PartitionLog): void {
    const { topic: name, partition: number } = log;
    const hosted = this.#topics.find(name);
    const image = hosted?.image.partitions[number];
    if (hosted === undefined || image === undefined || this.#isStopped) return;
    if (log.topicId !== hosted.image.topicId || !this.#topics.hosts(image)) return;
    const current = this.led.find(name, number) ?? this.followed.find(name, number);
    if (current?.leaderEpoch === image.leaderEpoch) return;
    // They may have changed since the log was asked for.
    log.reconfigure(hosted.config.log);
    if (image.leaderId === this.#topics.brokerId) this.#lead(hosted, image, log);
    else if (image.leaderId >= 0 && this.replication !== null) this.#follow(this.replication, image, log);
  }

  #lead(hosted: HostedTopic, image: PartitionImage, log: PartitionLog): void {
    const { name } = hosted.image;
    const partition = new Partition(
      {
        log,
        settings: hosted.settings,
        brokerId: asBrokerId(this.#topics.brokerId),
        leaderEpoch: asLeaderEpoch(image.leaderEpoch),
        membership: this.#topics.membershipOf(hosted.image, image),
        lagTimeMaxMs: this.#deps.config.current.replicaLagTimeMaxMs,
        traffic: this.#trafficOf(name),
      },
      this.#partitionDeps,
    );
    this.led.set(name, image.partition, partition);
    if (!partition.mustTick) return;
    // 9(3): it has recovered, with its log open, and says so first of all.
    if (image.isRecovering) partition.onTick();
    if (this.#isrTimer === null) this.#armIsrTimer();
  }

  #trafficOf(topic: string): Traffic {
    let traffic = this.#traffic.get(topic);
    if (traffic === undefined) {
      traffic = new Traffic();
      this.#traffic.set(topic, traffic);
    }
    return traffic;
  }

  /** 7(4): one timer for all that are led here and followed, and none where nobody follows. */
  #armIsrTimer(): void {
    this.#isrTimer = this.#deps.timers.after(this.#deps.config.current.replicaLagTimeMaxMs / 2, () => {
      this.#isrTimer = null;
      let isAny = false;
      for (const led of this.led.all()) {
        if (!led.mustTick) continue;
        isAny = true;
        led.onTick();
      }
      if (isAny && !this.#isStopped) this.#armIsrTimer();
    });
  }

  /** A damaged log that is not to be repaired yet stays as it is: nothing is appended to it, and nothing is cut (15.7). */
  #follow(replication: Replication, image: PartitionImage, log: PartitionLog): void {
    const { damaged } = this.#deps;
    if (damaged.mustRepair(log, image)) return this.#deps.onRepairDue(log);
    damaged.tell(log);
    if (log.isDamaged || (damaged.mustLook(log) && this.#deps.onLookDue(log))) return;
    const { leaderId, uncleanEpoch } = image;
    const leaderEpoch = asLeaderEpoch(image.leaderEpoch);
    const generation = this.#generations.find(log.topicId, log.partition) ?? 0;
    const onBadBytes = (offset: Offset): void => damaged.suspect(log, offset);
    const followed = replication.follow({ log, leaderId, leaderEpoch, uncleanEpoch, generation, onBadBytes });
    this.followed.set(log.topic, log.partition, followed);
  }

  /** For a follower that asks (5.2(1)). */
  #findLed(topicId: string, number: number, leaderEpoch: number): Led {
    const topic = this.#topics.image.topicsById.get(topicId);
    // It may have heard of the topic, or of the choice, before this broker did.
    if (topic === undefined) return { partition: null, code: "UNKNOWN_TOPIC_ID", mayCome: true };
    const led = this.led.find(topic.name, number);
    if (led !== undefined && led.topicId === topicId && led.leaderEpoch >= leaderEpoch) return { partition: led };
    const image = topic.partitions[number];
    const known = image?.leaderEpoch ?? -1;
    if (known > leaderEpoch) return { partition: null, code: "FENCED_LEADER_EPOCH", mayCome: false };
    if (known < leaderEpoch) return { partition: null, code: "UNKNOWN_LEADER_EPOCH", mayCome: true };
    const mayCome = image?.leaderId === this.#topics.brokerId && !this.#isOver;
    return { partition: null, code: "NOT_LEADER_OR_FOLLOWER", mayCome };
  }

  /** A reassignment adds this replica, and it is not in sync yet: what throttles are for (13(6)). */
  #isFilling(id: number, topicId: string, number: number): boolean {
    const image = this.#topics.image.topicsById.get(topicId)?.partitions[number];
    return image !== undefined && image.addingReplicas.includes(id) && !image.isr.includes(id);
  }

  // ---- kept ----

  /** An entry is applied, and each partition that it names knows. */
  onApplied(metadataOffset: number, hasBrokersChanged: boolean): void {
    if (hasBrokersChanged) for (const led of this.led.all()) if (led.hasFollowers) led.onBrokersChanged();
    this.#proposals.onApplied(metadataOffset);
    this.replication?.onApplied(hasBrokersChanged);
  }

  /** A log with a role takes the settings of its topic in this stretch; false: it has none. */
  reconfigure({ image: topic, config, settings }: HostedTopic, image: PartitionImage): boolean {
    const led = this.led.find(topic.name, image.partition);
    if (led !== undefined) {
      if (led.topicId === topic.topicId) led.reconfigure(settings, config.log, this.#topics.membershipOf(topic, image));
      return true;
    }
    const followed = this.followed.find(topic.name, image.partition);
    if (followed?.topicId !== topic.topicId) return false;
    followed.reconfigure(config.log);
    return true;
  }

  // ---- ended ----

  /** In this stretch: who waits is answered, nothing that arrives reaches the log any more. */
  end(topic: TopicImage, number: number, code: ErrorName): void {
    const led = this.led.find(topic.name, number);
    if (led?.topicId === topic.topicId) {
      this.led.remove(topic.name, number);
      led.close(code);
    }
    const followed = this.followed.find(topic.name, number);
    if (followed?.topicId === topic.topicId) {
      this.followed.remove(topic.name, number);
      this.replication?.unfollow(followed);
      this.#generations.set(topic.topicId, number, followed.generation);
    }
  }

  /** The replica is gone for good. */
  forget(topic: TopicImage, number: number, code: ErrorName): void {
    this.end(topic, number, code);
    this.#generations.remove(topic.topicId, number);
  }

  forgetTraffic(topic: string): void {
    this.#traffic.delete(topic);
  }

  /** Those that are taken go on. */
  stop(): void {
    this.#isStopped = true;
  }

  endAll(code: ErrorName): void {
    this.#isStopped = true;
    this.#isOver = true;
    for (const followed of this.followed.all()) this.replication?.unfollow(followed);
    this.followed.clear();
    for (const partition of this.led.all()) partition.close(code);
    this.led.clear();
    this.#isrTimer?.cancel();
    this.#proposals.close();
    this.replication?.close();
  }
}
