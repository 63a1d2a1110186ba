/**
 * One broker under simulation, as far as one partition goes: its disk, the process that lives on it, the metadata it has
 * applied, and the real core of the role that this gives it. Does with the log what a shell does: one write and one sync in
 * flight, cuts that wait for the write, roles that wait for the cut.
 */
import { asMs } from "../../base/index.ts";
import type { Ms, Offset, SeededRandom } from "../../base/index.ts";
import type { IsrProposal, LeaderFrame, ReplicaReport } from "../../replication/index.ts";
import type { ClusterChecks } from "./cluster-checks.ts";
import { FollowerSide } from "./follower-side.ts";
import { LeaderSide } from "./leader-side.ts";
import type { Link } from "./link.ts";
import type { ClusterState } from "./model-controller.ts";
import { type ModelBatch, ModelLog } from "./model-log.ts";
import type { ClusterRunOptions } from "./run-options.ts";

export type ModelRecords = readonly ModelBatch[];
export type ModelFrame = LeaderFrame<ModelRecords>;

/** What the cluster does for a broker. */
export interface HostWorld {
  readonly options: ClusterRunOptions;
  readonly checks: ClusterChecks;
  readonly disks: SeededRandom;
  /** Virtual time; the broker's own clock drifts. */
  readonly nowMs: number;
  /** An event of this life of the broker. */
  schedule(host: ReplicaHost, delayMs: number, task: () => void): void;
  /** The answer comes to `LeaderSide.onAnswer`, or never. */
  alterPartition(host: ReplicaHost, proposal: IsrProposal, answer: (code: string, offset: number) => void): void;
  /** Opens a replication stream; `FollowerSide.onLinkOpened` follows, or nothing. */
  dial(host: ReplicaHost, leaderId: number): void;
  nextValue(): number;
  note(host: ReplicaHost, what: string, first?: number, second?: number): void;
}

export interface Wait {
  readonly batch: ModelBatch;
}

export class ReplicaHost {
  readonly brokerId: number;
  readonly world: HostWorld;
  readonly log = new ModelLog();
  /** Broker epoch in the marker of a clean stop; -1 = there is none. */
  marker = -1;
  directoryId = 0;
  /** +1 at each start and end of a process. */
  life = 0;
  isUp = false;
  brokerEpoch = -1;
  state: ClusterState | null = null;
  /** Against virtual time. */
  clockRate = 1;
  /** Parked acks=all batches; they outlive a leadership that follows one of the same broker. */
  waits: Wait[] = [];
  isStopped = false;
  #leader: LeaderSide | null = null;
  #follower: FollowerSide | null = null;
  #generation = 0;
  #isWriting = false;
  #isSyncing = false;
  isCutting = false;
  #cut: (() => void) | null = null;

  constructor(brokerId: number, world: HostWorld) {
    this.brokerId = brokerId;
    this.world = world;
  }

  get name(): string {
    return `broker ${this.brokerId}`;
  }

  get leader(): LeaderSide | null {
    return this.#leader;
  }

  get follower(): FollowerSide | null {
    return this.#follower;
  }

  get leadEpoch(): number {
    return this.#leader?.core.leaderEpoch ?? -1;
  }

  get followEpoch(): number {
    return this.#follower?.core.leaderEpoch ?? -1;
  }

  get now(): Ms {
    return asMs(this.world.nowMs * this.clockRate);
  }

  get countsSynced(): boolean {
    return this.state?.isSynced === true;
  }

  /** What this replica vouches for: written, or in the synced modes synced. */
  get countedEnd(): Offset {
    const { syncedEnd, writtenEnd } = this.log;
    return this.countsSynced && syncedEnd < writtenEnd ? syncedEnd : writtenEnd;
  }

  // ---- life ----

  start(): void {
    this.life += 1;
    this.isUp = true;
    this.brokerEpoch = -1;
  }

  /** Whatever the process held is gone. */
  die(): void {
    this.life += 1;
    this.isUp = false;
    this.state = null;
    this.waits = [];
    this.isStopped = false;
    this.#leader?.close();
    this.#leader = null;
    this.#follower?.close();
    this.#follower = null;
    this.#generation = 0;
    this.#isWriting = false;
    this.#isSyncing = false;
    this.isCutting = false;
    this.#cut = null;
  }

  stopReplica(reason: string): void {
    this.isStopped = true;
    this.#follower?.close();
    this.#follower = null;
    this.world.checks.onStopped(this, reason);
  }

  // ---- metadata ----

  apply(state: ClusterState): void {
    const before = this.state;
    this.state = state;
    const isSameLeadership = before?.leaderEpoch === state.leaderEpoch;
    const leadsOn = before?.leaderId === this.brokerId && state.leaderId === this.brokerId;
    // 8.2: a wait lives on only if the replica never followed in between.
    if (!isSameLeadership && !leadsOn) this.waits = [];
    if (isSameLeadership) {
      this.#leader?.onState(state);
      this.#follower?.onState(state);
      // It may be a replica from here on.
      this.#takeRole();
    } else {
      this.#leader?.close();
      this.#leader = null;
      this.#follower?.close();
      this.#generation = this.#follower?.core.generation ?? this.#generation;
      this.#follower = null;
      this.#takeRole();
    }
    if (this.countsSynced) this.syncWritten();
    this.#leader?.onApplied(state.offset);
  }

