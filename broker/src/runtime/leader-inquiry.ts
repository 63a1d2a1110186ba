/**
 * Finds leaders for partitions of which nobody is known to hold everything, by asking brokers how far their logs go (semantics 9(3),
 * 9(7)). What the answers mean is decided on the working state (metadata/longest-log.ts); here is who is asked when:
 *
 * - at once when a partition comes to it, all partitions of one broker in one call;
 * - again when a broker registers or comes to life, and ASK_AGAIN_MS after a call that failed;
 * - 10 s after the first answer those that are missing are waited for no more.
 *
 * An answer is kept with the broker epoch that gave it, and dropped with that, or with the partition's next leader epoch: its next leader,
 * or a replica that a reassignment takes away.
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

/** How far the question is, for people. */
export interface OpenInquiry {
  /** Whoever lives may lead. */
  readonly isUnclean: boolean;
  readonly answers: readonly {
    readonly brokerId: number;
    readonly latestEpoch: number;
    readonly logEndOffset: number;
    readonly isDamaged: boolean;
  }[];
  /** Since the first answer; after 10 s those that are missing are waited for no more. -1 = there is none. */
  readonly waitedMs: number;
}

/** A partition without a leader. */
interface Inquiry {
  readonly topicId: string;
  readonly partition: number;
  /** That the answers are of. A replica that was taken away meanwhile begins empty if it is placed there again. */
  readonly leaderEpoch: number;
  readonly answers: Map<number, LogEnd>;
  /** Of those that count still, the first; null = none does. */
  firstAnswerAt: number | null;
  /** Somebody allowed to lose what the live ones lack: an operator now, or the topic's settings. */
  isUnclean: boolean;
  /** Called with the outcome of operators' choices, which are waited for until `endsAt`. */
  onEnd: ((isLed: boolean) => void)[];
  endsAt: number;
}

/** To one broker: on its way, or, when it was in vain, resting before the next. */
interface Question {
  /** Whom it was put to; the next incarnation is asked at once. */
  readonly brokerEpoch: number;
  rest: TimerHandle | null;
}

const ANSWER_WAIT_MS = 10_000;
const ASK_AGAIN_MS = 250;
/** Of one call. */
const PARTITIONS_PER_CALL = 10_000;

