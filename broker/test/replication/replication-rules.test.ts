/**
 * The rules of replication, each as a test by its number: semantics 3.2, 5.2 to 8.2, and the pitfalls of section 16 that the
 * leader and the follower of a partition answer for (KIP-101, 279, 392, 497, 903, 966).
 */
import { expect } from "chai";
import { asMs, asOffset } from "../../src/base/index.ts";
import type { LeaderEffect, ReplicaReport } from "../../src/replication/index.ts";
import { FollowerBench, kinds } from "./support/follower-bench.ts";
import { LAG_MS, LeaderBench, membership, proposals, proposed, watermarks } from "./support/leader-bench.ts";

/** Everybody at the log end. */
function settled(options: ConstructorParameters<typeof LeaderBench>[0] = {}): LeaderBench {
  const bench = new LeaderBench(options);
  for (const follower of [2, 3]) bench.hear(follower, bench.logEnd);
  return bench;
}

describe("Rules of the leader", () => {
  describe("5.2, 5.4: what it answers", () => {
    const codeOf = (bench: LeaderBench, follower: number, heard: Parameters<LeaderBench["tell"]>[1]): string => {
      const { verdict } = bench.tell(follower, heard);
      return verdict.kind === "refused" ? verdict.code : verdict.kind;
    };
    const ask = { from: 50, epochBefore: -1 };

    it("5.2(1): older epoch, then newer epoch, then who asks", () => {
      const bench = new LeaderBench();
      expect(codeOf(bench, 9, { leaderEpoch: 6, ask, at: 50 })).to.equal("FENCED_LEADER_EPOCH");
      expect(codeOf(bench, 9, { leaderEpoch: 8, ask, at: 50 })).to.equal("UNKNOWN_LEADER_EPOCH");
      expect(codeOf(bench, 9, { ask, at: 50 })).to.equal("NOT_LEADER_OR_FOLLOWER");
    });

    it("5.2(1), P05: an older broker epoch than the registered, or than one heard already, is nobody", () => {
      const bench = new LeaderBench();
      bench.know(2, { brokerEpoch: 5 });
      expect(codeOf(bench, 2, { brokerEpoch: 4, ask, at: 50 })).to.equal("NOT_LEADER_OR_FOLLOWER");
      expect(codeOf(bench, 2, { brokerEpoch: 6, ask, at: 50 })).to.equal("serve");
      expect(codeOf(bench, 2, { brokerEpoch: 5, ask, at: 50 })).to.equal("NOT_LEADER_OR_FOLLOWER");
      expect(bench.core.highWatermark).to.equal(0);
    });

    it("5.2(2): below the log start is out of range, before divergence; so is beyond the log end without an epoch", () => {
      const bench = new LeaderBench({ logStart: 20, epochs: [{ epoch: 3, startOffset: 20 }] });
      expect(codeOf(bench, 2, { ask: { from: 10, epochBefore: 3 }, at: 10 })).to.equal("OFFSET_OUT_OF_RANGE");
      expect(codeOf(bench, 2, { ask: { from: 101, epochBefore: -1 }, at: 101 })).to.equal("OFFSET_OUT_OF_RANGE");
      expect(codeOf(bench, 2, { ask: { from: 20, epochBefore: -1 }, at: 20 })).to.equal("serve");
    });

    it("5.2(2): an epoch that it does not have, or that ends before the offset, diverges", () => {
      const epochs = [
        { epoch: 2, startOffset: 0 },
        { epoch: 5, startOffset: 40 },
      ];
      const bench = new LeaderBench({ epochs });
      const endOf = (from: number, epochBefore: number): unknown => {
        const { verdict } = bench.tell(2, { ask: { from, epochBefore }, at: from });
        return verdict.kind === "diverging" ? verdict.end : verdict.kind;
      };
      expect(endOf(40, 2)).to.equal("serve");
      expect(endOf(41, 2)).to.deep.equal({ epoch: 2, endOffset: 40 });
      expect(endOf(45, 4)).to.deep.equal({ epoch: 2, endOffset: 40 });
      expect(endOf(100, 5)).to.equal("serve");
      expect(endOf(101, 6)).to.deep.equal({ epoch: 5, endOffset: 100 });
    });

    it("5.2(2): a diverging follower leaves state, ISR and high watermark as they were", () => {
      const bench = new LeaderBench({
        epochs: [{ epoch: 5, startOffset: 0 }],
        membership: membership({ isr: [1, 2] }),
      });
      bench.hear(2, 60);
      bench.know(3, { isFenced: true });
      const effects = bench.hear(3, { ask: { from: 80, epochBefore: 4 }, at: 100 });
      expect(effects).to.deep.equal([]);
      expect(bench.core.followers[1]?.endOffset).to.equal(-1);
    });

    it("5.4, P36: what a generation vouches for counts only after it was found free of divergence, and up to there", () => {
      const bench = new LeaderBench({ epochs: [{ epoch: 5, startOffset: 0 }] });
      bench.hear(3, 100);
      const late = { generation: 4, at: 100 };
      expect(bench.tell(2, { generation: 4, ask: { from: 90, epochBefore: 6 }, at: 90 }).verdict.kind).to.equal(
        "diverging",
      );
      bench.core.onReplicaReport(reportOf(2, { ...late }), asMs(bench.now));
      expect(bench.core.highWatermark, "a sync of the old tail ended").to.equal(0);
      bench.hear(2, { generation: 5, ask: { from: 70, epochBefore: 5 }, at: 70 });
      bench.core.onReplicaReport(reportOf(2, { generation: 5, at: 95 }), asMs(bench.now));
      expect(bench.core.highWatermark).to.equal(70);
    });

    it("5.4: an older generation is dropped, in whatever it says", () => {
      const bench = new LeaderBench();
      bench.hear(3, 100);
      bench.hear(2, { generation: 2, ask: { from: 50, epochBefore: -1 }, at: 50 });
      const late = bench.tell(2, { generation: 1, ask: { from: 80, epochBefore: -1 }, at: 80 });
      expect(late).to.deep.equal({ verdict: { kind: "none" }, effects: [] });
      expect(bench.core.highWatermark).to.equal(50);
    });

    it("5.4: reading ahead vouches for nothing", () => {
      const bench = settled();
      bench.append(150);
      bench.core.onSent(reportOf(2, { at: 0 }).follower, 1, asOffset(150));
      expect(bench.core.highWatermark).to.equal(100);
      bench.hear(2, 150);
      expect(bench.core.highWatermark, "3 has read as far, and appended nothing").to.equal(100);
    });
  });

  describe("6: the high watermark", () => {
    it("6(1): moves after an own end offset, a follower's, a change of the ISR (P13)", () => {
      const bench = new LeaderBench({ logEnd: 0 });
      bench.hear(2, 0);
      bench.hear(3, 0);
      bench.append(50, 20);
      bench.hear(2, 50);
      expect(watermarks(bench.hear(3, 10))).to.deep.equal([10]);
      bench.know(3, { isFenced: true });
      expect(watermarks(bench.apply({ isr: [1, 2], epoch: 1 }))).to.deep.equal([20]);
      expect(watermarks(bench.append(50, 50))).to.deep.equal([50]);
    });

    it("6(2): waits for all of the ISR, not for min.insync.replicas many", () => {
      const bench = new LeaderBench();
      bench.hear(2, 100);
      bench.hear(3, 30);
      expect(bench.core.highWatermark).to.equal(30);
    });

    it("6(2): waits for a proposed member until the proposal is over", () => {
      const bench = new LeaderBench({ membership: membership({ isr: [1, 2] }) });
      bench.hear(2, 100);
      expect(proposed(bench.hear(3, 100))).to.deep.equal([[1, 2, 3]]);
      bench.append(200);
      bench.hear(2, 200);
      expect(bench.core.highWatermark, "3 is about to be a member").to.equal(100);
    });

    it("6(2): waits for one that is caught up and may join, and no longer than that", () => {
      const bench = new LeaderBench({ membership: membership({ isr: [1, 2] }) });
      bench.hear(2, 100);
      const [proposal] = proposals(bench.hear(3, 100));
      const refused = { proposalId: proposal?.proposalId ?? -1, metadataOffset: 5, appliedOffset: 5 };
      bench.core.onProposalAnswered(refused, asMs(bench.now));
      bench.append(200);
      bench.hear(2, 200);
      expect(bench.core.highWatermark, "nothing is in flight, and 3 was there a moment ago").to.equal(100);
      bench.now += LAG_MS + 1;
      expect(watermarks(bench.append(201, 200))).to.deep.equal([200]);
    });

    it("6(2): does not wait for one that is being filled, from a second behind", () => {
      const bench = new LeaderBench({ membership: membership({ isr: [1, 2], replicas: [1, 2, 3] }) });
      bench.hear(2, 100);
      bench.hear(3, 10);
      bench.append(200);
      bench.now += 1_000;
      bench.hear(2, 200);
      // It has all that there was a second ago: caught up by time (7(2)), and far from joining.
      bench.hear(3, 110);
      bench.append(300);
      expect(watermarks(bench.hear(2, 300))).to.deep.equal([300]);
    });

    it("6(2), 7(3): an unknown member holds it", () => {
      const bench = new LeaderBench();
      bench.hear(2, 100);
      expect(bench.core.highWatermark).to.equal(0);
      expect(watermarks(bench.hear(3, 60))).to.deep.equal([60]);
    });

    it("6(3): never falls, and stands while the ISR is below its minimum, for any acks", () => {
      const bench = new LeaderBench({ membership: membership({ isr: [1] }), logEnd: 100, end: 10 });
      expect(bench.append(100)).to.deep.equal([]);
      expect(bench.core.highWatermark).to.equal(0);
      const other = settled();
      other.hear(2, { generation: 9, ask: { from: 40, epochBefore: -1 }, at: 40 });
      expect(other.core.highWatermark).to.equal(100);
    });

    it("6(4): a new leader begins with its own", () => {
      expect(new LeaderBench({ highWatermark: 35 }).core.highWatermark).to.equal(35);
    });

    it("6(4), 15.1(1): in a synced mode with no more of it than it has synced itself, and never below its log start", () => {
      const begun = (options: ConstructorParameters<typeof LeaderBench>[0]) =>
        new LeaderBench({
          highWatermark: 80,
          end: 60,
          isSynced: true,
          membership: membership({ isr: [1] }),
          ...options,
        });
      const bench = begun({});
      expect(bench.core.highWatermark).to.equal(60);
      bench.core.onEndOffset(asOffset(100), asMs(bench.now));
      expect(bench.core.highWatermark, "below min ISR").to.equal(60);
      bench.hear(2, { ask: { from: 100, epochBefore: 7 }, at: 90, isSynced: true });
      bench.apply({ isr: [1, 2], epoch: 1 });
      expect(bench.core.highWatermark).to.equal(90);
      expect(begun({ logStart: 70 }).core.highWatermark, "what was deleted is not shown").to.equal(70);
      expect(begun({ isSynced: false }).core.highWatermark, "page-cache").to.equal(80);
    });
  });

  describe("7: in-sync replicas", () => {
    it("7(1), P51: an idle partition expels nobody, however long it was idle, when one append comes", () => {
      const bench = settled();
      bench.now += 60_000;
      bench.append(101);
      expect(proposals(bench.tick())).to.deep.equal([]);
      expect(proposed(bench.tick(LAG_MS + 1))).to.deep.equal([[1]]);
    });

    it("7(1), P51: a follower under load is measured against where the log end was, not where it is", () => {
      const bench = settled();
      for (let end = 200; end < 10_000; end += 100) {
        bench.now += 1_000;
        bench.append(end);
        // It is always one append behind.
        for (const follower of [2, 3]) bench.hear(follower, end - 100);
      }
      expect(proposals(bench.tick())).to.deep.equal([]);
    });

    it("7(1): one whose stream is gone has no such credit", () => {
      const bench = settled();
      bench.core.onStreamLost(reportOf(3, { at: 0 }).follower, asMs(bench.now));
      bench.now += LAG_MS + 1;
      bench.append(101);
      bench.hear(2, 101);
      expect(proposed(bench.tick())).to.deep.equal([[1, 2]]);
    });

    it("7(2): at the log end is caught up, whatever the clock says", () => {
      const bench = settled();
      expect(proposals(bench.tick(10 * LAG_MS))).to.deep.equal([]);
    });

    it("7(3): at a new epoch members have the whole time, others none", () => {
      const bench = new LeaderBench({ membership: membership({ isr: [1, 2] }) });
      expect(bench.core.followers.map(({ endOffset }) => endOffset)).to.deep.equal([-1, -1]);
      expect(proposals(bench.tick(LAG_MS))).to.deep.equal([]);
      expect(proposed(bench.tick(1))).to.deep.equal([[1]]);
    });

    it("7(4): shrinks by who is behind, not with a proposal in flight", () => {
      const bench = settled();
      bench.append(200);
      bench.hear(2, 200);
      expect(proposed(bench.tick(LAG_MS + 1))).to.deep.equal([[1, 2]]);
      expect(proposals(bench.tick(LAG_MS + 1))).to.deep.equal([]);
    });

    it("7(5), P03: grows by who has all below the high watermark and has reached the start of the epoch", () => {
      const bench = new LeaderBench({ membership: membership({ isr: [1, 2] }), highWatermark: 40 });
      bench.hear(2, 60);
      expect(proposals(bench.hear(3, 99)), "the epoch begins at 100").to.deep.equal([]);
      expect(proposed(bench.hear(3, 100))).to.deep.equal([[1, 2, 3]]);
    });

    for (const why of ["isFenced", "isFull", "isShuttingDown"] as const) {
      it(`7(5): not by one that ${why}, until the metadata says otherwise`, () => {
        const bench = new LeaderBench({ membership: membership({ isr: [1, 2] }) });
        bench.hear(2, 100);
        bench.know(3, { [why]: true });
        expect(proposals(bench.hear(3, 100))).to.deep.equal([]);
        bench.know(3);
        expect(proposed(bench.brokersChanged())).to.deep.equal([[1, 2, 3]]);
      });
    }

    it("7(5), 5.1(3): not by one that durably begins before the leader: what it has there may have diverged", () => {
      const bench = new LeaderBench({ membership: membership({ isr: [1, 2] }), logStart: 50 });
      bench.hear(2, { ask: { from: 100, epochBefore: -1 }, at: 100, logStart: 50 });
      const early = bench.hear(3, { ask: { from: 100, epochBefore: -1 }, at: 100, logStart: 49 });
      expect(proposals(early)).to.deep.equal([]);
      expect(proposals(bench.tick(LAG_MS / 2))).to.deep.equal([]);
      expect(proposed(bench.hear(3, { at: 100, logStart: 50 }))).to.deep.equal([[1, 2, 3]]);
    });

    it("7(5), P05, P24: not by another process life than the registered one; what was checked is what is sent", () => {
      const bench = new LeaderBench({ membership: membership({ isr: [1, 2] }) });
      bench.hear(2, 100);
      expect(proposals(bench.hear(3, { brokerEpoch: 2, ask: { from: 100, epochBefore: -1 }, at: 100 }))).to.deep.equal(
        [],
      );
      bench.know(3, { brokerEpoch: 2 });
      bench.ownBrokerEpoch = 17;
      const [proposal] = proposals(bench.brokersChanged());
      expect(proposal?.isr).to.deep.equal([
        { brokerId: 1, brokerEpoch: 17 },
        { brokerId: 2, brokerEpoch: 1 },
        { brokerId: 3, brokerEpoch: 2 },
      ]);
      expect(proposal).to.include({ leaderEpoch: 7, partitionEpoch: 0, isRecovering: false });
    });

    it("7(6): a removal counts only when it is committed", () => {
      const bench = settled();
      bench.append(200);
      bench.hear(2, 200);
      bench.tick(LAG_MS + 1);
      expect(bench.core.highWatermark, "3 is a member until then").to.equal(100);
      bench.know(3, { isFenced: true });
      expect(watermarks(bench.apply({ isr: [1, 2], epoch: 1 }))).to.deep.equal([200]);
    });

    /** 3 is refused; answer and metadata come in the given order. */
    const refusedJoin = (): { bench: LeaderBench; proposalId: number } => {
      const bench = new LeaderBench({ membership: membership({ isr: [1, 2] }) });
      bench.hear(2, 100);
      const [proposal] = proposals(bench.hear(3, 100));
      return { bench, proposalId: proposal?.proposalId ?? -1 };
    };
    const answer = (
      bench: LeaderBench,
      proposalId: number,
      metadataOffset: number,
      appliedOffset: number,
    ): readonly LeaderEffect[] =>
      bench.core.onProposalAnswered({ proposalId, metadataOffset, appliedOffset }, asMs(bench.now));

    it("7(7), P52: a refusal ends the proposal when the metadata it was decided on is applied, not before", () => {
      const { bench, proposalId } = refusedJoin();
      answer(bench, proposalId, 12, 10);
      expect(bench.core.proposalInFlight?.proposalId).to.equal(proposalId);
      bench.core.onApplied(11, asMs(bench.now));
      expect(bench.core.proposalInFlight).to.not.equal(null);
      bench.core.onApplied(12, asMs(bench.now));
      expect(bench.core.proposalInFlight).to.equal(null);
    });

    it("7(7), P52: an answer that trails its metadata ends nothing else", () => {
      const { bench, proposalId } = refusedJoin();
      bench.know(3, { isFenced: true });
      bench.apply({ isr: [1, 2], epoch: 1 });
      bench.know(3);
      const [next] = proposals(bench.brokersChanged());
      expect(next?.partitionEpoch).to.equal(1);
      answer(bench, proposalId, 5, 10);
      expect(bench.core.proposalInFlight).to.equal(next);
    });

    it("7(7): the answer changes no ISR; a higher partition epoch replaces committed and pending state", () => {
      const { bench, proposalId } = refusedJoin();
      answer(bench, proposalId, 12, 10);
      expect(bench.core.isr).to.deep.equal([1, 2]);
      bench.apply({ isr: [1, 2, 3], epoch: 1 });
      expect(bench.core.isr).to.deep.equal([1, 2, 3]);
      expect(bench.core.proposalInFlight).to.equal(null);
    });

    it("7(7): without an answer the same goes out again, until it is answered", () => {
      const { bench, proposalId } = refusedJoin();
      const first = bench.core.proposalInFlight;
      expect(bench.core.retryProposal(proposalId)).to.equal(first);
      answer(bench, proposalId, 12, 10);
      expect(bench.core.retryProposal(proposalId), "answered").to.equal(null);
      expect(bench.core.retryProposal(proposalId + 1)).to.equal(null);
    });

    it("7(7), P80: refused while another attempt is out, its members hold the high watermark until a higher partition epoch", () => {
      const { bench, proposalId } = refusedJoin();
      bench.core.retryProposal(proposalId);
      answer(bench, proposalId, 12, 12);
      expect(bench.core.proposalInFlight).to.equal(null);
      bench.know(3, { isFenced: true });
      bench.append(200);
      bench.hear(2, 200);
      expect(bench.core.highWatermark, "the first attempt may still commit").to.equal(100);
      const [again] = proposals(bench.tick(1));
      expect(
        again?.isr.map(({ brokerId }) => brokerId),
        "the committed ISR, to raise the epoch",
      ).to.deep.equal([1, 2]);
      expect(watermarks(bench.apply({ isr: [1, 2], epoch: 1 }))).to.deep.equal([200]);
    });

    it("7(7), P80: a refusal of the proposal before ends nothing", () => {
      const { bench, proposalId } = refusedJoin();
      answer(bench, proposalId, 12, 12);
      const [next] = proposals(bench.tick(1));
      answer(bench, proposalId, 12, 12);
      expect(bench.core.proposalInFlight).to.equal(next);
    });

    it("7(7): what was refused is not asked again at once", () => {
      const { bench, proposalId } = refusedJoin();
      answer(bench, proposalId, 12, 12);
      expect(proposals(bench.hear(3, 100))).to.deep.equal([]);
      expect(proposed(bench.tick(1))).to.deep.equal([[1, 2, 3]]);
    });

    it("7(7): what was refused is asked again at once if the metadata has changed since it was asked", () => {
      const { bench, proposalId } = refusedJoin();
      bench.know(3, { isFenced: true });
      bench.brokersChanged();
      bench.know(3);
      bench.brokersChanged();
      const [again] = proposals(answer(bench, proposalId, 12, 14));
      expect(again?.isr.map(({ brokerId }) => brokerId)).to.deep.equal([1, 2, 3]);
      expect(again?.proposalId).to.not.equal(proposalId);
      // Nothing has changed since: once is enough.
      expect(proposals(answer(bench, again?.proposalId ?? -1, 14, 15))).to.deep.equal([]);
      expect(proposals(bench.hear(3, 100))).to.deep.equal([]);
    });

    it("7(7): a refusal that one of two who join has caused does not hold back the other", () => {
      const bench = new LeaderBench({ membership: membership({ isr: [1], minIsr: 1 }) });
      bench.know(2, { isFenced: true });
      bench.hear(2, 100);
      bench.hear(3, { brokerEpoch: 2, ask: { from: 100, epochBefore: -1 }, at: 100 });
      bench.know(2);
      bench.know(3, { brokerEpoch: 2 });
      const [both] = proposals(bench.brokersChanged());
      expect(both?.isr.map(({ brokerId }) => brokerId)).to.deep.equal([1, 2, 3]);
      answer(bench, both?.proposalId ?? -1, 12, 11);
      bench.know(2, { isFenced: true });
      bench.brokersChanged();
      const [one] = proposals(bench.core.onApplied(12, asMs(bench.now)));
      expect(one?.isr.map(({ brokerId }) => brokerId)).to.deep.equal([1, 3]);
    });

    it("7(7), 9(3): a leader that recovers says that it has, alone if nobody joins", () => {
      const bench = new LeaderBench({ membership: membership({ isr: [1], isRecovering: true, minIsr: 1 }) });
      expect(proposed(bench.tick(1))).to.deep.equal([[1]]);
      bench.apply({ isr: [1], minIsr: 1, epoch: 1 });
      expect(proposals(bench.tick(1))).to.deep.equal([]);
    });

    it("7(8), P14: an ISR change invalidates nothing that a follower has asked", () => {
      const bench = settled();
      bench.know(3, { isFenced: true });
      bench.apply({ isr: [1, 2], epoch: 1 });
      expect(bench.tell(2, 100).verdict.kind).to.equal("none");
      expect(bench.core.followers[0]?.endOffset).to.equal(100);
    });
  });

  describe("8: acks", () => {
    it("8.2: refuses acks=all below the effective minimum before the append (19), and only then", () => {
      expect(new LeaderBench({ membership: membership({ isr: [1] }) }).core.admitAcksAll()).to.equal(
        "NOT_ENOUGH_REPLICAS",
      );
      expect(new LeaderBench({ membership: membership({ isr: [1, 2] }) }).core.admitAcksAll()).to.equal(null);
    });

    it("8.2: says so after the append when the maximal ISR is below it by then (20)", () => {
      const bench = settled();
      for (const follower of [2, 3]) bench.know(follower, { isFenced: true });
      bench.apply({ isr: [1], epoch: 1 });
      expect(bench.core.committed()).to.equal("NOT_ENOUGH_REPLICAS_AFTER_APPEND");
    });
  });

  describe("15.1(5), 13(4)", () => {
    it("15.1(5), P72: at the raise of the mode written ends are forgotten, and count no more", () => {
      const bench = settled({ logEnd: 50 });
      bench.append(80);
      bench.hear(2, 80);
      bench.hear(3, { at: 80, isSynced: true });
      expect(bench.core.highWatermark).to.equal(80);
      bench.append(90);
      bench.core.onModeRaised(asOffset(90));
      bench.hear(3, { at: 90, isSynced: true });
      bench.hear(2, { at: 90 });
      expect(bench.core.highWatermark, "2 has not heard of the raise").to.equal(80);
      bench.hear(2, { at: 90, isSynced: true });
      expect(bench.core.highWatermark).to.equal(90);
    });

    it("15.1(5): what was told as synced before the raise stands: its follower has nothing to add", () => {
      const bench = settled({ logEnd: 50 });
      bench.hear(2, { at: 50, isSynced: true });
      bench.core.onModeRaised(asOffset(50));
      expect(bench.core.followers.map(({ endOffset }) => endOffset)).to.deep.equal([50, -1]);
    });

    it("13(4), P71: a deletion is done when every live replica has it durably", () => {
      const bench = settled();
      expect(bench.core.leastLogStart(asOffset(30))).to.equal(0);
      bench.hear(2, { at: 100, logStart: 30 });
      const effects = bench.hear(3, { at: 100, logStart: 25 });
      expect(effects.map(({ kind }) => kind)).to.deep.equal(["logStartsMoved"]);
      expect(bench.core.leastLogStart(asOffset(30))).to.equal(25);
      bench.know(3, { isFenced: true });
      expect(bench.core.leastLogStart(asOffset(30))).to.equal(30);
    });

    it("13(4): what an earlier process life of a follower said does not count for this one", () => {
      const bench = settled();
      bench.hear(2, { at: 100, logStart: 30 });
      bench.hear(3, { at: 100, logStart: 30 });
      bench.know(3, { brokerEpoch: 2 });
      expect(bench.core.leastLogStart(asOffset(30))).to.equal(null);
      bench.hear(3, { brokerEpoch: 2, ask: { from: 100, epochBefore: -1 }, at: 100, logStart: 10 });
      expect(bench.core.leastLogStart(asOffset(30))).to.equal(10);
    });

    it("13(4): one that is live and has said nothing keeps it waiting", () => {
      const bench = new LeaderBench();
      bench.hear(2, { ask: { from: 100, epochBefore: -1 }, at: 100, logStart: 30 });
      expect(bench.core.leastLogStart(asOffset(30))).to.equal(null);
    });
  });
});

