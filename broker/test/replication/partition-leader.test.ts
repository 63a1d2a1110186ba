/** The leader core: what moves the high watermark and what holds it, and the same against a slow oracle. */
import { expect } from "chai";
import fc from "fast-check";
import { asBrokerId, asLeaderEpoch, asOffset } from "../../src/base/index.ts";
import { PartitionLeader } from "../../src/replication/index.ts";
import type { Membership } from "../../src/replication/index.ts";

function membership(
  options: { isr?: readonly number[]; replicas?: readonly number[]; minIsr?: number; epoch?: number } = {},
): Membership {
  return {
    partitionEpoch: options.epoch ?? 0,
    replicas: (options.replicas ?? [1, 2, 3]).map(asBrokerId),
    isr: (options.isr ?? [1, 2, 3]).map(asBrokerId),
    minInsyncReplicas: options.minIsr ?? 2,
  };
}

function leader(
  options: { membership?: Membership; logEnd?: number; end?: number; highWatermark?: number } = {},
): PartitionLeader {
  const logEnd = options.logEnd ?? 100;
  return new PartitionLeader({
    brokerId: asBrokerId(1),
    leaderEpoch: asLeaderEpoch(7),
    logStartOffset: asOffset(0),
    logEndOffset: asOffset(logEnd),
    endOffset: asOffset(options.end ?? logEnd),
    highWatermark: asOffset(options.highWatermark ?? 0),
    membership: options.membership ?? membership(),
  });
}

const two = asBrokerId(2);
const three = asBrokerId(3);

describe("PartitionLeader", () => {
  it("moves the high watermark to its own end offset where it is the only replica", () => {
    const alone = leader({ membership: membership({ replicas: [1], isr: [1], minIsr: 1 }), logEnd: 40, end: 10 });
    expect(alone.onEndOffset(asOffset(25))).to.deep.equal([{ kind: "advanceHighWatermark", to: 25 }]);
    expect(alone.highWatermark).to.equal(25);
  });

  it("holds the high watermark until every member of the ISR has been heard in this epoch (7(3))", () => {
    const core = leader();
    expect(core.onFollowerEndOffset(two, asOffset(80))).to.deep.equal([]);
    expect(core.onFollowerEndOffset(three, asOffset(60))).to.deep.equal([{ kind: "advanceHighWatermark", to: 60 }]);
  });

  it("is all in-sync replicas, not min.insync.replicas many (8.1)", () => {
    const core = leader();
    core.onFollowerEndOffset(two, asOffset(100));
    core.onFollowerEndOffset(three, asOffset(30));
    expect(core.highWatermark).to.equal(30);
  });

  it("recomputes when the ISR shrinks (6(1), P13)", () => {
    const core = leader();
    core.onFollowerEndOffset(two, asOffset(90));
    expect(core.onMetadata(membership({ isr: [1, 2], epoch: 1 }))).to.deep.equal([
      { kind: "advanceHighWatermark", to: 90 },
    ]);
  });

  it("stands still while the ISR is below its minimum, for any acks (6(3))", () => {
    const core = leader({ membership: membership({ isr: [1] }), logEnd: 100, end: 10 });
    expect(core.onEndOffset(asOffset(100))).to.deep.equal([]);
    expect(core.highWatermark).to.equal(0);
  });

  it("refuses acks=all below the effective minimum, and only then (8.2)", () => {
    expect(leader({ membership: membership({ isr: [1] }) }).admitAcksAll()).to.equal("NOT_ENOUGH_REPLICAS");
    expect(leader({ membership: membership({ isr: [1, 2] }) }).admitAcksAll()).to.equal(null);
  });

  it("never asks for more replicas than there are (effective min ISR)", () => {
    const core = leader({ membership: membership({ replicas: [1], isr: [1], minIsr: 3 }) });
    expect(core.effectiveMinIsr).to.equal(1);
    expect(core.admitAcksAll()).to.equal(null);
  });

  it("says NOT_ENOUGH_REPLICAS_AFTER_APPEND when the ISR shrank below its minimum behind the append (20)", () => {
    const core = leader();
    core.onMetadata(membership({ isr: [1], epoch: 1 }));
    expect(core.committed()).to.equal("NOT_ENOUGH_REPLICAS_AFTER_APPEND");
  });

  it("ignores metadata of an older partition epoch (7(7))", () => {
    const core = leader({ membership: membership({ epoch: 5 }) });
    core.onMetadata(membership({ isr: [1], epoch: 4 }));
    expect(core.isr).to.deep.equal([1, 2, 3]);
  });

  it("forgets a follower that is no replica any more", () => {
    const core = leader();
    core.onFollowerEndOffset(two, asOffset(50));
    core.onFollowerEndOffset(three, asOffset(50));
    core.onMetadata(membership({ replicas: [1, 2], isr: [1, 2], epoch: 1 }));
    core.onMetadata(membership({ epoch: 2 }));
    expect(core.onFollowerEndOffset(two, asOffset(90)), "3 is back and unknown").to.deep.equal([]);
  });

  it("keeps the watermark over a cut behind it, and asserts that nothing committed is cut (3.1(12))", () => {
    const core = leader({ membership: membership({ replicas: [1], isr: [1], minIsr: 1 }), logEnd: 50 });
    core.onEndOffset(asOffset(50));
    core.onAppended(asOffset(70));
    core.onCut(asOffset(50));
    expect(core.highWatermark).to.equal(50);
    expect(() => core.onCut(asOffset(49))).to.throw(/cut/);
  });

  it("asserts that nobody vouches for more than the leader has", () => {
    expect(() => leader().onFollowerEndOffset(two, asOffset(101))).to.throw(/vouches/);
    expect(() => leader().onEndOffset(asOffset(101))).to.throw(/beyond/);
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
        const core = leader({ logEnd: 0 });
        for (const step of events) {
          if (step.kind === "append") {
            logEnd += step.by;
            core.onAppended(asOffset(logEnd));
          } else if (step.kind === "written") {
            end += Math.floor((logEnd - end) * step.share);
            core.onEndOffset(asOffset(end));
          } else if (step.kind === "follower") {
            // A follower may report less than before, after a truncation of its own.
            const reported = Math.floor(logEnd * step.share);
            ends.set(step.id, reported);
            core.onFollowerEndOffset(asBrokerId(step.id), asOffset(reported));
          } else {
            isr = [1, ...step.members];
            minIsr = step.minIsr;
            epoch++;
            core.onMetadata(membership({ isr, minIsr, epoch }));
          }
          const memberEnds = isr.map((id) => (id === 1 ? end : (ends.get(id) ?? 0)));
          if (isr.length >= Math.min(minIsr, 3)) oracle = Math.max(oracle, Math.min(...memberEnds));
          expect(core.highWatermark).to.equal(oracle);
        }
      }),
    );
  });
});