  /** When nothing of the role before is on its way any more. */
  #takeRole(): void {
    const { state } = this;
    if (state === null || this.#isWriting || this.isCutting) return;
    if (this.#leader !== null || this.#follower !== null || this.#cut !== null) return;
    if (!state.replicas.includes(this.brokerId)) {
      this.#giveUp();
      return;
    }
    if (this.isStopped) return;
    if (state.leaderId === this.brokerId) {
      this.#leader = new LeaderSide(this, state);
      this.world.checks.onLeads(this, state.leaderEpoch);
      this.#leader.begin();
    } else if (state.leaderId !== -1) {
      this.#follower = new FollowerSide(this, state, this.#generation);
      this.world.dial(this, state.leaderId);
    }
  }

  /** 13(6): no replica of this broker any more. Whoever counted on its log would be told by the checks. */
  #giveUp(): void {
    this.isStopped = false;
    if (this.log.batches.length === 0 && this.log.logEndOffset === 0) return;
    this.world.checks.count("replica given up");
    this.world.note(this, "given up");
    this.log.wipe();
  }

  // ---- streams ----

  onReport(link: Link, report: ReplicaReport): void {
    const { state } = this;
    if (this.#leader !== null && report.leaderEpoch <= this.leadEpoch) {
      this.#leader.onReport(link, report);
      return;
    }
    // Metadata is on its way, or the role waits for the disk.
    if (state === null || report.leaderEpoch > state.leaderEpoch || state.leaderId === this.brokerId) {
      link.parked.push(report);
      return;
    }
    if (report.ask === null) return;
    const code = report.leaderEpoch < state.leaderEpoch ? "FENCED_LEADER_EPOCH" : "NOT_LEADER_OR_FOLLOWER";
    const { logStartOffset, logEndOffset } = this.log;
    link.sendDown({
      leaderEpoch: report.leaderEpoch,
      generation: report.generation,
      askedFrom: report.ask.readFrom,
      answer: { kind: "refused", code, logStartOffset, logEndOffset },
    });
  }

  onLinkLost(link: Link): void {
    if (link.leader === this) this.#leader?.onLinkLost(link);
    else this.#follower?.onLinkLost(link);
  }

  // ---- the log ----

  /** Everything appended is written, one write at a time. */
  writeAppended(): void {
    const { log, world } = this;
    if (this.#isWriting || log.writtenEnd === log.logEndOffset) return;
    const to = log.logEndOffset;
    const { writeMeanMs } = world.options;
    if (writeMeanMs === 0) {
      this.#finishWrite(to);
      return;
    }
    this.#isWriting = true;
    world.schedule(this, exponential(world.disks, writeMeanMs), () => {
      this.#isWriting = false;
      this.#finishWrite(to);
    });
  }

  #finishWrite(to: Offset): void {
    const { log, world } = this;
    const isFailed = world.disks.chance(world.options.writeFaultChance);
    if (isFailed) {
      log.failWrite();
      this.waits = this.waits.filter(({ batch }) => log.at(batch.baseOffset) === batch);
      world.checks.count("write failed");
    } else {
      const from = log.writtenEnd;
      log.finishWrite(to);
      world.checks.onWritten(
        this,
        log.batches.filter((batch) => batch.baseOffset >= from && batch.lastOffset < to),
      );
    }
    this.#leader?.onWritten(isFailed);
    this.#follower?.onWritten(isFailed);
    if (this.countsSynced) this.syncWritten();
    const cut = this.#cut;
    this.#cut = null;
    if (cut !== null) cut();
    else if (log.writtenEnd < log.logEndOffset) this.writeAppended();
    this.#takeRole();
  }

  /** One sync in flight; what comes meanwhile shares the next. */
  syncWritten(): void {
    const { log, world } = this;
    if (this.#isSyncing || this.isCutting || log.syncedEnd === log.writtenEnd) return;
    this.#isSyncing = true;
    const underWay = log.beginSync();
    world.schedule(this, exponential(world.disks, world.options.syncMeanMs), () => {
      this.#isSyncing = false;
      log.finishSync(underWay);
      this.#leader?.onSynced();
      this.#follower?.onSynced();
      if (this.countsSynced) this.syncWritten();
    });
  }

  /** 5.5: the write in flight ends first; durable before anything is appended again. */
  cutLog(to: Offset, how: "truncate" | "restart"): void {
    const { log, world } = this;
    const begin = (): void => {
      this.isCutting = true;
      world.checks.onCut(this, how === "truncate" ? to : log.logEndOffset);
      world.note(this, how, to, log.logEndOffset);
      if (how === "truncate") log.cut(to);
      else log.restart(to);
      world.schedule(this, exponential(world.disks, world.options.syncMeanMs), () => {
        log.finishCut();
        this.isCutting = false;
        // A sync that ran into the cut counted for nothing, and nobody writes here who would ask for another.
        if (this.countsSynced) this.syncWritten();
        if (this.#follower === null) this.#takeRole();
        else this.#follower.onCut();
      });
    };
    if (this.#isWriting) this.#cut = begin;
    else begin();
  }

  /** The log start moved: it counts when it would survive a crash. */
  keepLogStart(): void {
    const { log, world } = this;
    const to = log.logStartOffset;
    world.schedule(this, exponential(world.disks, world.options.syncMeanMs), () => {
      if (log.durableLogStartOffset >= to || to > log.logStartOffset) return;
      log.durableLogStartOffset = to;
      this.#leader?.onLogStartKept();
      this.#follower?.onLogStartKept();
    });
  }
}

export function exponential(random: SeededRandom, meanMs: number): number {
  return -Math.log(1 - random.float()) * meanMs;
}
