/**
 * The controller's side of one partition as the rules have it (semantics 7(6), 9, 10.3, 10.4): one state that every command
 * is decided on, reassignments (13(6)) among them, and a list of records that each broker applies at its own pace. Chooses among the lawful leaders by the
 * seed, so that no order of preference hides a mistake.
 */
import type { SeededRandom } from "../../base/index.ts";
import type { IsrMember } from "../../replication/index.ts";

export interface BrokerState {
  readonly brokerEpoch: number;
  readonly directoryId: number;
  readonly isFenced: boolean;
}

/** What brokers learn: the partition and the brokers, whole. */
export interface ClusterState {
  readonly offset: number;
  readonly leaderId: number;
  readonly leaderEpoch: number;
  readonly partitionEpoch: number;
  readonly replicas: readonly number[];
  readonly isReassigning: boolean;
  readonly isr: readonly number[];
  /** Effective. */
  readonly minIsr: number;
  readonly isSynced: boolean;
  readonly uncleanEpoch: number;
  readonly isRecovering: boolean;
  readonly brokers: ReadonlyMap<number, BrokerState>;
}

interface LastIsrMember {
  readonly brokerId: number;
  readonly directoryId: number;
}

export interface ReplicaEnd {
  readonly epoch: number;
  readonly logEnd: number;
  readonly logStart: number;
}

export interface AlterRequest {
  readonly brokerId: number;
  readonly brokerEpoch: number;
  readonly leaderEpoch: number;
  readonly partitionEpoch: number;
  readonly isr: readonly IsrMember[];
}

/** How a leader was chosen, for the checks. */
export type Choice = "clean" | "lastIsr" | "timeout" | "unclean";

export interface ControllerOptions {
  readonly brokersCount: number;
  /** Brokers without a replica, behind those that have one. */
  readonly sparesCount: number;
  readonly minIsr: number;
  readonly isSynced: boolean;
}

export class ModelController {
  readonly records: ClusterState[] = [];
  replicas: readonly number[];
  adding: readonly number[] = [];
  removing: readonly number[] = [];
  readonly #random: SeededRandom;
  readonly #onChosen: (leaderId: number, how: Choice) => void;
  leaderId: number;
  leaderEpoch = 1;
  partitionEpoch = 0;
  isr: readonly number[];
  elr: readonly number[] = [];
  lastIsr: readonly LastIsrMember[];
  minIsr: number;
  isSynced: boolean;
  uncleanEpoch = -1;
  isRecovering = false;
  readonly brokers = new Map<number, BrokerState>();
  /** Answers of members of lastIsr, of the broker epoch that gave them (9(3)). */
  #answers = new Map<number, ReplicaEnd>();

  constructor(options: ControllerOptions, random: SeededRandom, onChosen: (leaderId: number, how: Choice) => void) {
    this.#random = random;
    this.#onChosen = onChosen;
    this.replicas = Array.from({ length: options.brokersCount }, (_, slot) => slot + 1);
    for (let brokerId = 1; brokerId <= options.brokersCount + options.sparesCount; brokerId++) {
      this.brokers.set(brokerId, { brokerEpoch: 1, directoryId: 0, isFenced: false });
    }
    this.leaderId = 1;
    this.isr = this.replicas;
    this.lastIsr = this.#withDirectories(this.replicas);
    this.minIsr = options.minIsr;
    this.isSynced = options.isSynced;
    this.#push();
  }

  get offset(): number {
    return this.records.length;
  }

  get effectiveMinIsr(): number {
    return Math.min(this.minIsr, this.origin.length);
  }

  /** The replicas before a reassignment, and after it. */
  get origin(): readonly number[] {
    return this.replicas.filter((brokerId) => !this.adding.includes(brokerId));
  }

  get target(): readonly number[] {
    return this.replicas.filter((brokerId) => !this.removing.includes(brokerId));
  }

