/**
 * The producer: takes records, gathers them in batches, and sees to it that each arrives once and in order, or that its
 * owner is told why not. Retries happen inside; what reaches the user is final.
 *
 * Four ways in, one engine: `send` (a promise per record), `sendAll` (one answer for many), `enqueue` (no promise at all),
 * `pipe` and `sink` (streams). All of them hold back by bytes: what is encoded and not yet answered stays below
 * `maxBuffered`. Idempotent unless told otherwise: a retry neither doubles nor reorders (core/partition-queue.ts).
 *
 * A failure of a record nobody asked about (`enqueue` without `onDone`) is thrown by the next `flush` or `close`.
 */
import { type LogEnd, type RecordHeader, validateTopicName } from "@tidemark/proto";
import { Accumulator, isPassed, type Mark } from "./core/accumulator.ts";
import { ANY_PARTITION, type Encoded, type TopicQueue } from "./core/topic-queue.ts";
import { type Duration, parseDuration } from "./duration.ts";
import { abortedError, BrokerError, CodecError, closedError, invalidArgument, TimeoutError } from "./errors.ts";
import { type Limits, limited } from "./pause.ts";
import { ResultCollector } from "./produce/batch-result.ts";
import { BatchSender } from "./produce/batch-sender.ts";
import { type Completion, complete, newPromise, type OnDone, refuse, Told } from "./produce/completion.ts";
import { expectedEndOf } from "./produce/expected-end.ts";
import { Inflow } from "./produce/inflow.ts";
import { producerSettingsOf } from "./produce/producer-settings.ts";
import { RecordEncoder } from "./produce/record-encoder.ts";
import { Room } from "./produce/room.ts";
import type { Cluster } from "./transport/cluster.ts";
import type {
  BatchResult,
  Bytes,
  CallOptions,
  ProducerOptions,
  ProducerRecord,
  RecordMetadata,
  SendOptions,
  TopicDef,
} from "./types.ts";

const CLOSE_TIMEOUT_MS = 30_000;
const CLOCK_RECORDS = 64;

/** What a producer keeps per topic definition. */
interface Slot<K, V> {
  readonly queue: TopicQueue<Completion>;
  readonly encoder: RecordEncoder<K, V>;
  /** The last of the encodings that take their time; records behind it wait for it, so that order is kept. */
  encoding: Promise<void> | null;
}

/** A flush under way: `marks` are drawn once no record waits for its partition. */
interface Flush {
  marks: Mark[] | null;
  readonly done: () => void;
}

export class Producer implements AsyncDisposable {
  readonly #accumulator: Accumulator<Completion>;
  readonly #sender: BatchSender;
  readonly #room: Room;
  readonly #acks: "all" | "leader" | "none";
  readonly #slots = new WeakMap<object, Slot<never, never>>();
  readonly #slotsByName = new Map<string, Slot<never, never>>();
  /** The slot of the last call: most calls are about the same topic as the one before. */
  #lastTopic: unknown = null;
  #lastSlot: Slot<never, never> | null = null;
  /** Encodings under way, in all slots. */
  readonly #encodings = new Set<Promise<void>>();

  /** Monotonic ms and Unix ms as last looked at: once per turn, and again after CLOCK_RECORDS records of one turn. */
  #monotonicNow = 0;
  #wallNow = 0;
  /** Records until the clocks are looked at again. */
  #clockLeft = 0;
  readonly #flushes = new Set<Flush>();
  /** The first failure that nobody was told of. */
  #untold: BrokerError | null = null;
  #closing: Promise<void> | null = null;
  readonly #onClosed: () => void;

