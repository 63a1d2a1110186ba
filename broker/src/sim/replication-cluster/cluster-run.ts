/**
 * One seed of one partition's replicas: the real cores on model logs, over streams that delay and break, under a controller
 * whose records each broker applies at its own pace; brokers that die, lose power, sleep, stop cleanly and come back empty.
 * First anything may happen, then a core of it is healed and must have a leader, then all is healed and must come to one
 * log with everybody in sync (RE15).
 *
 * The result of a seed is a function of the seed and the code only.
 */
import { SeededRandom } from "../../base/index.ts";
import type { IsrProposal } from "../../replication/index.ts";
import { type RunLimits, type SeedResult, type SeedRun, verdictOf } from "../seed-run.ts";
import { Timeline } from "../timeline.ts";
import { Trace } from "../trace.ts";
import { ClusterChecks } from "./cluster-checks.ts";
import { ControlPlane, type ControlWorld, endOf } from "./control-plane.ts";
import { Link } from "./link.ts";
import { ModelController } from "./model-controller.ts";
import type { ModelLog } from "./model-log.ts";
import { exponential, type HostWorld, ReplicaHost } from "./replica-host.ts";
import { type ClusterRunOptions, drawRunOptions } from "./run-options.ts";
import { ensure } from "../violation.ts";

const STEP_MS = 10;
/** Healed, a cluster is done long before. */
const REST_MS_MAX = 20_000;
const REDIAL_MS = 10;

export type ClusterRunResult = SeedResult<ClusterRunOptions>;

/** `wanted` instead of what the seed would draw: for what few seeds do often enough. */
export function runReplicationCluster(
  seed: number,
  wanted: Partial<ClusterRunOptions> = {},
  limits: RunLimits = {},
): ClusterRunResult {
  return verdictOf(seed, new ClusterRun(seed, wanted), limits);
}

class ClusterRun implements HostWorld, ControlWorld, SeedRun<ClusterRunOptions> {
  readonly options: ClusterRunOptions;
  readonly trace = new Trace();
  readonly checks: ClusterChecks;
  readonly disks: SeededRandom;
  readonly #network: SeededRandom;
  readonly #faults: SeededRandom;
  readonly #workload: SeededRandom;
  readonly #moves: SeededRandom;
  readonly #deletions: SeededRandom;
  readonly #controller: ModelController;
  readonly #time: Timeline;
  /** By broker id - 1. */
  readonly hosts: ReplicaHost[] = [];
  readonly links = new Set<Link>();
  /** Brokers that the controller and the others cannot reach. */
  readonly #cutOff = new Set<number>();
  readonly #pausedUntilMs: number[] = [];
  readonly #plane: ControlPlane;
  isCalm = false;
  /** Brokers that stay dead while only a core is healed. */
  #buried: readonly number[] = [];
  #values = 0;

  constructor(seed: number, wanted: Partial<ClusterRunOptions>) {
    const random = new SeededRandom(seed);
    this.options = { ...drawRunOptions(random.fork("options")), ...wanted };
    this.disks = random.fork("disks");
    this.#network = random.fork("network");
    this.#faults = random.fork("faults");
    this.#workload = random.fork("workload");
    this.#moves = random.fork("moves");
    this.#deletions = random.fork("deletions");
    this.#time = new Timeline(random.fork("ties"), this.trace);
    this.checks = new ClusterChecks(
      () => this.hosts,
      () => this.#controller,
    );
    this.checks.onMinIsr(this.options.minIsr);
    const { brokersCount, sparesCount, minIsr, isSynced } = this.options;
    this.#controller = new ModelController(
      { brokersCount, sparesCount, minIsr, isSynced },
      random.fork("choices"),
      (id, how) => {
        this.trace.note(this.#time.nowMs, how, `${id}`);
        this.checks.onChosen(id, how);
      },
    );
    this.#plane = new ControlPlane(this.#controller, this.#network, this);
    for (const brokerId of this.#controller.brokers.keys()) {
      const host = new ReplicaHost(brokerId, this);
      host.clockRate = 0.95 + 0.1 * random.fork(`clock ${brokerId}`).float();
      this.hosts.push(host);
    }
  }

  get nowMs(): number {
    return this.#time.nowMs;
  }

