/**
 * Carries batches from the accumulator to the leaders and the answers back: the shell around the producer's core. It runs
 * once per turn of the event loop while there is something to do, and on every event that may have changed what can go:
 * room on a stream, an answer, new metadata, a producer id, time.
 *
 * Each run goes round the partitions and takes at most one batch of each into a request per broker, until nothing can go.
 * Nothing is awaited between taking a batch and handing it to its stream.
 */
import { Acks, DATA_SERVICE, errorRow, type ProducePartition, type ProducePartitionResult } from "@tidemark/proto";
import type { Accumulator } from "../core/accumulator.ts";
import { backoffMs } from "../core/backoff.ts";
import type { Batch } from "../core/batch.ts";
import type { PartitionQueue } from "../core/partition-queue.ts";
import { BrokerError } from "../errors.ts";
import type { Cluster, KnownTopic } from "../transport/cluster.ts";
import type { ProduceStream, StreamUser, Ticket } from "../transport/produce-stream.ts";
import type { Completion } from "./completion.ts";

/** A request holds at least one batch and no more once it is this large. */
const REQUEST_BYTES = 1024 * 1024;
/**
 * Of partitions: its answer waits for all of them, and while the broker works on it the next one is put together. All that a round has for
 * a broker leaves all the same, up to REQUEST_BYTES: if the rest waited for the socket, partitions in front could have their next
 * batch again and again before those at the end had their first.
 */
const REQUEST_PARTITIONS = 128;
/** Between two questions about leaders, at first and at most: partitions that lack replicas may do so for hours. */
const REFRESH_INTERVAL_MS = 100;
const REFRESH_INTERVAL_MAX_MS = 2_000;
/** After so long without a question the next trouble is another one. */
const REFRESH_QUIET_MS = 5_000;

export interface SenderOptions {
  readonly acks: "all" | "leader" | "none";
  /** The broker's time for one request, ms. */
  readonly requestTimeoutMs: number;
  readonly isIdempotent: boolean;
}

type Queue = PartitionQueue<Completion>;

/** A batch that was sent and not answered. */
interface UnderWay {
  readonly queue: Queue;
  readonly batch: Batch<Completion>;
  /** Broker id of the leader it was sent to. */
  readonly leader: number;
}

/** Batches for one broker, as they are gathered. */
interface Gathered {
  readonly stream: ProduceStream;
  readonly partitions: ProducePartition[];
  readonly sent: UnderWay[];
  /** With those of the requests before it in the same round. */
  bytes: number;
}

export class BatchSender implements StreamUser {
  readonly #cluster: Cluster;
  readonly #accumulator: Accumulator<Completion>;
  readonly #options: SenderOptions;
  /** Called after every run: records may be settled, and there may be room. */
  readonly #onProgress: () => void;
  readonly #streams = new Set<ProduceStream>();
  readonly #stopListening: () => void;
  /** Batches on their way, in the order of sending. */
  readonly #underWay = new Set<UnderWay>();

  #isScheduled = false;
  #timer: NodeJS.Timeout | null = null;
  #timerAt = Number.POSITIVE_INFINITY;
  #isClosed = false;

  #isAskingMetadata = false;
  /** Of the topics that the partitions are known of: one that is made anew under its name is another. */
  readonly #topicIds = new Map<string, Buffer>();
  /** Topics that the cluster did not know, and since when (monotonic ms). */
  readonly #unknownSince = new Map<string, number>();
  /** Topics with partitions whose leader refused a batch: their metadata may be out of date. */
  readonly #stale = new Set<string>();
  #metadataFailures = 0;
  #isAskingProducerId = false;
  #producerIdFailures = 0;
  /** Partitions whose last answer was a refusal that may pass; each is told once. */
  readonly #refused = new Set<Queue>();
  /** Monotonic ms before which neither is asked for again. */
  #askAgainAt = 0;
  /** Monotonic ms at which topics were asked for whose metadata may be out of date. */
  #refreshedAt = Number.NEGATIVE_INFINITY;
  /** Until they are asked for again: while nobody else leads, asking faster does not help. */
  #refreshIntervalMs = REFRESH_INTERVAL_MS;
  /** There is a batch, and nobody is known to lead its partition. */
  #lacksLeader = false;

