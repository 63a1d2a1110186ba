/**
 * A test per claim of the thesis (Ongaro 2014) and per rule of semantics 10.1 and 10.2. Section numbers in brackets are the
 * thesis'.
 */
import { expect } from "chai";
import type { Message } from "../../src/raft/index.ts";
import { ELECTION_TICKS, GIVE_WAY_TICKS, Group, replica } from "./group.ts";

function ofKind<K extends Message["kind"]>(messages: readonly Message[], kind: K): Extract<Message, { kind: K }>[] {
  return messages.filter((message): message is Extract<Message, { kind: K }> => message.kind === kind);
}

/** Three voters, the first of which leads and has committed its start. */
function led(votersCount = 3): Group {
  const group = new Group(votersCount);
  group.campaign(1);
  expect(group.leaders()).to.deep.equal([1]);
  return group;
}

describe("Raft, claim by claim", () => {
  describe("elections", () => {
    it("starts as a follower, and campaigns after an election time without a leader (3.4)", () => {
      const group = new Group(3);
      expect(group.soft(1)).to.deep.equal({ role: "follower", term: 0, leader: null });
      group.tick(1, ELECTION_TICKS - 1);
      expect(group.soft(1).role).to.equal("follower");
      group.tick(1);
      expect(group.soft(1)).to.deep.equal({ role: "preCandidate", term: 0, leader: null });
    });

    it("spreads election times over twice the shortest by the number that it is handed (3.4)", () => {
      const group = new Group(3);
      group.draw = 0.999;
      const late = group.add(replica(1));
      for (let i = 0; i < 2 * ELECTION_TICKS - 2; i++) late.run((node) => node.tick());
      expect(late.node?.softState.role).to.equal("follower");
      late.run((node) => node.tick());
      expect(late.node?.softState.role).to.equal("preCandidate");
    });

    it("a single voter campaigns with its first tick: there is nobody to wait for", () => {
      const group = new Group(1);
      group.tick(1);
      expect(group.leaders()).to.deep.equal([1]);
      expect(group.node(1).needsTicks, "and then time has nothing to tell it").to.equal(false);
      group.add(replica(2));
      group.tick(2, ELECTION_TICKS);
      group.deliver();
      expect(group.node(1).needsTicks, "until a learner follows it").to.equal(true);
    });

    it("elects whom a majority votes for, and everybody learns it", () => {
      const group = led(5);
      for (const nodeId of [2, 3, 4, 5]) {
        expect(group.soft(nodeId)).to.deep.equal({ role: "follower", term: 1, leader: replica(1) });
      }
    });

    it("a single voter leads as soon as its vote is on disk, and not before (10.1(2))", () => {
      const group = new Group(1);
      group.holdDisk(1);
      group.tick(1, ELECTION_TICKS);
      expect(group.soft(1).role).to.equal("candidate");
      group.releaseDisk(1);
      expect(group.leaders()).to.deep.equal([1]);
      expect(group.host(1).disk.hardState).to.deep.equal({ term: 1, vote: replica(1) });
    });

    it("asks before it raises its term: who was cut off comes back in the old one (9.6, pre-vote)", () => {
      const group = led();
      group.isolate(3);
      group.tick(3, 10 * ELECTION_TICKS);
      group.deliver();
      expect(group.soft(3)).to.include({ role: "preCandidate", term: 1 });
      group.heal();
      group.tickAll(2);
      expect(group.leaders()).to.deep.equal([1]);
      expect(group.soft(3)).to.deep.equal({ role: "follower", term: 1, leader: replica(1) });
    });

    it("refuses pre-votes and votes while it hears its leader, in whatever term they come (4.2.3)", () => {
      const group = led();
      for (const isPreVote of [true, false]) {
        group.give({
          kind: "voteRequest",
          from: replica(3),
          to: replica(2),
          term: 9,
          isPreVote,
          isTransfer: false,
          lastIndex: 99,
          lastTerm: 9,
        });
      }
      expect(group.soft(2)).to.deep.equal({ role: "follower", term: 1, leader: replica(1) });
      expect(ofKind(group.waiting, "voteResponse").map((answer) => answer.isGranted)).to.deep.equal([false]);
    });

    it("a leader does not step down for a candidate that its followers refuse", () => {
      const group = led();
      group.give({
        kind: "voteRequest",
        from: replica(3),
        to: replica(1),
        term: 9,
        isPreVote: false,
        isTransfer: false,
        lastIndex: 99,
        lastTerm: 9,
      });
      expect(group.soft(1)).to.include({ role: "leader", term: 1 });
    });

    it("gives one vote per term, first come (3.4)", () => {
      const group = new Group(3);
      const request = (from: number): Message => ({
        kind: "voteRequest",
        from: replica(from),
        to: replica(1),
        term: 1,
        isPreVote: false,
        isTransfer: false,
        lastIndex: 0,
        lastTerm: 0,
      });
      group.give(request(2));
      group.give(request(3));
      group.give(request(2));
      const answers = ofKind(group.waiting, "voteResponse");
      expect(answers.map((answer) => [answer.to.nodeId, answer.isGranted])).to.deep.equal([
        [2, true],
        [3, false],
        [2, true],
      ]);
    });

    it("keeps the vote across a crash (10.1(2))", () => {
      const group = new Group(3);
      const request = (from: number): Message => ({
        kind: "voteRequest",
        from: replica(from),
        to: replica(1),
        term: 1,
        isPreVote: false,
        isTransfer: false,
        lastIndex: 0,
        lastTerm: 0,
      });
      group.give(request(2));
      group.crash(1);
      group.restart(1);
      group.waiting.length = 0;
      group.give(request(3));
      expect(ofKind(group.waiting, "voteResponse").map((answer) => answer.isGranted)).to.deep.equal([false]);
    });

    it("answers a vote only when it is on disk (10.1(2))", () => {
      const group = new Group(3);
      group.holdDisk(2);
      group.holdDisk(3);
      group.campaign(1);
      expect(group.soft(1).role).to.equal("candidate");
      group.releaseDisk(2);
      group.deliver();
      expect(group.leaders()).to.deep.equal([1]);
    });

    it("votes for nobody whose log ends before its own: lower term, or as high and shorter (3.6.1)", () => {
      const group = led();
      group.isolate(3);
      group.propose(1, "a");
      group.deliver();
      group.silence(2);
      group.heal();
      group.isolate(1);
      group.campaign(3);
      expect(group.soft(3).role).to.not.equal("leader");
      group.campaign(2);
      expect(group.leaders()).to.include(2);
    });

    it("a voter with another directory has not voted, and its vote does not count for the old one (10.1(5))", () => {
      const group = new Group(3);
      group.add(replica(2, "b"));
      group.isolate(3);
      group.campaign(1);
      expect(group.soft(1).role).to.equal("preCandidate");
      expect(ofKind(group.waiting, "voteResponse")).to.deep.equal([]);
    });

    it("grants its vote to a candidate outside its own list (10.1(7), 4.2.2)", () => {
      const group = new Group(3);
      group.give({
        kind: "voteRequest",
        from: replica(9),
        to: replica(1),
        term: 4,
        isPreVote: false,
        isTransfer: false,
        lastIndex: 7,
        lastTerm: 3,
      });
      expect(ofKind(group.waiting, "voteResponse").map((answer) => answer.isGranted)).to.deep.equal([true]);
    });

    it("a candidate that meets the leader of its term follows it (3.4)", () => {
      const group = new Group(3);
      group.tick(3, ELECTION_TICKS);
      group.deliver((message) => message.kind !== "voteRequest" || message.isPreVote);
      expect(group.soft(3).role).to.equal("candidate");
      group.give({ kind: "heartbeatRequest", from: replica(1), to: replica(3), term: 1, commitIndex: 0, readRound: 0 });
      expect(group.soft(3)).to.deep.equal({ role: "follower", term: 1, leader: replica(1) });
    });

    it("campaigns soon after it was seen that nobody listens at its leader's (10.4(6)), and waits again if it was wrong", () => {
      const group = led();
      group.isolate(1);
      group.silence(3);
      group.host(2).run((node) => node.onLeaderGone(1));
      group.tick(2);
      group.deliver();
      expect(group.soft(2).role).to.equal("leader");

      const calm = led();
      calm.host(2).run((node) => node.onLeaderGone(2));
      calm.tickAll(2);
      calm.tick(2, ELECTION_TICKS - 1);
      expect(calm.soft(2).role).to.equal("follower");
    });

    it("tells a voter that has started anew, and asks whether it could win, at once who leads", () => {
      const group = led();
      group.crash(3);
      group.restart(3);
      expect(group.soft(3).leader).to.equal(null);
      group.host(3).run((node) => node.onLeaderGone(1));
      group.tick(3);
      group.deliver();
      expect(group.soft(3)).to.deep.equal({ role: "follower", term: 1, leader: replica(1) });
    });

    it("gives the candidate that has its vote the time of a campaign, told again that nobody leads or not", () => {
      const group = new Group(5);
      for (const nodeId of [2, 3, 4, 5]) group.holdDisk(nodeId);
      group.campaign(1);
      for (const nodeId of [2, 3, 4, 5]) expect(group.node(nodeId).vote?.nodeId).to.equal(1);
      // The votes are being written; a start asks every moment whether anybody leads.
      for (let tick = 1; tick < ELECTION_TICKS; tick += 1) {
        group.host(2).run((node) => node.onLeaderGone(1));
        group.host(2).run((node) => node.tick());
      }
      expect(group.soft(2).role).to.equal("follower");
      group.host(2).run((node) => node.onLeaderGone(0));
      group.host(2).run((node) => node.tick());
      expect(group.soft(2).role, "and no longer").to.equal("preCandidate");
    });

    it("gives way to a pre-vote once in a term, so that one that cannot win holds nobody up", () => {
      const group = new Group(5);
      group.crash(3);
      group.crash(5);
      group.cut(1, 4);
      group.cut(4, 1);
      const turnOf = (nodeId: number): void => group.host(nodeId).run((node) => node.onLeaderGone(0));
      turnOf(1);
      group.tick(1);
      group.deliver();
      expect(group.soft(1).role, "two of five would vote for it").to.equal("preCandidate");
      turnOf(2);
      group.tick(2, GIVE_WAY_TICKS - 1);
      expect(group.soft(2).role, "it lets the other try").to.equal("follower");
      // Nobody is left to answer, so that it asks again.
      group.tick(1, 2 * ELECTION_TICKS);
      group.deliver();
      group.tick(2);
      group.deliver();
      expect(group.leaders()).to.deep.equal([2]);
    });

    it("asks again soon where somebody refuses, and rests longer each time", () => {
      const group = new Group(3, { backoffTicks: 2 });
      group.campaign(1);
      group.isolate(1);
      // 3 still hears a leader, as far as it knows.
      group.draw = 0.999;
      group.host(2).run((node) => node.onLeaderGone(0));
      const asked: number[] = [];
      for (let tick = 1; tick <= 60; tick += 1) {
        group.tick(2);
        group.deliver(({ kind, from }) => {
          if (kind === "voteRequest" && asked.at(-1) !== tick) asked.push(tick);
          return from.nodeId !== 1;
        });
      }
      const rests = asked.slice(1).map((tick, slot) => tick - (asked[slot] ?? 0));
      expect(rests.slice(0, 4)).to.deep.equal([2, 4, 8, 10]);
    });

    it("resigns when it heard no majority for the check-quorum time, and not while one of two answers (10.1(4))", () => {
      const group = led();
      group.isolate(3);
      group.tickAll(40);
      expect(group.soft(1).role).to.equal("leader");
      group.isolate(1);
      group.tick(1, 14);
      expect(group.soft(1).role).to.equal("leader");
      group.tick(1, 2);
      expect(group.soft(1)).to.deep.equal({ role: "follower", term: 1, leader: null });
    });
  });

  describe("replication", () => {
    it("begins its term with an entry of its own (3.6.2)", () => {
      const group = led();
      for (const nodeId of [1, 2, 3]) expect(group.log(nodeId)).to.equal("1:1");
    });

    it("commits what a majority has on disk; the leader's own disk counts like any other (10.1(2), P18)", () => {
      const group = led();
      group.holdDisk(1);
      group.isolate(3);
      group.propose(1, "a");
      group.holdDisk(2);
      group.deliver();
      expect(group.node(1).commitIndex).to.equal(1);
      group.releaseDisk(2);
      group.deliver();
      expect(group.node(1).commitIndex, "one of three disks").to.equal(1);
      group.releaseDisk(1);
      expect(group.node(1).commitIndex).to.equal(2);
    });

    it("applies only what is on the own disk", () => {
      const group = led();
      group.holdDisk(1);
      group.propose(1, "a");
      group.deliver();
      expect(group.node(1).commitIndex, "the two others have it").to.equal(2);
      expect(group.words(1)).to.deep.equal([]);
      group.releaseDisk(1);
      expect(group.words(1)).to.deep.equal(["a"]);
    });

    it("does not commit an entry of an older term by counting, only together with one of its own (figure 3.7)", () => {
      const group = led();
      group.cut(1, 3);
      group.propose(1, "a");
      group.deliver((message) => message.kind === "appendRequest");
      expect(group.log(2)).to.equal("1:1 2:1");
      group.heal();
      group.isolate(1);
      group.silence(2, 3);
      group.startCampaign(2);
      // 3 is sent the entry of term 1, and not that of term 2.
      group.deliver((message) => message.kind !== "appendRequest");
      expect(group.soft(2)).to.include({ role: "leader", term: 2 });
      group.give({
        kind: "appendRequest",
        from: replica(2),
        to: replica(3),
        term: 2,
        previousIndex: 1,
        previousTerm: 1,
        entries: group.host(2).disk.entries.slice(1, 2),
        commitIndex: 1,
      });
      group.deliver((message) => message.kind !== "appendRequest");
      expect(group.log(3)).to.equal("1:1 2:1");
      expect(group.node(2).commitIndex, "2:1 is on two disks of three").to.equal(1);
      group.tickAll(8);
      expect(group.node(2).commitIndex).to.equal(3);
    });

    it("repairs a log that disagrees, and passes a whole term over at a time (3.5)", () => {
      const group = led();
      for (const nodeId of [2, 3]) group.cut(1, nodeId);
      for (let i = 0; i < 20; i++) group.propose(1, `lost ${i}`);
      group.deliver();
      group.silence(2, 3);
      group.isolate(1);
      group.campaign(2);
      group.propose(2, "kept");
      group.deliver();
      group.heal();
      group.transcript.length = 0;
      group.tickAll(6);
      expect(group.log(1)).to.equal("1:1 2:2 3:2");
      expect(group.words(1)).to.deep.equal(["kept"]);
      expect(group.transcript.filter((line) => line.includes("appendRejected"))).to.have.length.at.most(2);
    });

    it("commits no further than the leader has vouched for, whatever its own tail looks like (figure 3.1)", () => {
      const group = led();
      group.propose(1, "a");
      group.deliver((message) => message.to.nodeId === 2 && message.kind === "appendRequest");
      expect(group.log(2)).to.equal("1:1 2:1");
      group.give({
        kind: "appendRequest",
        from: replica(3),
        to: replica(2),
        term: 2,
        previousIndex: 1,
        previousTerm: 1,
        entries: [],
        commitIndex: 2,
      });
      expect(group.node(2).commitIndex, "2:1 may be another than the leader's").to.equal(1);
    });

    it("never truncates what is committed: it stops instead (10.1(3))", () => {
      const group = led();
      group.propose(1, "a");
      group.deliver();
      group.tickAll(2);
      const forged: Message = {
        kind: "appendRequest",
        from: replica(3),
        to: replica(2),
        term: 2,
        previousIndex: 2,
        previousTerm: 2,
        entries: [],
        commitIndex: 2,
      };
      expect(group.node(2).commitIndex).to.equal(2);
      // Below the commit index nothing is looked at; at it, a leader that disagrees is told what is held.
      group.give({ ...forged, previousIndex: 1, previousTerm: 1, entries: [startEntry(2, 2)] });
      expect(group.log(2)).to.equal("1:1 2:1");
      const beyond: Message = {
        kind: "heartbeatRequest",
        from: replica(3),
        to: replica(2),
        term: 2,
        commitIndex: 9,
        readRound: 0,
      };
      expect(() => {
        group.give(beyond);
      }).to.throw("entries were lost");
    });

    it("a repeated, late or reordered append takes nothing back", () => {
      const group = led();
      group.propose(1, "a");
      const first = ofKind(group.waiting, "appendRequest").find((message) => message.to.nodeId === 2);
      group.propose(1, "b");
      group.deliver();
      expect(group.log(2)).to.equal("1:1 2:1 3:1");
      expect(first).to.not.equal(undefined);
      if (first !== undefined) group.give(first);
      expect(group.log(2)).to.equal("1:1 2:1 3:1");
    });

    it("sends on without waiting for answers, within its window (10.2.2)", () => {
      const group = led();
      group.tickAll(2);
      for (let i = 0; i < 12; i++) group.propose(1, `${i}`);
      const toTwo = ofKind(group.waiting, "appendRequest").filter((message) => message.to.nodeId === 2);
      expect(toTwo.map((message) => message.entries.length)).to.deep.equal([1, 1, 1, 1, 1, 1, 1, 1]);
      group.deliver();
      expect(group.words(1)).to.have.length(12);
    });

    it("puts the proposals of one stretch into one message, and cuts large ones (10.2.1)", () => {
      const group = led();
      group.tickAll(2);
      group.propose(1, "a", "b", "c");
      expect(ofKind(group.waiting, "appendRequest").map((message) => message.entries.length)).to.deep.equal([3, 3]);
      group.deliver();
      group.propose(1, "x".repeat(600), "y".repeat(600), "z".repeat(2000));
      const sizes = ofKind(group.waiting, "appendRequest").map((message) => message.entries.length);
      expect(sizes).to.deep.equal([1, 1, 1, 1, 1, 1]);
    });

    it("a lost append is noticed by the next heartbeat and sent again", () => {
      const group = led();
      group.tickAll(2);
      group.propose(1, "a");
      group.deliver((message) => message.kind !== "appendRequest");
      expect(group.node(1).commitIndex).to.equal(1);
      group.tickAll(12);
      expect(group.node(1).commitIndex).to.equal(2);
    });

    it("refuses proposals while too much waits for a majority, and takes them again afterwards", () => {
      const group = led();
      group.isolate(1);
      let refusals = 0;
      for (let i = 0; i < 30; i++) if (group.propose(1, "x".repeat(1000)) === "TOO_MUCH_UNCOMMITTED") refusals += 1;
      expect(refusals).to.be.within(19, 21);
      group.deliver();
      group.heal();
      group.tickAll(8);
      expect(group.propose(1, "y")).to.equal(null);
    });

    it("only the leader takes proposals", () => {
      const group = led();
      expect(group.propose(2, "a")).to.equal("NOT_LEADER");
    });
  });
});

function startEntry(index: number, term: number) {
  return { index, term, body: { kind: "leaderStart" as const } };
}
