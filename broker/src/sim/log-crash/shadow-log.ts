/**
 * What the runner knows of one log: every batch it appended, byte for byte as it must be stored, and how much of it may be
 * lost. It never looks at the disk.
 *
 * Invariants: `durableEnd` <= `writtenEnd` <= end of `batches`, all three at batch boundaries. After a kill of the process
 * everything below `writtenEnd` is there, after a power failure everything below `durableEnd`; what follows is a prefix of
 * the rest. A cut that is not yet known to be on the medium leaves an `alternative`: the history before it, of which a
 * longer prefix may come back until something is appended behind the cut.
 */
import { decodeRecords, sequenceAfter } from "@tidemark/proto";
import type { BatchHeader } from "@tidemark/proto";
import type { AbortedTransaction, LogConfig } from "../../storage/index.ts";
import { ensure } from "../violation.ts";

export interface ShadowBatch {
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly leaderEpoch: number;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly isTransactional: boolean;
  /** How it ends a transaction; null = it is no marker. */
  readonly marker: "abort" | "commit" | null;
  readonly timestamps: readonly number[];
  readonly maxTimestamp: number;
  /** As stored: base offset and leader epoch patched in. */
  readonly bytes: Buffer;
}

/** A batch as it stands on the medium. */
export interface FoundBatch {
  readonly baseOffset: number;
  readonly bytes: Buffer;
}

interface Alternative {
  readonly batches: readonly ShadowBatch[];
  /** False: the cut was complete in the page cache, so only a power failure brings this back. */
  readonly survivesKill: boolean;
}

export interface ShadowLogOptions {
  readonly topic: string;
  readonly partition: number;
  readonly topicId: string;
  readonly config: LogConfig;
}

export class ShadowLog {
  readonly topic: string;
  readonly partition: number;
  readonly topicId: string;
  readonly config: LogConfig;
  batches: ShadowBatch[] = [];
  alternatives: Alternative[] = [];
  writtenEnd = 0;
  durableEnd = 0;
  /** What DeleteRecords has answered, and the most it has been asked for: segments below may be gone. */
  logStart = 0;
  logStartMax = 0;
  /** Where the log begins while it has no batch: 4.2(7) begins it anew at its log start. */
  emptyAt = 0;
  /** Largest high watermark the owner has set. */
  highWatermarkMax = 0;
  leaderEpoch = 0;
  /** The replica's directory has been promised to survive anything. */
  isCreated = false;
  /** An asynchronous change is under way: the owner leaves the log alone until it ends. */
  isBusy = false;
  /** Looks of retention and raised log starts that are under way; the owner goes on beside them. */
  trimsCount = 0;
  /** One of them is retention by age or size: whatever falls below the high watermark meanwhile may go, too. */
  isRetained = false;
  /** A write failed and nothing was appended since: what it left behind the end may still have to be cut off. */
  mayHaveTail = false;
  /** Base offset of a batch below the recovery point that rot has made bad (15.7); the log ends there for good. */
  damagedAt: number | null = null;
  /** A cut to here has begun: the write that is in flight ends first, and what it adds above is cut with the rest. */
  cutTo = Number.POSITIVE_INFINITY;
  /** Rises with every cut: what was begun before counts for nothing. */
  generation = 0;
  /** Batches that are no longer in the log: none of them may be taken for a duplicate. Newest last, bounded. */
  lost: ShadowBatch[] = [];

  constructor(options: ShadowLogOptions) {
    this.topic = options.topic;
    this.partition = options.partition;
    this.topicId = options.topicId;
    this.config = options.config;
  }

  get name(): string {
    return `${this.topic}-${this.partition}`;
  }

  get endOffset(): number {
    const last = this.batches.at(-1);
    return last === undefined ? this.emptyAt : last.lastOffset + 1;
  }

  /** A batch enters the log. Nothing that was cut before can come back from here on. */
  append(batch: ShadowBatch): void {
    this.batches.push(batch);
    this.alternatives = [];
  }

