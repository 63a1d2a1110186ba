/**
 * Looks through the directory of one replica, and changes nothing: every batch of every segment with its CRC, offsets and
 * leader epochs in order, segments that follow each other, indexes, producer snapshots and the epoch file held against the
 * batches.
 *
 * What is damage depends on where the recovery point stands (4.2(6)): a bad batch at or above it is a torn tail that the
 * next start cuts, and indexes from there on are made anew. A replica whose recovery point nobody knows (a directory that
 * was copied out alone) gets the stricter reading. Gaps between offsets are damage unless something says that the log was
 * compacted: the base offset lies outside the CRC, and an altered one shows as a gap.
 */
import { RecordCursor } from "@tidemark/proto";
import type { BatchHeader, ScanFailure } from "@tidemark/proto";
import { DiskFault } from "../ports/index.ts";
import { walkBatches } from "./batch-walk.ts";
import type { BatchVisitor, WalkHost } from "./batch-walk.ts";
import { RELATIVE_OFFSET_MAX } from "./batch-fields.ts";
import { parseEpochs, readCheckpoint } from "./checkpoint-file.ts";
import type { EpochEntry } from "./checkpoint-file.ts";
import { offsetName, offsetOfName } from "./directory-names.ts";
import { EPOCH_CHECKPOINT } from "./epoch-file.ts";
import { readWholeFile } from "./file-io.ts";
import { Findings } from "./findings.ts";
import type { Finding, Severity } from "./findings.ts";
import { PARTITION_METADATA, readTopicId } from "./partition-metadata.ts";
import { decodeProducerSnapshot } from "./producer-snapshot.ts";
import { ProducerState } from "./producer-state.ts";
import { replayBatch } from "./producer-replay.ts";
import { LOG_SUFFIX, OFFSET_INDEX_SUFFIX, SEGMENT_SUFFIXES, TIME_INDEX_SUFFIX } from "./segment.ts";
import { SNAPSHOT_SUFFIX } from "./snapshot-store.ts";
import { StorageError } from "./storage-error.ts";
import { TXN_INDEX_SUFFIX } from "./txn-index-file.ts";
import { OffsetIndexCheck, TimeIndexCheck, TxnIndexCheck } from "./verify-segment.ts";

export interface PartitionToVerify {
  readonly directory: string;
  /** Null: nobody knows. 0: the data directory's checkpoint has no entry for it. */
  readonly recoveryPoint: number | null;
  /** From the log-start checkpoint; 0 = none. */
  readonly logStartOffset: number;
  /** The data directory was stopped cleanly: nothing is torn, nothing is made anew. */
  readonly isClean: boolean;
  /** A broker runs on it: files come and go, and the tail is being written. */
  readonly isLive: boolean;
  /** The cleaner has been here. */
  readonly isCompacted: boolean;
  /** Whether every batch is opened and every record read. */
  readonly isDeep: boolean;
}

/** What was read of one replica, and what is wrong with it. Plain data, for people and machines. */
export interface PartitionVerdict {
  readonly directory: string;
  readonly topicId: string | null;
  readonly segments: number;
  readonly batches: number;
  readonly records: number;
  readonly bytes: number;
  /** First offset of the first segment, and the offset after the last good batch. */
  readonly startOffset: number;
  readonly endOffset: number;
  readonly latestEpoch: number;
  /** Entries of all offset, time and transaction indexes. */
  readonly indexEntries: number;
  readonly snapshots: number;
  readonly findings: readonly Finding[];
}

/** Rejects with DiskFault; a file that vanishes under a running broker is a note. */
export async function verifyPartition(host: WalkHost, partition: PartitionToVerify): Promise<PartitionVerdict> {
  return new PartitionCheck(host, partition).run();
}

/** A run of batches of one leader epoch. */
interface EpochRun {
  readonly epoch: number;
  readonly first: number;
  last: number;
}

const LEFTOVER = /\.(?:deleted|cleaned|swap|tmp|part)$/u;
const MARKER_ABORT = 0;

class PartitionCheck implements BatchVisitor {
  readonly #host: WalkHost;
  readonly #partition: PartitionToVerify;
  readonly #findings = new Findings();
  readonly #producers = new ProducerState();
  /** First offset of each producer's open transaction. */
  readonly #openTransactions = new Map<number, number>();
  readonly #runs: EpochRun[] = [];
  #snapshots: number[] = [];
  #snapshotsRead = 0;
  #isCompacted: boolean;

  #batches = 0;
  #records = 0;
  #bytes = 0;
  #indexEntries = 0;
  #firstOffset: number | null = null;
  /** The offset after the last good batch, or the base of a segment that begins later. */
  #end = 0;
  #epoch = -1;

