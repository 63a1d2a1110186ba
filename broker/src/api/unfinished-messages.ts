/**
 * The bytes of messages that have begun and are not whole, of all calls of one door, and their bound: many streams that each
 * begin a message and fall silent would else hold as much as their limits allow, all together.
 *
 * What has arrived is counted, never what was announced. Beyond the bound the oldest message is refused, then the next: a message
 * that is on its way is whole soon, and one that grows old is likely not meant to be. The last one left is never refused, so
 * that any message which the limits allow gets through.
 *
 * Answers that nobody reads are held to a bound in the same way.
 */

export class UnfinishedMessages {
  readonly #maxBytes: number;
  /** Invariant: the sum of the members' bytes. */
  #bytes = 0;
  /** In the order in which their messages began. */
  readonly #members = new Set<UnfinishedMessage>();

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** For one call, which has no message under way yet. `refuse` ends the call. */
  of(refuse: () => void): UnfinishedMessage {
    return new UnfinishedMessage(this, refuse);
  }

  /** Called by members. */
  onChange(member: UnfinishedMessage, byBytes: number): void {
    this.#bytes += byBytes;
    if (member.bytes === 0) this.#members.delete(member);
    else this.#members.add(member);
    while (this.#bytes > this.#maxBytes && this.#members.size > 1) {
      const [oldest] = this.#members;
      if (oldest === undefined) return;
      oldest.clear();
      oldest.refuse();
    }
  }
}

/** The message that one call is receiving, if it is. */
export class UnfinishedMessage {
  readonly #owner: UnfinishedMessages;
  readonly refuse: () => void;
  #bytes = 0;

  constructor(owner: UnfinishedMessages, refuse: () => void) {
    this.#owner = owner;
    this.refuse = refuse;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** So much of it has arrived by now. May end this very call, or others. */
  set(bytes: number): void {
    if (bytes === this.#bytes) return;
    const by = bytes - this.#bytes;
    this.#bytes = bytes;
    this.#owner.onChange(this, by);
  }

  /** It is whole, or the call is over. The next one is young again. */
  clear(): void {
    this.set(0);
  }
}