  /** Greatest batch boundary at or below `offset`. */
  boundaryAt(offset: number): number {
    let boundary = Math.min(this.emptyAt, offset);
    for (const batch of this.batches) {
      if (batch.lastOffset >= offset) break;
      boundary = batch.lastOffset + 1;
    }
    return Math.min(boundary, offset);
  }

  /** A cut to `offset` begins: from now on everything above may be gone, and all of it may still be there. */
  beginCut(offset: number): void {
    const boundary = this.boundaryAt(offset);
    this.writtenEnd = Math.min(this.writtenEnd, boundary);
    this.durableEnd = Math.min(this.durableEnd, boundary);
    this.cutTo = boundary;
    this.generation += 1;
  }

  /** The log says that it is written to `end`. */
  noteWritten(end: number): void {
    this.writtenEnd = Math.max(this.writtenEnd, Math.min(end, this.cutTo));
  }

  /** The cut is complete for whoever reads; a power failure may still undo it, and so may a kill after a fault. */
  finishCut(offset: number, survivesKill: boolean): void {
    const boundary = this.boundaryAt(offset);
    this.beginCut(boundary);
    this.cutTo = Number.POSITIVE_INFINITY;
    // Until then the checkpoint may still hold the old one, over batches that are still there.
    this.highWatermarkMax = Math.min(this.highWatermarkMax, boundary);
    const kept = this.batches.filter((batch) => batch.lastOffset < boundary);
    this.#lose(this.batches.slice(kept.length));
    this.alternatives.push({ batches: this.batches, survivesKill });
    this.batches = kept;
  }

  /**
   * What a start has found becomes the history. `found` are the stored batches in order; they must be a prefix of the
   * history or of one that may come back, less what lies below a raised log start.
   */
  resolve(found: readonly FoundBatch[], foundEnd: number, after: "process" | "power"): void {
    const candidates = [
      this.batches,
      ...this.alternatives.filter((other) => other.survivesKill || after === "power").map((other) => other.batches),
    ];
    const history = candidates.find((candidate) => isPrefix(found, candidate, this.logStartMax));
    ensure(history !== undefined, "clean prefix", () => this.#whyNot(found));
    // What DeleteRecords took with its segment stays in the shadow, so that offsets go on where they were.
    const last = found.at(-1);
    if (last === undefined) this.emptyAt = foundEnd;
    this.batches = last === undefined ? [] : history.filter((batch) => batch.baseOffset <= last.baseOffset);
    for (const candidate of candidates) this.#lose(candidate.filter((batch, i) => this.batches[i] !== batch));
    // What a kill left cut may not be cut on the medium yet.
    const undone = new Set([...candidates, ...this.alternatives.map((other) => other.batches)]);
    this.alternatives = after === "power" ? [] : [...undone].map((batches) => ({ batches, survivesKill: false }));
    this.generation += 1;
    const end = this.endOffset;
    const required = after === "power" ? this.durableEnd : this.writtenEnd;
    // A start that began the log anew at its log start may have come no further than to remove it (4.2(7)).
    const isBeingMade = last === undefined && required <= this.logStartMax;
    ensure(
      end >= required || isBeingMade,
      after === "power" ? "flushed records survive" : "a process crash loses nothing written",
      () => {
        return `${this.name} ends at ${end}, ${required} was ${after === "power" ? "synced" : "written"}`;
      },
    );
    this.writtenEnd = end;
  }

  /** 4.2(7): the log ended below its log start, and a start began it there anew. */
  beginAnewAt(offset: number): void {
    this.#lose(this.batches);
    this.batches = [];
    this.emptyAt = offset;
    this.writtenEnd = offset;
    this.durableEnd = Math.min(this.durableEnd, offset);
    this.generation += 1;
  }

  /** Transactions by a walk over all batches. */
  transactions(): { firstOpen: number | null; aborted: AbortedTransaction[] } {
    const open = new Map<number, number>();
    const aborted: AbortedTransaction[] = [];
    for (const { producerId, baseOffset, isTransactional, marker } of this.batches) {
      const firstOffset = open.get(producerId);
      if (marker === null) {
        if (isTransactional && firstOffset === undefined) open.set(producerId, baseOffset);
        continue;
      }
      open.delete(producerId);
      const lastStableOffset = Math.min(baseOffset + 1, ...open.values());
      if (marker === "abort" && firstOffset !== undefined)
        aborted.push({ producerId, firstOffset, lastOffset: baseOffset, lastStableOffset });
    }
    return { firstOpen: open.size === 0 ? null : Math.min(...open.values()), aborted };
  }

  /** Batches of one producer's newest epoch, in order. */
  batchesOf(producerId: number): ShadowBatch[] {
    const mine = this.batches.filter((batch) => batch.producerId === producerId && batch.marker === null);
    const newest = mine.at(-1)?.producerEpoch;
    return mine.filter((batch) => batch.producerEpoch === newest);
  }

  producerIds(): Set<number> {
    const ids = new Set<number>();
    for (const batch of [...this.batches, ...this.lost]) if (batch.producerId >= 0) ids.add(batch.producerId);
    return ids;
  }

  holds(batch: ShadowBatch): boolean {
    return this.batches.some((other) => isSameProducerBatch(other, batch));
  }

  #lose(batches: readonly ShadowBatch[]): void {
    // A marker has no sequence that somebody could send again.
    this.lost.push(...batches.filter((batch) => batch.marker === null));
    if (this.lost.length > 50) this.lost = this.lost.slice(-50);
  }

