/**
 * What becomes of replicas of this broker whose bytes are bad (semantics 15.7). Damage is found by a start, or here: somebody
 * suspects a place, the log is read back there, and what is found is reported to the controller.
 *
 *     suspected --bad--> reported --taken out, by applied metadata--> cut and followed --in sync--> whole
 *                                 --nobody else has the records--> kept: it stays, and answers 56 at the place (15.7(4))
 *     reported, never cut --in sync again, by an unclean choice--> suspected, once somebody else may have the records
 *
 * Invariant: a log is cut only in a leader epoch that another leads and in which this replica has told nothing, out of ISR
 * and ELR, with the controller's word that it is damaged here. The record that says so begins such an epoch.
 *
 * Not here: the cut (storage), and when a role is taken (replica-roles.ts).
 */
import { asOffset } from "../base/index.ts";
import type { Offset } from "../base/index.ts";
import type { PartitionImage, TopicImage } from "../metadata/index.ts";
import type { Logger, TimerHandle, Timers } from "../ports/index.ts";
import type { LogDamage, PartitionLog } from "../storage/index.ts";
import type { ControllerCommands } from "./controller-commands.ts";
import type { HostedTopics } from "./hosted-topics.ts";

/** Until a report without an answer is made again: at first, and at most. */
const RETRY_MS = 50;
const RETRY_MS_MAX = 1_000;
/** Of all looks together, which come one after the other: whoever suspects everything shall not have the disk to himself. */
const LOOK_BYTES_PER_MS = 64 * 1024;
/** How long a place that was found whole is not looked at again, whoever suspects it. */
const LOOKED_AT_MS = 10_000;

export interface DamagedReplicasDeps {
  readonly timers: Timers;
  readonly logger: Logger;
  readonly topics: HostedTopics;
  readonly commands: Pick<ControllerCommands, "reportDamage">;
}

interface Case {
  readonly log: PartitionLog;
  /** `due`: to be reported; `kept`: nobody else has the records; `out`: the controller knows. */
  state: "due" | "reported" | "kept" | "out";
  /** Metadata that the answer was decided on; -1 = none yet. */
  decidedAt: number;
}

export class DamagedReplicas {
  readonly #deps: DamagedReplicasDeps;
  /** By topic id and partition. */
  readonly #cases = new Map<string, Case>();
  /** Logs that are being read back, or were a moment ago. */
  readonly #looks = new Set<PartitionLog>();
  #lastLook: Promise<void> = Promise.resolve();
  #isReporting = false;
  #retry: TimerHandle | null = null;
  #retryMs = RETRY_MS;
  #isClosed = false;
  /** Since the start. */
  readonly counts = { found: 0, repaired: 0 };

  constructor(deps: DamagedReplicasDeps) {
    this.#deps = deps;
  }

  // ---- found ----

