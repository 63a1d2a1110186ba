/**
 * The clients of a chaos run: idempotent producers with acks=all and readers that follow, from the first moment to the last,
 * writing down what they did and what they were told. Each record is a number and some ballast.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { BrokerError, Client, codecs, type Producer, topic } from "@tidemark/client";
import { History, type SendHandle } from "@tidemark/broker/sim";
import { LivenessFailure } from "./cluster.ts";

const BALLAST_MAX_BYTES = 2_048;
/** Of a record that only fills a partition. */
const FILLER_BYTES = 65_536;
/** Longer than any fault lasts: a record whose time is over would end a producer's run for no fault of the cluster's. */
const DELIVERY_MS = 300_000;
const NUMBER_BYTES = 8;

export interface WorkloadOptions {
  readonly bootstrap: readonly string[];
  readonly topic: string;
  readonly partitionsCount: number;
  readonly producersCount: number;
  readonly readersCount: number;
  /** Of all producers together. */
  readonly recordsPerSecond: number;
  /** Of one record, beside its number; some have less. */
  readonly ballastMaxBytes?: number;
  readonly onTrouble: (message: string) => void;
}

export class Workload {
  readonly history = new History();
  readonly #options: WorkloadOptions;
  readonly #clients: Client[] = [];
  readonly #stopProducing = new AbortController();
  readonly #stopReading = new AbortController();
  #producing: Promise<void>[] = [];
  #reading: Promise<void>[] = [];
  #nextValue = 0;
  #acknowledged: number[] = [];
  #delivered: number[] = [];
  #lastAcknowledgedAt = performance.now();
  #longestSilenceMs = 0;
  /** By producer: when it was last acknowledged something; null: not yet. */
  #acknowledgedAt: (number | null)[] = [];
  #longestPauseMs = 0;

  constructor(options: WorkloadOptions) {
    this.#options = options;
  }

