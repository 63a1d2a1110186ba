/**
 * The replication rows of testing.md section 4, checked after each event on the broker that it touched, with the eyes of one
 * who sees every disk. What faults were allowed to take (3.2) is known here: an unclean choice takes what the chosen one
 * lacks; a wiped disk, or in page-cache mode a power failure, what no member of ISR, ELR or lastIsr has any more, or what was
 * destroyed on as many replicas as the smallest min ISR of the run. In a synced mode a power failure takes nothing.
 */
import type { ClusterState, Choice, ModelController } from "./model-controller.ts";
import type { ModelBatch, ModelLog } from "./model-log.ts";
import type { ReplicaHost } from "./replica-host.ts";
import { ensure } from "../violation.ts";

/** A batch that was below a high watermark once. */
interface Committed {
  readonly batch: ModelBatch;
  /** Leader epoch in which a leader first had it below its own; Infinity: none did yet. */
  seenEpoch: number;
  /** The leader counted synced ends then: no power failure may take it. */
  isDurable: boolean;
  /** Replicas on which a fault destroyed it. */
  destroyed: number;
  isLost: boolean;
}

/** What a replica had before a fault. */
export interface LogBefore {
  readonly batches: readonly ModelBatch[];
  readonly logStartOffset: number;
  /** What lies beyond was acknowledged to nobody. */
  readonly writtenEnd: number;
}

/** What a fault took. */
interface DestroyedCopy {
  /** Of the life that had it, as the controller knows it. */
  readonly brokerEpoch: number | undefined;
  readonly isWipe: boolean;
}

interface SeenMark {
  readonly life: number;
  readonly epoch: number;
  readonly highWatermark: number;
}

interface SeenStart {
  readonly life: number;
  /** Of the log: a restart begins it anew, where its leader says. */
  readonly generation: number;
  readonly logStart: number;
}

export class ClusterChecks {
  readonly counts = new Map<string, number>();
  readonly #hosts: () => readonly ReplicaHost[];
  readonly #controller: () => ModelController;
  /** By epoch and base offset: the one batch that may be there. */
  readonly #batches = new Map<string, ModelBatch>();
  /** Ascending by base offset. */
  #committed: Committed[] = [];
  readonly #committedAt = new Map<number, Committed>();
  /** By broker, of batches that had not been below a high watermark by then. */
  readonly #destroyedBefore = new Map<ModelBatch, Map<number, DestroyedCopy>>();
  /** Whoever has one of them below its high watermark has not heard of the loss yet. */
  readonly #lost = new Set<ModelBatch>();
  #uncleanEpoch = -1;
  readonly #marks = new Map<number, SeenMark>();
  readonly #starts = new Map<number, SeenStart>();
  /** ISR, ELR and lastIsr after the last command. */
  #pool: readonly number[] = [];
  /** Nothing below is compared: what a deletion that was never answered brings back is anything. */
  #deletedTo = 0;
  #minIsrLeast = Number.POSITIVE_INFINITY;
  /** Truncation below a high watermark needs an excuse only while nothing was lost lawfully. */
  hasLost = false;

  constructor(hosts: () => readonly ReplicaHost[], controller: () => ModelController) {
    this.#hosts = hosts;
    this.#controller = controller;
  }

