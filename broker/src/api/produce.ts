/**
 * Produce: record batches in, one answer per batch (semantics 3.1, 8, 11.3-11.5).
 *
 * Each batch is checked by its header and CRC, handed to its partition and answered when its acks are met; the request is
 * answered with its slowest batch, or in parts where whoever asked takes them (decision 0027): a disk that hangs, or a follower that is
 * gone, then holds up its own partition alone. Refusals are per batch and take nothing from the others. Nothing here allocates per
 * record, and the only object per batch besides its answer is the task that the partition works on.
 *
 * Records are opened only where their topic asks for it (11.3(2), open-records.ts). Not here: sequences, offsets and acks
 * are the partition's.
 */
import type { ErrorName } from "@tidemark/proto";
import { MAX_PARTITIONS_PER_REQUEST, validateProducedBatch } from "@tidemark/proto";
import type { BatchHeader } from "@tidemark/proto";
import { asMs } from "../base/index.ts";
import type { SharedMemory } from "../base/index.ts";
import { AppendTask, deadlineAfter } from "../runtime/index.ts";
import type {
  Acks,
  AppendOwner,
  LogEnd,
  Partition,
  PartitionSettings,
  RequestStats,
  RequestTimes,
  Waiter,
} from "../runtime/index.ts";
import { ApiError } from "./api-error.ts";
import type { BrokerContext } from "./broker-context.ts";
import { timeoutOf } from "./broker-context.ts";
import { mayWriteInternalTopics } from "./client.ts";
import type { ClientContext } from "./client.ts";
import { findPartition } from "./find-partition.ts";
import { leaderHint } from "./leader-hint.ts";
import type { LeaderHint } from "./leader-hint.ts";
import type { RecordsRefusal } from "./open-records.ts";
import { needsRecords, refusalOfRecords, refusalOfTime } from "./open-records.ts";

/** How long the results of a request wait for each other before those that stand are told. */
const PART_MS = 50;

export interface ProduceRequest {
  readonly acks: Acks;
  /** 0: the broker's default. */
  readonly timeoutMs: number;
  readonly partitions: readonly ProducePartition[];
  /** Where the records lie; let go once each batch is written or refused, after the call has returned. */
  readonly memory: SharedMemory;
}

export interface ProducePartition {
  readonly topic: string;
  readonly partition: number;
  /** 16 bytes, or none. */
  readonly topicId: Uint8Array;
  /** Exactly one batch. Belongs to the broker from here on: the leader sets its offset and epoch in place. */
  readonly records: Buffer;
  /** Compare-and-append (15.5): null, or left out, is anywhere. */
  readonly expectedEnd?: LogEnd | null;
}

export interface ProduceResult {
  readonly code: ErrorName;
  readonly message: string;
  readonly baseOffset: number;
  /** Unix ms; -1: the topic keeps the producer's time. */
  readonly logAppendTime: number;
  readonly logStartOffset: number;
  readonly isDuplicate: boolean;
  readonly durability: Partition["durability"] | null;
  readonly leader: LeaderHint | null;
  /** Of an error: this attempt was refused before anything of the batch was appended. */
  readonly isUnwritten: boolean;
  /** Of EXPECTED_OFFSET_MISMATCH: where the log ends instead. */
  readonly logEnd: LogEnd | null;
}

export type { RequestStats, RequestTimes };

/** In the order of the request; null: it was taken before, or is still to come. */
export type ProduceResults = readonly (ProduceResult | null)[];

/** Called once, with the results that were not told before; never before `handleProduce` has returned. */
export type ProduceDone = (results: ProduceResults, times: RequestTimes) => void;

/** Called with results that stand while others are awaited, any number of times before `ProduceDone`. */
export type ProducePart = (results: ProduceResults) => void;

/** With `onPart` the answer may come in parts. Throws ApiError INVALID_REQUEST for more partitions than a request may name: not even refusals are made in that number. */
export function handleProduce(
  context: BrokerContext,
  request: ProduceRequest,
  client: ClientContext,
  done: ProduceDone,
  onPart: ProducePart | null = null,
): void {
  const { length } = request.partitions;
  if (length > MAX_PARTITIONS_PER_REQUEST) {
    throw new ApiError(
      "INVALID_REQUEST",
      `a request names at most ${MAX_PARTITIONS_PER_REQUEST} partitions, not ${length}`,
    );
  }
  const mayPart = length > 1 && request.acks !== "none";
  new ProduceCall(context, client, request.memory, done, mayPart ? onPart : null).start(request);
}