  // Of the segment that is being walked.
  #path = "";
  #base = 0;
  #hasGap = false;
  /** The next start cuts the log where the walk stands: what follows is not part of it. */
  #isCut = false;
  #offsets: OffsetIndexCheck | null = null;
  #times: TimeIndexCheck | null = null;
  #transactions: TxnIndexCheck | null = null;

  constructor(host: WalkHost, partition: PartitionToVerify) {
    this.#host = host;
    this.#partition = partition;
    this.#isCompacted = partition.isCompacted;
  }

  async run(): Promise<PartitionVerdict> {
    const { directory } = this.#partition;
    const names = this.#host.disk.list(directory).sort();
    const bases = offsetsOf(names, LOG_SUFFIX);
    this.#snapshots = offsetsOf(names, SNAPSHOT_SUFFIX);
    this.#end = bases[0] ?? this.#partition.logStartOffset;
    this.#checkNames(names);
    const topicId = this.#topicId();
    for (const [slot, base] of bases.entries()) {
      if (!(await this.#segment(base, bases[slot + 1] ?? null))) break;
    }
    this.#passSnapshots(this.#end);
    this.#checkSnapshotsBehind();
    this.#checkEpochFile();
    this.#checkEnd();
    return {
      directory,
      topicId,
      segments: bases.length,
      batches: this.#batches,
      records: this.#records,
      bytes: this.#bytes,
      startOffset: bases[0] ?? this.#end,
      endOffset: this.#end,
      latestEpoch: this.#epoch,
      indexEntries: this.#indexEntries,
      snapshots: this.#snapshotsRead,
      findings: this.#findings.all(),
    };
  }

  // ---- names and small files ----

  #checkNames(names: readonly string[]): void {
    const findings = this.#findings;
    for (const name of names) {
      const path = this.#pathOf(name);
      if (LEFTOVER.test(name))
        findings.add(
          this.#partition.isLive ? "note" : "warning",
          "leftover",
          path,
          "of work that was cut off; the next start tidies it",
        );
      else if (name.endsWith(".damaged"))
        findings.add("warning", "set-aside", path, "kept for the operator when its log was cut");
      const suffix = SEGMENT_SUFFIXES.find(
        (candidate) => candidate !== LOG_SUFFIX && offsetOfName(name, candidate) !== null,
      );
      if (suffix === undefined || names.includes(name.slice(0, -suffix.length) + LOG_SUFFIX)) continue;
      findings.add("warning", "leftover", path, "an index without its log; the next start deletes it");
    }
  }

  #topicId(): string | null {
    const path = this.#pathOf(PARTITION_METADATA);
    try {
      const topicId = readTopicId(this.#host.disk, this.#partition.directory);
      if (topicId === null)
        this.#findings.add(
          "warning",
          "partition-metadata",
          path,
          "is missing: nothing says which topic the bytes belong to",
        );
      return topicId;
    } catch (error: unknown) {
      if (!(error instanceof StorageError)) throw error;
      this.#findings.add("damage", "partition-metadata", path, "no topic id can be read from it");
      return null;
    }
  }

  // ---- segments ----

