/**
 * The answers of several brokers about one partition as one picture: placement by the newest metadata, each replica by its own
 * words, followers by their leader's, sessions and questions by the controller's. Who did not answer is a fact too.
 */
import type {
  ExplainedBroker,
  ExplainedReplica,
  ExplainPartitionResponse,
  FollowerState,
  PartitionChange,
} from "@tidemark/proto";
import type { ExplainedChange, PartitionState, ReplicaState } from "../../explain-types.ts";

export interface Silence {
  readonly broker: number;
  readonly message: string;
  /** Nobody listens where it should; else it took the call, and said nothing. */
  readonly isRefused: boolean;
}

export class Facts {
  /** By the newest metadata; of two alike the leader's. */
  readonly base: ExplainPartitionResponse;
  /** Null: the leader did not answer, or does not lead by its own words. */
  readonly led: (ExplainedReplica & { led: NonNullable<ExplainedReplica["led"]> }) | null;
  readonly leaderView: ExplainPartitionResponse | null;
  readonly controllerView: ExplainPartitionResponse | null;
  /** Whether any that answered knows who decides on the metadata: without one no ISR and no leader changes. */
  readonly isDecided: boolean;
  readonly now: number;
  readonly #views: readonly ExplainPartitionResponse[];
  readonly #silent: ReadonlyMap<number, Silence>;

  /** @param views at least one */
  constructor(views: readonly ExplainPartitionResponse[], silent: readonly Silence[], now: number) {
    const isNewer = (a: ExplainPartitionResponse, b: ExplainPartitionResponse): boolean =>
      b.metadataOffset > a.metadataOffset ||
      (b.metadataOffset === a.metadataOffset && b.brokerId === b.leaderId && a.brokerId !== a.leaderId);
    this.base = views.reduce((a, b) => (isNewer(a, b) ? b : a));
    this.isDecided = views.some(({ controllerId }) => controllerId >= 0);
    this.now = now;
    this.#views = views;
    this.#silent = new Map(silent.map((one) => [one.broker, one]));
    this.leaderView = this.viewOf(this.base.leaderId);
    const replica = this.leaderView?.replica ?? null;
    this.led = replica !== null && replica.led !== null ? { ...replica, led: replica.led } : null;
    this.controllerView = views.find(({ brokerId, controllerId }) => brokerId === controllerId) ?? null;
  }

  viewOf(broker: number): ExplainPartitionResponse | null {
    return this.#views.find(({ brokerId }) => brokerId === broker) ?? null;
  }

  silenceOf(broker: number): Silence | null {
    return this.#silent.get(broker) ?? null;
  }

  /** The controller's word, where it answered. */
  brokerOf(broker: number): ExplainedBroker | null {
    const find = (view: ExplainPartitionResponse | null): ExplainedBroker | null =>
      view?.brokers.find(({ id }) => id === broker) ?? null;
    return find(this.controllerView) ?? find(this.base);
  }

  followerOf(broker: number): FollowerState | null {
    return this.led?.led.followers.find(({ brokerId }) => brokerId === broker) ?? null;
  }