  run(): void {
    for (const host of this.hosts) {
      host.start();
      host.brokerEpoch = 1;
      this.checks.afterEvent(host);
      this.#plane.feed(host);
    }
    while (this.#time.nowMs < this.options.chaosMs) {
      this.#live();
      this.#doHarm();
      this.#work();
    }
    if (this.#faults.chance(0.5)) this.#healCore();
    this.#healAll();
  }

  // ---- what brokers ask of the world ----

  schedule(host: ReplicaHost, delayMs: number, task: () => void): void {
    const { life } = host;
    this.push(delayMs, () => {
      if (life !== host.life) return;
      const wakesInMs = this.wakesInMs(host);
      if (wakesInMs > 0) {
        this.schedule(host, wakesInMs, task);
        return;
      }
      task();
      this.checks.afterEvent(host);
    });
  }

  note(host: ReplicaHost, what: string, first = 0, second = 0): void {
    this.trace.note(this.#time.nowMs, what, `${host.brokerId}`, first, second);
  }

  nextValue(): number {
    this.#values += 1;
    return this.#values;
  }

  alterPartition(host: ReplicaHost, proposal: IsrProposal, answer: (code: string, offset: number) => void): void {
    this.#plane.alterPartition(host, proposal, answer);
  }

  isCutOff(brokerId: number): boolean {
    return this.#cutOff.has(brokerId);
  }

  dial(host: ReplicaHost, leaderId: number): void {
    const leader = this.hosts[leaderId - 1] as ReplicaHost;
    const { follower } = host;
    const waitMs = this.isCalm ? 0 : exponential(this.#network, this.options.dialMeanMs);
    this.schedule(host, waitMs + this.delayMs(), () => {
      if (host.follower !== follower || follower === null || follower.isConnected) return;
      if (!leader.isUp || this.#cutOff.has(host.brokerId) || this.#cutOff.has(leaderId)) {
        this.schedule(host, REDIAL_MS, () => {
          if (host.follower === follower && !follower.isConnected) this.dial(host, leaderId);
        });
        return;
      }
      const link = new Link(host, leader, (one, isUp) => {
        this.push(this.delayMs(), () => {
          this.#deliver(one, isUp);
        });
      });
      this.links.add(link);
      follower.onLinkOpened(link);
    });
  }

  /** The head of a queue: order is kept whatever the delays are. */
  #deliver(link: Link, isUp: boolean): void {
    if (!link.isOpen) return;
    const receiver = isUp ? link.leader : link.follower;
    const wakesInMs = this.wakesInMs(receiver);
    if (wakesInMs > 0) {
      this.push(wakesInMs, () => {
        this.#deliver(link, isUp);
      });
      return;
    }
    if (isUp) {
      const report = link.up.shift();
      if (report !== undefined) receiver.onReport(link, report);
    } else {
      const frame = link.down.shift();
      if (frame !== undefined) receiver.follower?.onFrame(link, frame);
      link.leader.leader?.onDelivered(link);
    }
    this.checks.afterEvent(receiver);
    this.checks.afterEvent(link.leader);
  }

  #close(link: Link): void {
    if (!link.isOpen) return;
    link.isOpen = false;
    this.links.delete(link);
    for (const host of [link.follower, link.leader]) {
      this.schedule(host, this.delayMs(), () => {
        host.onLinkLost(link);
      });
    }
  }

  // ---- harm ----

  #doHarm(): void {
    const { options } = this;
    const faults = this.#faults;
    const host = faults.pick(this.hosts);
    const { brokerId } = host;
    if (!host.isUp) {
      if (faults.chance(options.wipeChance)) this.#wipe(host);
      if (faults.chance(options.startChance)) this.#start(host);
      return;
    }
    if (faults.chance(options.crashChance)) this.#crash(host);
    else if (faults.chance(options.powerChance)) {
      const isAll = faults.chance(options.blackoutChance);
      for (const other of isAll ? this.hosts : [host]) this.#losePower(other);
    } else if (faults.chance(options.stopChance)) this.#stop(host);
    else if (faults.chance(options.pauseChance)) {
      this.checks.count("pause");
      this.#pausedUntilMs[brokerId - 1] = this.#time.nowMs + faults.between(5, 3 * options.sessionMs);
    }
    if (faults.chance(options.resetChance)) {
      const links = [...this.links];
      if (links.length > 0) this.#close(faults.pick(links));
    }
    if (faults.chance(options.fenceChance)) this.#plane.fence(brokerId);
    if (this.#cutOff.size > 0 && faults.chance(0.1)) this.#cutOff.clear();
    else if (faults.chance(options.cutOffChance)) this.#isolate(brokerId);
    this.#command();
  }

  #command(): void {
    const { options } = this;
    const faults = this.#faults;
    const controller = this.#controller;
    let before = controller.offset;
    if (faults.chance(options.moveChance)) controller.moveLeader(faults.pick(controller.replicas));
    if (faults.chance(options.minIsrChance)) {
      const minIsr = faults.between(1, Math.min(3, controller.replicas.length));
      this.checks.onMinIsr(minIsr);
      controller.setMinIsr(minIsr);
    }
    if (options.raisesMode && faults.chance(0.01)) controller.raiseMode();
    if (faults.chance(options.uncleanChance)) {
      // Who does not know yet that it is leaderless may be about to learn that its replica went before that, and came back empty.
      const knows = (host: ReplicaHost): boolean => host.state?.leaderEpoch === controller.leaderEpoch;
      const live = this.hosts.filter((host) => this.#plane.isReachable(host) && !host.isStopped && knows(host));
      controller.chooseUnclean(new Map(live.map((host) => [host.brokerId, endOf(host)])));
    }
    // What is moved next is judged by whom this left to count on.
    if (controller.offset !== before) this.#plane.afterCommand();
    before = controller.offset;
    if (this.#moves.chance(options.reassignChance)) this.#reassign();
    if (controller.offset !== before) this.#plane.afterCommand();
  }

  #reassign(): void {
    const controller = this.#controller;
    const random = this.#moves;
    if (random.chance(0.3)) {
      const isBack = controller.cancelReassignment();
      this.checks.count(isBack ? "reassignment cancelled" : "cancel refused");
      return;
    }
    const count = random.between(Math.min(2, this.hosts.length), Math.min(4, this.hosts.length));
    const left = [...controller.brokers.keys()];
    const target: number[] = [];
    while (target.length < count) target.push(...left.splice(random.between(0, left.length - 1), 1));
    // Those that are added are alive; where that leaves none there is nothing to ask for.
    const wanted = target.filter((id) => controller.replicas.includes(id) || controller.isAcceptable(id));
    if (wanted.length === 0) return;
    this.checks.count("reassignment");
    this.trace.note(this.#time.nowMs, "reassigned", wanted.join(" "));
    this.checks.onMinIsr(Math.min(controller.minIsr, wanted.length));
    controller.reassign(wanted);
  }

  #isolate(brokerId: number): void {
    this.checks.count("cut off");
    this.trace.note(this.#time.nowMs, "cut off", `${brokerId}`);
    this.#cutOff.add(brokerId);
    for (const link of this.links) {
      if (link.follower.brokerId === brokerId || link.leader.brokerId === brokerId) this.#close(link);
    }
  }

  #end(host: ReplicaHost, how: string): void {
    this.checks.count(how);
    this.trace.note(this.#time.nowMs, how, `${host.brokerId}`);
    for (const link of this.links) {
      if (link.follower === host || link.leader === host) this.#close(link);
    }
    this.#plane.onDied(host);
    this.#pausedUntilMs[host.brokerId - 1] = 0;
    host.die();
  }

  #crash(host: ReplicaHost): void {
    const { batches, logStartOffset, writtenEnd } = host.log;
    this.#end(host, "crash");
    host.marker = -1;
    host.log.afterCrash(this.disks);
    this.checks.onDestroyed(host, { batches, logStartOffset, writtenEnd }, false);
  }

  #losePower(host: ReplicaHost): void {
    const { batches, logStartOffset, writtenEnd } = host.log;
    if (host.isUp) this.#end(host, "power failure");
    host.marker = -1;
    host.log.afterPowerFailure(this.disks);
    this.checks.onDestroyed(host, { batches, logStartOffset, writtenEnd }, false);
  }

