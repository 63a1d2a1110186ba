/**
 * One batch on its way through a partition: made by api/produce after the batch was checked, worked on by the partition,
 * and the carrier of its own answer. One object per batch, no promise.
 *
 *     queued → (waits behind a look-up) → appended or duplicate → (being written) → (parked) → done
 *                                      ↘ refused → done
 */
import type { BatchHeader, ErrorName } from "@tidemark/proto";
import type { Ms, SharedMemory } from "../base/index.ts";
import type { KnownBatch } from "../replication/index.ts";
import type { Waiter } from "./purgatory.ts";

/** When an append is answered (8.1): `none` and `leader` written (in `fsync-each` `leader` synced), `all` below the high watermark. */
export type Acks = "none" | "leader" | "all";

/**
 * Who asked. Each is called once per task, never from inside `Partition.append`; in this order, but for an error that is
 * told while the bytes are still being written.
 */
export interface AppendOwner {
  /** The broker no longer looks at the batch's bytes: written, a duplicate, or refused (11.4, P34). */
  onAppendTaken(task: AppendTask): void;
  /** The answer is in the task. */
  onAppendDone(task: AppendTask): void;
}

/** Where a log ends, and in which leader epoch. As an expectation (15.5) an epoch of -1 is any. */
export interface LogEnd {
  readonly offset: number;
  readonly leaderEpoch: number;
}

const NO_BYTES = Buffer.alloc(0);

export class AppendTask implements Waiter {
  readonly owner: AppendOwner;
  /** Place in the owner's request. */
  readonly slot: number;
  readonly acks: Acks;
  /** On the monotonic clock: beyond it a task that waits is answered REQUEST_TIMED_OUT. */
  readonly deadline: Ms;
  /** The batch, until it is written or refused; a parked task pins no bytes. */
  bytes: Buffer;
  /** Where it lies; null: the bytes are the broker's until then and no longer. */
  memory: SharedMemory | null;
  header: BatchHeader;
  /** Compare-and-append (15.5): taken only where the log ends here. */
  readonly expectedEnd: LogEnd | null;

  /** On the monotonic clock: when the turn that worked on it last began with this partition; 0 = not yet. */
  startedAt = 0;

  // The answer.
  code: ErrorName = "NONE";
  message = "";
  /** Refused before anything of it was handed over, where the code alone leaves open whether the batch is in the log (8.2). */
  isUnwritten = false;
  /** Of EXPECTED_OFFSET_MISMATCH. */
  logEnd: LogEnd | null = null;
  baseOffset = 0;
  lastOffset = 0;
  isDuplicate = false;
  /** -1: the topic keeps the producer's time. */
  logAppendTime = -1;
  /** What the log said (11.1(2)): null = no such batch; undefined = it was not asked. */
  lookedUp: KnownBatch | null | undefined = undefined;
  isTaken = false;
  isDone = false;

  purgatorySlot = -1;
  /** Of a task in the purgatory: what it waits for. `queue`: until the log takes it in; `lookUp`: its own, or that of one before it. */
  waitsFor: "queue" | "lookUp" | "write" | "highWatermark" | "sync" = "queue";
  /** Where a parked task stands, so that its deadline can take it out. Kept by the partition. */
  onExpired: ((task: AppendTask) => void) | null = null;

  constructor(options: {
    owner: AppendOwner;
    slot: number;
    acks: Acks;
    deadline: Ms;
    bytes: Buffer;
    memory?: SharedMemory;
    header: BatchHeader;
    expectedEnd?: LogEnd | null;
  }) {
    this.owner = options.owner;
    this.slot = options.slot;
    this.acks = options.acks;
    this.deadline = options.deadline;
    this.bytes = options.bytes;
    this.memory = options.memory ?? null;
    this.header = options.header;
    this.expectedEnd = options.expectedEnd ?? null;
  }

  releaseBytes(): void {
    this.bytes = NO_BYTES;
    this.memory = null;
  }

  onDeadline(): void {
    this.onExpired?.(this);
  }
}