  /** When the broker left the ISR last, by this machine's clock; null: nobody saw it. */
  leftAt(broker: number): number | null {
    return this.#lastAt(
      ({ type, isr, isrBefore }) => type === "isr-shrunk" && isrBefore.includes(broker) && !isr.includes(broker),
    );
  }

  /** Since when the ISR is smaller than that; null: nobody saw it. */
  shorterSince(members: number): number | null {
    const sizes = this.#changes.filter(({ type }) => type === "isr-shrunk" || type === "isr-expanded");
    let since: number | null = null;
    for (const change of sizes.toReversed()) {
      if (change.isr.length >= members) return since;
      since = this.#timeOf(change);
    }
    return since;
  }

  /** When the partition lost its last leader; null: nobody saw it. */
  leaderlessSince(): number | null {
    return this.#lastAt(({ type, leaderId }) => type === "leader-changed" && leaderId < 0);
  }

  #lastAt(isIt: (change: PartitionChange) => boolean): number | null {
    const change = this.#changes.findLast(isIt);
    return change === undefined ? null : this.#timeOf(change);
  }

  /** Clocks of brokers are taken for alike; that one is off is for `doctor` to find. */
  #timeOf({ atMs }: PartitionChange): number | null {
    return atMs < 0 ? null : Math.min(this.now, this.now + (atMs - this.base.nowMs));
  }

  /** Everybody applies the same ones; who has just started has seen the fewest. */
  get #changes(): readonly PartitionChange[] {
    return this.#views.reduce<readonly PartitionChange[]>(
      (a, { changes }) => (changes.length > a.length ? changes : a),
      this.base.changes,
    );
  }

  get state(): PartitionState {
    const { base, led } = this;
    return {
      topicId: base.topicId,
      leader: base.leaderId < 0 ? null : base.leaderId,
      leaderEpoch: base.leaderEpoch,
      isr: base.isr,
      elr: base.elr,
      lastIsr: base.lastIsr.map(({ brokerId }) => brokerId),
      minIsr: base.minInsyncReplicas,
      recovering: base.recovering,
      countsSynced: base.countsSynced,
      start: led?.logStartOffset ?? null,
      highWatermark: led?.highWatermark ?? null,
      end: led?.led.logEndOffset ?? null,
      proposal: led?.led.proposed === true ? { isr: led.led.proposedIsr, ageMs: Math.max(0, led.proposalAgeMs) } : null,
      replicas: base.replicas.map((broker) => this.#replicaOf(broker)),
      changes: this.#changes.map(changeOf),
      controller: this.#controller,
      silent: [...this.#silent.values()].map(({ broker, message }) => ({ broker, message })),
    };
  }

  get #controller(): number | null {
    const known = this.controllerView?.controllerId ?? this.base.controllerId;
    return known < 0 ? null : known;
  }

  /** Of one that stood at the end when it was heard last, and is silent since, nothing is known. */
  #caughtUpMs(broker: number, follower: FollowerState | null): number | null {
    if (follower === null || follower.caughtUpAgoMs < 0) return null;
    const isHeard = this.silenceOf(broker) === null && this.brokerOf(broker)?.fenced !== true;
    return follower.caughtUpAgoMs > 0 || isHeard ? follower.caughtUpAgoMs : null;
  }

  #replicaOf(broker: number): ReplicaState {
    const { base, led } = this;
    const own = this.viewOf(broker)?.replica ?? null;
    const follower = this.followerOf(broker);
    const heard = follower === null || follower.endOffset < 0 ? null : follower.endOffset;
    const end = own?.writtenEndOffset ?? heard;
    const isLeader = broker === base.leaderId;
    return {
      broker,
      role: isLeader ? "leader" : "follower",
      state: stateOf(this.brokerOf(broker)),
      inSync: base.isr.includes(broker),
      end,
      synced: own?.syncedEndOffset ?? null,
      lag: led === null || end === null ? null : Math.max(0, led.led.logEndOffset - end),
      caughtUpMs: isLeader ? 0 : this.#caughtUpMs(broker, follower),
      damagedFrom: own === null || own.damagedFrom < 0 ? null : own.damagedFrom,
    };
  }
}

function stateOf(broker: ExplainedBroker | null): string {
  if (broker === null || !broker.registered) return "not registered";
  if (broker.offline) return "offline";
  if (broker.fenced) return { stopped: "stopped", gone: "down", silent: "fenced" }[broker.fencedWhy] ?? "fenced";
  return broker.shuttingDown ? "shutting down" : "alive";
}

function changeOf({ atMs, metadataOffset, type, reason, ...change }: PartitionChange): ExplainedChange {
  const isOfIsr = type === "isr-shrunk" || type === "isr-expanded";
  const known = (id: number): number | null => (id < 0 ? null : id);
  return {
    at: atMs < 0 ? null : atMs,
    metadataOffset,
    type,
    reason,
    isr: isOfIsr ? change.isr : null,
    isrBefore: isOfIsr ? change.isrBefore : null,
    leader: known(change.leaderId),
    leaderBefore: known(change.leaderBefore),
    broker: known(change.brokerId),
  };
}