/** One request under way. It keeps no reference to the request: a parked answer must not pin the batches' bytes. */
class ProduceCall implements AppendOwner, RequestTimes, Waiter {
  readonly #context: BrokerContext;
  readonly #client: ClientContext;
  readonly #done: ProduceDone;
  readonly #onPart: ProducePart | null;
  readonly #memory: SharedMemory;
  /** By slot; null: awaited, or taken. */
  #results: (ProduceResult | null)[] = [];
  /** By slot; null where none was found. */
  readonly #partitions: (Partition | null)[] = [];
  /** Batches without an answer, and batches whose bytes are still held. */
  #unanswered = 0;
  #untaken = 0;
  /** Held in the request budget until no batch is. */
  #bytes = 0;
  arrivedAt = 0;
  startedAt = 0;
  takenAt = 0;
  doneAt = 0;
  #hasFailed = false;
  #isStarted = false;
  /** When the results that stand are told, others or not; it waits in the purgatory for that alone. */
  deadline = asMs(0);
  purgatorySlot = -1;

  constructor(
    context: BrokerContext,
    client: ClientContext,
    memory: SharedMemory,
    done: ProduceDone,
    onPart: ProducePart | null,
  ) {
    this.#context = context;
    this.#client = client;
    this.#memory = memory;
    this.#done = done;
    this.#onPart = onPart;
  }

