/**
 * Fetch: subscriptions of one stream (semantics 12.1, 12.3). Decides whether a subscription may be made, and from where; the
 * session then serves it. A refusal is the last thing said of that subscription and takes nothing from the others.
 *
 * Both isolation levels read to the same end as long as there are no transactions (12.3).
 */
import type { ErrorName } from "@tidemark/proto";
import { FETCH_MAX_BYTES_DEFAULT, MAX_PARTITIONS_PER_REQUEST } from "@tidemark/proto";
import { asOffset } from "../base/index.ts";
import { FetchSession } from "../runtime/index.ts";
import type { FetchedPart, FetchMessage, FetchSink, Partition } from "../runtime/index.ts";
import { ApiError } from "./api-error.ts";
import type { BrokerContext } from "./broker-context.ts";
import { findPartition } from "./find-partition.ts";
import type { RequestFaults } from "./request-faults.ts";

export type { FetchedPart, FetchMessage, FetchSink };

export interface FetchRequest {
  readonly subscribe: readonly FetchSubscribe[];
  readonly unsubscribe: readonly number[];
  /** Added to what is left. */
  readonly creditBytes: number;
}

export interface FetchSubscribe {
  readonly subscriptionId: number;
  readonly topic: string;
  readonly partition: number;
  /** 16 bytes, or none. */
  readonly topicId: Uint8Array;
  readonly offset: number;
  /** 0: the default. */
  readonly maxBytes: number;
  /** As the client knows it; -1: unknown. */
  readonly currentLeaderEpoch: number;
  /** What lies there arrived with a wrong sum (15.7(1)). */
  readonly isSuspect: boolean;
}

/** Used subscription ids above the first that was not; clients that count up have none. */
const STRAY_IDS_MAX = 100_000;

export class FetchStream {
  readonly #context: BrokerContext;
  readonly #session: FetchSession;
  /** Ids are never used twice on one stream; ascending ones, as clients choose them, cost one number. */
  readonly #usedIds = new UsedIds();
  /** Of subscriptions that a test makes come later, or never. */
  readonly #lateIds = new Set<number>();

  constructor(context: BrokerContext, sink: FetchSink) {
    this.#context = context;
    const { clock, turn, slabs, fetchMemory: memory } = context;
    this.#session = new FetchSession({ clock, turn, slabs, memory, sink });
  }

  /** Throws ApiError INVALID_REQUEST, after which the stream is over. */
  handle(request: FetchRequest): void {
    if (request.subscribe.length > MAX_PARTITIONS_PER_REQUEST) {
      throw new ApiError(
        "INVALID_REQUEST",
        `a message makes at most ${MAX_PARTITIONS_PER_REQUEST} subscriptions, not ${request.subscribe.length}`,
      );
    }
    for (const id of request.unsubscribe) {
      this.#lateIds.delete(id);
      this.#session.unsubscribe(id);
    }
    for (const subscribe of request.subscribe) this.#subscribe(subscribe);
    if (request.creditBytes > 0) this.#session.grant(request.creditBytes);
  }

  onWritable(): void {
    this.#session.onWritable();
  }

  /** Nothing more is said; what was sent is still being taken. */
  finish(): void {
    this.#lateIds.clear();
    this.#session.finish();
  }

  close(): void {
    this.#lateIds.clear();
    this.#session.close();
  }

  #subscribe(request: FetchSubscribe): void {
    if (!this.#usedIds.add(request.subscriptionId)) {
      throw new ApiError("INVALID_REQUEST", `subscription id ${request.subscriptionId} was used before on this stream`);
    }
    if (this.#usedIds.strayCount > STRAY_IDS_MAX) {
      throw new ApiError("INVALID_REQUEST", `more than ${STRAY_IDS_MAX} subscription ids leave gaps below them`);
    }
    // As many as there can be partitions here: each costs memory, and work with every record of its partition.
    const { maxPartitionsPerBroker } = this.#context.config.current;
    if (this.#session.subscriptionsCount >= maxPartitionsPerBroker) {
      throw new ApiError("INVALID_REQUEST", `a stream holds at most ${maxPartitionsPerBroker} subscriptions`);
    }
    this.#admit(request, this.#context.faults);
  }

  #admit(request: FetchSubscribe, faults: RequestFaults | undefined): void {
    const found = findPartition(this.#context, request.topic, request.partition, request.topicId);
    if (!found.ok) return this.#refuse(request, null, found.code, found.message);
    const { partition } = found;
    const epoch = epochRefusal(request.currentLeaderEpoch, partition);
    if (epoch !== null) return this.#refuse(request, partition, epoch.code, epoch.message);
    const fault = faults?.divertFetch(request, () => this.#admitLate(request)) ?? null;
    if (fault === "later") return void this.#lateIds.add(request.subscriptionId);
    if (fault !== null) return this.#refuse(request, partition, fault.code, fault.message);
    if (request.isSuspect) partition.suspect(asOffset(request.offset));
    const maxBytes = request.maxBytes === 0 ? FETCH_MAX_BYTES_DEFAULT : request.maxBytes;
    this.#session.subscribe({
      subscriptionId: request.subscriptionId,
      partition,
      offset: asOffset(request.offset),
      maxBytes: Math.min(maxBytes, this.#context.config.current.fetchMaxBytes),
    });
  }

  #admitLate(request: FetchSubscribe): void {
    if (this.#lateIds.delete(request.subscriptionId)) this.#admit(request, undefined);
  }

  #refuse(request: FetchSubscribe, partition: Partition | null, code: ErrorName, message: string): void {
    const part: FetchedPart = {
      subscriptionId: request.subscriptionId,
      reads: null,
      code,
      message,
      topic: request.topic,
      partition: request.partition,
      fetchOffset: request.offset,
      highWatermark: partition?.highWatermark ?? 0,
      lastStableOffset: partition?.lastStableOffset ?? 0,
      logStartOffset: partition?.logStartOffset ?? 0,
      leaderEpoch: partition?.leaderEpoch ?? -1,
      records: [],
      nextOffset: request.offset,
      traffic: partition?.traffic ?? null,
    };
    this.#session.refuse(part);
  }
}

/** 5.2(1), as it holds for clients too (KIP-320). */
function epochRefusal(known: number, partition: Partition): { code: ErrorName; message: string } | null {
  const { leaderEpoch } = partition;
  if (known < 0 || known === leaderEpoch) return null;
  const code = known < leaderEpoch ? "FENCED_LEADER_EPOCH" : "UNKNOWN_LEADER_EPOCH";
  return { code, message: `the leader epoch is ${leaderEpoch}, not ${known}` };
}

/** Which ids were used: all up to a mark, and single ones above it. */
class UsedIds {
  /** Every id below it was used. Ids begin at 0 or 1. */
  #mark = 1;
  #isZeroUsed = false;
  readonly #above = new Set<number>();

  get strayCount(): number {
    return this.#above.size;
  }

  /** False: used before. */
  add(id: number): boolean {
    if (id === 0) {
      const isNew = !this.#isZeroUsed;
      this.#isZeroUsed = true;
      return isNew;
    }
    if (id < this.#mark || this.#above.has(id)) return false;
    this.#above.add(id);
    while (this.#above.delete(this.#mark)) this.#mark++;
    return true;
  }
}
