/**
 * What stands beside one segment, held against its batches while they pass by: the offset index, the time index and the
 * transaction index. A check is opened with the file, shown every batch in order, and closed at the segment's end.
 *
 * An index entry is right when it leads a search to the right place: an offset entry points at the first byte of the batch
 * that ends with its offset; a time entry (T, offset) says that T is the newest timestamp up to the batch that ends with
 * its offset.
 */
import type { BatchHeader } from "@tidemark/proto";
import type { Disk } from "../ports/index.ts";
import { walkBatches } from "./batch-walk.ts";
import type { WalkHost } from "./batch-walk.ts";
import { offsetOfName } from "./directory-names.ts";
import { readWholeFile } from "./file-io.ts";
import { Findings } from "./findings.ts";
import type { Finding, FindingKind, Severity } from "./findings.ts";
import { OffsetIndex } from "./offset-index.ts";
import { LOG_SUFFIX, OFFSET_INDEX_SUFFIX, TIME_INDEX_SUFFIX } from "./segment.ts";
import { TimeIndex } from "./time-index.ts";
import { decodeTxnIndex } from "./txn-index-file.ts";
import type { AbortedTransaction } from "./txn-index-file.ts";

/** No index is larger: positions and offsets in it are int32, and an entry needs a batch. Not read into memory. */
export const INDEX_BYTES_MAX = 256 * 1024 * 1024;

export interface IndexCheckOptions {
  readonly disk: Disk;
  readonly path: string;
  readonly baseOffset: number;
  readonly findings: Findings;
  /** What it means that an entry is wrong: damage, or for a file that the next start makes anew, a note. */
  readonly severity: Severity;
}

/** The bytes of an index file; null when there are none, or they are too many (which is told). */
function readIndex({ disk, path, findings, severity }: IndexCheckOptions, kind: FindingKind): Buffer | null {
  const size = disk.sizeOf(path);
  if (size === null) return null;
  if (size <= INDEX_BYTES_MAX) return readWholeFile(disk, path);
  findings.add(severity, kind, path, `${size} bytes are more than any index has`);
  return null;
}

export class OffsetIndexCheck {
  readonly #options: IndexCheckOptions;
  readonly #index: OffsetIndex;
  #slot = 0;

  constructor(options: IndexCheckOptions) {
    this.#options = options;
    const bytes = readIndex(options, "index");
    const parsed = bytes === null ? OffsetIndex.empty() : OffsetIndex.parse(bytes);
    if (parsed === null) this.#tell("is no whole number of entries, or ends beyond what a segment has", 0);
    this.#index = parsed ?? OffsetIndex.empty();
  }

  get entriesCount(): number {
    return this.#index.count;
  }

  onBatch(header: BatchHeader, position: number): void {
    while (this.#slot < this.#index.count && this.#index.positionAt(this.#slot) <= position) {
      const slot = this.#slot;
      const found = this.#index.positionAt(slot);
      const offset = this.#options.baseOffset + this.#index.relativeOffsetAt(slot);
      if (found !== position) this.#tell(`entry ${slot} points at byte ${found}, where no batch begins`, offset);
      else if (offset !== header.lastOffset)
        this.#tell(
          `entry ${slot} says offset ${offset} for the batch at byte ${position}, which ends with ${header.lastOffset}`,
          offset,
        );
      this.#slot += 1;
    }
  }

  close(_isSealed?: boolean): void {
    for (; this.#slot < this.#index.count; this.#slot += 1) {
      const offset = this.#options.baseOffset + this.#index.relativeOffsetAt(this.#slot);
      this.#tell(
        `entry ${this.#slot} points at byte ${this.#index.positionAt(this.#slot)}, where no batch begins`,
        offset,
      );
    }
  }

  #tell(message: string, offset: number): void {
    const { findings, severity, path } = this.#options;
    findings.add(severity, "index", path, message, { position: this.#slot * 8, offset });
  }
}

export class TimeIndexCheck {
  readonly #options: IndexCheckOptions;
  readonly #index: TimeIndex;
  #slot = 0;
  #maxTimestamp = -1;

  constructor(options: IndexCheckOptions) {
    this.#options = options;
    const bytes = readIndex(options, "time-index");
    const parsed = bytes === null ? TimeIndex.empty() : TimeIndex.parse(bytes);
    if (parsed === null) this.#tell("is no whole number of entries, or ends beyond what a segment has", 0);
    this.#index = parsed ?? TimeIndex.empty();
    for (let slot = 1; slot < this.#index.count; slot += 1) {
      if (this.#index.timestampAt(slot) > this.#index.timestampAt(slot - 1)) continue;
      this.#tell(
        `entry ${slot} has timestamp ${this.#index.timestampAt(slot)}, not above the one before`,
        this.#offsetAt(slot),
      );
    }
  }

  get entriesCount(): number {
    return this.#index.count;
  }

