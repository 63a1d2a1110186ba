/**
 * What a producer holds for one partition: the batch that fills, the sealed ones that wait, the ones on their way. It puts
 * records in order, gives them sequence numbers, and decides what every answer, loss and passing of time means. It does
 * nothing itself: batches leave through `take`, what is over leaves through the outbox `settled`.
 *
 *     append -> open -> sealed, waiting -> take -> in flight -> settled
 *                          ^                          |
 *                          +-------- again -----------+     an error that may pass, or a lost stream
 *
 * Order: batches are taken in the order of their records. After the first failure nothing is taken until every batch in
 * flight has been answered or lost ("regrouping"); then all go again in order, those that were sent with the sequence
 * numbers they had. So a broker sees no gap that is not one, and knows duplicates.
 *
 * Numbers: producer-session.ts says when a batch gets one, and what happens when one is lost. Here it is applied.
 *
 * Without idempotence there are no numbers: batches are sent again after losses and may then be double or out of order.
 */
import {
  type CodecId,
  type ErrorRow,
  type LogEnd,
  PRODUCE_CREDIT_BYTES,
  RecordBatchBuilder,
  type RecordBytes,
  type RecordHeader,
} from "@tidemark/proto";
import { assert } from "./assert.ts";
import { type BackoffPolicy, backoffMs } from "./backoff.ts";
import { type Acked, type Answer, Batch, type Outcome, type Refused, type Settled } from "./batch.ts";
import type { BatchMemory } from "./batch-memory.ts";
import { splitBatch } from "./batch-split.ts";
import { ACKED_UNSEEN, fateOf } from "./produce-errors.ts";
import { type ProducerId, ProducerSession } from "./producer-session.ts";

/** Longest wait of a batch for company when its partition is busy. */
export const ADAPTIVE_LINGER_MS = 5;
/** In flight of one partition, and one batch beyond: half of what may be unanswered on a stream. */
const SHARE_BYTES = PRODUCE_CREDIT_BYTES / 2;
/** What a record takes beyond key and value, without headers: an upper bound. */
const RECORD_OVERHEAD_BYTES = 40;
const UTF8_BYTES_PER_CHARACTER_MAX = 3;

export interface QueueOptions {
  readonly batchBytes: number;
  /** "adaptive": none while nothing is in flight, else at most ADAPTIVE_LINGER_MS. */
  readonly lingerMs: number | "adaptive";
  readonly maxInFlight: number;
  readonly codec: CodecId;
  readonly isIdempotent: boolean;
  readonly deliveryTimeoutMs: number;
  readonly retry: BackoffPolicy;
  /** In [0, 1). */
  readonly random: () => number;
}

/** What all queues of one producer share. */
export interface Shared<C> {
  readonly options: QueueOptions;
  readonly memory: BatchMemory;
  /** What is not settled yet. */
  readonly load: { records: number; bytes: number };
  /** Effects: the shell takes them after each call. */
  readonly settled: Settled<C>[];
  /** While true, no batch waits for company. */
  isFlushing: boolean;
  /** Ids to begin sessions with; null while none is known. */
  producerId: ProducerId | null;
}

export class PartitionQueue<C> {
  readonly topic: string;
  readonly partition: number;
  /** Whether the accumulator has it on its list of queues with something to do. */
  isListed = false;

  readonly #shared: Shared<C>;
  readonly #session = new ProducerSession();
  readonly #builder: RecordBatchBuilder;
  #batchBytes: number;
  /** Records in `#builder`; null when it is empty. */
  #open: Batch<C> | null = null;
  /** Sealed, in the order of their ordinals; none of them is in flight. */
  readonly #waiting: Batch<C>[] = [];
  /** In the order of their ordinals. */
  readonly #inFlight: Batch<C>[] = [];
  #nextOrdinal = 0;

  /** After a failure, until nothing is in flight. */
  #isRegrouping = false;
  #failures = 0;
  /** Monotonic ms before which nothing is taken. */
  #retryAt = 0;

