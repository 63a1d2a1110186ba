/**
 * The shell around a reader's core: finds the partitions and where to begin, keeps a fetch stream to each leader, and
 * begins again at its positions when a stream ends or a leader moves, for as long as the reader lives.
 *
 *     start -> positions known -> subscribed <-> lost, waiting -> over (all read, failed, or closed)
 *
 * A reader that follows waits for its brokers for ever, as it waits for records. One that reads to an end gives up after
 * the delivery timeout without progress.
 */
import {
  errorRow,
  type ErrorRow,
  type FetchedPartition,
  type FetchSubscribe,
  Isolation,
  OffsetAt,
} from "@tidemark/proto";
import { backoffMs } from "../core/backoff.ts";
import { ReadBuffer } from "../core/read-buffer.ts";
import { ReadPosition } from "../core/read-position.ts";
import { BrokerError, brokerErrorOf, TimeoutError } from "../errors.ts";
import { pause, stopper } from "../pause.ts";
import type { Cluster } from "../transport/cluster.ts";
import { type FetchListener, FetchStream } from "../transport/fetch-stream.ts";
import { listOffsets } from "../transport/list-offsets.ts";
import type { Bound, ReaderSettings } from "./reader-settings.ts";

const MESSAGE_BYTES_MAX = 1024 * 1024;

/** How often in a row a place may come bad before its reader gives up: with the pauses between, longer than a repair takes. */
const CORRUPT_MAX = 12;

/** One partition: its position, and where it is subscribed just now. */
interface Followed {
  readonly position: ReadPosition;
  readonly startsAtEarliest: boolean;
  stream: FetchStream | null;
  /** Messages in a row that were no record batches, or had a wrong sum. */
  corruptCount: number;
}

/** A stream and what is subscribed on it. */
interface Lane {
  readonly broker: number;
  readonly byId: Map<number, Followed>;
  nextId: number;
}

export class ReadSession implements FetchListener {
  /** Credit goes back to the broker, by its id, that sent a chunk. */
  readonly buffer: ReadBuffer<number>;
  /** Why there will be no more records; null while there may be. */
  failure: BrokerError | null = null;

  readonly #cluster: Cluster;
  readonly #topic: string;
  readonly #settings: ReaderSettings;
  /** Called when records, the end or a failure have come. */
  readonly #onNews: () => void;
  readonly #stop = stopper();
  readonly #followed: Followed[] = [];
  #areFollowedKnown = false;
  /** Positions are those of this topic; one made anew under its name is another. */
  #topicId: Buffer | null = null;
  readonly #streams = new Map<FetchStream, Lane>();
  readonly #streamByBroker = new Map<number, FetchStream>();
  /** Bytes in the buffer, by the broker that sent them: what its next stream may not send again as credit. */
  readonly #bufferedBytes = new Map<number, number>();
  #isAttaching = false;
  #mustAttachAgain = false;
  #failures = 0;
  #progressAt = performance.now();
  #patience: NodeJS.Timeout | null = null;
  #isClosed = false;
  readonly #stopListening: () => void;

  constructor(deps: {
    readonly cluster: Cluster;
    readonly topic: string;
    readonly settings: ReaderSettings;
    readonly onNews: () => void;
  }) {
    this.#cluster = deps.cluster;
    this.#topic = deps.topic;
    this.#settings = deps.settings;
    this.#onNews = deps.onNews;
    this.#stopListening = deps.cluster.onLeaders((topic) => this.#onLeaders(topic), deps.topic);
    this.buffer = new ReadBuffer(deps.settings.limit);
  }

