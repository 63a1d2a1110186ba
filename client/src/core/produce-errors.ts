/** What a broker's refusal of a batch means for a producer (semantics 8.2 and 11.1). */
import type { ErrorName, ErrorRow } from "@tidemark/proto";
import type { Acked } from "./batch.ts";

export interface Fate {
  /**
   * retry: the same batch, later. split: the same records in smaller batches. sequence: not appended, because its number
   * is not the next one. final: told to the user. acked-unseen: it is in the log, nobody knows where.
   */
  readonly kind: "retry" | "split" | "sequence" | "final" | "acked-unseen";
  /** It may be in the log all the same. */
  readonly mayBeWritten: boolean;
  /** The producer id is of no use any more. */
  readonly isFenced: boolean;
}

/** Refusals after which the batch may be in the log: column "written?" of semantics 8.2. */
const MAY_BE_WRITTEN: ReadonlySet<ErrorName> = new Set<ErrorName>([
  "UNKNOWN_SERVER_ERROR",
  "REQUEST_TIMED_OUT",
  "NOT_LEADER_OR_FOLLOWER",
  "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
  "KAFKA_STORAGE_ERROR",
  "NETWORK_EXCEPTION",
]);
const TOO_LARGE: ReadonlySet<ErrorName> = new Set<ErrorName>(["MESSAGE_TOO_LARGE", "RECORD_LIST_TOO_LARGE"]);
const SEQUENCE: ReadonlySet<ErrorName> = new Set<ErrorName>(["OUT_OF_ORDER_SEQUENCE_NUMBER", "UNKNOWN_PRODUCER_ID"]);
const FENCED: ReadonlySet<ErrorName> = new Set<ErrorName>(["INVALID_PRODUCER_EPOCH", "PRODUCER_FENCED"]);

/** `isExpecting`: the batch names the leader epoch it is for; one that is over does not come back (15.5). */
export function fateOf(row: ErrorRow, isIdempotent: boolean, isExpecting = false): Fate {
  const isFenced = isIdempotent && FENCED.has(row.name);
  const isOver = isExpecting && row.name === "FENCED_LEADER_EPOCH";
  return {
    kind: isOver ? "final" : kindOf(row, isIdempotent, isFenced),
    mayBeWritten: MAY_BE_WRITTEN.has(row.name),
    isFenced,
  };
}

function kindOf(row: ErrorRow, isIdempotent: boolean, isFenced: boolean): Fate["kind"] {
  if (isFenced || (isIdempotent && SEQUENCE.has(row.name))) return "sequence";
  if (isIdempotent && row.name === "DUPLICATE_SEQUENCE_NUMBER") return "acked-unseen";
  if (TOO_LARGE.has(row.name)) return "split";
  return row.retriable ? "retry" : "final";
}

/** The answer of a broker that knows a batch but not its offsets. */
export const ACKED_UNSEEN: Acked = { kind: "acked", baseOffset: -1, logAppendTime: -1, isDuplicate: true };
