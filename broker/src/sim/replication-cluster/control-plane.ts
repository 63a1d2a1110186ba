/**
 * What goes between the model controller and the brokers: sessions, registrations, records on their way, AlterPartition that is
 * lost, late or answered by nobody, questions to the members of lastIsr.
 */
import type { SeededRandom } from "../../base/index.ts";
import type { IsrProposal } from "../../replication/index.ts";
import type { Trace } from "../trace.ts";
import type { ClusterChecks } from "./cluster-checks.ts";
import type { Link } from "./link.ts";
import type { ModelController, ReplicaEnd } from "./model-controller.ts";
import { exponential, type ReplicaHost } from "./replica-host.ts";
import type { ClusterRunOptions } from "./run-options.ts";

/** 9(3): from the first answer on; ten seconds of a real cluster. */
const LAST_ISR_MS = 500;

export interface ControlWorld {
  readonly options: ClusterRunOptions;
  readonly trace: Trace;
  readonly checks: ClusterChecks;
  readonly hosts: readonly ReplicaHost[];
  readonly links: ReadonlySet<Link>;
  readonly nowMs: number;
  /** Nothing is lost any more. */
  readonly isCalm: boolean;
  schedule(host: ReplicaHost, delayMs: number, task: () => void): void;
  push(delayMs: number, task: () => void): void;
  isCutOff(brokerId: number): boolean;
  /** Above 0: the process sleeps. */
  wakesInMs(host: ReplicaHost): number;
  delayMs(): number;
}

export class ControlPlane {
  readonly #controller: ModelController;
  readonly #network: SeededRandom;
  readonly #world: ControlWorld;
  /** When the controller last heard of each broker. */
  readonly #heardMs: number[] = [];
  readonly #isFeeding = new Set<number>();
  #firstAnswerMs = -1;

  constructor(controller: ModelController, network: SeededRandom, world: ControlWorld) {
    this.#controller = controller;
    this.#network = network;
    this.#world = world;
  }

  onDied(host: ReplicaHost): void {
    this.#isFeeding.delete(host.brokerId);
  }

  alterPartition(host: ReplicaHost, proposal: IsrProposal, answer: (code: string, offset: number) => void): void {
    const { brokerId, brokerEpoch, life } = host;
    if (this.#isLost()) return;
    const isClogged = !this.#world.isCalm && this.#network.chance(this.#world.options.clogChance);
    this.#world.push(this.#world.delayMs() + (isClogged ? this.#network.between(20, 400) : 0), () => {
      if (this.#world.isCutOff(brokerId)) return;
      const { notControllerChance } = this.#world.options;
      const isConfused = !this.#world.isCalm && this.#network.chance(notControllerChance);
      let code = "NOT_CONTROLLER";
      // A controller that resigns says so whether or not what it proposed will commit.
      if (!isConfused || this.#network.chance(0.5)) {
        const done = this.#controller.alterPartition({ brokerId, brokerEpoch, ...proposal });
        this.#world.trace.note(this.#world.nowMs, done, `${brokerId}`, proposal.partitionEpoch, proposal.isr.length);
        this.#world.checks.count(`AlterPartition ${done}`);
        this.afterCommand();
        if (!isConfused) code = done;
      }
      const { offset } = this.#controller;
      if (this.#isLost() || life !== host.life) return;
      this.#world.schedule(host, this.#world.delayMs(), () => {
        if (!this.#world.isCutOff(brokerId)) answer(code, offset);
      });
    });
  }

  // ---- metadata ----

  /** Records in order, each at its time. */
  feed(host: ReplicaHost): void {
    const { brokerId } = host;
    if (this.#isFeeding.has(brokerId) || !host.isUp || host.brokerEpoch === -1) return;
    const offset = host.state?.offset ?? 0;
    if (offset >= this.#controller.offset) return;
    this.#isFeeding.add(brokerId);
    this.#world.schedule(host, exponential(this.#network, this.#world.options.metadataMeanMs), () => {
      this.#isFeeding.delete(brokerId);
      if (this.#world.isCutOff(brokerId)) return;
      // A broker starts from a snapshot that has its registration.
      const next = host.state === null ? host.brokerEpoch - 1 : host.state.offset;
      const state = this.#controller.records[next];
      if (state !== undefined) {
        this.#world.trace.note(this.#world.nowMs, "applies", `${brokerId}`, state.offset, state.leaderEpoch);
        host.apply(state);
        this.#judgeParked(host);
      }
      this.feed(host);
    });
  }

  #judgeParked(host: ReplicaHost): void {
    for (const link of this.#world.links) {
      if (link.leader !== host) continue;
      const parked = link.parked;
      link.parked = [];
      for (const report of parked) {
        host.onReport(link, report);
        this.#world.checks.afterEvent(host);
      }
    }
  }

