/**
 * The logs of this broker's replicas as the metadata moves: made where one is missing, made anew where another topic of the same name
 * lies, dropped with their topic. What takes time with one replica is a chain of steps (replica-steps.ts); before each step the chain
 * looks at what is wanted now, so steps that became pointless do nothing.
 */
import { asPartitionId } from "../base/index.ts";
import type { TopicImage } from "../metadata/index.ts";
import type { Clock, Logger, TimerHandle, Timers } from "../ports/index.ts";
import type { LogDirectory, PartitionLog } from "../storage/index.ts";
import type { HostedTopics } from "./hosted-topics.ts";
import { ReplicaSteps } from "./replica-steps.ts";

/** A log that could not be made, for want of space or file descriptors, is tried again after this long. */
const CREATE_RETRY_MS = 5_000;

export interface ReplicaLogsDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly topics: HostedTopics;
  isOffline(): boolean;
  /** Whether the damaged log may still be cut (15.7(2)). */
  mustRepair(log: PartitionLog, topic: TopicImage, partition: number): boolean;
  onCut(log: PartitionLog): void;
  onWhole(log: PartitionLog): void;
  /** The log of this replica is there and at rest: it can take a role. */
  onMade(topic: string, partition: number): void;
  /** A step of this topic has ended. */
  onStepEnd(topic: string): void;
}

export class ReplicaLogs {
  readonly #deps: ReplicaLogsDeps;
  readonly #topics: HostedTopics;
  readonly #steps: ReplicaSteps;
  /** Replicas whose log could not be made yet, with the metadata that asked for it. */
  readonly #unmade = new Map<string, number>();
  /** Damaged logs that wait to be read back or are, one at a time; and those that were. */
  readonly #unread = new Set<PartitionLog>();
  readonly #wasRead = new WeakSet<PartitionLog>();
  #lastRead: Promise<void> = Promise.resolve();
  #directory: LogDirectory | null = null;
  #isStopped = false;

  constructor(deps: ReplicaLogsDeps) {
    this.#deps = deps;
    this.#topics = deps.topics;
    const { clock, timers } = deps;
    this.#steps = new ReplicaSteps({ clock, timers, onEnd: (topic) => deps.onStepEnd(topic) });
  }

  /** Null before it is open and after the stop. */
  get directory(): LogDirectory | null {
    return this.#directory;
  }

  find(topic: string, partition: number): PartitionLog | undefined {
    return this.#directory?.log(topic, asPartitionId(partition));
  }

