/**
 * What a leader knows of one peer and what it may send to it.
 *
 *     probe      where do the logs agree? One message at a time.            -> replicate on the first that fits
 *     replicate  entries follow each other without waiting, in a window.    -> probe on a refusal
 *     snapshot   the peer needs entries that were cut; it fetches.          -> replicate when it has arrived
 *
 * Invariants: matchIndex < nextIndex; matchIndex never falls, because a replica that lost what it acknowledged is another
 * one (semantics 10.1(5)).
 */
import { type InflightMessage, InflightWindow } from "./inflight-window.ts";
import type { RaftOptions } from "./options.ts";
import type { LogIndex, ReplicaId } from "./types.ts";

export type ProgressMode = "probe" | "replicate" | "snapshot";

export class Progress {
  readonly replica: ReplicaId;
  /** Tick of the leader at which anything of this term last came from it. */
  heardTick: number;
  /** Messages of this term that came from it. */
  heardCount = 0;
  /** Highest commit index that a message told it. */
  toldCommitIndex: LogIndex = 0;
  #mode: ProgressMode = "probe";
  #matchIndex: LogIndex = 0;
  #nextIndex: LogIndex;
  #isProbeOut = false;
  readonly #window: InflightWindow;

  constructor(replica: ReplicaId, nextIndex: LogIndex, heardTick: number, options: RaftOptions) {
    this.replica = replica;
    this.heardTick = heardTick;
    this.#nextIndex = nextIndex;
    this.#window = new InflightWindow(options.inflightMessagesMax, options.inflightBytesMax);
  }

  get mode(): ProgressMode {
    return this.#mode;
  }

  /** The peer holds, on disk, what this leader holds up to here. */
  get matchIndex(): LogIndex {
    return this.#matchIndex;
  }

  /** First entry of the next message. */
  get nextIndex(): LogIndex {
    return this.#nextIndex;
  }

  /** What is on its way to the peer. */
  get inflight(): readonly InflightMessage[] {
    return this.#window.messages;
  }

  /** Is there anything to say now, to a peer of a log that ends at `lastIndex`? */
  wantsEntries(lastIndex: LogIndex): boolean {
    if (this.#mode === "replicate") return this.#nextIndex <= lastIndex && !this.#window.isFull;
    return this.#mode === "probe" && !this.#isProbeOut && this.#matchIndex < lastIndex;
  }

  /** All was sent, not all was answered: if the last message was lost, only a question brings that to light. */
  isUnsure(lastIndex: LogIndex): boolean {
    return this.#mode === "replicate" && this.#nextIndex > lastIndex && this.#matchIndex < lastIndex;
  }

  onSent(lastIndex: LogIndex, bytes: number): void {
    if (this.#mode === "probe") {
      this.#isProbeOut = true;
      return;
    }
    this.#nextIndex = lastIndex + 1;
    this.#window.add(lastIndex, bytes);
  }

  /** `firstIndex`: of the leader's log; a peer that reaches it needs no snapshot. True if the peer moved on. */
  onAccepted(matchIndex: LogIndex, firstIndex: LogIndex): boolean {
    const isMove = matchIndex > this.#matchIndex;
    if (isMove) this.#matchIndex = matchIndex;
    this.#window.freeTo(this.#matchIndex);
    if (this.#mode === "snapshot" && this.#matchIndex + 1 < firstIndex) return isMove;
    if (this.#mode !== "replicate") {
      this.#mode = "replicate";
      this.#nextIndex = this.#matchIndex + 1;
    }
    this.#nextIndex = Math.max(this.#nextIndex, this.#matchIndex + 1);
    return isMove;
  }

  /** The peer has no entry at `rejectedIndex` that fits; `agreementIndex` might. Late answers change nothing. */
  onRejected(rejectedIndex: LogIndex, agreementIndex: LogIndex): void {
    if (rejectedIndex <= this.#matchIndex || this.#mode === "snapshot") return;
    if (this.#mode === "replicate") {
      this.#becomeProbe(this.#matchIndex + 1);
      return;
    }
    if (rejectedIndex !== this.#nextIndex - 1) return;
    this.#becomeProbe(Math.max(this.#matchIndex, Math.min(rejectedIndex - 1, agreementIndex)) + 1);
  }

  /** The peer lives: whatever was not answered may be lost. */
  onHeartbeatAnswered(): void {
    this.#isProbeOut = false;
    if (this.#window.isFull) this.#window.freeOldest();
  }

  onSnapshotOffered(): void {
    this.#mode = "snapshot";
    this.#window.clear();
  }

  #becomeProbe(nextIndex: LogIndex): void {
    this.#mode = "probe";
    this.#nextIndex = nextIndex;
    this.#isProbeOut = false;
    this.#window.clear();
  }
}