  count(what: string, by = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + by);
  }

  onMinIsr(minIsr: number): void {
    this.#minIsrLeast = Math.min(this.#minIsrLeast, minIsr);
    for (const committed of this.#committed) if (committed.destroyed >= this.#minIsrLeast) this.#lose(committed);
  }

  // ---- appends ----

  /** RE1, RE4: what is written at an (offset, epoch) is the same everywhere, and so is all before it. */
  onWritten(host: ReplicaHost, batches: readonly ModelBatch[]): void {
    for (const batch of batches) {
      const key = `${batch.epoch}/${batch.baseOffset}`;
      const known = this.#batches.get(key) ?? batch;
      ensure(known === batch, "RE1", () => `${host.name} writes a second batch at ${key}`);
      this.#batches.set(key, batch);
    }
  }

  onFollowerAppended(host: ReplicaHost, before: ModelBatch | undefined, batches: readonly ModelBatch[]): void {
    this.count("replicated", batches.length);
    let previous = before;
    for (const batch of batches) {
      const isCompared = previous !== undefined && previous.lastOffset >= this.#deletedTo;
      const isSame = !isCompared || previous?.chain === batch.previousChain;
      ensure(isSame, "RE4", () => `${host.name} has another batch before ${batch.epoch}/${batch.baseOffset}`);
      previous = batch;
    }
  }

  /**
   * RE4: two logs that hold the same batch hold the same before it, down to where both begin durably (decision 0030). A crash takes the log
   * starts back to there, and then the newest epoch, which is all that is compared, hides what lies further down.
   */
  onAppended(host: ReplicaHost): void {
    const { batches, durableLogStartOffset } = host.log;
    const [own, last] = batches.slice(-2);
    if (own === undefined || last === undefined) return;
    for (const { name, log } of this.#hosts()) {
      // What is further down was compared when this one was appended.
      const theirs: ModelBatch = log.batches[log.batches.lastIndexOf(last) - 1] ?? own;
      ensure(
        theirs === own || own.lastOffset < Math.max(durableLogStartOffset, log.durableLogStartOffset),
        "RE4",
        () =>
          `${host.name} and ${name} have one batch at ${last.baseOffset}, before it ${describe(own)} and ${describe(theirs)}`,
      );
    }
  }

  onDeleted(to: number): void {
    this.#deletedTo = Math.max(this.#deletedTo, to);
  }

  // ---- high watermarks ----

  /** After every event of a host: RE2 to RE5 and ST5 as far as they can be seen from it. */
  afterEvent(host: ReplicaHost): void {
    if (!host.isUp) return;
    const { log } = host;
    const mark = log.highWatermark;
    ensure(mark <= log.logEndOffset, "RE2", () => `the high watermark of ${host.name} is beyond its log`);
    ensure(mark >= log.logStartOffset, "RE2", () => `the high watermark of ${host.name} is before its log`);
    this.#checkLogStart(host);
    const last = this.#marks.get(host.brokerId);
    const epoch = host.leadEpoch;
    const isSame = last !== undefined && last.life === host.life;
    if (isSame && epoch !== -1 && last.epoch === epoch) {
      ensure(mark >= last.highWatermark, "RE2", () => `the high watermark of leader ${host.name} fell to ${mark}`);
    }
    if (!isSame || last.epoch !== epoch || last.highWatermark !== mark) {
      this.#marks.set(host.brokerId, { life: host.life, epoch, highWatermark: mark });
      this.#onMark(host, isSame ? Math.min(last.highWatermark, mark) : log.logStartOffset);
      if (epoch !== -1) this.#onLeaderMark(host, epoch);
    }
  }

  /** Nothing of a host changes unseen: a look that comes late judges by what has happened since. A fault of the run, and no invariant. */
  ensureSeen(): void {
    for (const { isUp, brokerId, name, life, leadEpoch, log } of this.#hosts()) {
      if (!isUp) continue;
      const mark = this.#marks.get(brokerId);
      const start = this.#starts.get(brokerId);
      const isSeen =
        mark?.life === life &&
        mark.epoch === leadEpoch &&
        mark.highWatermark === log.highWatermark &&
        start?.generation === log.generation &&
        start.logStart === log.logStartOffset;
      if (!isSeen) throw new Error(`${name} has changed, and nothing has looked at it`);
    }
  }

  /** ST5: what was deleted stays deleted, whatever a leader tells that has not heard of it (P71). */
  #checkLogStart({ brokerId, name, life, log }: ReplicaHost): void {
    const { generation, logStartOffset: logStart } = log;
    const seen = this.#starts.get(brokerId);
    if (seen !== undefined && seen.life === life && seen.generation === generation) {
      if (seen.logStart === logStart) return;
      ensure(
        logStart > seen.logStart,
        "ST5",
        () => `the log start of ${name} fell from ${seen.logStart} to ${logStart}`,
      );
    }
    this.#starts.set(brokerId, { life, generation, logStart });
  }

  /** RE3: what was below a high watermark once is the same below every other. */
  #onMark(host: ReplicaHost, from: number): void {
    const { log } = host;
    for (let slot = log.batches.length - 1; slot >= 0; slot--) {
      const batch = log.batches[slot] as ModelBatch;
      if (batch.lastOffset >= log.highWatermark) continue;
      if (batch.lastOffset < Math.max(from, this.#deletedTo)) break;
      const known = this.#committedAt.get(batch.baseOffset);
      if (this.#lost.has(batch)) continue;
      if (known === undefined || known.isLost) {
        this.#commit(batch);
        continue;
      }
      if (known.batch !== batch && batch.epoch < this.#uncleanEpoch) {
        this.#lost.add(batch);
        continue;
      }
      ensure(known.batch === batch, "RE3", () => {
        const { epoch, baseOffset, value } = known.batch;
        return `${host.name} has ${batch.epoch}/${batch.value} below its high watermark, committed was ${epoch}/${value} at ${baseOffset}`;
      });
    }
  }

  #commit(batch: ModelBatch): void {
    const { isSynced } = this.#controller();
    const committed = { batch, seenEpoch: Number.POSITIVE_INFINITY, isDurable: isSynced, destroyed: 0, isLost: false };
    this.#committedAt.set(batch.baseOffset, committed);
    this.#committed = [...this.#committedAt.values()].sort((a, b) => a.batch.baseOffset - b.batch.baseOffset);
    this.count("committed");
  }

  /** I4, RE7: what a leader shows is on every live member of the ISR, synced in the synced modes. */
  #onLeaderMark(host: ReplicaHost, epoch: number): void {
    const { log } = host;
    for (const committed of this.#committed) {
      const isShown =
        committed.batch.lastOffset < log.highWatermark && log.at(committed.batch.baseOffset) === committed.batch;
      if (!isShown) continue;
      // What was shown while written ends counted is not made durable by a mode that is raised later (15.1(5)).
      if (committed.seenEpoch === Number.POSITIVE_INFINITY) {
        committed.isDurable = host.countsSynced;
        this.#onFirstShown(committed, host);
      }
      committed.seenEpoch = Math.min(committed.seenEpoch, epoch);
      // A leader that has not heard of an unclean choice goes on for nobody.
      if (epoch < this.#uncleanEpoch) this.#lose(committed);
    }
    this.#checkOwn(host);
    this.#checkIsr(host, epoch);
  }

  /**
   * A leader goes by what a member of the ISR told it. If a fault has destroyed that copy since, the batch begins its life with so many
   * copies less; but only while it, or everybody, has not heard of it: the next life of a member that had an unclean end is none before
   * it has caught up.
   */
  #onFirstShown(committed: Committed, leader: ReplicaHost): void {
    const { batch, isDurable } = committed;
    const { pool, brokers } = this.#controller();
    for (const [brokerId, { brokerEpoch, isWipe }] of this.#destroyedBefore.get(batch) ?? []) {
      const isUnheard = pool.includes(brokerId) && brokers.get(brokerId)?.brokerEpoch === brokerEpoch;
      const known = leader.state;
      const isMember = known?.isr.includes(brokerId) === true;
      const isCountedOn = isUnheard || (isMember && known.brokers.get(brokerId)?.brokerEpoch === brokerEpoch);
      const isGone = !isKept(this.#logOf(brokerId), batch) && (isWipe || !isDurable);
      if (isCountedOn && isGone) this.#onCopyDestroyed(committed);
    }
    this.#destroyedBefore.delete(batch);
  }

  /**
   * 15.1(1): so is it on the leader itself, from when it knows of the mode (15.1(5)); what its log start has moved past is nobody's any
   * more.
   */
  #checkOwn(host: ReplicaHost): void {
    if (!host.countsSynced) return;
    const { log } = host;
    for (const { batch, isLost, isDurable, seenEpoch } of this.#committed) {
      const isShown = seenEpoch !== Number.POSITIVE_INFINITY && batch.lastOffset < log.highWatermark;
      if (isLost || !isDurable || !isShown || batch.lastOffset < log.logStartOffset) continue;
      const isSynced = log.at(batch.baseOffset) !== batch || batch.lastOffset < log.syncedEnd;
      ensure(isSynced, "RE7", () => `${host.name} shows ${batch.baseOffset}, which it has not synced`);
    }
  }

  #checkIsr(host: ReplicaHost, epoch: number): void {
    const { log } = host;
    const controller = this.#controller();
    if (controller.leaderId !== host.brokerId || controller.leaderEpoch !== epoch) return;
    for (const member of this.#hosts()) {
      const isMember = member !== host && controller.isr.includes(member.brokerId) && member.isUp;
      if (!isMember || controller.brokers.get(member.brokerId)?.brokerEpoch !== member.brokerEpoch) continue;
      for (const { batch, isLost, isDurable } of this.#committed) {
        if (isLost || batch.lastOffset >= log.highWatermark || batch.baseOffset < member.log.logStartOffset) continue;
        if (log.at(batch.baseOffset) !== batch || batch.lastOffset < this.#deletedTo) continue;
        const has = member.log.at(batch.baseOffset) === batch && batch.lastOffset < member.log.writtenEnd;
        ensure(
          has,
          "RE7",
          () => `${host.name} shows ${batch.baseOffset}, which ISR member ${member.name} does not have`,
        );
        const isSynced = !isDurable || batch.lastOffset < member.log.syncedEnd;
        ensure(isSynced, "RE7", () => `${host.name} shows ${batch.baseOffset}, which ${member.name} has not synced`);
      }
    }
  }

  // ---- leaders ----

  /** RE6: whoever leads has what was shown in an earlier epoch, or in its own. */
  onLeads(host: ReplicaHost, epoch: number): void {
    this.count("leadership");
    for (const { batch, isLost, seenEpoch } of this.#committed) {
      if (isLost || seenEpoch > epoch) continue;
      ensure(
        isKept(host.log, batch),
        "RE6",
        () => `${host.name} leads epoch ${epoch} without the committed batch at ${batch.baseOffset}`,
      );
    }
  }

  onChosen(leaderId: number, how: Choice): void {
    this.count(how === "clean" ? "clean choice" : `choice ${how}`);
    if (how !== "unclean" && how !== "timeout") return;
    if (how === "unclean") this.#uncleanEpoch = this.#controller().leaderEpoch;
    const log = this.#logOf(leaderId);
    for (const committed of this.#committed) {
      // A mode that was raised since promises nothing for what was shown before (15.1(5)).
      const mayGo = how === "unclean" || !committed.isDurable;
      if (mayGo && !isKept(log, committed.batch)) this.#lose(committed);
      // It may go with the next power failure, until the chosen one has shown it anew (decision 0036).
      const isSynced = committed.batch.lastOffset < log.syncedEnd || committed.batch.lastOffset < log.logStartOffset;
      if (how === "unclean" && !isSynced && committed.isDurable) {
        committed.isDurable = false;
        committed.seenEpoch = Number.POSITIVE_INFINITY;
      }
    }
  }

  /** 13(6): replicas that were counted on go only where as many are left in sync as min ISR promises. */
  #checkCopies(): void {
    const { pool, replicas, isr, effectiveMinIsr } = this.#controller();
    const gone = this.#pool.filter((brokerId) => !replicas.includes(brokerId));
    this.#pool = pool;
    if (gone.length === 0) return;
    this.count("counted replica removed");
    ensure(
      isr.length >= effectiveMinIsr,
      "RE16",
      () => `{${gone.join()}} are gone, and {${isr.join()}} are left in sync`,
    );
  }

  /** RE6: a member of ISR, ELR or lastIsr has all that was shown. */
  onCommand(): void {
    this.#checkCopies();
    const { pool, leaderId } = this.#controller();
    const leader = this.#hosts()[leaderId - 1];
    if (leader !== undefined && leader.leadEpoch !== -1) this.#checkIsr(leader, leader.leadEpoch);
    if (pool.length === 0) return;
    const must = this.#committed.filter(({ isLost, seenEpoch }) => !isLost && seenEpoch !== Number.POSITIVE_INFINITY);
    const hasAll = pool.some((brokerId) => must.every(({ batch }) => isKept(this.#logOf(brokerId), batch)));
    ensure(hasAll, "RE6", () => `none of {${pool.join()}} has all that was committed`);
  }

  // ---- faults and cuts ----

  /** RE5, 5.3(6): a member of the ISR, on what the controller knows of it, cuts nothing that was shown. */
  onCut(host: ReplicaHost, to: number): void {
    this.count("truncation");
    const controller = this.#controller();
    const isMember =
      controller.isr.includes(host.brokerId) &&
      controller.leaderEpoch === host.followEpoch &&
      controller.brokers.get(host.brokerId)?.brokerEpoch === host.brokerEpoch;
    if (!isMember) return;
    for (const { batch, isLost, seenEpoch } of this.#committed) {
      if (isLost || seenEpoch === Number.POSITIVE_INFINITY || batch.lastOffset < to) continue;
      const has = host.log.at(batch.baseOffset) === batch;
      ensure(!has, "RE5", () => `ISR member ${host.name} cuts ${batch.baseOffset}, which was committed`);
    }
  }

  onStopped(host: ReplicaHost, reason: string): void {
    this.count("stopped");
    ensure(this.hasLost, "5.3(6)", () => `${host.name} stops though nothing was lost: ${reason}`);
  }

  /**
   * A fault changed what a replica has: what of it may be gone for good now? Its log start is part of that: of a replica that
   * came after a deletion it is all there ever was of the deleted, and a wiped disk does not know any more that they were.
   */
  onDestroyed(host: ReplicaHost, before: LogBefore, isWipe: boolean): void {
    const had = new Set(before.batches);
    for (const batch of before.batches) {
      const isCommitted = this.#committedAt.get(batch.baseOffset)?.batch === batch;
      const wasWritten = batch.lastOffset < before.writtenEnd;
      if (wasWritten && !isCommitted && !isKept(host.log, batch)) this.#noteDestroyed(batch, host.brokerId, isWipe);
    }
    for (const committed of this.#committed) {
      const { batch, isDurable } = committed;
      const wasKept = had.has(batch) || batch.lastOffset < before.logStartOffset;
      if (!wasKept || isKept(host.log, batch)) continue;
      if (isWipe || !isDurable) this.#onCopyDestroyed(committed);
    }
  }

  #noteDestroyed(batch: ModelBatch, brokerId: number, isWipe: boolean): void {
    const known = this.#destroyedBefore.get(batch) ?? new Map<number, DestroyedCopy>();
    const brokerEpoch = this.#controller().brokers.get(brokerId)?.brokerEpoch;
    this.#destroyedBefore.set(batch, known.set(brokerId, { brokerEpoch, isWipe }));
  }

  #onCopyDestroyed(committed: Committed): void {
    this.count("committed batch destroyed");
    committed.destroyed += 1;
    const isHeld = this.#controller().pool.some((brokerId) => isKept(this.#logOf(brokerId), committed.batch));
    if (!isHeld || committed.destroyed >= this.#minIsrLeast) this.#lose(committed);
  }

  #logOf(brokerId: number): ModelLog {
    return (this.#hosts()[brokerId - 1] as ReplicaHost).log;
  }

  #lose(committed: Committed): void {
    if (committed.isLost) return;
    committed.isLost = true;
    this.#lost.add(committed.batch);
    this.hasLost = true;
    this.count("lawfully lost");
  }

  // ---- answers and rest ----

  /** RE13. */
  onAcked(host: ReplicaHost, batch: ModelBatch): void {
    this.count("acked");
    ensure(host.log.at(batch.baseOffset) === batch, "RE13", () => `${host.name} acknowledges what it does not have`);
    const isLow = batch.lastOffset < host.log.highWatermark;
    ensure(isLow, "RE13", () => `${host.name} acknowledges ${batch.baseOffset} above its high watermark`);
  }

  /** RE12: what a leader counts for a follower is the same on both. */
  onCounted(host: ReplicaHost, followerId: number, brokerEpoch: number, end: number): void {
    const follower = this.#hosts()[followerId - 1];
    if (follower?.isUp !== true || follower.brokerEpoch !== brokerEpoch || follower.followEpoch !== host.leadEpoch)
      return;
    const own = host.log;
    const other = follower.log;
    if (end <= this.#deletedTo) return;
    ensure(
      end <= other.logEndOffset,
      "RE12",
      () => `${host.name} counts ${end} for ${follower.name}, which ends before`,
    );
    const isCounted = !host.countsSynced || end <= Math.max(other.syncedEnd, other.logStartOffset);
    ensure(isCounted, "RE12", () => `${host.name} counts ${end} for ${follower.name}, which has not synced it`);
    const lastOwn = own.at(end - 1);
    const lastOther = other.at(end - 1);
    if (lastOwn === undefined || lastOther === undefined) return;
    ensure(
      lastOwn === lastOther,
      "RE12",
      () =>
        `${host.name} counts ${end} for ${follower.name}, whose batch is another: ${describe(lastOwn)} and ${describe(lastOther)}`,
    );
  }

  /** 13(4): nobody who is asked later may have what was deleted everywhere. */
  onDeletedEverywhere(host: ReplicaHost, to: number): void {
    for (const other of this.#hosts()) {
      const known = host.state?.brokers.get(other.brokerId);
      if (!other.isUp || known?.isFenced !== false || known.brokerEpoch !== other.brokerEpoch) continue;
      if (host.state?.replicas.includes(other.brokerId) !== true) continue;
      // Taken away and added again, as the leader has not heard yet: it has nothing that it could bring back.
      if (other.log.batches.length === 0) continue;
      const { durableLogStartOffset } = other.log;
      ensure(
        durableLogStartOffset >= to,
        "ST5",
        () => `${host.name} answers a deletion to ${to}, ${other.name} would forget it`,
      );
    }
  }

  /** All equal up to the log end, everybody in sync, nothing on its way. Null: at rest. */
  atRest(state: ClusterState): string | null {
    const hosts = this.#hosts();
    const leader = hosts.find((host) => host.leadEpoch === state.leaderEpoch);
    if (leader === undefined) return `nobody leads epoch ${state.leaderEpoch} (${state.leaderId})`;
    if (state.isReassigning) return `it is being reassigned, to {${state.replicas.join()}}`;
    if (state.isr.length !== state.replicas.length) return `the ISR is {${state.isr.join()}}`;
    const { log } = leader;
    if (log.highWatermark !== log.logEndOffset) return `the high watermark stays at ${log.highWatermark}`;
    for (const host of hosts) {
      if (!state.replicas.includes(host.brokerId)) {
        if (host.log.batches.length > 0) return `${host.name} keeps what it is no replica of`;
        continue;
      }
      const from = Math.max(log.logStartOffset, host.log.logStartOffset);
      const isSame =
        host.log.logEndOffset === log.logEndOffset &&
        log.batches.every((batch) => batch.lastOffset < from || host.log.at(batch.baseOffset) === batch);
      if (!isSame) return `${host.name} has another log than the leader`;
      if (host.log.highWatermark !== log.highWatermark) return `${host.name} stays at ${host.log.highWatermark}`;
    }
    for (const { batch, isLost, seenEpoch } of this.#committed) {
      if (isLost || seenEpoch === Number.POSITIVE_INFINITY || batch.lastOffset < log.logStartOffset) continue;
      ensure(log.at(batch.baseOffset) === batch, "RE6", () => `the committed batch at ${batch.baseOffset} is gone`);
    }
    return null;
  }
}

/** It is there, or the log start says that it was deleted. */
function isKept(log: ModelLog, batch: ModelBatch): boolean {
  return log.at(batch.baseOffset) === batch || batch.lastOffset < log.logStartOffset;
}

function describe(batch: ModelBatch): string {
  return `${batch.epoch}/${batch.baseOffset}-${batch.lastOffset}/${batch.value}`;
}
