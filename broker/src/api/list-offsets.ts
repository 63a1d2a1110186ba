/** ListOffsets (semantics 12.4): from a time, or one of its names, to an offset. Per partition; refusals are values. */
import type { ErrorName } from "@tidemark/proto";
import { MAX_PARTITIONS_PER_REQUEST, OffsetAt } from "@tidemark/proto";
import type { Partition } from "../runtime/index.ts";
import { ApiError } from "./api-error.ts";
import type { BrokerContext } from "./broker-context.ts";
import { findPartition } from "./find-partition.ts";

export interface ListOffsetsPartition {
  readonly topic: string;
  readonly partition: number;
  /** Unix ms, or one of OffsetAt; -4 (earliest local) is -2, -5 (latest tiered) finds nothing. */
  readonly timestamp: number;
}

export interface ListedOffset {
  readonly code: ErrorName;
  readonly message: string;
  /** -1: no such record. */
  readonly offset: number;
  /** -1: none. */
  readonly timestamp: number;
  readonly leaderEpoch: number;
}

const EARLIEST_LOCAL = -4;
const LATEST_TIERED = -5;
const NONE = { offset: -1, timestamp: -1 };

/** A search by time may read a whole batch: so many of one request run at once. */
const SEARCHES_AT_ONCE = 16;

/** In the order of the request. */
export async function handleListOffsets(
  context: BrokerContext,
  partitions: readonly ListOffsetsPartition[],
): Promise<ListedOffset[]> {
  if (partitions.length > MAX_PARTITIONS_PER_REQUEST) {
    throw new ApiError(
      "INVALID_REQUEST",
      `a request names at most ${MAX_PARTITIONS_PER_REQUEST} partitions, not ${partitions.length}`,
    );
  }
  const listed: ListedOffset[] = [];
  const rest = partitions.entries();
  const work = async (): Promise<void> => {
    for (const [slot, request] of rest) listed[slot] = await listOffset(context, request);
  };
  await Promise.all(Array.from({ length: SEARCHES_AT_ONCE }, work));
  return listed;
}

async function listOffset(context: BrokerContext, request: ListOffsetsPartition): Promise<ListedOffset> {
  const found = findPartition(context, request.topic, request.partition, null);
  if (!found.ok) return refuse(found.code, found.message);
  if (!Number.isSafeInteger(request.timestamp) || request.timestamp < LATEST_TIERED) {
    return refuse("INVALID_REQUEST", `${request.timestamp} is neither a time nor the name of one`);
  }
  if (context.faults !== undefined) {
    const fault = await context.faults.beforeListing(request);
    if (fault !== null) return refuse(fault.code, fault.message);
  }
  const { partition } = found;
  // The end that is known is not the end that was: nobody shall take the records before the damage for all there are.
  if (partition.isDamaged && request.timestamp !== OffsetAt.EARLIEST && request.timestamp !== EARLIEST_LOCAL) {
    return refuse(
      "KAFKA_STORAGE_ERROR",
      `the log of ${request.topic}-${request.partition} is damaged on disk: its end is not known`,
    );
  }
  try {
    const { offset, timestamp } = await offsetAt(partition, request.timestamp);
    return { code: "NONE", message: "", offset, timestamp, leaderEpoch: partition.leaderEpoch };
  } catch (cause: unknown) {
    const id = context.errors.log("ListOffsets", cause);
    return refuse("KAFKA_STORAGE_ERROR", `the log could not be searched; error id ${id}`);
  }
}

async function offsetAt(partition: Partition, timestamp: number): Promise<{ offset: number; timestamp: number }> {
  switch (timestamp) {
    case OffsetAt.LATEST:
      return { offset: partition.lastStableOffset, timestamp: -1 };
    case OffsetAt.EARLIEST:
    case EARLIEST_LOCAL:
      return { offset: partition.logStartOffset, timestamp: -1 };
    case OffsetAt.MAX_TIMESTAMP:
      return (await partition.findMaxTimestamp()) ?? NONE;
    case LATEST_TIERED:
      return NONE;
    default:
      return (await partition.findByTimestamp(timestamp)) ?? NONE;
  }
}

function refuse(code: ErrorName, message: string): ListedOffset {
  return { code, message, ...NONE, leaderEpoch: -1 };
}
