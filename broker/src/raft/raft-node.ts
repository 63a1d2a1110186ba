/**
 * One replica of a consensus group: the only door of the room. Synchronous; it performs nothing and knows neither disk,
 * sockets nor dates. Inputs change state in one stretch; `takeReady` says what follows from it.
 *
 *     follower ── silence ──> preCandidate ── majority would ──> candidate ── majority did ──> leader
 *        ^                        │ silence: anew                   │ silence: preCandidate       │
 *        └── higher term, a leader of this term, majority refused ──┴── higher term, no majority ─┘
 *
 * A leader that asks for it (`timeoutNow`) spares the target the pre-vote. Learners stay followers, unless they are called
 * (`Follower.onCalled`): then they campaign once, and lead until they have committed.
 *
 * Semantics 10.1, 10.2; the thesis is Ongaro, "Consensus: Bridging Theory and Practice", 2014.
 */
import { assert } from "../base/index.ts";
import { Campaign } from "./campaign.ts";
import type { CampaignOutcome } from "./campaign.ts";
import { Follower } from "./follower.ts";
import { Leader } from "./leader.ts";
import type { InflightMessage } from "./inflight-window.ts";
import type { Message, VoteRequest } from "./messages.ts";
import { NodeState } from "./node-state.ts";
import { assertOptions } from "./options.ts";
import type { RaftDeps, RaftOptions } from "./options.ts";
import type {
  Proposed,
  RaftRefusal,
  ReadBegun,
  Ready,
  ReadyWrite,
  ReplicaProgress,
  SoftState,
  TransferBegun,
} from "./ready.ts";
import { SnapshotDownload } from "./snapshot-download.ts";
import { includesReplica, isSameReplica } from "./types.ts";
import type { Entry, HardState, LogIndex, ReplicaId, Snapshot, Term } from "./types.ts";

/** Entries handed out for applying at a time, in bytes: a long replay must not hold the loop in one turn. */
const COMMITTED_BYTES_MAX = 1_048_576;

const NOT_LEADER: { readonly ok: false; readonly code: RaftRefusal } = { ok: false, code: "NOT_LEADER" };

export class RaftNode {
  readonly #state: NodeState;
  readonly #download: SnapshotDownload;
  /** Set in the `become…` methods only. */
  #role: Follower | Campaign | Leader;
  #toldSoftState: SoftState | null = null;
  /** Handed out and not yet reported done. */
  #writing: { readonly hardState: HardState | null } | null = null;
  /** Begun since a leader was last known. */
  #campaigns = 0;
  /** Of the newest pre-vote that it gave way to. */
  #gaveWayInTerm: Term = 0;

  constructor(options: RaftOptions, deps: RaftDeps) {
    assertOptions(options);
    this.#state = new NodeState(options, deps);
    this.#download = new SnapshotDownload(this.#state);
    this.#role = new Follower(this.#state, this.#download, this.#electionTicks());
  }

  get term(): Term {
    return this.#state.term;
  }

  /** Whom it voted for in this term, the answer perhaps not on disk yet. */
  get vote(): ReplicaId | null {
    return this.#state.vote;
  }

  get softState(): SoftState {
    const { replica, term } = this.#state;
    const role = this.#role;
    const leader = role instanceof Leader ? replica : role instanceof Follower ? role.leader : null;
    return { role: role.name, term, leader };
  }

  get commitIndex(): LogIndex {
    return this.#state.log.commitIndex;
  }

  /** Of the oldest entry that is kept; one beyond the last if none is. */
  get firstIndex(): LogIndex {
    return this.#state.log.firstIndex;
  }

  get lastIndex(): LogIndex {
    return this.#state.log.lastIndex;
  }

  /** Entries from `from` on, committed or not, as many as `bytesMax` allows, and one if there is any: for people to look at. */
  entries(from: LogIndex, bytesMax: number): readonly Entry[] {
    const { log } = this.#state;
    return log.slice(Math.max(from, log.firstIndex), bytesMax);
  }

  /** In force, committed or not. */
  get voters(): readonly ReplicaId[] {
    return this.#state.log.voters;
  }

