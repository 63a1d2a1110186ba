/**
 * What clients did and what they were told: every send with its outcome, every record that a reader was shown. Written
 * down while a run goes on, by simulated clients or real ones, and judged afterwards by `checkHistory`.
 *
 * Values are whole numbers from 0, each sent once in a run; clients put them into their records and read them back. Times
 * are ms of one monotonic clock, taken before a call is made and after its answer has come.
 */
import { assert } from "../../base/index.ts";
import { Column } from "./columns.ts";

/**
 * `ok`: acknowledged. `fail`: refused, with the promise that it was not written. `info`: nobody knows, as after a timeout.
 * A send that was never completed is `info`.
 */
export type SendOutcome = "ok" | "fail" | "info";

export interface SendCall {
  readonly producer: number;
  readonly topic: string;
  readonly partition: number;
  readonly value: number;
  readonly startedAt: number;
  /** Acknowledged only when all in-sync replicas have it; what other levels acknowledge may be lost, and its place another's. */
  readonly isDurable: boolean;
  /** Sent by a producer without sequences: it may stand twice, and out of order. Default: false. */
  readonly isPlain?: boolean;
}

export interface ReaderCall {
  readonly topic: string;
  readonly partition: number;
  /**
   * `assigned`: reads one partition in order, and may neither skip nor go back. `group`: may go back when the group is
   * dealt out anew. `drain`: reads everything from the log start once all is healed; what it does not see is gone.
   */
  readonly kind: "assigned" | "group" | "drain";
}

export const OUTCOMES = ["info", "ok", "fail"] as const;

/** Of one partition. Rows of sends are in the order of their calls, rows of reads in the order of delivery. */
export class PartitionHistory {
  readonly topic: string;
  readonly partition: number;
  readonly sends = {
    producer: new Column(),
    value: new Column(),
    startedAt: new Column(),
    endedAt: new Column(),
    /** Index into OUTCOMES. */
    outcome: new Column(),
    /** -1 = not told. */
    offset: new Column(),
    isDurable: new Column(),
    isPlain: new Column(),
  };
  readonly reads = { reader: new Column(), offset: new Column(), value: new Column() };
  /** Records below it were deleted because somebody asked for it, or by retention. */
  startOffset = 0;
  /** In the order of their leaderships. */
  readonly leaders: { readonly appendsFrom: number; readonly logStart: number }[] = [];

  constructor(topic: string, partition: number) {
    this.topic = topic;
    this.partition = partition;
  }

  get name(): string {
    return `${this.topic}-${this.partition}`;
  }

  /**
   * Whether who appended the record at `offset` may have known nothing of one at `before`: what a leader knows of producers it has
   * from its log, and that may have begun behind it (decision 0040).
   */
  mayForget(before: number, offset: number): boolean {
    const leader = this.leaders.findLast(({ appendsFrom }) => appendsFrom <= offset);
    return leader !== undefined && before < leader.logStart;
  }
}

/** A send that was begun. */
export interface SendHandle {
  readonly partition: PartitionHistory;
  readonly row: number;
}

export class History {
  readonly #partitions = new Map<string, PartitionHistory>();
  readonly #readers: ReaderCall[] = [];
  #valuesMax = 0;

  get partitions(): Iterable<PartitionHistory> {
    return this.#partitions.values();
  }

  get readers(): readonly ReaderCall[] {
    return this.#readers;
  }

  /** One more than the largest value that was sent. */
  get valuesMax(): number {
    return this.#valuesMax;
  }

  /** Call it in the order in which the producer makes its calls. */
  begin(call: SendCall): SendHandle {
    assert(Number.isSafeInteger(call.value) && call.value >= 0, `${call.value} is no value`);
    const partition = this.#partition(call.topic, call.partition);
    const { sends } = partition;
    const row = sends.value.length;
    sends.producer.push(call.producer);
    sends.value.push(call.value);
    sends.startedAt.push(call.startedAt);
    sends.endedAt.push(Number.POSITIVE_INFINITY);
    sends.outcome.push(OUTCOMES.indexOf("info"));
    sends.offset.push(-1);
    sends.isDurable.push(call.isDurable ? 1 : 0);
    sends.isPlain.push(call.isPlain === true ? 1 : 0);
    this.#valuesMax = Math.max(this.#valuesMax, call.value + 1);
    return { partition, row };
  }

  complete(handle: SendHandle, outcome: SendOutcome, endedAt: number, offset = -1): void {
    const { sends } = handle.partition;
    sends.outcome.set(handle.row, OUTCOMES.indexOf(outcome));
    sends.endedAt.set(handle.row, endedAt);
    sends.offset.set(handle.row, offset);
  }

  /** What lies below `offset` was deleted as it may be: nobody has to see it. */
  deletedBelow(topic: string, partition: number, offset: number): void {
    const history = this.#partition(topic, partition);
    history.startOffset = Math.max(history.startOffset, offset);
  }

  /** A leader begins, with a log from `logStart` on, and appends from `appendsFrom` on. */
  led(topic: string, partition: number, appendsFrom: number, logStart: number): void {
    this.#partition(topic, partition).leaders.push({ appendsFrom, logStart });
  }

  /** A reader begins at a place of its own choice; what follows must be in order. */
  openReader(call: ReaderCall): number {
    this.#partition(call.topic, call.partition);
    return this.#readers.push(call) - 1;
  }

  delivered(reader: number, offset: number, value: number): void {
    const call = this.#readers[reader];
    assert(call !== undefined, `reader ${reader} was never opened`);
    const { reads } = this.#partition(call.topic, call.partition);
    reads.reader.push(reader);
    reads.offset.push(offset);
    reads.value.push(value);
  }

  #partition(topic: string, partition: number): PartitionHistory {
    const key = `${topic}-${partition}`;
    let history = this.#partitions.get(key);
    if (history === undefined) {
      history = new PartitionHistory(topic, partition);
      this.#partitions.set(key, history);
    }
    return history;
  }
}