  start(request: ProduceRequest): void {
    const { partitions } = request;
    const { budget, clock, counters, turn } = this.#context;
    counters.produceRequests++;
    const now = clock.monotonicNow();
    this.arrivedAt = now;
    this.#unanswered = partitions.length;
    this.#untaken = partitions.length;
    this.#results = partitions.map(() => null);
    for (const { records } of partitions) this.#bytes += records.length;
    budget.take(this.#bytes);

    const malformed = malformation(partitions);
    const deadline = asMs(now + timeoutOf(request.timeoutMs));
    for (const [slot, part] of partitions.entries()) {
      if (malformed !== null) this.#refuse(slot, "INVALID_REQUEST", malformed);
      else this.#startPart(slot, part, request.acks, deadline);
    }
    this.#isStarted = true;
    // Refused to the last batch, or empty: what follows still comes after this call.
    if (this.#untaken === 0) turn.work(() => this.#giveBack());
    if (this.#unanswered === 0) turn.work(() => this.#finish());
    else if (this.#onPart !== null) this.#awaitPart();
  }

  #startPart(slot: number, part: ProducePartition, acks: Acks, deadline: AppendTask["deadline"]): void {
    const found = findPartition(this.#context, part.topic, part.partition, part.topicId);
    if (!found.ok) {
      const hint =
        found.code === "NOT_LEADER_OR_FOLLOWER"
          ? leaderHint(this.#context, this.#client, part.topic, part.partition)
          : null;
      return this.#refuse(slot, found.code, found.message, hint);
    }
    const { partition } = found;
    this.#partitions[slot] = partition;
    partition.traffic.produceRequests++;
    if (partition.settings.isInternal && !mayWriteInternalTopics(this.#client)) {
      return this.#refuse(slot, "INVALID_TOPIC_EXCEPTION", `topic "${part.topic}" is internal`);
    }
    const verdict = validateProducedBatch(part.records, { maxBytes: partition.settings.maxMessageBytes });
    if (!verdict.ok) return this.#refuse(slot, verdict.error, verdict.message);
    const { header } = verdict;
    if (header.isTransactional)
      return this.#refuse(slot, "INVALID_TXN_STATE", "the batch belongs to a transaction that was not begun here");
    const refusal = this.#refusalOfContent(partition.settings, header, part.records);
    if (refusal !== null) return this.#refuse(slot, refusal.code, refusal.message);
    const memory = this.#memory;
    const { records: bytes, expectedEnd = null } = part;
    const task = new AppendTask({ owner: this, slot, acks, deadline, bytes, memory, header, expectedEnd });
    const { faults } = this.#context;
    if (faults?.divertAppend(part, task, partition) !== true) partition.append(task);
  }

  /** Times, by the header where that says enough (11.5), and the records where their topic wants them looked at. */
  #refusalOfContent(settings: PartitionSettings, header: BatchHeader, records: Buffer): RecordsRefusal | null {
    const { clock, config } = this.#context;
    const now = clock.wallNow();
    const message = settings.isLogAppendTime ? null : refusalOfTime(header.maxTimestamp, settings, now);
    if (message !== null) return { code: "INVALID_TIMESTAMP", message };
    return needsRecords(settings)
      ? refusalOfRecords(records, settings, now, config.current.decompressedMaxBytes)
      : null;
  }

  #awaitPart(): void {
    const { clock, purgatory } = this.#context;
    this.deadline = deadlineAfter(clock, PART_MS);
    purgatory.park(this);
  }

  /** Whatever the slowest of its partitions does. */
  onDeadline(): void {
    this.#awaitPart();
    const results = this.#results;
    if (results.every((result) => result === null)) return;
    this.#results = results.map(() => null);
    this.#onPart?.(results);
  }

  onAppendTaken(): void {
    this.#untaken--;
    if (this.#untaken === 0 && this.#isStarted) this.#giveBack();
  }

  #giveBack(): void {
    this.takenAt = this.#context.clock.monotonicNow();
    this.#context.budget.give(this.#bytes);
    this.#memory.letGo();
  }

  onAppendDone(task: AppendTask): void {
    if (this.startedAt === 0) this.startedAt = task.startedAt;
    if (task.code === "NONE") this.#answer(task);
    else this.#answerError(task.slot, task.code, task.message, this.#hintAfterAppend(task), task);
    this.#onAnswered();
  }

  #answer(task: AppendTask): void {
    const { counters } = this.#context;
    const partition = this.#partitions[task.slot] ?? null;
    if (task.isDuplicate) {
      counters.duplicatesIn++;
    } else {
      counters.batchesIn++;
      const { recordsCount, sizeBytes } = task.header;
      counters.recordsIn += recordsCount;
      counters.bytesIn += sizeBytes;
      counters.batchBytes.observe(sizeBytes);
      if (partition !== null) {
        partition.traffic.recordsIn += recordsCount;
        partition.traffic.bytesIn += sizeBytes;
      }
    }
    this.#results[task.slot] = {
      code: "NONE",
      message: "",
      baseOffset: task.baseOffset,
      logAppendTime: task.logAppendTime,
      logStartOffset: partition?.logStartOffset ?? 0,
      isDuplicate: task.isDuplicate,
      durability: partition?.durability ?? null,
      leader: null,
      isUnwritten: false,
      logEnd: null,
    };
  }

  /** The partition may have lost its leadership while the batch waited. */
  #hintAfterAppend(task: AppendTask): LeaderHint | null {
    const partition = this.#partitions[task.slot];
    if (task.code !== "NOT_LEADER_OR_FOLLOWER" || partition === null || partition === undefined) return null;
    return leaderHint(this.#context, this.#client, partition.topic, partition.partition);
  }

  /** A batch that never reached a partition. */
  #refuse(slot: number, code: ErrorName, message: string, leader: LeaderHint | null = null): void {
    this.#answerError(slot, code, message, leader);
    this.onAppendTaken();
    this.#onAnswered();
  }

  /** `task`: of a batch that reached its partition. */
  #answerError(slot: number, code: ErrorName, message: string, leader: LeaderHint | null, task?: AppendTask): void {
    this.#hasFailed = true;
    const partition = this.#partitions[slot] ?? null;
    if (partition !== null) partition.traffic.produceRequestsFailed++;
    this.#results[slot] = {
      code,
      message,
      baseOffset: 0,
      logAppendTime: -1,
      logStartOffset: partition?.logStartOffset ?? 0,
      isDuplicate: false,
      durability: partition?.durability ?? null,
      leader,
      isUnwritten: task?.isUnwritten ?? false,
      logEnd: task?.logEnd ?? null,
    };
  }

  #onAnswered(): void {
    this.#unanswered--;
    if (this.#unanswered === 0 && this.#isStarted) this.#finish();
  }

  #finish(): void {
    this.#context.purgatory.release(this);
    if (this.#hasFailed) this.#context.counters.produceRequestsFailed++;
    this.doneAt = this.#context.clock.monotonicNow();
    // Refused before a turn worked on it: all of it was checking.
    if (this.startedAt === 0) this.startedAt = this.arrivedAt;
    // Given up while it was being written: its bytes are taken later.
    if (this.takenAt === 0) this.takenAt = this.doneAt;
    this.#done(this.#results, this);
  }
}

/** What is wrong with the request as a whole (security 2, "body"); null = nothing. */
function malformation(partitions: readonly ProducePartition[]): string | null {
  if (partitions.length <= 1) return null;
  const seen = new Set<string>();
  for (const { topic, partition } of partitions) {
    const name = `${topic}\0${partition}`;
    if (seen.has(name)) return `partition ${partition} of topic "${topic}" is named twice`;
    seen.add(name);
  }
  return null;
}