  /** False: the next start cuts here, and what follows is not looked at. */
  async #segment(base: number, nextBase: number | null): Promise<boolean> {
    const { isLive } = this.#partition;
    this.#path = this.#pathOf(offsetName(base) + LOG_SUFFIX);
    if (!this.#follows(base)) return false;
    this.#base = base;
    this.#end = Math.max(this.#end, base);
    this.#hasGap = false;
    this.#openChecks(base, nextBase);
    try {
      const walked = await walkBatches(this.#host, this.#path, this);
      const isSealed = nextBase !== null;
      if (!this.#isCut) this.#closeChecks(isSealed && walked.reason === null);
      this.#bytes += walked.position;
      if (this.#isCut) return false;
      if (walked.reason === null) return true;
      return this.#badEnd(walked.reason, walked.position, walked.fileBytes);
    } catch (error: unknown) {
      if (!(error instanceof DiskFault && error.kind === "ENOENT" && isLive)) throw error;
      this.#findings.add("note", "gone", this.#path, "was removed while this ran");
      return true;
    }
  }

  /** Whether the segment begins where the one before ends. */
  #follows(base: number): boolean {
    if (base === this.#end || this.#batches === 0) return true;
    if (base < this.#end) {
      return this.#tellTorn("overlap", `begins at ${base}, below ${this.#end} where the one before ends`, {
        offset: base,
      });
    }
    // A batch that lies further on than a segment can say begins one of its own (3.3(3)).
    if (this.#isCompacted || base - this.#base > RELATIVE_OFFSET_MAX) return true;
    return this.#tellTorn(
      "hole",
      `begins at ${base}; the one before ends at ${this.#end}: ${base - this.#end} offsets are missing`,
      { offset: this.#end },
    );
  }

  #openChecks(base: number, nextBase: number | null): void {
    const stem = this.#pathOf(offsetName(base));
    // Indexes from the segment of the recovery point on are made anew by any start but one after a clean stop.
    const isTrusted = this.#isBelowRecoveryPoint(nextBase ?? Number.POSITIVE_INFINITY);
    const severity: Severity = isTrusted ? "damage" : "note";
    const options = { disk: this.#host.disk, baseOffset: base, findings: this.#findings, severity };
    this.#offsets = new OffsetIndexCheck({ ...options, path: stem + OFFSET_INDEX_SUFFIX });
    this.#times = new TimeIndexCheck({ ...options, path: stem + TIME_INDEX_SUFFIX });
    this.#transactions = new TxnIndexCheck({ ...options, path: stem + TXN_INDEX_SUFFIX });
    for (const check of [this.#offsets, this.#times, this.#transactions]) this.#indexEntries += check.entriesCount;
  }

  #closeChecks(isSealed: boolean): void {
    this.#offsets?.close();
    this.#times?.close(isSealed);
    this.#transactions?.close();
  }

  onBatch(header: BatchHeader, position: number, bytes: Buffer, at: number): void {
    if (this.#isCut) return;
    this.#checkOffsets(header, position);
    this.#passSnapshots(header.baseOffset);
    this.#checkEpoch(header, position);
    if (this.#isCut) return;
    this.#offsets?.onBatch(header, position);
    this.#times?.onBatch(header);
    if (header.recordsCount <= header.lastOffsetDelta) this.#isCompacted = true;
    if (header.hasProducerId) this.#followProducer(header, bytes, at);
    if (this.#partition.isDeep) this.#checkRecords(header, position, bytes, at);
    this.#firstOffset ??= header.baseOffset;
    this.#batches += 1;
    this.#records += header.recordsCount;
    this.#end = Math.max(this.#end, header.nextOffset);
  }

  onBadBatch(reason: ScanFailure, position: number, header: BatchHeader): void {
    if (this.#isCut) return;
    const what = `the batch at byte ${position} (${header.sizeBytes} bytes) is bad: ${reasonText(reason)}`;
    this.#tellTorn("bad-batch", what, { position, offset: this.#end });
    // Its offsets can be wrong as well: what follows is no gap.
    this.#hasGap = true;
  }

  #checkOffsets(header: BatchHeader, position: number): void {
    const { baseOffset } = header;
    if (baseOffset < this.#end) {
      this.#tellTorn(
        "offset",
        `the batch at byte ${position} begins at ${baseOffset}, below ${this.#end} where the one before ends`,
        { position, offset: baseOffset },
      );
    } else if (header.lastOffset - this.#base > RELATIVE_OFFSET_MAX) {
      this.#tellTorn(
        "offset",
        `the batch at byte ${position} ends at ${header.lastOffset}, further on than its segment can say`,
        { position, offset: baseOffset },
      );
    } else if (baseOffset > this.#end && !this.#isCompacted && !this.#hasGap) {
      const missing = baseOffset - this.#end;
      this.#tellTorn(
        "gap",
        `${missing} offsets are missing before ${baseOffset}, and nothing says that the log was compacted`,
        { position, offset: this.#end },
      );
    }
    this.#hasGap = false;
  }

  #checkEpoch({ partitionLeaderEpoch: epoch, baseOffset, lastOffset }: BatchHeader, position: number): void {
    if (epoch < 0) return;
    if (epoch < this.#epoch) {
      this.#tellTorn("epoch", `the batch at byte ${position} has leader epoch ${epoch} after ${this.#epoch}`, {
        position,
        offset: baseOffset,
      });
      return;
    }
    const run = this.#runs.at(-1);
    if (run?.epoch === epoch) run.last = lastOffset;
    else this.#runs.push({ epoch, first: baseOffset, last: lastOffset });
    this.#epoch = epoch;
  }

  #followProducer(header: BatchHeader, bytes: Buffer, at: number): void {
    replayBatch(this.#producers, bytes, at, 0);
    if (!header.isTransactional) return;
    const { producerId } = header;
    if (!header.isControl) {
      if (!this.#openTransactions.has(producerId)) this.#openTransactions.set(producerId, header.baseOffset);
      return;
    }
    const first = this.#openTransactions.get(producerId) ?? null;
    this.#openTransactions.delete(producerId);
    if (markerTypeOf(bytes, at, header) === MARKER_ABORT)
      this.#transactions?.onAbort(producerId, header.lastOffset, first);
  }

  #checkRecords(header: BatchHeader, position: number, bytes: Buffer, at: number): void {
    const place = { position, offset: header.baseOffset };
    try {
      const cursor = new RecordCursor(bytes.subarray(at, at + header.sizeBytes), {
        verifyCrc: false,
        includeControl: true,
      });
      let newest = Number.NEGATIVE_INFINITY;
      while (cursor.next()) newest = Math.max(newest, cursor.timestamp);
      if (header.recordsCount === 0 || header.isLogAppendTime || newest === header.maxTimestamp) return;
      this.#findings.add(
        "warning",
        "records",
        this.#path,
        `the batch at byte ${position} says ${header.maxTimestamp} for its newest record, which has ${newest}`,
        place,
      );
    } catch (error: unknown) {
      if (!(error instanceof Error)) throw error;
      this.#findings.add(
        "damage",
        "records",
        this.#path,
        `the records of the batch at byte ${position} cannot be read: ${error.message}`,
        place,
      );
    }
  }

  /** The walk ended before the file did. False: a torn tail, with which the log ends. */
  #badEnd(reason: ScanFailure, position: number, fileBytes: number): boolean {
    const left = fileBytes - position;
    const what = `${left} bytes from byte ${position} on are no batch: ${reasonText(reason)}`;
    if (this.#isBelowRecoveryPoint(this.#end + 1)) {
      this.#findings.add("damage", "bad-batch", this.#path, what, { position, offset: this.#end });
      return true;
    }
    this.#findings.add(
      "note",
      "torn-tail",
      this.#path,
      `${what}; ${this.#partition.isLive ? "being written" : "the next start cuts them"}`,
      { position, offset: this.#end },
    );
    return false;
  }

  /** Tells of something that recovery would cut at: damage below the recovery point, else a note. True: go on. */
  #tellTorn(
    kind: "overlap" | "hole" | "bad-batch" | "offset" | "gap" | "epoch",
    message: string,
    place: { position?: number; offset: number },
  ): boolean {
    const isDamage = this.#isBelowRecoveryPoint(this.#end + 1);
    if (isDamage) this.#findings.add("damage", kind, this.#path, message, place);
    else this.#findings.add("note", "torn-tail", this.#path, `${message}; the next start cuts there`, place);
    this.#isCut = !isDamage;
    return isDamage;
  }

  /** Whether what ends at `end` was synced, so that it must be good. */
  #isBelowRecoveryPoint(end: number): boolean {
    const { isClean, recoveryPoint } = this.#partition;
    return isClean || recoveryPoint === null || end <= recoveryPoint;
  }

  // ---- held against the whole log ----

  /** Checks the snapshots at or below `offset`, where the producers stand as they did when those were taken. */
  #passSnapshots(offset: number): void {
    while (this.#snapshots[0] !== undefined && this.#snapshots[0] <= offset)
      this.#checkSnapshot(this.#snapshots.shift() ?? 0);
  }

  #checkSnapshot(offset: number): void {
    const path = this.#pathOf(offsetName(offset) + SNAPSHOT_SUFFIX);
    const severity: Severity = this.#isBelowRecoveryPoint(offset) ? "damage" : "note";
    const bytes = readWholeFile(this.#host.disk, path);
    if (bytes === null) return;
    const state = decodeProducerSnapshot(bytes, 0);
    if (state === null) {
      this.#findings.add(severity, "snapshot", path, "is not whole: its size or its CRC is wrong", { offset });
      return;
    }
    this.#snapshotsRead += 1;
    // One from before the first batch speaks of batches that retention has removed.
    if (this.#firstOffset === null || offset <= this.#firstOffset) return;
    for (const { producerId, producerEpoch, lastSequence, batches } of state.producers()) {
      const lastOffset = batches.at(-1)?.lastOffset ?? -1;
      if (lastOffset < this.#firstOffset) continue;
      const known = this.#producers.get(producerId);
      const seen = known?.batches.at(-1);
      const isSame =
        seen?.lastOffset === lastOffset && seen.lastSequence === lastSequence && known?.producerEpoch === producerEpoch;
      if (isSame || (this.#isCompacted && seen?.lastOffset !== lastOffset)) continue;
      const found = seen === undefined ? "none" : `sequence ${seen.lastSequence} at offset ${seen.lastOffset}`;
      this.#findings.add(
        severity,
        "snapshot",
        path,
        `says that the last batch of producer ${producerId} has sequence ${lastSequence} at offset ${lastOffset}; in the log it is ${found}`,
        { offset: lastOffset },
      );
    }
  }

  #checkSnapshotsBehind(): void {
    for (const offset of this.#snapshots)
      this.#findings.add(
        "warning",
        "snapshot",
        this.#pathOf(offsetName(offset) + SNAPSHOT_SUFFIX),
        `lies above ${this.#end}, where the log ends; the next start deletes it`,
        { offset },
      );
  }

  #checkEpochFile(): void {
    const path = this.#pathOf(EPOCH_CHECKPOINT);
    const parsed = readCheckpoint(this.#host.disk, path, parseEpochs);
    if (!parsed.ok) {
      this.#findings.add("damage", "epoch-file", path, parsed.reason);
      return;
    }
    for (const run of this.#runs) {
      // Entries from the recovery point on are taken from the batches by any start but one after a clean stop.
      if (!this.#isBelowRecoveryPoint(run.first + 1)) break;
      // Below the log start the file has been told to forget (5.5).
      const first = Math.max(run.first, this.#partition.logStartOffset);
      if (run.last < first) continue;
      const known = epochAt(parsed.entries, first);
      if (known !== run.epoch)
        this.#findings.add(
          "damage",
          "epoch-file",
          path,
          `says epoch ${known ?? "none"} for offset ${run.first}, whose batch has ${run.epoch}`,
          { offset: run.first },
        );
      const end = epochAt(parsed.entries, run.last);
      if (known === run.epoch && end !== known && this.#isBelowRecoveryPoint(run.last + 1))
        this.#findings.add(
          "damage",
          "epoch-file",
          path,
          `says epoch ${end ?? "none"} for offset ${run.last}, whose batch has ${run.epoch}`,
          { offset: run.last },
        );
    }
    const above = parsed.entries.find(({ startOffset }) => startOffset > this.#end);
    if (above !== undefined && !this.#partition.isLive)
      this.#findings.add(
        "warning",
        "epoch-file",
        path,
        `epoch ${above.epoch} begins at ${above.startOffset}, above ${this.#end} where the log ends; the next start drops it`,
        { offset: above.startOffset },
      );
  }

  /** Bytes that were synced have to be there. */
  #checkEnd(): void {
    const { recoveryPoint, logStartOffset, directory, isClean } = this.#partition;
    if (recoveryPoint !== null && this.#end < recoveryPoint)
      this.#findings.add(
        "damage",
        "lost-tail",
        directory,
        `ends at ${this.#end}; it was synced up to ${recoveryPoint}`,
        { offset: this.#end },
      );
    else if (isClean && recoveryPoint !== null && this.#end > recoveryPoint)
      this.#findings.add(
        "warning",
        "checkpoint",
        directory,
        `ends at ${this.#end}, above its recovery point ${recoveryPoint} although the stop was clean; the next start looks through it again`,
        { offset: recoveryPoint },
      );
    else if (this.#end < logStartOffset)
      this.#findings.add(
        "damage",
        "lost-tail",
        directory,
        `ends at ${this.#end}, below its log start ${logStartOffset}`,
        { offset: this.#end },
      );
  }

  #pathOf(name: string): string {
    return `${this.#partition.directory}/${name}`;
  }
}

function offsetsOf(names: readonly string[], suffix: string): number[] {
  return names.map((name) => offsetOfName(name, suffix)).filter((offset) => offset !== null);
}

/** The epoch that the entries say an offset was written in; null = it lies before all of them. */
function epochAt(entries: readonly EpochEntry[], offset: number): number | null {
  return entries.findLast(({ startOffset }) => startOffset <= offset)?.epoch ?? null;
}

/** Type of the marker in a control batch (2.3(3)); null when it cannot be read. */
function markerTypeOf(bytes: Buffer, at: number, header: BatchHeader): number | null {
  const cursor = new RecordCursor(bytes.subarray(at, at + header.sizeBytes), {
    verifyCrc: false,
    includeControl: true,
  });
  try {
    return cursor.next() && cursor.key !== null && cursor.key.length >= 4 ? cursor.key.readInt16BE(2) : null;
  } catch {
    return null;
  }
}

function reasonText(reason: ScanFailure): string {
  switch (reason) {
    case "short":
      return "they end before a batch does";
    case "size":
      return "it claims to be smaller than its own header";
    case "magic":
      return "not format v2";
    case "crc":
      return "the CRC is wrong";
    case "counts":
      return "its offsets and counts contradict each other";
  }
}
