/**
 * The replicas that metadata places on this broker: opens their logs, makes and removes logs as the metadata moves, leads
 * the partitions that name this broker and follows those of others, and knows when a topic is ready (15.3).
 *
 *     none --leader is this broker--> led            none --leader is another--> followed
 *     led, followed --new leader epoch, no leader, topic deleted--> none
 *
 * Metadata is followed in order. What takes time with one replica (making its log, ending a cut of it, dropping it) is a
 * chain of steps (replica-steps.ts). Before each step the chain looks at what is wanted now, so steps that became pointless
 * do nothing. A role ends in the stretch that applied the metadata: whoever waits is answered before the log is touched by
 * the next one (8.2).
 *
 * Invariants: a partition is found only while it is led here with its log open, and its topic id is the metadata's; a log
 * has one role at a time, and none while it is cut or written for another.
 * Not here: who decides placement and leaders (metadata), what a partition does (partition.ts, followed-partition.ts).
 */
import { ProtoError } from "@tidemark/proto";
import type { ErrorName } from "@tidemark/proto";
import type { Histogram } from "../base/index.ts";
import { asBrokerId, asBrokerIds, asLeaderEpoch, asPartitionId } from "../base/index.ts";
import type { LiveConfig, TopicConfig } from "../config/index.ts";
import { topicConfig } from "../config/index.ts";
import { effectiveMinIsr, emptyImage } from "../metadata/index.ts";
import type {
  ClusterImage,
  MetadataDelta,
  PartitionImage,
  ReplicaEnd,
  ReplicaEndsRequest,
  TopicImage,
} from "../metadata/index.ts";
import type { Clock, Disk, DiskFault, Logger, TimerHandle, Timers } from "../ports/index.ts";
import type { Membership } from "../replication/index.ts";
import type {
  LogDirectory,
  LogDirectoryOptions,
  OpenLogDirectory,
  OpenReport,
  PartitionLog,
  ReplicaSpec,
} from "../storage/index.ts";
import type { ControllerCommands } from "./controller-commands.ts";
import { Traffic } from "./counters.ts";
import { DiskReserve } from "./disk-reserve.ts";
import { countsSynced } from "./durability.ts";
import type { FollowedPartition } from "./followed-partition.ts";
import { HostedPartitions } from "./hosted-partitions.ts";
import { IsrSender } from "./isr-proposals.ts";
import { Partition } from "./partition.ts";
import type { PartitionDeps, PartitionSettings } from "./partition.ts";
import { deadlineAfter } from "./purgatory.ts";
import type { Purgatory } from "./purgatory.ts";
import type { TopicIdentity } from "./ready-wait.ts";
import { ReadyWaits } from "./ready-waits.ts";
import { ReplicaSteps } from "./replica-steps.ts";
import type { Led, Replication, ReplicationHost } from "./replication.ts";
import { RetentionJob } from "./retention-job.ts";
import type { Turn } from "./turn.ts";

/** A log that could not be made, for want of space or file descriptors, is tried again after this long. */
const CREATE_RETRY_MS = 5_000;
/** How long a stop waits for batches that are queued or wait for a sync; what is left then is answered as refused. */
const DRAIN_MS = 5_000;

export interface ReplicaManagerOptions {
  /** Topics follow its defaults as they change. */
  readonly config: LiveConfig;
  /** The data directory, locked. */
  readonly path: string;
  /** What is full when there is no room. */
  readonly medium: "disk" | "memory";
  /** Log files that are held open at a time, where that is less than the log would. */
  readonly openFilesMax?: number;
}

export interface ReplicaManagerDeps {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly turn: Turn;
  readonly purgatory: Purgatory;
  readonly openLogDirectory: OpenLogDirectory;
  /** Where leaders propose their in-sync replicas. */
  readonly commands: Pick<ControllerCommands, "alterPartitions">;
  /** Where there are other brokers: how to follow them, and be followed (replication.ts). */
  readonly createReplication?: (host: ReplicationHost) => Replication;
  /** The one log directory is offline (3.8(1)). */
  onOffline(fault: DiskFault): void;
}

export interface HostedReplica {
  readonly topic: string;
  readonly partition: number;
  readonly bytes: number;
  readonly logEndOffset: number;
}

interface WantedTopic {
  readonly image: TopicImage;
  readonly config: TopicConfig;
  /** Of all its partitions. */
  readonly settings: PartitionSettings;
}

