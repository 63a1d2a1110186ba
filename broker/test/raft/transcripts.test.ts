/**
 * The main stories, line by line: every message, write and applied entry. `REWRITE=1` writes the transcripts anew; the
 * difference is what a reviewer reads.
 */
import { expect } from "chai";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { ELECTION_TICKS, GIVE_WAY_TICKS, Group, replica, standstill } from "./group.ts";

const DIRECTORY = fileURLToPath(new URL("../../../test/data/raft/", import.meta.url));

const STORIES: Readonly<Record<string, () => Group>> = {
  election: () => {
    const group = new Group(3);
    group.say("1 hears nobody, asks whether it would be elected, then campaigns");
    group.campaign(1);
    group.say("a proposal commits and is applied");
    group.propose(1, "a");
    group.deliver();
    return group;
  },

  "split-vote": () => {
    const group = new Group(4);
    group.say("1 and 2 campaign at the same time without a word of each other, and have two votes each");
    group.startCampaign(1);
    group.startCampaign(2);
    group.deliver(({ kind, from, to, ...message }) => {
      if (kind !== "voteRequest") return true;
      const isPreVote = "isPreVote" in message && message.isPreVote;
      return isPreVote ? to.nodeId > 2 : from.nodeId + to.nodeId !== 5;
    });
    group.say("2 is the first to try again, long before the time of a campaign is over");
    group.tick(2, GIVE_WAY_TICKS + 1);
    group.deliver();
    return group;
  },

  "crossing-pre-votes": () => {
    const group = new Group(3);
    group.campaign(1);
    group.say("1 dies; 2 and 3 see it at once, and their questions cross: 3 gives way");
    group.crash(1);
    for (const nodeId of [2, 3]) group.host(nodeId).run((node) => node.onLeaderGone(0));
    group.tick(3);
    group.tick(2);
    group.deliver();
    return group;
  },

  "conflict-repair": () => {
    const group = new Group(3);
    group.campaign(1);
    group.say("1 is cut off with two entries that nobody else gets");
    group.isolate(1);
    group.propose(1, "lost 1");
    group.propose(1, "lost 2");
    group.deliver();
    group.say("2 leads, and commits another");
    group.silence(2, 3);
    group.campaign(2);
    group.propose(2, "kept");
    group.deliver();
    group.say("1 is back");
    group.heal();
    group.tick(2, 2);
    group.deliver();
    return group;
  },

  "snapshot-catch-up": () => {
    const group = new Group(3);
    group.campaign(1);
    group.say("3 is cut off while the log is cut");
    group.isolate(3);
    group.propose(1, "a");
    group.propose(1, "b");
    group.deliver();
    group.host(1).writeSnapshot(0);
    group.say("3 is back: it fetches the snapshot piece by piece, then the rest");
    group.heal();
    group.propose(1, "c");
    group.tick(1, 2);
    group.deliver();
    group.tick(1, 2);
    group.deliver();
    return group;
  },

  transfer: () => {
    const group = new Group(3);
    group.campaign(1);
    group.say("3 lacks an entry when it is to lead");
    group.propose(1, "a");
    group.deliver((message) => message.to.nodeId !== 3);
    group.host(1).run((node) => node.transferTo(replica(3)));
    group.tick(1, 2);
    group.deliver();
    return group;
  },

  membership: () => {
    const group = new Group(3);
    group.campaign(1);
    group.say("the disk of 3 is lost: it comes back as another replica, and follows as a learner");
    group.crash(3);
    group.add(replica(3, "b"));
    group.tick(3, ELECTION_TICKS);
    group.deliver();
    group.say("its old seat is removed, then it takes the new one");
    group.change(1, "removeVoter", replica(3));
    group.deliver();
    group.tick(1, 2);
    group.deliver();
    group.change(1, "addVoter", replica(3, "b"));
    group.deliver();
    group.say("the leader is removed, and hands over");
    group.tick(1, 2);
    group.deliver();
    group.change(1, "removeVoter", replica(1));
    group.deliver();
    return group;
  },

  "called-learner": () => {
    const group = standstill();
    group.say(
      "2 has too short a log for 3; 3, by whose list 4 votes, for 4: which is called, and campaigns without a seat",
    );
    for (let i = 0; i < 2 * ELECTION_TICKS && group.leaders().length === 0; i++) {
      for (const nodeId of [3, 2, 4]) group.tick(nodeId);
      group.deliver();
    }
    return group;
  },
};

describe("Raft transcripts", () => {
  for (const [name, story] of Object.entries(STORIES)) {
    it(name, () => {
      const told = `${story().transcript.join("\n").trim()}\n`;
      const path = `${DIRECTORY}${name}.txt`;
      if (process.env["REWRITE"] === "1") {
        mkdirSync(DIRECTORY, { recursive: true });
        writeFileSync(path, told);
      }
      expect(existsSync(path), `${path} is missing: run with REWRITE=1`).to.equal(true);
      expect(told).to.equal(readFileSync(path, "utf8"));
    });
  }
});
