/**
 * A log as its files on the simulated medium show it, read without any code of the log: the independent side of every
 * comparison. It follows the formats of semantics 2.1-2.6 and the end of a log by 4.2(5): batches back to back, offsets
 * without gap, CRC right, leader epochs not falling, each segment beginning where the one before ends.
 */
import { validateStoredBatch } from "@tidemark/proto";
import type { BatchHeader } from "@tidemark/proto";
import type { PagedFile } from "../paged-file.ts";
import type { SimDisk } from "../sim-disk.ts";

export interface ImageBatch {
  readonly baseOffset: number;
  readonly position: number;
  readonly header: BatchHeader;
  readonly bytes: Buffer;
}

export interface ImageSegment {
  readonly baseOffset: number;
  /** Path without suffix. */
  readonly stem: string;
  readonly file: PagedFile;
  readonly batches: readonly ImageBatch[];
  /** Bytes of the batches; the file may hold more. */
  readonly validBytes: number;
}

export interface LogImage {
  readonly path: string;
  readonly names: readonly string[];
  /** Up to the one in which the valid prefix ends. */
  readonly segments: readonly ImageSegment[];
  readonly batches: readonly ImageBatch[];
  readonly endOffset: number;
  /** Nothing stands behind the valid prefix. */
  readonly isWhole: boolean;
}

const LOG_NAME = /^(\d{20})\.log$/;

/**
 * Null when there is no such directory. The log may begin at any segment base up to `logStart`; segments wholly below
 * `durableLogStart` were on their way out, and a crash may have left any of them.
 */
export function readLogImage(
  medium: SimDisk,
  path: string,
  logStart: number,
  durableLogStart: number,
): LogImage | null {
  const directory = medium.tree.find(path);
  if (directory?.kind !== "directory") return null;
  const names = [...directory.written.keys()];
  const segments: ImageSegment[] = [];
  let endOffset = 0;
  let leaderEpoch = -1;
  let isWhole = true;
  for (const name of liveLogs(names, durableLogStart)) {
    const baseOffset = Number(name.slice(0, 20));
    const file = directory.written.get(name);
    if (segments.length === 0 && baseOffset <= logStart) endOffset = baseOffset;
    if (!isWhole || baseOffset !== endOffset || file?.kind !== "file") {
      isWhole = false;
      break;
    }
    const bytes = contentOf(file);
    const batches: ImageBatch[] = [];
    let position = 0;
    while (position < bytes.length) {
      const step = validateStoredBatch(bytes, position, bytes.length);
      if (!step.ok || step.header.baseOffset !== endOffset || step.header.partitionLeaderEpoch < leaderEpoch) break;
      const { header } = step;
      batches.push({
        baseOffset: endOffset,
        position,
        header,
        bytes: bytes.subarray(position, position + header.sizeBytes),
      });
      position += header.sizeBytes;
      endOffset = header.nextOffset;
      leaderEpoch = header.partitionLeaderEpoch;
    }
    if (position < bytes.length) isWhole = false;
    segments.push({ baseOffset, stem: `${path}/${name.slice(0, 20)}`, file, batches, validBytes: position });
  }
  return { path, names, segments, batches: segments.flatMap((segment) => segment.batches), endOffset, isWhole };
}

/** The log files in order, without those wholly below `durableLogStart`. */
export function liveLogs(names: Iterable<string>, durableLogStart: number): string[] {
  const logs = [...names].filter((name) => LOG_NAME.test(name)).toSorted();
  return logs.slice(
    Math.max(
      0,
      logs.findLastIndex((name) => Number(name.slice(0, 20)) <= durableLogStart),
    ),
  );
}

export function contentOf(file: PagedFile): Buffer {
  const bytes = Buffer.alloc(file.sizeBytes);
  file.read(bytes, 0);
  return bytes;
}

/** Text of a file of the medium; null when there is none. */
export function textAt(medium: SimDisk, path: string): string | null {
  const file = medium.fileAt(path);
  return file === undefined ? null : contentOf(file).toString("latin1");
}

/** Entries of an offset checkpoint (2.6): "topic-partition" to offset; null when the text is malformed. */
export function parseOffsets(text: string): Map<string, number> | null {
  const offsets = new Map<string, number>();
  if (text === "") return offsets;
  const lines = text.split("\n");
  if (lines[0] !== "0" || lines.pop() !== "" || Number(lines[1]) !== lines.length - 2) return null;
  for (const line of lines.slice(2)) {
    const found = /^(\S+) (\d+) (\d+)$/.exec(line);
    if (found === null) return null;
    offsets.set(`${found[1]}-${found[2]}`, Number(found[3]));
  }
  return offsets;
}

/** Entries of a leader-epoch checkpoint (2.6): [epoch, start offset]; null when malformed. */
export function parseEpochs(text: string): [epoch: number, start: number][] | null {
  if (text === "") return [];
  const lines = text.split("\n");
  if (lines[0] !== "0" || lines.pop() !== "" || Number(lines[1]) !== lines.length - 2) return null;
  const entries: [number, number][] = [];
  for (const line of lines.slice(2)) {
    const found = /^(\d+) (\d+)$/.exec(line);
    if (found === null) return null;
    entries.push([Number(found[1]), Number(found[2])]);
  }
  return entries;
}

/** Epoch entries that the batches give: one at the first batch of each epoch. */
export function epochsOf(
  batches: readonly { readonly baseOffset: number; readonly header: BatchHeader }[],
): [epoch: number, start: number][] {
  const entries: [number, number][] = [];
  for (const { baseOffset, header } of batches) {
    if (entries.at(-1)?.[0] !== header.partitionLeaderEpoch) entries.push([header.partitionLeaderEpoch, baseOffset]);
  }
  return entries;
}