  onBatch(header: BatchHeader, _position?: number): void {
    this.#maxTimestamp = Math.max(this.#maxTimestamp, header.maxTimestamp);
    while (this.#slot < this.#index.count && this.#offsetAt(this.#slot) <= header.lastOffset) {
      const offset = this.#offsetAt(this.#slot);
      const timestamp = this.#index.timestampAt(this.#slot);
      if (offset !== header.lastOffset)
        this.#tell(`entry ${this.#slot} names offset ${offset}, with which no batch ends`, offset);
      else if (timestamp !== this.#maxTimestamp)
        this.#tell(
          `entry ${this.#slot} says timestamp ${timestamp} for offset ${offset}; the newest up to there is ${this.#maxTimestamp}`,
          offset,
        );
      this.#slot += 1;
    }
  }

  /** `isSealed`: no more batches come, and the index must end with the newest timestamp. */
  close(isSealed: boolean): void {
    for (; this.#slot < this.#index.count; this.#slot += 1)
      this.#tell(
        `entry ${this.#slot} names offset ${this.#offsetAt(this.#slot)}, with which no batch ends`,
        this.#offsetAt(this.#slot),
      );
    const last = this.#index.lastTimestamp;
    if (!isSealed || this.#options.disk.sizeOf(this.#options.path) === null || last >= this.#maxTimestamp) return;
    this.#tell(`ends with timestamp ${last}; the newest in the segment is ${this.#maxTimestamp}`, 0);
  }

  #offsetAt(slot: number): number {
    return this.#options.baseOffset + this.#index.relativeOffsetAt(slot);
  }

  #tell(message: string, offset: number): void {
    const { findings, severity, path } = this.#options;
    findings.add(severity, "time-index", path, message, { position: this.#slot * 12, offset });
  }
}

export class TxnIndexCheck {
  readonly #options: IndexCheckOptions;
  readonly #entries: readonly AbortedTransaction[];
  readonly #isReadable: boolean;
  #slot = 0;

  constructor(options: IndexCheckOptions) {
    this.#options = options;
    const bytes = readIndex(options, "txn-index");
    const parsed = bytes === null ? [] : decodeTxnIndex(bytes);
    if (parsed === null) this.#tell("is no whole number of entries, or holds one that cannot be");
    this.#isReadable = parsed !== null;
    this.#entries = parsed ?? [];
  }

  get entriesCount(): number {
    return this.#entries.length;
  }

  /**
   * The marker of an aborted transaction stands at `offset`. `firstOffset`: where its records begin; null when none are in
   * the log (any more).
   */
  onAbort(producerId: number, offset: number, firstOffset: number | null): void {
    this.#passTo(offset);
    const entry = this.#entries[this.#slot];
    if (entry === undefined || entry.lastOffset !== offset) {
      if (firstOffset !== null && this.#isReadable)
        this.#tell(
          `misses the transaction of producer ${producerId} from ${firstOffset} that was aborted at ${offset}`,
          offset,
        );
      return;
    }
    if (entry.producerId !== producerId)
      this.#tell(
        `entry ${this.#slot} names producer ${entry.producerId}; the marker at ${offset} is of ${producerId}`,
        offset,
      );
    else if (firstOffset !== null && entry.firstOffset !== firstOffset)
      this.#tell(
        `entry ${this.#slot} begins at ${entry.firstOffset}; the transaction begins at ${firstOffset}`,
        offset,
      );
    this.#slot += 1;
  }

  close(): void {
    this.#passTo(Number.POSITIVE_INFINITY);
  }

  #passTo(offset: number): void {
    for (
      let entry = this.#entries[this.#slot];
      entry !== undefined && entry.lastOffset < offset;
      entry = this.#entries[this.#slot]
    ) {
      this.#tell(
        `entry ${this.#slot} names offset ${entry.lastOffset}, where no transaction of producer ${entry.producerId} was aborted`,
        entry.lastOffset,
      );
      this.#slot += 1;
    }
  }

  #tell(message: string, offset?: number): void {
    const { findings, severity, path } = this.#options;
    findings.add(severity, "txn-index", path, message, {
      position: this.#slot * 34,
      ...(offset === undefined ? {} : { offset }),
    });
  }
}

/**
 * Holds one `.index` or `.timeindex` against the segment beside it; null when there is no such segment, or the file is
 * another. Rejects with DiskFault.
 */
export async function verifyIndexFile(host: WalkHost, path: string): Promise<readonly Finding[] | null> {
  const slash = path.lastIndexOf("/") + 1;
  const suffix = [OFFSET_INDEX_SUFFIX, TIME_INDEX_SUFFIX].find((end) => offsetOfName(path.slice(slash), end) !== null);
  if (suffix === undefined) return null;
  const log = path.slice(0, -suffix.length) + LOG_SUFFIX;
  if (host.disk.sizeOf(log) === null) return null;
  const findings = new Findings();
  const baseOffset = offsetOfName(path.slice(slash), suffix) ?? 0;
  const options: IndexCheckOptions = { disk: host.disk, path, baseOffset, findings, severity: "damage" };
  const check = suffix === OFFSET_INDEX_SUFFIX ? new OffsetIndexCheck(options) : new TimeIndexCheck(options);
  await walkBatches(host, log, {
    onBatch: (header, position) => check.onBatch(header, position),
    onBadBatch: () => undefined,
  });
  check.close(false);
  return findings.all();
}
