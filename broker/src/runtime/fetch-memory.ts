/**
 * The memory that the fetch streams of clients are lent, all together (`tidemark.fetch.memory.bytes`): what is read for them
 * and not yet taken by their sockets. One stream bounds its own; there may be thousands, whose readers stand still.
 *
 * As long as there is room nobody notices. The less is left, the smaller the messages: a quarter of it, so that many slow readers
 * share what one quick reader would use. When nothing is left, a stream that wants to read waits its turn, first come first served,
 * one message each; what needs no records is said all the same. Memory comes back when a socket has taken what it was given. A
 * reader that takes nothing for SLOW_MS while others wait would hold it for ever: its stream is ended, and its reader comes again
 * when it can.
 *
 * Followers have no part in it: acknowledgements wait for them, not they for readers.
 *
 * Invariants: beyond the bound lies at most what one turn of a stream reads; nobody waits while there is room; a stream that is
 * closed holds only what the disk still reads for it.
 */
import { assert } from "../base/index.ts";
import type { TimerHandle, Timers } from "../ports/index.ts";
import { SLAB_BYTES, SMALLEST_SLAB_BYTES } from "./slab-pool.ts";

/** Without a byte taken, while others wait, for this long at least and twice as long at most. */
export const SLOW_MS = 30_000;
/** Of what is left, in one message. */
const SHARE = 4;

export interface FetchMemoryOptions {
  readonly timers: Timers;
  /** As it is now. */
  maxBytes(): number;
}

/** Whose reads it is. */
export interface FetchMemoryOwner {
  /** It is its turn: `mayRead` is true until `pass`, which it must call soon. */
  onMemory(): void;
  /** Others wait for what it holds, and its reader takes nothing. */
  onTooSlow(): void;
}

export class FetchMemory {
  readonly #options: FetchMemoryOptions;
  readonly #shares = new Set<FetchShare>();
  /** In the order in which they came. */
  readonly #waiting = new Set<FetchShare>();
  /** Whose turn it is. */
  #turn: FetchShare | null = null;
  #watch: TimerHandle | null = null;
  /** Of all shares. */
  #lentBytes = 0;

  constructor(options: FetchMemoryOptions) {
    this.#options = options;
  }

  get lentBytes(): number {
    return this.#lentBytes;
  }

  get isSpent(): boolean {
    return this.#lentBytes >= this.#options.maxBytes();
  }

  /** Of records in one message, or one read; its first batch is whole in any case. */
  get messageBytes(): number {
    const leftBytes = this.#options.maxBytes() - this.#lentBytes;
    return Math.max(SMALLEST_SLAB_BYTES, Math.min(SLAB_BYTES, Math.floor(leftBytes / SHARE)));
  }

  /** For one stream. */
  share(owner: FetchMemoryOwner): FetchShare {
    const share = new FetchShare(this, owner);
    this.#shares.add(share);
    return share;
  }

  // ---- called by shares ----

  mayRead(share: FetchShare): boolean {
    if (this.#turn === share) return true;
    if (this.#waiting.size === 0 && this.#turn === null && !this.isSpent) return true;
    this.#waiting.add(share);
    this.#nextTurn();
    if (this.#watch === null) this.#watchSlow();
    return this.#isTurnOf(share);
  }

  onChange(byBytes: number): void {
    this.#lentBytes += byBytes;
    assert(this.#lentBytes >= 0, "more was given back than was lent to fetch streams");
    if (byBytes < 0) this.#nextTurn();
  }

  pass(share: FetchShare): void {
    if (this.#turn !== share) return;
    this.#turn = null;
    this.#nextTurn();
  }

  remove(share: FetchShare): void {
    this.#shares.delete(share);
    this.#waiting.delete(share);
    this.pass(share);
  }

  #isTurnOf(share: FetchShare): boolean {
    return this.#turn === share;
  }

  #nextTurn(): void {
    if (this.#turn !== null || this.#waiting.size === 0 || this.isSpent) return;
    const [next] = this.#waiting;
    if (next === undefined) return;
    this.#waiting.delete(next);
    this.#turn = next;
    next.owner.onMemory();
  }

  /** While somebody waits. */
  #watchSlow(): void {
    for (const share of this.#shares) share.look();
    this.#watch = this.#options.timers.after(SLOW_MS, () => {
      this.#watch = null;
      const slow = [...this.#shares].filter((share) => share.isStill);
      if (this.#waiting.size === 0) return;
      for (const { owner } of slow) owner.onTooSlow();
      if (this.#waiting.size > 0) this.#watchSlow();
    });
  }
}

/** What one stream holds. */
export class FetchShare {
  readonly owner: FetchMemoryOwner;
  readonly #memory: FetchMemory;
  /** Of messages that were sent and not taken. */
  #sentBytes = 0;
  /** Messages that were taken since the last look. */
  #takenCount = 0;
  /** Something was sent and not taken at the last look. */
  #wasHolding = false;

  constructor(memory: FetchMemory, owner: FetchMemoryOwner) {
    this.#memory = memory;
    this.owner = owner;
  }

  get messageBytes(): number {
    return this.#memory.messageBytes;
  }

  /** False: `onMemory` is called when there is room and those who came before have had theirs. */
  mayRead(): boolean {
    return this.#memory.mayRead(this);
  }

  /** It has read what it wanted to, or could not. */
  pass(): void {
    this.#memory.pass(this);
  }

  /** Of reads that are under way, or came back and were not sent. */
  onRead(byBytes: number): void {
    this.#memory.onChange(byBytes);
  }

  onSent(bytes: number): void {
    this.#sentBytes += bytes;
    this.#memory.onChange(bytes);
  }

  onTaken(bytes: number): void {
    this.#sentBytes -= bytes;
    this.#takenCount++;
    this.#memory.onChange(-bytes);
  }

  /** The stream is gone, and what was sent with it. Reads that are under way come back by `onRead`. */
  close(): void {
    const sentBytes = this.#sentBytes;
    this.#sentBytes = 0;
    this.#memory.remove(this);
    this.#memory.onChange(-sentBytes);
  }

  // ---- called by the memory ----

  look(): void {
    this.#takenCount = 0;
    this.#wasHolding = this.#sentBytes > 0;
  }

  /** Nothing was taken of what had been sent by the last look. Who had its turn since then has had no time to. */
  get isStill(): boolean {
    return this.#wasHolding && this.#takenCount === 0;
  }
}