  afterCommand(): void {
    this.#world.checks.onCommand();
    for (const host of this.#world.hosts) this.feed(host);
  }

  /** Sessions, registrations, questions to lastIsr: what controller and brokers do all the time. */
  tick(): void {
    const controller = this.#controller;
    for (const host of this.#world.hosts) {
      const { brokerId } = host;
      this.feed(host);
      const isAwake = host.isUp && this.#world.wakesInMs(host) <= 0;
      if (isAwake) this.#judgeParked(host);
      const isHeard = isAwake && !this.#world.isCutOff(brokerId);
      if (!isHeard) {
        const silentMs = this.#world.nowMs - (this.#heardMs[brokerId - 1] ?? 0);
        // A process that is gone is noticed at once, mostly (10.4(6)).
        const isGone = !host.isUp && this.#network.chance(0.3);
        if (silentMs > this.#world.options.sessionMs || isGone) this.fence(brokerId);
        continue;
      }
      this.#heardMs[brokerId - 1] = this.#world.nowMs;
      if (host.brokerEpoch === -1) this.#register(host);
      else if (controller.brokers.get(brokerId)?.brokerEpoch === host.brokerEpoch) {
        const hasApplied = (host.state?.offset ?? 0) >= host.brokerEpoch;
        if (hasApplied && !host.isStopped && !controller.isAcceptable(brokerId) && this.#network.chance(0.4)) {
          this.#world.trace.note(this.#world.nowMs, "unfenced", `${brokerId}`);
          controller.unfence(brokerId, host.brokerEpoch);
          this.afterCommand();
        }
      }
    }
    this.#askLastIsr();
  }

  fence(brokerId: number): void {
    if (!this.#controller.isAcceptable(brokerId)) return;
    this.#world.trace.note(this.#world.nowMs, "fenced", `${brokerId}`);
    this.#world.checks.count("session ended");
    this.#controller.fence(brokerId);
    this.afterCommand();
  }

  #register(host: ReplicaHost): void {
    const known = this.#controller.brokers.get(host.brokerId);
    // 10.4(1): another directory waits until the session of the old one is over.
    if (known?.directoryId !== host.directoryId && this.#controller.isAcceptable(host.brokerId)) {
      this.fence(host.brokerId);
      return;
    }
    if (!this.#network.chance(0.5)) return;
    host.brokerEpoch = this.#controller.register(host.brokerId, host.directoryId, host.marker);
    host.marker = -1;
    this.#world.trace.note(this.#world.nowMs, "registered", `${host.brokerId}`, host.brokerEpoch);
    this.afterCommand();
  }

  #askLastIsr(): void {
    const controller = this.#controller;
    const { asked } = controller;
    if (asked === null || !controller.hasAnswer) this.#firstAnswerMs = -1;
    if (asked === null) return;
    for (const brokerId of asked) {
      const host = this.#world.hosts[brokerId - 1] as ReplicaHost;
      if (!this.isReachable(host) || host.isStopped || !this.#network.chance(0.3)) continue;
      const { brokerEpoch } = host;
      const end = endOf(host);
      // The answer may be old when it comes: by then it is another process, perhaps.
      this.#world.push(this.#world.delayMs() * 3, () => {
        controller.onReplicaEnd(brokerId, brokerEpoch, end);
        this.afterCommand();
      });
    }
    if (controller.hasAnswer && this.#firstAnswerMs === -1) this.#firstAnswerMs = this.#world.nowMs;
    controller.tryLastIsr(controller.hasAnswer && this.#world.nowMs - this.#firstAnswerMs > LAST_ISR_MS);
    this.afterCommand();
  }

  isReachable(host: ReplicaHost): boolean {
    return (
      host.isUp &&
      !this.#world.isCutOff(host.brokerId) &&
      this.#world.wakesInMs(host) <= 0 &&
      this.#controller.brokers.get(host.brokerId)?.brokerEpoch === host.brokerEpoch
    );
  }

  #isLost(): boolean {
    return !this.#world.isCalm && this.#network.chance(this.#world.options.lossChance);
  }
}

export function endOf(host: ReplicaHost): ReplicaEnd {
  return { epoch: host.log.latestEpoch, logEnd: host.log.logEndOffset, logStart: host.log.logStartOffset };
}