  /** How far each replica is, for people to look at; null: only the leader knows. */
  get progress(): readonly ReplicaProgress[] | null {
    return this.#role instanceof Leader ? this.#role.progress : null;
  }

  /** What a leader has on its way, by peer: for whoever holds the windows to their bounds. */
  get inflight(): readonly (readonly InflightMessage[])[] {
    return this.#role instanceof Leader ? this.#role.inflight : [];
  }

  /** The newest that this replica holds; of an install, at the latest when its write is done. */
  get snapshot(): Snapshot {
    return this.#state.log.snapshot;
  }

  /** False while nothing can come of a tick: a leader without peers waits for nobody. */
  get needsTicks(): boolean {
    return !(this.#role instanceof Leader) || this.#role.hasPeers;
  }

  /** What a snapshot of everything applied so far is called; size and CRC are the shell's. */
  get snapshotPoint(): Pick<Snapshot, "index" | "term" | "voters"> {
    const { log } = this.#state;
    const index = log.appliedIndex;
    const term = log.termAt(index);
    assert(term !== null, "the last applied entry is cut");
    return { index, term, voters: log.votersAt(index) };
  }

  /** So many ticks may pass in one go: before, none of them changes the role. */
  get ticksUntilDue(): number {
    return this.#role instanceof Leader ? Number.POSITIVE_INFINITY : this.#role.ticksUntilDue;
  }

  tick(): void {
    const role = this.#role;
    if (role instanceof Leader) {
      if (role.tick()) this.#becomeFollower(this.term);
    } else if (role.tick()) {
      // Without a seat it campaigns once for each call, and asks for the log again after.
      if (role instanceof Follower || this.#state.isVoter) this.#becomePreCandidate();
      else this.#becomeFollower(this.term);
    }
  }

  /** Nobody listens at the leader's address (10.4(6)): a pre-vote may follow after `delayTicks`. */
  onLeaderGone(delayTicks: number): void {
    if (this.#role instanceof Follower) this.#role.onLeaderGone(delayTicks);
  }

  /** The shell has found the leader by other means: a list of voters may be so old that nobody in it is left. */
  onLeaderFound(leader: ReplicaId): void {
    if (this.#role instanceof Follower && this.#role.leader === null) this.#role.askForTheLog([leader]);
  }

  propose(commands: readonly Uint8Array[]): Proposed {
    return this.#role instanceof Leader ? this.#role.propose(commands) : NOT_LEADER;
  }

  addVoter(replica: ReplicaId): Proposed {
    return this.#role instanceof Leader ? this.#role.addVoter(replica) : NOT_LEADER;
  }

  removeVoter(replica: ReplicaId): Proposed {
    if (!(this.#role instanceof Leader)) return NOT_LEADER;
    const removed = this.#role.removeVoter(replica);
    this.#countAgain();
    return removed;
  }

  transferTo(target: ReplicaId): TransferBegun {
    return this.#role instanceof Leader ? this.#role.transferTo(target) : NOT_LEADER;
  }

  /** A linearizable read: wait for a `readConfirmed` with this ticket in this term (10.1(6)). */
  readBarrier(): ReadBegun {
    return this.#role instanceof Leader ? this.#role.readBarrier() : NOT_LEADER;
  }

  /** The shell has made a snapshot of applied state durable (10.2). */
  onSnapshotWritten(snapshot: Snapshot): void {
    this.#state.log.onSnapshotWritten(snapshot);
  }

  /** The shell cuts its log up to `index`, behind a durable snapshot. */
  cutLogTo(index: LogIndex): void {
    this.#state.log.cutTo(index);
  }

  step(message: Message): void {
    // For another directory of this node: that one is gone, and this one has promised nothing in its name.
    if (!isSameReplica(message.to, this.#state.replica)) {
      this.#adoptByNodeId(message);
      return;
    }
    if (message.kind === "voteRequest") {
      this.#stepVoteRequest(message);
      return;
    }
    // Who asks for the log may be behind, and is brought up by what it is sent.
    if (message.kind === "followRequest" && message.term <= this.term) {
      this.#bringUp(message.from);
      return;
    }
    const isPreVoteGrant = message.kind === "voteResponse" && message.isPreVote && message.isGranted;
    if (message.term > this.term && !isPreVoteGrant) this.#followTerm(message);
    if (message.term < this.term) this.#answerOutdated(message);
    else this.#stepCurrent(message);
  }

  /** Null: nothing to do. */
  takeReady(): Ready | null {
    const state = this.#state;
    if (this.#role instanceof Leader) this.#role.sendOut();
    const write = this.#takeWrite();
    // With nothing to write and nothing being written, what waits for the disk need not.
    const waited = this.#writing === null ? state.outboxAfterSync.splice(0) : [];
    const messages = [...state.outbox.splice(0), ...waited];
    // The snapshot of an install is not on disk before its write is reported done.
    const committed = state.log.takeCommitted(COMMITTED_BYTES_MAX);
    const softState = this.#takeSoftState();
    const readConfirmed = state.readConfirmed;
    state.readConfirmed = null;
    const snapshotReads = state.snapshotReads.splice(0);
    const isEmpty = messages.length + committed.length + snapshotReads.length === 0;
    if (isEmpty && write === null && softState === null && readConfirmed === null) return null;
    return { messages, write, committed, readConfirmed, snapshotReads, softState };
  }

  /** The write of the last Ready that had one is on disk. */
  advance(): void {
    const writing = this.#writing;
    assert(writing !== null, "a write was reported done that was not asked for");
    this.#writing = null;
    if (writing.hardState !== null) this.#state.onHardStateStable(writing.hardState);
    this.#state.log.finishWrite();
    const role = this.#role;
    if (role instanceof Campaign && role.name === "candidate" && writing.hardState === this.#state.hardState) {
      this.#onCampaign(role.onOwnVote());
    }
    this.#countAgain();
  }

  #takeWrite(): ReadyWrite | null {
    const state = this.#state;
    if (this.#writing !== null) return null;
    const hardState = state.unstableHardState;
    const { chunk, install } = state;
    if (hardState === null && chunk === null && install === null && !state.log.hasUnstable()) return null;
    state.chunk = null;
    state.install = null;
    this.#writing = { hardState };
    const entries = state.log.beginWrite();
    return { chunk, snapshot: install, hardState, entries, messages: state.outboxAfterSync.splice(0) };
  }

  #takeSoftState(): SoftState | null {
    const now = this.softState;
    const told = this.#toldSoftState;
    const isTold = told?.role === now.role && told.term === now.term && isSameReplica(told.leader, now.leader);
    if (isTold) return null;
    this.#toldSoftState = now;
    return now;
  }

  #stepCurrent(message: Exclude<Message, VoteRequest>): void {
    switch (message.kind) {
      case "appendRequest":
        this.#followerOf(message.from).onAppend(message);
        break;
      case "heartbeatRequest":
        this.#followerOf(message.from).onHeartbeat(message);
        break;
      case "snapshotOffer":
        this.#followerOf(message.from).onSnapshotOffer(message);
        break;
      case "snapshotChunk":
        this.#followerOf(message.from).onSnapshotChunk(message);
        break;
      case "timeoutNow":
        this.#followerOf(message.from);
        if (this.#state.isVoter) this.#becomeCandidate(true);
        break;
      case "voteResponse":
        if (this.#role instanceof Campaign) this.#onCampaign(this.#role.onVoteResponse(message));
        break;
      case "followRequest":
        break;
      case "appendAccepted":
      case "appendRejected":
      case "heartbeatResponse":
      case "snapshotFetch":
        this.#stepLeader(message);
    }
  }

  /** Sees to it that a replica outside the voters is sent the log. A follower hands the question on to its leader. */
  #bringUp(from: ReplicaId): void {
    const role = this.#role;
    if (role instanceof Leader) role.adopt(from);
    else if (role instanceof Follower && role.leader !== null && !isSameReplica(role.leader, from)) {
      // In its own term: two that take each other for the leader do not play ball with it.
      this.#state.sendAfterSync({ kind: "followRequest", from, to: role.leader, term: this.term });
    }
  }

  /** Whoever goes by a list so old that it names a former directory of this node is brought up, and learns the new one. */
  #adoptByNodeId({ kind, from, to }: Message): void {
    if (!(this.#role instanceof Leader) || to.nodeId !== this.#state.replica.nodeId) return;
    if (kind !== "followRequest" && kind !== "voteRequest") return;
    if (!includesReplica(this.voters, from)) this.#role.adopt(from);
  }

  #stepLeader(
    message: Extract<Message, { kind: "appendAccepted" | "appendRejected" | "heartbeatResponse" | "snapshotFetch" }>,
  ): void {
    const role = this.#role;
    if (!(role instanceof Leader)) return;
    if (message.kind === "appendAccepted") role.onAccepted(message);
    else if (message.kind === "appendRejected") role.onRejected(message);
    else if (message.kind === "heartbeatResponse") role.onHeartbeatResponse(message);
    else role.onSnapshotFetch(message);
    this.#resignIfRemoved();
  }

  #stepVoteRequest(request: VoteRequest): void {
    const role = this.#role;
    const isLed = role instanceof Leader || (role instanceof Follower && role.isLeaderAlive);
    if (isLed && !request.isTransfer) {
      // It missed its removal, or is in a newer list: either way the log says so.
      if (!includesReplica(this.voters, request.from)) this.#bringUp(request.from);
      else if (role instanceof Leader && request.isPreVote && request.term <= this.term + 1) role.greet(request.from);
      if (request.isPreVote || request.term <= this.term) this.#answerVote(request, false);
      return;
    }
    if (request.isPreVote) {
      const isNewTerm = request.term > this.term;
      const isGranted = isNewTerm && this.#isUpToDate(request);
      if (isGranted) this.#maybeGiveWay(request);
      else if (isNewTerm && role instanceof Follower) role.onCalled(this.#state.options.giveWayTicks);
      this.#answerVote(request, isGranted);
      return;
    }
    if (request.term > this.term) this.#becomeFollower(request.term);
    // Candidates outside the own list too: the list may be the older one (10.1(7)).
    const { vote } = this.#state;
    const isFree = vote === null ? this.softState.leader === null : isSameReplica(vote, request.from);
    const isGranted = request.term === this.term && isFree && this.#isUpToDate(request);
    if (isGranted) {
      this.#state.giveVote(request.from);
      if (this.#role instanceof Follower) this.#role.onVoteGiven();
    }
    this.#answerVote(request, isGranted);
  }

  /**
   * Two that campaign at once split the votes, so one of them steps back: a follower for whoever asks first, of two that ask each other the
   * one with the shorter log, or with the higher id. A courtesy on which nothing rests: who asked may be unable to win, and so gets it once
   * in a term. Both questions are on their way when they cross; the answer to the one that gives way finds it a follower.
   */
  #maybeGiveWay(request: VoteRequest): void {
    if (request.term <= this.#gaveWayInTerm) return;
    const role = this.#role;
    const { giveWayTicks } = this.#state.options;
    if (role instanceof Follower) role.giveWay(giveWayTicks);
    else if (role.name === "preCandidate" && this.#isOutranked(request))
      this.#becomeFollower(this.term).rest(giveWayTicks);
    else return;
    this.#gaveWayInTerm = request.term;
  }

  /** By one whose log is no shorter. */
  #isOutranked({ from, lastIndex, lastTerm }: VoteRequest): boolean {
    const { log, replica } = this.#state;
    return lastIndex !== log.lastIndex || lastTerm !== log.lastTerm || from.nodeId < replica.nodeId;
  }

  #isUpToDate(request: VoteRequest): boolean {
    return this.#state.log.isUpToDate(request.lastIndex, request.lastTerm);
  }

  #answerVote(request: VoteRequest, isGranted: boolean): void {
    const { isPreVote } = request;
    this.#state.sendAfterSync({
      kind: "voteResponse",
      from: this.#state.replica,
      to: request.from,
      term: isPreVote && isGranted ? request.term : this.term,
      isPreVote,
      isGranted,
    });
  }

  /** A leader of the past learns the term from the answer, and resigns. Other late messages say nothing. */
  #answerOutdated(message: Message): void {
    if (message.kind !== "appendRequest" && message.kind !== "heartbeatRequest") return;
    this.#state.sendAfterSync({
      kind: "heartbeatResponse",
      from: this.#state.replica,
      to: message.from,
      term: this.term,
      readRound: 0,
    });
  }

  /** Somebody leads this term: whoever campaigned in it has lost. */
  #followerOf(leader: ReplicaId): Follower {
    assert(!(this.#role instanceof Leader), `two leaders in term ${this.term}`);
    const follower = this.#role instanceof Follower ? this.#role : this.#becomeFollower(this.term);
    this.#campaigns = 0;
    follower.onLeaderHeard(leader);
    return follower;
  }

  #onCampaign(outcome: CampaignOutcome): void {
    if (outcome === "open") return;
    if (outcome === "lost") this.#becomeFollower(this.term).rest(this.#restTicks());
    else if (this.#role.name === "preCandidate") this.#becomeCandidate(false);
    else this.#becomeLeader();
  }

  /** The sender's term is newer. Whoever learns that from a refusal still knows of no leader, and does not wait a whole election time. */
  #followTerm({ term, kind }: Message): void {
    const isRefused = kind === "voteResponse" && this.#role instanceof Campaign;
    const follower = this.#becomeFollower(term);
    if (isRefused) follower.rest(this.#longRestTicks());
  }

  #becomeFollower(term: Term): Follower {
    if (term > this.term) this.#state.raiseTerm(term, null);
    const follower = new Follower(this.#state, this.#download, this.#electionTicks());
    this.#role = follower;
    return follower;
  }

  #becomePreCandidate(): void {
    this.#campaigns += 1;
    const campaign = this.#newCampaign("preCandidate", false);
    this.#role = campaign;
    this.#onCampaign(campaign.onOwnVote());
  }

  #becomeCandidate(isTransfer: boolean): void {
    this.#state.raiseTerm(this.term + 1, this.#state.replica);
    this.#role = this.#newCampaign("candidate", isTransfer);
  }

