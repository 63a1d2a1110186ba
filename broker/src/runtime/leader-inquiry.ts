/**
 * Finds leaders for partitions of which nobody is known to hold everything, by asking brokers how far their logs go (semantics 9(3),
 * 9(7)). What the answers mean is decided on the working state (metadata/longest-log.ts); here is who is asked when:
 *
 * - at once when a partition comes to it, all partitions of one broker in one call;
 * - again when a broker registers or comes to life, and ASK_AGAIN_MS after a call that failed;
 * - 10 s after the first answer those that are missing are waited for no more.
 *
 * An answer is kept with the broker epoch that gave it, and dropped with that, or with the partition's next leader.
 */
import { type BrokerConfig, topicConfig } from "../config/index.ts";
import {
  ChosenLeaders,
  type ClusterImage,
  counts,
  type Decision,
  type ElectionResult,
  type InquiryKind,
  type LogEnd,
  longestLog,
  type MetadataDelta,
  needsInquiry,
  type PartitionImage,
  type ReplicaEndsAnswer,
  type TopicImage,
  whomToAsk,
} from "../metadata/index.ts";
import type { Clock, Logger, TimerHandle, Timers } from "../ports/index.ts";
import type { ControllerPeers, Submit } from "./controller-duties.ts";

export interface LeaderInquiryOptions {
  readonly config: () => BrokerConfig;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly peers: Pick<ControllerPeers, "replicaEnds">;
  readonly logger: Logger;
  readonly image: () => ClusterImage;
  readonly submit: Submit;
}

/** A partition without a leader. */
interface Inquiry {
  readonly topicId: string;
  readonly partition: number;
  readonly answers: Map<number, LogEnd>;
  firstAnswerAt: number | null;
  /** Somebody allowed to lose what the live ones lack: an operator now, or the topic's settings. */
  isUnclean: boolean;
  /** Called with the outcome of an operator's choice, which is waited for until then. */
  onEnd: ((isLed: boolean) => void) | null;
  endsAt: number;
}

const ANSWER_WAIT_MS = 10_000;
const ASK_AGAIN_MS = 250;
/** Of one call. */
const PARTITIONS_PER_CALL = 10_000;

export class LeaderInquiry {
  readonly #options: LeaderInquiryOptions;
  readonly #open = new Map<string, Inquiry>();
  readonly #asking = new Set<number>();
  #askTimer: TimerHandle | null = null;
  #lateTimer: TimerHandle | null = null;
  #uncleanTimer: TimerHandle | null = null;
  #isLookDue = false;
  #isStopped = false;

  constructor(options: LeaderInquiryOptions) {
    this.#options = options;
  }

  start(image: ClusterImage): void {
    for (const topic of image.topics.values()) this.#look(image, topic);
    this.#uncleanLater();
    this.#goOn();
  }

