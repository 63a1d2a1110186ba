/**
 * DeleteRecords (semantics 13(4)): the log of a partition begins later, for readers at once, and the answer says that a crash
 * would not bring the records back. Per partition; what was deleted before is a success, so that a request may come twice.
 */
import type { ErrorName } from "@tidemark/proto";
import { MAX_PARTITIONS_PER_REQUEST } from "@tidemark/proto";
import { asOffset } from "../base/index.ts";
import { topicConfig } from "../config/index.ts";
import { DiskFault } from "../ports/index.ts";
import type { Partition } from "../runtime/index.ts";
import { Deadline } from "../runtime/index.ts";
import { ApiError } from "./api-error.ts";
import type { BrokerContext } from "./broker-context.ts";
import { timeoutOf } from "./broker-context.ts";
import { findPartition } from "./find-partition.ts";

export interface DeleteRecordsPartition {
  readonly topic: string;
  readonly partition: number;
  /** The first offset that is kept; -1: the high watermark. */
  readonly beforeOffset: number;
}

export interface DeletedRecords {
  readonly code: ErrorName;
  readonly message: string;
  /** What lies below stays deleted, whatever crashes: another deletion that is under way may go further. -1 with an error. */
  readonly lowWatermark: number;
}

/** In the order of the request. */
export async function handleDeleteRecords(
  context: BrokerContext,
  partitions: readonly DeleteRecordsPartition[],
  timeoutMs: number,
): Promise<DeletedRecords[]> {
  if (partitions.length > MAX_PARTITIONS_PER_REQUEST) {
    throw new ApiError(
      "INVALID_REQUEST",
      `a request names at most ${MAX_PARTITIONS_PER_REQUEST} partitions, not ${partitions.length}`,
    );
  }
  const seen = new Set<string>();
  for (const { topic, partition } of partitions) {
    const name = `${topic}\0${partition}`;
    if (seen.has(name))
      throw new ApiError("INVALID_REQUEST", `partition ${partition} of topic "${topic}" is named twice`);
    seen.add(name);
  }
  const deadline = new Deadline(context, timeoutOf(timeoutMs));
  const deleted = await Promise.all(partitions.map((request) => deleteRecords(context, request, deadline)));
  deadline.cancel();
  return deleted;
}

async function deleteRecords(
  context: BrokerContext,
  { topic, partition: number, beforeOffset }: DeleteRecordsPartition,
  deadline: Deadline,
): Promise<DeletedRecords> {
  const found = findPartition(context, topic, number, null);
  if (!found.ok) return refuse(found.code, found.message);
  const { partition } = found;
  const refusal = refusalOf(context, partition, beforeOffset);
  if (refusal !== null) return refusal;
  const before = beforeOffset === -1 ? partition.highWatermark : asOffset(beforeOffset);
  try {
    const work = partition.deleteRecordsBefore(before, deadline.deadline);
    const isDone = (await deadline.race(work)) && (await work);
    if (!isDone && partition.closedCode === "NONE")
      return refuse("REQUEST_TIMED_OUT", `that records below ${before} are gone is not on every replica's disk yet`);
  } catch (cause: unknown) {
    if (partition.closedCode !== "NONE") return refuse(partition.closedCode, "");
    if (cause instanceof DiskFault)
      return refuse("KAFKA_STORAGE_ERROR", `the log start could not be stored (${cause.kind}): ask again`);
    const id = context.errors.log("DeleteRecords", cause);
    return refuse("KAFKA_STORAGE_ERROR", `the log start could not be stored; error id ${id}`);
  }
  // Deleted with its topic meanwhile, or led by another: what was asked for is no longer ours to promise.
  if (partition.closedCode !== "NONE") return refuse(partition.closedCode, "");
  return { code: "NONE", message: "", lowWatermark: Math.max(before, partition.lowWatermark) };
}

function refusalOf(context: BrokerContext, partition: Partition, beforeOffset: number): DeletedRecords | null {
  const { topic, highWatermark } = partition;
  const image = context.image().topics.get(topic);
  if (partition.settings.isInternal) return refuse("INVALID_TOPIC_EXCEPTION", `topic "${topic}" is internal`);
  const policy = topicConfig(context.config.current, image?.overrides ?? new Map()).cleanupPolicy;
  if (!policy.includes("delete")) {
    return refuse("POLICY_VIOLATION", `topic "${topic}" has cleanup.policy=${policy.join(",")}, without delete`);
  }
  if (!Number.isSafeInteger(beforeOffset) || beforeOffset < -1 || beforeOffset > highWatermark) {
    return refuse(
      "OFFSET_OUT_OF_RANGE",
      `records can be deleted below offset ${highWatermark}, the high watermark, and not below ${beforeOffset}`,
    );
  }
  return null;
}

function refuse(code: ErrorName, message: string): DeletedRecords {
  return { code, message, lowWatermark: -1 };
}
