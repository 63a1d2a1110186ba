/**
 * What reaches the user when something failed for good: retries have happened inside their budget before.
 *
 * Codes are the client column of the error table in @tidemark/proto (Kafka's names, some shortened), and the few that
 * only a client can have: they are in CLIENT_CODES below. `kafkaCode` is the broker's number where a broker answered.
 * Errors carry a `Symbol.for` brand, so that `BrokerError.is` holds across two copies of this package.
 */
import { type ErrorRow, type LogEnd, ProtoError, errorCode, errorRow, wire } from "@tidemark/proto";
import type { ConsumerRecord } from "./types.ts";

/** What failed, as a stable word. */
export type ErrorCode =
  | "UNKNOWN_TOPIC_OR_PARTITION"
  | "NOT_LEADER"
  | "OFFSET_OUT_OF_RANGE"
  | "NOT_ENOUGH_REPLICAS"
  | "RECORD_TOO_LARGE"
  | "FENCED"
  | "GROUP_REBALANCED"
  | "AUTHENTICATION_FAILED"
  | "AUTHORIZATION_FAILED"
  | "TIMEOUT"
  | "CONNECTION_LOST"
  | "BUFFER_FULL"
  | "CLOSED"
  | "CODEC"
  | "CORRUPT"
  | "UNSUPPORTED"
  | "INVALID_ARGUMENT"
  | "ABORTED"
  | "EXPECTED_OFFSET_MISMATCH"
  | (string & {});

/** What an error is about, beyond its code and message. */
export interface ErrorDetails {
  readonly cause?: unknown;
  readonly kafkaCode?: number;
  readonly grpcCode?: number;
  readonly retriable?: boolean;
  readonly broker?: number;
  readonly topic?: string;
  readonly partition?: number;
  readonly attempts?: number;
  readonly elapsedMs?: number;
  readonly hint?: string;
}

const BRAND = Symbol.for("tidemark.BrokerError");
const TRANSACTION_ABORTABLE = 120;

/** Codes that a client has of its own: whether the same call may succeed later, whether the object is done for, a hint. */
const CLIENT_CODES: ReadonlyMap<string, { retriable: boolean; fatal: boolean; hint: string }> = new Map([
  [
    "TIMEOUT",
    { retriable: true, fatal: false, hint: "Check that the brokers are up and reachable, or raise the timeout." },
  ],
  ["CONNECTION_LOST", { retriable: true, fatal: false, hint: "Check the address, and that the broker is up." }],
  ["BUFFER_FULL", { retriable: true, fatal: false, hint: "Await ready() before the next record." }],
  ["CLOSED", { retriable: false, fatal: true, hint: "Create a new client, producer or reader." }],
  ["CODEC", { retriable: false, fatal: false, hint: "Check the codec of the topic against the bytes of the record." }],
  ["INVALID_ARGUMENT", { retriable: false, fatal: false, hint: "" }],
  ["ABORTED", { retriable: false, fatal: false, hint: "" }],
  ["INTERNAL", { retriable: false, fatal: false, hint: "" }],
]);

/** Codes after which the object that threw cannot go on. */
const FATAL_CODES = new Set(["FENCED", "AUTHENTICATION_FAILED", "CLOSED"]);

