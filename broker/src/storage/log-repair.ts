/**
 * The repair of a damaged replica from its peers (15.7(2), (3)): a file `.repair` in the directory of the partition says from
 * which offset on the log is not to be believed, and whether it was cut there yet. While it is there the replica counts as
 * damaged, whatever its bytes look like, and what was cut lies beside the log as `.damaged`.
 *
 *     none --begin--> cut --load--> fetch --the log is whole--> none
 *
 * `cut`: whoever loads the log cuts it at the offset, as a torn tail, and keeps what goes: the segment with the first bad
 * bytes as a copy `B.log.damaged`, later ones renamed. `fetch`: it was cut, durably; a load looks at everything from the
 * offset on. Either way a start that finds the file goes on where the last life ended, and it is no clean one for this log:
 * the file stands for a recovery point at its offset, lower than any on disk.
 */
import type { Disk } from "../ports/index.ts";
import { DAMAGED_SUFFIX } from "./directory-names.ts";
import { readWholeFile, removeFile, syncDirectory } from "./file-io.ts";
import type { LogHost } from "./log-host.ts";
import { safeWrite, synced } from "./safe-write.ts";

export const REPAIR = ".repair";

export interface Repair {
  /** The log is believed below it. */
  readonly offset: number;
  /** `cut`: what lies at or beyond it goes with the next load. */
  readonly phase: "cut" | "fetch";
}

/** Two lines, phase and offset. What is neither is taken for a log that was lost: nothing of it is believed unseen. */
export function readRepair(disk: Disk, directory: string): Repair {
  const [phase, text = ""] = (readWholeFile(disk, `${directory}/${REPAIR}`)?.toString() ?? "").split("\n");
  const offset = Number(text);
  const isWhole = (phase === "cut" || phase === "fetch") && /^\d+$/u.test(text) && Number.isSafeInteger(offset);
  return isWhole ? { offset, phase } : { offset: 0, phase: "fetch" };
}

/** Durable when it resolves. Rejects with DiskFault. */
export function writeRepair(host: LogHost, directory: string, { offset, phase }: Repair): Promise<void> {
  return safeWrite(host, directory, REPAIR, `${phase}\n${offset}\n`);
}

/**
 * The log is whole: what was kept aside goes, and the file last, so that a crash on the way leaves a repair to end. With `isGivenUp`
 * it is not, and counts all the same (9(3)): what was kept aside may be the last of its records, and stays for the operator.
 */
export async function endRepair(host: LogHost, directory: string, isGivenUp: boolean): Promise<void> {
  const { disk } = host;
  const aside = isGivenUp ? [] : disk.list(directory).filter((name) => name.endsWith(DAMAGED_SUFFIX));
  for (const name of aside) removeFile(disk, `${directory}/${name}`);
  removeFile(disk, `${directory}/${REPAIR}`);
  await synced(host, syncDirectory(disk, directory));
}