  /** Replicas of which one at least holds whatever was committed. */
  get pool(): readonly number[] {
    const kept = this.lastIsr.filter(({ brokerId, directoryId }) => this.#directoryOf(brokerId) === directoryId);
    return [...new Set([...this.isr, ...this.elr, ...kept.map(({ brokerId }) => brokerId)])];
  }

  isAcceptable(brokerId: number): boolean {
    return this.brokers.get(brokerId)?.isFenced === false;
  }

  /** 10.4(1), 9(4): one command. Returns the new broker epoch; an own record is always behind it. */
  register(brokerId: number, directoryId: number, previousBrokerEpoch: number): number {
    const known = this.brokers.get(brokerId);
    const isClean = previousBrokerEpoch === known?.brokerEpoch;
    const brokerEpoch = this.offset + 1;
    this.brokers.set(brokerId, { brokerEpoch, directoryId, isFenced: true });
    this.#answers.delete(brokerId);
    const before = this.#essence();
    this.#setIsr(without(this.isr, brokerId), isClean ? [] : [brokerId]);
    if (!isClean) this.elr = without(this.elr, brokerId);
    this.#choose();
    this.#maybeComplete();
    if (this.#essence() !== before) this.partitionEpoch += 1;
    this.#push();
    return brokerEpoch;
  }

  /** 10.4(4): the session ended. */
  fence(brokerId: number): void {
    const broker = this.brokers.get(brokerId);
    if (broker === undefined || broker.isFenced) return;
    this.brokers.set(brokerId, { ...broker, isFenced: true });
    const before = this.#essence();
    this.#setIsr(without(this.isr, brokerId), []);
    this.#choose();
    this.#maybeComplete();
    if (this.#essence() !== before) this.partitionEpoch += 1;
    this.#push();
  }

  /** 10.4(3): it has applied its own registration. */
  unfence(brokerId: number, brokerEpoch: number): void {
    const broker = this.brokers.get(brokerId);
    if (broker === undefined || !broker.isFenced || broker.brokerEpoch !== brokerEpoch) return;
    this.brokers.set(brokerId, { ...broker, isFenced: false });
    const before = this.#essence();
    this.#choose();
    this.#maybeComplete();
    if (this.#essence() !== before) this.partitionEpoch += 1;
    this.#push();
  }

  /** 7(6), in the written order of checks. */
  alterPartition(request: AlterRequest): string {
    const ids: number[] = request.isr.map(({ brokerId }) => brokerId).sort((a, b) => a - b);
    if (request.brokerEpoch !== this.brokers.get(request.brokerId)?.brokerEpoch) return "STALE_BROKER_EPOCH";
    if (request.leaderEpoch > this.leaderEpoch) return "NOT_CONTROLLER";
    if (request.leaderEpoch < this.leaderEpoch) return "FENCED_LEADER_EPOCH";
    if (request.brokerId !== this.leaderId) return "INVALID_REQUEST";
    if (request.partitionEpoch > this.partitionEpoch) return "NOT_CONTROLLER";
    if (request.partitionEpoch < this.partitionEpoch) return "INVALID_UPDATE_VERSION";
    if (!ids.includes(this.leaderId) || ids.some((id) => !this.replicas.includes(id))) return "INVALID_REQUEST";
    for (const { brokerId, brokerEpoch } of request.isr) {
      if (!this.isAcceptable(brokerId)) return "INELIGIBLE_REPLICA";
      if (this.brokers.get(brokerId)?.brokerEpoch !== brokerEpoch) return "INELIGIBLE_REPLICA";
    }
    this.partitionEpoch += 1;
    this.isRecovering = false;
    this.#setIsr(ids, []);
    const { leaderId } = this;
    this.#maybeComplete();
    this.#push();
    return leaderId === this.leaderId ? "NONE" : "NEW_LEADER_ELECTED";
  }

  /** 13(6): another target, over one that is under way too. */
  reassign(target: readonly number[]): void {
    const { origin, leaderEpoch } = this;
    const isKept = (brokerId: number): boolean => origin.includes(brokerId) || this.#counts(brokerId);
    const removing = this.replicas.filter((brokerId) => !target.includes(brokerId) && isKept(brokerId));
    const all = [...target, ...removing];
    this.#place(
      all,
      all.filter((brokerId) => !origin.includes(brokerId)),
      removing,
    );
    this.#maybeComplete();
    // It may be over at once: one command, one epoch.
    this.leaderEpoch = Math.min(this.leaderEpoch, leaderEpoch + 1);
    this.partitionEpoch += 1;
    this.#push();
  }

  /** False: nothing is under way, or too few copies would be left. */
  cancelReassignment(): boolean {
    const { origin } = this;
    if (this.adding.length === 0 && this.removing.length === 0) return false;
    if (!this.#mayBeLeftTo(origin)) return false;
    this.#place(origin, [], []);
    this.partitionEpoch += 1;
    this.#push();
    return true;
  }

  #mayBeLeftTo(kept: readonly number[]): boolean {
    if (!this.replicas.some((brokerId) => !kept.includes(brokerId) && this.#counts(brokerId))) return true;
    return kept.filter((brokerId) => this.isr.includes(brokerId)).length >= Math.min(this.minIsr, kept.length);
  }

  /** It may hold what was committed, and is counted on. */
  #counts(brokerId: number): boolean {
    const isLast = this.lastIsr.some((member) => member.brokerId === brokerId);
    return this.isr.includes(brokerId) || this.elr.includes(brokerId) || isLast;
  }

  #maybeComplete(): void {
    if (this.adding.length === 0 && this.removing.length === 0) return;
    const { target } = this;
    if (this.isRecovering || !target.every((brokerId) => this.isr.includes(brokerId))) return;
    this.#place(target, [], []);
  }

  /** One step: replicas, ISR and leader; a new leader epoch where a replica is gone (7(8)). */
  #place(replicas: readonly number[], adding: readonly number[], removing: readonly number[]): void {
    const { leaderEpoch } = this;
    const isShrunk = this.replicas.some((brokerId) => !replicas.includes(brokerId));
    this.replicas = replicas;
    this.adding = adding;
    this.removing = removing;
    this.elr = this.elr.filter((brokerId) => replicas.includes(brokerId));
    this.lastIsr = this.lastIsr.filter(({ brokerId }) => replicas.includes(brokerId));
    this.#setIsr(
      this.isr.filter((brokerId) => replicas.includes(brokerId)),
      [],
    );
    this.elr = this.elr.filter((brokerId) => replicas.includes(brokerId));
    this.#choose();
    if (isShrunk && this.leaderEpoch === leaderEpoch) this.leaderEpoch += 1;
  }

  /** A preferred-leader move, or a rebalance. */
  moveLeader(brokerId: number): void {
    if (this.leaderId === -1 || brokerId === this.leaderId) return;
    if (!this.isr.includes(brokerId) || !this.isAcceptable(brokerId)) return;
    this.#lead(brokerId, "clean");
    this.partitionEpoch += 1;
    this.#push();
  }

  /** 9(5): every command that changes the effective minimum recomputes ELR and lastIsr. */
  setMinIsr(minIsr: number): void {
    if (minIsr === this.minIsr) return;
    this.minIsr = minIsr;
    this.#setIsr(this.isr, []);
    this.#choose();
    this.#maybeComplete();
    this.partitionEpoch += 1;
    this.#push();
  }

  /** 15.1(5). */
  raiseMode(): void {
    if (this.isSynced) return;
    this.isSynced = true;
    this.#push();
  }

  /** 9(3): members of lastIsr that have to be asked; null = nobody waits for one. */
  get asked(): readonly number[] | null {
    if (this.leaderId !== -1 || this.isr.length > 0) return null;
    const isElrDead = !this.elr.some((brokerId) => this.isAcceptable(brokerId));
    if (!(this.elr.length === 0 || (this.isSynced && isElrDead))) return null;
    return this.#askable().filter((brokerId) => !this.#answers.has(brokerId));
  }

  get hasAnswer(): boolean {
    return this.#answers.size > 0;
  }

  /** An answer counts only for the broker epoch that gave it. */
  onReplicaEnd(brokerId: number, brokerEpoch: number, end: ReplicaEnd): void {
    if (this.asked === null || this.brokers.get(brokerId)?.brokerEpoch !== brokerEpoch) return;
    this.#answers.set(brokerId, end);
    this.tryLastIsr(false);
  }

  /** 9(3): the greatest leads as soon as it is acceptable; once the time is over, the greatest acceptable one. */
  tryLastIsr(isTimeOver: boolean): void {
    const missing = this.asked;
    if (missing === null || (missing.length > 0 && !isTimeOver)) return;
    const answered = this.#askable().filter((brokerId) => this.#answers.has(brokerId));
    const able = isTimeOver ? answered.filter((brokerId) => this.isAcceptable(brokerId)) : answered;
    // Below a log start everything was committed: whoever ends before it has lost its tail (decision 0037).
    const deletedTo = Math.max(...able.map((brokerId) => this.#answers.get(brokerId)?.logStart ?? 0));
    const candidates = able.filter((brokerId) => (this.#answers.get(brokerId)?.logEnd ?? 0) >= deletedTo);
    const greatest = this.#greatest(candidates);
    if (greatest === null || !this.isAcceptable(greatest)) return;
    this.#leadAlone(greatest, missing.length > 0 || greatest !== this.#greatest(answered) ? "timeout" : "lastIsr");
  }

  /** 9(7): the greatest of all live replicas. */
  chooseUnclean(ends: ReadonlyMap<number, ReplicaEnd>): void {
    if (this.leaderId !== -1) return;
    this.#answers = new Map(ends);
    const mayLead = (brokerId: number): boolean => this.isAcceptable(brokerId) && this.replicas.includes(brokerId);
    const greatest = this.#greatest([...ends.keys()].filter(mayLead));
    if (greatest === null) return;
    this.lastIsr = this.#withDirectories([greatest]);
    this.#leadAlone(greatest, "unclean");
  }

  // ---- rules ----

  /** 9(1), without lastIsr. */
  #choose(): void {
    if (this.isr.includes(this.leaderId) && this.isAcceptable(this.leaderId)) return;
    const fromIsr = this.isr.filter((brokerId) => this.isAcceptable(brokerId));
    if (fromIsr.length > 0) {
      this.#lead(this.#random.pick(fromIsr), "clean");
      return;
    }
    const fromElr = this.isr.length > 0 ? [] : this.elr.filter((brokerId) => this.isAcceptable(brokerId));
    if (fromElr.length > 0) {
      const chosen = this.#random.pick(fromElr);
      this.#lead(chosen, "clean");
      this.#setIsr([chosen], []);
      return;
    }
    this.#lead(-1, "clean");
  }

  #lead(brokerId: number, how: Choice): void {
    if (brokerId === this.leaderId) return;
    this.leaderId = brokerId;
    this.leaderEpoch += 1;
    this.#answers = new Map();
    if (brokerId !== -1) this.#onChosen(brokerId, how);
  }

  #leadAlone(brokerId: number, how: Choice): void {
    this.#lead(brokerId, how);
    this.#setIsr([brokerId], []);
    this.elr = [];
    this.uncleanEpoch = this.leaderEpoch;
    this.isRecovering = true;
    this.partitionEpoch += 1;
    this.#push();
  }

  /** 9(5). */
  #setIsr(isr: readonly number[], unclean: readonly number[]): void {
    const old = this.isr;
    this.isr = isr;
    if (isr.length >= this.effectiveMinIsr) {
      this.elr = [];
      this.lastIsr = this.#withDirectories(isr);
      return;
    }
    const eligible = new Set([...this.elr, ...old]);
    this.elr = [...eligible].filter((brokerId) => !isr.includes(brokerId) && !unclean.includes(brokerId));
    const kept = this.lastIsr.filter(({ brokerId }) => !isr.includes(brokerId));
    this.lastIsr = [...kept, ...this.#withDirectories(isr)];
  }

  #askable(): readonly number[] {
    return this.lastIsr
      .filter(({ brokerId, directoryId }) => this.#directoryOf(brokerId) === directoryId)
      .map(({ brokerId }) => brokerId);
  }

  #greatest(brokerIds: readonly number[]): number | null {
    let greatest: number | null = null;
    for (const brokerId of brokerIds) {
      const end = this.#answers.get(brokerId);
      const best = greatest === null ? undefined : this.#answers.get(greatest);
      if (end === undefined) continue;
      const isGreater =
        best === undefined || end.epoch > best.epoch || (end.epoch === best.epoch && end.logEnd > best.logEnd);
      if (isGreater) greatest = brokerId;
    }
    return greatest;
  }

  #withDirectories(brokerIds: readonly number[]): LastIsrMember[] {
    return brokerIds.map((brokerId) => ({ brokerId, directoryId: this.#directoryOf(brokerId) }));
  }

  #directoryOf(brokerId: number): number {
    return this.brokers.get(brokerId)?.directoryId ?? -1;
  }

  #essence(): string {
    return `${this.leaderId} ${this.isr.join()} ${this.elr.join()} ${this.replicas.join()} ${this.adding.join()}`;
  }

  #push(): void {
    this.records.push({
      offset: this.records.length + 1,
      leaderId: this.leaderId,
      leaderEpoch: this.leaderEpoch,
      partitionEpoch: this.partitionEpoch,
      replicas: this.replicas,
      isReassigning: this.adding.length > 0 || this.removing.length > 0,
      isr: this.isr,
      minIsr: this.effectiveMinIsr,
      isSynced: this.isSynced,
      uncleanEpoch: this.uncleanEpoch,
      isRecovering: this.isRecovering,
      brokers: new Map(this.brokers),
    });
  }
}

function without(list: readonly number[], one: number): readonly number[] {
  return list.filter((other) => other !== one);
}
