/**
 * The batches of one partition on their way into its log: queued, checked, handed over, written, and parked until what their
 * acks wait for has come.
 *
 * Batches queue up and are worked off once per turn (3.1): check → producer check → expected end (15.5) → append each, then
 * ONE write, then the watermark, then the answers. Between the first check and the hand-over of the last batch nothing is
 * awaited. The one exception is the look-up of 11.1(2): it runs beside, the producer's later batches wait behind it, and
 * all checks are made again afterwards.
 *
 * While the disk is slow the log writes off the loop, and write, watermark and answers follow in a later turn
 * (`onWritten`); what the log cannot take in beside that write stays queued. A batch's bytes are let go when its write has
 * ended, even if it was answered before: out of time, or the leadership lost (P34).
 *
 * Who waits, and for what (8.1, 8.2, 15.1(2)); a duplicate waits exactly as its original would:
 *   acks=none    the write         acks=leader  the write; in `fsync-each` its sync
 *   acks=all     highWatermark > lastOffset
 *
 * Invariant: a batch is answered without error only if it lies below the written end at that moment. What a failed write
 * took back, and every duplicate of it, is answered KAFKA_STORAGE_ERROR (3.1(12)).
 */
import type { ErrorName } from "@tidemark/proto";
import { readBatchHeader, setLogAppendTime } from "@tidemark/proto";
import { assert } from "../base/index.ts";
import type { LeaderEpoch, Ms, Offset } from "../base/index.ts";
import type { DiskFault } from "../ports/index.ts";
import { checkProducer } from "../replication/index.ts";
import type { KnownBatch, PartitionLeader } from "../replication/index.ts";
import type { PartitionLog } from "../storage/index.ts";
import type { AppendTask, LogEnd } from "./append-task.ts";
import { ParkedQueue } from "./parked-queue.ts";
import type { PartitionDeps, PartitionSettings } from "./partition.ts";
import { ProducerLookUps } from "./producer-look-ups.ts";
import type { LookUpOwner } from "./producer-look-ups.ts";

/** The partition, which may end its leadership inside each of its calls. */
export interface AppendsOwner {
  readonly settings: PartitionSettings;
  readonly leaderEpoch: LeaderEpoch;
  /** Why it takes and answers no more; NONE while it leads. */
  readonly closedCode: ErrorName;
  /** A write has ended, with all of its batches or with a fault: what follows the written end moves. */
  onWriteEnd(fault: DiskFault | null): void;
  onFault(fault: DiskFault): void;
  /** The log could not be read. */
  onReadFault(): void;
}

export class PartitionAppends implements LookUpOwner {
  readonly #owner: AppendsOwner;
  readonly #log: PartitionLog;
  readonly #leader: PartitionLeader;
  readonly #deps: Pick<PartitionDeps, "clock" | "turn" | "purgatory" | "reserve">;

  /** Arrived since the last drain, in order. */
  #queue: AppendTask[] = [];
  /** The other of two arrays that take turns, so that a drain allocates none. */
  #spareQueue: AppendTask[] = [];
  #isDrainAsked = false;
  /** Appended and not written yet, with the duplicates among them; empty between turns but while a write is in flight. */
  readonly #handedOver: AppendTask[] = [];
  /** Made with the first look-up. */
  #lookUps: ProducerLookUps | null = null;
  readonly #forHighWatermark = new ParkedQueue();
  readonly #forSync = new ParkedQueue();
  readonly #drain = (): void => this.#drainQueue();
  readonly #onExpired = (late: AppendTask): void => this.#expire(late);

  constructor(owner: AppendsOwner, log: PartitionLog, leader: PartitionLeader, deps: PartitionDeps) {
    this.#owner = owner;
    this.#log = log;
    this.#leader = leader;
    this.#deps = deps;
  }

  /** Takes a checked batch in. Its owner hears of it in this turn's end or later. */
  append(task: AppendTask): void {
    this.#queue.push(task);
    this.#askForDrain();
  }

