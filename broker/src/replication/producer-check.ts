/**
 * The sequence check of idempotent producing (semantics 11.1; KIP-98, KIP-360): given what a partition remembers of one
 * producer, what shall happen to its next batch?
 *
 * Pure: reads two records, returns a value. It neither remembers nor looks anything up; the caller does both and asks
 * again afterwards.
 *
 * Sequences count 0 … 2^31-1 and wrap to 0 (2.3). "At or below" is therefore decided on the circle: the nearer way round.
 */
import { MAX_SEQUENCE, sequenceAfter } from "@tidemark/proto";

/** One batch that a producer has in the log. */
export interface KnownBatch {
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly baseOffset: number;
  readonly lastOffset: number;
  /** The largest of its records, or the append's where the topic keeps that. Unix ms. */
  readonly timestamp: number;
}

/** What a partition remembers of one producer. Newest batch last, at most five. */
export interface KnownProducer {
  readonly producerEpoch: number;
  /** Of its newest batch; -1: none in this epoch. */
  readonly lastSequence: number;
  /** Batches older than `batches` may lie in the log unremembered (11.1(2)). */
  readonly olderInLog: boolean;
  readonly batches: readonly KnownBatch[];
}

/** The sequence fields of the batch that arrived; a record-batch header is one. */
export interface ArrivingBatch {
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly lastSequence: number;
}

export type ProducerRefusal = "OUT_OF_ORDER_SEQUENCE_NUMBER" | "INVALID_PRODUCER_EPOCH";

export type ProducerVerdict =
  | { readonly kind: "append" }
  | { readonly kind: "duplicate"; readonly batch: KnownBatch }
  /** Only the log can tell whether this is a duplicate or a batch that never was (11.1(2)). */
  | { readonly kind: "lookUp" }
  | { readonly kind: "refuse"; readonly code: ProducerRefusal };

const SEQUENCES = MAX_SEQUENCE + 1;
const APPEND: ProducerVerdict = { kind: "append" };
const LOOK_UP: ProducerVerdict = { kind: "lookUp" };
const OUT_OF_ORDER: ProducerVerdict = { kind: "refuse", code: "OUT_OF_ORDER_SEQUENCE_NUMBER" };
const FENCED: ProducerVerdict = { kind: "refuse", code: "INVALID_PRODUCER_EPOCH" };

/** Decides on `batch`, given what is known of its producer; `undefined` = nothing, and then it may start anywhere. */
export function checkProducer(known: KnownProducer | undefined, batch: ArrivingBatch): ProducerVerdict {
  if (known === undefined) return APPEND;
  if (batch.producerEpoch < known.producerEpoch) return FENCED;
  if (batch.producerEpoch > known.producerEpoch) return batch.baseSequence === 0 ? APPEND : OUT_OF_ORDER;
  if (batch.baseSequence === sequenceAfter(known.lastSequence, 1)) return APPEND;

  // Newest first: a retry is nearly always of one of the last few batches.
  for (let i = known.batches.length - 1; i >= 0; i--) {
    const candidate = known.batches[i];
    if (
      candidate !== undefined &&
      candidate.firstSequence === batch.baseSequence &&
      candidate.lastSequence === batch.lastSequence
    ) {
      return { kind: "duplicate", batch: candidate };
    }
  }
  if (known.olderInLog && isAtOrBelow(batch.baseSequence, known.lastSequence)) return LOOK_UP;
  return OUT_OF_ORDER;
}

function isAtOrBelow(sequence: number, reference: number): boolean {
  return reference >= 0 && (reference - sequence + SEQUENCES) % SEQUENCES < SEQUENCES / 2;
}
