/**
 * A leader core with the little world it is told of: a log that is a list of epochs, brokers as the metadata knows them, and
 * a clock that stands until it is moved. Broker 1 leads epoch 7, brokers 2 and 3 follow.
 */
import { asBrokerId, asLeaderEpoch, asMs, asOffset } from "../../../src/base/index.ts";
import type { Offset } from "../../../src/base/index.ts";
import { PartitionLeader } from "../../../src/replication/index.ts";
import type {
  IsrProposal,
  LeaderEffect,
  LeaderLog,
  Membership,
  ReplicaBroker,
  ReplicaReport,
  ReportVerdict,
} from "../../../src/replication/index.ts";
import { EpochCache } from "../../../src/storage/epoch-cache.ts";

export const LEADER_EPOCH = 7;
export const LAG_MS = 30_000;

export interface MembershipOptions {
  readonly isr?: readonly number[];
  readonly replicas?: readonly number[];
  readonly minIsr?: number;
  readonly epoch?: number;
  readonly isRecovering?: boolean;
}

export function membership(options: MembershipOptions = {}): Membership {
  return {
    partitionEpoch: options.epoch ?? 0,
    replicas: (options.replicas ?? [1, 2, 3]).map(asBrokerId),
    isr: (options.isr ?? [1, 2, 3]).map(asBrokerId),
    minInsyncReplicas: options.minIsr ?? 2,
    isRecovering: options.isRecovering ?? false,
  };
}

export interface LeaderBenchOptions {
  readonly membership?: Membership;
  /** Where epoch 7 begins. */
  readonly logEnd?: number;
  readonly logStart?: number;
  readonly end?: number;
  readonly highWatermark?: number;
  readonly isSynced?: boolean;
  /** Epochs before the own one. */
  readonly epochs?: readonly { readonly epoch: number; readonly startOffset: number }[];
}

export interface Heard {
  /** Default: 1, as registered. */
  readonly brokerEpoch?: number;
  readonly leaderEpoch?: number;
  /** Default: the last one, or one more with an `ask`. */
  readonly generation?: number;
  readonly ask?: { readonly from: number; readonly epochBefore: number };
  readonly at: number;
  readonly isSynced?: boolean;
  readonly logStart?: number;
}

export class LeaderBench {
  readonly core: PartitionLeader;
  readonly brokers = new Map<number, ReplicaBroker>();
  readonly log: { logStartOffset: Offset } & LeaderLog;
  logEnd: number;
  now = 1_000;
  ownBrokerEpoch = 1;
  readonly #generations = new Map<number, number>();

  constructor(options: LeaderBenchOptions = {}) {
    const logEnd = options.logEnd ?? 100;
    this.logEnd = logEnd;
    const logStart = asOffset(options.logStart ?? 0);
    for (const brokerId of [1, 2, 3, 4]) this.know(brokerId);
    const epochs = new EpochCache(
      (options.epochs ?? []).map(({ epoch, startOffset }) => ({
        epoch: asLeaderEpoch(epoch),
        startOffset: asOffset(startOffset),
      })),
    );
    epochs.add(asLeaderEpoch(LEADER_EPOCH), asOffset(logEnd));
    this.log = {
      logStartOffset: logStart,
      endOffsetFor: (epoch) => epochs.endOffsetFor(epoch, asOffset(this.logEnd)),
    };
    this.core = new PartitionLeader(
      {
        brokerId: asBrokerId(1),
        leaderEpoch: asLeaderEpoch(LEADER_EPOCH),
        logStartOffset: logStart,
        logEndOffset: asOffset(logEnd),
        endOffset: asOffset(options.end ?? logEnd),
        highWatermark: asOffset(options.highWatermark ?? logStart),
        membership: options.membership ?? membership(),
        countsSynced: options.isSynced ?? false,
        lagTimeMaxMs: LAG_MS,
      },
      this.log,
      {
        ownBrokerEpoch: () => this.ownBrokerEpoch,
        broker: (brokerId) => this.brokers.get(brokerId),
      },
      asMs(this.now),
    );
  }

  /** What the metadata says of a broker from now on. */
  know(brokerId: number, over: Partial<ReplicaBroker> = {}): void {
    this.brokers.set(brokerId, { brokerEpoch: 1, isFenced: false, isFull: false, isShuttingDown: false, ...over });
  }

  append(logEnd: number, written = logEnd): readonly LeaderEffect[] {
    this.logEnd = logEnd;
    this.core.onAppended(asOffset(logEnd), asMs(this.now));
    return this.core.onEndOffset(asOffset(written), asMs(this.now));
  }

  /** A follower tells where it is; the first time it asks from there, with the own epoch before it. */
  hear(follower: number, heard: number | Heard): readonly LeaderEffect[] {
    return this.tell(follower, heard).effects;
  }

  tell(
    follower: number,
    heard: number | Heard,
  ): { readonly verdict: ReportVerdict; readonly effects: readonly LeaderEffect[] } {
    const details: Heard = typeof heard === "number" ? { at: heard } : heard;
    const known = this.#generations.get(follower);
    const isFirst = known === undefined && typeof heard === "number";
    const ask = details.ask ?? (isFirst ? { from: details.at, epochBefore: this.#epochAt(details.at) } : undefined);
    const generation = details.generation ?? (ask === undefined ? (known ?? 1) : (known ?? 0) + 1);
    this.#generations.set(follower, generation);
    const report: ReplicaReport = {
      follower: asBrokerId(follower),
      brokerEpoch: details.brokerEpoch ?? 1,
      leaderEpoch: asLeaderEpoch(details.leaderEpoch ?? LEADER_EPOCH),
      generation,
      ask: ask === undefined ? null : { readFrom: asOffset(ask.from), epochBefore: asLeaderEpoch(ask.epochBefore) },
      appendedTo: asOffset(details.at),
      isSynced: details.isSynced ?? false,
      durableLogStart: asOffset(details.logStart ?? 0),
    };
    // A follower that stands further than it asked from was sent what lies between.
    if (ask === undefined) this.core.onSent(report.follower, generation, report.appendedTo);
    return this.core.onReplicaReport(report, asMs(this.now));
  }

  tick(ms = 0): readonly LeaderEffect[] {
    this.now += ms;
    return this.core.onTick(asMs(this.now));
  }

  apply(options: MembershipOptions): readonly LeaderEffect[] {
    return this.core.onMetadata(membership(options), asMs(this.now));
  }

  brokersChanged(): readonly LeaderEffect[] {
    return this.core.onBrokersChanged(asMs(this.now));
  }

  #epochAt(offset: number): number {
    return offset > this.core.epochStartOffset ? LEADER_EPOCH : -1;
  }
}

export function watermarks(effects: readonly LeaderEffect[]): number[] {
  return effects.flatMap((effect) => (effect.kind === "advanceHighWatermark" ? [effect.to] : []));
}

export function proposals(effects: readonly LeaderEffect[]): IsrProposal[] {
  return effects.flatMap((effect) => (effect.kind === "proposeIsr" ? [effect.proposal] : []));
}

/** Who a proposal wants in sync. */
export function proposed(effects: readonly LeaderEffect[]): number[][] {
  return proposals(effects).map(({ isr }) => isr.map(({ brokerId }) => brokerId));
}
