/** What lies in the data directory of this broker: its replicas with their bytes, its room, what is wrong with it. */
import type { ErrorName } from "@tidemark/proto";
import type { BrokerContext } from "./broker-context.ts";

export interface LogDirDescription {
  readonly path: string;
  readonly code: ErrorName;
  readonly message: string;
  /** Of the file system; -1: it does not say. */
  readonly totalBytes: number;
  readonly freeBytes: number;
  /** By topic and partition; each told of when it is asked for: there may be thousands. */
  readonly replicas: Iterable<LogDirReplica>;
}

export interface LogDirReplica {
  readonly topic: string;
  readonly partition: number;
  readonly bytes: number;
  /** How far others are is theirs to tell. */
  readonly logEndOffset: number;
}

export function handleDescribeLogDirs(context: BrokerContext): LogDirDescription[] {
  const { disk, replicas } = context;
  const path = replicas.path;
  if (replicas.isOffline) {
    const message = `the data directory ${path} is offline`;
    return [{ path, code: "KAFKA_STORAGE_ERROR", message, totalBytes: -1, freeBytes: -1, replicas: [] }];
  }
  return [
    {
      path,
      code: "NONE",
      message: "",
      totalBytes: orUnknown(() => disk.totalBytes(path)),
      freeBytes: orUnknown(() => disk.freeBytes(path)),
      replicas: inOrder(replicas.hosted()),
    },
  ];
}

/** Of one moment. */
function inOrder(hosted: Iterable<LogDirReplica>): Iterable<LogDirReplica> {
  const byTopic = new Map<string, LogDirReplica[]>();
  for (const replica of hosted) {
    const others = byTopic.get(replica.topic);
    if (others === undefined) byTopic.set(replica.topic, [replica]);
    else others.push(replica);
  }
  return ordered(byTopic);
}

function* ordered(byTopic: ReadonlyMap<string, LogDirReplica[]>): Generator<LogDirReplica> {
  for (const topic of [...byTopic.keys()].sort())
    yield* byTopic.get(topic)?.sort((a, b) => a.partition - b.partition) ?? [];
}

function orUnknown(ask: () => number): number {
  try {
    const bytes = ask();
    return Number.isSafeInteger(bytes) ? bytes : -1;
  } catch {
    return -1;
  }
}
