/**
 * One PartitionQueue and one replicated partition, small enough for every order of events to be tried. What may happen next is
 * a list of moves, and a run is a function of the moves made, so a search goes back by playing them again.
 *
 * The partition: a leader takes batches in the order of their stream, knows again whatever is in its log (11.1(2)), and answers
 * success below its high watermark only (acks=all). A new leader has all that was committed, and any part of the rest. Answers
 * come in any order, since each waits for the other partitions of its request; a stream that breaks leaves requests in buffers,
 * which are processed later or never. Each record is a batch.
 *
 * The queue is asked for batches after each move, for as long as it has any, and is told what a broker would tell it.
 */
import { type ErrorName, errorRow, readBatchHeader } from "@tidemark/proto";
import type { Batch, Identity, Outcome } from "../../src/core/batch.ts";
import { BatchMemory } from "../../src/core/batch-memory.ts";
import { PartitionQueue, type Shared } from "../../src/core/partition-queue.ts";

const DELIVERY_TIMEOUT_MS = 1_000;

export interface Bounds {
  readonly records: number;
  /** Moves of each kind that are faults, and of all kinds together. */
  readonly faults: Readonly<Record<Fault, number>> & { readonly all: number };
  /** Batches of a producer that a leader knows again without having been loaded: older ones it refuses. */
  readonly remembered: number;
}

export type Fault =
  /** The stream breaks. */
  | "break"
  /** Another leads, with so much of the log. */
  | "lead"
  /** A batch is refused before the append, for now (19). */
  | "refuse"
  /** ... for ever (87). */
  | "reject"
  /** An appended batch is answered before it is committed (7). */
  | "late"
  /** The time of all that waits runs out. */
  | "expire";

export interface Move {
  readonly kind: "append" | "process" | "commit" | "answer" | "zombie" | Fault;
  /** Which answer, which broken stream, or how long the new leader's log is. */
  readonly at: number;
}

interface Sent {
  readonly batch: Batch<number>;
  readonly record: number;
  /** As it was when it was sent. */
  readonly identity: Identity;
}

/** Processed, and not told yet: with its offset, or refused. */
interface Due {
  readonly sent: Sent;
  readonly result: { readonly offset: number; readonly isDuplicate: boolean } | ErrorName;
}

interface Entry {
  readonly record: number;
  readonly identity: Identity;
}

/** A rule was broken. */
export class Broken extends Error {}