/** A report without an ask, past the bench. */
function reportOf(follower: number, over: { readonly generation?: number; readonly at: number }): ReplicaReport {
  return {
    follower: follower as ReplicaReport["follower"],
    brokerEpoch: 1,
    leaderEpoch: 7 as ReplicaReport["leaderEpoch"],
    generation: over.generation ?? 1,
    ask: null,
    appendedTo: asOffset(over.at),
    isSynced: false,
    durableLogStart: asOffset(0),
  };
}

describe("Rules of the follower", () => {
  it("5.3(1), P01: asks from its own log end, with its latest epoch, whatever the high watermark", () => {
    const bench = new FollowerBench({
      epochs: [
        [2, 0],
        [5, 40],
      ],
      logEnd: 60,
      highWatermark: 10,
      generation: 8,
    });
    expect(bench.open()).to.deep.equal([{ kind: "ask", generation: 9, readFrom: 60, epochBefore: 5 }]);
    expect(bench.log.logEndOffset).to.equal(60);
  });

  it("5.3(2): takes only what was asked for in its epoch, its generation, at exactly its log end", () => {
    const bench = new FollowerBench({ logEnd: 10, epochs: [[7, 0]] });
    bench.open();
    expect(bench.records(20, { leaderEpoch: 6 })).to.deep.equal([]);
    expect(bench.records(20, { generation: 0 })).to.deep.equal([]);
    expect(bench.records(20, { askedFrom: 9 })).to.deep.equal([]);
    expect(bench.records(20, { askedFrom: 11 })).to.deep.equal([]);
    expect(kinds(bench.records(20))).to.include("append");
    expect(bench.log.logEndOffset).to.equal(20);
  });

  it("5.3(2), P50: a first batch beyond what was asked for is a gap of compaction", () => {
    const bench = new FollowerBench();
    bench.open();
    expect(kinds(bench.records(60, { base: 50 }))).to.include("append");
  });

  it("5.3(3): an epoch that both have is cut where it ends for either, and it asks anew", () => {
    const bench = new FollowerBench({
      epochs: [
        [2, 0],
        [5, 40],
      ],
      logEnd: 60,
    });
    bench.open();
    const effects = bench.diverging(5, 52);
    expect(effects).to.deep.equal([
      { kind: "truncate", to: 52 },
      { kind: "ask", generation: 2, readFrom: 52, epochBefore: 5 },
    ]);
  });

  it("5.3(3), P02: an epoch that only the leader lacks is cut whole, and the one before is asked for", () => {
    const bench = new FollowerBench({
      epochs: [
        [2, 0],
        [4, 30],
        [5, 40],
      ],
      logEnd: 60,
    });
    bench.open();
    expect(bench.diverging(3, 35)).to.deep.equal([
      { kind: "truncate", to: 30 },
      { kind: "ask", generation: 2, readFrom: 30, epochBefore: 2 },
    ]);
  });

  it("5.1(4): an epoch without a batch goes though the log is not shortened", () => {
    const bench = new FollowerBench({
      epochs: [
        [2, 0],
        [5, 40],
      ],
      logEnd: 40,
    });
    bench.open();
    expect(bench.diverging(2, 40)).to.deep.equal([
      { kind: "truncate", to: 40 },
      { kind: "ask", generation: 2, readFrom: 40, epochBefore: 2 },
    ]);
  });

  it("5.3(4), P04: marks of a diverging answer are not even there; the own stay", () => {
    const bench = new FollowerBench({ epochs: [[5, 0]], logEnd: 60, highWatermark: 10 });
    bench.open();
    bench.diverging(5, 50);
    expect(bench.log.highWatermark).to.equal(10);
    expect(bench.log.logStartOffset).to.equal(0);
  });

  it("5.3(5), P11: out of range: cut to a shorter leader, restart at a later start, else ask again; never the end", () => {
    const bench = new FollowerBench({ epochs: [[5, 0]], logEnd: 60 });
    bench.open();
    expect(kinds(bench.refused("OFFSET_OUT_OF_RANGE", 0, 50))).to.deep.equal(["truncate", "ask"]);
    expect(bench.log.logEndOffset).to.equal(50);
    expect(bench.refused("OFFSET_OUT_OF_RANGE", 0, 50)).to.deep.equal([
      { kind: "retryLater", cause: "OFFSET_OUT_OF_RANGE" },
    ]);
    expect(kinds(bench.core.onRetry())).to.deep.equal(["ask"]);
    expect(bench.refused("OFFSET_OUT_OF_RANGE", 80, 90)).to.deep.equal([
      { kind: "restart", at: 80 },
      { kind: "ask", generation: 4, readFrom: 80, epochBefore: -1 },
    ]);
  });

  describe("decision 0030: nothing stands on what was not compared", () => {
    const begun = (durableLogStart: number): FollowerBench => {
      const bench = new FollowerBench({ epochs: [[3, 0]], logEnd: 60, highWatermark: 20, durableLogStart });
      bench.open();
      return bench;
    };
    const appends = (effects: ReturnType<FollowerBench["open"]>): unknown[] =>
      effects.flatMap((effect) => (effect.kind === "append" ? [effect.startAt] : []));

    it("a log start that the leader's first answer of a generation names is durable before the append", () => {
      const effects = begun(0).records(70, { highWatermark: 50, logStart: 50 });
      expect(effects.slice(0, 2)).to.deep.equal([
        { kind: "advance", highWatermark: 50, logStartOffset: 50 },
        {
          kind: "append",
          answer: { kind: "records", records: 70, firstBaseOffset: 60, highWatermark: 50, logStartOffset: 50 },
          restartAt: null,
          startAt: 50,
        },
      ]);
    });

    it("also when that answer had no records", () => {
      const bench = begun(0);
      bench.records(null, { highWatermark: 20, logStart: 20 });
      bench.log.durableLogStartOffset = asOffset(0);
      expect(appends(bench.records(70, { highWatermark: 20, logStart: 20 }))).to.deep.equal([20]);
    });

    it("one that moves later holds nothing: what lies below was compared", () => {
      const bench = begun(0);
      expect(appends(bench.records(70, { highWatermark: 20, logStart: 0 }))).to.deep.equal([null]);
      expect(appends(bench.records(80, { highWatermark: 70, logStart: 70 }))).to.deep.equal([null]);
    });

    it("nor does one that is durable here", () => {
      expect(appends(begun(50).records(70, { highWatermark: 50, logStart: 50 }))).to.deep.equal([null]);
    });

    it("one that has moved beyond the own log end meanwhile can never be durable here: it asks again, and is told so", () => {
      for (const isToldFirst of [false, true]) {
        const bench = begun(0);
        // The end of the read that brings the records is when it hears of it, or a word about marks before.
        if (isToldFirst) bench.records(null, { highWatermark: 80, logStart: 65 });
        expect(bench.records(70, { highWatermark: 80, logStart: 65 })).to.deep.equal([
          { kind: "retryLater", cause: "OFFSET_OUT_OF_RANGE" },
        ]);
        expect(kinds(bench.core.onRetry())).to.deep.equal(["ask"]);
        expect(bench.refused("OFFSET_OUT_OF_RANGE", 65, 80)[0]).to.deep.equal({ kind: "restart", at: 65 });
      }
    });
  });

  it("5.3(6), P45: cuts below its high watermark only for an unclean choice newer than all it has", () => {
    const clean = new FollowerBench({ epochs: [[5, 0]], logEnd: 60, highWatermark: 55, uncleanEpoch: 5 });
    clean.open();
    expect(kinds(clean.diverging(5, 54))).to.deep.equal(["stop"]);
    expect(clean.core.isStopped).to.equal(true);
    expect(clean.log.logEndOffset, "its bytes stay").to.equal(60);
    expect(clean.core.onStreamOpened()).to.deep.equal([]);
    const unclean = new FollowerBench({ epochs: [[5, 0]], logEnd: 60, highWatermark: 55, uncleanEpoch: 6 });
    unclean.open();
    expect(kinds(unclean.diverging(5, 54))).to.deep.equal(["truncate", "ask"]);
  });

  it("5.3(3): a cut that its log refuses is tried again, where the leader says then, and nothing is told meanwhile", () => {
    for (const isStreamLost of [false, true]) {
      const bench = new FollowerBench({ epochs: [[5, 0]], logEnd: 60, highWatermark: 40, isCutLater: true });
      bench.open();
      expect(kinds(bench.diverging(5, 54))).to.deep.equal(["truncate"]);
      if (isStreamLost) bench.core.onStreamLost();
      const effects = bench.core.onCutRefused();
      expect(effects).to.deep.equal(isStreamLost ? [] : [{ kind: "retryLater", cause: "LOG_DAMAGED" }]);
      expect(bench.core.isReporting).to.equal(false);
      expect(kinds(isStreamLost ? bench.core.onStreamOpened() : bench.core.onRetry())).to.deep.equal(["ask"]);
      expect(kinds(bench.diverging(5, 50))).to.deep.equal(["truncate"]);
    }
  });

  it("5.3(6): a choice that it hears of in time counts", () => {
    const bench = new FollowerBench({ epochs: [[5, 0]], logEnd: 60, highWatermark: 55 });
    bench.open();
    bench.core.onMetadata(7);
    expect(kinds(bench.diverging(5, 54))).to.deep.equal(["truncate", "ask"]);
  });

  it("5.3(6): a cut below its log start, where all that may be read would go, begins the log anew at its start", () => {
    const bench = new FollowerBench({ epochs: [[3, 40]], logStart: 40, logEnd: 60, highWatermark: 40 });
    bench.open();
    expect(bench.diverging(2, 30)).to.deep.equal([
      { kind: "restart", at: 40 },
      { kind: "ask", generation: 2, readFrom: 40, epochBefore: -1 },
    ]);
    const readable = new FollowerBench({ epochs: [[3, 40]], logStart: 40, logEnd: 60, highWatermark: 41 });
    readable.open();
    expect(kinds(readable.diverging(2, 30))).to.deep.equal(["stop"]);
    const short = new FollowerBench({ epochs: [[3, 40]], logStart: 40, logEnd: 60, highWatermark: 40 });
    short.open();
    expect(kinds(short.refused("OFFSET_OUT_OF_RANGE", 0, 30)), "the leader has less than that").to.deep.equal(["stop"]);
  });

  it("5.3(3): a cut to its log start begins the log anew there: what lies below may be of later epochs than what comes", () => {
    const bench = new FollowerBench({ epochs: [[4, 40]], logStart: 40, logEnd: 40, highWatermark: 40 });
    bench.open();
    expect(bench.diverging(3, 50)).to.deep.equal([
      { kind: "restart", at: 40 },
      { kind: "ask", generation: 2, readFrom: 40, epochBefore: -1 },
    ]);
  });

  it("5.3(6): an unclean cut below its log start begins the log anew there", () => {
    const bench = new FollowerBench({ epochs: [[5, 40]], logStart: 40, logEnd: 60, uncleanEpoch: 6 });
    bench.open();
    expect(kinds(bench.refused("OFFSET_OUT_OF_RANGE", 0, 20))).to.deep.equal(["restart", "ask"]);
    expect(bench.log.logEndOffset).to.equal(20);
  });

  it("5.3(7): a bad batch, a failed write: waits, then asks anew; what is on its way counts for nothing", () => {
    const bench = new FollowerBench({ epochs: [[7, 0]], logEnd: 10 });
    bench.open();
    expect(bench.core.onBadBatch()).to.deep.equal([{ kind: "retryLater", cause: "CORRUPT_MESSAGE" }]);
    expect(bench.core.isReporting).to.equal(false);
    expect(bench.records(20)).to.deep.equal([]);
    expect(bench.core.onRetry()).to.deep.equal([{ kind: "ask", generation: 2, readFrom: 10, epochBefore: 7 }]);
    expect(bench.records(20, { generation: 1 })).to.deep.equal([]);
    expect(kinds(bench.core.onWriteFailed())).to.deep.equal(["retryLater"]);
  });

  for (const code of ["UNKNOWN_LEADER_EPOCH", "NOT_LEADER_OR_FOLLOWER", "FENCED_LEADER_EPOCH"] as const) {
    it(`5.3(7): ${code} waits for metadata`, () => {
      const bench = new FollowerBench();
      bench.open();
      expect(bench.refused(code)).to.deep.equal([{ kind: "retryLater", cause: code }]);
    });
  }

  it("5.3(8), P10: an empty log begins at the base of a batch that the leader's log starts inside of", () => {
    const bench = new FollowerBench({ logStart: 45, logEnd: 45 });
    bench.open();
    bench.records(60, { base: 40, highWatermark: 60, logStart: 45 });
    expect(bench.log.logEndOffset).to.equal(60);
    expect(bench.log.logStartOffset, "up to the leader's again").to.equal(45);
  });

  it("5.3(8): a log that has something takes no batch from before its end", () => {
    const bench = new FollowerBench({ epochs: [[7, 0]], logEnd: 45 });
    bench.open();
    expect(bench.records(60, { base: 40 })).to.deep.equal([{ kind: "retryLater", cause: "CORRUPT_MESSAGE" }]);
  });

  it("5.3(8): nor one whose end the leader's log starts at, inside of that batch: nothing of it is left, and it begins anew there", () => {
    const bench = new FollowerBench({ epochs: [[7, 0]], logStart: 30, logEnd: 45, highWatermark: 40 });
    bench.open();
    expect(bench.records(60, { base: 40, highWatermark: 60, logStart: 45 })).to.deep.equal([
      { kind: "restart", at: 45 },
      { kind: "ask", generation: 2, readFrom: 45, epochBefore: -1 },
    ]);
    bench.records(60, { base: 40, highWatermark: 60, logStart: 45 });
    expect([bench.log.logStartOffset, bench.log.logEndOffset]).to.deep.equal([45, 60]);
  });

  it("5.4: the generation rises with every ask, over epochs and streams too", () => {
    const bench = new FollowerBench({ generation: 3 });
    bench.open();
    bench.core.onStreamLost();
    bench.open();
    expect(bench.core.generation).to.equal(5);
  });

  it("5.4: reports nothing while it is cut, and a stream that is lost meanwhile is asked when there is one", () => {
    const bench = new FollowerBench({ epochs: [[5, 0]], logEnd: 60 });
    bench.open();
    const [cut] = bench.core.onFrame({
      leaderEpoch: bench.core.leaderEpoch,
      generation: bench.core.generation,
      askedFrom: asOffset(60),
      answer: { kind: "diverging", end: { epoch: 5 as never, endOffset: asOffset(50) } },
    });
    expect(cut?.kind).to.equal("truncate");
    expect(bench.core.isReporting).to.equal(false);
    bench.core.onStreamLost();
    expect(bench.core.onCut()).to.deep.equal([]);
    expect(kinds(bench.open())).to.deep.equal(["ask"]);
  });

  it("3.2, P71: high watermark first, inside the log; then the log start, which never falls and never passes it", () => {
    const bench = new FollowerBench({ epochs: [[7, 0]], logStart: 5, logEnd: 50, highWatermark: 20 });
    bench.open();
    bench.records(null, { highWatermark: 90, logStart: 3 });
    expect(bench.log).to.include({ highWatermark: 50, logStartOffset: 5 });
    bench.records(null, { highWatermark: 40, logStart: 70 });
    expect(bench.log).to.include({ highWatermark: 40, logStartOffset: 40 });
    bench.records(null, { highWatermark: 10, logStart: 2 });
    expect(bench.log).to.include({ highWatermark: 40, logStartOffset: 40 });
  });
});
