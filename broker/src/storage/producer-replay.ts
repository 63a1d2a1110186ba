/**
 * Producer state from the log's own batches (4.2(9), 5.5(1)): the newest whole snapshot at or below an end, and a replay
 * of the headers from there. Without a snapshot the replay begins at the log start.
 *
 * Also the look-up of 11.1(2): whether a batch with given sequences is in the log, below what the state still knows.
 */
import { asOffset } from "../base/index.ts";
import type { Offset } from "../base/index.ts";
import { MAX_SEQUENCE, readInt64, sequenceAfter } from "@tidemark/proto";
import {
  baseSequenceAt,
  isControlAt,
  isTransactionalAt,
  lastOffsetAt,
  lastOffsetDeltaAt,
  maxTimestampAt,
  producerEpochAt,
  producerIdAt,
} from "./batch-fields.ts";
import { scanHeaders } from "./header-scan.ts";
import type { HeaderVisitor } from "./header-scan.ts";
import { slotOf } from "./log-reader.ts";
import { ProducerState } from "./producer-state.ts";
import type { Segment } from "./segment.ts";
import type { SnapshotStore } from "./snapshot-store.ts";
import { markerAt } from "./transaction-marker.ts";
import type { AbortedTransaction } from "./txn-index-file.ts";
import type { ProducerBatch, ProducerEntry } from "./types.ts";

export interface ReplaySource {
  readonly segments: readonly Segment[];
  readonly snapshots: SnapshotStore;
  readonly logStartOffset: Offset;
}

/** The state up to `end`, as of a load at monotonic time `nowMs`. */
export async function replayProducers(source: ReplaySource, end: number, nowMs: number): Promise<ProducerState> {
  const snapshot = source.snapshots.newestAtMost(end, nowMs);
  // One at or below the log start says nothing that may still be asked.
  const isUsable = snapshot !== null && snapshot.offset > source.logStartOffset;
  const state = isUsable ? snapshot.state : new ProducerState();
  await visitHeaders(source.segments, isUsable ? snapshot.offset : source.logStartOffset, end, (bytes, at) => {
    replayBatch(state, bytes, at, nowMs);
    return true;
  });
  return state;
}

/**
 * Takes the batch whose header stands at bytes[at] into the state; a control batch is there as a whole (header-scan.ts).
 * Answers the aborted transaction that it ends, if it does.
 */
export function replayBatch(state: ProducerState, bytes: Buffer, at: number, nowMs: number): AbortedTransaction | null {
  const producerId = producerIdAt(bytes, at);
  if (producerId < 0) return null;
  const isControl = isControlAt(bytes, at);
  const mark = {
    producerId,
    producerEpoch: producerEpochAt(bytes, at),
    baseSequence: baseSequenceAt(bytes, at),
    isTransactional: isTransactionalAt(bytes, at),
    isControl,
    lastOffsetDelta: lastOffsetDeltaAt(bytes, at),
    maxTimestamp: maxTimestampAt(bytes, at),
  };
  return state.update(mark, readInt64(bytes, at), nowMs, isControl ? markerAt(bytes, at) : null);
}

export interface WantedBatch {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
}

/** What a look through the headers of a stretch has found. */
export interface ProducerSearch {
  readonly batch: ProducerBatch | null;
  /** False: something that is no batch stood in the way, and what lies behind it in its segment was not seen. */
  readonly isWhole: boolean;
}

/** The batch with exactly these sequences in [from, to). Rejects with DiskFault. */
export async function searchProducerBatch(
  segments: readonly Segment[],
  wanted: WantedBatch,
  { from, to }: { readonly from: number; readonly to: number },
): Promise<ProducerSearch> {
  let batch: ProducerBatch | null = null;
  const isWhole = await visitHeaders(segments, from, to, (bytes, at) => {
    if (producerIdAt(bytes, at) !== wanted.producerId || baseSequenceAt(bytes, at) !== wanted.firstSequence)
      return true;
    if (producerEpochAt(bytes, at) !== wanted.producerEpoch) return true;
    const lastSequence = sequenceAfter(wanted.firstSequence, lastOffsetDeltaAt(bytes, at));
    if (lastSequence !== wanted.lastSequence) return true;
    batch = {
      firstSequence: wanted.firstSequence,
      lastSequence,
      baseOffset: asOffset(readInt64(bytes, at)),
      lastOffset: asOffset(lastOffsetAt(bytes, at)),
      timestamp: maxTimestampAt(bytes, at),
    };
    return false;
  });
  return { batch, isWhole };
}

/**
 * Where the batch lies, if it is in [log start, end): between the two kept snapshots around the sequence. Each names every producer's last
 * one, so it lies behind the newest that is still below it and before the oldest that has it.
 */
export function rangeOfProducerBatch(
  source: ReplaySource,
  wanted: WantedBatch,
  end: number,
): { readonly from: number; readonly to: number } {
  const offsets = source.snapshots.offsets.filter((offset) => offset > source.logStartOffset && offset < end);
  let low = 0;
  let high = offsets.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const offset = offsets[middle];
    const snapshot = offset === undefined ? null : source.snapshots.load(offset, 0);
    // A snapshot that is not whole says nothing: search without any.
    if (snapshot === null) return { from: source.logStartOffset, to: end };
    if (isBelow(snapshot.state.get(wanted.producerId), wanted, source.logStartOffset)) low = middle + 1;
    else high = middle;
  }
  return { from: offsets[low - 1] ?? source.logStartOffset, to: offsets[low] ?? end };
}

/** Whether a snapshot that knows `producer` was taken before the wanted batch was appended. */
function isBelow(producer: ProducerEntry | undefined, wanted: WantedBatch, logStartOffset: Offset): boolean {
  // What lies below the log start is forgotten by some loads and not by others: its epoch may even be a later one.
  if (producer === undefined || producer.lastOffset < logStartOffset) return true;
  if (producer.producerEpoch !== wanted.producerEpoch) return producer.producerEpoch < wanted.producerEpoch;
  // Sequences wrap: of two, the one that is less than half the circle ahead is the later one.
  const ahead = (wanted.lastSequence - producer.lastSequence + MAX_SEQUENCE + 1) % (MAX_SEQUENCE + 1);
  return ahead > 0 && ahead < (MAX_SEQUENCE + 1) / 2;
}

/**
 * Shows the headers of the batches in [from, to), segment by segment; `visit` ends it with false. False: of a segment something was no
 * batch, and what lies behind it there was not shown.
 */
export async function visitHeaders(
  segments: readonly Segment[],
  from: number,
  to: number,
  visit: HeaderVisitor,
): Promise<boolean> {
  let isWhole = true;
  let isWanted = true;
  const visitWanted: HeaderVisitor = (bytes, at, position) => {
    if (lastOffsetAt(bytes, at) < from) return true;
    isWanted = readInt64(bytes, at) < to && visit(bytes, at, position);
    return isWanted;
  };
  const candidates = segments.slice(Math.max(0, slotOf(segments, from)));
  for (const segment of candidates) {
    if (!isWanted || segment.baseOffset >= to) break;
    // An index costs less than the headers in front of a place in the middle.
    const isFromMiddle = from > segment.baseOffset;
    if (isFromMiddle) await segment.ready();
    const start = isFromMiddle ? segment.offsets.floorPosition(from - segment.baseOffset) : 0;
    const scan = await scanHeaders(segment.log, start, segment.writtenBytes, visitWanted);
    isWhole &&= scan.isWhole;
  }
  return isWhole;
}
