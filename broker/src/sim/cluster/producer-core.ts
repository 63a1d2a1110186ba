/**
 * The SDK's producer between `send` and a broker's answer, as the simulation drives it: shapes of client/src/core, whose code is handed
 * in. `C` is who waits for a record.
 */
import type { CodecId, ErrorRow } from "@tidemark/proto";

export interface ProducerCore<C> {
  readonly load: { readonly records: number };
  readonly wantsProducerId: boolean;
  topic(name: string): ProducerTopic<C>;
  /** Queues with something to do. */
  queues(): readonly ProducerQueue<C>[];
  onPartitions(topic: string, count: number, refusal: ErrorRow): void;
  setProducerId(id: number, epoch: number): void;
  expire(now: number): void;
  /** Monotonic ms. */
  wakeAt(now: number): number;
  takeSettled(): readonly ProducerSettled<C>[];
}

export interface ProducerTopic<C> {
  append(
    partition: number,
    timestamp: number,
    key: string | null,
    value: string,
    headers: null,
    completion: C,
    now: number,
  ): boolean;
}

export interface ProducerQueue<C> {
  readonly topic: string;
  readonly partition: number;
  /** The next batch to put on the wire; null: none now. */
  take(now: number): ProducerBatch<C> | null;
  onAnswer(batch: ProducerBatch<C>, answer: ProducerAnswer, now: number): void;
  /** No answer will come. */
  onLost(batch: ProducerBatch<C>, error: ErrorRow): void;
}

export interface ProducerBatch<C> {
  readonly records: Buffer;
  readonly completions: readonly C[];
  slotOf(index: number): number;
}

export type ProducerAnswer =
  | {
      readonly kind: "acked";
      readonly baseOffset: number;
      readonly logAppendTime: number;
      readonly isDuplicate: boolean;
    }
  | { readonly kind: "refused"; readonly row: ErrorRow; readonly message: string; readonly isUnwritten: boolean };

export interface ProducerSettled<C> {
  readonly batch: ProducerBatch<C>;
  readonly outcome:
    | { readonly kind: "acked"; readonly baseOffset: number }
    | { readonly kind: "refused" | "expired" | "dropped"; readonly mayBeWritten: boolean };
}

export interface ProducerCoreOptions {
  readonly batchBytes: number;
  readonly lingerMs: number | "adaptive";
  readonly maxInFlight: number;
  readonly isIdempotent: boolean;
  readonly codec: CodecId;
  readonly deliveryTimeoutMs: number;
  /** In [0, 1). */
  readonly random: () => number;
}

export type MakeProducerCore = <C>(options: ProducerCoreOptions) => ProducerCore<C>;
