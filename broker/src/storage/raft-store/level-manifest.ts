/**
 * The end of LevelDB's manifest after a power failure (semantics 10.1(9)). The manifest is a log of edits, in the layout of LevelDB's logs;
 * an edit is synced before anything follows from it, so that a torn last one was never relied upon. LevelDB drops one that is cut short, and
 * refuses the whole store for one that lacks sectors: that is cut off here.
 *
 * What a crash left and what rotted later look alike, but for this: whoever has synced an edit removes the log that it makes superfluous.
 * While the log that the edits before it name is there, nothing is lost without the last one.
 */
import type { Disk } from "../../ports/index.ts";
import { readWholeFile, syncPath, writeTail } from "../file-io.ts";
import { inspectLevelLog, levelBatches } from "./level-log.ts";

/** First fields of an edit, each behind its tag, a varint: comparator (length, bytes), number of the log (varint). */
const COMPARATOR = 1;
const LOG_NUMBER = 2;

/**
 * Cuts a torn last edit off. Answers what was done, for people; null: nothing, the manifest being whole, missing, or in a state that is
 * LevelDB's to judge. To be called after an unclean stop only. Rejects with DiskFault.
 */
export async function mendManifest(disk: Disk, path: string): Promise<string | null> {
  const current = disk.isDirectory(path) ? readWholeFile(disk, `${path}/CURRENT`) : null;
  const name = /^(MANIFEST-\d+)\n$/u.exec(current?.toString("latin1") ?? "")?.[1];
  const bytes = name === undefined ? null : readWholeFile(disk, `${path}/${name}`);
  if (name === undefined || bytes === null) return null;
  const state = inspectLevelLog(bytes);
  if (state.kind !== "torn") return null;
  const logNumber = lastLogNumber(bytes.subarray(0, state.position));
  const logName = `${String(logNumber).padStart(6, "0")}.log`;
  if (logNumber === null || !disk.list(path).includes(logName)) return null;
  writeTail(disk, `${path}/${name}`, Buffer.alloc(0), state.position);
  await syncPath(disk, `${path}/${name}`);
  return `the last edit of ${name}, at byte ${state.position}, was torn; ${logName} holds what it spoke of`;
}

/** Of the edits, all whole: the newest log number that they name. */
function lastLogNumber(edits: Uint8Array): number | null {
  let found: number | null = null;
  for (const edit of levelBatches(edits)) found = logNumberOf(edit) ?? found;
  return found;
}

function logNumberOf(edit: Uint8Array): number | null {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = edit[at] ?? 0;
      at += 1;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  let tag = varint();
  if (tag === COMPARATOR) {
    at += varint();
    tag = varint();
  }
  return tag === LOG_NUMBER ? varint() : null;
}
