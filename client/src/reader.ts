/**
 * The reader: the records of a topic from somewhere to somewhere, in order per partition, without a group and without
 * commits. It is its own iterator: `next` hands records out of a decoded batch, and waits only when none is there. It
 * reads ahead as far as its credit goes, and goes on where it was when a broker comes back.
 *
 * A reader reads once: all loops over it share one position. Leaving a loop early closes it.
 */
import { abortedError, BrokerError } from "./errors.ts";
import { ReadSession } from "./read/read-session.ts";
import type { Place } from "./read/read-record.ts";
import { readerSettingsOf } from "./read/reader-settings.ts";
import { RecordDecoder } from "./read/record-decoder.ts";
import type { Cluster } from "./transport/cluster.ts";
import type { ConsumerRecord, ReaderOptions, TopicDef } from "./types.ts";

type Result<R> = IteratorResult<R, undefined>;

interface Waiting<R> {
  readonly resolve: (result: Result<R> | Promise<Result<R>>) => void;
  readonly reject: (error: BrokerError) => void;
}

export class Reader<K, V> implements AsyncIterable<ConsumerRecord<K, V>>, AsyncDisposable {
  readonly #topic: string;
  readonly #session: ReadSession;
  readonly #decoder: RecordDecoder<K, V>;
  readonly #signal: AbortSignal | undefined;
  readonly #onClosed: () => void;
  #place: Place | null = null;
  #isStarted = false;
  #isOver = false;
  /** Told to the next who asks, once. */
  #failure: BrokerError | null = null;
  /** Calls of next() that came before their record. */
  readonly #waiting: Waiting<ConsumerRecord<K, V>>[] = [];

  /** Made by `Client.reader()`. */
  constructor(deps: {
    readonly cluster: Cluster;
    readonly topic: TopicDef<K, V>;
    readonly options: ReaderOptions;
    readonly onClosed: () => void;
  }) {
    this.#topic = deps.topic.name;
    this.#decoder = new RecordDecoder(deps.topic);
    this.#signal = deps.options.signal;
    this.#onClosed = deps.onClosed;
    this.#session = new ReadSession({
      cluster: deps.cluster,
      topic: deps.topic.name,
      settings: readerSettingsOf(deps.options),
      onNews: () => this.#onNews(),
    });
  }

  /**
   * The records. `next` rejects with BrokerError (OFFSET_OUT_OF_RANGE, UNKNOWN_TOPIC_OR_PARTITION, CORRUPT and others),
   * with CodecError for a record that cannot be decoded, and with ABORTED; the reader is closed then.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<ConsumerRecord<K, V>> {
    const iterator: AsyncIterableIterator<ConsumerRecord<K, V>> = {
      next: () => this.#next(),
      return: () => this.close().then(() => ({ done: true, value: undefined })),
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  /** All records, in memory. For readers with an end or a limit. */
  async toArray(): Promise<ConsumerRecord<K, V>[]> {
    const records: ConsumerRecord<K, V>[] = [];
    for await (const record of this) records.push(record);
    return records;
  }

  /** Ends the reading; calls of `next` that wait end as at the end. Idempotent. */
  close(): Promise<void> {
    this.#finish(null);
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Hot: runs once per record. */
  #next(): Promise<Result<ConsumerRecord<K, V>>> {
    if (!this.#isStarted) this.#start();
    if (this.#waiting.length === 0) {
      const step = this.#step();
      if (step !== null) return step;
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
    });
  }

  /** The next result; null when it has not come yet. */
  #step(): Promise<Result<ConsumerRecord<K, V>>> | null {
    if (this.#isOver) return this.#last();
    const { buffer } = this.#session;
    try {
      const isThere = buffer.next();
      if (buffer.hasFreed) this.#session.giveBack(!isThere);
      if (isThere) {
        const record = this.#decoder.decode(this.#placeOf(), buffer.cursor);
        if (record instanceof Promise) return this.#whenDecoded(record);
        return Promise.resolve({ done: false, value: record });
      }
    } catch (error: unknown) {
      this.#finish(BrokerError.from(error, { topic: this.#topic }));
      return this.#last();
    }
    const { isDone, failure } = this.#session;
    if (!isDone && failure === null) return null;
    this.#finish(isDone ? null : failure);
    return this.#last();
  }

  #placeOf(): Place {
    const { position, leaderEpoch } = this.#session.buffer;
    const known = this.#place;
    if (known !== null && known.partition === position.partition && known.leaderEpoch === leaderEpoch) return known;
    this.#place = { topic: this.#topic, partition: position.partition, leaderEpoch };
    return this.#place;
  }

  async #whenDecoded(record: Promise<ConsumerRecord<K, V>>): Promise<Result<ConsumerRecord<K, V>>> {
    try {
      return { done: false, value: await record };
    } catch (error: unknown) {
      this.#finish(null);
      throw BrokerError.from(error);
    }
  }

  #last(): Promise<Result<ConsumerRecord<K, V>>> {
    const failure = this.#failure;
    this.#failure = null;
    return failure === null ? Promise.resolve({ done: true, value: undefined }) : Promise.reject(failure);
  }

  #start(): void {
    this.#isStarted = true;
    if (this.#isOver) return;
    if (this.#signal?.aborted === true) this.#onAbort();
    else this.#signal?.addEventListener("abort", this.#onAbort, { once: true });
    if (!this.#isOver) this.#session.start();
  }

  readonly #onAbort = (): void => {
    if (this.#signal !== undefined) this.#finish(abortedError(this.#signal, `reading ${this.#topic}`));
  };

  #onNews(): void {
    while (this.#waiting.length > 0) {
      const step = this.#step();
      if (step === null) return;
      this.#waiting.shift()?.resolve(step);
    }
  }

  #finish(failure: BrokerError | null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#failure = failure;
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#session.close();
    this.#onClosed();
    for (const { resolve } of this.#waiting.splice(0)) resolve(this.#last());
  }
}