export class ReplicaManager {
  readonly #options: ReplicaManagerOptions;
  readonly #deps: ReplicaManagerDeps;
  #directory: LogDirectory | null = null;
  /** What the metadata says now, of topics with a replica here. */
  readonly #wanted = new Map<string, WantedTopic>();
  readonly #led = new HostedPartitions<Partition>();
  readonly #followed = new HostedPartitions<FollowedPartition>();
  /** Generations of replication that were used, by topic id and partition (5.4). */
  readonly #generations = new Map<string, number>();
  readonly #steps: ReplicaSteps;
  /** Replicas whose log could not be made yet, with the metadata that asked for it. */
  readonly #unmade = new Map<string, number>();
  readonly #readyWaits: ReadyWaits;
  /** By topic, from the first partition led here until the topic is deleted. */
  readonly #traffic = new Map<string, Traffic>();
  readonly #reserve: DiskReserve;
  readonly #partitionDeps: PartitionDeps;
  readonly #retention: RetentionJob;
  readonly #proposals: IsrSender;
  readonly #replication: Replication | null;
  /** As of the last metadata entry. */
  #image: ClusterImage = emptyImage;
  #isrTimer: TimerHandle | null = null;
  /** How often the ISR of a partition that is led here lost, or won, members. */
  readonly isrChanges = { shrinks: 0, expands: 0 };
  #isOffline = false;
  #isStopped = false;