  constructor(deps: {
    cluster: Cluster;
    accumulator: Accumulator<Completion>;
    options: SenderOptions;
    onProgress: () => void;
  }) {
    this.#cluster = deps.cluster;
    this.#accumulator = deps.accumulator;
    this.#options = deps.options;
    this.#onProgress = deps.onProgress;
    this.#stopListening = this.#cluster.onLeaders((topic) => this.#onLeaders(topic));
  }

  /** Runs at the end of this turn. */
  schedule(): void {
    if (this.#isScheduled || this.#isClosed) return;
    this.#isScheduled = true;
    setImmediate(this.#runScheduled);
  }

  onRoom(): void {
    this.schedule();
  }

  onStreamError(broker: { readonly address: string }): void {
    // The leader may be another one by now.
    this.#cluster.doubt(broker);
    for (const queue of this.#accumulator.queues()) this.#stale.add(queue.topic);
    this.schedule();
  }

  close(): void {
    this.#isClosed = true;
    this.#stopListening();
    if (this.#timer !== null) clearTimeout(this.#timer);
    for (const stream of this.#streams) stream.leave(this);
  }

  readonly #runScheduled = (): void => {
    this.#isScheduled = false;
    this.#run();
  };

  readonly #onTime = (): void => {
    this.#timer = null;
    this.#timerAt = Number.POSITIVE_INFINITY;
    this.#accumulator.expire(performance.now());
    this.#run();
  };

  #run(): void {
    if (this.#isClosed) return;
    const now = performance.now();
    while (this.#sendRound(now)) {
      // Partitions with more than one batch go round again.
    }
    this.#ask(now);
    this.#onProgress();
    this.#setTimer(now);
  }

  /** Sends at most one batch of each partition. False when nothing could go. */
  #sendRound(now: number): boolean {
    const gathered = new Map<ProduceStream, Gathered>();
    let hasSent = false;
    for (const queue of this.#accumulator.queues()) {
      const stream = this.#streamOf(queue);
      if (stream === null) continue;
      let request = gathered.get(stream);
      if (request === undefined && !stream.hasRoom) {
        stream.want(this);
        continue;
      }
      const batch = queue.take(now);
      if (batch === null) continue;
      if (request === undefined) {
        request = { stream, partitions: [], sent: [], bytes: 0 };
        gathered.set(stream, request);
      }
      this.#gather(request, queue, batch);
      hasSent = true;
      const { bytes, partitions } = request;
      if (bytes < REQUEST_BYTES && partitions.length < REQUEST_PARTITIONS) continue;
      this.#send(request);
      if (bytes < REQUEST_BYTES && stream.hasCredit) gathered.set(stream, { stream, partitions: [], sent: [], bytes });
      else gathered.delete(stream);
    }
    for (const request of gathered.values()) if (request.sent.length > 0) this.#send(request);
    return hasSent;
  }

  /** Null when nobody is known to lead the partition. */
  #streamOf(queue: Queue): ProduceStream | null {
    const leader = this.#leaderOf(queue);
    const connection = leader < 0 ? undefined : this.#cluster.broker(leader);
    if (connection === undefined) {
      this.#lacksLeader = true;
      this.#stale.add(queue.topic);
      return null;
    }
    const stream = connection.produceStream(this.#options.acks === "none" ? "unacked" : "acked");
    this.#streams.add(stream);
    return stream;
  }

  /** -1: nobody is known to lead the partition. */
  #leaderOf({ topic, partition }: Queue): number {
    return this.#cluster.topic(topic)?.leaders[partition] ?? -1;
  }

  /**
   * What is on its way to a leader of the past goes to the new one: the old one may stand still for long, or be cut off. Only
   * with idempotence, where it does not matter whether the old one has it already. Partitions that have come are used from here on.
   */
  #onLeaders(topic: string): void {
    this.#refreshIntervalMs = REFRESH_INTERVAL_MS;
    const known = this.#cluster.topic(topic);
    if (known !== undefined && !this.#maybeRemake(known)) this.#accumulator.grow(topic, known.leaders.length);
    if (this.#options.isIdempotent) {
      for (const underWay of this.#underWay) {
        const { queue, batch, leader } = underWay;
        if (queue.topic !== topic || this.#leaderOf(queue) === leader || this.#leaderOf(queue) < 0) continue;
        this.#underWay.delete(underWay);
        queue.onLost(batch, LOST);
      }
    }
    this.schedule();
  }

  /** Whether this is another topic than the one of that name before. */
  #maybeRemake({ name, id, leaders }: KnownTopic): boolean {
    const before = this.#topicIds.get(name);
    if (before === undefined || !before.equals(id)) this.#topicIds.set(name, id);
    if (before === undefined || before.equals(id)) return false;
    this.#accumulator.remake(name, leaders.length, UNKNOWN_PARTITION);
    return true;
  }

  #gather(request: Gathered, queue: Queue, batch: Batch<Completion>): void {
    const { topic, partition } = queue;
    const topicId = this.#cluster.topic(topic)?.id ?? Buffer.alloc(0);
    const { records, expectedEnd } = batch;
    request.partitions.push({ topic, partition, topicId, records, expectedEnd });
    const underWay = { queue, batch, leader: this.#leaderOf(queue) };
    request.sent.push(underWay);
    this.#underWay.add(underWay);
    request.bytes += records.length;
  }

  #send({ stream, partitions, sent }: Gathered): void {
    const { acks, requestTimeoutMs } = this.#options;
    const ticket: Ticket = {
      onAnswer: (results) => {
        const now = performance.now();
        for (const [index, underWay] of sent.entries()) {
          if (results[index]?.pending === true) continue;
          // One that was sent on to a new leader is answered there.
          if (this.#underWay.delete(underWay)) this.#onResult(underWay, results[index], now);
        }
        this.schedule();
      },
      onLost: () => {
        for (const underWay of sent) if (this.#underWay.delete(underWay)) underWay.queue.onLost(underWay.batch, LOST);
        this.schedule();
      },
    };
    stream.send({ acks: ACKS[acks], timeoutMs: requestTimeoutMs, partitions, wantsAnswer: acks !== "none" }, ticket);
  }

  #onResult({ queue, batch, leader }: UnderWay, result: ProducePartitionResult | undefined, now: number): void {
    if (result === undefined) {
      if (this.#options.acks === "none") queue.onAnswer(batch, WRITTEN, now);
      else queue.onLost(batch, LOST);
      return;
    }
    if (result.errorCode === 0) {
      const { baseOffset, logAppendTime, duplicate } = result;
      if (this.#refused.size > 0) this.#refused.delete(queue);
      queue.onAnswer(batch, { kind: "acked", baseOffset, logAppendTime, isDuplicate: duplicate }, now);
      return;
    }
    const row = errorRow(result.errorCode);
    const isLeaderTold = this.#cluster.onLeaderHint(queue.topic, queue.partition, result.leader);
    if (row.retriable && !isLeaderTold) {
      // Whatever it says: one that is cut off from its followers lacks replicas, or time, and hears of no other leader.
      this.#stale.add(queue.topic);
      this.#cluster.doubt(this.#cluster.broker(leader));
    }
    if (row.retriable) this.#logRefusal(queue, row.name, result.errorMessage || row.text);
    const { errorMessage: message, unwritten: isUnwritten, logEnd } = result;
    queue.onAnswer(batch, { kind: "refused", row, message, isUnwritten, logEnd }, now);
  }

  #logRefusal(queue: Queue, code: string, message: string): void {
    if (this.#refused.has(queue)) return;
    this.#refused.add(queue);
    const { topic, partition } = queue;
    this.#cluster.settings.logger.warn({ topic, partition, code, message }, "a batch was refused");
  }

  // ---- what must be known before anything can go

  #ask(now: number): void {
    if (now < this.#askAgainAt) return;
    if (!this.#isAskingMetadata) this.#askMetadata(now);
    if (!this.#isAskingProducerId && this.#accumulator.wantsProducerId) this.#askProducerId();
  }

  get #refreshAgainAt(): number {
    return this.#refreshedAt + (this.#lacksLeader ? REFRESH_INTERVAL_MS : this.#refreshIntervalMs);
  }

  #askMetadata(now: number): void {
    const names = new Set(this.#accumulator.stagedTopics());
    if (this.#stale.size > 0 && now >= this.#refreshAgainAt) {
      for (const name of this.#stale) names.add(name);
      this.#stale.clear();
      const isNew = now - this.#refreshedAt >= REFRESH_QUIET_MS;
      this.#refreshIntervalMs = isNew
        ? REFRESH_INTERVAL_MS
        : Math.min(this.#refreshIntervalMs * 2, REFRESH_INTERVAL_MAX_MS);
      this.#refreshedAt = now;
      this.#lacksLeader = false;
    }
    if (names.size === 0) return;
    this.#isAskingMetadata = true;
    this.#cluster.refresh(names, { create: true }).then(
      () => {
        this.#isAskingMetadata = false;
        for (const name of names) this.#onTopic(name, now);
        this.schedule();
      },
      (error: unknown) => {
        this.#isAskingMetadata = false;
        for (const name of names) this.#stale.add(name);
        this.#metadataFailures += 1;
        this.#askLater(this.#metadataFailures, BrokerError.from(error), "metadata");
      },
    );
  }

  #onTopic(name: string, askedAt: number): void {
    this.#metadataFailures = 0;
    const now = performance.now();
    const known = this.#cluster.topic(name);
    if (known !== undefined) {
      this.#unknownSince.delete(name);
      this.#maybeRemake(known);
      this.#accumulator.onPartitions(name, known.leaders.length, UNKNOWN_PARTITION);
      return;
    }
    const refusal = this.#cluster.refusal(name) ?? { row: UNKNOWN_PARTITION, message: "" };
    const since = this.#unknownSince.get(name) ?? askedAt;
    this.#unknownSince.set(name, since);
    // Whether there is such a topic shows soon; a controller that could make it is waited for as long as the records may wait.
    const isPassing = refusal.row.name === "NOT_CONTROLLER" || now - since < this.#cluster.unknownTopicPatienceMs;
    if (refusal.row.retriable && isPassing) {
      if (refusal.row.name === "NOT_CONTROLLER" && since === askedAt)
        this.#cluster.settings.logger.warn(
          { topic: name, code: refusal.row.clientCode, message: refusal.message },
          "the topic cannot be created yet",
        );
      this.#stale.add(name);
      this.#askAgainAt = now + backoffMs(this.#cluster.settings.retry, 2, Math.random());
      return;
    }
    this.#unknownSince.delete(name);
    this.#accumulator.refuseTopic(
      name,
      refusal.row,
      refusal.message === "" ? `topic ${name}: ${refusal.row.text}` : refusal.message,
    );
  }

  #askProducerId(): void {
    this.#isAskingProducerId = true;
    this.#cluster.call(DATA_SERVICE.initProducerId, {}, {}).then(
      ({ producerId, producerEpoch }) => {
        this.#isAskingProducerId = false;
        this.#producerIdFailures = 0;
        this.#accumulator.setProducerId(producerId, producerEpoch);
        this.schedule();
      },
      (error: unknown) => {
        this.#isAskingProducerId = false;
        this.#producerIdFailures += 1;
        this.#askLater(this.#producerIdFailures, BrokerError.from(error), "a producer id");
      },
    );
  }

