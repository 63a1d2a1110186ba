import type { ExplainedBroker, ExplainPartitionResponse, FollowerState } from "@tidemark/proto";
import { expect } from "chai";
import { explain, type Question } from "../../../src/core/explain/answers.ts";
import { Facts, type Silence } from "../../../src/core/explain/facts.ts";
import type { Explanation } from "../../../src/index.ts";

const NOW = 1_800_000_000_000;

function broker(id: number, over: Partial<ExplainedBroker> = {}): ExplainedBroker {
  return {
    id,
    registered: true,
    fenced: false,
    shuttingDown: false,
    full: false,
    offline: false,
    damaged: false,
    unclean: false,
    emptied: false,
    silentMs: -1,
    fencedWhy: "",
    fencedMs: -1,
    ...over,
  };
}

function follower(brokerId: number, over: Partial<FollowerState> = {}): FollowerState {
  return {
    brokerId,
    endOffset: 100,
    inIsr: true,
    proposed: false,
    live: true,
    caughtUpAgoMs: 0,
    waitedFor: true,
    bar: "none",
    ...over,
  };
}

/** What broker `id` says of a partition of three replicas that 1 leads: records 10 to 100, all committed. */
function view(id: number, over: Partial<ExplainPartitionResponse> = {}): ExplainPartitionResponse {
  return {
    brokerId: id,
    metadataOffset: 50,
    controllerId: 2,
    topicId: "T",
    leaderId: 1,
    leaderEpoch: 4,
    replicas: [1, 2, 3],
    isr: [1, 2, 3],
    elr: [],
    lastIsr: [],
    recovering: false,
    minInsyncReplicas: 2,
    countsSynced: true,
    brokers: [broker(1), broker(2), broker(3)],
    candidates: [],
    replica: {
      role: id === 1 ? "leader" : "follower",
      leaderEpoch: 4,
      logStartOffset: 10,
      writtenEndOffset: 100,
      syncedEndOffset: 100,
      highWatermark: 100,
      countsSynced: true,
      damagedFrom: -1,
      damage: "",
      repairing: false,
      lag: id === 1 ? -1 : 0,
      stopped: false,
      led: null,
      proposalAgeMs: -1,
    },
    full: false,
    syncRunningMs: 0,
    syncMeanMs: 0,
    inquiry: null,
    changes: [],
    nowMs: NOW,
    errorCode: 0,
    errorMessage: "",
    ...over,
  };
}

/** The leader's view. `end`: of its log; `own`: what it vouches for; `mark`: the high watermark. */
function leader(
  followers: FollowerState[],
  { end = 100, own = end, mark = 100, minIsr = 2 }: { end?: number; own?: number; mark?: number; minIsr?: number } = {},
  over: Partial<ExplainPartitionResponse> = {},
): ExplainPartitionResponse {
  const base = view(1, over);
  if (base.replica === null) throw new Error("the leader has a replica");
  const led = {
    endOffset: own,
    logEndOffset: end,
    epochStartOffset: 0,
    configuredMinIsr: minIsr,
    lagTimeMaxMs: 30_000,
    proposed: false,
    proposedIsr: [],
    lingering: false,
    followers,
  };
  return { ...base, replica: { ...base.replica, writtenEndOffset: end, highWatermark: mark, led } };
}

const ask = (question: Question, views: ExplainPartitionResponse[], silent: Silence[] = []): Explanation =>
  explain({ topic: "orders", partition: 0 }, question, new Facts(views, silent, NOW));
const acked = (offset: number): Question => ({ kind: "acked", offset });
const visible = (offset: number): Question => ({ kind: "visible", offset });
const ISR: Question = { kind: "isr" };
const allWell = [follower(2), follower(3)];
const others = [view(2), view(3)];

