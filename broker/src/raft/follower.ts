/**
 * A follower: takes what the leader of the term sends, and waits for its voice. A replica outside the voters is a learner:
 * a follower that asks the voters to be sent the log when it hears no leader, and that campaigns only when it is called.
 */
import type { AppendRequest, HeartbeatRequest, SnapshotChunk, SnapshotOffer } from "./messages.ts";
import type { NodeState } from "./node-state.ts";
import type { SnapshotDownload } from "./snapshot-download.ts";
import type { LogIndex, ReplicaId } from "./types.ts";

export class Follower {
  readonly name = "follower";
  readonly #state: NodeState;
  readonly #download: SnapshotDownload;
  /** Of this term; null = not heard yet, or known to be gone. */
  #leader: ReplicaId | null = null;
  #silentTicks = 0;
  /** Drawn for this follower. */
  readonly #electionTimeoutTicks: number;
  /** The same, or less once the leader is known to be gone. */
  #timeoutTicks: number;
  /** No campaign before, whatever else is known: a rest after a lost one, or another replica's turn. */
  #restTicks = 0;
  /** By a candidate that it stands in the way of. */
  #isCalled = false;

  constructor(state: NodeState, download: SnapshotDownload, timeoutTicks: number) {
    this.#state = state;
    this.#electionTimeoutTicks = timeoutTicks;
    this.#timeoutTicks = timeoutTicks;
    this.#download = download;
  }

  get leader(): ReplicaId | null {
    return this.#leader;
  }

  /** A live leader was heard within the shortest election time: nobody else is needed (thesis 4.2.3, 9.6). */
  get isLeaderAlive(): boolean {
    return this.#leader !== null && this.#silentTicks < this.#state.options.electionTicks;
  }

  /** True when it is time to campaign. */
  tick(): boolean {
    this.#silentTicks += 1;
    this.#download.tick();
    if (this.#mayCampaign && (this.#isAlone || this.#silentTicks >= this.#campaignsAtTicks)) return true;
    if (this.#state.isVoter) return false;
    // A voter forgets him with its campaign.
    if (this.#silentTicks >= this.#electionTimeoutTicks) this.#leader = null;
    const { electionTicks, heartbeatTicks } = this.#state.options;
    if (this.#silentTicks >= electionTicks && (this.#silentTicks - electionTicks) % heartbeatTicks === 0) {
      this.askForTheLog(this.#state.log.voters);
    }
    return false;
  }

  /** Until it campaigns, if nothing else happens. */
  get ticksUntilDue(): number {
    if (!this.#mayCampaign) return Number.POSITIVE_INFINITY;
    return this.#isAlone ? 1 : Math.max(1, this.#campaignsAtTicks - this.#silentTicks);
  }

  get #mayCampaign(): boolean {
    return this.#isCalled || this.#state.isVoter;
  }

  get #campaignsAtTicks(): number {
    return Math.max(this.#timeoutTicks, this.#restTicks);
  }

  /** Nobody else votes, so that nobody is waited for. */
  get #isAlone(): boolean {
    const { log, isVoter } = this.#state;
    return isVoter && log.voters.length === 1 && this.#leader === null;
  }

  /** It has ended a campaign, and nobody leads that it knows of: the next one follows after this long. */
  rest(ticks: number): void {
    this.#timeoutTicks = this.#restTicks = this.#silentTicks + ticks;
  }

  /** Another replica campaigns: for this long it gets its chance. */
  giveWay(ticks: number): void {
    this.#restTicks = Math.max(this.#restTicks, this.#silentTicks + ticks);
  }

  /**
   * A candidate counts this replica as a voter, and its log is too short for it to be elected: it may be one that cannot win without. Who has
   * no seat by its own log then campaigns too, once, not counting itself (thesis 4.2.2), after the other one has had its chance. Else a
   * removal that only this replica holds, or an addition that it does not, could keep a group from electing anybody while a majority lives.
   */
  onCalled(delayTicks: number): void {
    if (this.#isCalled || this.#state.isVoter) return;
    this.#isCalled = true;
    this.giveWay(delayTicks);
  }

  /** It voted: the candidate gets its time, also from one that is told once more that nobody leads yet. */
  onVoteGiven(): void {
    this.#beginWait();
    this.#restTicks = Math.min(this.#state.options.campaignTicks, this.#electionTimeoutTicks);
  }

  /**
   * It is known that nobody listens where the leader was (10.4(6)), or that there is none yet: a campaign may begin after `delayTicks`. It
   * asks before it raises the term, and who hears a leader refuses. A rest is not cut short.
   */
  onLeaderGone(delayTicks: number): void {
    this.#leader = null;
    this.#timeoutTicks = Math.min(this.#timeoutTicks, this.#silentTicks + delayTicks);
  }

  onLeaderHeard(leader: ReplicaId): void {
    this.#leader = leader;
    this.#isCalled = false;
    this.#beginWait();
  }

  askForTheLog(replicas: readonly ReplicaId[]): void {
    const { replica, term } = this.#state;
    for (const to of replicas) this.#state.sendAfterSync({ kind: "followRequest", from: replica, to, term });
  }

  onAppend(request: AppendRequest): void {
    const { log } = this.#state;
    // What is committed here agrees with every leader: entries below need no look.
    if (request.previousIndex < log.commitIndex) {
      this.#accept(request.from, log.commitIndex);
      return;
    }
    if (!log.holds(request.previousIndex, request.previousTerm)) {
      const hint = log.agreementBelow(request.previousIndex, request.previousTerm);
      this.#state.sendAfterSync({
        kind: "appendRejected",
        from: this.#state.replica,
        to: request.from,
        term: this.#state.term,
        previousIndex: request.previousIndex,
        hintIndex: hint.index,
        hintTerm: hint.term,
      });
      return;
    }
    const matchIndex = log.merge(request.previousIndex, request.entries);
    log.commitTo(Math.min(request.commitIndex, matchIndex));
    this.#accept(request.from, matchIndex);
  }

  onHeartbeat(request: HeartbeatRequest): void {
    this.#state.log.commitTo(request.commitIndex);
    this.#state.sendAfterSync({
      kind: "heartbeatResponse",
      from: this.#state.replica,
      to: request.from,
      term: this.#state.term,
      readRound: request.readRound,
    });
  }

  onSnapshotOffer(offer: SnapshotOffer): void {
    const matchIndex = this.#download.onOffer(offer);
    if (matchIndex !== null) this.#accept(offer.from, matchIndex);
  }

  onSnapshotChunk(chunk: SnapshotChunk): void {
    const matchIndex = this.#download.onChunk(chunk);
    if (matchIndex !== null) this.#accept(chunk.from, matchIndex);
  }

  #beginWait(): void {
    this.#silentTicks = 0;
    this.#restTicks = 0;
    this.#timeoutTicks = this.#electionTimeoutTicks;
  }

  #accept(leader: ReplicaId, matchIndex: LogIndex): void {
    this.#state.sendAfterSync({
      kind: "appendAccepted",
      from: this.#state.replica,
      to: leader,
      term: this.#state.term,
      matchIndex,
    });
  }
}
