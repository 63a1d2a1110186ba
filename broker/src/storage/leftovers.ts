/**
 * Files of work that a crash interrupted, tidied before a log is loaded (4.2(3)): a removal (`.deleted`), a cleaning
 * (`.cleaned`), a swap of cleaned segments for their originals (`.swap`), a safe write (`.tmp`).
 */
import { BATCH_PREFIX_BYTES } from "@tidemark/proto";
import type { Disk } from "../ports/index.ts";
import { lastOffsetAt } from "./batch-fields.ts";
import { offsetOfName } from "./directory-names.ts";
import { syncDirectory } from "./file-io.ts";
import { scanHeadersSync } from "./header-scan.ts";
import { TEMP_SUFFIX, synced } from "./safe-write.ts";
import type { SafeWriteHost } from "./safe-write.ts";
import { LOG_SUFFIX, SEGMENT_SUFFIXES } from "./segment.ts";

const SWAP_SUFFIX = ".swap";

/** Tidies `directory` and answers the names that stand in it then. */
export async function tidyLeftovers(host: SafeWriteHost, directory: string): Promise<string[]> {
  const { disk } = host;
  const names = new Set(disk.list(directory));
  const remove = (name: string): void => {
    disk.unlink(`${directory}/${name}`);
    names.delete(name);
  };

  const firstCleaned = Math.min(...basesOf(names, `${LOG_SUFFIX}.cleaned`));
  for (const name of names) {
    const isOver = name.endsWith(".deleted") || name.endsWith(".cleaned") || name.endsWith(TEMP_SUFFIX);
    // A swap at or above a segment that was still being cleaned belongs to a split that was not finished.
    const isUnfinished = name.endsWith(SWAP_SUFFIX) && baseOf(name) >= firstCleaned;
    if (isOver || isUnfinished) remove(name);
  }

  const swapped = basesOf(names, LOG_SUFFIX + SWAP_SUFFIX);
  if (swapped.length > 0) {
    const from = Math.min(...swapped);
    const to = Math.max(
      ...[...names]
        .filter((name) => name.endsWith(LOG_SUFFIX + SWAP_SUFFIX))
        .map((name) => endOf(disk, `${directory}/${name}`)),
    );
    for (const name of names) {
      const isOriginal =
        SEGMENT_SUFFIXES.some((suffix) => name.endsWith(suffix)) && baseOf(name) >= from && baseOf(name) < to;
      if (isOriginal) remove(name);
    }
    await synced(host, syncDirectory(disk, directory));
    for (const name of [...names].filter((candidate) => candidate.endsWith(SWAP_SUFFIX))) {
      const finalName = name.slice(0, -SWAP_SUFFIX.length);
      disk.rename(`${directory}/${name}`, `${directory}/${finalName}`);
      names.delete(name);
      names.add(finalName);
    }
  }
  removeOrphanedIndexes(names, remove);
  return [...names];
}

/** An index without its log says nothing (4.2(4)). */
function removeOrphanedIndexes(names: ReadonlySet<string>, remove: (name: string) => void): void {
  for (const suffix of SEGMENT_SUFFIXES) {
    if (suffix === LOG_SUFFIX) continue;
    for (const name of names) {
      if (offsetOfName(name, suffix) === null) continue;
      if (!names.has(name.slice(0, -suffix.length) + LOG_SUFFIX)) remove(name);
    }
  }
}

function basesOf(names: ReadonlySet<string>, suffix: string): number[] {
  return [...names].map((name) => offsetOfName(name, suffix)).filter((base) => base !== null);
}

/** Base offset in the first 20 digits of a name; NaN, which compares as false, for any other name. */
function baseOf(name: string): number {
  return /^\d{20}\./u.test(name) ? Number(name.slice(0, 20)) : Number.NaN;
}

/** The offset after the last whole batch of a swap file. */
function endOf(disk: Disk, path: string): number {
  const file = disk.open(path, "read");
  try {
    let end = 0;
    if (file.size < BATCH_PREFIX_BYTES) return end;
    scanHeadersSync(file, 0, file.size, (bytes, at) => {
      end = lastOffsetAt(bytes, at) + 1;
      return true;
    });
    return end;
  } finally {
    file.closeSync();
  }
}
