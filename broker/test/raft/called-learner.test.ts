/**
 * A replica without a seat that is called to campaign (thesis 4.2.2, decision 0019): when, how long, and what it may not do.
 */
import { expect } from "chai";
import { ELECTION_TICKS, GIVE_WAY_TICKS, Group, replica, standstill } from "./group.ts";

const VOTERS = [replica(1), replica(2), replica(3)];

/** Until 4 leads or the time is up. */
function letCampaign(group: Group, ticks = 6 * ELECTION_TICKS): void {
  for (let i = 0; i < ticks && group.soft(4).role !== "leader"; i++) {
    for (const nodeId of [2, 3, 4]) group.tick(nodeId);
    group.deliver(({ kind }) => kind !== "appendRequest");
  }
}

/** 3 asks 4, whose log is the better one; nobody hears the answer. */
function call(group: Group, term: number): void {
  group.waiting.length = 0;
  group.give({
    kind: "voteRequest",
    from: replica(3),
    to: replica(4),
    term,
    isPreVote: true,
    isTransfer: false,
    lastIndex: 2,
    lastTerm: 1,
  });
  group.waiting.length = 0;
}

describe("A learner that is called", () => {
  it("brings a group to a leader that lost a minority, with all that any majority could need", () => {
    const group = standstill();
    expect(group.node(3).voters).to.deep.equal([...VOTERS, replica(4)]);
    expect(group.node(4).voters).to.deep.equal(VOTERS);
    group.tickAll(6 * ELECTION_TICKS);
    const [leader = 0, ...others] = group.leaders();
    expect(others).to.deep.equal([]);
    expect(leader, "a voter").to.be.oneOf([2, 3]);
    expect(group.propose(leader, "after")).to.equal(null);
    group.tickAll(2 * ELECTION_TICKS);
    for (const nodeId of [2, 3, 4]) {
      expect(group.words(nodeId), `${nodeId}`).to.deep.equal(["kept", "after"]);
      expect(group.node(nodeId).voters).to.deep.equal(VOTERS);
    }
  });

  it("does not campaign of itself, however good its log", () => {
    const group = standstill();
    for (let i = 0; i < 10 * ELECTION_TICKS; i++) group.tick(4);
    expect(group.soft(4).role).to.equal("follower");
    expect(group.waiting.filter(({ kind }) => kind === "voteRequest")).to.deep.equal([]);
  });

  it("is not called by a question for a term that is past, nor by a log as good as its own", () => {
    const group = standstill();
    const { term } = group.node(4);
    call(group, term);
    group.give({
      kind: "voteRequest",
      from: replica(3),
      to: replica(4),
      term: term + 1,
      isPreVote: true,
      isTransfer: false,
      lastIndex: group.node(4).lastIndex,
      lastTerm: term,
    });
    group.tick(4, 10 * ELECTION_TICKS);
    expect(group.soft(4).role).to.equal("follower");
  });

  it("lets the other one try first", () => {
    const group = standstill();
    group.tick(4, 3 * ELECTION_TICKS);
    call(group, group.node(4).term + 1);
    expect(group.node(4).ticksUntilDue).to.equal(GIVE_WAY_TICKS);
    group.tick(4, GIVE_WAY_TICKS - 1);
    expect(group.soft(4).role).to.equal("follower");
    // Asked again and again it does not wait for ever.
    call(group, group.node(4).term + 1);
    group.tick(4);
    expect(group.soft(4).role).to.equal("preCandidate");
  });

  it("stays a learner when it hears a leader first", () => {
    const group = standstill();
    const term = group.node(4).term + 1;
    group.tick(4, 3 * ELECTION_TICKS);
    call(group, term);
    group.give({ kind: "heartbeatRequest", from: replica(3), to: replica(4), term, commitIndex: 0, readRound: 0 });
    expect(group.node(4).ticksUntilDue).to.equal(Number.POSITIVE_INFINITY);
    group.tick(4, 10 * ELECTION_TICKS);
    expect(group.soft(4).role).to.equal("follower");
  });

  it("campaigns once for each call, and then asks for the log again", () => {
    const group = standstill();
    group.tick(4, 3 * ELECTION_TICKS);
    call(group, group.node(4).term + 1);
    group.tick(4, GIVE_WAY_TICKS);
    const asked = group.waiting.filter(({ kind }) => kind === "voteRequest").map(({ to }) => to);
    expect(asked).to.deep.equal(VOTERS);
    group.waiting.length = 0;
    group.tick(4, 3 * ELECTION_TICKS);
    expect(group.soft(4).role).to.equal("follower");
    expect(new Set(group.waiting.map(({ kind }) => kind))).to.deep.equal(new Set(["followRequest"]));
  });

  it("does not count itself: one of three voters does not elect it", () => {
    const group = standstill();
    group.crash(2);
    for (let i = 0; i < 10 * ELECTION_TICKS; i++) {
      for (const nodeId of [3, 4]) group.tick(nodeId);
      group.deliver();
      expect(group.leaders()).to.deep.equal([]);
    }
    expect(group.transcript.some((line) => line.startsWith("4->3 voteRequest"))).to.equal(true);
  });

  it("leads until an entry of its own term has committed, counting the voters alone, then hands over to one that has it", () => {
    const group = standstill();
    letCampaign(group);
    expect(group.soft(4).role).to.equal("leader");
    const { commitIndex, lastIndex, term } = group.node(4);
    expect(commitIndex).to.be.lessThan(lastIndex);
    // Nobody has its entries yet: to leave now would leave voters that can elect nobody.
    group.tick(4, 3);
    expect(group.soft(4)).to.include({ role: "leader", term });
    group.deliver(({ to }) => to.nodeId !== 2);
    expect(group.soft(4), "itself and one of three are no majority").to.include({ role: "leader", term });
    expect(group.node(4).commitIndex).to.equal(commitIndex);
    group.tick(4, 3);
    group.deliver();
    expect(group.node(4).commitIndex).to.equal(lastIndex);
    expect(group.soft(4).role).to.equal("follower");
    expect(group.leaders()).to.have.length(1);
    expect(group.leaders()).to.not.include(4);
  });

  it("resigns when no majority of the voters is heard", () => {
    const group = standstill();
    letCampaign(group);
    expect(group.soft(4).role).to.equal("leader");
    group.tick(4, 2 * ELECTION_TICKS);
    expect(group.soft(4).role).to.equal("follower");
  });
});
