/**
 * `partition.metadata` (2.2): which topic the bytes of a replica's directory belong to, whatever the directory is called.
 * Text: `version: 0` LF `topic_id: <UUID>`, no final LF. On disk before the replica's first append.
 */
import type { Disk } from "../ports/index.ts";
import { readWholeFile } from "./file-io.ts";
import { StorageError } from "./storage-error.ts";

export const PARTITION_METADATA = "partition.metadata";

export function formatPartitionMetadata(topicId: string): string {
  return `version: 0\ntopic_id: ${topicId}`;
}

/** The topic id in the directory; null when the file is missing. Throws StorageError when it says nothing. */
export function readTopicId(disk: Disk, directory: string): string | null {
  const path = `${directory}/${PARTITION_METADATA}`;
  const bytes = readWholeFile(disk, path);
  if (bytes === null) return null;
  const match = /^version: 0\r?\ntopic_id: ([A-Za-z0-9_-]{22})\s*$/u.exec(bytes.toString("utf8"));
  const topicId = match?.[1];
  if (topicId === undefined) throw new StorageError("MALFORMED_PARTITION_METADATA", path, "no topic id can be read");
  return topicId;
}
