/**
 * The one way a small file is replaced (2.2 "safe", ST6): temp file, fsync, atomic rename, directory fsync. A reader finds
 * the old content or the new one, and once `safeWrite` resolves, the new one through any crash.
 *
 * A failed fsync is told to the host before the rejection: it is final for the whole directory (3.4(3)). Other faults
 * (a full disk) leave the old file as it was and may be tried again.
 */
import { DiskFault } from "../ports/index.ts";
import type { Disk, Failpoint } from "../ports/index.ts";
import { isNotBegun, removeFile, syncDirectory, syncPath, writeWholeFile } from "./file-io.ts";

export interface SafeWriteHost {
  readonly disk: Disk;
  readonly failpoint: Failpoint;
  onSyncFailed(fault: DiskFault): void;
}

export const TEMP_SUFFIX = ".tmp";

/** Replaces `directory`/`name`. Two writes of one file must not overlap: the callers queue them. */
export async function safeWrite(host: SafeWriteHost, directory: string, name: string, content: string): Promise<void> {
  const { disk, failpoint } = host;
  const path = `${directory}/${name}`;
  const temp = path + TEMP_SUFFIX;
  // Never into the file that a failed write left: after a failed sync its blocks take nothing any more (3.4(3)).
  removeFile(disk, temp);
  writeWholeFile(disk, temp, Buffer.from(content));
  failpoint("checkpoint.afterTemp");
  await synced(host, syncPath(disk, temp));
  failpoint("checkpoint.afterFsync");
  disk.rename(temp, path);
  failpoint("checkpoint.afterRename");
  await synced(host, syncDirectory(disk, directory));
}

/** Passes a sync on; its failure is reported first. A file that could not even be opened was not synced in vain. */
export async function synced(host: SafeWriteHost, sync: Promise<void>): Promise<void> {
  try {
    await sync;
  } catch (error: unknown) {
    if (error instanceof DiskFault && !isNotBegun(error)) host.onSyncFailed(error);
    throw error;
  }
}
