/**
 * What operators and readers ask of a group: snapshots, learners, membership, transfer, linearizable reads (semantics
 * 10.1(6)-(8), 10.2; thesis 3.10, 4, 5, 6.4).
 */
import { expect } from "chai";
import type { Message, Snapshot } from "../../src/raft/index.ts";
import { ELECTION_TICKS, Group, replica } from "./group.ts";

function led(votersCount = 3): Group {
  const group = new Group(votersCount);
  group.campaign(1);
  group.tickAll(2);
  return group;
}

function transfer(group: Group, to: number): unknown {
  let result: unknown;
  group.host(1).run((node) => {
    result = node.transferTo(replica(to));
  });
  return result;
}

function proposeAll(group: Group, count: number): void {
  for (let i = 0; i < count; i++) group.propose(1, `entry ${i}`);
  group.deliver();
}

describe("Raft, operations", () => {
  describe("snapshots", () => {
    it("brings up a follower that lacks entries that were cut, piece by piece", () => {
      const group = led();
      group.isolate(3);
      proposeAll(group, 20);
      group.host(1).writeSnapshot(2);
      group.heal();
      group.tickAll(20);
      const { disk, image } = group.host(3);
      expect(disk.snapshot.index).to.equal(21);
      expect(image).to.deep.equal(group.host(1).image);
      proposeAll(group, 1);
      expect(group.host(3).image).to.deep.equal(group.host(1).image);
    });

    /** Everybody but 3 has a snapshot of the same bytes, and 3 lacks what it contains. */
    function behind(): Group {
      const group = led();
      group.isolate(3);
      proposeAll(group, 20);
      for (const nodeId of [1, 2]) group.host(nodeId).writeSnapshot(0);
      group.heal();
      return group;
    }

    /** Lets time pass; of whatever is delivered, a piece is lost where `isLost` says so. Answers "of whom at" every question for one. */
    function fetched(group: Group, ticks: number, isLost: (position: number) => boolean): string[] {
      const questions: string[] = [];
      for (let i = 0; i < ticks; i++) {
        for (const nodeId of [1, 2, 3]) {
          group.tick(nodeId);
          group.deliver((message) => {
            if (message.kind === "snapshotFetch") questions.push(`${message.to.nodeId} at ${message.position}`);
            return message.kind !== "snapshotChunk" || !isLost(message.position);
          });
        }
      }
      return questions;
    }

    it("goes on where it was when a piece is lost", () => {
      const group = behind();
      let lost = 0;
      const questions = fetched(group, 3 * ELECTION_TICKS, (position) => position === 10 && lost++ === 0);
      expect(lost).to.equal(2);
      expect(questions).to.deep.equal(["1 at 0", "1 at 10", "1 at 10", "1 at 20"]);
      expect(group.host(3).image).to.deep.equal(group.host(1).image);
    });

    it("goes on with the next leader if it offers the same bytes", () => {
      const group = behind();
      expect(fetched(group, 4, (position) => position > 0)).to.deep.equal(["1 at 0", "1 at 10"]);
      group.isolate(1);
      group.silence(2, 3);
      group.startCampaign(2);
      expect(fetched(group, 2 * ELECTION_TICKS, () => false)).to.deep.equal(["2 at 10", "2 at 20"]);
      expect(group.host(3).image).to.deep.equal(group.host(2).image);
    });

    it("installs by commit index: one above it is needed though the own log is longer (10.2, P56)", () => {
      const group = led();
      for (const nodeId of [2, 3]) group.cut(1, nodeId);
      for (let i = 0; i < 20; i++) group.propose(1, `lost ${i}`);
      group.deliver();
      group.isolate(1);
      group.silence(2, 3);
      group.campaign(2);
      group.propose(2, "kept");
      group.deliver();
      group.host(2).writeSnapshot(0);
      group.heal();
      group.tickAll(20);
      expect(group.host(1).disk.snapshot.index).to.equal(3);
      expect(group.host(1).image).to.deep.equal(group.host(2).image);
      expect(group.node(1).lastIndex).to.equal(group.node(2).lastIndex);
    });

    it("a log that holds the snapshot's last entry only learns that it is committed (10.2)", () => {
      const group = led();
      proposeAll(group, 3);
      group.deliver();
      // 2 has entry 5, and no word of its commit.
      group.propose(1, "last");
      group.deliver(
        (message) => message.to.nodeId !== 2 || (message.kind === "appendRequest" && message.entries.length > 0),
      );
      expect([group.node(1).commitIndex, group.node(2).commitIndex]).to.deep.equal([5, 4]);
      group.host(1).writeSnapshot(0);
      const { snapshot } = group.host(1).disk;
      group.give({ kind: "snapshotOffer", from: replica(1), to: replica(2), term: 1, snapshot });
      expect(group.node(2).commitIndex).to.equal(5);
      expect(group.waiting.map((message) => message.kind)).to.deep.equal(["appendAccepted"]);
      expect(group.log(2)).to.equal("1:1 2:1 3:1 4:1 5:1");
    });

    it("offers the newer snapshot when the one that was asked for is gone", () => {
      const group = led();
      group.isolate(3);
      proposeAll(group, 5);
      group.host(1).writeSnapshot(0);
      group.heal();
      const asked: Message[] = [];
      for (let i = 0; i < 6 && asked.length === 0; i++) {
        group.tick(1);
        group.deliver((message) => {
          if (message.kind !== "snapshotFetch") return true;
          asked.push(message);
          return false;
        });
      }
      proposeAll(group, 5);
      group.host(1).writeSnapshot(0);
      group.give(asked[0] as Message);
      group.tickAll(20);
      expect(group.host(3).disk.snapshot.index).to.equal(group.host(1).disk.snapshot.index);
      expect(group.host(3).image).to.deep.equal(group.host(1).image);
    });

    it("a piece that is empty, too long or out of place is not taken, and asked for again after a while", () => {
      const group = new Group(3);
      const snapshot: Snapshot = { index: 9, term: 1, voters: [replica(1)], sizeBytes: 24, crc: 1 };
      const header = { from: replica(1), to: replica(2), term: 1, snapshot } as const;
      group.give({ kind: "snapshotOffer", ...header });
      expect(group.waiting.map((message) => message.kind)).to.deep.equal(["snapshotFetch"]);
      group.waiting.length = 0;
      for (const [position, length] of [
        [0, 0],
        [0, 25],
        [3, 4],
      ] as const) {
        group.give({ kind: "snapshotChunk", ...header, position, bytes: new Uint8Array(length) });
      }
      expect(group.waiting).to.deep.equal([]);
      expect(group.host(2).isWriting).to.equal(false);
      for (let i = 0; i < ELECTION_TICKS; i++) {
        const heartbeat = { kind: "heartbeatRequest", commitIndex: 0, readRound: 0 } as const;
        group.give({ ...heartbeat, from: replica(1), to: replica(2), term: 1 });
        group.tick(2);
      }
      expect(group.waiting.filter((message) => message.kind === "snapshotFetch")).to.have.length(1);
    });

    it("a snapshot is no longer asked for when the log came by without it", () => {
      const group = led();
      const snapshot: Snapshot = { index: 3, term: 1, voters: [replica(1)], sizeBytes: 24, crc: 1 };
      group.give({ kind: "snapshotOffer", from: replica(1), to: replica(2), term: 1, snapshot });
      group.waiting.length = 0;
      proposeAll(group, 4);
      group.transcript.length = 0;
      group.tickAll(2 * ELECTION_TICKS);
      expect(group.transcript.filter((line) => line.includes("snapshotFetch"))).to.deep.equal([]);
    });

    it("a crash between the install and the cut leaves a log that is dropped at start (10.2)", () => {
      const group = led();
      group.isolate(3);
      proposeAll(group, 20);
      group.host(1).writeSnapshot(0);
      group.heal();
      group.holdDisk(3);
      for (
        let i = 0;
        i < 20 && !group.transcript.some((line) => line.startsWith("3 writes") && line.includes("snapshot"));
        i++
      ) {
        group.releaseOnce(3);
        group.tickAll(1);
      }
      group.host(3).crash("snapshot");
      expect(group.log(3)).to.equal("1:1");
      group.releaseDisk(3);
      group.restart(3);
      expect(group.node(3).commitIndex).to.equal(21);
      group.tickAll(5);
      proposeAll(group, 1);
      expect(group.host(3).image).to.deep.equal(group.host(1).image);
    });

    it("a restart knows nothing committed beyond its snapshot, and hears it from the leader", () => {
      const group = led();
      proposeAll(group, 5);
      group.host(2).writeSnapshot(3);
      proposeAll(group, 2);
      group.crash(2);
      group.restart(2);
      expect(group.node(2).commitIndex).to.equal(6);
      group.tickAll(4);
      expect(group.host(2).image).to.deep.equal(group.host(1).image);
    });
  });

  describe("learners", () => {
    it("ask for the log, follow it, and neither vote for commits nor campaign", () => {
      const group = led();
      group.add(replica(9));
      group.tickAll(ELECTION_TICKS + 2);
      proposeAll(group, 3);
      expect(group.words(9)).to.have.length(3);
      for (const nodeId of [2, 3]) group.isolate(nodeId);
      group.propose(1, "alone");
      group.deliver();
      expect(group.node(1).commitIndex).to.equal(4);
      group.isolate(1);
      group.tick(9, 10 * ELECTION_TICKS);
      expect(group.soft(9).role).to.equal("follower");
    });

    it("know nobody for their leader who was not heard for an election time", () => {
      const group = led();
      group.add(replica(9));
      group.tickAll(ELECTION_TICKS + 2);
      expect(group.soft(9).leader).to.deep.equal(replica(1));
      group.isolate(9);
      group.tickAll(ELECTION_TICKS - 1);
      expect(group.soft(9).leader, "a voter would wait too").to.deep.equal(replica(1));
      group.tickAll(ELECTION_TICKS + 1);
      expect(group.soft(9).leader).to.equal(null);
      group.heal();
      group.tickAll(ELECTION_TICKS);
      expect(group.soft(9).leader).to.deep.equal(replica(1));
    });

    it("follow a leader that somebody named, where nobody of their list is left", () => {
      const group = led(2);
      const lost = group.add(replica(2, "b"));
      group.isolate(1);
      group.tickAll(ELECTION_TICKS);
      group.heal();
      group.waiting.length = 0;
      lost.run((node) => {
        node.onLeaderFound(replica(1));
      });
      group.deliver();
      expect(group.soft(2).leader).to.deep.equal(replica(1));
    });

    it("find the next leader, and are forgotten while they are silent", () => {
      const group = led();
      group.add(replica(9));
      group.tickAll(ELECTION_TICKS + 2);
      group.isolate(1);
      group.silence(2, 3);
      group.campaign(2);
      group.tickAll(2 * ELECTION_TICKS);
      expect(group.soft(9).leader).to.deep.equal(replica(2));
      group.crash(9);
      group.tickAll(20);
      group.transcript.length = 0;
      group.tickAll(4);
      expect(group.transcript.some((line) => line.startsWith("2->9"))).to.equal(false);
    });
  });

  describe("membership", () => {
    it("changes nothing before an entry of the own term has committed (10.1(7), P46)", () => {
      const group = new Group(3);
      group.tick(1, ELECTION_TICKS);
      group.deliver((message) => message.kind !== "appendRequest");
      expect(group.leaders()).to.deep.equal([1]);
      expect(group.change(1, "removeVoter", replica(3))).to.equal("CHANGE_NOT_YET");
      group.tickAll(4);
      expect(group.change(1, "removeVoter", replica(3))).to.equal(null);
    });

    it("makes one change at a time", () => {
      const group = led(5);
      expect(group.change(1, "removeVoter", replica(5))).to.equal(null);
      expect(group.change(1, "removeVoter", replica(4))).to.equal("CHANGE_NOT_YET");
      group.deliver();
      expect(group.change(1, "removeVoter", replica(4))).to.equal(null);
    });

    it("a list counts from its append and is undone by truncation", () => {
      const group = led();
      group.isolate(1);
      expect(group.change(1, "removeVoter", replica(3))).to.equal(null);
      expect(group.node(1).voters).to.have.length(2);
      group.deliver();
      group.silence(2, 3);
      group.campaign(2);
      group.heal();
      group.tickAll(6);
      expect(group.node(1).voters).to.have.length(3);
      expect(group.soft(1).leader).to.deep.equal(replica(2));
    });

    it("adds a learner that has caught up, no other, and no second directory of a node", () => {
      const group = led();
      expect(group.change(1, "addVoter", replica(4))).to.equal("NOT_CAUGHT_UP");
      expect(group.change(1, "addVoter", replica(3, "b"))).to.equal("ALREADY_VOTER");
      group.add(replica(4));
      group.tickAll(ELECTION_TICKS + 4);
      expect(group.change(1, "addVoter", replica(4))).to.equal(null);
      group.deliver();
      expect(group.node(4).voters).to.deep.include(replica(4));
      group.tickAll(2);
      // Four voters: three must have it.
      group.isolate(2);
      group.isolate(3);
      group.propose(1, "half");
      group.deliver();
      expect(group.words(1)).to.deep.equal([]);
    });

    it("replaces an emptied voter: remove, then add (10.1(8))", () => {
      const group = led();
      proposeAll(group, 3);
      group.crash(3);
      group.add(replica(3, "b"));
      group.tickAll(ELECTION_TICKS + 4);
      expect(group.change(1, "removeVoter", replica(3))).to.equal(null);
      group.deliver();
      group.tickAll(4);
      expect(group.change(1, "addVoter", replica(3, "b"))).to.equal(null);
      group.tickAll(4);
      expect(group.node(3).voters).to.deep.equal([replica(1), replica(2), replica(3, "b")]);
      group.crash(2);
      proposeAll(group, 1);
      expect(group.words(1)).to.have.length(4);
    });

    it("a leader that is removed does not count itself, resigns at commit, and leaves a leader behind", () => {
      const group = led();
      expect(group.change(1, "removeVoter", replica(1))).to.equal(null);
      group.deliver((message) => message.to.nodeId !== 3);
      expect(group.soft(1).role, "itself and one of two are no majority").to.equal("leader");
      group.tickAll(4);
      expect(group.leaders()).to.have.length(1);
      expect(group.leaders()).to.not.include(1);
      expect(group.node(2).voters).to.deep.equal([replica(2), replica(3)]);
      const leader = group.leaders()[0] ?? 0;
      group.propose(leader, "after");
      group.tickAll(ELECTION_TICKS + 4);
      expect(group.words(1), "it follows as a learner").to.deep.equal(["after"]);
    });

    it("a voter that missed its removal learns of it instead of asking for votes for ever", () => {
      const group = led();
      group.crash(3);
      expect(group.change(1, "removeVoter", replica(3))).to.equal(null);
      group.deliver();
      group.tickAll(20);
      group.restart(3);
      group.tickAll(2 * ELECTION_TICKS);
      expect(group.node(3).voters).to.deep.equal([replica(1), replica(2)]);
      expect(group.soft(3).role).to.equal("follower");
      expect(group.soft(1)).to.include({ role: "leader", term: 1 });
    });

    it("a leader whose own removal only it holds leads again to commit it (4.2.2)", () => {
      const group = led(2);
      expect(group.change(1, "removeVoter", replica(1))).to.equal(null);
      group.crash(1);
      group.waiting.length = 0;
      group.restart(1);
      group.silence(2);
      expect(group.node(1).voters).to.deep.equal([replica(2)]);
      group.tickAll(4 * ELECTION_TICKS);
      expect(group.leaders()).to.deep.equal([2]);
      expect(group.node(2).voters).to.deep.equal([replica(2)]);
    });

    it("leads again, too, where it forgot in a restart that its addition has committed (4.2.2)", () => {
      const group = led(1);
      group.add(replica(2));
      group.tickAll(ELECTION_TICKS + 4);
      expect(group.change(1, "addVoter", replica(2))).to.equal(null);
      group.tickAll(4);
      expect(transfer(group, 2)).to.deep.equal({ ok: true });
      group.deliver();
      expect(group.leaders()).to.deep.equal([2]);
      expect(group.change(2, "removeVoter", replica(2))).to.equal(null);
      group.crash(2);
      group.waiting.length = 0;
      group.restart(2);
      expect([group.node(2).voters, group.node(2).commitIndex]).to.deep.equal([[replica(1)], 0]);
      group.tickAll(6 * ELECTION_TICKS);
      expect(group.leaders()).to.deep.equal([1]);
      expect(group.node(1).voters).to.deep.equal([replica(1)]);
    });

    it("keeps the last voter, and removes nobody who is none", () => {
      const group = led(1);
      expect(group.change(1, "removeVoter", replica(1))).to.equal("LAST_VOTER");
      expect(group.change(1, "removeVoter", replica(2))).to.equal("NOT_VOTER");
    });
  });

  describe("transfer of leadership", () => {
    it("hands over to a voter that has everything, without an election time (3.10)", () => {
      const group = led();
      expect(transfer(group, 3)).to.deep.equal({ ok: true });
      group.deliver();
      expect(group.leaders()).to.deep.equal([3]);
      expect(group.soft(1)).to.deep.equal({ role: "follower", term: 2, leader: replica(3) });
    });

    it("first sends what the target lacks, takes no proposal meanwhile, and gives up after an election time", () => {
      const group = led();
      group.isolate(3);
      proposeAll(group, 3);
      expect(transfer(group, 3)).to.deep.equal({ ok: true });
      expect(group.propose(1, "no")).to.equal("TRANSFERRING");
      expect(group.change(1, "removeVoter", replica(2))).to.equal("TRANSFERRING");
      group.tickAll(ELECTION_TICKS);
      expect(group.propose(1, "yes")).to.equal(null);
      group.deliver();
      group.heal();
      expect(transfer(group, 3)).to.deep.equal({ ok: true });
      group.tickAll(8);
      expect(group.leaders()).to.deep.equal([3]);
      expect(group.log(3)).to.contain("5:1 6:2");
    });

    it("goes to voters only, and to itself without a stir", () => {
      const group = led();
      expect(transfer(group, 7)).to.deep.equal({ ok: false, code: "NOT_VOTER" });
      expect(transfer(group, 1)).to.deep.equal({ ok: true });
      expect(group.propose(1, "a")).to.equal(null);
    });
  });

  describe("linearizable reads", () => {
    function ask(group: Group, nodeId = 1): number {
      let ticket = -1;
      group.host(nodeId).run((node) => {
        const begun = node.readBarrier();
        if (begun.ok) ticket = begun.ticket;
      });
      return ticket;
    }

    it("are confirmed by a majority that answers a heartbeat sent after they were asked (10.1(6))", () => {
      const group = led();
      const ticket = ask(group);
      expect(group.reads).to.deep.equal([]);
      group.deliver();
      expect(group.reads).to.deep.equal([{ term: 1, ticket, index: 1 }]);
      // A second one under way waits for its own round.
      ask(group);
      const late = ask(group);
      group.deliver();
      expect(group.reads.at(-1)).to.deep.equal({ term: 1, ticket: late, index: 1 });
    });

    it("are not confirmed by an answer to an earlier heartbeat", () => {
      const group = led();
      group.tick(1, 2);
      group.deliver((message) => message.kind !== "heartbeatRequest" || message.to.nodeId === 2);
      ask(group);
      group.waiting.length = 0;
      const answer = { kind: "heartbeatResponse", from: replica(2), to: replica(1), term: 1 } as const;
      group.give({ ...answer, readRound: 0 });
      expect(group.reads).to.deep.equal([]);
      group.give({ ...answer, readRound: 1 });
      expect(group.reads).to.have.length(1);
    });

    it("are not confirmed by a leader of the past (P56)", () => {
      const group = led();
      group.isolate(1);
      group.silence(2, 3);
      group.campaign(2);
      group.propose(2, "new");
      group.deliver();
      expect(ask(group)).to.equal(1);
      group.tick(1, 4);
      group.deliver();
      expect(group.reads).to.deep.equal([]);
      group.heal();
      group.tickAll(6);
      expect(group.reads).to.deep.equal([]);
      expect(ask(group)).to.equal(-1);
    });

    it("note the commit index only after an entry of the own term has committed (P74)", () => {
      const group = led();
      // "old" commits on 1 and 3; 2 has it, and does not know that.
      group.propose(1, "old");
      group.deliver(
        (message) => message.to.nodeId !== 2 || (message.kind === "appendRequest" && message.commitIndex < 2),
      );
      expect([group.node(1).commitIndex, group.node(2).commitIndex]).to.deep.equal([2, 1]);
      group.isolate(1);
      group.silence(2, 3);
      group.startCampaign(2);
      group.deliver((message) => message.kind !== "appendRequest");
      expect(group.soft(2).role).to.equal("leader");
      expect(group.node(2).commitIndex).to.equal(1);
      ask(group, 2);
      group.deliver((message) => message.kind !== "appendRequest");
      expect(group.reads).to.deep.equal([]);
      group.tickAll(6);
      expect(group.reads.at(-1)?.index).to.equal(3);
    });

    it("a single voter confirms them by itself", () => {
      const group = led(1);
      const ticket = ask(group);
      expect(group.reads).to.deep.equal([{ term: 1, ticket, index: 1 }]);
    });
  });
});
