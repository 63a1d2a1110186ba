/**
 * Two small files that tell the next start how this life ended:
 *
 * `.kafka_cleanshutdown`, `{"version":0,"brokerEpoch":N}`: everything is loaded and synced, nothing has to be looked at
 * (ST7). Written as the last step of a clean stop, removed durably before anything is opened (4.2(1)).
 * `.sync-failed`, empty: a sync failed in this life, and pages may only look written (3.4(3)). Never synced itself: a
 * power failure takes it together with those pages.
 */
import type { Disk } from "../ports/index.ts";
import { readWholeFile, removeFile, syncDirectory, syncPath, writeWholeFile } from "./file-io.ts";

const CLEAN_MARKER = ".kafka_cleanshutdown";
const SYNC_FAILED = ".sync-failed";
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
  const match = /"brokerEpoch"\s*:\s*(\d{1,16})\b/u.exec(bytes.toString("utf8"));
  const brokerEpoch = match === null ? NO_BROKER_EPOCH : Number(match[1]);
  return { brokerEpoch: Number.isSafeInteger(brokerEpoch) ? brokerEpoch : NO_BROKER_EPOCH };
}

/** Resolves when the marker is on stable storage. */
export async function leaveCleanMarker(disk: Disk, directory: string, brokerEpoch: number): Promise<void> {
  const path = `${directory}/${CLEAN_MARKER}`;
  writeWholeFile(disk, path, Buffer.from(JSON.stringify({ version: 0, brokerEpoch })));
  await syncPath(disk, path);
  await syncDirectory(disk, directory);
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