  /** Somebody could make nothing of what was read at `offset`: bytes, or only the index that led there. */
  suspect(log: PartitionLog, offset: Offset): void {
    if (this.#isClosed || log.isDamaged) return;
    if (log.rot !== null) return this.found(log, log.rot);
    if (this.#looks.has(log)) return;
    this.#looks.add(log);
    this.#lastLook = this.#lastLook.then(() => this.#pause(0)).then(() => this.#look(log, offset));
  }

  /**
   * A log that is to follow, with damage that the controller has never heard of: no replica was placed for it when it was opened or when
   * that was found, or what was known was taken back by an unclean choice.
   */
  tell(log: PartitionLog): void {
    const bad = log.damage ?? log.rot;
    if (bad !== null) {
      if (!this.#isKnown(log)) this.found(log, bad);
    } else if (log.suspectedAt !== null && !log.isRepairing) this.suspect(log, log.suspectedAt);
  }

  /** What an earlier life has found and not mended. */
  lookAgain(logs: Iterable<PartitionLog>): void {
    for (const log of logs) if (log.suspectedAt !== null) this.suspect(log, log.suspectedAt);
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#deps.timers.after(ms, resolve));
  }

  async #look(log: PartitionLog, offset: Offset): Promise<void> {
    const { timers, logger } = this.#deps;
    const { topic, partition } = log;
    if (this.#isClosed) return;
    try {
      const pace = (bytes: number): Promise<void> => this.#pause(Math.ceil(bytes / LOOK_BYTES_PER_MS));
      const damage = await log.verify({ from: offset, to: asOffset(offset + 1), pace });
      if (damage !== null) this.found(log, damage);
      else {
        logger.warn("a place in a log was suspected and is whole", { topic, partition, offset });
        await log.rebuildIndexes(offset);
      }
    } catch (cause: unknown) {
      // The disk was told of by the log; or it is closed.
      logger.warn("a log could not be read back", { topic, partition, err: cause });
      if (log.rot !== null) this.found(log, log.rot);
    }
    timers.after(LOOKED_AT_MS, () => this.#looks.delete(log));
  }

  found(log: PartitionLog, { offset, path, position, reason }: LogDamage): void {
    const key = keyOf(log);
    if (this.#isClosed || this.#cases.get(key)?.log === log) return;
    const { topic, partition } = log;
    this.counts.found++;
    this.#deps.logger.error("a log is damaged", { topic, partition, offset, path, position, reason });
    this.#cases.set(key, { log, state: "due", decidedAt: -1 });
    this.#report();
  }

  // ---- reported ----

  #report(): void {
    if (this.#isReporting || this.#retry !== null || this.#isClosed) return;
    for (const [key, { log, state }] of this.#cases)
      if (state === "due" && log.rot === null && log.damage === null) this.#cases.delete(key);
    const due = [...this.#cases.values()].filter(({ state }) => state === "due");
    if (due.length === 0) return;
    this.#isReporting = true;
    for (const one of due) one.state = "reported";
    const { commands, topics } = this.#deps;
    const damaged = due.map(({ log }) => ({ topicId: log.topicId, partitions: [log.partition] }));
    commands.reportDamage({ brokerId: topics.brokerId, brokerEpoch: topics.ownBrokerEpoch, damaged }).then(
      ({ results, metadataOffset }) => {
        this.#isReporting = false;
        this.#retryMs = RETRY_MS;
        for (const one of due) one.decidedAt = metadataOffset;
        for (const { topicId, partition, error } of results) this.#onAnswer(`${topicId}-${partition}`, error);
        // What was not spoken of is asked again.
        for (const one of due) if (one.state === "reported") this.#again(one);
        this.#report();
      },
      (cause: unknown) => {
        this.#isReporting = false;
        this.#deps.logger.warn("a report of damage was not answered", { count: due.length, err: cause });
        for (const one of due) this.#again(one);
      },
    );
  }

  #onAnswer(key: string, error: string): void {
    const one = this.#cases.get(key);
    if (one?.state !== "reported") return;
    const { topic, partition } = one.log;
    if (error === "NONE") {
      one.state = "out";
      this.#deps.logger.info("a damaged replica is out of the in-sync replicas", { topic, partition });
    } else if (error === "ELIGIBLE_LEADERS_NOT_AVAILABLE") {
      one.state = "kept";
      this.#deps.logger.error("a damaged replica stays: no other has its records", { topic, partition, code: error });
    } else if (error === "UNKNOWN_TOPIC_ID") this.#cases.delete(key);
  }

  #again(one: Case): void {
    one.state = "due";
    if (this.#isClosed || this.#retry !== null) return;
    this.#retry = this.#deps.timers.after(this.#retryMs, () => {
      this.#retry = null;
      this.#report();
    });
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MS_MAX);
  }

  // ---- followed ----

  /**
   * Metadata of the partition changed: whom nobody could stand in for may have somebody now. Nor is the controller's word for ever:
   * who was chosen with its damage, or has lost the place to a truncation, is in sync again and not known as damaged any more.
   */
  onMetadata({ topicId }: TopicImage, { partition, isr }: PartitionImage): void {
    const { brokerId, image } = this.#deps.topics;
    const one = this.#cases.get(`${topicId}-${partition}`);
    const isBack = one?.state === "out" && image.metadataOffset > one.decidedAt && isr.includes(brokerId);
    if (one === undefined || !(isBack || one.state === "kept")) return;
    one.state = "due";
    this.#report();
  }

  /** Whether the log is to be cut at its damage before it takes a role by this metadata: see the invariant. */
  mustRepair(log: PartitionLog, { leaderId, isr, elr }: PartitionImage): boolean {
    if (log.damage === null && log.rot === null) return false;
    const { brokerId } = this.#deps.topics;
    if (leaderId < 0 || leaderId === brokerId || isr.includes(brokerId) || elr.includes(brokerId)) return false;
    return this.#isKnown(log);
  }

  /** The controller knows of damage that this process does not: an earlier one found it, and ended before it was cut. */
  mustLook(log: PartitionLog): boolean {
    return log.damage === null && log.rot === null && !log.isRepairing && this.#isKnown(log);
  }

  #isKnown({ topicId, partition }: PartitionLog): boolean {
    const { brokerId, image } = this.#deps.topics;
    const rows = image.brokers.get(brokerId)?.damaged ?? [];
    return rows.some((row) => row.topicId === topicId && row.partitions.includes(partition));
  }

  /** It is cut, and will be filled again. */
  onCut(log: PartitionLog): void {
    this.#cases.delete(keyOf(log));
  }

  /** Everything that was bad has been fetched again. */
  onWhole({ topic, partition }: PartitionLog): void {
    this.counts.repaired++;
    this.#deps.logger.info("a damaged replica is whole again", { topic, partition });
  }

  forget({ topicId }: TopicImage, partition: number): void {
    this.#cases.delete(`${topicId}-${partition}`);
  }

  close(): void {
    this.#isClosed = true;
    this.#retry?.cancel();
  }
}

function keyOf({ topicId, partition }: PartitionLog): string {
  return `${topicId}-${partition}`;
}
