/**
 * The leader of a term: appends, sends, counts, commits; keeps peers in its lease by heartbeats and resigns when no
 * majority answers them.
 *
 * Invariants: only entries of its own term commit by counting (thesis 3.6.2); its own entry counts when it is on its disk
 * (semantics 10.1(2), P18); a leader that is no voter does not count itself and resigns once that is committed, and
 * something of its own term (10.1(7)).
 *
 * Learners are peers outside the voters. They are not written down anywhere: who asks for the log is sent it, who falls
 * silent is forgotten and asks again.
 */
import { assert } from "../base/index.ts";
import type { InflightMessage } from "./inflight-window.ts";
import type { AppendAccepted, AppendRejected, HeartbeatResponse, SnapshotFetch } from "./messages.ts";
import type { NodeState } from "./node-state.ts";
import { Progress } from "./progress.ts";
import { hasMajority, majorityIndex } from "./quorum.ts";
import { ReadRounds } from "./read-rounds.ts";
import type { Proposed, RaftRefusal, ReadBegun, ReplicaProgress, TransferBegun } from "./ready.ts";
import { entryBytes, includesReplica, isSameReplica, isSameSnapshot, replicaKey } from "./types.ts";
import type { EntryBody, LogIndex, ReplicaId } from "./types.ts";

export class Leader {
  readonly name = "leader";
  readonly #state: NodeState;
  /** Everybody but itself: voters, and learners that were heard of late. */
  readonly #peers = new Map<string, Progress>();
  readonly #reads: ReadRounds;
  #nowTick = 0;
  #uncommittedBytes = 0;
  /** What had committed when heartbeats last left: who holds it has caught up. */
  #heartbeatCommitIndex: LogIndex;
  #transfer: { readonly target: ReplicaId; readonly sinceTick: number; isAsked: boolean } | null = null;

  constructor(state: NodeState) {
    this.#state = state;
    this.#reads = new ReadRounds(state.term);
    const { log } = state;
    this.#heartbeatCommitIndex = log.commitIndex;
    for (const entry of log.slice(log.commitIndex + 1, Number.POSITIVE_INFINITY)) {
      this.#uncommittedBytes += entryBytes(entry);
    }
    this.#adoptVoters();
    this.#append({ kind: "leaderStart" });
  }

  /** Voters or learners beside itself. */
  get hasPeers(): boolean {
    return this.#peers.size > 0;
  }