export class SmallWorld {
  readonly #bounds: Bounds;
  readonly #shared: Shared<number>;
  readonly #queue: PartitionQueue<number>;
  readonly #outcomes = new Map<number, Outcome>();
  readonly #done: Record<Fault, number> = { break: 0, lead: 0, refuse: 0, reject: 0, late: 0, expire: 0 };
  #taken = 0;
  #nowMs = 0;
  #nextProducerId = 8;
  #log: Entry[] = [];
  #committed = 0;
  /** The leader was loaded when its log was this long: of what is older it knows that it may be there. */
  #loadedAt = 0;
  #stream: Sent[] = [];
  #due: Due[] = [];
  #buffers: Sent[][] = [];
  /** All that the queue was told: what it will do is a function of it. */
  #told = "";

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
    this.#shared = {
      options: {
        batchBytes: 1,
        lingerMs: 0,
        maxInFlight: 5,
        codec: 0,
        isIdempotent: true,
        deliveryTimeoutMs: DELIVERY_TIMEOUT_MS,
        retry: { initialMs: 0, maxMs: 0, jitter: 0 },
        random: () => 0.5,
      },
      memory: new BatchMemory(),
      load: { records: 0, bytes: 0 },
      settled: [],
      isFlushing: false,
      producerId: { id: 7, epoch: 0 },
    };
    this.#queue = new PartitionQueue("t", 0, this.#shared);
  }

  /** Two worlds with the same one go on alike. */
  get fingerprint(): string {
    const sent = (list: readonly Sent[]): string => list.map(({ record, identity }) => nameOf(record, identity)).join();
    const due = this.#due.map(
      ({ sent, result }) => `${sent.record}${typeof result === "string" ? result : result.offset}`,
    );
    const log = this.#log.map(({ record, identity }) => nameOf(record, identity));
    const buffers = this.#buffers.map(sent).sort();
    const faults = Object.values(this.#done).join("");
    return `${this.#told}|${log.join()}|${this.#committed}|${this.#loadedAt}|${sent(this.#stream)}|${due.sort().join()}|${buffers.join("/")}|${faults}`;
  }

  /** What may happen next. None: all is at rest. */
  moves(): Move[] {
    const moves: Move[] = [];
    const add = (kind: Move["kind"], at = 0): void => void moves.push({ kind, at });
    if (this.#taken < this.#bounds.records) add("append");
    if (this.#stream.length > 0) add("process");
    if (this.#committed < this.#log.length) add("commit");
    for (const [at, { result }] of this.#due.entries())
      if (typeof result === "string" || result.offset < this.#committed) add("answer", at);
    for (const at of this.#buffers.keys()) add("zombie", at);
    if (this.#may("break") && this.#stream.length + this.#due.length > 0) add("break");
    if (this.#may("lead")) for (let end = this.#committed; end <= this.#log.length; end += 1) add("lead", end);
    if (this.#may("refuse") && this.#stream.length > 0) add("refuse");
    if (this.#may("reject") && this.#stream.length > 0) add("reject");
    if (this.#may("late"))
      for (const [at, { result }] of this.#due.entries())
        if (typeof result !== "string" && result.offset >= this.#committed) add("late", at);
    if (this.#may("expire") && !this.#queue.isEmpty) add("expire");
    return moves;
  }

  #may(fault: Fault): boolean {
    const { faults } = this.#bounds;
    const all = Object.values(this.#done).reduce((sum, count) => sum + count, 0);
    return this.#done[fault] < faults[fault] && all < faults.all;
  }

  make({ kind, at }: Move): void {
    if (kind in this.#done) this.#done[kind as Fault] += 1;
    switch (kind) {
      case "append":
        this.#told += "a";
        this.#queue.append(0, null, null, null, this.#taken, this.#nowMs);
        this.#taken += 1;
        break;
      case "process":
        this.#process();
        break;
      case "commit":
        this.#committed = this.#log.length;
        break;
      case "answer":
        this.#answer(at);
        break;
      case "zombie":
        this.#zombie(at);
        break;
      case "break":
        this.#break();
        break;
      case "lead":
        this.#lead(at);
        break;
      case "refuse":
      case "reject":
        this.#refuse(kind === "refuse" ? "NOT_ENOUGH_REPLICAS" : "INVALID_RECORD");
        break;
      case "late":
        this.#due[at] = { ...this.#dueAt(at), result: "REQUEST_TIMED_OUT" };
        break;
      case "expire":
        this.#told += "x";
        this.#nowMs += DELIVERY_TIMEOUT_MS;
        this.#queue.expire(this.#nowMs);
    }
    this.#afterwards();
  }

  // ---- the partition ----

  #process(): void {
    const sent = this.#stream.shift();
    if (sent !== undefined) this.#due.push({ sent, result: this.#append(sent) });
  }

  #zombie(at: number): void {
    const buffer = this.#buffers[at];
    const sent = buffer?.shift();
    if (sent !== undefined) this.#append(sent);
    if (buffer?.length === 0) this.#buffers.splice(at, 1);
  }

  /** 11.1: what is there is a duplicate, what comes next is appended, anything else is out of order. */
  #append({ record, identity }: Sent): Due["result"] {
    const { producerId, epoch, sequence } = identity;
    const own = this.#log.flatMap((entry, offset) =>
      entry.identity.producerId === producerId ? [{ ...entry, offset }] : [],
    );
    const last = own.at(-1);
    if (last !== undefined && epoch < last.identity.epoch) return "INVALID_PRODUCER_EPOCH";
    if (last !== undefined && epoch === last.identity.epoch) {
      const same = own.find((entry) => entry.identity.epoch === epoch && entry.identity.sequence === sequence);
      if (same !== undefined)
        return this.#knows(same.offset) ? { offset: same.offset, isDuplicate: true } : OUT_OF_ORDER;
      if (sequence !== last.identity.sequence + 1) return OUT_OF_ORDER;
    }
    if (last !== undefined && epoch > last.identity.epoch && sequence !== 0) return OUT_OF_ORDER;
    this.#mustHold(!this.#log.some((entry) => entry.record === record), `record ${record} is double`);
    this.#mustHold(
      this.#log.every((entry) => entry.record < record),
      `record ${record} comes behind a later one`,
    );
    const told = this.#outcomes.get(record);
    this.#mustHold(told === undefined || mayBeThere(told), `record ${record} was told not to be written`);
    this.#log.push({ record, identity });
    return { offset: this.#log.length - 1, isDuplicate: false };
  }

  #knows(offset: number): boolean {
    const age = this.#log.length - offset;
    return age <= this.#bounds.remembered || this.#log.length - this.#loadedAt < this.#bounds.remembered;
  }

  /** Whoever waits at the old one is told so; what lies in buffers on the way to it, it refuses. */
  #lead(end: number): void {
    this.#log = this.#log.slice(0, end);
    this.#loadedAt = end;
    this.#buffers = [];
    const isOver = ({ result }: Due): boolean => typeof result === "string" || result.offset < this.#committed;
    this.#due = [
      ...this.#due.map((due): Due => (isOver(due) ? due : { ...due, result: "NOT_LEADER_OR_FOLLOWER" })),
      ...this.#stream.splice(0).map((sent): Due => ({ sent, result: "NOT_LEADER_OR_FOLLOWER" })),
    ];
  }

  #refuse(error: ErrorName): void {
    const sent = this.#stream.shift();
    if (sent !== undefined) this.#due.push({ sent, result: error });
  }

  #break(): void {
    const lost = [...this.#due.splice(0).map(({ sent }) => sent), ...this.#stream];
    if (this.#stream.length > 0) this.#buffers.push(this.#stream.splice(0));
    lost.sort((left, right) => left.record - right.record);
    for (const { batch, record } of lost) {
      this.#told += `l${record}`;
      this.#queue.onLost(batch, errorRow("NETWORK_EXCEPTION"));
    }
  }

  // ---- the client ----

  #dueAt(at: number): Due {
    const due = this.#due[at];
    if (due === undefined) throw new Error(`nothing is due at ${at}`);
    return due;
  }

  #answer(at: number): void {
    const { sent, result } = this.#dueAt(at);
    this.#due.splice(at, 1);
    const { batch, record } = sent;
    if (typeof result === "string") {
      this.#told += `r${record}${result}`;
      const row = errorRow(result);
      this.#queue.onAnswer(batch, { kind: "refused", row, message: "", isUnwritten: false }, this.#nowMs);
      return;
    }
    this.#told += `k${record}`;
    const { offset: baseOffset, isDuplicate } = result;
    this.#queue.onAnswer(batch, { kind: "acked", baseOffset, logAppendTime: -1, isDuplicate }, this.#nowMs);
  }

  #afterwards(): void {
    for (;;) {
      this.#collect();
      if (this.#queue.wantsProducerId) {
        this.#shared.producerId = { id: this.#nextProducerId, epoch: 0 };
        this.#nextProducerId += 1;
      }
      const batch = this.#queue.take(this.#nowMs);
      if (batch === null) break;
      const { producerId, producerEpoch: epoch, baseSequence: sequence } = readBatchHeader(batch.records, 0);
      const [record] = batch.completions;
      if (record === undefined) throw new Error("a batch is without its record");
      this.#stream.push({ batch, record, identity: { producerId, epoch, sequence } });
    }
    this.#collect();
  }

  #collect(): void {
    for (const { batch, outcome } of this.#shared.settled.splice(0))
      for (const record of batch.completions) {
        this.#mustHold(!this.#outcomes.has(record), `record ${record} was told twice`);
        this.#outcomes.set(record, outcome);
        this.#judge(record, outcome);
      }
  }

  // ---- what must hold ----

  #judge(record: number, outcome: Outcome): void {
    const offset = this.#log.findIndex((entry) => entry.record === record);
    if (outcome.kind === "acked") {
      this.#mustHold(offset >= 0 && offset < this.#committed, `record ${record} was acknowledged and is not committed`);
      const { baseOffset } = outcome;
      this.#mustHold(
        baseOffset === -1 || baseOffset === offset,
        `record ${record} is at ${offset}, told was ${baseOffset}`,
      );
      return;
    }
    this.#mustHold(offset === -1 || mayBeThere(outcome), `record ${record} was told not to be written`);
    // Neither did time run out, nor was anything refused for good: then nobody has to be left in doubt.
    const { expire, reject } = this.#done;
    this.#mustHold(expire + reject > 0, `record ${record} ended as ${outcome.kind} for no reason`);
  }

  /** To be called when nothing can happen any more. */
  judgeAtRest(): void {
    const { records } = this.#bounds;
    this.#mustHold(this.#queue.isEmpty && this.#outcomes.size === records, "it does not come to rest");
    const { load } = this.#shared;
    this.#mustHold(load.records === 0 && load.bytes === 0, `it holds ${load.records} records at rest`);
  }

  #mustHold(isSo: boolean, what: string): void {
    if (!isSo) throw new Broken(what);
  }
}

const OUT_OF_ORDER = "OUT_OF_ORDER_SEQUENCE_NUMBER";

function nameOf(record: number, { producerId, epoch, sequence }: Identity): string {
  return `${record}:${producerId}.${epoch}.${sequence}`;
}

function mayBeThere(outcome: Outcome): boolean {
  return outcome.kind === "acked" || outcome.mayBeWritten;
}

export interface Found {
  readonly states: number;
  readonly depth: number;
  /** What was broken, and the moves that led there; null: nothing. */
  readonly broken: { readonly what: string; readonly moves: readonly Move[] } | null;
}

/** Every order of moves within the bounds, each state once; ends with the first rule that is broken. */
export function searchAll(bounds: Bounds): Found {
  const seen = new Set<string>();
  let depth = 0;
  const replay = (moves: readonly Move[]): SmallWorld => {
    const world = new SmallWorld(bounds);
    for (const move of moves) world.make(move);
    return world;
  };
  const path: Move[] = [];
  const visit = (world: SmallWorld): void => {
    const { fingerprint } = world;
    if (seen.has(fingerprint)) return;
    seen.add(fingerprint);
    depth = Math.max(depth, path.length);
    const moves = world.moves();
    if (moves.length === 0) return world.judgeAtRest();
    for (const [index, move] of moves.entries()) {
      const next = index === 0 ? world : replay(path);
      path.push(move);
      next.make(move);
      visit(next);
      path.pop();
    }
  };
  try {
    visit(new SmallWorld(bounds));
  } catch (error: unknown) {
    if (!(error instanceof Broken)) throw error;
    return { states: seen.size, depth, broken: { what: error.message, moves: [...path] } };
  }
  return { states: seen.size, depth, broken: null };
}