  /** Records wait on; their own time limit ends them. */
  #askLater(failures: number, error: BrokerError, what: string): void {
    if (this.#isClosed) return;
    const { logger, retry } = this.#cluster.settings;
    logger.warn({ code: error.code, message: error.message }, `asking for ${what} failed`);
    this.#askAgainAt = performance.now() + backoffMs(retry, failures, Math.random());
    this.schedule();
  }

  #setTimer(now: number): void {
    let at = this.#accumulator.wakeAt(now);
    const wantsMetadata = this.#stale.size > 0 && !this.#isAskingMetadata;
    if (wantsMetadata) at = Math.min(at, Math.max(this.#askAgainAt, this.#refreshAgainAt));
    else if (now < this.#askAgainAt && this.#accumulator.load.records > 0) at = Math.min(at, this.#askAgainAt);
    if (this.#timer !== null) {
      if (this.#timerAt <= at) return;
      clearTimeout(this.#timer);
      this.#timer = null;
    }
    this.#timerAt = at;
    if (at !== Number.POSITIVE_INFINITY) this.#timer = setTimeout(this.#onTime, Math.max(at - now, 0));
  }
}

const ACKS = { all: Acks.ALL, leader: Acks.LEADER, none: Acks.NONE } as const;
const LOST = errorRow("NETWORK_EXCEPTION");
const UNKNOWN_PARTITION = errorRow("UNKNOWN_TOPIC_OR_PARTITION");
const WRITTEN = { kind: "acked", baseOffset: -1, logAppendTime: -1, isDuplicate: false } as const;