  /** Of the voters first, itself among them, then of learners that were heard of late. */
  get progress(): ReplicaProgress[] {
    const { replica: own, log } = this.#state;
    const learners = [...this.#peers.values()].filter(({ replica }) => !includesReplica(log.voters, replica));
    return [...log.voters, ...learners.map(({ replica }) => replica)].map((replica): ReplicaProgress => {
      const peer = this.#peers.get(replicaKey(replica));
      const silentTicks = isSameReplica(replica, own) ? 0 : this.#nowTick - (peer?.heardTick ?? 0);
      return { replica, matchIndex: this.#matchIndexOf(replica), silentTicks, heardCount: peer?.heardCount ?? 0 };
    });
  }

  /** What is on its way, by peer. */
  get inflight(): readonly (readonly InflightMessage[])[] {
    return [...this.#peers.values()].map(({ inflight }) => inflight);
  }

  /** True when it must resign: no majority was heard for long (10.1(4), check-quorum). */
  tick(): boolean {
    this.#nowTick += 1;
    const { options } = this.#state;
    if (this.#nowTick % options.heartbeatTicks === 0) this.#sendHeartbeats();
    if (this.#transfer !== null && this.#nowTick - this.#transfer.sinceTick >= options.electionTicks) {
      this.#transfer = null;
    }
    const isSilent = (peer: Progress): boolean => this.#nowTick - peer.heardTick >= options.checkQuorumTicks;
    for (const [key, peer] of this.#peers) {
      if (isSilent(peer) && !includesReplica(this.#state.log.voters, peer.replica)) this.#peers.delete(key);
    }
    return !this.#hasMajority((voter) => {
      const peer = this.#peers.get(replicaKey(voter));
      return peer !== undefined && !isSilent(peer);
    });
  }

  propose(commands: readonly Uint8Array[]): Proposed {
    const refusal = this.#refusal();
    if (refusal !== null) return { ok: false, code: refusal };
    const firstIndex = this.#state.log.lastIndex + 1;
    for (const bytes of commands) this.#append({ kind: "command", bytes });
    return { ok: true, term: this.#state.term, firstIndex, lastIndex: this.#state.log.lastIndex };
  }

  /** One voter more (10.1(7)): a replica that follows already and has caught up. */
  addVoter(replica: ReplicaId): Proposed {
    const { voters } = this.#state.log;
    const refusal = this.#changeRefusal();
    if (refusal !== null) return { ok: false, code: refusal };
    // A node has one seat: its former directory is removed first (10.1(8)).
    if (voters.some((voter) => voter.nodeId === replica.nodeId)) return { ok: false, code: "ALREADY_VOTER" };
    const peer = this.#peers.get(replicaKey(replica));
    const hasCaughtUp = peer?.mode === "replicate" && peer.matchIndex >= this.#heartbeatCommitIndex;
    if (!hasCaughtUp) return { ok: false, code: "NOT_CAUGHT_UP" };
    return this.#changeVoters([...voters, replica]);
  }

  /** One voter less. It goes on being sent the log as a learner, so that it learns of it. */
  removeVoter(replica: ReplicaId): Proposed {
    const { voters } = this.#state.log;
    const refusal = this.#changeRefusal();
    if (refusal !== null) return { ok: false, code: refusal };
    if (!includesReplica(voters, replica)) return { ok: false, code: "NOT_VOTER" };
    if (voters.length === 1) return { ok: false, code: "LAST_VOTER" };
    return this.#changeVoters(voters.filter((voter) => !isSameReplica(voter, replica)));
  }

  transferTo(target: ReplicaId): TransferBegun {
    if (!includesReplica(this.#state.log.voters, target)) return { ok: false, code: "NOT_VOTER" };
    if (isSameReplica(target, this.#state.replica)) return { ok: true };
    this.#transfer = { target, sinceTick: this.#nowTick, isAsked: false };
    return { ok: true };
  }

  readBarrier(): ReadBegun {
    return { ok: true, term: this.#state.term, ticket: this.#reads.ask() };
  }

  /** A voter that has just started asks whether it could win: it learns at once who leads, and not with the next heartbeat. */
  greet(replica: ReplicaId): void {
    const peer = this.#peers.get(replicaKey(replica));
    if (peer !== undefined) this.#sendHeartbeat(peer);
  }

  /** A replica outside the voters wants the log. */
  adopt(replica: ReplicaId): void {
    if (isSameReplica(replica, this.#state.replica)) return;
    if (!this.#peers.has(replicaKey(replica))) this.#peers.set(replicaKey(replica), this.#newPeer(replica));
    this.#heard(replica);
  }

  onAccepted(answer: AppendAccepted): void {
    const peer = this.#heard(answer.from);
    if (peer === null) return;
    assert(answer.matchIndex <= this.#state.log.lastIndex, "a peer holds what its leader does not");
    if (peer.onAccepted(answer.matchIndex, this.#state.log.firstIndex)) this.maybeCommit();
  }

  onRejected(answer: AppendRejected): void {
    const peer = this.#heard(answer.from);
    if (peer === null) return;
    const agreement = this.#state.log.agreementBelow(answer.hintIndex, answer.hintTerm);
    peer.onRejected(answer.previousIndex, agreement.index);
  }

  onHeartbeatResponse(answer: HeartbeatResponse): void {
    const peer = this.#heard(answer.from);
    if (peer === null) return;
    peer.onHeartbeatAnswered();
    if (peer.mode === "snapshot") this.#offerSnapshot(peer);
    else if (peer.isUnsure(this.#state.log.lastIndex)) this.#sendAppend(peer, 0);
    this.#onReadAnswered(answer.from, answer.readRound);
  }

  /** A newer snapshot may have taken the place of the one that was offered: then that is what it gets. */
  onSnapshotFetch(fetch: SnapshotFetch): void {
    const peer = this.#heard(fetch.from);
    if (peer === null) return;
    const { replica, term, log } = this.#state;
    if (!isSameSnapshot(fetch.snapshot, log.snapshot)) {
      this.#offerSnapshot(peer);
      return;
    }
    this.#state.snapshotReads.push({
      from: replica,
      to: fetch.from,
      term,
      snapshot: log.snapshot,
      position: fetch.position,
    });
  }

  /** Counts again: a peer, or its own disk, has moved on. */
  maybeCommit(): void {
    const { log, term } = this.#state;
    const index = majorityIndex(log.voters, (voter) => this.#matchIndexOf(voter));
    // An older term's entry on a majority may still be replaced (thesis, figure 3.7).
    if (index <= log.commitIndex || log.termAt(index) !== term) return;
    for (const entry of log.slice(log.commitIndex + 1, Number.POSITIVE_INFINITY, index)) {
      this.#uncommittedBytes -= entryBytes(entry);
    }
    log.commitTo(index);
  }

  /**
   * The list that does not name it has committed, and something of its own term: before, it may be the only one that could be elected, and
   * the voters that it would leave behind could elect nobody.
   */
  get isRemoved(): boolean {
    const { log, isVoter } = this.#state;
    return !isVoter && log.votersIndex <= log.commitIndex && this.#hasOwnTermCommit();
  }

  /** Last words of a leader that was removed: everybody learns of the commit, the furthest voter campaigns at once. */
  handOver(): void {
    this.sendOut();
    const { voters } = this.#state.log;
    let furthest: Progress | null = null;
    for (const voter of voters) {
      const peer = this.#peers.get(replicaKey(voter));
      if (peer !== undefined && peer.matchIndex > (furthest?.matchIndex ?? -1)) furthest = peer;
    }
    if (furthest !== null) this.#askToCampaign(furthest.replica);
  }

  /** Says what there is to say, once for a whole stretch of inputs: that is how proposals share messages. */
  sendOut(): void {
    if (this.#hasOwnTermCommit() && this.#reads.maybeBegin(this.#state.log.commitIndex)) {
      this.#sendHeartbeats();
      this.#onReadAnswered(null, this.#reads.round);
    }
    for (const peer of this.#peers.values()) this.#sendEntries(peer);
    const transfer = this.#transfer;
    if (transfer === null || transfer.isAsked) return;
    if (this.#peers.get(replicaKey(transfer.target))?.matchIndex !== this.#state.log.lastIndex) return;
    transfer.isAsked = true;
    this.#askToCampaign(transfer.target);
  }

  #sendEntries(peer: Progress): void {
    const { log, options } = this.#state;
    while (peer.wantsEntries(log.lastIndex)) {
      if (peer.nextIndex < log.firstIndex) {
        this.#offerSnapshot(peer);
        return;
      }
      this.#sendAppend(peer, options.appendBytesMax);
    }
    // The news of a commit does not wait for the next entry or heartbeat.
    if (peer.mode === "replicate" && peer.toldCommitIndex < log.commitIndex) {
      if (peer.nextIndex > log.lastIndex) this.#sendAppend(peer, 0);
    }
  }

  #sendAppend(peer: Progress, bytesMax: number): void {
    const { log, replica, term } = this.#state;
    const previousIndex = peer.nextIndex - 1;
    const previousTerm = log.termAt(previousIndex);
    assert(previousTerm !== null, "entries would be sent behind one that is cut");
    const entries = bytesMax === 0 ? [] : log.slice(peer.nextIndex, bytesMax);
    const last = entries.at(-1);
    if (last !== undefined) {
      let bytes = 0;
      for (const entry of entries) bytes += entryBytes(entry);
      peer.onSent(last.index, bytes);
    } else if (peer.mode === "probe") {
      peer.onSent(previousIndex, 0);
    }
    peer.toldCommitIndex = log.commitIndex;
    this.#state.sendAsLeader({
      kind: "appendRequest",
      from: replica,
      to: peer.replica,
      term,
      previousIndex,
      previousTerm,
      entries,
      commitIndex: log.commitIndex,
    });
  }

  #offerSnapshot(peer: Progress): void {
    const { log, replica, term } = this.#state;
    peer.onSnapshotOffered();
    this.#state.sendAsLeader({ kind: "snapshotOffer", from: replica, to: peer.replica, term, snapshot: log.snapshot });
  }

  #sendHeartbeats(): void {
    this.#heartbeatCommitIndex = this.#state.log.commitIndex;
    for (const peer of this.#peers.values()) this.#sendHeartbeat(peer);
  }

  #sendHeartbeat(peer: Progress): void {
    const { log, replica, term } = this.#state;
    this.#state.sendAsLeader({
      kind: "heartbeatRequest",
      from: replica,
      to: peer.replica,
      term,
      commitIndex: Math.min(log.commitIndex, peer.matchIndex),
      readRound: this.#reads.round,
    });
  }

  #askToCampaign(to: ReplicaId): void {
    this.#state.sendAsLeader({ kind: "timeoutNow", from: this.#state.replica, to, term: this.#state.term });
  }

  #onReadAnswered(from: ReplicaId | null, round: number): void {
    const confirmed = this.#reads.onAnswered(from, round, (isCounted) => this.#hasMajority(isCounted));
    if (confirmed !== null) this.#state.readConfirmed = confirmed;
  }

  #append(body: EntryBody): void {
    this.#uncommittedBytes += entryBytes(this.#state.log.append(this.#state.term, body));
  }

  #changeVoters(voters: readonly ReplicaId[]): Proposed {
    this.#append({ kind: "voters", voters });
    this.#adoptVoters();
    const { term, log } = this.#state;
    return { ok: true, term, firstIndex: log.lastIndex, lastIndex: log.lastIndex };
  }

  #adoptVoters(): void {
    for (const voter of this.#state.log.voters) {
      if (isSameReplica(voter, this.#state.replica) || this.#peers.has(replicaKey(voter))) continue;
      this.#peers.set(replicaKey(voter), this.#newPeer(voter));
    }
  }

  #newPeer(replica: ReplicaId): Progress {
    return new Progress(replica, this.#state.log.lastIndex + 1, this.#nowTick, this.#state.options);
  }

  /** Null: not one of its peers. */
  #heard(from: ReplicaId): Progress | null {
    const peer = this.#peers.get(replicaKey(from));
    if (peer === undefined) return null;
    peer.heardTick = this.#nowTick;
    peer.heardCount += 1;
    return peer;
  }

  #matchIndexOf(voter: ReplicaId): LogIndex {
    if (isSameReplica(voter, this.#state.replica)) return this.#state.log.stableIndex;
    return this.#peers.get(replicaKey(voter))?.matchIndex ?? 0;
  }

  /** It counts itself only where it is a voter. */
  #hasMajority(isCounted: (voter: ReplicaId) => boolean): boolean {
    const { log, replica } = this.#state;
    return hasMajority(log.voters, (voter) => isSameReplica(voter, replica) || isCounted(voter));
  }

  #hasOwnTermCommit(): boolean {
    const { log, term } = this.#state;
    return log.termAt(log.commitIndex) === term;
  }

  #refusal(): RaftRefusal | null {
    if (this.#transfer !== null) return "TRANSFERRING";
    return this.#uncommittedBytes >= this.#state.options.uncommittedBytesMax ? "TOO_MUCH_UNCOMMITTED" : null;
  }

  /** Else two leaders could form majorities that do not meet (P46). */
  #changeRefusal(): RaftRefusal | null {
    const { log } = this.#state;
    if (this.#transfer !== null) return "TRANSFERRING";
    return !this.#hasOwnTermCommit() || log.votersIndex > log.commitIndex ? "CHANGE_NOT_YET" : null;
  }
}
