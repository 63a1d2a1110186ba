/**
 * The replicas that metadata places on this broker: opens their logs, makes and removes logs as the metadata moves, leads
 * the partitions that name this broker, and knows when a topic is ready (15.3).
 *
 * Metadata is followed in order. What it asks of one replica (make the log, lead it, drop it) is a chain of steps, one at a time
 * per name: a topic that is deleted and made again gets its fresh log only after the old one has left the name. Before each
 * step the chain looks at what is wanted now, so steps that became pointless do nothing.
 *
 * Invariant: a partition is found only while it is led here with its log open, and its topic id is the metadata's.
 * Not here: who decides placement and leaders (metadata), what a partition does (partition.ts), following other leaders.
 */
import type { ErrorName } from "@tidemark/proto";
import type { Histogram } from "../base/index.ts";
import { asBrokerId, asBrokerIds, asLeaderEpoch, asPartitionId } from "../base/index.ts";
import type { LiveConfig, TopicConfig } from "../config/index.ts";
import { effectiveMinInsyncReplicas, topicConfig } from "../config/index.ts";
import type { ClusterImage, MetadataDelta, PartitionImage, TopicImage } from "../metadata/index.ts";
import type { Clock, Disk, DiskFault, Logger, Timers } from "../ports/index.ts";
import type { Membership } from "../replication/index.ts";
import type { LogDirectory, LogDirectoryOptions, OpenLogDirectory, OpenReport, ReplicaSpec } from "../storage/index.ts";
import { Traffic } from "./counters.ts";
import { DiskReserve } from "./disk-reserve.ts";
import { Partition } from "./partition.ts";
import type { PartitionDeps, PartitionSettings } from "./partition.ts";
import { deadlineAfter } from "./purgatory.ts";
import type { Purgatory } from "./purgatory.ts";
import { ReadyWait } from "./ready-wait.ts";
import type { TopicIdentity } from "./ready-wait.ts";
import { RetentionJob } from "./retention-job.ts";
import { Slices } from "./slices.ts";
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
  /** The one log directory is offline (3.8(1)). */
  onOffline(fault: DiskFault): void;
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
  /** By topic, then partition number: those led here. */
  readonly #led = new Map<string, (Partition | undefined)[]>();
  /** The last step of each replica that has one under way, by `<topic>-<partition>`. */
  readonly #chains = new Map<string, Promise<void>>();
  /** By topic name: what one topic's logs have come to concerns nobody who waits for another. */
  readonly #readyWaits = new Map<string, Set<ReadyWait>>();
  /** By topic, from the first partition led here until the topic is deleted. */
  readonly #traffic = new Map<string, Traffic>();
  readonly #slices: Slices;
  readonly #reserve: DiskReserve;
  readonly #partitionDeps: PartitionDeps;
  readonly #retention: RetentionJob;
  /** Of all brokers, as of the last metadata entry. */
  #brokers: ClusterImage["brokers"] = new Map();
  #isOffline = false;
  #isStopped = false;

  constructor(options: ReplicaManagerOptions, deps: ReplicaManagerDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#slices = new Slices(deps);
    const { disk, clock, logger } = deps;
    const { path, medium } = options;
    const onFull = (): void => this.#directory?.hurryRemovals();
    this.#reserve = new DiskReserve({ disk, clock, logger, path, medium, onFull });
    this.#partitionDeps = {
      clock,
      turn: deps.turn,
      purgatory: deps.purgatory,
      brokers: {
        ownBrokerEpoch: () => this.#brokers.get(this.#brokerId)?.brokerEpoch ?? -1,
        broker: (brokerId) => this.#brokers.get(brokerId),
      },
      reserve: this.#reserve,
      onDiskFault: (fault) => this.#goOffline(fault),
    };
    this.#retention = new RetentionJob({
      clock,
      timers: deps.timers,
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
    this.#brokers = image.brokers;
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

  /** Leads what `image` says, now that the broker is registered in it. */
  async start(image: ClusterImage): Promise<void> {
    for (const topic of image.topics.values()) {
      // The registration has raised the epochs since the logs were opened: it is these that are led.
      this.#want(topic);
      this.#follow(topic);
    }
    await this.#settled();
    this.#retention.start();
  }

  /**
   * Clean stop (4.3): no more appends, those under way are finished within a bound, then the directory is closed with
   * its marker. The doors are shut before.
   */
  async stop(brokerEpoch: number): Promise<void> {
    this.#isStopped = true;
    await this.#retention.stop();
    await this.#settled();
    await this.#drained();
    for (const partition of this.partitions()) partition.close("NOT_LEADER_OR_FOLLOWER");
    this.#led.clear();
    this.#endReadyWaits();
    // Offline too: the lock goes to another, and no file or timer of this life may be left. There is no marker then.
    await this.#directory?.close(brokerEpoch);
  }

  // ---- what the doors ask ----

  /** The partition, if it is led here with its log open. */
  find(topic: string, partition: number): Partition | undefined {
    return this.#led.get(topic)?.[partition];
  }

  /** Why `find` has nothing, for a partition that the metadata knows. */
  get absenceCode(): ErrorName {
    return this.#isOffline ? "KAFKA_STORAGE_ERROR" : "NOT_LEADER_OR_FOLLOWER";
  }

  *partitions(): Iterable<Partition> {
    for (const partitions of this.#led.values()) {
      for (const partition of partitions) if (partition !== undefined) yield partition;
    }
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
  *hosted(): Iterable<{ readonly topic: string; readonly partition: number; readonly bytes: number }> {
    for (const log of this.#directory?.logs() ?? []) {
      yield { topic: log.topic, partition: log.partition, bytes: log.sizeBytes };
    }
  }

  /** Bytes of the replicas of `topic` on this broker. */
  sizeBytesOf(topic: string): number {
    let bytes = 0;
    for (const partition of this.#led.get(topic) ?? []) bytes += partition?.sizeBytes ?? 0;
    return bytes;
  }

  /**
   * Waits until every partition of the topic from `first` on that this broker shall lead is led with its log open (15.3(1)).
   * Resolves with the partitions that are not when `timeoutMs` is over or the topic is gone; empty: ready.
   */
  whenReady(topic: TopicIdentity, timeoutMs: number, first = 0): Promise<readonly number[]> {
    return new Promise((resolve) => {
      const waits = this.#readyWaits.get(topic.name) ?? new Set();
      this.#readyWaits.set(topic.name, waits);
      const wait = new ReadyWait({
        deadline: deadlineAfter(this.#deps.clock, timeoutMs),
        missing: () => this.#missingOf(topic, first),
        isMissing: (partition) => this.#isMissing(topic, partition),
        onEnd: (missing) => {
          waits.delete(wait);
          if (waits.size === 0 && this.#readyWaits.get(topic.name) === waits) this.#readyWaits.delete(topic.name);
          this.#deps.purgatory.release(wait);
          resolve(missing);
        },
      });
      waits.add(wait);
      if (!wait.check()) this.#deps.purgatory.park(wait);
    });
  }

  // ---- following the metadata ----

  /** One applied entry. Called in order, in the stretch that applied it. */
  onMetadata(delta: MetadataDelta, image: ClusterImage): void {
    this.#brokers = image.brokers;
    for (const topic of delta.topicsDeleted) {
      this.#forget(topic);
      this.#checkReady(topic.name);
    }
    for (const topic of delta.topicsCreated) {
      this.#want(topic);
      this.#follow(topic);
      this.#checkReady(topic.name);
    }
    for (const name of new Set(delta.partitionsChanged.map(({ topic }) => topic))) {
      const topic = image.topics.get(name);
      if (topic !== undefined) this.#want(topic);
    }
    for (const { topic: name, partition: number } of delta.partitionsChanged) {
      const topic = image.topics.get(name);
      const partition = topic?.partitions[number];
      if (topic === undefined || partition === undefined || !partition.replicas.includes(this.#brokerId)) continue;
      this.#followPartition(topic, partition);
    }
    for (const name of new Set(delta.partitionsChanged.map(({ topic }) => topic))) this.#checkReady(name);
    for (const name of delta.topicConfigsChanged) {
      const topic = image.topics.get(name);
      if (topic === undefined) continue;
      this.#want(topic);
      this.#reconfigure(name);
    }
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
      this.#unlead(topic, partition.partition, "UNKNOWN_TOPIC_OR_PARTITION");
      this.#enqueue(topic.name, partition.partition, () => this.#dropLog(topic, partition.partition));
    }
  }

  #follow(topic: TopicImage): void {
    for (const partition of this.#hostedOf(topic)) this.#followPartition(topic, partition);
  }

  #followPartition(topic: TopicImage, partition: PartitionImage): void {
    const led = this.find(topic.name, partition.partition);
    if (led !== undefined && led.topicId === topic.topicId && led.leaderEpoch === partition.leaderEpoch) {
      led.onMetadata(this.#membershipOf(topic, partition));
      return;
    }
    if (led !== undefined) this.#unlead(topic, partition.partition, "NOT_LEADER_OR_FOLLOWER");
    const log = this.#directory?.log(topic.name, asPartitionId(partition.partition));
    const isQuiet = !this.#chains.has(chainKey(topic.name, partition.partition));
    // A log that is open is led in this very stretch: a restart with many partitions makes no promise for each.
    if (isQuiet && log !== undefined && log.topicId === topic.topicId) this.#lead(topic.name, partition.partition);
    else this.#enqueue(topic.name, partition.partition, () => this.#makeAndLead(topic.name, partition.partition));
  }

  /** Runs `step` when all earlier steps of this replica have ended, and it is its turn. A step handles its own failures. */
  #enqueue(topic: string, partition: number, step: () => Promise<void>): void {
    const key = chainKey(topic, partition);
    const inTurn = async (): Promise<void> => {
      await this.#slices.turn();
      await step();
    };
    const before = this.#chains.get(key);
    const after = (before === undefined ? inTurn() : before.then(inTurn)).then(() => {
      if (this.#chains.get(key) === after) this.#chains.delete(key);
      this.#checkReady(topic);
    });
    this.#chains.set(key, after);
  }

  async #makeAndLead(name: string, number: number): Promise<void> {
    const wanted = this.#wanted.get(name)?.image;
    const partition = wanted?.partitions[number];
    if (wanted === undefined || partition === undefined || this.#directory === null || this.#isOffline) return;
    try {
      const existing = this.#directory.log(name, asPartitionId(number));
      if (existing !== undefined && existing.topicId !== wanted.topicId)
        await this.#directory.deleteLog(name, asPartitionId(number));
      if (this.#directory.log(name, asPartitionId(number)) === undefined) {
        await this.#directory.createLog(this.#specOf(wanted, partition));
      }
    } catch (cause: unknown) {
      this.#deps.logger.error("log could not be made", { topic: name, partition: number, err: cause });
      this.#retryLater(name, number);
      return;
    }
    this.#lead(name, number);
  }

  #retryLater(name: string, number: number): void {
    this.#deps.timers.after(CREATE_RETRY_MS, () => {
      if (!this.#isStopped && this.#wanted.has(name))
        this.#enqueue(name, number, () => this.#makeAndLead(name, number));
    });
  }

  /** Leads what the metadata says by now, which may be another epoch than when the step was asked for, or nothing. */
  #lead(name: string, number: number): void {
    const wanted = this.#wanted.get(name);
    const image = wanted?.image.partitions[number];
    const log = this.#directory?.log(name, asPartitionId(number));
    if (wanted === undefined || image === undefined || log === undefined || this.#isOffline || this.#isStopped) return;
    if (log.topicId !== wanted.image.topicId || image.leaderId !== this.#brokerId) return;
    if (this.find(name, number)?.leaderEpoch === image.leaderEpoch) return;
    // They may have changed since the log was asked for.
    log.reconfigure(wanted.config.log);
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
    let partitions = this.#led.get(name);
    if (partitions === undefined) {
      partitions = [];
      this.#led.set(name, partitions);
    }
    partitions[number] = partition;
  }

  #trafficOf(topic: string): Traffic {
    let traffic = this.#traffic.get(topic);
    if (traffic === undefined) {
      traffic = new Traffic();
      this.#traffic.set(topic, traffic);
    }
    return traffic;
  }

  #unlead(topic: TopicImage, number: number, code: ErrorName): void {
    const partitions = this.#led.get(topic.name);
    const partition = partitions?.[number];
    if (partitions === undefined || partition === undefined || partition.topicId !== topic.topicId) return;
    partitions[number] = undefined;
    if (partitions.every((other) => other === undefined)) this.#led.delete(topic.name);
    partition.close(code);
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

  #checkReady(topic: string): void {
    for (const wait of this.#readyWaits.get(topic) ?? []) wait.check();
  }

  #endReadyWaits(): void {
    for (const waits of this.#readyWaits.values()) for (const wait of waits) wait.end();
  }

  #goOffline(fault: DiskFault): void {
    if (this.#isOffline) return;
    this.#isOffline = true;
    this.#deps.logger.error("log directory offline", {
      path: this.#options.path,
      err: fault,
    });
    for (const partition of this.partitions()) partition.close("KAFKA_STORAGE_ERROR");
    this.#led.clear();
    this.#endReadyWaits();
    this.#deps.onOffline(fault);
  }

  /** All steps that were asked for, and those that they asked for, have ended. */
  async #settled(): Promise<void> {
    while (this.#chains.size > 0) await Promise.all(this.#chains.values());
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
    const config = this.#wanted.get(topic.name)?.config ?? topicConfig(this.#options.config.current, topic.overrides);
    return {
      partitionEpoch: partition.partitionEpoch,
      replicas: asBrokerIds(partition.replicas),
      isr: asBrokerIds(partition.isr),
      minInsyncReplicas: effectiveMinInsyncReplicas(config, partition.replicas.length),
      isRecovering: partition.isRecovering,
    };
  }
}

function chainKey(topic: string, partition: number): string {
  return `${topic}-${partition}`;
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
