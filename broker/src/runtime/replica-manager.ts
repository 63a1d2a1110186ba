/**
 * The replicas that metadata places on this broker, from the opening of their logs to the stop: follows the metadata in order, answers
 * the doors, and knows when a topic is ready (15.3).
 *
 * Its parts: what is wanted (hosted-topics.ts), logs that are made and dropped for it (replica-logs.ts), and the roles that they take
 * (replica-roles.ts). A log that is open takes its role in the stretch that applied the metadata; one that is missing or busy when it is
 * at rest.
 *
 * Invariants: a partition is found only while it is led here with its log open, and its topic id is the metadata's; a log
 * has one role at a time, and none while it is cut or written for another.
 * Not here: who decides placement and leaders (metadata), what a partition does (partition.ts, followed-partition.ts).
 */
import { ProtoError } from "@tidemark/proto";
import type { ErrorName } from "@tidemark/proto";
import type { Histogram, Offset } from "../base/index.ts";
import { asPartitionId } from "../base/index.ts";
import type { LiveConfig } from "../config/index.ts";
import { isAcrossRecovery } from "../metadata/index.ts";
import type {
  ClusterImage,
  MetadataDelta,
  PartitionImage,
  ReplicaEnd,
  ReplicaEndsRequest,
  TopicImage,
} from "../metadata/index.ts";
import { type Clock, type Disk, type DiskFault, type Failpoint, type Logger, type Timers } from "../ports/index.ts";
import type {
  LogDirectoryOptions,
  OpenLogDirectory,
  OpenReport,
  PartitionLog,
  ReplicaSpec,
  SyncPace,
} from "../storage/index.ts";
import type { ControllerCommands } from "./controller-commands.ts";
import type { Traffic } from "./counters.ts";
import { DamagedReplicas } from "./damaged-replicas.ts";
import { DiskReserve } from "./disk-reserve.ts";
import { countsSynced } from "./durability.ts";
import type { FollowedPartition } from "./followed-partition.ts";
import type { HostedPartitions } from "./hosted-partitions.ts";
import { HostedTopics } from "./hosted-topics.ts";
import type { Partition } from "./partition.ts";
import { deadlineAfter } from "./purgatory.ts";
import type { Purgatory } from "./purgatory.ts";
import type { TopicIdentity } from "./ready-wait.ts";
import { ReadyWaits } from "./ready-waits.ts";
import { ReplicaLogs } from "./replica-logs.ts";
import { ReplicaRoles } from "./replica-roles.ts";
import type { Replication, ReplicationHost } from "./replication.ts";
import { RetentionJob } from "./retention-job.ts";
import { ScrubJob } from "./scrub-job.ts";
import type { Turn } from "./turn.ts";

/** How long a stop waits for batches that are queued or wait for a sync; what is left then is answered as refused. */
const DRAIN_MS = 5_000;
/** How often it looks whether any is left. */
const DRAIN_LOOK_MS = 5;

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
  readonly failpoint: Failpoint;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly turn: Turn;
  readonly purgatory: Purgatory;
  readonly openLogDirectory: OpenLogDirectory;
  /** Where leaders propose their in-sync replicas, and damage is reported. */
  readonly commands: Pick<ControllerCommands, "alterPartitions" | "reportDamage">;
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

/** A replica on this broker with its role. */
export interface ReplicaHere {
  readonly log: PartitionLog;
  readonly led: Partition | undefined;
  readonly followed: FollowedPartition | undefined;
  /** Since a change of its ISR was proposed that is not over; -1 = there is none. */
  readonly proposalAgeMs: number;
}

export class ReplicaManager {
  readonly #options: ReplicaManagerOptions;
  readonly #deps: ReplicaManagerDeps;
  readonly #topics: HostedTopics;
  readonly #logs: ReplicaLogs;
  readonly #roles: ReplicaRoles;
  /** Of the roles: asked by every request. */
  readonly #led: HostedPartitions<Partition>;
  readonly #damaged: DamagedReplicas;
  readonly #readyWaits: ReadyWaits;
  readonly #reserve: DiskReserve;
  readonly #retention: RetentionJob;
  readonly #scrub: ScrubJob;
  #isOffline = false;

