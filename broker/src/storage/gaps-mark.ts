/**
 * An empty file `.gaps` in the directory of the partition: offsets between two of its batches may be missing, and nothing is wrong with
 * that. The settings of now do not say so: what a cleaner took out stays out when the topic is no longer compacted, and a follower takes a
 * gap as its leader has it. So the file is there before the first gap can be: from when the topic was first seen to be compacted, and from
 * the first gap that a leader sent. It never goes.
 *
 * In a log without it a gap is a base offset that has rotted (decision 0038).
 */
import type { Disk } from "../ports/index.ts";

export const GAPS = ".gaps";

/** Of a topic with these settings; without any, as of a log that metadata does not place, nobody knows. */
export function mayBeCompacted(cleanupPolicy: readonly string[]): boolean {
  return cleanupPolicy.includes("compact") || cleanupPolicy.length === 0;
}

/** Durable with the next sync of the directory. Throws DiskFault. */
export function markGaps(disk: Disk, directory: string): void {
  disk.open(`${directory}/${GAPS}`, "create").closeSync();
}