  /** Made by `Client.producer()`. */
  constructor(deps: { readonly cluster: Cluster; readonly options: ProducerOptions; readonly onClosed: () => void }) {
    const { cluster } = deps;
    const settings = producerSettingsOf(deps.options, cluster.settings);
    this.#accumulator = new Accumulator(settings.queue, settings.choice);
    this.#room = new Room(this.#accumulator.load, settings.bufferBytes);
    this.#acks = settings.acks;
    this.#onClosed = deps.onClosed;
    this.#sender = new BatchSender({
      cluster,
      accumulator: this.#accumulator,
      options: {
        acks: settings.acks,
        requestTimeoutMs: cluster.settings.requestTimeoutMs,
        isIdempotent: settings.queue.isIdempotent,
      },
      onProgress: () => this.#onProgress(),
    });
  }

  /** What was taken and is not answered yet. */
  get buffered(): { records: number; bytes: number } {
    const { records, bytes } = this.#accumulator.load;
    return { records, bytes };
  }

  /**
   * Sends one record; resolves after the acks that were asked for. Waits for room first when the buffer is full.
   * After ABORTED or TIMEOUT with outcome "unknown" the record may still arrive: it cannot be called back.
   * With `expectedOffset` it is written there or not at all, alone in its batch.
   * @throws BrokerError: what the retries could not mend; ExpectedOffsetError; TimeoutError; CodecError
   */
  send<K, V>(topic: TopicDef<K, V>, record: ProducerRecord<K, V>, options?: SendOptions): Promise<RecordMetadata>;
  send(
    topic: string,
    record: ProducerRecord<Bytes | string | null, Bytes | string>,
    options?: SendOptions,
  ): Promise<RecordMetadata>;
  send<K, V>(
    topic: TopicDef<K, V> | string,
    record: ProducerRecord<K, V>,
    options?: SendOptions,
  ): Promise<RecordMetadata> {
    try {
      this.#assertOpen();
      const slot = this.#slot(topic);
      if (options !== undefined || !this.#room.isFree) return this.#sendWithin(slot, record, options);
      const { promise, resolve } = newPromise();
      this.#put(slot, record, resolve);
      return promise;
    } catch (error: unknown) {
      return Promise.reject(BrokerError.from(error));
    }
  }

  /** Sends many records; resolves, never rejects, when the fate of each is known or the limits ended. */
  async sendAll<K, V>(
    topic: TopicDef<K, V>,
    records: Iterable<ProducerRecord<K, V>>,
    options?: CallOptions,
  ): Promise<BatchResult> {
    const slot = this.#slot(topic);
    const limits = limitsOf(options);
    const collector = new ResultCollector();
    let end: BrokerError | null = null;
    for (const record of records) {
      const onDone = collector.expect();
      try {
        this.#assertOpen();
        if (end === null && !this.#room.isFree) await this.#room.wait(limits, "sending many records");
        if (limits.signal?.aborted === true) throw abortedError(limits.signal, "sending many records");
        if (end === null) this.#put(slot, record, new Told(onDone));
        else onDone(end);
      } catch (error: unknown) {
        const failure = BrokerError.from(error);
        if (!(failure instanceof CodecError) && failure.code !== "INVALID_ARGUMENT") end = failure;
        onDone(failure);
      }
    }
    try {
      await limited(collector.idle(), limits, { what: "sending many records", outcome: () => "unknown" });
    } catch (error: unknown) {
      end = BrokerError.from(error);
    }
    return collector.finish(end);
  }

  /**
   * Takes a record without a promise; synchronous. False: not taken, the buffer is full; await `ready()`.
   * `onDone` is called once with the error or the metadata; without it a failure is thrown by the next flush.
   * @throws CodecError when the value cannot be encoded, or its codec is asynchronous; BrokerError CLOSED, INVALID_ARGUMENT
   */
  enqueue<K, V>(topic: TopicDef<K, V>, record: ProducerRecord<K, V>, onDone?: OnDone): boolean {
    if (this.#closing !== null) throw closedError("producer");
    if (!this.#room.isFree) return false;
    const slot = this.#slot(topic);
    const key = slot.encoder.key(record);
    const value = slot.encoder.value(record);
    if (slot.encoding !== null || key instanceof Promise || value instanceof Promise) {
      throw new CodecError(`topic ${topic.name} has an asynchronous codec: use send`, { topic: topic.name });
    }
    this.#append(slot, record, key, value, onDone === undefined ? null : new Told(onDone));
    return true;
  }

  /** Resolves when there is room. */
  async ready(options?: CallOptions): Promise<void> {
    this.#assertOpen();
    await this.#room.wait(limitsOf(options), "waiting for room");
  }

  /**
   * Resolves when the fate of every record handed over before is known; batches leave without waiting for company.
   * @throws the first failure that nobody was told of; TimeoutError; BrokerError ABORTED
   */
  async flush(options?: CallOptions): Promise<void> {
    const limits = limitsOf(options);
    await limited(this.#settledSoFar(), limits, { what: "flushing", outcome: () => "unknown" });
    this.#throwUntold();
  }

  /** A stream to write records to. Writing waits for room; the first failure of a record errors the stream. */
  sink<K, V>(topic: TopicDef<K, V>): WritableStream<ProducerRecord<K, V>> {
    const slot = this.#slot(topic);
    const inflow = new Inflow();
    return new WritableStream<ProducerRecord<K, V>>({
      write: (record) => this.#pour(slot, record, inflow, {}),
      close: async () => {
        await inflow.idle();
        inflow.check();
      },
    });
  }

  /** Sends what `source` yields, as fast as there is room; resolves when all of it has arrived. Stops at the first failure. */
  async pipe<K, V>(
    topic: TopicDef<K, V>,
    source: AsyncIterable<ProducerRecord<K, V>>,
    options?: CallOptions,
  ): Promise<{ sent: number }> {
    const slot = this.#slot(topic);
    const limits = limitsOf(options);
    const inflow = new Inflow();
    const iterator = source[Symbol.asyncIterator]();
    let isAtEnd = false;
    try {
      for (;;) {
        const step = await limited(iterator.next(), limits, { what: "piping records", outcome: () => "unknown" });
        isAtEnd = step.done === true;
        if (step.done === true) break;
        await this.#pour(slot, step.value, inflow, limits);
      }
    } finally {
      if (!isAtEnd) void Promise.resolve(iterator.return?.()).catch(() => {});
    }
    await limited(inflow.idle(), limits, { what: "piping records", outcome: () => "unknown" });
    inflow.check();
    return { sent: inflow.sent };
  }

  /**
   * Takes no more records, waits for those it has (at most `timeout`, 30 s), lets go of the rest. Idempotent.
   * @throws the first failure that nobody was told of
   */
  close(options: { timeout?: Duration } = {}): Promise<void> {
    this.#closing ??= this.#close(parseDuration(options.timeout ?? CLOSE_TIMEOUT_MS, "timeout"));
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  // ---- taking records

  #assertOpen(): void {
    if (this.#closing !== null) throw closedError("producer");
  }

  #slot<K, V>(topic: TopicDef<K, V> | string): Slot<K, V> {
    // One map holds the slots of all topic definitions; the definition itself vouches for the types of its own slot.
    if (topic === this.#lastTopic && this.#lastSlot !== null) return this.#lastSlot as unknown as Slot<K, V>;
    const known = typeof topic === "string" ? this.#slotsByName.get(topic) : this.#slots.get(topic);
    const slot = (known as unknown as Slot<K, V> | undefined) ?? this.#newSlot(topic);
    this.#lastTopic = topic;
    this.#lastSlot = slot as unknown as Slot<never, never>;
    return slot;
  }

  #newSlot<K, V>(topic: TopicDef<K, V> | string): Slot<K, V> {
    const name = typeof topic === "string" ? topic : topic.name;
    const reason = validateTopicName(name);
    if (reason !== null) throw invalidArgument(`the topic name ${reason}`, { topic: name });
    const slot: Slot<K, V> = {
      queue: this.#accumulator.topic(name),
      encoder: new RecordEncoder(topic),
      encoding: null,
    };
    const kept = slot as unknown as Slot<never, never>;
    if (typeof topic === "string") this.#slotsByName.set(topic, kept);
    else this.#slots.set(topic, kept);
    return slot;
  }

  /** Encodes and appends; later, and in order, where a codec takes its time. The completion is told of a late failure. */
  #put<K, V>(
    slot: Slot<K, V>,
    record: ProducerRecord<K, V>,
    completion: Completion,
    expectedEnd: LogEnd | null = null,
  ): void {
    const key = slot.encoder.key(record);
    const value = slot.encoder.value(record);
    if (slot.encoding === null && !(key instanceof Promise) && !(value instanceof Promise)) {
      this.#append(slot, record, key, value, completion, expectedEnd);
      return;
    }
    const encoding = this.#putLater(slot, record, { key, value, completion, expectedEnd, before: slot.encoding });
    slot.encoding = encoding;
    this.#encodings.add(encoding);
    void encoding.then(() => {
      this.#encodings.delete(encoding);
      if (slot.encoding === encoding) slot.encoding = null;
    });
  }

  /** Never rejects. */
  async #putLater<K, V>(
    slot: Slot<K, V>,
    record: ProducerRecord<K, V>,
    later: {
      readonly key: Encoded | Promise<Encoded>;
      readonly value: Encoded | Promise<Encoded>;
      readonly completion: Completion;
      readonly expectedEnd: LogEnd | null;
      readonly before: Promise<void> | null;
    },
  ): Promise<void> {
    const { completion } = later;
    try {
      const [key, value] = await Promise.all([later.key, later.value, later.before]);
      this.#append(slot, record, key, value, completion, later.expectedEnd);
    } catch (error: unknown) {
      await later.before;
      refuse(completion, BrokerError.from(error));
    }
  }

  #append<K, V>(
    slot: Slot<K, V>,
    record: ProducerRecord<K, V>,
    key: Encoded,
    value: Encoded,
    completion: Completion | null,
    expectedEnd: LogEnd | null = null,
  ): void {
    const { partition, timestamp } = record;
    const headers: readonly RecordHeader[] | null = record.headers === undefined ? null : slot.encoder.headers(record);
    if (partition !== undefined && !(Number.isSafeInteger(partition) && partition >= 0)) {
      throw invalidArgument(`a partition is a whole number from 0, not ${partition}`);
    }
    this.#clockLeft -= 1;
    if (this.#clockLeft < 0) this.#readClocks();
    const at =
      timestamp === undefined ? this.#wallNow : typeof timestamp === "number" ? timestamp : timestamp.getTime();
    try {
      slot.queue.append(
        partition ?? ANY_PARTITION,
        at,
        key,
        value,
        headers,
        completion,
        this.#monotonicNow,
        expectedEnd,
      );
    } catch (error: unknown) {
      throw invalidArgument(error instanceof Error ? error.message : "the record could not be taken", { cause: error });
    }
    this.#sender.schedule();
  }

  /** Asking for the time costs as much as encoding a small record. */
  #readClocks(): void {
    this.#monotonicNow = performance.now();
    this.#wallNow = Date.now();
    this.#clockLeft = CLOCK_RECORDS;
  }

  #sendWithin<K, V>(slot: Slot<K, V>, record: ProducerRecord<K, V>, options?: SendOptions): Promise<RecordMetadata> {
    const limits = limitsOf(options);
    const expectedEnd = expectedEndOf(options, record, this.#acks);
    if (limits.signal?.aborted === true) throw abortedError(limits.signal, "sending");
    const { promise, resolve } = newPromise();
    let isTaken = false;
    const take = (): void => {
      isTaken = true;
      try {
        this.#put(slot, record, resolve, expectedEnd);
      } catch (error: unknown) {
        refuse(resolve, BrokerError.from(error));
      }
    };
    let leave = (): void => {};
    if (this.#room.isFree) take();
    else leave = this.#room.enter(take, (error) => refuse(resolve, error));
    return limited(promise, limits, {
      what: "sending",
      outcome: () => (isTaken ? "unknown" : "not-sent"),
      onEnd: leave,
    });
  }

  /** One record of a stream. */
  async #pour<K, V>(slot: Slot<K, V>, record: ProducerRecord<K, V>, inflow: Inflow, limits: Limits): Promise<void> {
    inflow.check();
    this.#assertOpen();
    if (!this.#room.isFree) await this.#room.wait(limits, "piping records");
    inflow.begin();
    try {
      this.#put(slot, record, inflow.completion);
    } catch (error: unknown) {
      inflow.cancel();
      throw error;
    }
  }

  // ---- telling what came of them

  #onProgress(): void {
    this.#clockLeft = 0;
    const settled = this.#accumulator.takeSettled();
    const now = settled.length === 0 ? 0 : performance.now();
    for (const one of settled) {
      const error = complete(one, now);
      if (error !== null && one.batch.completions.length < one.batch.recordsCount) this.#untold ??= error;
    }
    this.#room.admit();
    for (const flush of this.#flushes) this.#checkFlush(flush);
  }

  async #settledSoFar(): Promise<void> {
    if (this.#room.hasWaiters) await this.#room.wait({}, "flushing");
    if (this.#encodings.size > 0) await Promise.all(this.#encodings);
    if (this.#accumulator.load.records === 0) return;
    await new Promise<void>((done) => {
      const flush: Flush = { marks: null, done };
      this.#flushes.add(flush);
      this.#accumulator.isFlushing = true;
      this.#checkFlush(flush);
      this.#sender.schedule();
    });
  }

  #checkFlush(flush: Flush): void {
    if (flush.marks === null && this.#accumulator.stagedTopics().length === 0) flush.marks = this.#accumulator.marks();
    if (flush.marks === null || !flush.marks.every(isPassed)) return;
    this.#flushes.delete(flush);
    this.#accumulator.isFlushing = this.#flushes.size > 0;
    flush.done();
  }

  #throwUntold(): void {
    const error = this.#untold;
    this.#untold = null;
    if (error !== null) throw error;
  }

  async #close(timeoutMs: number): Promise<void> {
    try {
      await limited(this.#settledSoFar(), { timeoutMs }, { what: "closing the producer", outcome: () => "unknown" });
    } catch (error: unknown) {
      if (!(error instanceof TimeoutError)) throw error;
    } finally {
      this.#accumulator.drop();
      this.#onProgress();
      this.#room.refuseAll(closedError("producer"));
      this.#sender.close();
      this.#onClosed();
    }
    this.#throwUntold();
  }
}

function limitsOf(options: CallOptions | undefined): Limits {
  if (options === undefined) return NO_LIMITS;
  return {
    signal: options.signal,
    timeoutMs: options.timeout === undefined ? undefined : parseDuration(options.timeout, "timeout"),
  };
}

const NO_LIMITS: Limits = {};