  constructor(options: ReplicaManagerOptions, deps: ReplicaManagerDeps) {
    this.#options = options;
    this.#deps = deps;
    const { disk, clock, timers, turn, purgatory, logger } = deps;
    this.#topics = new HostedTopics(options.config);
    this.#damaged = new DamagedReplicas({ timers, logger, topics: this.#topics, commands: deps.commands });
    this.#logs = new ReplicaLogs({
      clock,
      timers,
      logger,
      topics: this.#topics,
      isOffline: () => this.#isOffline,
      mustRepair: (log, { partitions }, number) => {
        const image = partitions[number];
        const hasRole = this.#roles.led.find(log.topic, number) ?? this.#roles.followed.find(log.topic, number);
        return image !== undefined && hasRole === undefined && this.#damaged.mustRepair(log, image);
      },
      onCut: (log) => this.#damaged.onCut(log),
      onWhole: (log) => this.#damaged.onWhole(log),
      onMade: (topic, partition) => this.#onMade(topic, partition),
      onStepEnd: (topic) => this.#readyWaits.check(topic),
    });
    this.#readyWaits = new ReadyWaits({
      clock,
      purgatory,
      missingOf: (topic, first) => this.#missingOf(topic, first),
      isMissing: (topic, partition) => this.#isMissing(topic, partition),
    });
    const { path, medium } = options;
    const onFull = (): void => this.#logs.directory?.hurryRemovals();
    this.#reserve = new DiskReserve({ disk, clock, logger, path, medium, onFull });
    this.#roles = new ReplicaRoles({
      config: options.config,
      topics: this.#topics,
      failpoint: deps.failpoint,
      clock,
      timers,
      logger,
      turn,
      purgatory,
      reserve: this.#reserve,
      commands: deps.commands,
      createReplication: deps.createReplication,
      damaged: this.#damaged,
      onRepairDue: (log) => this.#logs.repair(log),
      onLookDue: (log) => this.#logs.lookAt(log),
      onDiskFault: (fault) => this.#goOffline(fault),
    });
    this.#led = this.#roles.led;
    this.#retention = new RetentionJob({
      clock,
      timers,
      intervalMs: options.config.current.logRetentionCheckIntervalMs,
      logs: () => this.#logs.directory?.logs() ?? [],
    });
    this.#scrub = new ScrubJob({
      timers,
      logger,
      // Memory is not read back.
      intervalMs: medium === "memory" ? 0 : options.config.current.scrubIntervalMs,
      bytesPerSecond: () => options.config.current.scrubBytesPerSecond,
      logs: () => this.#logs.directory?.logs() ?? [],
      onFound: (log, damage) => this.#damaged.found(log, damage),
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
    this.#topics.image = image;
    for (const topic of image.topics.values()) {
      this.#topics.update(topic);
      for (const partition of this.#topics.partitionsOf(topic)) replicas.push(this.#topics.specOf(topic, partition));
    }
    const directory = await this.#deps.openLogDirectory({
      path,
      disk: this.#deps.disk,
      failpoint: this.#deps.failpoint,
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
    this.#logs.attach(directory);
    return directory.report;
  }

  /** Leads and follows what `image` says, now that the broker is registered in it. */
  async start(image: ClusterImage): Promise<void> {
    this.#topics.image = image;
    for (const topic of image.topics.values()) {
      // The registration has raised the epochs since the logs were opened: it is these that are led.
      this.#topics.update(topic);
      this.#follow(topic);
    }
    this.#giveUpStrays(image);
    this.#damaged.lookAgain(this.#logs.directory?.logs() ?? []);
    this.#roles.replication?.onLed();
    await this.#logs.settled();
    this.#retention.start();
    this.#scrub.start();
  }

  /**
   * Clean stop (4.3): no more appends, those under way are finished within a bound, then the directory is closed with
   * its marker. The doors are shut before.
   */
  async stop(brokerEpoch: number): Promise<void> {
    this.#damaged.close();
    this.#logs.stop();
    this.#roles.stop();
    await this.#retention.stop();
    await this.#scrub.stop();
    await this.#logs.settledWithin(DRAIN_MS);
    await this.#drained();
    this.#endRoles("NOT_LEADER_OR_FOLLOWER");
    // Offline too: the lock goes to another, and no file or timer of this life may be left. There is no marker then.
    await this.#logs.close(brokerEpoch);
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

  partitions(): readonly Partition[] {
    return this.#led.list();
  }

  /** Those that are led elsewhere. */
  followed(): Iterable<FollowedPartition> {
    return this.#roles.followed.all();
  }

  /** Streams between brokers; null where there are no others. */
  get replication(): Replication | null {
    return this.#roles.replication;
  }

  /**
   * Metadata up to here is in force: every replica that this broker shall lead by it is led with its log open (15.3(1)).
   */
  get readyOffset(): number {
    return Math.min(this.#topics.image.metadataOffset, this.#logs.doneUpTo);
  }

  /** The log of a replica here, led or not, open or damaged. */
  log(topic: string, partition: number): PartitionLog | undefined {
    return this.#logs.find(topic, partition);
  }

  /** Somebody doubts what a replica here has at `offset` (15.7(1)): it is read back, and what is bad is repaired. */
  suspect(topic: string, partition: number, offset: Offset): void {
    const log = this.#logs.find(topic, partition);
    if (log !== undefined) this.#damaged.suspect(log, offset);
  }

  /** Replicas here that are damaged, and how often some were found so, and became whole again, since the start. */
  get damage(): { readonly replicas: number; readonly found: number; readonly repaired: number } {
    let replicas = 0;
    for (const log of this.#logs.directory?.logs() ?? []) {
      if (log.isDamaged || log.isRepairing || log.rot !== null) replicas++;
    }
    return { replicas, ...this.#damaged.counts };
  }

  /** The replica of this partition here, for whoever asks why (15.6); null: there is none, or its log is not open. */
  replicaOf(topic: TopicImage, number: number): ReplicaHere | null {
    const log = this.#logs.find(topic.name, number);
    if (log === undefined || log.topicId !== topic.topicId) return null;
    const led = this.#led.find(topic.name, number);
    const followed = this.#roles.followed.find(topic.name, number);
    return { log, led, followed, proposalAgeMs: led === undefined ? -1 : this.#roles.proposalAgeMs(led) };
  }

  /** What the controller asks of partitions without a leader (9(3)). Throws before the logs are open: it would say that there are none. */
  replicaEnds({ partitions }: ReplicaEndsRequest): ReplicaEnd[] {
    const { directory } = this.#logs;
    if (directory === null || this.#isOffline)
      throw new ProtoError("KAFKA_STORAGE_ERROR", "the logs of this broker are not open");
    const ends: ReplicaEnd[] = [];
    for (const { topicId, partition } of partitions) {
      const name = this.#topics.image.topicsById.get(topicId)?.name;
      const log = name === undefined ? undefined : directory.log(name, asPartitionId(partition));
      if (log === undefined || log.topicId !== topicId) continue;
      const { latestEpoch, logStartOffset } = log;
      // 15.7(3): known to be bad, though not cut yet, it is not chosen either.
      const isDamaged = log.isDamaged || log.isRepairing || log.rot !== null;
      ends.push({ topicId, partition, latestEpoch, logEndOffset: endOffsetOf(log), logStartOffset, isDamaged });
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
    return this.#roles.traffic;
  }

  /** How often the ISR of a partition that is led here lost, or won, members. */
  get isrChanges(): { readonly shrinks: number; readonly expands: number } {
    return this.#roles.isrChanges;
  }

  /** Memory of batches that are kept for followers and readers at the tail. */
  get tailBytes(): number {
    return this.#logs.directory?.tailBytes ?? 0;
  }

  /** How long syncs took, in seconds; null before the directory is open. */
  get syncDurations(): Histogram | null {
    return this.#logs.directory?.syncDurations ?? null;
  }

  /** How the disk keeps up with syncs now; null before the directory is open. */
  get syncPace(): SyncPace | null {
    return this.#logs.directory?.syncPace ?? null;
  }

  /** What a producer is told while there is no room. */
  get fullMessage(): string {
    return this.#reserve.fullMessage;
  }

  /** Every replica on this broker with its bytes; those that nobody leads here too. */
  *hosted(): Iterable<HostedReplica> {
    for (const { topic, partition, sizeBytes, logEndOffset } of this.#logs.directory?.logs() ?? []) {
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
    const before = this.#topics.image;
    this.#topics.image = image;
    for (const topic of delta.topicsDeleted) {
      this.#forget(topic);
      this.#readyWaits.check(topic.name);
    }
    for (const topic of delta.topicsCreated) {
      this.#topics.update(topic);
      this.#follow(topic);
      this.#readyWaits.check(topic.name);
    }
    for (const name of new Set(delta.partitionsChanged.map(({ topic }) => topic))) {
      const topic = image.topics.get(name);
      if (topic !== undefined) this.#topics.update(topic);
    }
    for (const { topic: name, partition: number } of delta.partitionsChanged) {
      const topic = image.topics.get(name);
      const partition = topic?.partitions[number];
      if (topic === undefined || partition === undefined) continue;
      if (this.#topics.hosts(partition)) this.#followPartition(topic, partition);
      else if (this.#logs.has(topic, number))
        this.#giveUp(topic, partition, before.topicsById.get(topic.topicId)?.partitions[number]?.leaderEpoch ?? -1);
    }
    for (const name of new Set(delta.partitionsChanged.map(({ topic }) => topic))) this.#readyWaits.check(name);
    for (const name of delta.topicConfigsChanged) {
      const topic = image.topics.get(name);
      if (topic === undefined) continue;
      this.#topics.update(topic);
      this.#reconfigure(name);
    }
    this.#roles.onApplied(delta.metadataOffset, delta.brokersChanged.length > 0);
  }

  // ---- settings ----

  /** Defaults of the broker or the cluster changed, and with them the settings of every topic that overrides them not. */
  #reconfigureAll(): void {
    for (const topic of this.#topics.images()) {
      this.#topics.update(topic);
      this.#reconfigure(topic.name);
    }
  }

  /** What is open takes the wanted settings in this stretch; a log that is being made takes them when it is led. */
  #reconfigure(name: string): void {
    const hosted = this.#topics.find(name);
    if (hosted === undefined || this.#isOffline) return;
    this.#retention.hurry();
    for (const image of this.#topics.partitionsOf(hosted.image)) {
      if (this.#roles.reconfigure(hosted, image)) continue;
      const log = this.#logs.find(name, image.partition);
      if (log?.topicId === hosted.image.topicId) log.reconfigure(hosted.config.log);
    }
  }

  // ---- single replicas ----

  #forget(topic: TopicImage): void {
    if (this.#topics.remove(topic)) this.#roles.forgetTraffic(topic.name);
    for (const { partition } of this.#topics.partitionsOf(topic)) {
      this.#roles.forget(topic, partition, "UNKNOWN_TOPIC_OR_PARTITION");
      this.#damaged.forget(topic, partition);
      this.#logs.drop(topic, partition);
    }
  }

  /**
   * A reassignment has taken the replica away (13(6)): whoever waits is answered in this stretch, and its log is deleted. `knownEpoch`: the
   * newest leader epoch that this broker knew it in.
   */
  #giveUp(topic: TopicImage, { partition, leaderEpoch }: PartitionImage, knownEpoch: number): void {
    this.#roles.forget(topic, partition, "NOT_LEADER_OR_FOLLOWER");
    this.#damaged.forget(topic, partition);
    if (!isAcrossRecovery(knownEpoch, leaderEpoch)) return this.#logs.drop(topic, partition);
    const fields = { topic: topic.name, partition };
    this.#deps.logger.warn("a log that recovered metadata does not place here is kept", fields);
  }

  /**
   * Logs of replicas that were taken away while this broker was down. The metadata names their partitions, and it has this broker's own
   * registration: nothing of the time before it can still place them here.
   */
  #giveUpStrays(image: ClusterImage): void {
    for (const log of [...(this.#logs.directory?.logs() ?? []), ...(this.#logs.directory?.unplaced() ?? [])]) {
      const topic = image.topicsById.get(log.topicId);
      const partition = topic?.partitions[log.partition];
      if (topic === undefined || partition === undefined || this.#topics.hosts(partition)) continue;
      log.reconfigure(this.#topics.specOf(topic, partition).config);
      this.#giveUp(topic, partition, log.latestEpoch);
    }
  }

  #follow(topic: TopicImage): void {
    for (const partition of this.#topics.partitionsOf(topic)) this.#followPartition(topic, partition);
  }

  #followPartition(topic: TopicImage, image: PartitionImage): void {
    this.#damaged.onMetadata(topic, image);
    const { leaderId, leaderEpoch, uncleanEpoch, isr } = image;
    const { brokerId } = this.#topics;
    const repaired = isr.includes(brokerId) ? this.#logs.find(topic.name, image.partition) : undefined;
    if (repaired?.isRepairing === true && repaired.topicId === topic.topicId)
      this.#logs.endRepair(repaired, leaderId === brokerId && uncleanEpoch === leaderEpoch);
    if (this.#roles.keep(topic, image)) return;
    this.#roles.end(topic, image.partition, "NOT_LEADER_OR_FOLLOWER");
    // A log that is open takes its role in this very stretch: a restart with many partitions makes no promise for each.
    const log = this.#logs.readyOf(topic, image.partition);
    if (log === null) this.#logs.make(topic.name, image.partition);
    else this.#roles.take(log);
  }

  #onMade(topic: string, partition: number): void {
    const log = this.#logs.find(topic, partition);
    if (log !== undefined) this.#roles.take(log);
    this.#roles.replication?.onLed();
  }

  // ---- readiness, faults, quiet ----

  #missingOf({ name, topicId }: TopicIdentity, first: number): readonly number[] | null {
    const image = this.#topics.find(name)?.image;
    if (image === undefined || image.topicId !== topicId) return null;
    return this.#topics
      .partitionsOf(image)
      .filter(
        (partition) =>
          partition.partition >= first &&
          partition.leaderId === this.#topics.brokerId &&
          this.find(name, partition.partition)?.topicId !== topicId,
      )
      .map((partition) => partition.partition);
  }

  #isMissing({ name, topicId }: TopicIdentity, partition: number): boolean {
    const image = this.#topics.find(name)?.image;
    if (image?.topicId !== topicId || image.partitions[partition]?.leaderId !== this.#topics.brokerId) return false;
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

  #endRoles(code: ErrorName): void {
    this.#roles.endAll(code);
    this.#readyWaits.endAll();
  }

  /** Nothing is queued or parked, or DRAIN_MS are over. */
  async #drained(): Promise<void> {
    const { clock, timers } = this.#deps;
    const deadline = deadlineAfter(clock, DRAIN_MS);
    const isBusy = (): boolean => this.partitions().some((partition) => !partition.isQuiet);
    while (isBusy() && clock.monotonicNow() < deadline)
      await new Promise<void>((resolve) => {
        timers.after(DRAIN_LOOK_MS, resolve);
      });
  }
}

/** What the replica has for certain: in a synced mode, what is synced. */
function endOffsetOf(log: PartitionLog): number {
  return countsSynced(log.config.durability)
    ? Math.min(log.syncedEndOffset, log.writtenEndOffset)
    : log.writtenEndOffset;
}