  /** Nothing queued, looked up, being written or parked, but for what other replicas lack: this one has all below `endOffset`. */
  isQuiet(endOffset: Offset): boolean {
    return (
      this.#queue.length === 0 &&
      this.#handedOver.length === 0 &&
      (this.#lookUps?.isEmpty ?? true) &&
      this.#forHighWatermark.newest < endOffset &&
      this.#forSync.length === 0
    );
  }

  // ---- the turn ----

  #askForDrain(): void {
    if (this.#isDrainAsked) return;
    this.#isDrainAsked = true;
    this.#deps.turn.work(this.#drain);
  }

  #drainQueue(): void {
    this.#isDrainAsked = false;
    const queue = this.#queue;
    this.#queue = this.#spareQueue;
    const now = this.#deps.clock.wallNow();
    const startedAt = this.#deps.clock.monotonicNow();
    let takenCount = 0;
    for (const task of queue) {
      task.startedAt = startedAt;
      if (!this.#take(task, now)) break;
      takenCount++;
    }
    if (takenCount < queue.length) this.#putBack(queue.slice(takenCount));
    queue.length = 0;
    this.#spareQueue = queue;
    this.#write();
  }

  /** Before a write that is in flight has ended the log takes no more; `onWritten` goes on with these. */
  #putBack(tasks: readonly AppendTask[]): void {
    this.#queue.unshift(...tasks);
    for (const task of tasks) if (task.purgatorySlot === -1) this.#park(task, "queue");
  }

  /** False: not now. */
  #take(task: AppendTask, now: Ms): boolean {
    this.#deps.purgatory.release(task);
    if (this.#owner.closedCode !== "NONE") return this.#refuse(task, this.#owner.closedCode);
    const { header } = task;
    if (task.acks === "all") {
      const refusal = this.#leader.admitAcksAll();
      if (refusal !== null) return this.#refuse(task, refusal);
    }
    if (header.hasProducerId) {
      if (this.#lookUps?.join(task) === true) return this.#park(task, "lookUp");
      const verdict = checkProducer(this.#log.producer(header.producerId), header);
      if (verdict.kind === "refuse") return this.#refuse(task, verdict.code, sequenceMessage(task, this.#log));
      if (verdict.kind === "duplicate") return this.#takeDuplicate(task, verdict.batch);
      if (verdict.kind === "lookUp") return this.#takeOlder(task);
    }
    const { expectedEnd } = task;
    if (expectedEnd !== null) {
      const refusal = this.#refusalAtEnd(expectedEnd);
      if (refusal !== null) return this.#refuseAtEnd(task, expectedEnd, refusal);
    }
    return this.#append(task, now);
  }

  /** 15.5: after the duplicates, so that a retry finds its own batch, and in the stretch that gives the offset. */
  #refusalAtEnd({ offset, leaderEpoch }: LogEnd): ErrorName | null {
    const current = this.#owner.leaderEpoch;
    if (leaderEpoch >= 0 && leaderEpoch < current) return "FENCED_LEADER_EPOCH";
    if (leaderEpoch > current) return "UNKNOWN_LEADER_EPOCH";
    return offset === this.#log.logEndOffset ? null : "EXPECTED_OFFSET_MISMATCH";
  }

  #refuseAtEnd(task: AppendTask, expected: LogEnd, code: ErrorName): true {
    const { leaderEpoch } = this.#owner;
    const offset = this.#log.logEndOffset;
    if (code === "EXPECTED_OFFSET_MISMATCH") {
      task.logEnd = { offset, leaderEpoch };
      return this.#refuse(task, code, `the log ends at ${offset} and not at ${expected.offset}: nothing was written`);
    }
    return this.#refuse(task, code, `the leader epoch is ${leaderEpoch} and not ${expected.leaderEpoch}`);
  }