  #whyNot(found: readonly FoundBatch[]): string {
    const at = found.findIndex((batch, i) => this.batches[i]?.bytes.equals(batch.bytes) !== true);
    const expected = this.batches[at];
    return (
      `${this.name}: batch ${at} of ${found.length}, at offset ${found[at]?.baseOffset}, is not what was appended ` +
      `(there stood ${expected === undefined ? "nothing" : `offset ${expected.baseOffset}, epoch ${expected.leaderEpoch}`}; ` +
      `${this.batches.length} batches to ${this.endOffset}, ${this.alternatives.length} alternatives)`
    );
  }
}

/** The batch that `bytes` become when the log stores them at `baseOffset`. `bytes` are patched already. */
export function shadowBatch(
  bytes: Buffer,
  header: BatchHeader,
  baseOffset: number,
  leaderEpoch: number,
  timestamps: readonly number[],
): ShadowBatch {
  return {
    baseOffset,
    lastOffset: baseOffset + header.lastOffsetDelta,
    leaderEpoch,
    producerId: header.producerId,
    producerEpoch: header.producerEpoch,
    firstSequence: header.baseSequence,
    lastSequence: header.baseSequence < 0 ? -1 : sequenceAfter(header.baseSequence, header.lastOffsetDelta),
    isTransactional: header.isTransactional,
    marker: header.isControl ? markerOf(bytes) : null,
    timestamps,
    maxTimestamp: header.maxTimestamp,
    bytes,
  };
}

function markerOf(bytes: Buffer): "abort" | "commit" {
  const [record] = decodeRecords(bytes);
  return record?.key?.readInt16BE(2) === 0 ? "abort" : "commit";
}

export function isSameProducerBatch(a: ShadowBatch, b: ShadowBatch): boolean {
  return (
    a.producerId === b.producerId &&
    a.producerEpoch === b.producerEpoch &&
    a.firstSequence === b.firstSequence &&
    a.lastSequence === b.lastSequence
  );
}

function isPrefix(found: readonly FoundBatch[], history: readonly ShadowBatch[], logStart: number): boolean {
  const first = found[0];
  if (first === undefined) return true;
  // Whole segments below the log start may be gone, nothing else.
  const skipped = history.findIndex((batch) => batch.baseOffset === first.baseOffset);
  if (skipped < 0 || first.baseOffset > logStart) return false;
  return found.every((batch, i) => history[skipped + i]?.bytes.equals(batch.bytes) === true);
}
