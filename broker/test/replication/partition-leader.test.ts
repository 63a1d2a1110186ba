/** The leader core: what moves the high watermark and what holds it, and the same against a slow oracle. */
import { expect } from "chai";
import fc from "fast-check";
import { asMs, asOffset } from "../../src/base/index.ts";
import { LeaderBench, membership, watermarks } from "./support/leader-bench.ts";

describe("PartitionLeader", () => {
  it("moves the high watermark to its own end offset where it is the only replica", () => {
    const alone = new LeaderBench({
      membership: membership({ replicas: [1], isr: [1], minIsr: 1 }),
      logEnd: 40,
      end: 10,
    });
    expect(alone.core.onEndOffset(asOffset(25), asMs(0))).to.deep.equal([{ kind: "advanceHighWatermark", to: 25 }]);
    expect(alone.core.highWatermark).to.equal(25);
  });

  it("never asks for more replicas than there are (effective min ISR)", () => {
    const { core } = new LeaderBench({ membership: membership({ replicas: [1], isr: [1], minIsr: 3 }) });
    expect(core.effectiveMinIsr).to.equal(1);
    expect(core.admitAcksAll()).to.equal(null);
  });

  it("tells who holds the watermark and what keeps whom out of the ISR, as of now (15.6)", () => {
    const bench = new LeaderBench({ membership: membership({ isr: [1, 2] }), highWatermark: 50 });
    bench.hear(2, 60);
    bench.hear(3, 40);
    const view = bench.core.view(asMs(bench.now));
    expect(view).to.deep.include({
      highWatermark: 60,
      logEndOffset: 100,
      endOffset: 100,
      isr: [1, 2],
      proposedIsr: null,
    });
    const told = view.followers.map(({ brokerId, endOffset, isWaitedFor, bar }) => [
      brokerId,
      endOffset,
      isWaitedFor,
      bar,
    ]);
    expect(told).to.deep.equal([
      [2, 60, true, "behind"],
      [3, 40, false, "behind"],
    ]);
    bench.hear(3, 100);
    expect(bench.core.view(asMs(bench.now)).proposedIsr).to.deep.equal([1, 2, 3]);
    expect(bench.core.view(asMs(bench.now)).followers.at(-1)).to.include({ isProposed: true, isWaitedFor: true });
  });

  it("ignores metadata of an older partition epoch (7(7))", () => {
    const bench = new LeaderBench({ membership: membership({ epoch: 5 }) });
    bench.apply({ isr: [1], epoch: 4 });
    expect(bench.core.isr).to.deep.equal([1, 2, 3]);
  });

  it("forgets a follower that is no replica any more", () => {
    const bench = new LeaderBench();
    bench.hear(2, 50);
    bench.hear(3, 50);
    bench.apply({ replicas: [1, 2], isr: [1, 2], epoch: 1 });
    bench.apply({ epoch: 2 });
    expect(watermarks(bench.hear(2, 90)), "3 is back and unknown").to.deep.equal([]);
  });

  it("keeps the watermark over a cut behind it, and asserts that nothing committed is cut (3.1(12))", () => {
    const bench = new LeaderBench({ membership: membership({ replicas: [1], isr: [1], minIsr: 1 }), logEnd: 50 });
    bench.append(50);
    bench.append(70, 50);
    bench.core.onCut(asOffset(50));
    expect(bench.core.highWatermark).to.equal(50);
    expect(() => {
      bench.core.onCut(asOffset(49));
    }).to.throw(/cut/);
  });

  it("counts nobody for more than it was found equal for, or sent (5.4)", () => {
    const bench = new LeaderBench();
    bench.hear(2, { ask: { from: 60, epochBefore: -1 }, at: 99 });
    bench.hear(3, { ask: { from: 80, epochBefore: -1 }, at: 99 });
    expect(bench.core.highWatermark).to.equal(60);
    expect(() => bench.core.onEndOffset(asOffset(101), asMs(0))).to.throw(/beyond/);
  });

  it("agrees with an oracle over random histories, and its watermark never falls", () => {
    const event = fc.oneof(
      fc.record({ kind: fc.constant("append" as const), by: fc.integer({ min: 1, max: 9 }) }),
      fc.record({ kind: fc.constant("written" as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
      fc.record({
        kind: fc.constant("follower" as const),
        id: fc.constantFrom(2, 3),
        share: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
      fc.record({
        kind: fc.constant("isr" as const),
        members: fc.subarray([2, 3]),
        minIsr: fc.integer({ min: 1, max: 3 }),
      }),
    );
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        let logEnd = 0;
        let end = 0;
        let isr = [1, 2, 3];
        let minIsr = 2;
        let epoch = 0;
        let oracle = 0;
        const ends = new Map<number, number>();
        const bench = new LeaderBench({ logEnd: 0 });
        // Nobody may join or be about to: who is outside is not waited for.
        for (const broker of [2, 3]) bench.know(broker, { isFenced: true });
        for (const step of events) {
          if (step.kind === "append") {
            logEnd += step.by;
            bench.append(logEnd, end);
          } else if (step.kind === "written") {
            end += Math.floor((logEnd - end) * step.share);
            bench.append(logEnd, end);
          } else if (step.kind === "follower") {
            // A follower may report less than before, after a truncation of its own.
            const reported = Math.floor(logEnd * step.share);
            ends.set(step.id, reported);
            bench.hear(step.id, { ask: { from: reported, epochBefore: -1 }, at: reported });
          } else {
            isr = [1, ...step.members];
            minIsr = step.minIsr;
            epoch++;
            bench.apply({ isr, minIsr, epoch });
          }
          const memberEnds = isr.map((id) => (id === 1 ? end : (ends.get(id) ?? 0)));
          if (isr.length >= Math.min(minIsr, 3)) oracle = Math.max(oracle, Math.min(...memberEnds));
          expect(bench.core.highWatermark).to.equal(oracle);
        }
      }),
    );
  });
});
