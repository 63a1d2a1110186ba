/**
 * Failures of storage that are no I/O errors: what stands in the data directory is not what may stand there. Each has a
 * stable code and names the file. I/O errors are DiskFaults and pass through as they are.
 */
import type { Offset } from "../base/index.ts";

export type StorageErrorCode =
  /** A checkpoint file that must not be guessed at does not parse (2.6(2)). */
  | "MALFORMED_CHECKPOINT"
  | "MALFORMED_PARTITION_METADATA"
  /** A directory whose name is neither a replica's nor one of 2.2 (2.1(4)). */
  | "FOREIGN_DIRECTORY"
  /** The directory belongs to another cluster, or to another node (2.7(3)). */
  | "INCONSISTENT_CLUSTER_ID"
  | "INCONSISTENT_NODE_ID"
  /** The directory holds files and no meta.properties that says whose they are. */
  | "DIRECTORY_NOT_EMPTY"
  /** Another process, or another broker of this one, has the directory (2.7). */
  | "DIRECTORY_LOCKED"
  | "MALFORMED_META_PROPERTIES"
  /** The metadata store is missing, incomplete or altered (10.1(9)). */
  | "METADATA_LOST"
  /** A snapshot of the metadata did not arrive as it was announced (10.2). */
  | "SNAPSHOT_DAMAGED"
  /** Bad bytes stand where a log is to be cut, or before it (15.7). */
  | "LOG_DAMAGED"
  /** The log was closed, truncated away or taken offline while the call was under way. */
  | "LOG_UNAVAILABLE";

export class StorageError extends Error {
  readonly code: StorageErrorCode;
  readonly path: string;

  constructor(code: StorageErrorCode, path: string, message: string, options?: { cause?: unknown }) {
    super(`${message}: ${path}`, options);
    this.name = "StorageError";
    this.code = code;
    this.path = path;
  }
}

/**
 * A log cannot be cut, since no whole batches lead to the place in the segment that begins at `offset`: its bytes are bad, or its index.
 * Nothing was changed.
 */
export class BadBytesError extends StorageError {
  readonly offset: Offset;

  constructor(path: string, offset: Offset) {
    super("LOG_DAMAGED", path, `no whole batches lead from offset ${offset} to where the log is to be cut`);
    this.offset = offset;
  }
}