  #newCampaign(name: Campaign["name"], isTransfer: boolean): Campaign {
    const ticks = this.#campaignTicks();
    // To ask costs nothing; votes that are on their way get the time to arrive.
    const contestedTicks = name === "candidate" ? this.#longRestTicks() : this.#restTicks();
    return new Campaign(this.#state, { name, ticks, contestedTicks, isTransfer });
  }

  #becomeLeader(): void {
    assert(isSameReplica(this.#state.vote, this.#state.replica), "a leader that did not vote for itself");
    this.#download.drop();
    this.#campaigns = 0;
    this.#role = new Leader(this.#state);
  }

  #countAgain(): void {
    if (!(this.#role instanceof Leader)) return;
    this.#role.maybeCommit();
    this.#resignIfRemoved();
  }

  #resignIfRemoved(): void {
    if (!(this.#role instanceof Leader) || !this.#role.isRemoved) return;
    this.#role.handOver();
    this.#becomeFollower(this.term);
  }

  #electionTicks(): number {
    const { electionTicks } = this.#state.options;
    return electionTicks + this.#draw(electionTicks);
  }

  #campaignTicks(): number {
    const { campaignTicks } = this.#state.options;
    return campaignTicks + this.#draw(campaignTicks);
  }

  #restTicks(): number {
    const { backoffTicks, backoffTicksMax } = this.#state.options;
    const doublings = Math.max(0, this.#campaigns - 1);
    return 1 + this.#draw(Math.min(backoffTicksMax, backoffTicks * 2 ** doublings));
  }

  #longRestTicks(): number {
    return this.#state.options.giveWayTicks + this.#restTicks();
  }

  #draw(below: number): number {
    return Math.floor(this.#state.random() * below);
  }
}