  constructor(topic: string, partition: number, shared: Shared<C>) {
    this.topic = topic;
    this.partition = partition;
    this.#shared = shared;
    this.#builder = new RecordBatchBuilder({ buffers: shared.memory });
    this.#batchBytes = shared.options.batchBytes;
  }

  get isEmpty(): boolean {
    return this.#open === null && this.#waiting.length === 0 && this.#inFlight.length === 0;
  }

  /** Number of the next record to be taken. */
  get nextOrdinal(): number {
    return this.#nextOrdinal;
  }

  /** Number of the first record of the oldest batch that somebody may wait for; infinite when there is none. */
  get oldestOrdinal(): number {
    const inFlight = this.#inFlight.find((batch) => !batch.isAbandoned)?.ordinal ?? Number.POSITIVE_INFINITY;
    return Math.min(inFlight, this.#waiting[0]?.ordinal ?? this.#open?.ordinal ?? Number.POSITIVE_INFINITY);
  }

  /** Whether a batch is being filled that the record fits into. */
  hasRoomFor(key: RecordBytes, value: RecordBytes, headers: readonly RecordHeader[] | null): boolean {
    return this.#open !== null && this.#fits(key, value, headers);
  }

  /** Nothing more comes into the batch that is being filled. */
  sealOpen(): void {
    if (this.#open !== null) this.#seal();
  }

  /** Whether a producer id is needed before anything can be taken. */
  get wantsProducerId(): boolean {
    const { options, producerId } = this.#shared;
    return options.isIdempotent && !this.#session.hasBegun && producerId === null && !this.isEmpty;
  }

  /**
   * Takes a record. Key, value and headers are encoded before this returns. `completion` comes back in `settled`. A record
   * with an `expectedEnd` is a batch of its own.
   * Throws RangeError for a timestamp that is not a safe integer; nothing is taken then.
   */
  append(
    timestamp: number,
    key: RecordBytes,
    value: RecordBytes,
    headers: readonly RecordHeader[] | null,
    completion: C | null,
    now: number,
    expectedEnd: LogEnd | null = null,
  ): void {
    const builder = this.#builder;
    if (this.#open !== null && (expectedEnd !== null || !this.#fits(key, value, headers))) this.#seal();
    const sizeBefore = this.#open === null ? 0 : builder.sizeBytes;
    const slot = builder.append(timestamp, key, value, headers);
    let batch = this.#open;
    if (batch === null) batch = this.#open = new Batch(this.#nextOrdinal, now);
    this.#nextOrdinal += 1;
    if (completion !== null) batch.complete(completion, slot, timestamp);
    const load = this.#shared.load;
    load.records += 1;
    load.bytes += builder.sizeBytes - sizeBefore;
    if (expectedEnd !== null) batch.expectedEnd = expectedEnd;
    if (expectedEnd !== null || builder.sizeBytes >= this.#batchBytes) this.#seal();
  }

  /** The next batch to put on the wire, in flight from now on; null when there is none, or its time has not come. */
  take(now: number): Batch<C> | null {
    const { options } = this.#shared;
    if (this.#isRegrouping || now < this.#retryAt) return null;
    if (options.isIdempotent && !this.#beginSession()) return null;
    if (this.#inFlight.length >= (options.isIdempotent && !this.#session.isProven ? 1 : options.maxInFlight))
      return null;
    if (this.#isOverShare()) return null;
    if (this.#session.mustRenew) {
      const doubtful = this.#waiting.findIndex((batch) => batch.isDoubtful);
      if (doubtful >= 0) return this.#send(doubtful);
      if (this.#inFlight.length > 0 || !this.#renewSession()) return null;
    }
    if (this.#waiting.length === 0) {
      if (!this.#isRipe(now)) return null;
      this.#seal();
    }
    return this.#send(0);
  }

  /** A broker's answer to a batch that was taken. */
  onAnswer(batch: Batch<C>, answer: Answer, now: number): void {
    this.#land(batch);
    if (answer.kind === "acked") this.#onAcked(batch, answer);
    else this.#onRefused(batch, answer, now);
    this.#endRegrouping();
  }

  /** The stream that carried the batch is gone, and no answer will come. */
  onLost(batch: Batch<C>, error: ErrorRow): void {
    this.#land(batch);
    batch.isDoubtful = true;
    batch.lastError = error;
    if (batch.isAbandoned) this.#session.onLeft(batch);
    else this.#again(batch);
    this.#endRegrouping();
  }

  /** Lets go of what has waited too long. */
  expire(now: number): void {
    const oldest = now - this.#shared.options.deliveryTimeoutMs;
    for (const batch of this.#inFlight) {
      if (batch.createdAt > oldest) break;
      if (batch.isAbandoned) continue;
      batch.isAbandoned = true;
      this.#settle(batch, { kind: "expired", mayBeWritten: true, lastError: batch.lastError });
    }
    while (this.#waiting.length > 0) {
      const batch = this.#waiting[0];
      if (batch === undefined || batch.createdAt > oldest) break;
      this.#waiting.shift();
      this.#settle(batch, { kind: "expired", mayBeWritten: batch.isDoubtful, lastError: batch.lastError });
      this.#session.onLeft(batch);
    }
    if (this.#open !== null && this.#open.createdAt <= oldest) this.#discardOpen("expired");
  }

  /** Lets go of everything: the producer closes. Batches in flight are told as "may be written". */
  drop(): void {
    for (const batch of this.#inFlight) {
      if (!batch.isAbandoned) this.#settle(batch, { kind: "dropped", mayBeWritten: true, lastError: batch.lastError });
      batch.isAbandoned = true;
    }
    for (const batch of this.#waiting.splice(0)) {
      this.#settle(batch, { kind: "dropped", mayBeWritten: batch.isDoubtful, lastError: batch.lastError });
    }
    if (this.#open !== null) this.#discardOpen("dropped");
  }

  /** Fails what is not on its way, for a reason that will not pass (the topic does not exist). */
  refuseWaiting(row: ErrorRow, message: string): void {
    this.sealOpen();
    for (const batch of this.#waiting.splice(0)) {
      this.#settle(batch, { kind: "refused", row, message, mayBeWritten: batch.isDoubtful });
      this.#session.onLeft(batch);
    }
  }

  /** Monotonic ms at which `take` or `expire` may have something to do without any other event. */
  wakeAt(now: number): number {
    const { deliveryTimeoutMs } = this.#shared.options;
    const hasWork = this.#waiting.length > 0 || this.#open !== null;
    let at = Number.POSITIVE_INFINITY;
    if (hasWork && now < this.#retryAt) at = this.#retryAt;
    else if (this.#waiting.length === 0 && this.#open !== null && !this.#isRipe(now))
      at = this.#open.createdAt + this.#lingerMs();
    const inFlight = this.#inFlight.find((batch) => !batch.isAbandoned);
    const oldest = Math.min(
      inFlight?.createdAt ?? Number.POSITIVE_INFINITY,
      this.#waiting[0]?.createdAt ?? this.#open?.createdAt ?? Number.POSITIVE_INFINITY,
    );
    return Math.min(at, oldest + deliveryTimeoutMs);
  }

  // ---- filling

  #fits(key: RecordBytes, value: RecordBytes, headers: readonly RecordHeader[] | null): boolean {
    const room = this.#batchBytes - this.#builder.sizeBytes;
    if (headers === null && RECORD_OVERHEAD_BYTES + bytesAtMost(key) + bytesAtMost(value) <= room) return true;
    return this.#builder.estimate(bytesExactly(key), bytesExactly(value), headers) <= room;
  }

  #lingerMs(): number {
    const { lingerMs } = this.#shared.options;
    return lingerMs === "adaptive" ? ADAPTIVE_LINGER_MS : lingerMs;
  }

  #isRipe(now: number): boolean {
    if (this.#open === null) return false;
    const { options, isFlushing } = this.#shared;
    if (isFlushing || (options.lingerMs === "adaptive" && this.#inFlight.length === 0)) return true;
    return now - this.#open.createdAt >= this.#lingerMs();
  }

  /** The open batch becomes the last of those that wait. */
  #seal(): void {
    const batch = this.#open;
    assert(batch !== null, "only an open batch is sealed");
    const builder = this.#builder;
    batch.recordsCount = builder.recordsCount;
    batch.sizeBytes = builder.sizeBytes;
    const { codec } = this.#shared.options;
    const stamp = this.#session.predict(batch.recordsCount);
    batch.stamp = stamp;
    batch.records =
      stamp === null
        ? builder.build({ codec })
        : builder.build({
            codec,
            producerId: stamp.producerId,
            producerEpoch: stamp.epoch,
            baseSequence: stamp.sequence,
          });
    this.#open = null;
    this.#waiting.push(batch);
  }

  #discardOpen(kind: "expired" | "dropped"): void {
    const batch = this.#open;
    assert(batch !== null, "only an open batch is discarded");
    batch.recordsCount = this.#builder.recordsCount;
    batch.sizeBytes = this.#builder.sizeBytes;
    this.#builder.reset();
    this.#open = null;
    this.#settle(batch, { kind, mayBeWritten: false, lastError: null });
  }

  // ---- sending

  /** Large batches of one partition, whose leader is slow, leave room on the stream for its neighbours. */
  #isOverShare(): boolean {
    let bytes = 0;
    for (const { records } of this.#inFlight) bytes += records.length;
    return bytes >= SHARE_BYTES;
  }

  #send(index: number): Batch<C> {
    const batch = this.#waiting[index];
    assert(batch !== undefined, "what is sent was waiting");
    this.#waiting.splice(index, 1);
    this.#session.assign(batch, this.#waiting.length === 0);
    batch.restamp();
    batch.attempts += 1;
    insertByOrdinal(this.#inFlight, batch);
    return batch;
  }

  /** Whether there is a session; begins one when a producer id is known. */
  #beginSession(): boolean {
    const { producerId } = this.#shared;
    if (!this.#session.hasBegun && producerId !== null) this.#session.begin(producerId, this.#waiting);
    return this.#session.hasBegun;
  }

  /** Nothing is in flight and nothing doubtful. False: another producer id is needed. */
  #renewSession(): boolean {
    const { producerId } = this.#session;
    if (this.#session.renew(this.#waiting)) return true;
    if (this.#shared.producerId?.id === producerId) this.#shared.producerId = null;
    return this.#beginSession();
  }

  // ---- answers

  #onAcked(batch: Batch<C>, outcome: Acked): void {
    this.#failures = 0;
    this.#session.onAcked(batch);
    for (const other of this.#waiting) {
      if (other.ordinal > batch.ordinal) break;
      // Whatever it was answered: under another identity it would be double.
      if (this.#session.hasPassed(other)) other.isDoubtful = true;
    }
    if (!batch.isAbandoned) this.#settle(batch, outcome);
    // Sent once and answered: it was copied to the wire. A stream that was given up may still hold an earlier attempt.
    if (batch.attempts === 1) this.#shared.memory.give(batch.takeRecords());
  }

  #onRefused(batch: Batch<C>, { row, message, isUnwritten, logEnd = null }: Refused, now: number): void {
    const { isIdempotent, codec } = this.#shared.options;
    const fate = fateOf(row, isIdempotent, batch.expectedEnd !== null);
    batch.lastError = message === "" ? row : { ...row, text: message };
    if (fate.mayBeWritten && !isUnwritten) batch.isDoubtful = true;
    if (fate.kind === "acked-unseen") return this.#onAcked(batch, ACKED_UNSEEN);
    if (batch.isAbandoned) return this.#session.onLeft(batch);
    // Halves of a batch that is in the log would be new batches to the broker, and double.
    if (fate.kind === "split" && batch.recordsCount > 1 && !batch.isDoubtful) return this.#split(batch, codec);
    if (fate.kind === "sequence") return this.#onSequenceError(batch, row, now);
    if (fate.kind === "retry") {
      this.#again(batch);
      return this.#backOff(now);
    }
    this.#settle(batch, { kind: "refused", row, message, mayBeWritten: batch.isDoubtful, logEnd });
    this.#session.onLeft(batch);
  }

  /** 3. of the session's header: the batch was not appended, because its number is not the next one there. */
  #onSequenceError(batch: Batch<C>, row: ErrorRow, now: number): void {
    if (this.#isBehindOthers(batch)) return this.#again(batch);
    if (this.#session.hasPassed(batch)) {
      return this.#settle(batch, { kind: "expired", mayBeWritten: true, lastError: row });
    }
    if (batch.isDoubtful && this.#session.hasOpenGap) {
      this.#settle(batch, { kind: "expired", mayBeWritten: true, lastError: row });
      return this.#session.onLeft(batch);
    }
    batch.isDoubtful = false;
    this.#session.onBroken({ isFenced: fateOf(row, true).isFenced });
    this.#again(batch);
    this.#backOff(now);
  }

  /** Whether an earlier batch, whose turn it is first, explains a sequence error. */
  #isBehindOthers(batch: Batch<C>): boolean {
    const isFirst = (other: Batch<C>): boolean => other.ordinal < batch.ordinal;
    if (this.#inFlight.some(isFirst)) return true;
    return this.#waiting.some(
      (other) => isFirst(other) && other.identity !== null && (!this.#session.mustRenew || other.isDoubtful),
    );
  }

  #split(batch: Batch<C>, codec: CodecId): void {
    const { load } = this.#shared;
    this.#batchBytes = Math.max(Math.min(this.#batchBytes, Math.ceil(batch.sizeBytes / 2)), 1);
    load.bytes -= batch.sizeBytes;
    for (const half of splitBatch(batch, codec)) {
      load.bytes += half.sizeBytes;
      this.#again(half);
    }
  }

  /** Back among those that wait, at its place. */
  #again(batch: Batch<C>): void {
    insertByOrdinal(this.#waiting, batch);
    this.#isRegrouping = true;
  }

  #backOff(now: number): void {
    const { retry, random } = this.#shared.options;
    this.#failures += 1;
    this.#retryAt = Math.max(this.#retryAt, now + backoffMs(retry, this.#failures, random()));
  }

  #endRegrouping(): void {
    if (this.#inFlight.length === 0) this.#isRegrouping = false;
  }

  /** Off the wire. */
  #land(batch: Batch<C>): void {
    const index = this.#inFlight.indexOf(batch);
    assert(index >= 0, "an answer is for a batch in flight");
    this.#inFlight.splice(index, 1);
  }

  #settle(batch: Batch<C>, outcome: Outcome): void {
    const { load, settled } = this.#shared;
    load.records -= batch.recordsCount;
    load.bytes -= batch.sizeBytes;
    settled.push({ topic: this.topic, partition: this.partition, batch, outcome });
  }
}

function insertByOrdinal<C>(list: Batch<C>[], batch: Batch<C>): void {
  let at = list.length;
  while (at > 0 && (list[at - 1]?.ordinal ?? -1) > batch.ordinal) at -= 1;
  list.splice(at, 0, batch);
}

function bytesAtMost(bytes: RecordBytes): number {
  if (bytes === null) return 0;
  return typeof bytes === "string" ? bytes.length * UTF8_BYTES_PER_CHARACTER_MAX : bytes.length;
}

function bytesExactly(bytes: RecordBytes): number {
  if (bytes === null) return 0;
  return typeof bytes === "string" ? Buffer.byteLength(bytes) : bytes.length;
}
