/**
 * A replica's log from its directory: what lies there is loaded, recovered where it must be, and made one. Whoever opens it says
 * what is known of its past, and brings to stable storage what the load found (4.2(10)).
 */
import type { PartitionId } from "../base/index.ts";
import { type LoadedLog, loadLog, type LoadOptions } from "./log-loader.ts";
import { RecoveryScan } from "./recovery-scan.ts";
import { SegmentedLog } from "./segmented-log.ts";

export interface OpenLogOptions extends Omit<LoadOptions, "scan"> {
  readonly topic: string;
  readonly partition: PartitionId;
  readonly topicId: string;
  /** From the checkpoint, or as it was known a moment ago; null = not known. */
  readonly highWatermark: number | null;
  /** Shared by the logs of a start, which tells of its progress. */
  readonly scan?: RecoveryScan;
  /** In place of the host's, when the load is about to cut. */
  readonly beginCut?: () => void;
  /** The directory was made a moment ago, and is synced by its maker with the entries that the load makes in it. */
  readonly isMade?: boolean;
}

export interface OpenedLog {
  readonly log: SegmentedLog;
  readonly loaded: LoadedLog;
}

/** Rejects with StorageError or DiskFault; then no file is open. */
export async function openLog(options: OpenLogOptions): Promise<OpenedLog> {
  const { host, beginCut, isMade = false, scan = new RecoveryScan(host.timers, () => undefined) } = options;
  const loaded = await loadLog({ ...options, host: beginCut === undefined ? host : { ...host, beginCut }, scan });
  if (!isMade) return { log: new SegmentedLog({ ...options, loaded }), loaded };
  for (const segment of loaded.segments) segment.entryVersion = 0;
  const fresh = { ...loaded, isDirectoryDirty: false };
  return { log: new SegmentedLog({ ...options, loaded: fresh }), loaded: fresh };
}
