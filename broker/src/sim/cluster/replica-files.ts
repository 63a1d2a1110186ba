/** The batches of a replica as its files hold them: for whoever compares replicas without asking the brokers. */
import { BATCH_PREFIX_BYTES, readBatchHeader, validateStoredBatch } from "@tidemark/proto";
import { PagedFile } from "../paged-file.ts";
import type { SimDisk } from "../sim-disk.ts";

export interface FiledBatch {
  readonly baseOffset: number;
  readonly nextOffset: number;
  readonly bytes: Buffer;
}

/** A file of the log. */
export class FiledSegment {
  readonly name: string;
  readonly base: number;
  readonly file: PagedFile;

  constructor(name: string, file: PagedFile) {
    this.name = name;
    this.base = Number.parseInt(name, 10);
    this.file = file;
  }

  /** What readers see in it, read for whoever asks. */
  get bytes(): Buffer {
    return this.bytesFrom(0);
  }

  bytesFrom(at: number): Buffer {
    const bytes = Buffer.alloc(this.file.sizeBytes - at);
    this.file.read(bytes, at);
    return bytes;
  }
}

const NAME_LENGTH = "00000000000000000000.log".length;

/** Ascending. `from`: those that end at or below it are left out. */
export function segmentsOf(disk: SimDisk, directory: string, from = 0): FiledSegment[] {
  const node = disk.tree.find(directory);
  if (node?.kind !== "directory") return [];
  const names = [...node.written.keys()].filter((name) => name.length === NAME_LENGTH && name.endsWith(".log")).sort();
  return names.flatMap((name, slot) => {
    const next = names[slot + 1];
    if (next !== undefined && Number.parseInt(next, 10) <= from) return [];
    const file = node.written.get(name);
    return file instanceof PagedFile ? new FiledSegment(name, file) : [];
  });
}

/** As it is on disk: below it lie batches that were deleted and still share a segment with others. */
export function logStartOf(disk: SimDisk, data: string, topic: string, partition: number): number {
  const file = disk.fileAt(`${data}/log-start-offset-checkpoint`);
  const bytes = Buffer.alloc(file?.sizeBytes ?? 0);
  file?.read(bytes, 0);
  return Number(new RegExp(`^${topic} ${partition} (\\d+)$`, "mu").exec(bytes.toString())?.[1] ?? 0);
}

/** What was read of a segment; more of it is read when it has grown. */
interface Parsed {
  readonly rewritesCount: number;
  /** Byte behind the last batch. */
  end: number;
  readonly batches: FiledBatch[];
}

/** Segments that were read before. Whoever looks at the same files again and again keeps one, and reads what is new. */
export type ParsedSegments = WeakMap<PagedFile, Parsed>;

/** Ascending; what follows a torn batch in a segment is not there. `from`: what ends at or below it is left out. */
export function batchesOf(
  disk: SimDisk,
  directory: string,
  from = 0,
  parsed: ParsedSegments = new WeakMap(),
): FiledBatch[] {
  return segmentsOf(disk, directory, from).flatMap((segment) => batchesFrom(parse(segment, parsed), from));
}

function parse(segment: FiledSegment, segments: ParsedSegments): readonly FiledBatch[] {
  const { file } = segment;
  const { rewritesCount } = file;
  let parsed = segments.get(file);
  if (parsed?.rewritesCount !== rewritesCount) {
    parsed = { rewritesCount, end: 0, batches: [] };
    segments.set(file, parsed);
  }
  for (const batch of batchesIn(segment.bytesFrom(parsed.end))) {
    parsed.batches.push(batch);
    parsed.end += batch.bytes.length;
  }
  return parsed.batches;
}

/** From the end: most who ask want the last few. One that has rotted may say that it ends before it begins. */
function batchesFrom(batches: readonly FiledBatch[], from: number): readonly FiledBatch[] {
  const first = batches.findLastIndex(({ baseOffset, nextOffset }) => baseOffset < from && nextOffset <= from) + 1;
  return batches.slice(first);
}

/** The same of a replica with bad bytes: a segment ends before the first of them. */
export function goodBatchesOf(disk: SimDisk, directory: string, from = 0): FiledBatch[] {
  return segmentsOf(disk, directory, from).flatMap((segment) => {
    const good = goodBatchesIn(segment).at(-1);
    return batchesIn(segment.bytes.subarray(0, good === undefined ? 0 : good.to));
  });
}

/** Bytes `from` to `to` of its segment. */
export interface GoodBatch {
  readonly from: number;
  readonly to: number;
  readonly baseOffset: number;
  readonly nextOffset: number;
}

/** Batch behind batch, as long as each is good and begins where the one before ends. */
export function goodBatchesIn({ base, bytes }: FiledSegment): GoodBatch[] {
  const batches: GoodBatch[] = [];
  let end = base;
  for (let from = 0; from < bytes.length; ) {
    const step = validateStoredBatch(bytes, from, bytes.length);
    if (!step.ok || step.header.baseOffset !== end) break;
    const { baseOffset, nextOffset, sizeBytes } = step.header;
    batches.push({ from, to: from + sizeBytes, baseOffset, nextOffset });
    from += sizeBytes;
    end = nextOffset;
  }
  return batches;
}

/** How far the files of a replica are good from `from` on, batch behind batch. */
export function goodEndOf(disk: SimDisk, directory: string, from: number): number {
  let end = from;
  for (const segment of segmentsOf(disk, directory, from)) {
    if (segment.base > end) break;
    end = Math.max(end, goodBatchesIn(segment).at(-1)?.nextOffset ?? segment.base);
  }
  return end;
}

function batchesIn(bytes: Buffer): FiledBatch[] {
  const batches: FiledBatch[] = [];
  for (let at = 0; at + BATCH_PREFIX_BYTES < bytes.length; ) {
    const size = BATCH_PREFIX_BYTES + bytes.readInt32BE(at + 8);
    if (size <= BATCH_PREFIX_BYTES || at + size > bytes.length) break;
    const header = readBatchHeader(bytes, at);
    batches.push({
      baseOffset: header.baseOffset,
      nextOffset: header.nextOffset,
      bytes: bytes.subarray(at, at + size),
    });
    at += size;
  }
  return batches;
}

/** In words; null: there is none. */
export function firstDifference(ours: readonly FiledBatch[], theirs: readonly FiledBatch[]): string | null {
  const name = (batch: FiledBatch | undefined): string =>
    batch === undefined
      ? "nothing"
      : `${batch.baseOffset}..${batch.nextOffset - 1} of epoch ${batch.bytes.readInt32BE(12)}`;
  for (let slot = 0; slot < Math.max(ours.length, theirs.length); slot++) {
    const [one, other] = [ours[slot], theirs[slot]];
    if (one === undefined || other === undefined || !one.bytes.equals(other.bytes))
      return `${name(one)} against ${name(other)}`;
  }
  return null;
}