export class LeaderInquiry {
  readonly #options: LeaderInquiryOptions;
  readonly #open = new Map<string, Inquiry>();
  /** By broker id. */
  readonly #questions = new Map<number, Question>();
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
    for (const timer of [this.#lateTimer, this.#uncleanTimer]) timer?.cancel();
    for (const { rest } of this.#questions.values()) rest?.cancel();
    for (const { onEnd } of this.#open.values()) for (const tell of onEnd) tell(false);
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
      for (const brokerId of delta.brokersChanged) this.#endRest(brokerId);
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
        inquiry.onEnd.push((isLed) =>
          resolve(isLed ? result : { ...result, error: "ELIGIBLE_LEADERS_NOT_AVAILABLE", message }),
        );
      });
    });
    this.#goOn();
    return Promise.all(outcomes);
  }

  /** What is known of this partition's question (15.6); null: none is open. */
  explain(topicId: string, partition: number): OpenInquiry | null {
    const inquiry = this.#open.get(keyOf(topicId, partition));
    if (inquiry === undefined) return null;
    const { answers, firstAnswerAt, isUnclean } = inquiry;
    const image = this.#options.image();
    const heard = [...answers].filter(([brokerId, answer]) => counts(image, brokerId, answer));
    return {
      isUnclean,
      answers: heard.map(([brokerId, { latestEpoch, logEndOffset, isDamaged }]) => {
        return { brokerId, latestEpoch, logEndOffset, isDamaged };
      }),
      waitedMs: firstAnswerAt === null ? -1 : this.#options.clock.monotonicNow() - firstAnswerAt,
    };
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
    if (inquiry !== undefined || isUnclean || needsInquiry(image, topic.topicId, number))
      this.#openFor(topic.topicId, number).isUnclean = isUnclean;
  }

  #allowsUnclean({ overrides }: TopicImage): boolean {
    return topicConfig(this.#options.config(), overrides).uncleanLeaderElectionEnable;
  }

  #openFor(topicId: string, partition: number): Inquiry {
    const key = keyOf(topicId, partition);
    const known = this.#open.get(key);
    const leaderEpoch = this.#options.image().topicsById.get(topicId)?.partitions[partition]?.leaderEpoch ?? -1;
    if (known?.leaderEpoch === leaderEpoch) return known;
    const { isUnclean, onEnd, endsAt } = known ?? { isUnclean: false, onEnd: [], endsAt: 0 };
    const inquiry = {
      topicId,
      partition,
      leaderEpoch,
      answers: new Map(),
      firstAnswerAt: null,
      isUnclean,
      onEnd,
      endsAt,
    };
    this.#open.set(key, inquiry);
    return inquiry;
  }

  #close(key: string, inquiry: Inquiry, isLed: boolean): void {
    this.#open.delete(key);
    for (const tell of inquiry.onEnd) tell(isLed);
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
    // Those that were not asked yet, or not as who they are now.
    const free = new Set<number>();
    for (const { brokerId, brokerEpoch } of image.brokers.values())
      if (this.#questions.get(brokerId)?.brokerEpoch !== brokerEpoch) free.add(brokerId);
    if (free.size === 0) return;
    const questions = new Map<number, Inquiry[]>();
    for (const inquiry of this.#open.values()) {
      for (const brokerId of this.#missing(image, inquiry)) {
        if (!free.has(brokerId)) continue;
        const asked = questions.get(brokerId) ?? [];
        questions.set(brokerId, asked);
        if (asked.length < PARTITIONS_PER_CALL) asked.push(inquiry);
      }
    }
    for (const [brokerId, inquiries] of questions) {
      const question: Question = { brokerEpoch: image.brokers.get(brokerId)?.brokerEpoch ?? -1, rest: null };
      this.#questions.set(brokerId, question);
      void this.#askBroker(brokerId, question, inquiries);
    }
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
  async #askBroker(brokerId: number, question: Question, inquiries: readonly Inquiry[]): Promise<void> {
    const isOpen = (): boolean => !this.#isStopped && this.#questions.get(brokerId) === question;
    try {
      const { metadataOffset } = this.#options.image();
      const partitions = inquiries.map(({ topicId, partition }) => ({ topicId, partition }));
      const answer = await this.#options.peers.replicaEnds(brokerId, { metadataOffset, partitions });
      // Of a life that is over, or that is not registered yet.
      if (!counts(this.#options.image(), brokerId, answer)) throw new Error(`answered as epoch ${answer.brokerEpoch}`);
      if (!isOpen()) return;
      this.#onAnswer(answer, inquiries);
    } catch (cause: unknown) {
      this.#options.logger.debug("a broker did not say how far its logs go", { brokerId, err: cause });
      if (isOpen()) question.rest = this.#options.timers.after(ASK_AGAIN_MS, () => this.#endRest(brokerId));
      return;
    }
    this.#questions.delete(brokerId);
    this.#goOn();
  }

  #endRest(brokerId: number): void {
    const rest = this.#questions.get(brokerId)?.rest ?? null;
    if (rest === null) return;
    rest.cancel();
    this.#questions.delete(brokerId);
    this.#goOn();
  }

  #onAnswer({ brokerId, brokerEpoch, directoryId, replicas }: ReplicaEndsAnswer, asked: readonly Inquiry[]): void {
    const image = this.#options.image();
    const ends = new Map(replicas.map((end) => [keyOf(end.topicId, end.partition), end]));
    const now = this.#options.clock.monotonicNow();
    for (const inquiry of asked) {
      const key = keyOf(inquiry.topicId, inquiry.partition);
      // Led meanwhile, and maybe leaderless anew: the answer is of a log that may have grown since.
      if (this.#open.get(key) !== inquiry) continue;
      for (const [id, before] of inquiry.answers) if (!counts(image, id, before)) inquiry.answers.delete(id);
      if (inquiry.answers.size === 0) inquiry.firstAnswerAt = now;
      // A replica without a log has lost all of it, or never had any.
      const { latestEpoch = -1, logEndOffset = 0, logStartOffset = 0, isDamaged = false } = ends.get(key) ?? {};
      const end = { latestEpoch, logEndOffset, logStartOffset, isDamaged };
      inquiry.answers.set(brokerId, { brokerEpoch, directoryId, ...end });
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
            const fields = { count: response, metadataOffset };
            this.#options.logger.warn("leaders were chosen by the length of their logs", fields);
          }
        },
        (cause: unknown) => this.#options.logger.debug("no leader was chosen", { err: cause }),
      );
    }
    for (const [key, inquiry] of this.#open) {
      if (inquiry.onEnd.length > 0 && now >= inquiry.endsAt) this.#endOperators(key, inquiry);
    }
    this.#lookWhenLate(now);
  }

  /** An operator hears of his choice, found or not; what the settings allow goes on. */
  #endOperators(key: string, inquiry: Inquiry): void {
    const waiting = inquiry.onEnd.splice(0);
    const tell = (isLed: boolean): void => waiting.forEach((onEnd) => onEnd(isLed));
    // The commit of a choice that was made just now tells it first.
    this.#options
      .submit(() => ({ records: [], response: null }))
      .then(
        () => tell((partitionOf(this.#options.image(), inquiry)?.leaderId ?? -1) !== -1),
        () => tell(false),
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
      const { topicId, partition: number, leaderEpoch, answers } = inquiry;
      const partition = partitionOf(working, inquiry);
      if (partition?.leaderId !== -1 || partition.leaderEpoch !== leaderEpoch) continue;
      const choose = (kind: InquiryKind): boolean => {
        const leaderId = longestLog(working, topicId, partition, answers, { kind, isLate: isLateNow(inquiry) });
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
