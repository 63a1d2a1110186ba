/**
 * What retention removes from one log (3.5): a decision over the facts of its segments, without disk or clock.
 *
 * Oldest first, up to the first segment that is kept: under any policy what lies wholly below the log start; with `delete`
 * then by size, then by time. Nothing at or beyond the high watermark goes, and never an empty last segment. Time counts
 * from the largest record timestamp: a clock that jumps back makes everything younger, and keeps it.
 */
import type { Ms, Offset } from "../base/index.ts";

export interface RetentionLimits {
  readonly cleanupPolicy: readonly string[];
  /** -1 = for ever. */
  readonly retentionMs: number;
  /** At least this many bytes stay; -1 = all. */
  readonly retentionBytes: number;
}

export interface RetainedSegment {
  /** Base of the next one; of the last one the log end. */
  readonly endOffset: Offset;
  readonly sizeBytes: number;
  /** -1 = no record has one; null = not known before somebody reads it. */
  readonly largestTimestamp: number | null;
  /** It stands in the log, and not only in an index that no checksum protects. */
  readonly isTimestampSure: boolean;
  /** Bytes that are no batch end what the log can say: newer records may stand behind them. */
  readonly isBrokenOff: boolean;
  /** Stands in for the timestamp where no record has one. */
  readonly createdAt: Ms;
}

export interface RetentionState {
  readonly now: Ms;
  readonly logStartOffset: Offset;
  readonly highWatermark: Offset;
}

export type RetentionVerdict =
  | { readonly kind: "keep" }
  /** The decision hangs on the timestamp of this segment. */
  | { readonly kind: "look"; readonly slot: number }
  /** The `count` oldest go. All of them: the log has to be rolled first. */
  | { readonly kind: "remove"; readonly count: number };

const KEEP: RetentionVerdict = Object.freeze({ kind: "keep" });

/** `segments` ascend, the active one last. */
export function decideRetention(
  segments: readonly RetainedSegment[],
  limits: RetentionLimits,
  { now, logStartOffset, highWatermark }: RetentionState,
): RetentionVerdict {
  const last = segments.length - 1;
  /** The segment that decides next, if it may go at all. */
  const candidate = (slot: number): RetainedSegment | undefined => {
    const segment = segments[slot];
    const mayGo = segment !== undefined && segment.endOffset <= highWatermark && (slot < last || segment.sizeBytes > 0);
    return mayGo ? segment : undefined;
  };

  let count = 0;
  for (let segment = candidate(0); segment !== undefined && count < last; segment = candidate(count)) {
    if (segment.endOffset > logStartOffset) break;
    count += 1;
  }
  if (!limits.cleanupPolicy.includes("delete")) return verdictOf(count);

  if (limits.retentionBytes >= 0) {
    let excessBytes = -limits.retentionBytes;
    for (let slot = count; slot <= last; slot += 1) excessBytes += segments[slot]?.sizeBytes ?? 0;
    for (let segment = candidate(count); segment !== undefined; segment = candidate(count)) {
      if (excessBytes < segment.sizeBytes) break;
      excessBytes -= segment.sizeBytes;
      count += 1;
    }
  }
  if (limits.retentionMs >= 0) {
    for (let segment = candidate(count); segment !== undefined; segment = candidate(count)) {
      if (segment.largestTimestamp === null) return { kind: "look", slot: count };
      if (now - newestOf(segment, segments[count + 1]) <= limits.retentionMs) break;
      if (!segment.isTimestampSure) return { kind: "look", slot: count };
      count += 1;
    }
  }
  return verdictOf(count);
}

/** Where the log breaks off, what came before the next segment was begun may stand behind; after a start, that is the start. */
function newestOf(
  { largestTimestamp, isBrokenOff, createdAt }: RetainedSegment,
  next: RetainedSegment | undefined,
): number {
  const readable = largestTimestamp ?? -1;
  if (isBrokenOff) return Math.max(readable, next?.createdAt ?? createdAt);
  return readable < 0 ? createdAt : readable;
}

function verdictOf(count: number): RetentionVerdict {
  return count === 0 ? KEEP : { kind: "remove", count };
}
