/**
 * Telling those who wait for records what came of them. Answers come per batch; a completion exists only for a record that
 * somebody asked about, so that records without one cost nothing here.
 */
import type { Outcome, Settled } from "../core/batch.ts";
import { BrokerError, brokerErrorOf, ExpectedOffsetError, TimeoutError } from "../errors.ts";
import type { RecordMetadata } from "../types.ts";

export type OnDone = (error: BrokerError | null, metadata?: RecordMetadata) => void;

/** Settles the promise that `send` returned; given a promise that rejects, it rejects. */
export type Resolve = (metadata: RecordMetadata | Promise<RecordMetadata>) => void;

/** A callback that was given to `enqueue`. */
export class Told {
  readonly onDone: OnDone;

  constructor(onDone: OnDone) {
    this.onDone = onDone;
  }
}

/** A bare function is a Resolve: the commonest completion is no object at all. */
export type Completion = Resolve | Told;

let captured: Resolve | null = null;
const capture = (resolve: Resolve): void => {
  captured = resolve;
};

/** A promise and the function that settles it, without a closure: this runs for every record that is sent. */
export function newPromise(): { readonly promise: Promise<RecordMetadata>; readonly resolve: Resolve } {
  const promise = new Promise<RecordMetadata>(capture);
  if (captured === null) throw new Error("a promise runs its executor at once");
  return { promise, resolve: captured };
}

/** Ends a completion with an error. */
export function refuse(completion: Completion, error: BrokerError): void {
  if (typeof completion === "function") completion(Promise.reject(error));
  else call(completion.onDone, error);
}

/** Tells everybody who asked about a record of the batch. Returns the error, if it is one. */
export function complete(settled: Settled<Completion>, now: number): BrokerError | null {
  const { topic, partition, batch, outcome } = settled;
  const { completions } = batch;
  if (outcome.kind !== "acked") {
    const error = errorOf(settled, outcome, now);
    for (const completion of completions) refuse(completion, error);
    return error;
  }
  const { timestamps } = batch;
  const { baseOffset, logAppendTime, isDuplicate } = outcome;
  for (let index = 0; index < completions.length; index += 1) {
    const completion = completions[index];
    const metadata = {
      topic,
      partition,
      offset: baseOffset < 0 ? -1 : baseOffset + batch.slotOf(index),
      timestamp: logAppendTime < 0 ? (timestamps[index] ?? -1) : logAppendTime,
      duplicate: isDuplicate,
    };
    if (typeof completion === "function") completion(metadata);
    else if (completion !== undefined) call(completion.onDone, null, metadata);
  }
  return null;
}

/** A callback that throws must not keep the others from being told: its error becomes an uncaught one. */
function call(onDone: OnDone, error: BrokerError | null, metadata?: RecordMetadata): void {
  try {
    onDone(error, metadata);
  } catch (thrown: unknown) {
    queueMicrotask(() => {
      throw thrown;
    });
  }
}

function errorOf(settled: Settled<Completion>, outcome: Exclude<Outcome, { kind: "acked" }>, now: number): BrokerError {
  const { topic, batch } = settled;
  const place = settled.partition < 0 ? topic : `${topic}-${settled.partition}`;
  const details = {
    topic,
    attempts: batch.attempts,
    elapsedMs: now - batch.createdAt,
    ...(settled.partition < 0 ? {} : { partition: settled.partition }),
  };
  if (outcome.kind === "refused") {
    const message = outcome.message === "" ? outcome.row.text : outcome.message;
    const told = outcome.mayBeWritten ? `${message} (an earlier attempt may be in the log)` : message;
    const { row, logEnd } = outcome;
    if (logEnd !== undefined && logEnd !== null) return new ExpectedOffsetError(told, logEnd, details);
    return brokerErrorOf(row, told, details);
  }
  const last = outcome.lastError;
  const reason = last === null ? "" : `; the last failure was ${last.name}: ${last.text}`;
  const isOne = batch.recordsCount === 1;
  const fate = outcome.mayBeWritten ? "may or may not be in the log" : `${isOne ? "was" : "were"} not written`;
  const what = outcome.kind === "dropped" ? "the producer was closed" : "time ran out";
  return new TimeoutError(
    `${what}: ${batch.recordsCount} ${isOne ? "record" : "records"} for ${place} ${fate}${reason}`,
    outcome.mayBeWritten ? "unknown" : "not-sent",
    {
      ...details,
      ...(last === null ? {} : { kafkaCode: last.code }),
    },
  );
}
