/**
 * Other replicas for partitions that exist (semantics 13(6), KIP-455 as KRaft does it): begun, replaced by another target, cancelled.
 *
 *     replicas = target, and behind it those that are removed when every target is in sync
 *     adding   = those that were not there before        cancel: replicas - adding
 *     removing = those that are not wanted               end:    replicas - removing
 *
 * A new target over one that is under way keeps what was there before as the way back. Of what the old target added and the new one
 * does not want, an empty-handed replica goes at once; one that may hold committed records goes with the end or the cancel, and is in
 * both lists until then.
 *
 * The end of a reassignment is no command: it is part of the change that brings the last target into the ISR (`asChanged`).
 */
import type { ErrorName } from "@tidemark/proto";
import type { BrokerConfig } from "../config/index.ts";
import type { Decision } from "./decision.ts";
import type { BrokerImage, ClusterImage, PartitionImage, TopicImage } from "./image.ts";
import { isReassigning, isUsable, mayBeLeftTo, originOf } from "./partition-rules.ts";
import { checkHosts, HostedReplicas } from "./place-partitions.ts";
import type { MetadataRecord, ReplicaLists } from "./records.ts";
import { surroundingsOf } from "./surroundings.ts";

export interface ReassignmentChange {
  readonly topic: string;
  readonly partition: number;
  /** The brokers that shall have it, the preferred leader first; null: what is under way is cancelled. */
  readonly replicas: readonly number[] | null;
}

export interface ReassignmentResult {
  readonly topic: string;
  readonly partition: number;
  /** NONE, or one of those that admin.proto names. */
  readonly error: ErrorName;
  /** Empty without an error. */
  readonly message: string;
}

export interface ReassignmentContext {
  /** In force on the controller. */
  readonly config: BrokerConfig;
}

type Planned =
  | { readonly ok: true; readonly lists: ReplicaLists | null }
  | { readonly ok: false; readonly error: ErrorName; readonly message: string };

/** One result per change, in order, each decided by itself. */
export function alterReassignments(
  working: ClusterImage,
  changes: readonly ReassignmentChange[],
  { config }: ReassignmentContext,
): Decision<ReassignmentResult[]> {
  const records: MetadataRecord[] = [];
  const hosted = new HostedReplicas(working);
  const seen = new Set<string>();
  const response = changes.map(({ topic: name, partition: number, replicas }): ReassignmentResult => {
    const result = (error: ErrorName, message: string): ReassignmentResult => ({
      topic: name,
      partition: number,
      error,
      message,
    });
    const text = `${name}-${number}`;
    if (seen.has(text)) return result("INVALID_REQUEST", `the request names ${text} twice`);
    seen.add(text);
    const topic = working.topics.get(name);
    const before = topic?.partitions[number];
    if (topic === undefined || before === undefined) {
      return result("UNKNOWN_TOPIC_OR_PARTITION", `there is no partition ${number} of topic ${name}`);
    }
    const plan =
      replicas === null
        ? cancelled(working, topic, before)
        : begun(working, hosted, before, { replicas, text, config });
    if (!plan.ok) return result(plan.error, plan.message);
    if (plan.lists !== null) {
      records.push({ type: "partitionReassigned", topicId: topic.topicId, partition: number, ...plan.lists });
    }
    return result("NONE", "");
  });
  return { records, response };
}

function begun(
  working: ClusterImage,
  hosted: HostedReplicas,
  before: PartitionImage,
  {
    replicas: target,
    text,
    config,
  }: { readonly replicas: readonly number[]; readonly text: string; readonly config: BrokerConfig },
): Planned {
  const refuse = (message: string): Planned => ({ ok: false, error: "INVALID_REPLICA_ASSIGNMENT", message });
  if (target.length === 0) return refuse(`${text} has no replica`);
  if (new Set(target).size !== target.length) return refuse(`${text} [${listOf(target)}] names a broker twice`);
  const added = target.filter((id) => !before.replicas.includes(id));
  for (const id of target) {
    const trouble = troubleOf(working.brokers.get(id), added.includes(id));
    if (trouble !== null) return refuse(`${text} [${listOf(target)}]: ${trouble.replace("%", String(id))}`);
  }
  const limit = checkHosts(hosted, [added], config);
  if (limit !== null) return { ok: false, error: limit.error, message: limit.message };
  hosted.add([added]);
  return { ok: true, lists: listsFor(before, target) };
}

/** What is against a broker as a target; null = nothing. One that has the replica already may be away for a while. */
function troubleOf(broker: BrokerImage | undefined, isAdded: boolean): string | null {
  if (broker === undefined) return "there is no broker %";
  if (!isAdded) return null;
  if (broker.isDraining) return "broker % is being drained";
  if (!isUsable(broker)) return "broker % is fenced, shutting down, or its log directory failed";
  return broker.isFull ? "the disk of broker % is full" : null;
}

/** Null: nothing changes. */
function listsFor(before: PartitionImage, target: readonly number[]): ReplicaLists | null {
  const { replicas, isr, elr, lastIsr } = before;
  const origin = originOf(before);
  const isEmptyHanded = (id: number): boolean =>
    !isr.includes(id) && !elr.includes(id) && lastIsr.every(({ brokerId }) => brokerId !== id);
  const removing = replicas.filter((id) => !target.includes(id) && (origin.includes(id) || !isEmptyHanded(id)));
  const all = [...target, ...removing];
  const lists = {
    replicas: all,
    addingReplicas: all.filter((id) => !origin.includes(id)),
    removingReplicas: removing,
  };
  return isSame(before, lists) ? null : lists;
}

function isSame(before: ReplicaLists, lists: ReplicaLists): boolean {
  const keys = ["replicas", "addingReplicas", "removingReplicas"] as const;
  return keys.every((key) => before[key].join() === lists[key].join());
}

/** Back to the replicas that it had, unless too few of them have what was committed meanwhile. */
function cancelled(working: ClusterImage, topic: TopicImage, before: PartitionImage): Planned {
  const text = `${topic.name}-${before.partition}`;
  if (!isReassigning(before)) {
    return { ok: false, error: "NO_REASSIGNMENT_IN_PROGRESS", message: `${text} is not being reassigned` };
  }
  const origin = originOf(before);
  const around = surroundingsOf(working, topic);
  if (!mayBeLeftTo(origin, before, around)) {
    const inSync = origin.filter((id) => before.isr.includes(id));
    const message =
      `${text} cannot go back to [${listOf(origin)}]: of these [${listOf(inSync)}] are in sync, and ` +
      `min.insync.replicas asks for ${around.minIsrOf(origin.length)}; bring them back first, or let it go on`;
    return { ok: false, error: "INVALID_REPLICA_ASSIGNMENT", message };
  }
  return { ok: true, lists: { replicas: origin, addingReplicas: [], removingReplicas: [] } };
}

function listOf(ids: readonly number[]): string {
  return ids.slice(0, 20).join(", ");
}
