/**
 * What several brokers tell of one metadata log, as one story. Brokers make the same events of the same entry, and each lacks some of them:
 * what it applied as part of a snapshot, or let go of. So an offset is whose who has it, and missing only where all lack it.
 */
import type { ClusterEvent, Offset } from "../types.ts";

/** All that one broker knows from some offset on, that being the same for every teller. */
export interface ToldEvents {
  /** By offset; what it lacks is in gaps. */
  readonly events: readonly ClusterEvent[];
  /** Behind the last entry that it has applied. */
  readonly nextOffset: Offset;
}

type Gap = ClusterEvent & { type: "gap" };

interface Range {
  readonly from: Offset;
  readonly to: Offset;
}

/** By offset, each event once. What nobody knows up to the newest `nextOffset` is in gaps. */
export function mergeEvents(tellers: readonly ToldEvents[]): ClusterEvent[] {
  const byOffset = new Map<Offset, ClusterEvent[]>();
  const gaps: Gap[] = [];
  let missing: Range[] = [{ from: 0, to: Number.POSITIVE_INFINITY }];
  for (const { events, nextOffset } of tellers) {
    const lacked: Range[] = [];
    const own = new Map<Offset, ClusterEvent[]>();
    for (const event of events) {
      if (event.type === "gap") {
        gaps.push(event);
        lacked.push({ from: event.detail.fromOffset, to: event.detail.toOffset });
      } else {
        const together = own.get(event.metadataOffset);
        if (together === undefined) own.set(event.metadataOffset, [event]);
        else together.push(event);
      }
    }
    for (const [offset, together] of own) if (!byOffset.has(offset)) byOffset.set(offset, together);
    missing = common(missing, [...lacked, { from: nextOffset, to: Number.POSITIVE_INFINITY }]);
  }
  const left = missing.filter(({ to }) => to !== Number.POSITIVE_INFINITY).map((range) => gapOf(range, gaps));
  return [...[...byOffset.values()].flat(), ...left].sort((a, b) => a.metadataOffset - b.metadataOffset);
}

/** What is in both; each list is ascending and without overlaps. */
function common(left: readonly Range[], right: readonly Range[]): Range[] {
  const both: Range[] = [];
  for (const a of left)
    for (const b of right) {
      const [from, to] = [Math.max(a.from, b.from), Math.min(a.to, b.to)];
      if (from <= to) both.push({ from, to });
    }
  return both;
}

/** The time is that of a teller whose own gap ends there. */
function gapOf({ from, to }: Range, gaps: readonly Gap[]): Gap {
  const at = gaps.find(({ metadataOffset }) => metadataOffset === to)?.at ?? null;
  return { type: "gap", metadataOffset: to, at, detail: { fromOffset: from, toOffset: to } };
}