  /** Everything that was handed over is written, then synced, then the marker. */
  #stop(host: ReplicaHost): void {
    const { log, brokerEpoch, isStopped } = host;
    const isBusy = log.writtenEnd !== log.logEndOffset || host.isCutting;
    if (isBusy || brokerEpoch === -1) return;
    log.stopCleanly();
    this.#end(host, "clean stop");
    host.marker = isStopped ? -1 : brokerEpoch;
  }

  #wipe(host: ReplicaHost): void {
    const { batches, logStartOffset, writtenEnd } = host.log;
    this.checks.count("wipe");
    this.trace.note(this.#time.nowMs, "wiped", `${host.brokerId}`);
    host.directoryId += 1;
    host.marker = -1;
    host.log.wipe();
    this.checks.onDestroyed(host, { batches, logStartOffset, writtenEnd }, true);
  }

  #start(host: ReplicaHost): void {
    if (this.#buried.includes(host.brokerId)) return;
    this.trace.note(this.#time.nowMs, "starts", `${host.brokerId}`);
    if (host.marker === -1 && this.#controller.isSynced) host.log.syncAtStart();
    host.start();
    this.checks.afterEvent(host);
  }

  #work(): void {
    const { options } = this;
    const workload = this.#workload;
    for (const host of this.hosts) {
      if (!host.isUp || this.wakesInMs(host) > 0) continue;
      const { leader, log } = host;
      if (workload.chance(options.checkpointChance)) log.checkpointedHighWatermark = log.highWatermark;
      if (workload.chance(0.05)) host.syncWritten();
      if (leader === null) continue;
      if (workload.chance(options.produceChance)) {
        leader.produce(workload.between(1, options.batchOffsetsMax), workload.chance(0.7));
        // Without delay of writes it is shown already, and the deletion hides it.
        this.checks.afterEvent(host);
      }
      if (workload.chance(options.deleteChance)) leader.deleteBefore(this.#deletionPoint(log));
      this.checks.afterEvent(host);
    }
  }

  /** Most often a few records; now and then all that some replica has, so that its log ends where the leader's begins. */
  #deletionPoint({ logStartOffset }: ModelLog): number {
    const { deleteAtEndChance } = this.options;
    const isAtEnd = deleteAtEndChance > 0 && this.#deletions.chance(deleteAtEndChance);
    return isAtEnd ? this.#deletions.pick(this.hosts).log.logEndOffset : logStartOffset + this.#workload.between(1, 6);
  }

  // ---- rest ----

  /** One member that holds all, or where only answers can tell all of lastIsr, must be enough for a leader (3.3(3)). */
  #healCore(): void {
    const controller = this.#controller;
    const kept = this.#pickCore();
    if (kept === null) return;
    this.trace.note(this.#time.nowMs, "core healed", kept.join(" "));
    this.checks.count("core healed");
    this.#buried = controller.replicas.filter((brokerId) => !kept.includes(brokerId));
    for (const brokerId of this.#buried) {
      const host = this.hosts[brokerId - 1] as ReplicaHost;
      if (host.isUp) this.#crash(host);
    }
    this.#calm();
    const untilMs = this.#time.nowMs + REST_MS_MAX;
    const isLed = (): boolean => this.hosts.some((host) => host.leadEpoch === controller.leaderEpoch);
    while (!isLed() && this.#time.nowMs < untilMs) this.#live();
    const isExcused = this.hosts.some((host) => host.isStopped) || !this.#isEnough(kept);
    ensure(isLed() || isExcused, "RE15", () => `{${kept.join()}} are up, and nobody leads`);
    this.#buried = [];
  }

  /** May one of these lead? In page-cache mode a partition waits for its ELR (9(1)). */
  #isEnough(kept: readonly number[]): boolean {
    const { pool, isr, elr, isSynced } = this.#controller;
    const isIn = (list: readonly number[]): boolean => list.some((brokerId) => kept.includes(brokerId));
    return isIn(pool) && (isSynced || elr.length === 0 || isIn(isr) || isIn(elr));
  }

  #pickCore(): readonly number[] | null {
    const controller = this.#controller;
    const isThere = (brokerId: number): boolean =>
      this.hosts[brokerId - 1]?.directoryId === controller.brokers.get(brokerId)?.directoryId;
    const isr = controller.isr.filter(isThere);
    if (isr.length > 0) return [this.#faults.pick(isr)];
    if (controller.isr.length > 0) return null;
    const elr = controller.elr.filter(isThere);
    if (controller.elr.length > 0) {
      if (elr.length < controller.elr.length) return null;
      return controller.isSynced ? [this.#faults.pick(elr)] : elr;
    }
    const pool = controller.pool.filter(isThere);
    return pool.length === 0 ? null : [this.#faults.pick(pool)];
  }

  #calm(): void {
    this.isCalm = true;
    this.#cutOff.clear();
    for (const host of this.hosts) {
      this.#pausedUntilMs[host.brokerId - 1] = 0;
      if (!host.isUp) this.#start(host);
    }
  }

  #live(): void {
    this.#time.runFor(STEP_MS);
    this.#plane.tick();
    this.checks.ensureSeen();
  }

  #healAll(): void {
    this.trace.note(this.#time.nowMs, "healed");
    this.#calm();
    const controller = this.#controller;
    const untilMs = this.#time.nowMs + REST_MS_MAX;
    let wanted = "";
    let hasProduced = false;
    while (this.#time.nowMs < untilMs) {
      this.#live();
      // Everything may be gone for good, and then it is an operator who chooses (9(3)).
      if (controller.leaderId === -1 && controller.pool.length === 0) return;
      if (this.hosts.some((host) => host.isStopped)) return;
      const host = this.hosts.find(({ leadEpoch }) => leadEpoch === controller.leaderEpoch);
      if (!hasProduced && host?.leader?.core.admitAcksAll() === null) {
        host.leader.produce(1, true);
        this.checks.afterEvent(host);
        hasProduced = true;
      }
      const state = controller.records.at(-1);
      wanted = state === undefined ? "" : (this.checks.atRest(state) ?? "");
      if (wanted === "" && hasProduced) return;
    }
    ensure(false, "RE15", () => `healed, but ${wanted}`);
  }

  // ---- events ----

  delayMs(): number {
    return this.options.delayMinMs + exponential(this.#network, this.options.delayMeanMs);
  }

  wakesInMs(host: ReplicaHost): number {
    return (this.#pausedUntilMs[host.brokerId - 1] ?? 0) - this.#time.nowMs;
  }

  push(delayMs: number, task: () => void): void {
    this.#time.push(delayMs, () => {
      this.checks.ensureSeen();
      task();
    });
  }
}
