/**
 * Small files that tell the next start how this life ended:
 *
 * `.kafka_cleanshutdown`, `{"version":0,"brokerEpoch":N}`: everything is loaded and synced, nothing has to be looked at
 * (ST7). Written as the last step of a clean stop, removed durably before anything is opened (4.2(1)).
 * `.sync-failed`, empty: a sync failed in this life, and pages may only look written (3.4(3)).
 * `.cut-pending`, empty: a log was being cut (5.5, 3.1(12), 4.2(6)). The file is shorter for whoever looks, but until it is
 * synced a power failure may bring pages of the old tail back, under newer ones: a start syncs all logs first.
 *
 * The last two are never synced themselves: what they speak of is in the page cache, and goes with it.
 */
import type { Disk } from "../ports/index.ts";
import { readWholeFile, removeFile, syncDirectory, syncPath, writeWholeFile } from "./file-io.ts";

const CLEAN_MARKER = ".kafka_cleanshutdown";
const SYNC_FAILED = ".sync-failed";
const CUT_PENDING = ".cut-pending";
const NO_BROKER_EPOCH = -1;

export interface CleanMarker {
  /** -1 = the marker does not say. */
  readonly brokerEpoch: number;
}

/** What the last life left; the marker is gone when this returns, but not yet durably. */
export function takeCleanMarker(disk: Disk, directory: string): CleanMarker | null {
  const path = `${directory}/${CLEAN_MARKER}`;
  const bytes = readWholeFile(disk, path);
  if (bytes === null) return null;
  disk.unlink(path);
  // The whole of it: a power failure may have left the first digits of another epoch.
  const match = /^\s*\{[^{}]*"brokerEpoch"\s*:\s*(\d{1,16})\s*[,}]/u.exec(bytes.toString("utf8"));
  const brokerEpoch = match === null ? NO_BROKER_EPOCH : Number(match[1]);
  return { brokerEpoch: Number.isSafeInteger(brokerEpoch) ? brokerEpoch : NO_BROKER_EPOCH };
}

export function hasCleanMarker(disk: Disk, directory: string): boolean {
  return disk.sizeOf(`${directory}/${CLEAN_MARKER}`) !== null;
}

/** Resolves when the marker is on stable storage. Rejects with DiskFault; then there is none, as far as the disk allows. */
export async function leaveCleanMarker(disk: Disk, directory: string, brokerEpoch: number): Promise<void> {
  const path = `${directory}/${CLEAN_MARKER}`;
  try {
    writeWholeFile(disk, path, Buffer.from(JSON.stringify({ version: 0, brokerEpoch })));
    await syncPath(disk, path);
    await syncDirectory(disk, directory);
  } catch (error: unknown) {
    try {
      removeFile(disk, path);
    } catch {
      // What it says holds all the same: all else is on stable storage.
    }
    throw error;
  }
}

export function hasSyncFailed(disk: Disk, directory: string): boolean {
  return disk.sizeOf(`${directory}/${SYNC_FAILED}`) !== null;
}

export function markSyncFailed(disk: Disk, directory: string): void {
  disk.open(`${directory}/${SYNC_FAILED}`, "create").closeSync();
}

export function clearSyncFailed(disk: Disk, directory: string): void {
  removeFile(disk, `${directory}/${SYNC_FAILED}`);
}

export function isCutPending(disk: Disk, directory: string): boolean {
  return disk.sizeOf(`${directory}/${CUT_PENDING}`) !== null;
}

export function markCutPending(disk: Disk, directory: string): void {
  disk.open(`${directory}/${CUT_PENDING}`, "create").closeSync();
}

export function clearCutPending(disk: Disk, directory: string): void {
  removeFile(disk, `${directory}/${CUT_PENDING}`);
}