  /** Up to here everything that the metadata asked for is done; Infinity = all of it. */
  get doneUpTo(): number {
    return Math.min(this.#steps.doneBelow - 1, ...this.#unmade.values());
  }

  // ---- life cycle ----

  attach(directory: LogDirectory): void {
    this.#directory = directory;
  }

  /** Everything that was asked for is done, or will be tried again. */
  settled(): Promise<void> {
    return this.#steps.settled();
  }

  /** Nothing is tried again any more. */
  stop(): void {
    this.#isStopped = true;
  }

  /** As `settled`, or `withinMs` are over: a cut may wait for room on the disk, which ends when its log is closed. */
  async settledWithin(withinMs: number): Promise<void> {
    let timer: TimerHandle | null = null;
    const late = new Promise<void>((resolve) => {
      timer = this.#deps.timers.after(withinMs, resolve);
    });
    await Promise.race([this.#steps.settled(), late]);
    (timer as TimerHandle | null)?.cancel();
  }

  /** Closes the directory with its marker; what is left of the steps finds nothing to do. */
  async close(brokerEpoch: number): Promise<void> {
    const directory = this.#directory;
    this.#directory = null;
    await directory?.close(brokerEpoch);
  }

  // ---- logs come and go ----

  /** The replica's log where it is open, nothing is under way with it, and it is this topic's. */
  readyOf({ name, topicId }: TopicImage, partition: number): PartitionLog | null {
    if (!this.#steps.isQuiet(name, partition)) return null;
    const log = this.find(name, partition);
    return log?.topicId === topicId && log.whenSettled() === null ? log : null;
  }

  /** `onMade` follows, unless nobody wants the log by then. */
  make(topic: string, partition: number): void {
    this.#step(topic, partition, () => this.#make(topic, partition));
  }

  /**
   * Reads the log back and cuts it at its first damage, if that is still wanted then; `onMade` follows. The reading is no step: it may
   * take minutes, in which everything else goes on, a start and the word that metadata is in force among it.
   */
  repair(log: PartitionLog): void {
    if (this.#unread.has(log)) return;
    this.#unread.add(log);
    this.#lastRead = this.#lastRead.then(() => this.#readBack(log));
  }

  /** The same where nobody knows whether anything is bad, or where. False: it was read back before. */
  lookAt(log: PartitionLog): boolean {
    if (this.#wasRead.has(log)) return false;
    this.repair(log);
    return true;
  }

  /** What was damaged is whole; or, with `isGivenUp`, counts as it is by an unclean choice. */
  endRepair({ topic, partition }: PartitionLog, isGivenUp: boolean): void {
    this.#step(topic, partition, () => this.#endRepair(topic, partition, isGivenUp));
  }

  /** Whether the replica has a log here, or something is under way with one. */
  has({ name, topicId }: TopicImage, partition: number): boolean {
    return this.find(name, partition)?.topicId === topicId || !this.#steps.isQuiet(name, partition);
  }

  /** Its topic is deleted, or it is no replica of this broker any more. */
  drop(topic: TopicImage, partition: number): void {
    this.#unmade.delete(`${topic.topicId}-${partition}`);
    this.#step(topic.name, partition, () => this.#drop(topic, partition));
  }

  #step(topic: string, partition: number, step: () => Promise<void>): void {
    this.#steps.add(topic, partition, this.#topics.image.metadataOffset, step);
  }

  async #make(name: string, number: number): Promise<void> {
    const wanted = this.#topics.find(name)?.image;
    const partition = wanted?.partitions[number];
    const directory = this.#directory;
    if (wanted === undefined || partition === undefined || !this.#topics.hosts(partition)) return;
    if (directory === null || this.#deps.isOffline()) return;
    const key = `${wanted.topicId}-${number}`;
    try {
      const existing = directory.log(name, asPartitionId(number));
      if (existing !== undefined && existing.topicId !== wanted.topicId)
        await directory.deleteLog(name, asPartitionId(number));
      if (directory.log(name, asPartitionId(number)) === undefined)
        await directory.createLog(this.#topics.specOf(wanted, partition));
      // What its last role has left: a write, or a cut (5.5).
      const log = directory.log(name, asPartitionId(number));
      for (let busy = log?.whenSettled(); busy; busy = log?.whenSettled()) await busy;
    } catch (cause: unknown) {
      // Closed under it by the stop.
      if (this.#isStopped && this.#directory === null) return;
      this.#deps.logger.error("log could not be made", { topic: name, partition: number, err: cause });
      // Deleted or taken away meanwhile: nobody would end the wait for it.
      if (!this.#topics.wants(wanted, number)) return;
      if (!this.#unmade.has(key)) this.#unmade.set(key, this.#topics.image.metadataOffset - 1);
      this.#makeLater(name, number);
      return;
    }
    this.#unmade.delete(key);
    this.#deps.onMade(name, number);
  }

  /** A disk that has let one bit go may have let others: whatever is older is read back, and the cut is made there. */
  async #readBack(log: PartitionLog): Promise<void> {
    const { topic, partition } = log;
    try {
      const to = log.damage?.offset ?? log.rot?.offset ?? log.logEndOffset;
      if (!this.#wasRead.has(log)) await log.verify({ from: log.logStartOffset, to });
    } catch (cause: unknown) {
      // Closed with its topic, by the stop, or by a cut that found no room; a disk that fails was told of by the log.
      this.#deps.logger.debug("a damaged log could not be read back", { topic, partition, err: cause });
    }
    this.#wasRead.add(log);
    this.#unread.delete(log);
    if (!this.#isStopped) this.#step(topic, partition, () => this.#repair(log));
  }

  async #repair(log: PartitionLog): Promise<void> {
    const { topic: name, partition: number } = log;
    const wanted = this.#topics.find(name)?.image;
    const directory = this.#directory;
    if (wanted?.topicId !== log.topicId || directory === null || this.#deps.isOffline()) return;
    // Much may have become of it while it was read.
    if (this.find(name, number) !== log) return;
    if (!this.#deps.mustRepair(log, wanted, number)) return this.#deps.onMade(name, number);
    const offset = log.rot?.offset ?? log.damage?.offset ?? log.logEndOffset;
    try {
      await directory.repairLog(name, number);
    } catch (cause: unknown) {
      if (this.#isStopped && this.#directory === null) return;
      this.#deps.logger.error("a damaged log could not be cut", { topic: name, partition: number, err: cause });
      return this.#makeLater(name, number);
    }
    this.#deps.logger.info("a damaged log is cut and filled from its leader", {
      topic: name,
      partition: number,
      offset,
    });
    this.#deps.onCut(log);
    this.#deps.onMade(name, number);
  }

  async #endRepair(name: string, number: number, isGivenUp: boolean): Promise<void> {
    const log = this.find(name, number);
    if (log?.isRepairing !== true || this.#deps.isOffline()) return;
    try {
      await this.#directory?.endRepair(name, asPartitionId(number), isGivenUp);
    } catch (cause: unknown) {
      // Its next start, or its next change of metadata, tries again.
      if (!this.#isStopped)
        this.#deps.logger.warn("a repair could not be ended", { topic: name, partition: number, err: cause });
      return;
    }
    if (!isGivenUp) this.#deps.onWhole(log);
  }

  #makeLater(name: string, number: number): void {
    if (this.#isStopped) return;
    this.#deps.timers.after(CREATE_RETRY_MS, () => {
      if (!this.#isStopped && this.#topics.find(name) !== undefined) this.make(name, number);
    });
  }

  #unplaced(topic: string, number: number): PartitionLog | undefined {
    for (const log of this.#directory?.unplaced() ?? [])
      if (log.topic === topic && log.partition === number) return log;
    return undefined;
  }

  async #drop(topic: TopicImage, number: number): Promise<void> {
    const log = this.find(topic.name, number) ?? this.#unplaced(topic.name, number);
    if (log === undefined || log.topicId !== topic.topicId || this.#deps.isOffline()) return;
    // It was placed here again meanwhile: a log of long ago, which its leader's epochs bring up to date (5.3).
    if (this.#topics.wants(topic, number)) return;
    try {
      await this.#directory?.deleteLog(topic.name, asPartitionId(number));
    } catch (cause: unknown) {
      // The directory tries it again by timer, and so does the next start.
      this.#deps.logger.error("log could not be deleted", {
        topic: topic.name,
        partition: number,
        err: cause,
      });
    }
  }
}