/** A failure that retries could not mend. */
export class BrokerError extends Error {
  readonly code: ErrorCode;
  /** Kafka's number, where a broker answered with one. */
  readonly kafkaCode?: number;
  /** The status of the gRPC call (google.rpc.Code), where a call failed. */
  readonly grpcCode?: number;
  /** Whether the same call may succeed later. */
  readonly retriable: boolean;
  /** Whether the object that threw is done for: make a new one. */
  readonly fatal: boolean;
  /** Whether the transaction must be aborted, and only that (KIP-890). */
  readonly txAbortable: boolean;
  readonly broker?: number;
  readonly topic?: string;
  readonly partition?: number;
  /** How often it was tried. */
  readonly attempts: number;
  /** From the first try, or from the moment the record was taken, to the failure. */
  readonly elapsedMs: number;
  /** What to do about it. */
  readonly hint?: string;
  /** Where it is explained. */
  readonly docs: string;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    const known = CLIENT_CODES.get(code);
    const row = details.kafkaCode === undefined ? undefined : errorRow(details.kafkaCode);
    this.code = code;
    this.retriable = details.retriable ?? row?.retriable ?? known?.retriable ?? false;
    this.fatal = FATAL_CODES.has(code);
    this.txAbortable = details.kafkaCode === TRANSACTION_ABORTABLE;
    this.attempts = details.attempts ?? 1;
    this.elapsedMs = Math.round(details.elapsedMs ?? 0);
    this.docs = `docs/errors.md#${code.toLowerCase()}`;
    if (details.kafkaCode !== undefined) this.kafkaCode = details.kafkaCode;
    if (details.grpcCode !== undefined) this.grpcCode = details.grpcCode;
    if (details.broker !== undefined) this.broker = details.broker;
    if (details.topic !== undefined) this.topic = details.topic;
    if (details.partition !== undefined) this.partition = details.partition;
    const hint = details.hint ?? row?.hint ?? known?.hint ?? "";
    if (hint !== "") this.hint = hint;
    Object.defineProperty(this, BRAND, { value: true });
  }

  /** Whether `e` is an error of this class, of any copy of this package, and of `code` where one is given. */
  static is(e: unknown, code?: ErrorCode): e is BrokerError {
    if (typeof e !== "object" || e === null || !(BRAND in e)) return false;
    return code === undefined || ("code" in e && e.code === code);
  }

  /** Any thrown value as an error of this class. Never throws; an error of this class comes back as it is. */
  static from(e: unknown, details: ErrorDetails = {}): BrokerError {
    if (BrokerError.is(e)) return e;
    if (e instanceof ProtoError) return brokerErrorOf(errorRow(e.code), e.message, { ...details, cause: e });
    if (isCallError(e)) return fromCallError(e, details);
    if (e instanceof Error && e.name === "AbortError")
      return new BrokerError("ABORTED", e.message, { ...details, cause: e });
    return new BrokerError("INTERNAL", e instanceof Error ? e.message : describe(e), { ...details, cause: e });
  }

  /** Everything but the stack, ready for a log line. */
  toJSON(): object {
    const {
      name,
      message,
      code,
      kafkaCode,
      grpcCode,
      retriable,
      fatal,
      broker,
      topic,
      partition,
      attempts,
      elapsedMs,
      hint,
      docs,
    } = this;
    return {
      name,
      message,
      code,
      kafkaCode,
      grpcCode,
      retriable,
      fatal,
      broker,
      topic,
      partition,
      attempts,
      elapsedMs,
      hint,
      docs,
    };
  }
}

/**
 * Time ran out. `outcome` says whether a write may have happened: "not-sent": it has not and will not; "unknown": it was
 * on its way, and may be in the log, or may yet get there.
 */
export class TimeoutError extends BrokerError {
  readonly outcome: "not-sent" | "unknown";

  constructor(message: string, outcome: "not-sent" | "unknown", details: ErrorDetails = {}) {
    super("TIMEOUT", message, details);
    this.outcome = outcome;
  }

  override toJSON(): object {
    return { ...super.toJSON(), outcome: this.outcome };
  }
}

/**
 * The log did not end where `send` expected it to: somebody else wrote first, and of this nothing was written. Sent again
 * with `logEndOffset` it is compared anew (semantics 15.5).
 */
export class ExpectedOffsetError extends BrokerError {
  /** Where the partition's log ended: what the next record would get. */
  readonly logEndOffset: number;
  /** Of the leader that compared. */
  readonly leaderEpoch: number;

  constructor(message: string, { offset, leaderEpoch }: LogEnd, details: ErrorDetails = {}) {
    const name = "EXPECTED_OFFSET_MISMATCH";
    super(name, message, { ...details, kafkaCode: errorCode(name) });
    this.logEndOffset = offset;
    this.leaderEpoch = leaderEpoch;
  }

  override toJSON(): object {
    const { logEndOffset, leaderEpoch } = this;
    return { ...super.toJSON(), logEndOffset, leaderEpoch };
  }
}

/** A newer one has taken this one's place. */
export class FencedError extends BrokerError {}

/** Not known, or not allowed. */
export class AuthError extends BrokerError {}

/** A codec could not encode a value, or not decode the bytes of a record. */
export class CodecError extends BrokerError {
  /** The record that could not be decoded, its key and value as bytes. Absent when encoding failed. */
  readonly record?: ConsumerRecord;