  #append(task: AppendTask, now: Ms): boolean {
    const { reserve } = this.#deps;
    if (!reserve.hasRoom(task.header.sizeBytes)) {
      task.isUnwritten = true;
      return this.#refuse(task, "KAFKA_STORAGE_ERROR", reserve.fullMessage);
    }
    if (this.#owner.settings.isLogAppendTime) {
      setLogAppendTime(task.bytes, 0, now);
      task.header = readBatchHeader(task.bytes, 0);
      task.logAppendTime = now;
    }
    const result = this.#log.append(task.bytes, task.header, this.#owner.leaderEpoch, now, task.memory);
    if (!result.ok) {
      if (result.code === "LATER") return false;
      task.isUnwritten = true;
      this.#refuse(task, result.code, result.code === "KAFKA_STORAGE_ERROR" ? refusalOf(result.fault) : "");
      if (result.fault !== null) this.#owner.onFault(result.fault);
      return true;
    }
    task.baseOffset = result.baseOffset;
    task.lastOffset = result.lastOffset;
    this.#handedOver.push(task);
    return true;
  }

  /** A sequence that this process has not seen: only the log can tell a duplicate from a batch that never was. */
  #takeOlder(task: AppendTask): true {
    const { lookedUp } = task;
    if (lookedUp === undefined) return this.#lookUp(task);
    if (lookedUp !== null) return this.#takeDuplicate(task, lookedUp);
    return this.#refuse(task, "OUT_OF_ORDER_SEQUENCE_NUMBER", sequenceMessage(task, this.#log));
  }

  /** Writes nothing; the rest of its way is that of the original, whose write may still fail (P73). */
  #takeDuplicate(task: AppendTask, original: KnownBatch): true {
    task.baseOffset = original.baseOffset;
    task.lastOffset = original.lastOffset;
    task.isDuplicate = true;
    if (this.#owner.settings.isLogAppendTime) task.logAppendTime = original.timestamp;
    this.#handedOver.push(task);
    return true;
  }

  #write(): void {
    if (this.#handedOver.length === 0) return;
    this.#leader.onAppended(this.#log.logEndOffset, this.#deps.clock.monotonicNow());
    this.#onWriteEnd(this.#log.writeAppended());
  }

  /** A write off the loop has ended. */
  onWritten(fault: DiskFault | null): void {
    this.#onWriteEnd(fault);
    if (this.#queue.length > 0) this.#askForDrain();
  }

  /** Deals with every batch whose fate is known. */
  #onWriteEnd(fault: DiskFault | null): void {
    this.#owner.onWriteEnd(fault);
    // A fault, of this write or of a roll before it, ends the leadership in this very stretch: nobody is parked any more.
    if (this.#owner.closedCode !== "NONE") return this.#refuseUnwritten(this.#owner.closedCode);
    const tasks = this.#handedOver;
    const writtenEnd = this.#log.writtenEndOffset;
    let unwrittenCount = 0;
    for (const task of tasks) {
      if (task.lastOffset >= writtenEnd && fault === null) {
        // Its write is in flight, or waits for the one that is.
        tasks[unwrittenCount++] = task;
        if (!task.isDone && task.purgatorySlot === -1) this.#park(task, "write");
        continue;
      }
      this.#deps.purgatory.release(task);
      this.#letGo(task);
      if (task.isDone) continue;
      if (task.lastOffset < writtenEnd) this.#settle(task);
      else this.#answerWith(task, "KAFKA_STORAGE_ERROR", messageOf(fault));
    }
    while (tasks.length > unwrittenCount) tasks.pop();
  }

  /** Answers a written batch, or parks it for what its acks wait for. */
  #settle(task: AppendTask): void {
    if (task.acks === "all") {
      if (task.lastOffset < this.#leader.highWatermark) return this.#answerCommitted(task);
      this.#forHighWatermark.push(task);
      this.#park(task, "highWatermark");
    } else if (
      task.acks === "leader" &&
      this.#log.config.durability === "fsync-each" &&
      task.lastOffset >= this.#log.syncedEndOffset
    ) {
      this.#forSync.push(task);
      this.#park(task, "sync");
    } else {
      this.#answer(task);
    }
  }

  #park(task: AppendTask, waitsFor: AppendTask["waitsFor"]): true {
    task.onExpired = this.#onExpired;
    task.waitsFor = waitsFor;
    this.#deps.purgatory.park(task);
    return true;
  }

  // ---- the look-up of 11.1(2) ----

  #lookUp(task: AppendTask): true {
    this.#lookUps ??= new ProducerLookUps(this.#log, this);
    this.#lookUps.begin(task);
    return this.#park(task, "lookUp");
  }

  /** Of a look-up: its task goes through all checks again, now with its finding, and the producer's later batches behind it. */
  onLookedUp(tasks: AppendTask[]): void {
    this.#queue.unshift(...tasks);
    this.#askForDrain();
  }

  /** Of a look-up. */
  onLookUpFailed(tasks: AppendTask[]): void {
    this.#owner.onReadFault();
    for (const task of tasks) {
      this.#deps.purgatory.release(task);
      this.#refuse(task, "KAFKA_STORAGE_ERROR");
    }
  }

  // ---- what they wait for comes ----

  onHighWatermark(highWatermark: Offset): void {
    const waiting = this.#forHighWatermark;
    for (let task = waiting.takeBelow(highWatermark); task !== null; task = waiting.takeBelow(highWatermark)) {
      this.#deps.purgatory.release(task);
      this.#answerCommitted(task);
    }
  }

  onSynced(syncedEnd: Offset): void {
    for (let task = this.#forSync.takeBelow(syncedEnd); task !== null; task = this.#forSync.takeBelow(syncedEnd)) {
      this.#deps.purgatory.release(task);
      this.#answer(task);
    }
  }

  #expire(task: AppendTask): void {
    if (task.waitsFor === "write") {
      // Its bytes stay until the write has ended.
      this.#answerWith(task, "REQUEST_TIMED_OUT");
      return;
    }
    if (task.waitsFor === "highWatermark") this.#forHighWatermark.remove(task);
    else if (task.waitsFor === "sync") this.#forSync.remove(task);
    else if (task.waitsFor === "lookUp") this.#lookUps?.remove(task);
    else {
      assert(this.#queue.includes(task), "a batch stands where it waits");
      this.#queue.splice(this.#queue.indexOf(task), 1);
    }
    this.#refuse(task, "REQUEST_TIMED_OUT");
  }

  // ---- the end of a leadership ----

  /** Everything that waits is answered `code` in this same stretch (8.2). */
  close(code: ErrorName): void {
    this.#refuseUnwritten(code);
    const waiting = [...this.#forHighWatermark.takeAll(), ...this.#forSync.takeAll()];
    waiting.push(...(this.#lookUps?.takeAll() ?? []));
    waiting.push(...this.#queue.splice(0));
    for (const task of waiting) {
      this.#deps.purgatory.release(task);
      this.#refuse(task, code);
    }
  }

  /** Answers at once whoever waits for a write. Their bytes go when it has ended, and nobody calls this partition for that. */
  #refuseUnwritten(code: ErrorName): void {
    const tasks = this.#handedOver.splice(0);
    if (tasks.length === 0) return;
    const isInFlight = this.#log.writtenEndOffset < this.#log.logEndOffset;
    for (const task of tasks) {
      this.#deps.purgatory.release(task);
      if (!isInFlight) this.#letGo(task);
      if (!task.isDone) this.#answerWith(task, code);
    }
    if (!isInFlight) return;
    void this.#log.whenWritten().then(() => {
      for (const task of tasks) this.#letGo(task);
    });
  }

  // ---- answers ----

  #answerCommitted(task: AppendTask): void {
    const refusal = this.#leader.committed();
    if (refusal !== null) this.#refuse(task, refusal);
    else this.#answer(task);
  }

  #refuse(task: AppendTask, code: ErrorName, message = ""): true {
    this.#letGo(task);
    this.#answerWith(task, code, message);
    return true;
  }

  #answerWith(task: AppendTask, code: ErrorName, message = ""): void {
    task.code = code;
    task.message = message;
    this.#answer(task);
  }

  #letGo(task: AppendTask): void {
    if (task.isTaken) return;
    task.isTaken = true;
    task.releaseBytes();
    task.owner.onAppendTaken(task);
  }

  #answer(task: AppendTask): void {
    assert(!task.isDone, "a batch was answered twice");
    task.isDone = true;
    task.owner.onAppendDone(task);
  }
}

/** What a producer is told of a log that did not take its batch in. */
function refusalOf(fault: DiskFault | null): string {
  return fault === null ? "the log takes nothing in now: the batch was not written" : messageOf(fault);
}

/** What a producer is told of a write that failed and was cut back. */
function messageOf(fault: DiskFault | null): string {
  if (fault === null) return "";
  return fault.kind === "ENOSPC" ? "the disk is full: the batch was not written" : `the write failed: ${fault.kind}`;
}

function sequenceMessage(task: AppendTask, log: PartitionLog): string {
  const { header } = task;
  const known = log.producer(header.producerId);
  const expected =
    known === undefined
      ? ""
      : `; the newest batch here has epoch ${known.producerEpoch} and ends at sequence ${known.lastSequence}`;
  return `producer ${header.producerId}, epoch ${header.producerEpoch}, sequences ${header.baseSequence} to ${header.lastSequence}${expected}`;
}