describe("explain", () => {
  describe("acked and visible", () => {
    it("hold below the high watermark, and not below the log start", () => {
      const views = [leader(allWell), ...others];
      expect(ask(acked(99), views)).to.include({ holds: true, code: "ACKED" });
      expect(ask(visible(10), views)).to.include({ holds: true, code: "VISIBLE" });
      expect(ask(visible(9), views)).to.include({ holds: false, code: "BELOW_LOG_START" });
      expect(ask(acked(100), views)).to.include({ holds: false, code: "NOT_WRITTEN" });
    });

    it("name the followers that hold the high watermark back, those alone, since when, and why", () => {
      const behind = follower(3, { endOffset: 90, caughtUpAgoMs: 4_000 });
      const views = [leader([follower(2, { endOffset: 110 }), behind], { end: 110, mark: 90 }), ...others];
      const held = ask(acked(95), views);
      expect(held).to.deep.include({ holds: false, code: "WAITS_FOR_REPLICAS", since: NOW - 4_000 });
      expect(held.blockers.map(({ broker: id, code }) => [id, code])).to.deep.equal([[3, "BEHIND"]]);
      expect(held.text).to.equal(
        "orders:0 offset 95 is not acknowledged yet: the high watermark stands at 90: broker 3 is 20 records behind; it was caught up 4.0 s ago",
      );
      const slow = view(3, { syncRunningMs: 2_500 });
      expect(ask(acked(95), [views[0] ?? slow, view(2), slow]).blockers[0]).to.include({
        broker: 3,
        code: "SLOW_DISK",
      });
      const dead = ask(acked(95), [views[0] ?? slow, view(2)], [{ broker: 3, message: "no answer", isRefused: false }]);
      expect(dead.blockers[0]).to.include({ broker: 3, code: "SILENT" });
      expect(dead.state.silent).to.deep.equal([{ broker: 3, message: "no answer" }]);
    });

    it("tell of the leader's own disk, and of nothing at all", () => {
      const waiting = [follower(2, { endOffset: 101 }), follower(3, { endOffset: 101 })];
      const slow = leader(waiting, { end: 101, own: 100, mark: 100 }, { syncRunningMs: 700 });
      expect(ask(acked(100), [slow, ...others])).to.include({ code: "WAITS_FOR_LEADER_DISK" });
      expect(ask(acked(100), [leader(waiting, { end: 101, own: 101, mark: 100 }), ...others]).code).to.equal(
        "ON_ITS_WAY",
      );
    });

    it("say that acks=all is refused where the ISR is too small, also for what is not written yet", () => {
      const gone = broker(3, { fenced: true, fencedWhy: "gone", fencedMs: 9_000 });
      const over = { isr: [1, 2], minInsyncReplicas: 3, brokers: [broker(1), broker(2), gone] };
      const views = [
        leader([follower(2), follower(3, { inIsr: false, live: false })], { minIsr: 3 }, over),
        view(2, over),
      ];
      const refused = ask(acked(100), views);
      expect(refused).to.deep.include({ code: "UNDER_MIN_ISR", since: NOW - 9_000 });
      expect(refused.text).to.include(
        "min.insync.replicas=3 wants all 3 replicas in sync, 2 are: broker 3 is down: nobody listens at its address",
      );
      expect(refused.advice).to.deep.equal([
        "start broker 3",
        "or lower the minimum, which gives up a copy: tidemark configs set topic/orders min.insync.replicas=2",
      ]);
    });

    it("say that a lost quorum lets nobody leave the ISR, whom everything waits for", () => {
      const none = { controllerId: -1 };
      const cutOff = [2, 3].map((id) => follower(id, { live: false, caughtUpAgoMs: 9_000 }));
      const silent = [2, 3].map((id) => ({ broker: id, message: "ECONNREFUSED", isRefused: true }));
      const why =
        "no controller is known, and nobody leaves the ISR without one; broker 2 is alive by the metadata, and cannot be reached from here (ECONNREFUSED); broker 3 ";
      const advice = "no controller is known: `tidemark cluster health` says why";

      const next = ask(acked(100), [leader(cutOff, {}, none)], silent);
      expect(next.text).to.include(
        `offset 100 is not written: the log ends at 100; what is written with acks=all waits: ${why}`,
      );
      expect(next).to.deep.include({ holds: false, code: "NOT_WRITTEN", since: NOW - 9_000 });
      expect(next.advice[0]).to.equal(advice);

      const held = ask(acked(100), [leader(cutOff, { end: 101 }, none)], silent);
      expect(held.text).to.include(`is not acknowledged yet: the high watermark stands at 100: ${why}`);
      expect(held.advice[0]).to.equal(advice);
      expect(held.advice.join()).to.not.include("then it goes on");

      const members = ask(ISR, [leader(cutOff, {}, none)], silent);
      expect(members).to.include({ holds: true, code: "ISR_FULL" });
      expect(members.text).to.include(`but ${why}`);
      expect(members.advice).to.deep.equal([advice]);

      const led = ask(ISR, [view(2, none)], [{ broker: 1, message: "ECONNREFUSED", isRefused: true }]);
      expect(led.text).to.include("no controller is known, and nobody else is chosen without one; its leader does not");
      expect(led.advice[0]).to.equal(advice);
    });

    it("do not take who follows for a hindrance where the way to it is closed from here alone", () => {
      const silent = { broker: 3, message: "ECONNREFUSED", isRefused: true };
      const next = ask(acked(100), [leader(allWell), view(2)], [silent]);
      expect(next.text).to.equal(
        "orders:0 offset 100 is not written: the log ends at 100, and nothing stands in the way of more",
      );
    });

    it("say that a full disk of the leader takes nothing in", () => {
      expect(ask(acked(100), [leader(allWell, {}, { full: true }), ...others])).to.include({ code: "DISK_FULL" });
    });

    it("name damage of the leader's log, for readers", () => {
      const bad = leader(allWell);
      const replica = bad.replica === null ? null : { ...bad.replica, damagedFrom: 50, damage: "0.log: crc" };
      expect(ask(visible(60), [{ ...bad, replica }, ...others])).to.include({ holds: false, code: "DAMAGED" });
      expect(ask(visible(49), [{ ...bad, replica }, ...others]).holds).to.equal(true);
    });

    it("say what is known where the leader does not answer, or does not lead yet", () => {
      const silent = ask(acked(5), others, [{ broker: 1, message: "ECONNREFUSED", isRefused: true }]);
      expect(silent).to.include({ holds: false, code: "LEADER_SILENT" });
      expect(silent.text).to.include("cannot be reached from here (ECONNREFUSED)");
      expect(silent.state).to.include({ highWatermark: null, leader: 1 });
      expect(ask(acked(5), [view(1), ...others]).code).to.equal("LEADER_NOT_OPEN");
    });
  });

  describe("isr", () => {
    it("is full, and doubts a member that does not answer", () => {
      expect(ask(ISR, [leader(allWell), ...others])).to.include({ holds: true, code: "ISR_FULL" });
      const doubt = ask(ISR, [leader(allWell), view(2)], [{ broker: 3, message: "no answer", isRefused: false }]);
      expect(doubt).to.include({ holds: true, code: "ISR_FULL" });
      expect(doubt.text).to.include("but broker 3 is alive by the metadata, and does not answer");
    });

    it("says why each replica is out of it, the worst first, and since when", () => {
      const changes = [
        {
          atMs: NOW - 60_000,
          metadataOffset: 40,
          type: "isr-shrunk",
          reason: "lagging",
          isr: [1, 3],
          isrBefore: [1, 2, 3],
          leaderId: -1,
          leaderBefore: -1,
          leaderEpoch: -1,
          brokerId: -1,
        },
      ];
      const over = { isr: [1], minInsyncReplicas: 1, changes };
      const out = (id: number, more: Partial<FollowerState>): FollowerState => follower(id, { inIsr: false, ...more });
      const reasonOf = (more: Partial<FollowerState>, own: Partial<ExplainPartitionResponse> = {}): string =>
        ask(ISR, [
          leader([out(2, more), out(3, { bar: "behind", endOffset: 1 })], {}, over),
          view(2, { ...over, ...own }),
        ])
          .blockers.filter(({ broker: id }) => id === 2)
          .map(({ code }) => code)
          .join();
      expect(reasonOf({ bar: "behind", endOffset: 40 })).to.equal("BEHIND");
      expect(reasonOf({ bar: "behind", endOffset: 40 }, { syncMeanMs: 400 })).to.equal("SLOW_DISK");
      expect(reasonOf({ bar: "unheard", endOffset: -1 })).to.equal("UNHEARD");
      expect(reasonOf({ bar: "log-start" })).to.equal("LOG_START");
      expect(reasonOf({ bar: "none" })).to.equal("JOINING");
      expect(reasonOf({ bar: "behind", live: false })).to.equal("NOT_FOLLOWING");
      expect(reasonOf({}, { full: true })).to.equal("DISK_FULL");
      const behind = ask(ISR, [
        leader([out(2, { bar: "behind" }), out(3, { bar: "behind" })], {}, over),
        view(2, over),
      ]);
      expect(behind).to.include({ code: "ISR_SHORT", since: NOW - 60_000 });
      expect(behind.blockers.map(({ broker: id, since }) => [id, since])).to.deep.equal([
        [2, NOW - 60_000],
        [3, null],
      ]);
    });

    it("names whom a partition without a leader waits for (9(3))", () => {
      const down = (id: number): ExplainedBroker => broker(id, { fenced: true, fencedWhy: "gone", fencedMs: 3_000 });
      const over = { leaderId: -1, isr: [], brokers: [down(1), broker(2), down(3)], minInsyncReplicas: 2 };
      const eligible = ask(ISR, [view(2, { ...over, elr: [1, 3], replica: null })]);
      expect(eligible).to.include({ holds: false, code: "LEADERLESS" });
      expect(eligible.text).to.equal(
        "orders:0 has no leader: it waits for one that has all its records: broker 1 is down: nobody listens at its address; broker 3 is down: nobody listens at its address",
      );
      const answers = [{ brokerId: 2, latestEpoch: 4, logEndOffset: 90, damaged: false }];
      const inquiry = { unclean: false, waitedMs: 100, answers };
      const asked = ask(acked(5), [view(2, { ...over, candidates: [1, 2], inquiry })]);
      expect(asked.text).to.include(
        "it waits for all that can have its last records, to compare their logs: broker 1 is down",
      );
      expect(asked.text).to.include("broker 2 has told how far its log goes");
      expect(asked.advice.at(-1)).to.include("elect-leader unclean orders:0");
      expect(ask(ISR, [view(2, { ...over, candidates: [] })]).text).to.include("nobody can have its records any more");
    });

    it("goes by the newest metadata, and by the leader's word about itself", () => {
      const old = view(3, { metadataOffset: 40, leaderId: 3, leaderEpoch: 3, isr: [3] });
      const { state } = ask(ISR, [old, leader(allWell), view(2)]);
      expect(state).to.deep.include({ leader: 1, leaderEpoch: 4, isr: [1, 2, 3], highWatermark: 100, end: 100 });
    });
  });
});
