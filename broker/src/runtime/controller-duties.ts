/**
 * What the controller of several brokers does by itself, for as long as it leads: ends the sessions of brokers that are silent or
 * gone (broker-sessions.ts), finds leaders by their logs (leader-inquiry.ts), gives leadership back to preferred replicas
 * (semantics 9(8)).
 */
import type { BrokerConfig, DynamicConfigs } from "../config/index.ts";
import {
  balanceLeaders,
  type ClusterImage,
  type Decision,
  type ElectionResult,
  fenceBroker,
  type MetadataDelta,
  type ReplicaEndsAnswer,
  type ReplicaEndsRequest,
} from "../metadata/index.ts";
import type { Clock, Logger, TimerHandle, Timers } from "../ports/index.ts";
import { BrokerSessions, type SessionEnd } from "./broker-sessions.ts";
import { LeaderInquiry, type OpenInquiry } from "./leader-inquiry.ts";

/** How the controller reaches brokers, by their ids; the composition root knows the way (PeerTransport). */
export interface ControllerPeers {
  /** Keeps a control connection, and calls `onLost` each time that it is lost or cannot be made. Answers the function that ends it. */
  watch(brokerId: number, onLost: () => void): () => void;
  /** One plain dial of every address: true only if nobody listens at any of them. */
  isRefused(brokerId: number): Promise<boolean>;
  /** The call "replica-ends"; of this node's own broker too. */
  replicaEnds(brokerId: number, request: ReplicaEndsRequest): Promise<ReplicaEndsAnswer>;
}

export interface ControllerDutiesOptions {
  readonly nodeId: number;
  /** In force now. */
  readonly config: () => BrokerConfig;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly peers: ControllerPeers;
  readonly logger: Logger;
  /** Committed. */
  readonly image: () => ClusterImage;
  readonly submit: Submit;
}

export interface BrokerStanding {
  /** Since the controller heard of it last; -1 = it has not. */
  readonly silentMs: number;
  /** Why its session was ended last: it was stopped, nobody listens at its address, it was silent. Empty: it was not ended here. */
  readonly fencedWhy: "" | "stopped" | "gone" | "silent";
  /** Since then; -1 = it was not. */
  readonly fencedMs: number;
}

/** Decides on the working state; rejects when this node no longer leads. */
export type Submit = <Response>(
  decide: (working: ClusterImage) => Decision<Response>,
) => Promise<{ readonly response: Response; readonly metadataOffset: number }>;

export class ControllerDuties {
  readonly #options: ControllerDutiesOptions;
  readonly #sessions: BrokerSessions;
  readonly #inquiry: LeaderInquiry;
  /** Whose session this controller ended last, when and why. */
  readonly #fenced = new Map<number, { readonly at: number; readonly why: BrokerStanding["fencedWhy"] }>();
  /** Until leadership is looked at next; `afterSeconds`: as it was set when it began. */
  #balance: { readonly timer: TimerHandle; readonly afterSeconds: number } | null = null;
  /** As the balance has last looked at them. */
  #configs: DynamicConfigs | null = null;
  #isStopped = false;

  constructor(options: ControllerDutiesOptions) {
    this.#options = options;
    this.#sessions = new BrokerSessions({
      ...options,
      endSession: (id, epoch, why) => this.#endSession(id, epoch, why),
    });
    this.#inquiry = new LeaderInquiry(options);
  }

  /** 10.4(5): every session begins afresh, and every broker is dialled at once. */
  start(): void {
    const image = this.#options.image();
    this.#sessions.start(image);
    this.#inquiry.start(image);
    this.#balanceLater();
  }

  stop(): void {
    this.#isStopped = true;
    this.#sessions.stop();
    this.#inquiry.stop();
    this.#balance?.timer.cancel();
  }

  /** A request of this broker's came, with its registered epoch. */
  onHeard(brokerId: number): void {
    this.#sessions.onHeard(brokerId);
  }

  /** Heard of within its session. */
  isAlive(brokerId: number): boolean {
    return this.#sessions.isAlive(brokerId);
  }

  onApplied(delta: MetadataDelta, image: ClusterImage): void {
    if (delta.brokersChanged.length > 0) this.#sessions.onBrokers(image);
    this.#inquiry.onApplied(delta, image);
    if (image.configs !== this.#configs) this.#onConfigs(image);
  }

  /** What this controller knows of a broker's session, for people (15.6). */
  standingOf(brokerId: number): BrokerStanding {
    const fenced = this.#fenced.get(brokerId);
    return {
      silentMs: this.#sessions.silentMs(brokerId),
      fencedWhy: fenced?.why ?? "",
      fencedMs: fenced === undefined ? -1 : this.#options.clock.monotonicNow() - fenced.at,
    };
  }

  explain(topicId: string, partition: number): OpenInquiry | null {
    return this.#inquiry.explain(topicId, partition);
  }

  /** Results of targets that were taken, when their outcome is known. */
  electUncleanly(taken: readonly ElectionResult[]): Promise<readonly ElectionResult[]> {
    return this.#inquiry.electUncleanly(taken);
  }

  #endSession(brokerId: number, brokerEpoch: number, end: SessionEnd): void {
    const { submit, logger, image } = this.#options;
    // One that said that it goes is no loss.
    const hasLeft = image().brokers.get(brokerId)?.isShuttingDown === true;
    submit((working) => fenceBroker(working, brokerId, brokerEpoch)).then(
      ({ response, metadataOffset }) => {
        if (!response) return;
        this.#fenced.set(brokerId, { at: this.#options.clock.monotonicNow(), why: hasLeft ? "stopped" : end.kind });
        const why = end.kind === "gone" ? "nobody listens at its address" : `silent for ${end.silentMs} ms`;
        if (hasLeft) logger.info("a broker has stopped", { brokerId, brokerEpoch, metadataOffset });
        else logger.warn("a broker is fenced", { brokerId, brokerEpoch, reason: why, metadataOffset });
      },
      (cause: unknown) => logger.debug("a broker was not fenced", { brokerId, err: cause }),
    );
  }

  /** Who shortens the time between two looks does not wait for the one that was due by the old one. */
  #onConfigs({ configs }: ClusterImage): void {
    this.#configs = configs;
    if (this.#balance?.afterSeconds === this.#options.config().leaderImbalanceCheckIntervalSeconds) return;
    this.#balance?.timer.cancel();
    this.#balanceLater();
  }

  #balanceLater(): void {
    const { timers, config, submit, logger } = this.#options;
    const afterSeconds = config().leaderImbalanceCheckIntervalSeconds;
    const timer = timers.after(afterSeconds * 1000, () => {
      if (this.#isStopped) return;
      this.#balanceLater();
      const { autoLeaderRebalanceEnable, leaderImbalancePerBrokerPercentage } = config();
      if (!autoLeaderRebalanceEnable) return;
      submit((working) => balanceLeaders(working, leaderImbalancePerBrokerPercentage)).then(
        ({ response }) => {
          if (response > 0) logger.info("leadership was given back to preferred replicas", { count: response });
        },
        (cause: unknown) => logger.debug("leaders were not balanced", { err: cause }),
      );
    });
    this.#balance = { timer, afterSeconds };
  }
}
