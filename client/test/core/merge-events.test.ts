/** The stories of several brokers of one metadata log, put together. */
import { expect } from "chai";
import * as fc from "fast-check";
import { mergeEvents, type ToldEvents } from "../../src/core/merge-events.ts";
import type { ClusterEvent } from "../../src/index.ts";

/** Of entries that came to nothing there are no events. */
function happened(offset: number): ClusterEvent[] {
  if (offset % 3 === 0) return [];
  const one = { metadataOffset: offset, at: offset * 10, type: "topic-created" as const };
  const made = (topic: string): ClusterEvent => ({ ...one, detail: { topic, partitions: 1 } });
  return offset % 3 === 1 ? [made(`t${offset}`)] : [made(`a${offset}`), made(`b${offset}`)];
}

function gap(fromOffset: number, toOffset: number, at: number | null = null): ClusterEvent {
  return { type: "gap", metadataOffset: toOffset, at, detail: { fromOffset, toOffset } };
}

/** A broker that has applied entries 1 to `applied`, and lacks some of them. */
function teller(applied: number, lacks: ReadonlySet<number>): ToldEvents {
  const events: ClusterEvent[] = [];
  for (let offset = 1; offset <= applied; offset += 1) {
    if (!lacks.has(offset)) events.push(...happened(offset));
    else if (lacks.has(offset + 1) && offset < applied) continue;
    else {
      let from = offset;
      while (lacks.has(from - 1)) from -= 1;
      events.push(gap(from, offset));
    }
  }
  return { events, nextOffset: applied + 1 };
}

describe("mergeEvents", () => {
  it("fills the gap of one with what another has, and tells nothing twice", () => {
    const whole = teller(6, new Set());
    expect(mergeEvents([teller(6, new Set([1, 2, 3, 4])), whole, teller(4, new Set())])).to.deep.equal(whole.events);
  });

  it("leaves a gap where nobody knows, no longer than that, with the time of whose gap ends there", () => {
    const one = { events: [gap(1, 4, 77), ...happened(5)], nextOffset: 6 };
    const other = { events: [...happened(1), gap(2, 9, 99)], nextOffset: 10 };
    expect(mergeEvents([one, other])).to.deep.equal([...happened(1), gap(2, 4, 77), ...happened(5), gap(6, 9, 99)]);
  });

  it("tells of every entry what somebody knows, and that nobody does of the others", () => {
    const lacks = fc.uniqueArray(fc.integer({ min: 1, max: 30 })).map((offsets) => new Set(offsets));
    const tellers = fc.array(fc.tuple(fc.integer({ min: 0, max: 30 }), lacks), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(tellers, (all) => {
        const merged = mergeEvents(all.map(([applied, missing]) => teller(applied, missing)));
        const newest = Math.max(...all.map(([applied]) => applied));
        const inGaps = new Set<number>();
        for (const event of merged)
          if (event.type === "gap")
            for (let at = event.detail.fromOffset; at <= event.detail.toOffset; at += 1) inGaps.add(at);
        for (let offset = 1; offset <= newest; offset += 1) {
          const isKnown = all.some(([applied, missing]) => offset <= applied && !missing.has(offset));
          expect(inGaps.has(offset), `gap at ${offset}`).to.equal(!isKnown);
          const told = merged.filter((event) => event.type !== "gap" && event.metadataOffset === offset);
          expect(told).to.deep.equal(isKnown ? happened(offset) : []);
        }
        const offsets = merged.map(({ metadataOffset }) => metadataOffset);
        expect(offsets).to.deep.equal([...offsets].sort((a, b) => a - b));
      }),
    );
  });
});
