import { expect } from "chai";
import fc from "fast-check";
import type { ClusterEvent } from "../../src/metadata/index.ts";
import { EventTimeline } from "../../src/runtime/index.ts";

const up = (brokerId: number): ClusterEvent => ({ type: "broker-up", brokerId });

function shrunk(topic: string, partition: number): ClusterEvent {
  return { type: "isr-shrunk", topic, partition, isr: [1], isrBefore: [1, 2], reason: "lagging" };
}

/** Offsets of what is told, a gap as "from-to". */
function places(timeline: EventTimeline, from: number): (number | string)[] {
  return timeline
    .from(from)
    .flatMap(({ metadataOffset, events }) =>
      events.map((event) => (event.type === "gap" ? `${event.fromOffset}-${metadataOffset}` : metadataOffset)),
    );
}

describe("EventTimeline", () => {
  it("has the events of an entry together, from any offset on", () => {
    const timeline = new EventTimeline();
    timeline.note(1, 100, [up(1), up(2)]);
    timeline.note(2, 110, []);
    timeline.note(3, 120, [up(3)]);
    expect(places(timeline, 1)).to.deep.equal([1, 1, 3]);
    expect(places(timeline, 2)).to.deep.equal([3]);
    expect(places(timeline, 4)).to.deep.equal([]);
  });

  it("tells what it does not have as a gap: before its start, pushed out, taken in at once", () => {
    const timeline = new EventTimeline(3);
    timeline.skip(10, 1_000);
    timeline.note(11, 1_010, [up(1)]);
    expect(places(timeline, 4)).to.deep.equal(["4-10", 11]);
    expect(places(timeline, 11)).to.deep.equal([11]);
    timeline.skip(20, 1_020);
    timeline.note(21, 1_030, [up(2)]);
    expect(places(timeline, 11)).to.deep.equal([11, "12-20", 21]);
    timeline.note(22, 1_040, [up(3)]);
    expect(places(timeline, 4)).to.deep.equal(["4-11", "12-20", 21, 22]);
  });

  it("keeps an entry whole, even one larger than all it may keep", () => {
    const timeline = new EventTimeline(3);
    timeline.note(1, 1, [up(1)]);
    timeline.note(2, 2, [up(1), up(2), up(3), up(4), up(5)]);
    expect(places(timeline, 1)).to.deep.equal(["1-1", 2, 2, 2, 2, 2]);
    timeline.note(3, 3, [up(1)]);
    expect(places(timeline, 1)).to.deep.equal(["1-2", 3]);
  });

  it("finds where a time begins, and from the beginning where it may lack some of it", () => {
    const timeline = new EventTimeline(3);
    timeline.skip(5, 1_000);
    expect(timeline.offsetSince(900)).to.equal(1);
    expect(timeline.offsetSince(1_000)).to.equal(6);
    timeline.note(6, 2_000, [up(1)]);
    timeline.note(7, 3_000, [up(1)]);
    expect(timeline.offsetSince(1_500)).to.equal(6);
    expect(timeline.offsetSince(2_500)).to.equal(7);
    expect(timeline.offsetSince(9_000)).to.equal(8);
    for (const offset of [8, 9, 10]) timeline.note(offset, offset * 1_000, [up(1)]);
    expect(timeline.offsetSince(2_500), "entry 7 is pushed out").to.equal(1);
  });

  it("has what became of a partition, newest first, back to when its topic was made", () => {
    const timeline = new EventTimeline();
    timeline.note(1, 1, [shrunk("t", 0)]);
    timeline.note(2, 2, [{ type: "topic-deleted", topic: "t" }]);
    timeline.note(3, 3, [{ type: "topic-created", topic: "t", partitions: 2 }]);
    timeline.note(4, 4, [shrunk("t", 0), shrunk("t", 1)]);
    timeline.note(5, 5, [shrunk("t", 0), shrunk("u", 0)]);
    expect(timeline.changesOf("t", 0, 10).map(({ metadataOffset }) => metadataOffset)).to.deep.equal([5, 4]);
    expect(timeline.changesOf("t", 0, 1).map(({ metadataOffset }) => metadataOffset)).to.deep.equal([5]);
    expect(timeline.last(({ type }) => type === "topic-deleted")?.metadataOffset).to.equal(2);
    expect(timeline.last(({ type }) => type === "broker-up")).to.equal(null);
  });

  it("tells what an entry said of many partitions as it was told", () => {
    const isrs = [[1], [2], [1, 2]];
    const anEvent = fc.oneof(
      fc
        .record({ topic: fc.constantFrom("t", "u"), partition: fc.nat(3_000), isr: fc.constantFrom(...isrs) })
        .map(({ topic, partition, isr }): ClusterEvent => {
          return { type: "isr-shrunk", topic, partition, isr: [...isr], isrBefore: [1, 2, 3], reason: "fenced" };
        }),
      fc
        .record({ partition: fc.nat(3_000), leaderId: fc.integer({ min: -1, max: 40 }) })
        .map(({ partition, leaderId }): ClusterEvent => {
          const change = { topic: "t", partition, leaderId, leaderBefore: 1, leaderEpoch: 7 };
          return { type: "leader-changed", ...change, reason: "fenced" };
        }),
      fc.integer({ min: 1, max: 3 }).map(up),
    );
    fc.assert(
      fc.property(fc.array(anEvent, { minLength: 1, maxLength: 80 }), (events) => {
        const timeline = new EventTimeline();
        timeline.note(1, 5, structuredClone(events));
        expect(timeline.from(1)).to.deep.equal([{ metadataOffset: 1, at: 5, events }]);
        const told = events.findLast((event) => "partition" in event && event.topic === "t");
        if (told === undefined || !("partition" in told)) return;
        const [newest] = timeline.changesOf("t", told.partition, 1);
        expect(newest?.event).to.deep.equal(told);
      }),
      { numRuns: 300 },
    );
  });

  it("never passes over anything, and never keeps more than it may", () => {
    const step = fc.record({ events: fc.integer({ min: 0, max: 4 }), skipped: fc.constantFrom(0, 0, 0, 1, 7) });
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 60 }),
        fc.integer({ min: 1, max: 10 }),
        fc.nat(80),
        (steps, max, from) => {
          const timeline = new EventTimeline(max);
          const truth: (number | null)[] = [];
          let newest = 0;
          for (const { events, skipped } of steps) {
            for (let i = 0; i < skipped; i++) truth.push(null);
            if (skipped > 0) timeline.skip(truth.length, 0);
            truth.push(events);
            timeline.note(
              truth.length,
              0,
              Array.from({ length: events }, () => up(1)),
            );
            if (events > 0) newest = events;
            expect(timeline.eventsCount).to.be.at.most(Math.max(max, newest));
          }
          // Whoever reads from anywhere finds every event or a gap over it, and the reader's next question goes on behind.
          const wanted = Math.max(1, from);
          const found = new Map<number, number>();
          const gaps: [number, number][] = [];
          let last = 0;
          for (const { metadataOffset, events } of timeline.from(wanted)) {
            expect(metadataOffset, "in order").to.be.greaterThan(last);
            last = metadataOffset;
            const [first] = events;
            if (first?.type === "gap") gaps.push([first.fromOffset, metadataOffset]);
            else found.set(metadataOffset, events.length);
          }
          for (let offset = wanted; offset <= truth.length; offset++) {
            const count = truth[offset - 1] ?? null;
            const isInGap = gaps.some(([low, high]) => low <= offset && offset <= high);
            if (count === null) expect(isInGap || offset < timeline.firstOffset, `gap over ${offset}`).to.equal(true);
            else if (count > 0) expect(isInGap || found.get(offset) === count, `events of ${offset}`).to.equal(true);
            else expect(found.has(offset)).to.equal(false);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});