  /** Everything was handed out. */
  get isDone(): boolean {
    return (
      this.buffer.isExhausted || (this.#areFollowedKnown && this.#followed.every(({ position }) => position.isDone))
    );
  }

  start(): void {
    this.#watchPatience();
    this.#attach();
  }

  /** Gives the credit of used chunks back; `isHungry`: the reader waits. */
  giveBack(isHungry: boolean): void {
    if (this.buffer.recordsCount > this.#settings.prefetchRecords) return;
    for (const { source, bytes } of this.buffer.takeFreed()) {
      this.#bufferedBytes.set(source, (this.#bufferedBytes.get(source) ?? 0) - bytes);
      this.#streamByBroker.get(source)?.grant(bytes, false);
    }
    if (isHungry) for (const stream of this.#streams.keys()) stream.grant(0, true);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stopListening();
    this.#stop.abort();
    if (this.#patience !== null) clearTimeout(this.#patience);
    for (const stream of this.#streams.keys()) stream.close();
    this.#streams.clear();
    this.#streamByBroker.clear();
  }

  // ---- what the streams tell

  onFetched(stream: FetchStream, partitions: readonly FetchedPartition[]): void {
    const lane = this.#streams.get(stream);
    if (lane === undefined || this.#isClosed) return;
    this.#failures = 0;
    this.#progressAt = performance.now();
    for (const fetched of partitions) {
      const followed = lane.byId.get(fetched.subscriptionId);
      if (followed === undefined) stream.grant(fetched.records.length, false);
      else if (fetched.errorCode === 0) this.#onRecords(stream, lane, followed, fetched);
      else {
        lane.byId.delete(fetched.subscriptionId);
        followed.stream = null;
        const row = errorRow(fetched.errorCode);
        const isLeaderTold = this.#cluster.onLeaderHint(this.#topic, followed.position.partition, fetched.leader);
        if (row.retriable && !isLeaderTold) this.#askElsewhere(lane.broker);
        this.#onPartitionError(followed, row, fetched.errorMessage);
      }
    }
    this.#unsubscribeFetched(stream, lane);
    this.#onNews();
  }

  onEnded(stream: FetchStream, error: BrokerError): void {
    const lane = this.#streams.get(stream);
    if (lane === undefined || this.#isClosed) return;
    this.#dropStream(stream);
    for (const followed of lane.byId.values()) followed.stream = null;
    this.#askElsewhere(lane.broker);
    this.#cluster.settings.logger.warn(
      { topic: this.#topic, code: error.code, message: error.message },
      "a fetch stream ended",
    );
    if (error.retriable) this.#attachLater(error);
    else this.#fail(error);
  }

  /** Who leads is asked of others before anything is read again: this leader may be one of the past. */
  #askElsewhere(leader: number): void {
    this.#cluster.forget(this.#topic);
    this.#cluster.doubt(this.#cluster.broker(leader));
  }

  /** Partitions that somebody else leads by now are read there: the old leader may stand still, and say nothing for long. */
  #onLeaders(topic: string): void {
    const known = topic === this.#topic ? this.#cluster.topic(topic) : undefined;
    if (known === undefined || this.#isClosed) return;
    for (const [stream, lane] of this.#streams) {
      const over: number[] = [];
      for (const [id, followed] of lane.byId) {
        const leader = known.leaders[followed.position.partition] ?? -1;
        if (leader < 0 || leader === lane.broker) continue;
        over.push(id);
        followed.stream = null;
      }
      if (over.length === 0) continue;
      for (const id of over) lane.byId.delete(id);
      stream.unsubscribe(over);
    }
    this.#attach();
  }

  #onRecords(stream: FetchStream, lane: Lane, followed: Followed, fetched: FetchedPartition): void {
    const { broker } = lane;
    const { position } = followed;
    const { fetchOffset, records, leaderEpoch } = fetched;
    const visibleEnd =
      this.#settings.isolation === Isolation.READ_COMMITTED ? fetched.lastStableOffset : fetched.highWatermark;
    const taken = position.onFetched({ fetchOffset, visibleEnd, records });
    if (taken === null) return stream.grant(records.length, false);
    const { bytes, recordsCount } = taken;
    if (bytes > 0) {
      followed.corruptCount = 0;
      this.#bufferedBytes.set(broker, (this.#bufferedBytes.get(broker) ?? 0) + bytes);
      this.buffer.push({ source: broker, position, records: records.subarray(0, bytes), recordsCount, leaderEpoch });
    }
    if (bytes === records.length) return;
    stream.grant(records.length - bytes, false);
    this.#onCorrupt(stream, lane, followed, fetched.subscriptionId);
  }

  /** Asked for again with the word that it was bad: the broker looks at its bytes, and another leads while they are repaired. */
  #onCorrupt(stream: FetchStream, lane: Lane, followed: Followed, subscriptionId: number): void {
    followed.corruptCount += 1;
    const row = errorRow("CORRUPT_MESSAGE");
    const message = "the broker sent what is no record batch";
    if (followed.corruptCount >= CORRUPT_MAX) return this.#fail(this.#error(row, message, followed.position));
    lane.byId.delete(subscriptionId);
    followed.stream = null;
    stream.unsubscribe([subscriptionId]);
    this.#askElsewhere(lane.broker);
    this.#onPartitionError(followed, row, message);
  }

  #onPartitionError(followed: Followed, row: ErrorRow, message: string): void {
    const { position, startsAtEarliest } = followed;
    const error = this.#error(row, message, position);
    if (row.name === "OFFSET_OUT_OF_RANGE" && startsAtEarliest && position.isUntouched) {
      // Retention was faster than we: what was earliest when we asked is gone. Nothing was read yet, so nothing is skipped.
      this.#restart(followed);
    } else if (row.retriable) {
      // Of a streak of failures the first is news.
      if (this.#failures === 0) {
        const fields = { topic: this.#topic, partition: position.partition, code: error.code, message: error.message };
        this.#cluster.settings.logger.warn(fields, "a partition could not be read");
      }
      this.#attachLater(error);
    } else {
      this.#fail(error);
    }
  }

  #restart(followed: Followed): void {
    const { partition } = followed.position;
    this.#offsets([partition], OffsetAt.EARLIEST).then(
      (offsets) => {
        followed.position.restartAt(offsets.get(partition) ?? followed.position.fetchOffset);
        this.#attach();
      },
      (error: unknown) => this.#fail(BrokerError.from(error)),
    );
  }

  /** Partitions that were fetched to their end take no more credit. */
  #unsubscribeFetched(stream: FetchStream, lane: Lane): void {
    const over: number[] = [];
    for (const [id, { position }] of lane.byId) if (position.isFetched) over.push(id);
    if (over.length === 0) return;
    for (const id of over) lane.byId.delete(id);
    stream.unsubscribe(over);
  }

  // ---- finding and subscribing

  /** Subscribes whatever is not subscribed and not at its end. */
  #attach(): void {
    if (this.#isClosed) return;
    this.#mustAttachAgain = this.#isAttaching;
    if (this.#isAttaching) return;
    this.#isAttaching = true;
    this.#attachNow().then(
      () => {
        this.#isAttaching = false;
        if (this.#mustAttachAgain) this.#attach();
        this.#onNews();
      },
      (error: unknown) => {
        this.#isAttaching = false;
        if (this.#isClosed) return;
        const failure = BrokerError.from(error);
        // What is asked before the first record has spent its own budget; so has the question whether the topic exists.
        const isFinal = !failure.retriable || !this.#areFollowedKnown || failure.code === "UNKNOWN_TOPIC_OR_PARTITION";
        if (isFinal) this.#fail(failure);
        else this.#attachLater(failure);
      },
    );
  }

  async #attachNow(): Promise<void> {
    const signal = this.#stop.signal;
    const topic = await this.#cluster.requireTopic(this.#topic, { signal });
    if (this.#topicId !== null && !this.#topicId.equals(topic.id)) {
      throw new BrokerError(
        "UNKNOWN_TOPIC_OR_PARTITION",
        `topic ${this.#topic} was deleted, and made anew under its name`,
        { topic: this.#topic },
      );
    }
    if (this.#areFollowedKnown) this.#followAdded(topic.leaders.length);
    else await this.#findPositions(topic.leaders.length);
    this.#topicId = topic.id;
    const wanted = new Map<number, Followed[]>();
    for (const followed of this.#followed) {
      if (followed.stream !== null || followed.position.isFetched) continue;
      const leader = topic.leaders[followed.position.partition] ?? -1;
      if (leader < 0) throw this.#error(errorRow("LEADER_NOT_AVAILABLE"), "", followed.position);
      const group = wanted.get(leader);
      if (group === undefined) wanted.set(leader, [followed]);
      else group.push(followed);
    }
    if (this.#isClosed) return;
    const creditBytes = Math.ceil(this.#settings.prefetchBytes / Math.max(new Set(topic.leaders).size, 1));
    for (const [leader, group] of wanted)
      this.#subscribe(leader, group, { creditBytes, topicId: topic.id, leaderEpochs: topic.leaderEpochs });
  }

  #subscribe(
    leader: number,
    group: Followed[],
    options: { creditBytes: number; topicId: Buffer; leaderEpochs: readonly number[] },
  ): void {
    const stream = this.#streamByBroker.get(leader) ?? this.#openStream(leader, options.creditBytes);
    const lane = this.#streams.get(stream);
    if (lane === undefined) return;
    const subscriptions = group.map((followed): FetchSubscribe => {
      const { partition, fetchOffset } = followed.position;
      const subscriptionId = lane.nextId;
      lane.nextId += 1;
      lane.byId.set(subscriptionId, followed);
      followed.stream = stream;
      return {
        subscriptionId,
        topic: this.#topic,
        partition,
        topicId: options.topicId,
        offset: fetchOffset,
        maxBytes: Math.min(options.creditBytes, MESSAGE_BYTES_MAX),
        isolation: this.#settings.isolation,
        currentLeaderEpoch: options.leaderEpochs[partition] ?? -1,
        isSuspect: followed.corruptCount > 0,
      };
    });
    stream.subscribe(subscriptions);
  }

  #openStream(leader: number, shareBytes: number): FetchStream {
    const connection = this.#cluster.broker(leader);
    if (connection === undefined)
      throw new BrokerError("CONNECTION_LOST", `the address of broker ${leader} is not known`);
    const buffered = this.#bufferedBytes.get(leader) ?? 0;
    const { connectTimeoutMs } = this.#cluster.settings;
    const stream = new FetchStream(connection, this, {
      shareBytes,
      creditBytes: Math.max(shareBytes - buffered, 0),
      connectTimeoutMs,
    });
    this.#streams.set(stream, { broker: leader, byId: new Map(), nextId: 1 });
    this.#streamByBroker.set(leader, stream);
    return stream;
  }

  #dropStream(stream: FetchStream): void {
    this.#streams.delete(stream);
    for (const [leader, known] of this.#streamByBroker) if (known === stream) this.#streamByBroker.delete(leader);
  }

  #attachLater(error: BrokerError): void {
    this.#failures += 1;
    if (this.#failures === 1) this.#progressAt = performance.now();
    const { retry } = this.#cluster.settings;
    pause(backoffMs(retry, this.#failures, Math.random()), this.#stop.signal).then(
      () => this.#attach(),
      () => {},
    );
    this.#cluster.settings.logger.debug(
      { topic: this.#topic, code: error.code, attempt: this.#failures },
      "reading goes on after a pause",
    );
  }

  // ---- where to begin and to end

  async #findPositions(partitionsCount: number): Promise<void> {
    const { from, to, follow } = this.#settings;
    const partitions = this.#partitions(partitionsCount);
    const starts = await this.#resolve(partitions, from, OffsetAt.LATEST);
    const ends = await this.#resolve(partitions, to, null);
    for (const partition of partitions) {
      const start = starts.get(partition) ?? 0;
      const end = ends.get(partition) ?? Number.POSITIVE_INFINITY;
      const untilTimestamp =
        to.kind === "time" && end === Number.POSITIVE_INFINITY ? to.timestamp : Number.POSITIVE_INFINITY;
      const position = new ReadPosition({ partition, from: start, to: end, untilTimestamp, follow });
      this.#follow(position, boundOf(from, partition).kind === "earliest");
    }
    this.#areFollowedKnown = true;
  }

  /** Partitions that came since the start are read from their beginning, by whoever reads all there are for ever. */
  #followAdded(count: number): void {
    const { partitions, to, follow } = this.#settings;
    if (partitions !== "all" || !follow || to.kind !== "none") return;
    const forever = { from: 0, to: Number.POSITIVE_INFINITY, untilTimestamp: Number.POSITIVE_INFINITY, follow };
    for (let partition = this.#followed.length; partition < count; partition += 1)
      this.#follow(new ReadPosition({ partition, ...forever }), true);
  }

  #follow(position: ReadPosition, startsAtEarliest: boolean): void {
    this.#followed.push({ position, startsAtEarliest, stream: null, corruptCount: 0 });
  }

  #partitions(count: number): number[] {
    const { partitions } = this.#settings;
    if (partitions === "all") return Array.from({ length: count }, (_, partition) => partition);
    const missing = partitions.find((partition) => partition >= count);
    if (missing !== undefined) {
      throw new BrokerError(
        "UNKNOWN_TOPIC_OR_PARTITION",
        `topic ${this.#topic} has ${count === 1 ? "1 partition" : `${count} partitions`}, and no partition ${missing}`,
        {
          topic: this.#topic,
          partition: missing,
        },
      );
    }
    return [...partitions];
  }

  /** Offsets of a bound; those that no record satisfies are asked for at `otherwise`, or left out. */
  async #resolve(partitions: readonly number[], bound: Bound, otherwise: number | null): Promise<Map<number, number>> {
    const offsets = new Map<number, number>();
    const byTimestamp = new Map<number, number[]>();
    for (const partition of partitions) {
      const own = boundOf(bound, partition);
      if (own.kind === "offset") offsets.set(partition, own.offset);
      else if (own.kind !== "none")
        byTimestamp.set(timestampOf(own), [...(byTimestamp.get(timestampOf(own)) ?? []), partition]);
    }
    for (const [timestamp, asked] of byTimestamp) {
      const found = await this.#offsets(asked, timestamp);
      const missing = asked.filter((partition) => (found.get(partition) ?? -1) < 0);
      const late =
        missing.length > 0 && otherwise !== null ? await this.#offsets(missing, otherwise) : new Map<number, number>();
      for (const partition of asked) {
        const offset = late.get(partition) ?? found.get(partition) ?? -1;
        if (offset >= 0) offsets.set(partition, offset);
      }
    }
    return offsets;
  }

  #offsets(partitions: readonly number[], timestamp: number): Promise<Map<number, number>> {
    const { isolation } = this.#settings;
    return listOffsets(
      this.#cluster,
      { topic: this.#topic, partitions, timestamp, isolation },
      { signal: this.#stop.signal },
    );
  }

  // ---- giving up

  #error(row: ErrorRow, message: string, position: ReadPosition): BrokerError {
    const place = `${this.#topic}-${position.partition} at offset ${position.fetchOffset}`;
    const text = message === "" ? row.text : message;
    return brokerErrorOf(row, `reading ${place}: ${text}`, { topic: this.#topic, partition: position.partition });
  }

  #fail(error: BrokerError): void {
    this.failure ??= error;
    this.close();
    this.#onNews();
  }

  /** For readers with an end: nothing may wait for ever. */
  #watchPatience(): void {
    const { deliveryTimeoutMs } = this.#cluster.settings;
    if (this.#settings.follow) return;
    const left = this.#progressAt + deliveryTimeoutMs - performance.now();
    this.#patience = setTimeout(
      () => {
        const isWaiting = this.buffer.recordsCount === 0 && !this.isDone;
        if (!isWaiting) this.#progressAt = performance.now();
        if (performance.now() - this.#progressAt < deliveryTimeoutMs) this.#watchPatience();
        else
          this.#fail(
            new TimeoutError(`reading ${this.#topic} made no progress for ${deliveryTimeoutMs} ms`, "unknown", {
              topic: this.#topic,
            }),
          );
      },
      Math.max(left, 1),
    );
  }
}

function boundOf(bound: Bound, partition: number): Exclude<Bound, { kind: "map" }> {
  if (bound.kind !== "map") return bound;
  const offset = bound.offsets.get(partition);
  return offset === undefined ? bound.otherwise : { kind: "offset", offset };
}

function timestampOf(bound: Exclude<Bound, { kind: "map" | "offset" | "none" }>): number {
  if (bound.kind === "time") return bound.timestamp;
  return bound.kind === "earliest" ? OffsetAt.EARLIEST : OffsetAt.LATEST;
}
