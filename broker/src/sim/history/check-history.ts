/**
 * The history checker: was every promise kept, as far as clients could see? The classes are those of Jepsen's Kafka
 * workload (`jepsen/src/jepsen/tests/kafka.clj`) that need no transaction, plus real time, which makes the log linearizable, and
 * records in a foreign partition (CVE-2026-35554).
 *
 * Two views meet here: what producers were told (value, offset) and what readers were shown. Each step is linear in the
 * history.
 */
import type { History, PartitionHistory, ReaderCall } from "./history.ts";
import { OUTCOMES } from "./history.ts";

export type Anomaly =
  /** Acknowledged or shown to a reader, and gone, with later records behind its place. */
  | "lost-write"
  /** Acknowledged or shown to a reader, and the log ends before it. */
  | "unseen"
  /** Two values at one offset. */
  | "inconsistent-offsets"
  /** One value at two offsets. */
  | "duplicate"
  /** The value of a send that was refused was read. */
  | "G1a"
  /** A value was read that was sent to another partition, or by nobody. */
  | "foreign-value"
  /** A producer's sends to one partition lie out of order. */
  | "nonmonotonic-send"
  /** A send that was acknowledged before another was called lies behind it. */
  | "real-time"
  /** A reader passed over a record that is there. */
  | "poll-skip"
  /** A reader went back. */
  | "nonmonotonic-poll"
  /** Acknowledged sends, and nobody read the partition to its end: the history proves nothing. */
  | "not-drained";

export interface AnomalyReport {
  readonly anomaly: Anomaly;
  /** Whether a correct cluster never shows it. */
  readonly isFatal: boolean;
  readonly count: number;
  /** The first few, one sentence each. */
  readonly examples: readonly string[];
}

export interface Verdict {
  /** No fatal anomaly. */
  readonly isValid: boolean;
  readonly anomalies: readonly AnomalyReport[];
  readonly sends: Readonly<Record<(typeof OUTCOMES)[number], number>>;
  readonly reads: number;
}

export interface CheckOptions {
  /** Producers were idempotent but for those that were plain: a record stands once, and in the order of its producer. */
  readonly isIdempotent: boolean;
}

const EXAMPLES_MAX = 5;
const NOWHERE = -1;

export function checkHistory(history: History, options: CheckOptions): Verdict {
  const findings = new Findings(options);
  const owners = ownersOf(history);
  const sends = { info: 0, ok: 0, fail: 0 };
  let reads = 0;
  for (const partition of history.partitions) {
    const log = new ObservedLog(partition, history.valuesMax, findings);
    checkOrigins(partition, owners, findings);
    checkLosses(partition, log, history.readers, findings);
    checkSendOrder(partition, log, findings);
    checkRealTime(partition, log, findings);
    checkReaders(partition, log, history.readers, findings);
    reads += partition.reads.value.length;
    const { outcome } = partition.sends;
    for (let row = 0; row < outcome.length; row++) sends[OUTCOMES[outcome.at(row)] ?? "info"] += 1;
  }
  const anomalies = findings.reports();
  return { isValid: anomalies.every(({ isFatal }) => !isFatal), anomalies, sends, reads };
}

class Findings {
  readonly #options: CheckOptions;
  readonly #found = new Map<string, { anomaly: Anomaly; isFatal: boolean; count: number; examples: string[] }>();

  constructor(options: CheckOptions) {
    this.#options = options;
  }

  add(anomaly: Anomaly, example: () => string, isFatal = true): void {
    const key = `${anomaly} ${isFatal}`;
    let report = this.#found.get(key);
    if (report === undefined) {
      report = { anomaly, isFatal, count: 0, examples: [] };
      this.#found.set(key, report);
    }
    report.count += 1;
    if (report.examples.length < EXAMPLES_MAX) report.examples.push(example());
  }

