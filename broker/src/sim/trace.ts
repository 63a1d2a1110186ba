/**
 * What happened in a run: a rolling hash over all events, which two runs of one seed must share, and the last of them in
 * words, for the report of a failure.
 */
const REMEMBERED_EVENTS = 50;
const REMEMBERED_TALE = 120;

interface TracedEvent {
  readonly atMs: number;
  readonly what: string;
  readonly subject: string;
  readonly first: number;
  readonly second: number;
}

export class Trace {
  readonly #last: TracedEvent[] = [];
  readonly #tale: { readonly number: number; readonly event: TracedEvent }[] = [];
  /** Of the event behind which the run ends: it is the last that is remembered. Infinity: it goes on. */
  stopAt = Number.POSITIVE_INFINITY;
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

  /** The run is to end here; whoever drives it sees to that. */
  get isStopped(): boolean {
    return this.#count > this.stopAt;
  }

  note(atMs: number, what: string, subject = "", first = 0, second = 0): void {
    if (this.isStopped) return;
    this.#foldText(what);
    this.#foldText(subject);
    // Times have a fraction of a millisecond; microseconds are folded.
    this.#fold(Math.floor(atMs * 1000));
    this.#fold(first);
    this.#fold(second);
    this.#last[this.#count % REMEMBERED_EVENTS] = { atMs, what, subject, first, second };
    this.#count += 1;
  }

  /** As `note`; it is remembered for longer. */
  tell(atMs: number, what: string, subject: string, first: number, second: number): void {
    this.note(atMs, what, subject, first, second);
    this.#tale.push({ number: this.#count - 1, event: { atMs, what, subject, first, second } });
    if (this.#tale.length > REMEMBERED_TALE) this.#tale.shift();
  }

  /** Takes part in the hash, and is not remembered. */
  fold(atMs: number, first: number): void {
    this.#fold(Math.floor(atMs * 1000));
    this.#fold(first);
  }

  /** The last events, oldest first, one line each. */
  lastLines(): string[] {
    const from = Math.max(0, this.#count - REMEMBERED_EVENTS);
    const lines: string[] = [];
    for (let number = from; number < this.#count; number++) {
      const event = this.#last[number % REMEMBERED_EVENTS];
      if (event !== undefined) lines.push(lineOf(number, event));
    }
    return lines;
  }

  /** The last of what was told, and all of the last events among and behind them. */
  tellLines(): string[] {
    const from = Math.max(0, this.#count - REMEMBERED_EVENTS);
    const tale = this.#tale.filter(({ number }) => number < from).map(({ number, event }) => lineOf(number, event));
    return [...tale, ...this.lastLines()];
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

function lineOf(number: number, { atMs, what, subject, first, second }: TracedEvent): string {
  return `#${number} ${atMs.toFixed(3)} ms ${what} ${subject} ${first} ${second}`;
}

function hex(value: number): string {
  return (value >>> 0).toString(16).padStart(8, "0");
}