  constructor(message: string, details: ErrorDetails & { record?: ConsumerRecord } = {}) {
    super("CODEC", message, details);
    if (details.record !== undefined) this.record = details.record;
  }
}

/** The error for a row of the error table, of the class that its code has. */
export function brokerErrorOf(row: ErrorRow, message: string, details: ErrorDetails = {}): BrokerError {
  const text = message === "" ? row.text : message;
  const all = { ...details, kafkaCode: row.code };
  switch (row.clientCode) {
    case "FENCED":
      return new FencedError("FENCED", text, all);
    case "AUTHENTICATION_FAILED":
    case "AUTHORIZATION_FAILED":
      return new AuthError(row.clientCode, text, all);
    case "TIMEOUT":
      return new TimeoutError(text, "unknown", all);
    default:
      return new BrokerError(row.clientCode, text, all);
  }
}

/** A call that can never succeed as it stands. */
export function invalidArgument(message: string, details: ErrorDetails = {}): BrokerError {
  return new BrokerError("INVALID_ARGUMENT", message, details);
}

/** The object was closed, before or during the call. */
export function closedError(what: string): BrokerError {
  return new BrokerError("CLOSED", `the ${what} is closed`);
}

/** The caller's signal was aborted. */
export function abortedError(signal: AbortSignal, what: string): BrokerError {
  return new BrokerError("ABORTED", `${what} was aborted`, { cause: signal.reason });
}

/** What grpc-js hands to a callback or an `error` event. */
interface CallError {
  readonly code: number;
  readonly details: string;
  readonly metadata?: { get(key: string): unknown[] };
}

function isCallError(e: unknown): e is Error & CallError {
  return (
    e instanceof Error && "code" in e && typeof e.code === "number" && "details" in e && typeof e.details === "string"
  );
}

/** The coded error in the trailer, when the broker sent one; else what the status itself tells. */
function fromCallError(e: Error & CallError, details: ErrorDetails): BrokerError {
  const all = { ...details, grpcCode: e.code, cause: e };
  const trailer = e.metadata?.get("tidemark-error-bin")[0];
  if (Buffer.isBuffer(trailer)) {
    try {
      const detail = wire.errorDetail.decode(trailer);
      const place = {
        ...(detail.topic === "" ? {} : { topic: detail.topic }),
        ...(detail.partition < 0 ? {} : { partition: detail.partition }),
      };
      return brokerErrorOf(errorRow(detail.code), detail.message, { ...all, ...place, retriable: detail.retriable });
    } catch {
      // A trailer that cannot be read tells nothing; the status still does.
    }
  }
  return byStatus(e, all);
}

/** Statuses that do not name a row by themselves: a transport that failed looks like any of the first group. */
function byStatus(e: CallError, details: ErrorDetails): BrokerError {
  switch (e.code) {
    case 4: // DEADLINE_EXCEEDED
      // grpc-js tells of its own stages; that there was no connection yet is what matters of them.
      return /Waiting for LB pick|waiting for name resolution/.test(e.details)
        ? new TimeoutError("no connection was made in time", "not-sent", details)
        : new TimeoutError("the broker did not answer in time", "unknown", details);
    case 3: // INVALID_ARGUMENT
      return invalidArgument(e.details, details);
    case 7: // PERMISSION_DENIED
      return new AuthError("AUTHORIZATION_FAILED", e.details, details);
    case 16: // UNAUTHENTICATED
      return new AuthError("AUTHENTICATION_FAILED", e.details, details);
    case 8: // RESOURCE_EXHAUSTED: a message above a size limit of either side
      return new BrokerError("RECORD_TOO_LARGE", e.details, details);
    case 12: // UNIMPLEMENTED
      return new BrokerError("UNSUPPORTED", e.details, details);
    default:
      return new BrokerError("CONNECTION_LOST", connectionStory(e.details), details);
  }
}

/** Why there is no connection, without what grpc-js puts around it: the reason is what a person looks for. */
function connectionStory(told: string): string {
  if (told === "") return "the connection was lost";
  const reason = /^No connection established\. Last error: (?:Error: )?(.+?)(?: \([^()]*Z\))?\. Resolution note:/s.exec(
    told,
  );
  return reason?.[1] ?? told;
}

function describe(e: unknown): string {
  try {
    return String(e);
  } catch {
    return "a value that has no text was thrown";
  }
}
