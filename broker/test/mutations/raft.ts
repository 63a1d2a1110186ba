/** Known mistakes of consensus: lines of the compiled room. */
import type { Mutation } from "./mutation.ts";

export const RAFT_MUTATIONS: readonly Mutation[] = [
  {
    id: "raft-vote-behind",
    profile: "raft",
    what: "votes for a log that is behind (3.6.1)",
    edits: [
      {
        file: "raft/raft-node.js",
        from: "request.term === this.term && isFree && this.#isUpToDate(request)",
        to: "request.term === this.term && isFree",
      },
    ],
    seedsMax: 1500,
    seed: 327,
  },
  {
    id: "raft-vote-twice",
    profile: "raft",
    what: "votes twice in a term (3.4)",
    edits: [
      {
        file: "raft/raft-node.js",
        from: "this.softState.leader === null : isSameReplica(vote, request.from)",
        to: "this.softState.leader === null : true",
      },
    ],
    seedsMax: 100,
    seed: 1,
  },
  {
    id: "raft-count-any-vote",
    profile: "raft",
    what: "counts votes of another question",
    edits: [{ file: "raft/campaign.js", from: 'response.isPreVote !== (this.name === "preCandidate")', to: "false" }],
    seedsMax: 100,
    seed: 15,
  },
  {
    id: "raft-own-vote-unsynced",
    profile: "raft",
    what: "counts its own vote before it is on disk (10.1(2))",
    edits: [
      {
        file: "raft/raft-node.js",
        from: 'this.#newCampaign("candidate", isTransfer);',
        to: 'this.#newCampaign("candidate", isTransfer); this.#onCampaign(this.#role.onOwnVote());',
      },
    ],
    seedsMax: 1500,
    seed: 458,
  },
  {
    id: "raft-answer-unsynced",
    profile: "raft",
    what: "answers before the disk has it (10.1(2))",
    edits: [
      { file: "raft/node-state.js", from: "this.outboxAfterSync.push(message)", to: "this.outbox.push(message)" },
    ],
    seedsMax: 100,
    seed: 1,
  },
  {
    id: "raft-own-entry-unsynced",
    profile: "raft",
    what: "counts its own entry before it is on disk (P18)",
    edits: [
      { file: "raft/leader.js", from: "return this.#state.log.stableIndex;", to: "return this.#state.log.lastIndex;" },
    ],
    seedsMax: 100,
    seed: 1,
  },
  {
    id: "raft-commit-old-term",
    profile: "raft",
    what: "commits entries of an older term by counting (figure 3.7)",
    edits: [{ file: "raft/leader.js", from: "|| log.termAt(index) !== term", to: "" }],
    seedsMax: 100,
    seed: 2,
  },
  {
    id: "raft-append-unmatched",
    profile: "raft",
    what: "takes entries behind one that it does not hold",
    edits: [
      {
        file: "raft/follower.js",
        from: "!log.holds(request.previousIndex, request.previousTerm)",
        to: "log.lastIndex < request.previousIndex",
      },
    ],
    seedsMax: 500,
    seed: 4,
  },
  {
    id: "raft-late-append-cuts",
    profile: "raft",
    what: "a late append cuts what came after it",
    edits: [
      {
        file: "raft/raft-log.js",
        from: "entries.findIndex((entry) => !this.holds(entry.index, entry.term))",
        to: "entries.length > 0 ? 0 : -1",
      },
    ],
    seedsMax: 100,
    seed: 4,
  },
  {
    id: "raft-heartbeat-commits",
    profile: "raft",
    what: "a heartbeat commits what its receiver may not hold",
    edits: [{ file: "raft/leader.js", from: "Math.min(log.commitIndex, peer.matchIndex)", to: "log.commitIndex" }],
    seedsMax: 100,
    seed: 1,
  },
  {
    id: "raft-install-by-end",
    profile: "raft",
    what: "installs a snapshot by log end (P56)",
    edits: [
      {
        file: "raft/snapshot-download.js",
        from: "index > log.commitIndex && !log.holds(index, term)",
        to: "index > log.lastIndex",
      },
    ],
    seedsMax: 500,
    seed: 86,
  },
  {
    id: "raft-snapshot-pieces",
    profile: "raft",
    what: "takes the pieces of a snapshot as they come",
    edits: [{ file: "raft/snapshot-download.js", from: "chunk.position !== current.position", to: "false" }],
    seedsMax: 100,
    seed: 7,
  },
  {
    id: "raft-apply-unsynced",
    profile: "raft",
    what: "applies what its disk does not have",
    edits: [
      {
        file: "raft/raft-log.js",
        from: "const to = Math.min(this.#commitIndex, this.#stableIndex);",
        to: "const to = this.#commitIndex;",
      },
    ],
    seedsMax: 100,
    seed: 1,
  },
  {
    id: "raft-read-before-own-term",
    profile: "raft",
    what: "notes the commit index of a read before an own-term commit (P74)",
    edits: [{ file: "raft/leader.js", from: "this.#hasOwnTermCommit() && this.#reads", to: "this.#reads" }],
    seedsMax: 100,
    seed: 27,
  },
  {
    id: "raft-read-unasked",
    profile: "raft",
    what: "answers reads without asking anybody (P56)",
    edits: [
      {
        file: "raft/read-rounds.js",
        from: "!hasMajority((voter) => asked.answered.has(replicaKey(voter)))",
        to: "false",
      },
    ],
    seedsMax: 1500,
    seed: 342,
  },
  {
    id: "raft-change-before-own-term",
    profile: "raft",
    what: "changes voters before an own-term commit (P46)",
    edits: [{ file: "raft/leader.js", from: "!this.#hasOwnTermCommit() || log.votersIndex", to: "log.votersIndex" }],
    seedsMax: 100,
    seed: 32,
  },
  {
    id: "raft-change-in-flight",
    profile: "raft",
    what: "changes voters while a change is in flight (10.1(7))",
    edits: [
      {
        file: "raft/leader.js",
        from: "!this.#hasOwnTermCommit() || log.votersIndex > log.commitIndex",
        to: "!this.#hasOwnTermCommit()",
      },
    ],
    seedsMax: 100,
    seed: 15,
  },
  {
    id: "raft-keep-cut-voters",
    profile: "raft",
    what: "keeps voters whose entry was truncated",
    edits: [{ file: "raft/raft-log.js", from: "this.#history.truncateFrom(index);", to: "" }],
    seedsMax: 5000,
    seed: 109,
  },
  {
    id: "raft-emptied-voter",
    profile: "raft",
    what: "takes an emptied voter for the one it was (10.1(5))",
    edits: [
      {
        file: "raft/types.js",
        from: "one.nodeId === other.nodeId && one.directoryId === other.directoryId",
        to: "one.nodeId === other.nodeId",
      },
    ],
    seedsMax: 100,
    seed: 10,
  },
  {
    id: "raft-half-commits",
    profile: "raft",
    what: "commits with half of the voters",
    edits: [{ file: "raft/quorum.js", from: "Math.floor(votersCount / 2) + 1", to: "Math.ceil(votersCount / 2)" }],
    seedsMax: 100,
    seed: 2,
  },
  {
    id: "raft-learner-in-the-way",
    profile: "raft",
    what: "a learner that is in a candidate's way never campaigns",
    edits: [
      {
        file: "raft/follower.js",
        from: "return this.#isCalled || this.#state.isVoter",
        to: "return this.#state.isVoter",
      },
    ],
    from: 80_000_001,
    seedsMax: 20000,
    seed: 80002245,
  },
  {
    id: "raft-lost-append",
    profile: "raft",
    what: "a lost last append is never noticed",
    edits: [
      { file: "raft/leader.js", from: "else if (peer.isUnsure(this.#state.log.lastIndex))", to: "else if (false)" },
    ],
    seedsMax: 500,
    seed: 38,
  },
  {
    id: "raft-window-never-full",
    profile: "raft",
    what: "a leader sends on whatever a peer has not answered (BO1)",
    edits: [
      {
        file: "raft/inflight-window.js",
        from: "return this.#messages.length >= this.#messagesMax || this.#bytes >= this.#bytesMax;",
        to: "return false;",
      },
    ],
    seedsMax: 100,
    seed: 1,
  },
  {
    id: "raft-window-uncounted-bytes",
    profile: "raft",
    what: "the window of a peer counts messages and no bytes (BO1)",
    edits: [{ file: "raft/inflight-window.js", from: " || this.#bytes >= this.#bytesMax", to: "" }],
    seedsMax: 100,
    seed: 9,
  },
];
