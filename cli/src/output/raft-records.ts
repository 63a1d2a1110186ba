/**
 * Records of the metadata log in words. They come as JSON from brokers, perhaps newer ones than this program: what is not known by its type
 * is shown by it, and no field is relied upon to be there.
 */
import type { RaftLogEntry } from "@tidemark/client";

type LogRecord = RaftLogEntry["records"][number];

/** Of one list. */
const PARTITIONS_MAX = 8;

const TEXTS: Readonly<Record<string, (record: LogRecord) => string>> = {
  clusterCreated: ({ clusterId }) => `cluster ${text(clusterId)} born`,
  termStarted: ({ controllerId }) => `broker ${text(controllerId)} decides`,
  brokerRegistered: ({ brokerId, isUnclean }) =>
    `broker ${text(brokerId)} registered${isUnclean === true ? ", not cleanly stopped before" : ""}`,
  brokerChanged: (record) => `broker ${text(record["brokerId"])} ${stateOf(record)}`,
  replicasDamaged: ({ brokerId, damaged }) => `replicas damaged on broker ${text(brokerId)}: ${places(damaged)}`,
  topicCreated: ({ name }) => `topic ${text(name)} created`,
  isrsChanged: ({ isr, partitions }) => `in sync ${list(isr)}: ${places(partitions)}`,
  leadersChosen: ({ leaderId, choice, partitions }) =>
    `broker ${text(leaderId)} leads${choice === "inSync" ? "" : ` (${choice === "unclean" ? "unclean" : "the longest log"})`}: ${places(partitions)}`,
  partitionReassigned: (record) => {
    const [adding, removing] = [list(record["addingReplicas"]), list(record["removingReplicas"])];
    const place = `${topicOf(record)}:${text(record["partition"])}`;
    if (adding === "" && removing === "") return `${place} moves no more`;
    return `${place} moves${adding === "" ? "" : ` to ${adding}`}${removing === "" ? "" : ` from ${removing}`}`;
  },
  brokerDraining: ({ brokerId, isDraining }) =>
    `broker ${text(brokerId)} ${isDraining === true ? "drains" : "takes replicas again"}`,
  brokerUnregistered: ({ brokerId }) => `broker ${text(brokerId)} removed`,
  topicDeleted: (record) => `topic ${topicOf(record)} deleted`,
  configChanged: ({ owner, set, unset }) => {
    const keys = Object.keys((set ?? {}) as object);
    const gone = list(unset);
    const parts = [...(keys.length > 0 ? [`set ${keys.join(",")}`] : []), ...(gone === "" ? [] : [`unset ${gone}`])];
    return `${ownerOf((owner ?? {}) as LogRecord)} ${parts.join(" and ")}`;
  },
  voterChosen: ({ nodeId, isVoter }) => `broker ${text(nodeId)} ${isVoter === true ? "votes" : "votes no more"}`,
  producerIdsAllocated: ({ brokerId, firstId, count }) =>
    `producer ids from ${text(firstId)} for broker ${text(brokerId)} (${text(count)})`,
};

/** A text for each; partitions of one topic that are made together share one. */
export function textsOf(records: readonly LogRecord[]): string[] {
  const made = new Map<string, number>();
  const texts: (string | { readonly topicId: string })[] = [];
  const names = new Map<string, string>();
  for (const record of records) {
    const { type, topicId, name } = record;
    if (type === "topicCreated") names.set(text(topicId), text(name));
    if (type !== "partitionCreated") {
      texts.push(TEXTS[text(type)]?.(record) ?? text(type));
      continue;
    }
    const id = text(topicId);
    if (!names.has(id)) names.set(id, topicOf(record));
    if (!made.has(id)) texts.push({ topicId: id });
    made.set(id, (made.get(id) ?? 0) + 1);
  }
  return texts.map((each) => {
    if (typeof each === "string") return each;
    const count = made.get(each.topicId) ?? 0;
    return `${count === 1 ? "a partition" : `${count} partitions`} of ${names.get(each.topicId) ?? each.topicId} created`;
  });
}

function stateOf({ isFenced, isShuttingDown, isFull, isOffline }: LogRecord): string {
  const states = [
    isFenced === undefined ? "" : isFenced === true ? "fenced" : "alive",
    isShuttingDown === undefined ? "" : isShuttingDown === true ? "stopping" : "stops no more",
    isFull === undefined ? "" : isFull === true ? "full" : "has room again",
    isOffline === undefined ? "" : isOffline === true ? "without its disk" : "has its disk again",
  ];
  return states.filter((state) => state !== "").join(", ");
}

function ownerOf(owner: LogRecord): string {
  if (owner["type"] === "topic") return `topic/${topicOf(owner)}`;
  return owner["type"] === "broker" ? `broker/${text(owner["brokerId"])}` : text(owner["type"]);
}

/** The broker names those that there are; of the others the id is all that is left. */
function topicOf({ topic, topicId }: LogRecord): string {
  return text(topic ?? topicId);
}

/** [{ topic, partitions }] as "orders:0,1, payments:3". */
function places(of: unknown): string {
  return entriesOf(of)
    .map((each) => {
      const partitions = entriesOf(each["partitions"]);
      const more = partitions.length > PARTITIONS_MAX ? ` and ${partitions.length - PARTITIONS_MAX} more` : "";
      return `${topicOf(each)}:${list(partitions.slice(0, PARTITIONS_MAX))}${more}`;
    })
    .join(", ");
}

function list(values: unknown): string {
  return entriesOf(values).map(text).join(",");
}

function entriesOf(values: unknown): readonly LogRecord[] {
  return Array.isArray(values) ? (values as LogRecord[]) : [];
}

function text(value: unknown): string {
  return typeof value === "string" || typeof value === "number" ? String(value) : "?";
}
