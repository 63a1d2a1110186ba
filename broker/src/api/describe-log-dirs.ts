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
  /** By topic and partition. */
  readonly replicas: readonly LogDirReplica[];
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
  const hosted: LogDirReplica[] = [...replicas.hosted()];
  hosted.sort((a, b) => (a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : a.partition - b.partition));
  return [
    {
      path,
      code: "NONE",
      message: "",
      totalBytes: orUnknown(() => disk.totalBytes(path)),
      freeBytes: orUnknown(() => disk.freeBytes(path)),
      replicas: hosted,
    },
  ];
}

function orUnknown(ask: () => number): number {
  try {
    const bytes = ask();
    return Number.isSafeInteger(bytes) ? bytes : -1;
  } catch {
    return -1;
  }
}
