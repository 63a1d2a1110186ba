/**
 * What the controller of several brokers does by itself, for as long as it leads: ends the sessions of brokers that are silent or
 * gone (broker-sessions.ts), finds leaders by their logs (leader-inquiry.ts), gives leadership back to preferred replicas
 * (semantics 9(8)).
 */
import type { BrokerConfig } from "../config/index.ts";
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
import { BrokerSessions } from "./broker-sessions.ts";
import { LeaderInquiry } from "./leader-inquiry.ts";

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

/** Decides on the working state; rejects when this node no longer leads. */
export type Submit = <Response>(
  decide: (working: ClusterImage) => Decision<Response>,
) => Promise<{ readonly response: Response; readonly metadataOffset: number }>;

export class ControllerDuties {
  readonly #options: ControllerDutiesOptions;
  readonly #sessions: BrokerSessions;
  readonly #inquiry: LeaderInquiry;
  #balanceTimer: TimerHandle | null = null;
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
    this.#balanceTimer?.cancel();
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
  }

  /** Results of targets that were taken, when their outcome is known. */
  electUncleanly(taken: readonly ElectionResult[]): Promise<readonly ElectionResult[]> {
    return this.#inquiry.electUncleanly(taken);
  }

  #endSession(brokerId: number, brokerEpoch: number, why: string): void {
    const { submit, logger, image } = this.#options;
    // One that said that it goes is no loss.
    const hasLeft = image().brokers.get(brokerId)?.isShuttingDown === true;
    submit((working) => fenceBroker(working, brokerId, brokerEpoch)).then(
      ({ response, metadataOffset }) => {
        if (!response) return;
        if (hasLeft) logger.info("a broker has stopped", { brokerId, brokerEpoch, metadataOffset });
        else logger.warn("a broker is fenced", { brokerId, brokerEpoch, reason: why, metadataOffset });
      },
      (cause: unknown) => logger.debug("a broker was not fenced", { brokerId, err: cause }),
    );
  }

  #balanceLater(): void {
    const { timers, config, submit, logger } = this.#options;
    this.#balanceTimer = timers.after(config().leaderImbalanceCheckIntervalSeconds * 1000, () => {
      if (this.#isStopped) return;
      this.#balanceLater();
      if (!config().autoLeaderRebalanceEnable) return;
      submit(balanceLeaders).then(
        ({ response }) => {
          if (response > 0) logger.info("leadership was given back to preferred replicas", { count: response });
        },
        (cause: unknown) => logger.debug("leaders were not balanced", { err: cause }),
      );
    });
  }
}