  get acknowledgedCount(): number {
    return sum(this.#acknowledged);
  }

  get deliveredCount(): number {
    return sum(this.#delivered);
  }

  /** The longest time in which nothing at all was acknowledged. */
  get longestSilenceMs(): number {
    return this.#longestSilenceMs;
  }

  /** The longest time in which one of the producers was acknowledged nothing, since this was last asked. */
  takeLongestPauseMs(): number {
    const now = performance.now();
    // One that stands still now has paused until now.
    const pauses = this.#acknowledgedAt.map((at) => (at === null ? 0 : now - at));
    const longest = Math.max(this.#longestPauseMs, ...pauses);
    this.#longestPauseMs = 0;
    return longest;
  }

  /** Before the start: so much in every partition. */
  async fill(bytesPerPartition: number): Promise<void> {
    const { partitionsCount, topic: name } = this.#options;
    await using producer = this.#client().producer({ deliveryTimeout: DELIVERY_MS });
    for (let round = 0; round * FILLER_BYTES < bytesPerPartition; round++) {
      for (let partition = 0; partition < partitionsCount; partition++) {
        const value = this.#nextValue++;
        const bytes = Buffer.alloc(Math.min(FILLER_BYTES, bytesPerPartition));
        bytes.writeDoubleBE(value);
        const startedAt = performance.now();
        const handle = this.history.begin({ producer: 0, topic: name, partition, value, startedAt, isDurable: true });
        const done = (error: Error | null, offset: number): void =>
          this.history.complete(handle, error === null ? "ok" : "info", performance.now(), offset);
        while (
          !producer.enqueue(this.#topic, { partition, value: bytes }, (error, metadata) =>
            done(error, metadata?.offset ?? -1),
          )
        )
          await producer.ready();
      }
    }
    await producer.flush();
  }

  start(): void {
    const { producersCount, readersCount } = this.#options;
    this.#acknowledged = Array.from({ length: producersCount }, () => 0);
    this.#delivered = Array.from({ length: readersCount }, () => 0);
    this.#lastAcknowledgedAt = performance.now();
    this.#acknowledgedAt = this.#acknowledged.map(() => null);
    this.#producing = this.#acknowledged.map((_, producer) => this.#produce(producer));
    this.#reading = this.#delivered.map((_, reader) => this.#read(reader));
  }

  /** Resolves when every producer was acknowledged and every reader was shown something after this was asked. */
  async untilAllMoved(limitMs: number): Promise<void> {
    const acknowledged = [...this.#acknowledged];
    const delivered = [...this.#delivered];
    const limit = performance.now() + limitMs;
    for (;;) {
      const stuckProducer = this.#acknowledged.findIndex((count, slot) => count <= (acknowledged[slot] ?? 0));
      const stuckReader = this.#delivered.findIndex((count, slot) => count <= (delivered[slot] ?? 0));
      if (stuckProducer < 0 && stuckReader < 0) return;
      if (performance.now() > limit) {
        const who =
          stuckProducer >= 0 ? `producer ${stuckProducer} was not acknowledged` : `reader ${stuckReader} was shown`;
        throw new LivenessFailure(`${who} anything for ${limitMs} ms in a cluster that is whole`);
      }
      await sleep(50);
    }
  }

  /** No new records; resolves when all that were handed over are answered. */
  async stopProducing(): Promise<void> {
    this.#stopProducing.abort();
    await Promise.all(this.#producing);
    this.#acknowledgedAt = [];
  }

  async stopReading(): Promise<void> {
    this.#stopReading.abort();
    await Promise.all(this.#reading);
    await Promise.all(this.#clients.map((client) => client.close({ timeout: 0 }).catch(() => undefined)));
  }

  /** Reads every partition from its start to its end as it is now. */
  async drain(): Promise<void> {
    await using client = new Client({ brokers: [...this.#options.bootstrap] });
    for (let partition = 0; partition < this.#options.partitionsCount; partition++) {
      const id = this.history.openReader({ topic: this.#options.topic, partition, kind: "drain" });
      const reader = client.reader(this.#topic, { partitions: [partition], from: "earliest", to: "end" });
      for await (const { offset, value } of reader) this.history.delivered(id, offset, numberOf(value));
    }
  }

  get #topic(): ReturnType<typeof numbered> {
    return numbered(this.#options.topic);
  }

  #client(): Client {
    const client = new Client({ brokers: [...this.#options.bootstrap], timeouts: { delivery: DELIVERY_MS } });
    this.#clients.push(client);
    return client;
  }

  async #produce(producer: number): Promise<void> {
    const { partitionsCount, producersCount, recordsPerSecond, onTrouble } = this.#options;
    const { signal } = this.#stopProducing;
    const client = this.#client();
    await using connection = client.producer({ deliveryTimeout: DELIVERY_MS });
    const restMs = (1_000 * producersCount) / recordsPerSecond;
    while (!signal.aborted) {
      try {
        await this.#send(connection, producer, this.#nextValue % partitionsCount);
      } catch (error: unknown) {
        onTrouble(`producer ${producer} cannot go on: ${String(error)}`);
        return;
      }
      await sleep(restMs, undefined, { signal }).catch(() => undefined);
    }
    await connection.flush().catch((error: unknown) => onTrouble(`producer ${producer}: ${String(error)}`));
  }

  async #send(connection: Producer, producer: number, partition: number): Promise<void> {
    const value = this.#nextValue++;
    const { topic: name } = this.#options;
    const { ballastMaxBytes = BALLAST_MAX_BYTES } = this.#options;
    const bytes = Buffer.alloc(NUMBER_BYTES + ((value * 7_919) % ballastMaxBytes));
    bytes.writeDoubleBE(value);
    const startedAt = performance.now();
    let handle: SendHandle | null = null;
    const begin = (): SendHandle =>
      (handle ??= this.history.begin({ producer, topic: name, partition, value, startedAt, isDurable: true }));
    const isTaken = connection.enqueue(this.#topic, { partition, value: bytes }, (error, metadata) => {
      const now = performance.now();
      if (error === null && metadata !== undefined) {
        this.history.complete(begin(), "ok", now, metadata.offset);
        this.#acknowledged[producer] = (this.#acknowledged[producer] ?? 0) + 1;
        this.#longestSilenceMs = Math.max(this.#longestSilenceMs, now - this.#lastAcknowledgedAt);
        this.#lastAcknowledgedAt = now;
        this.#longestPauseMs = Math.max(this.#longestPauseMs, now - (this.#acknowledgedAt[producer] ?? now));
        this.#acknowledgedAt[producer] = now;
        return;
      }
      const isUnwritten = BrokerError.is(error) && "outcome" in error && error.outcome === "not-sent";
      this.history.complete(begin(), isUnwritten ? "fail" : "info", now);
      this.#options.onTrouble(`producer ${producer}: record ${value} failed: ${String(error)}`);
    });
    if (isTaken) {
      begin();
      return;
    }
    this.#nextValue--;
    await connection.ready();
  }

  async #read(slot: number): Promise<void> {
    const { partitionsCount, topic: name, onTrouble } = this.#options;
    const { signal } = this.#stopReading;
    const ids = Array.from({ length: partitionsCount }, (_, partition) =>
      this.history.openReader({ topic: name, partition, kind: "assigned" }),
    );
    const reader = this.#client().reader(this.#topic, { from: "earliest", follow: true, signal });
    try {
      for await (const { partition, offset, value } of reader) {
        this.history.delivered(ids[partition] ?? -1, offset, numberOf(value));
        this.#delivered[slot] = (this.#delivered[slot] ?? 0) + 1;
      }
      if (!signal.aborted) onTrouble(`reader ${slot} came to an end`);
    } catch (error: unknown) {
      if (!signal.aborted) onTrouble(`reader ${slot} ended: ${String(error)}`);
    }
  }
}

const numbered = (name: string) => topic(name, { key: codecs.string, value: codecs.bytes });

function numberOf(value: Uint8Array | null): number {
  if (value === null || value.length < NUMBER_BYTES) return Number.MAX_SAFE_INTEGER;
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).readDoubleBE();
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