  stop(): void {
    this.#isStopped = true;
    for (const timer of [this.#askTimer, this.#lateTimer, this.#uncleanTimer]) timer?.cancel();
    for (const { onEnd } of this.#open.values()) onEnd?.(false);
    this.#open.clear();
  }

  onApplied(delta: MetadataDelta, image: ClusterImage): void {
    for (const topic of delta.topicsCreated) this.#look(image, topic);
    for (const { topic: name, partition } of delta.partitionsChanged) {
      const topic = image.topics.get(name);
      if (topic !== undefined) this.#lookAt(image, topic, partition);
    }
    for (const { topicId } of delta.topicsDeleted) {
      for (const [key, inquiry] of this.#open) if (inquiry.topicId === topicId) this.#close(key, inquiry, false);
    }
    // Who may lead, and whose answers count, may have changed with a broker.
    if (delta.brokersChanged.length > 0) {
      for (const { topicId, partition } of this.#open.values()) {
        const topic = image.topicsById.get(topicId);
        if (topic !== undefined) this.#lookAt(image, topic, partition);
      }
    }
    if (this.#open.size > 0) this.#goOn();
  }

  /** Results of targets that may be asked for, once a leader is found, or it is clear that there is none for now. */
  async electUncleanly(taken: readonly ElectionResult[]): Promise<readonly ElectionResult[]> {
    const image = this.#options.image();
    const outcomes = taken.map((result): Promise<ElectionResult> => {
      const topic = image.topics.get(result.topic);
      if (result.error !== "NONE" || topic === undefined) return Promise.resolve(result);
      return new Promise((resolve) => {
        const inquiry = this.#openFor(topic.topicId, result.partition);
        inquiry.isUnclean = true;
        inquiry.endsAt = this.#options.clock.monotonicNow() + ANSWER_WAIT_MS;
        const message = "no living replica has answered";
        inquiry.onEnd = (isLed): void =>
          resolve(isLed ? result : { ...result, error: "ELIGIBLE_LEADERS_NOT_AVAILABLE", message });
      });
    });
    this.#goOn();
    return Promise.all(outcomes);
  }

  // ---- which partitions ----

  #look(image: ClusterImage, topic: TopicImage): void {
    for (const { partition } of topic.partitions) this.#lookAt(image, topic, partition);
  }

  #lookAt(image: ClusterImage, topic: TopicImage, number: number): void {
    const partition = topic.partitions[number];
    const key = keyOf(topic.topicId, number);
    const inquiry = this.#open.get(key);
    if (partition === undefined || partition.leaderId !== -1) {
      if (inquiry !== undefined) this.#close(key, inquiry, partition !== undefined);
      return;
    }
    // 9(7): when it becomes leaderless; later by the interval.
    const isUnclean = inquiry?.isUnclean ?? this.#allowsUnclean(topic);
    if (isUnclean || needsInquiry(image, topic.topicId, number))
      this.#openFor(topic.topicId, number).isUnclean = isUnclean;
  }

  #allowsUnclean({ overrides }: TopicImage): boolean {
    return topicConfig(this.#options.config(), overrides).uncleanLeaderElectionEnable;
  }

  #openFor(topicId: string, partition: number): Inquiry {
    const key = keyOf(topicId, partition);
    let inquiry = this.#open.get(key);
    if (inquiry === undefined) {
      inquiry = {
        topicId,
        partition,
        answers: new Map(),
        firstAnswerAt: null,
        isUnclean: false,
        onEnd: null,
        endsAt: 0,
      };
      this.#open.set(key, inquiry);
    }
    return inquiry;
  }

  #close(key: string, inquiry: Inquiry, isLed: boolean): void {
    this.#open.delete(key);
    inquiry.onEnd?.(isLed);
  }

  #uncleanLater(): void {
    this.#uncleanTimer = this.#options.timers.after(this.#options.config().uncleanLeaderElectionIntervalMs, () => {
      const image = this.#options.image();
      for (const topic of image.topics.values()) {
        if (!this.#allowsUnclean(topic)) continue;
        for (const { partition, leaderId } of topic.partitions) {
          if (leaderId === -1) this.#openFor(topic.topicId, partition).isUnclean = true;
        }
      }
      this.#uncleanLater();
      this.#goOn();
    });
  }

  // ---- asking ----

  /** Once per turn, whatever came in it. */
  #goOn(): void {
    if (this.#isLookDue || this.#isStopped) return;
    this.#isLookDue = true;
    this.#options.timers.endOfTurn(() => {
      this.#isLookDue = false;
      if (this.#isStopped) return;
      this.#ask();
      this.#choose();
    });
  }

  #ask(): void {
    const image = this.#options.image();
    const questions = new Map<number, { topicId: string; partition: number }[]>();
    for (const inquiry of this.#open.values()) {
      for (const brokerId of this.#missing(image, inquiry)) {
        if (this.#asking.has(brokerId) || !image.brokers.has(brokerId)) continue;
        const asked = questions.get(brokerId) ?? [];
        questions.set(brokerId, asked);
        if (asked.length < PARTITIONS_PER_CALL) asked.push({ topicId: inquiry.topicId, partition: inquiry.partition });
      }
    }
    for (const [brokerId, partitions] of questions) void this.#askBroker(brokerId, partitions);
  }

  #missing(image: ClusterImage, inquiry: Inquiry): number[] {
    const partition = partitionOf(image, inquiry);
    if (partition === undefined) return [];
    const kinds: InquiryKind[] = inquiry.isUnclean ? ["lastIsr", "unclean"] : ["lastIsr"];
    const asked = new Set(kinds.flatMap((kind) => whomToAsk(image, partition, kind)));
    return [...asked].filter((brokerId) => {
      const answer = inquiry.answers.get(brokerId);
      return answer === undefined || !counts(image, brokerId, answer);
    });
  }

  /** Never rejects. */
  async #askBroker(
    brokerId: number,
    partitions: readonly { readonly topicId: string; readonly partition: number }[],
  ): Promise<void> {
    this.#asking.add(brokerId);
    try {
      const answer = await this.#options.peers.replicaEnds(brokerId, { partitions });
      // Of a life that is over, or that is not registered yet.
      if (!counts(this.#options.image(), brokerId, answer)) throw new Error(`answered as epoch ${answer.brokerEpoch}`);
      if (!this.#isStopped) this.#onAnswer(answer, partitions);
    } catch (cause: unknown) {
      this.#options.logger.debug("a broker did not say how far its logs go", { brokerId, err: cause });
      this.#askTimer ??= this.#options.timers.after(ASK_AGAIN_MS, () => {
        this.#askTimer = null;
        this.#goOn();
      });
      this.#askLater(brokerId);
      return;
    }
    this.#asking.delete(brokerId);
    this.#goOn();
  }

  /** Not before the others are asked again: one that is away is no reason to ask all the time. */
  #askLater(brokerId: number): void {
    this.#options.timers.after(ASK_AGAIN_MS / 2, () => this.#asking.delete(brokerId));
  }

  #onAnswer(
    { brokerId, brokerEpoch, directoryId, replicas }: ReplicaEndsAnswer,
    asked: readonly { readonly topicId: string; readonly partition: number }[],
  ): void {
    const ends = new Map(replicas.map((end) => [keyOf(end.topicId, end.partition), end]));
    const now = this.#options.clock.monotonicNow();
    for (const { topicId, partition } of asked) {
      const inquiry = this.#open.get(keyOf(topicId, partition));
      if (inquiry === undefined) continue;
      // A replica without a log has lost all of it, or never had any.
      const { latestEpoch = -1, logEndOffset = 0, isDamaged = false } = ends.get(keyOf(topicId, partition)) ?? {};
      inquiry.answers.set(brokerId, { brokerEpoch, directoryId, latestEpoch, logEndOffset, isDamaged });
      inquiry.firstAnswerAt ??= now;
    }
  }

  // ---- choosing ----

  #choose(): void {
    const now = this.#options.clock.monotonicNow();
    const isLate = ({ firstAnswerAt }: Inquiry): boolean =>
      firstAnswerAt !== null && now - firstAnswerAt >= ANSWER_WAIT_MS;
    const open = [...this.#open.values()].filter(({ answers }) => answers.size > 0);
    if (open.length > 0) {
      const decide = (working: ClusterImage): Decision<number> => this.#decide(working, open, isLate);
      this.#options.submit(decide).then(
        ({ response, metadataOffset }) => {
          if (response > 0) {
            const fields = { partitions: response, metadataOffset };
            this.#options.logger.warn("leaders were chosen by the length of their logs", fields);
          }
        },
        (cause: unknown) => this.#options.logger.debug("no leader was chosen", { err: cause }),
      );
    }
    for (const [key, inquiry] of this.#open) {
      if (inquiry.onEnd !== null && now >= inquiry.endsAt) this.#endOperators(key, inquiry);
    }
    this.#lookWhenLate(now);
  }

  /** An operator hears of his choice, found or not; what the settings allow goes on. */
  #endOperators(key: string, inquiry: Inquiry): void {
    const { onEnd } = inquiry;
    inquiry.onEnd = null;
    // The commit of a choice that was made just now tells it first.
    this.#options
      .submit(() => ({ records: [], response: null }))
      .then(
        () => onEnd?.(partitionOf(this.#options.image(), inquiry)?.leaderId !== -1),
        () => onEnd?.(false),
      );
    const topic = this.#options.image().topicsById.get(inquiry.topicId);
    inquiry.isUnclean = topic !== undefined && this.#allowsUnclean(topic);
    if (!inquiry.isUnclean && !needsInquiry(this.#options.image(), inquiry.topicId, inquiry.partition))
      this.#open.delete(key);
  }

  #decide(working: ClusterImage, open: readonly Inquiry[], isLateNow: (inquiry: Inquiry) => boolean): Decision<number> {
    const chosen = new ChosenLeaders();
    let count = 0;
    for (const inquiry of open) {
      const { topicId, partition: number, answers } = inquiry;
      const partition = partitionOf(working, inquiry);
      if (partition === undefined || partition.leaderId !== -1) continue;
      const choose = (kind: InquiryKind): boolean => {
        const leaderId = longestLog(working, partition, answers, { kind, isLate: isLateNow(inquiry) });
        if (leaderId === null) return false;
        chosen.add(kind, leaderId, topicId, number);
        count += 1;
        return true;
      };
      const isFound = needsInquiry(working, topicId, number) && choose("lastIsr");
      if (!isFound && inquiry.isUnclean) choose("unclean");
    }
    return { records: chosen.records, response: count };
  }

  #lookWhenLate(now: number): void {
    this.#lateTimer?.cancel();
    this.#lateTimer = null;
    let dueAt = Number.POSITIVE_INFINITY;
    for (const { firstAnswerAt, endsAt } of this.#open.values()) {
      for (const at of [(firstAnswerAt ?? now) + ANSWER_WAIT_MS, endsAt]) if (at > now) dueAt = Math.min(dueAt, at);
    }
    if (dueAt === Number.POSITIVE_INFINITY) return;
    this.#lateTimer = this.#options.timers.after(dueAt - now + 1, () => this.#goOn());
  }
}

function keyOf(topicId: string, partition: number): string {
  return `${topicId} ${partition}`;
}

function partitionOf(image: ClusterImage, { topicId, partition }: Inquiry): PartitionImage | undefined {
  return image.topicsById.get(topicId)?.partitions[partition];
}
