/**
 * What happened in a run: a rolling hash over all events, which two runs of one seed must share, and the last of them in
 * words, for the report of a failure.
 */
const REMEMBERED_EVENTS = 50;

interface TracedEvent {
  readonly atMs: number;
  readonly what: string;
  readonly subject: string;
  readonly first: number;
  readonly second: number;
}

export class Trace {
  readonly #last: TracedEvent[] = [];
  #count = 0;
  #low = 0x811c9dc5;
  #high = 0x01000193;

  /** Events so far. */
  get count(): number {
    return this.#count;
  }

  /** 16 hex digits over everything noted so far. */
  get hash(): string {
    return hex(this.#high) + hex(this.#low);
  }

  note(atMs: number, what: string, subject = "", first = 0, second = 0): void {
    this.#foldText(what);
    this.#foldText(subject);
    // Times have a fraction of a millisecond; microseconds are folded.
    this.#fold(Math.floor(atMs * 1000));
    this.#fold(first);
    this.#fold(second);
    this.#last[this.#count % REMEMBERED_EVENTS] = { atMs, what, subject, first, second };
    this.#count += 1;
  }

  /** The last events, oldest first, one line each. */
  lastLines(): string[] {
    const from = Math.max(0, this.#count - REMEMBERED_EVENTS);
    const lines: string[] = [];
    for (let number = from; number < this.#count; number++) {
      const event = this.#last[number % REMEMBERED_EVENTS];
      if (event === undefined) continue;
      lines.push(
        `#${number} ${event.atMs.toFixed(3)} ms ${event.what} ${event.subject} ${event.first} ${event.second}`,
      );
    }
    return lines;
  }

  #foldText(text: string): void {
    let low = this.#low;
    for (let i = 0; i < text.length; i++) low = Math.imul(low ^ text.charCodeAt(i), 0x01000193);
    this.#low = low;
    this.#fold(text.length);
  }

  #fold(value: number): void {
    this.#low = Math.imul(this.#low ^ (value | 0), 0x01000193);
    this.#high = Math.imul(this.#high ^ Math.floor(value / 2 ** 32) ^ (this.#low >>> 7), 0x85ebca6b);
    this.#high ^= this.#high >>> 13;
  }
}

function hex(value: number): string {
  return (value >>> 0).toString(16).padStart(8, "0");
}