  constructor(options: ReplicaManagerOptions, deps: ReplicaManagerDeps) {
    this.#options = options;
    this.#deps = deps;
    const { disk, clock, timers, turn, purgatory, logger } = deps;
    this.#steps = new ReplicaSteps({ clock, timers, onEnd: (topic) => this.#readyWaits.check(topic) });
    this.#readyWaits = new ReadyWaits({
      clock,
      purgatory,
      missingOf: (topic, first) => this.#missingOf(topic, first),
      isMissing: (topic, partition) => this.#isMissing(topic, partition),
    });
    const { path, medium } = options;
    const onFull = (): void => this.#directory?.hurryRemovals();
    this.#reserve = new DiskReserve({ disk, clock, logger, path, medium, onFull });
    this.#partitionDeps = {
      clock,
      turn,
      purgatory,
      brokers: {
        ownBrokerEpoch: () => this.#ownBrokerEpoch(),
        broker: (brokerId) => this.#image.brokers.get(brokerId),
      },
      reserve: this.#reserve,
      onDiskFault: (fault) => this.#goOffline(fault),
      proposeIsr: (partition, proposal) => this.#proposals.propose(partition, proposal),
    };
    this.#proposals = new IsrSender({
      commands: deps.commands,
      timers,
      turn,
      logger,
      brokerId: this.#brokerId,
      brokerEpoch: () => this.#ownBrokerEpoch(),
      appliedOffset: () => this.#image.metadataOffset,
    });
    const settings = options.config;
    this.#replication =
      deps.createReplication?.({
        brokerId: this.#brokerId,
        clock,
        timers,
        turn,
        logger,
        reserve: this.#reserve,
        onDiskFault: (fault) => this.#goOffline(fault),
        backoffMs: () => settings.current.replicaFetchBackoffMs,
        maxBytes: () => settings.current.replicaFetchMaxBytes,
        findLed: (topicId, partition, leaderEpoch) => this.#findLed(topicId, partition, leaderEpoch),
      }) ?? null;
    this.#retention = new RetentionJob({
      clock,
      timers,
      intervalMs: options.config.current.logRetentionCheckIntervalMs,
      logs: () => this.#directory?.logs() ?? [],
    });
    options.config.onChange(() => this.#reconfigureAll());
  }

  // ---- life cycle ----

  /** Opens the logs that `image` places here; makes those that are missing. Nothing is led yet. */
  async open(
    image: ClusterImage,
    options: Pick<LogDirectoryOptions, "deletedTopicIds" | "onProgress"> = {},
  ): Promise<OpenReport> {
    const { path, openFilesMax } = this.#options;
    const config = this.#options.config.current;
    const replicas: ReplicaSpec[] = [];
    this.#image = image;
    for (const topic of image.topics.values()) {
      this.#want(topic);
      for (const partition of this.#hostedOf(topic)) replicas.push(this.#specOf(topic, partition));
    }
    this.#directory = await this.#deps.openLogDirectory({
      path,
      disk: this.#deps.disk,
      clock: this.#deps.clock,
      timers: this.#deps.timers,
      logger: this.#deps.logger.child("storage"),
      replicas,
      recoveryCheckpointIntervalMs: config.logFlushOffsetCheckpointIntervalMs,
      logStartCheckpointIntervalMs: config.logFlushStartOffsetCheckpointIntervalMs,
      highWatermarkCheckpointIntervalMs: config.replicaHighWatermarkCheckpointIntervalMs,
      tailCacheBytes: config.tailCacheBytes,
      openFilesMax,
      ...options,
      mustHurryRemovals: () => this.#options.medium === "memory" || this.#reserve.isFull,
      onRemoved: () => this.#reserve.onRemoved(),
      onOffline: (fault) => this.#goOffline(fault),
    });
    return this.#directory.report;
  }

  /** Leads and follows what `image` says, now that the broker is registered in it. */
  async start(image: ClusterImage): Promise<void> {
    this.#image = image;
    for (const topic of image.topics.values()) {
      // The registration has raised the epochs since the logs were opened: it is these that are led.
      this.#want(topic);
      this.#follow(topic);
    }
    this.#replication?.onLed();
    await this.#steps.settled();
    this.#retention.start();
  }

  /**
   * Clean stop (4.3): no more appends, those under way are finished within a bound, then the directory is closed with
   * its marker. The doors are shut before.
   */
  async stop(brokerEpoch: number): Promise<void> {
    this.#isStopped = true;
    await this.#retention.stop();
    await this.#stepsEnded();
    await this.#drained();
    this.#endRoles("NOT_LEADER_OR_FOLLOWER");
    // Offline too: the lock goes to another, and no file or timer of this life may be left. There is no marker then.
    const directory = this.#directory;
    // What is left of the steps finds nothing to do.
    this.#directory = null;
    await directory?.close(brokerEpoch);
  }

  // ---- what the doors ask ----

  /** The partition, if it is led here with its log open. */
  find(topic: string, partition: number): Partition | undefined {
    return this.#led.find(topic, partition);
  }

  /** Why `find` has nothing, for a partition that the metadata knows. */
  get absenceCode(): ErrorName {
    return this.#isOffline ? "KAFKA_STORAGE_ERROR" : "NOT_LEADER_OR_FOLLOWER";
  }

  partitions(): Iterable<Partition> {
    return this.#led.all();
  }

  /** Those that are led elsewhere. */
  followed(): Iterable<FollowedPartition> {
    return this.#followed.all();
  }

  /** Streams between brokers; null where there are no others. */
  get replication(): Replication | null {
    return this.#replication;
  }

  /**
   * Metadata up to here is in force: every replica that this broker shall lead by it is led with its log open (15.3(1)).
   */
  get readyOffset(): number {
    return Math.min(this.#image.metadataOffset, this.#steps.doneBelow - 1, ...this.#unmade.values());
  }

  /** What the controller asks of partitions without a leader (9(3)). Throws before the logs are open: it would say that there are none. */
  replicaEnds({ partitions }: ReplicaEndsRequest): ReplicaEnd[] {
    const directory = this.#directory;
    if (directory === null || this.#isOffline)
      throw new ProtoError("KAFKA_STORAGE_ERROR", "the logs of this broker are not open");
    const ends: ReplicaEnd[] = [];
    for (const { topicId, partition } of partitions) {
      const name = this.#image.topicsById.get(topicId)?.name;
      const log = name === undefined ? undefined : directory.log(name, asPartitionId(partition));
      if (log === undefined || log.topicId !== topicId) continue;
      const { latestEpoch, isDamaged } = log;
      ends.push({ topicId, partition, latestEpoch, logEndOffset: endOffsetOf(log), isDamaged });
    }
    return ends;
  }

  /** The data directory. */
  get path(): string {
    return this.#options.path;
  }

  get isOffline(): boolean {
    return this.#isOffline;
  }

  /** No room but the reserve: appends are refused, everything else goes on (3.8(2)). */
  get isFull(): boolean {
    return this.#reserve.isFull;
  }

  /** What went through each topic, from the first partition of it led here until the topic is deleted. */
  get traffic(): ReadonlyMap<string, Traffic> {
    return this.#traffic;
  }

  /** How long syncs took, in seconds; null before the directory is open. */
  get syncDurations(): Histogram | null {
    return this.#directory?.syncDurations ?? null;
  }

  /** Every replica on this broker with its bytes; those that nobody leads here too. */
  *hosted(): Iterable<HostedReplica> {
    for (const { topic, partition, sizeBytes, logEndOffset } of this.#directory?.logs() ?? []) {
      yield { topic, partition, bytes: sizeBytes, logEndOffset };
    }
  }

  /** Bytes of the replicas of `topic` on this broker. */
  sizeBytesOf(topic: string): number {
    let bytes = 0;
    for (const partition of this.#led.of(topic)) bytes += partition.sizeBytes;
    return bytes;
  }

  /**
   * Waits until every partition of the topic from `first` on that this broker shall lead is led with its log open (15.3(1)).
   * Resolves with the partitions that are not when `timeoutMs` is over or the topic is gone; empty: ready.
   */
  whenReady(topic: TopicIdentity, timeoutMs: number, first = 0): Promise<readonly number[]> {
    return this.#readyWaits.add(topic, timeoutMs, first);
  }

  // ---- following the metadata ----

  /** One applied entry. Called in order, in the stretch that applied it. */
  onMetadata(delta: MetadataDelta, image: ClusterImage): void {
    this.#image = image;
    for (const topic of delta.topicsDeleted) {
      this.#forget(topic);
      this.#readyWaits.check(topic.name);
    }
    for (const topic of delta.topicsCreated) {
      this.#want(topic);
      this.#follow(topic);
      this.#readyWaits.check(topic.name);
    }
    for (const name of new Set(delta.partitionsChanged.map(({ topic }) => topic))) {
      const topic = image.topics.get(name);
      if (topic !== undefined) this.#want(topic);
    }
    for (const { topic: name, partition: number } of delta.partitionsChanged) {
      const topic = image.topics.get(name);
      const partition = topic?.partitions[number];
      if (topic === undefined || partition === undefined) continue;
      if (partition.replicas.includes(this.#brokerId)) this.#followPartition(topic, partition);
      else this.#endRole(topic, number, "NOT_LEADER_OR_FOLLOWER");
    }
    for (const name of new Set(delta.partitionsChanged.map(({ topic }) => topic))) this.#readyWaits.check(name);
    for (const name of delta.topicConfigsChanged) {
      const topic = image.topics.get(name);
      if (topic === undefined) continue;
      this.#want(topic);
      this.#reconfigure(name);
    }
    const hasBrokersChanged = delta.brokersChanged.length > 0;
    if (hasBrokersChanged) for (const led of this.#led.all()) if (led.hasFollowers) led.onBrokersChanged();
    this.#proposals.onApplied(delta.metadataOffset);
    this.#replication?.onApplied(hasBrokersChanged);
  }

  // ---- settings ----

  /** Defaults of the broker or the cluster changed, and with them the settings of every topic that overrides them not. */
  #reconfigureAll(): void {
    for (const { image } of this.#wanted.values()) {
      this.#want(image);
      this.#reconfigure(image.name);
    }
  }

  /** What is open takes the wanted settings in this stretch; a log that is being made takes them when it is led. */
  #reconfigure(name: string): void {
    const wanted = this.#wanted.get(name);
    if (wanted === undefined || this.#isOffline) return;
    this.#retention.hurry();
    for (const image of this.#hostedOf(wanted.image)) {
      const led = this.find(name, image.partition);
      if (led !== undefined) {
        if (led.topicId === wanted.image.topicId)
          led.reconfigure(wanted.settings, wanted.config.log, this.#membershipOf(wanted.image, image));
        continue;
      }
      const followed = this.#followed.find(name, image.partition);
      if (followed?.topicId === wanted.image.topicId) {
        followed.reconfigure(wanted.config.log);
        continue;
      }
      const log = this.#directory?.log(name, asPartitionId(image.partition));
      if (log?.topicId === wanted.image.topicId) log.reconfigure(wanted.config.log);
    }
  }

  // ---- logs ----

  #want(topic: TopicImage): void {
    if (this.#hostedOf(topic).length === 0) return;
    const config = topicConfig(this.#options.config.current, topic.overrides);
    this.#wanted.set(topic.name, { image: topic, config, settings: settingsOf(topic, config) });
  }

  #forget(topic: TopicImage): void {
    if (this.#wanted.get(topic.name)?.image.topicId === topic.topicId) {
      this.#wanted.delete(topic.name);
      this.#traffic.delete(topic.name);
    }
    for (const partition of this.#hostedOf(topic)) {
      this.#endRole(topic, partition.partition, "UNKNOWN_TOPIC_OR_PARTITION");
      this.#generations.delete(`${topic.topicId}-${partition.partition}`);
      this.#unmade.delete(`${topic.topicId}-${partition.partition}`);
      this.#step(topic.name, partition.partition, () => this.#dropLog(topic, partition.partition));
    }
  }

  #follow(topic: TopicImage): void {
    for (const partition of this.#hostedOf(topic)) this.#followPartition(topic, partition);
  }

  #followPartition(topic: TopicImage, partition: PartitionImage): void {
    const { name, topicId } = topic;
    const { partition: number, leaderEpoch, leaderId } = partition;
    const led = this.#led.find(name, number);
    if (led !== undefined && led.topicId === topicId && led.leaderEpoch === leaderEpoch) {
      this.#countIsr(led.isr, partition.isr);
      led.onMetadata(this.#membershipOf(topic, partition));
      return;
    }
    const followed = this.#followed.find(name, number);
    const isSameLeader = followed?.leaderEpoch === leaderEpoch && followed.leaderId === leaderId;
    if (followed !== undefined && followed.topicId === topicId && isSameLeader) {
      followed.onMetadata(partition.uncleanEpoch);
      return;
    }
    this.#endRole(topic, number, "NOT_LEADER_OR_FOLLOWER");
    const log = this.#directory?.log(name, asPartitionId(number));
    const isQuiet = this.#steps.isQuiet(name, number) && log?.whenSettled() === null;
    // A log that is open takes its role in this very stretch: a restart with many partitions makes no promise for each.
    if (isQuiet && log?.topicId === topicId) this.#takeRole(name, number);
    else this.#step(name, number, () => this.#makeAndTakeRole(name, number));
  }

  #countIsr(before: readonly number[], after: readonly number[]): void {
    if (before.some((member) => !after.includes(member))) this.isrChanges.shrinks++;
    if (after.some((member) => !before.includes(member))) this.isrChanges.expands++;
  }

  #step(topic: string, partition: number, step: () => Promise<void>): void {
    this.#steps.add(topic, partition, this.#image.metadataOffset, step);
  }

  async #makeAndTakeRole(name: string, number: number): Promise<void> {
    const wanted = this.#wanted.get(name)?.image;
    const partition = wanted?.partitions[number];
    if (wanted === undefined || partition === undefined || this.#directory === null || this.#isOffline) return;
    const directory = this.#directory;
    try {
      const existing = directory.log(name, asPartitionId(number));
      if (existing !== undefined && existing.topicId !== wanted.topicId)
        await directory.deleteLog(name, asPartitionId(number));
      if (directory.log(name, asPartitionId(number)) === undefined) {
        await directory.createLog(this.#specOf(wanted, partition));
      }
      // What its last role has left: a write, or a cut (5.5).
      const log = directory.log(name, asPartitionId(number));
      for (let busy = log?.whenSettled(); busy; busy = log?.whenSettled()) await busy;
    } catch (cause: unknown) {
      // Closed under it by the stop.
      if (this.#isStopped && this.#directory === null) return;
      this.#deps.logger.error("log could not be made", { topic: name, partition: number, err: cause });
      const key = `${wanted.topicId}-${number}`;
      if (!this.#unmade.has(key)) this.#unmade.set(key, this.#image.metadataOffset - 1);
      this.#retryLater(name, number);
      return;
    }
    this.#unmade.delete(`${wanted.topicId}-${number}`);
    this.#takeRole(name, number);
    this.#replication?.onLed();
  }

  #retryLater(name: string, number: number): void {
    if (this.#isStopped) return;
    this.#deps.timers.after(CREATE_RETRY_MS, () => {
      if (!this.#isStopped && this.#wanted.has(name))
        this.#step(name, number, () => this.#makeAndTakeRole(name, number));
    });
  }

  /** Leads or follows by what the metadata says by now, which may be another epoch than when it was asked for, or nothing. */
  #takeRole(name: string, number: number): void {
    const wanted = this.#wanted.get(name);
    const image = wanted?.image.partitions[number];
    const log = this.#directory?.log(name, asPartitionId(number));
    if (wanted === undefined || image === undefined || log === undefined || this.#isOffline || this.#isStopped) return;
    if (log.topicId !== wanted.image.topicId || !image.replicas.includes(this.#brokerId)) return;
    const current = this.#led.find(name, number) ?? this.#followed.find(name, number);
    if (current?.leaderEpoch === image.leaderEpoch) return;
    // They may have changed since the log was asked for.
    log.reconfigure(wanted.config.log);
    if (image.leaderId === this.#brokerId) this.#lead(wanted, image, log);
    else if (image.leaderId >= 0 && this.#replication !== null) this.#followLeader(this.#replication, image, log);
  }

  #lead(wanted: WantedTopic, image: PartitionImage, log: PartitionLog): void {
    const { name } = wanted.image;
    const partition = new Partition(
      {
        log,
        settings: wanted.settings,
        brokerId: asBrokerId(this.#brokerId),
        leaderEpoch: asLeaderEpoch(image.leaderEpoch),
        membership: this.#membershipOf(wanted.image, image),
        lagTimeMaxMs: this.#options.config.current.replicaLagTimeMaxMs,
        traffic: this.#trafficOf(name),
      },
      this.#partitionDeps,
    );
    this.#led.set(name, image.partition, partition);
    if (!partition.mustTick) return;
    // 9(3): it has recovered, with its log open, and says so first of all.
    if (image.isRecovering) partition.onTick();
    if (this.#isrTimer === null) this.#armIsrTimer();
  }

  /** A damaged log stays as it is: nothing is appended to it, and nothing is cut (15.7). */
  #followLeader(replication: Replication, image: PartitionImage, log: PartitionLog): void {
    if (log.isDamaged) return;
    const { leaderId, uncleanEpoch } = image;
    const leaderEpoch = asLeaderEpoch(image.leaderEpoch);
    const generation = this.#generations.get(`${log.topicId}-${log.partition}`) ?? 0;
    const followed = replication.follow({ log, leaderId, leaderEpoch, uncleanEpoch, generation });
    this.#followed.set(log.topic, log.partition, followed);
  }

  /** 7(4): one timer for all that are led here and followed, and none where nobody follows. */
  #armIsrTimer(): void {
    this.#isrTimer = this.#deps.timers.after(this.#options.config.current.replicaLagTimeMaxMs / 2, () => {
      this.#isrTimer = null;
      let isAny = false;
      for (const led of this.#led.all()) {
        if (!led.mustTick) continue;
        isAny = true;
        led.onTick();
      }
      if (isAny && !this.#isStopped) this.#armIsrTimer();
    });
  }

  /** For a follower that asks (5.2(1)). */
  #findLed(topicId: string, number: number, leaderEpoch: number): Led {
    const topic = this.#image.topicsById.get(topicId);
    // It may have heard of the topic, or of the choice, before this broker did.
    if (topic === undefined) return { partition: null, code: "UNKNOWN_TOPIC_ID", mayCome: true };
    const led = this.#led.find(topic.name, number);
    if (led !== undefined && led.topicId === topicId && led.leaderEpoch >= leaderEpoch) return { partition: led };
    const image = topic.partitions[number];
    const known = image?.leaderEpoch ?? -1;
    if (known > leaderEpoch) return { partition: null, code: "FENCED_LEADER_EPOCH", mayCome: false };
    if (known < leaderEpoch) return { partition: null, code: "UNKNOWN_LEADER_EPOCH", mayCome: true };
    const isLeader = image?.leaderId === this.#brokerId && !this.#isOffline;
    return { partition: null, code: "NOT_LEADER_OR_FOLLOWER", mayCome: isLeader };
  }

  #trafficOf(topic: string): Traffic {
    let traffic = this.#traffic.get(topic);
    if (traffic === undefined) {
      traffic = new Traffic();
      this.#traffic.set(topic, traffic);
    }
    return traffic;
  }

  /** In this stretch: who waits is answered, nothing that arrives reaches the log any more. */
  #endRole(topic: TopicImage, number: number, code: ErrorName): void {
    const led = this.#led.find(topic.name, number);
    if (led?.topicId === topic.topicId) {
      this.#led.remove(topic.name, number);
      led.close(code);
    }
    const followed = this.#followed.find(topic.name, number);
    if (followed?.topicId === topic.topicId) {
      this.#followed.remove(topic.name, number);
      this.#replication?.unfollow(followed);
      this.#generations.set(`${topic.topicId}-${number}`, followed.generation);
    }
  }

  #endRoles(code: ErrorName): void {
    for (const followed of this.#followed.all()) this.#replication?.unfollow(followed);
    this.#followed.clear();
    for (const partition of this.#led.all()) partition.close(code);
    this.#led.clear();
    this.#isrTimer?.cancel();
    this.#proposals.close();
    this.#replication?.close();
    this.#readyWaits.endAll();
  }

  async #dropLog(topic: TopicImage, number: number): Promise<void> {
    const log = this.#directory?.log(topic.name, asPartitionId(number));
    if (log === undefined || log.topicId !== topic.topicId || this.#isOffline) return;
    try {
      await this.#directory?.deleteLog(topic.name, asPartitionId(number));
    } catch (cause: unknown) {
      // The directory tries it again by timer, and so does the next start: its topic id is gone for good.
      this.#deps.logger.error("log could not be deleted", {
        topic: topic.name,
        partition: number,
        err: cause,
      });
    }
  }

  // ---- readiness, faults, quiet ----

  #missingOf({ name, topicId }: TopicIdentity, first: number): readonly number[] | null {
    const image = this.#wanted.get(name)?.image;
    if (image === undefined || image.topicId !== topicId) return null;
    return this.#hostedOf(image)
      .filter(
        (partition) =>
          partition.partition >= first &&
          partition.leaderId === this.#brokerId &&
          this.find(name, partition.partition)?.topicId !== topicId,
      )
      .map((partition) => partition.partition);
  }

  #isMissing({ name, topicId }: TopicIdentity, partition: number): boolean {
    const image = this.#wanted.get(name)?.image;
    if (image?.topicId !== topicId || image.partitions[partition]?.leaderId !== this.#brokerId) return false;
    return this.find(name, partition)?.topicId !== topicId;
  }

  #goOffline(fault: DiskFault): void {
    if (this.#isOffline) return;
    this.#isOffline = true;
    this.#deps.logger.error("log directory offline", {
      path: this.#options.path,
      err: fault,
    });
    this.#endRoles("KAFKA_STORAGE_ERROR");
    this.#deps.onOffline(fault);
  }

  /** All steps have ended, or DRAIN_MS are over: a cut may wait for room on the disk, which ends when its log is closed. */
  async #stepsEnded(): Promise<void> {
    let timer: TimerHandle | null = null;
    const late = new Promise<void>((resolve) => {
      timer = this.#deps.timers.after(DRAIN_MS, resolve);
    });
    await Promise.race([this.#steps.settled(), late]);
    (timer as TimerHandle | null)?.cancel();
  }

  /** Nothing is queued or parked, or DRAIN_MS are over. */
  async #drained(): Promise<void> {
    const deadline = deadlineAfter(this.#deps.clock, DRAIN_MS);
    while (
      this.#deps.clock.monotonicNow() < deadline &&
      [...this.partitions()].some((partition) => !partition.isQuiet)
    ) {
      await this.#deps.timers.yieldTurn();
    }
  }

  // ---- small parts ----

  #ownBrokerEpoch(): number {
    return this.#image.brokers.get(this.#brokerId)?.brokerEpoch ?? -1;
  }

  get #brokerId(): number {
    return this.#options.config.base.nodeId;
  }

  #hostedOf(topic: TopicImage): PartitionImage[] {
    return topic.partitions.filter((partition) => partition.replicas.includes(this.#brokerId));
  }

  #specOf(topic: TopicImage, partition: PartitionImage): ReplicaSpec {
    const config = this.#wanted.get(topic.name)?.config ?? topicConfig(this.#options.config.current, topic.overrides);
    return {
      topic: topic.name,
      partition: asPartitionId(partition.partition),
      topicId: topic.topicId,
      config: config.log,
    };
  }

  #membershipOf(topic: TopicImage, partition: PartitionImage): Membership {
    return {
      partitionEpoch: partition.partitionEpoch,
      replicas: asBrokerIds(partition.replicas),
      isr: asBrokerIds(partition.isr),
      minInsyncReplicas: effectiveMinIsr(this.#image, topic, partition.replicas.length),
      isRecovering: partition.isRecovering,
    };
  }
}

/** What the replica has for certain: in a synced mode, what is synced. */
function endOffsetOf(log: PartitionLog): number {
  return countsSynced(log.config.durability)
    ? Math.min(log.syncedEndOffset, log.writtenEndOffset)
    : log.writtenEndOffset;
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