  reports(): AnomalyReport[] {
    return [...this.#found.values()];
  }

  /** Of what a producer without sequences may cause; `isExcused`: so did this one, or nobody could know of its sequences. */
  addOrder(anomaly: "duplicate" | "nonmonotonic-send", isExcused: boolean, example: () => string): void {
    this.add(anomaly, example, this.#options.isIdempotent && !isExcused);
  }
}

/** Which partition, by its place in the history, a value was sent to; NOWHERE = none. */
function ownersOf(history: History): { readonly of: Int32Array; readonly names: readonly string[] } {
  const of = new Int32Array(history.valuesMax).fill(NOWHERE);
  const names: string[] = [];
  for (const { name, sends } of history.partitions) {
    for (let row = 0; row < sends.value.length; row++) of[sends.value.at(row)] = names.length;
    names.push(name);
  }
  return { of, names };
}

/** What stands at which offset, according to all who were told or shown it. */
class ObservedLog {
  /** By offset; NOWHERE = nobody knows of a record there. */
  readonly valueAt: Float64Array;
  /** By value: its lowest offset; NOWHERE = none. */
  readonly offsetOf: Float64Array;
  /** By offset: how many known records stand below it. */
  readonly #knownBelow: Int32Array;

  constructor(partition: PartitionHistory, valuesMax: number, findings: Findings) {
    const { sends, reads, name } = partition;
    const plain = new Set<number>();
    let end = 0;
    for (let row = 0; row < sends.offset.length; row++) end = Math.max(end, sends.offset.at(row) + 1);
    for (let row = 0; row < reads.offset.length; row++) end = Math.max(end, reads.offset.at(row) + 1);
    this.valueAt = new Float64Array(end).fill(NOWHERE);
    this.offsetOf = new Float64Array(valuesMax).fill(NOWHERE);
    const note = (offset: number, value: number): void => {
      const known = this.valueAt[offset] ?? NOWHERE;
      if (known !== NOWHERE && known !== value)
        findings.add("inconsistent-offsets", () => `${name}: values ${known} and ${value} at offset ${offset}`);
      this.valueAt[offset] = value;
      const before = this.offsetOf[value] ?? NOWHERE;
      if (before !== NOWHERE && before !== offset)
        findings.addOrder(
          "duplicate",
          plain.has(value) || partition.mayForget(Math.min(before, offset), Math.max(before, offset)),
          () => `${name}: value ${value} at offsets ${before} and ${offset}`,
        );
      if (before === NOWHERE || offset < before) this.offsetOf[value] = offset;
    };
    for (let row = 0; row < sends.isPlain.length; row++)
      if (sends.isPlain.at(row) === 1) plain.add(sends.value.at(row));
    for (let row = 0; row < sends.offset.length; row++) {
      // The place of what may be lost may become another's.
      if (sends.offset.at(row) >= 0 && sends.isDurable.at(row) === 1) note(sends.offset.at(row), sends.value.at(row));
    }
    for (let row = 0; row < reads.offset.length; row++) note(reads.offset.at(row), reads.value.at(row));
    this.#knownBelow = new Int32Array(end + 1);
    for (let offset = 0; offset < end; offset++) {
      const isKnown = (this.valueAt[offset] ?? NOWHERE) !== NOWHERE;
      this.#knownBelow[offset + 1] = (this.#knownBelow[offset] ?? 0) + (isKnown ? 1 : 0);
    }
  }

  /** Known records with from <= offset < to. */
  knownBetween(from: number, to: number): number {
    return (this.#knownBelow[to] ?? 0) - (this.#knownBelow[from] ?? 0);
  }
}

function checkOrigins(
  { sends, reads, name }: PartitionHistory,
  owners: ReturnType<typeof ownersOf>,
  findings: Findings,
): void {
  const own = owners.names.indexOf(name);
  for (let row = 0; row < reads.value.length; row++) {
    const value = reads.value.at(row);
    const owner = owners.of[value] ?? NOWHERE;
    if (owner === own) continue;
    const whose = owner === NOWHERE ? "nobody sent it" : `it was sent to ${owners.names[owner]}`;
    findings.add("foreign-value", () => `${name}: value ${value} at offset ${reads.offset.at(row)}; ${whose}`);
  }
  const refused = new Set<number>();
  for (let row = 0; row < sends.value.length; row++) {
    if (OUTCOMES[sends.outcome.at(row)] === "fail") refused.add(sends.value.at(row));
  }
  if (refused.size === 0) return;
  for (let row = 0; row < reads.value.length; row++) {
    const value = reads.value.at(row);
    if (refused.delete(value)) findings.add("G1a", () => `${name}: value ${value} was refused, and was read`);
  }
}

/** Whatever was acknowledged, and whatever anybody was shown, must be there at the end. */
function checkLosses(
  { sends, reads, name, startOffset }: PartitionHistory,
  log: ObservedLog,
  readers: readonly ReaderCall[],
  findings: Findings,
): void {
  const isDrain = (row: number): boolean => readers[reads.reader.at(row)]?.kind === "drain";
  const drained = new Set<number>();
  let drainedEnd = 0;
  for (let row = 0; row < reads.value.length; row++) {
    if (!isDrain(row)) continue;
    drained.add(reads.value.at(row));
    drainedEnd = Math.max(drainedEnd, reads.offset.at(row) + 1);
  }
  const hasDrain = readers.some((call) => call.kind === "drain" && `${call.topic}-${call.partition}` === name);
  const expect = (value: number, offset: number, why: string): void => {
    // One that nobody knows the place of may have been among those that were deleted.
    if (drained.has(value) || (startOffset > 0 && offset < startOffset)) return;
    drained.add(value);
    findings.add(
      offset < drainedEnd ? "lost-write" : "unseen",
      () => `${name}: value ${value} at offset ${offset} ${why}`,
    );
  };
  for (let row = 0; row < sends.value.length; row++) {
    if (OUTCOMES[sends.outcome.at(row)] !== "ok" || sends.isDurable.at(row) === 0) continue;
    if (!hasDrain) {
      findings.add("not-drained", () => `${name} was never read to its end`);
      return;
    }
    const value = sends.value.at(row);
    expect(value, log.offsetOf[value] ?? NOWHERE, "was acknowledged and is gone");
  }
  if (!hasDrain) return;
  for (let row = 0; row < reads.value.length; row++)
    expect(reads.value.at(row), reads.offset.at(row), "was shown to a reader and is gone");
}

function checkSendOrder({ sends, name }: PartitionHistory, log: ObservedLog, findings: Findings): void {
  const newest = new Map<number, number>();
  for (let row = 0; row < sends.value.length; row++) {
    const value = sends.value.at(row);
    const offset = log.offsetOf[value] ?? NOWHERE;
    if (offset === NOWHERE) continue;
    const producer = sends.producer.at(row);
    const before = newest.get(producer) ?? NOWHERE;
    if (offset < before)
      findings.addOrder(
        "nonmonotonic-send",
        sends.isPlain.at(row) === 1,
        () => `${name}: producer ${producer}: value ${value} at ${offset}, an earlier send at ${before}`,
      );
    else newest.set(producer, offset);
  }
}

/** From the last record back: nobody behind a record may have been acknowledged before that record was sent. */
function checkRealTime({ sends, name }: PartitionHistory, log: ObservedLog, findings: Findings): void {
  const rowOf = new Map<number, number>();
  for (let row = 0; row < sends.value.length; row++) rowOf.set(sends.value.at(row), row);
  let earliestEnd = Number.POSITIVE_INFINITY;
  let earliest = NOWHERE;
  for (let offset = log.valueAt.length - 1; offset >= 0; offset--) {
    const value = log.valueAt[offset] ?? NOWHERE;
    const row = rowOf.get(value);
    // A value with two places has been reported; its order says nothing more.
    if (row === undefined || log.offsetOf[value] !== offset) continue;
    if (earliestEnd < sends.startedAt.at(row)) {
      const ahead = earliest;
      findings.add(
        "real-time",
        () => `${name}: value ${ahead} was acknowledged before ${value} was sent, and lies behind it`,
      );
    }
    if (OUTCOMES[sends.outcome.at(row)] !== "ok" || sends.endedAt.at(row) >= earliestEnd) continue;
    earliestEnd = sends.endedAt.at(row);
    earliest = value;
  }
}

function checkReaders(
  { reads, name, startOffset }: PartitionHistory,
  log: ObservedLog,
  readers: readonly ReaderCall[],
  findings: Findings,
): void {
  const positions = new Map<number, number>();
  for (let row = 0; row < reads.offset.length; row++) {
    const reader = reads.reader.at(row);
    const offset = reads.offset.at(row);
    const next = positions.get(reader) ?? NOWHERE;
    const isFatal = readers[reader]?.kind !== "group";
    if (next !== NOWHERE && offset < next)
      findings.add("nonmonotonic-poll", () => `${name}: reader ${reader} was at ${next}, then got ${offset}`, isFatal);
    // A drain begins at the log start; the others where they were told to. What was deleted may be passed over.
    const begin = next === NOWHERE && readers[reader]?.kind === "drain" ? 0 : next;
    const from = begin === NOWHERE ? NOWHERE : Math.max(begin, startOffset);
    if (from !== NOWHERE && offset > from && log.knownBetween(from, offset) > 0)
      findings.add("poll-skip", () => `${name}: reader ${reader} was at ${begin}, then got ${offset}`, isFatal);
    positions.set(reader, offset + 1);
  }
}
