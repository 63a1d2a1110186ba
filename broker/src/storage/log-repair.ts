/**
 * The repair of a damaged replica from its peers (15.7(2), (3)): a file `.repair` in the directory of the partition says from
 * which offset on the log is not to be believed, and whether it was cut there yet. While it is there the replica counts as
 * damaged, whatever its bytes look like, and what was cut lies beside the log as `.damaged`.
 *
 *     none --begin--> cut --load--> fetch --the log is whole--> none
 *
 * `cut`: whoever loads the log cuts it at the offset, as a torn tail, and keeps what goes: the segment with the first bad
 * bytes as a copy `B.log.damaged`, those that begin at the offset or beyond it renamed, without a look at their bytes. `fetch`: it was cut, durably; a load looks at everything from the
 * offset on. Either way a start that finds the file goes on where the last life ended, and it is no clean one for this log:
 * the file stands for a recovery point at its offset, lower than any on disk. A start that has no room to keep what goes cuts
 * nothing: the log is damaged as it was before, and is cut when there is room.
 *
 * What was found bad and is not cut yet is remembered by a file `.suspect` that says where, so that the next life looks there again,
 * however this one ends. It stands for a question, not for damage: the only good copy goes on with it (15.7(4)).
 */
import type { Disk } from "../ports/index.ts";
import { DAMAGED_SUFFIX } from "./directory-names.ts";
import { readWholeFile, removeFile, syncDirectory } from "./file-io.ts";
import type { LogHost } from "./log-host.ts";
import { safeWrite, synced } from "./safe-write.ts";

export const REPAIR = ".repair";
export const SUSPECT = ".suspect";

export interface Repair {
  /** The log is believed below it. */
  readonly offset: number;
  /** `cut`: what lies at or beyond it goes with the next load. */
  readonly phase: "cut" | "fetch";
  /** Files that were set aside before it, by an operator's word: they stay when it ends. */
  readonly kept: readonly string[];
}

/** Two lines, phase and offset, and one for each kept file. What is neither is taken for a log that was lost: nothing of it is believed unseen. */
export function readRepair(disk: Disk, directory: string): Repair {
  const text = readWholeFile(disk, `${directory}/${REPAIR}`)?.toString() ?? "";
  const [phase, digits = "", ...kept] = text.split("\n").filter((line) => line !== "");
  const offset = Number(digits);
  const isWhole = (phase === "cut" || phase === "fetch") && /^\d+$/u.test(digits) && Number.isSafeInteger(offset);
  return isWhole ? { offset, phase, kept } : { offset: 0, phase: "fetch", kept: asideIn(disk, directory) };
}

/** Those that lay there before a repair: one that was begun, and found no room, knows them. */
export function asideBefore(disk: Disk, directory: string): readonly string[] {
  return disk.list(directory).includes(REPAIR) ? readRepair(disk, directory).kept : asideIn(disk, directory);
}

/** Files that were set aside. */
export function asideIn(disk: Disk, directory: string): string[] {
  return disk.list(directory).filter((name) => name.endsWith(DAMAGED_SUFFIX));
}

/** Durable when it resolves. Rejects with DiskFault. */
export function writeRepair(host: LogHost, directory: string, { offset, phase, kept }: Repair): Promise<void> {
  return safeWrite(host, directory, REPAIR, `${[phase, offset, ...kept].join("\n")}\n`);
}

/** The offset that is suspected; null: none. */
export function readSuspicion(disk: Disk, directory: string): number | null {
  const text = readWholeFile(disk, `${directory}/${SUSPECT}`)?.toString().trim() ?? "";
  return /^\d+$/u.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : null;
}

/** Durable when it resolves. Rejects with DiskFault. */
export function writeSuspicion(host: LogHost, directory: string, offset: number): Promise<void> {
  return safeWrite(host, directory, SUSPECT, `${offset}\n`);
}

/**
 * The log is whole: what the repair kept aside goes, and the file last, so that a crash on the way leaves a repair to end. With
 * `isGivenUp` it is not, and counts all the same (9(3)): what was kept aside may be the last of its records, and stays for the operator.
 */
export async function endRepair(host: LogHost, directory: string, isGivenUp: boolean): Promise<void> {
  const { disk } = host;
  const kept = new Set(readRepair(disk, directory).kept);
  const aside = isGivenUp ? [] : asideIn(disk, directory).filter((name) => !kept.has(name));
  for (const name of [...aside, SUSPECT]) removeFile(disk, `${directory}/${name}`);
  removeFile(disk, `${directory}/${REPAIR}`);
  await synced(host, syncDirectory(disk, directory));
}
