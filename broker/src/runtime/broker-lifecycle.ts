/**
 * The broker's side of its registration (semantics 10.4, 10.5): says who it is, then regularly that it lives and how far it is, and hands
 * over what it leads before it stops.
 *
 *     new ── register ──> registered ── start: signs of life ──> alive ── shutDown: granted, or in vain ──> closed
 *                              ^──── 77: its incarnation once more ────┘
 *
 * A broker whose own node decides alone has nobody to tell: one registration, and nothing periodic. Signs of life leave every
 * `broker.heartbeat.interval.ms`, and at once when somebody waits for what they say: fenced with its registration applied, logs opened that
 * it leads, another one that shuts down, a full disk.
 */
import type { ErrorName } from "@tidemark/proto";
import { ProtoError } from "@tidemark/proto";
import type { BrokerConfig } from "../config/index.ts";
import type {
  BrokerHeartbeat,
  BrokerRegistration,
  ClusterImage,
  HeartbeatResponse,
  MetadataDelta,
} from "../metadata/index.ts";
import type { Clock, Logger, TimerHandle, Timers } from "../ports/index.ts";
import type { ControllerCommands } from "./controller-commands.ts";

export interface BrokerLifecycleOptions {
  readonly config: () => BrokerConfig;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly commands: Pick<ControllerCommands, "registerBroker" | "heartbeat">;
  /** All but the previous broker epoch of a second registration; one incarnation id for the life of the process. */
  readonly registration: BrokerRegistration;
  /** Applied here. */
  readonly image: () => ClusterImage;
  /** Of the replicas: up to where what this broker leads is led with its log open (15.3(1)). */
  readonly readyOffset: () => number;
  /** Of the replicas. */
  readonly state: () => Pick<BrokerHeartbeat, "isFull" | "isOffline">;
  /** This node alone decides on the metadata: no other can ever. */
  readonly isAlone: () => boolean;
  /** Called with each registration. */
  readonly onRegistered?: (brokerEpoch: number) => void;
  /** Another process has this broker's id, again and again: this one must stop. Called once. */
  readonly onSuperseded: (message: string) => void;
}

/** What a registration is tried again after: nobody decides now, or the process before this one counts as alive. */
const PASSING: ReadonlySet<ErrorName> = new Set([
  "NOT_CONTROLLER",
  "KAFKA_STORAGE_ERROR",
  "REQUEST_TIMED_OUT",
  "NETWORK_EXCEPTION",
  "COORDINATOR_NOT_AVAILABLE",
  "DUPLICATE_BROKER_REGISTRATION",
]);
const REGISTER_AGAIN_MS = 100;
/** How long a failed sign of life waits for the next one. */
const BEAT_AGAIN_MS = 200;
/** Logs that are being opened are looked at so often. */
const READY_LOOK_MS = 5;
/** Two of them make an end. */
const SUPERSEDED_WITHIN_MS = 60_000;
const SHUT_DOWN_MS = 10_000;
const SHUT_DOWN_ALONE_MS = 2_000;
const SHUT_DOWN_ASK_MS = 50;

export class BrokerLifecycle {
  readonly #options: BrokerLifecycleOptions;
  #brokerEpoch = -1;
  #stage: "new" | "registered" | "alive" | "closed" = "new";
  #timer: TimerHandle | null = null;
  #readyTimer: TimerHandle | null = null;
  /** Of the sign of life that is on its way. */
  #beating: Promise<HeartbeatResponse | null> | null = null;
  /** Somebody waits for the next one. */
  #isHurried = false;
  /** Somebody waits until this is ready here. */
  #awaitedOffset = 0;
  #supersededAt = Number.NEGATIVE_INFINITY;
  #wantsShutDown = false;

  constructor(options: BrokerLifecycleOptions) {
    this.#options = options;
  }

  /** Of the registration in force; -1 before. */
  get brokerEpoch(): number {
    return this.#brokerEpoch;
  }

  /** This incarnation may lead and be in sync, as far as is known here. */
  get isFenced(): boolean {
    return this.#own()?.isFenced ?? true;
  }

  /**
   * Resolves when the registration is decided. Rejects with ProtoError INVALID_REGISTRATION, INCONSISTENT_CLUSTER_ID; with what stood in
   * the way when `initial.broker.registration.timeout.ms` are over.
   */
  async register(): Promise<number> {
    const { clock, config, logger } = this.#options;
    const endsAt = clock.monotonicNow() + config().initialBrokerRegistrationTimeoutMs;
    for (let isFirst = true; ; isFirst = false) {
      try {
        // oxlint-disable-next-line no-await-in-loop
        await this.#registerOnce();
        if (this.#stage === "new") this.#stage = "registered";
        return this.#brokerEpoch;
      } catch (error: unknown) {
        const isOver = this.#stage === "closed" || clock.monotonicNow() >= endsAt;
        if (!(error instanceof ProtoError) || !PASSING.has(error.code) || isOver) throw error;
        if (isFirst) logger.info("waiting for the controller to register this broker", { reason: error.message });
      }
      // oxlint-disable-next-line no-await-in-loop
      await this.#pause(REGISTER_AGAIN_MS);
    }
  }

  async #registerOnce(): Promise<void> {
    const { commands, registration, onRegistered } = this.#options;
    const previousBrokerEpoch = this.#brokerEpoch < 0 ? registration.previousBrokerEpoch : this.#brokerEpoch;
    const { brokerEpoch } = await commands.registerBroker({ ...registration, previousBrokerEpoch });
    if (brokerEpoch === this.#brokerEpoch) return;
    this.#brokerEpoch = brokerEpoch;
    onRegistered?.(brokerEpoch);
  }

  /** From now on this broker shows that it lives. Its logs are open, and its registration is applied here or will be. */
  start(): void {
    this.#stage = "alive";
    this.#goOn();
  }

  /** Every applied entry, once the replicas have taken it in. */
  onApplied(
    { brokersChanged, topicsCreated, partitionsChanged, metadataOffset }: MetadataDelta,
    image: ClusterImage,
  ): void {
    if (this.#stage !== "alive" || this.#options.isAlone()) return;
    const { brokerId } = this.#options.registration;
    const leads = (topic: string, partition: number): boolean =>
      image.topics.get(topic)?.partitions[partition]?.leaderId === brokerId;
    const isAwaited =
      topicsCreated.some(({ name, partitions }) => partitions.some((_, number) => leads(name, number))) ||
      partitionsChanged.some(({ topic, partition }) => leads(topic, partition));
    if (isAwaited) this.#reportWhenReady(metadataOffset);
    const isOwnTurn = brokersChanged.includes(brokerId) && this.#own()?.isFenced === true;
    const isLeaving = brokersChanged.some((id) => id !== brokerId && image.brokers.get(id)?.isShuttingDown === true);
    if (isOwnTurn || isLeaving) this.hurry();
    // A second broker has joined one that had nobody to tell.
    else if (this.#timer === null && this.#beating === null) this.#goOn();
  }

  /** The next sign of life leaves now, or when the one on its way is answered. */
  hurry(): void {
    if (this.#stage !== "alive" || this.#options.isAlone()) return;
    this.#isHurried = true;
    if (this.#beating === null) this.#goOn();
  }

  /**
   * Hands over what this broker leads (10.5): resolves when that is granted, when 10 s are over, or 2 s without a controller, whatever is on
   * its way then. From there on nobody is told of this broker any more. False: no controller was heard, so nobody took over.
   */
  async shutDown(): Promise<boolean> {
    const { clock, logger, config, isAlone } = this.#options;
    const mustTell = this.#stage === "alive" && config().controlledShutdownEnable && !isAlone();
    const startedAt = clock.monotonicNow();
    let answeredAt = startedAt;
    let isHeard = true;
    this.#wantsShutDown = true;
    while (mustTell && this.#stage === "alive") {
      const endsAt = Math.min(startedAt + SHUT_DOWN_MS, answeredAt + SHUT_DOWN_ALONE_MS);
      // oxlint-disable-next-line no-await-in-loop
      const answer = await this.#within(endsAt - clock.monotonicNow(), this.#beatNow());
      const now = clock.monotonicNow();
      if (answer !== null) answeredAt = now;
      if (answer?.mayShutDown === true) {
        logger.info("leadership is handed over", { durationMs: Math.round(now - startedAt) });
        break;
      }
      // The last one may be on its way.
      isHeard = now - answeredAt < SHUT_DOWN_ALONE_MS;
      if (now - startedAt >= SHUT_DOWN_MS || !isHeard) {
        const reason = isHeard ? "other brokers did not take over" : "no controller answered";
        logger.warn("leadership could not be handed over in time", { reason });
        break;
      }
      // oxlint-disable-next-line no-await-in-loop
      await this.#pause(SHUT_DOWN_ASK_MS);
    }
    this.close();
    return isHeard;
  }

  close(): void {
    this.#stage = "closed";
    this.#timer?.cancel();
    this.#readyTimer?.cancel();
  }

  // ---- signs of life ----

  #goOn(): void {
    if (this.#stage !== "alive" || this.#options.isAlone()) return;
    this.#timer?.cancel();
    this.#timer = null;
    void this.#beat();
  }

  /** One that says what is so now, also when another is on its way. */
  async #beatNow(): Promise<HeartbeatResponse | null> {
    await this.#beating;
    return this.#beat();
  }

  /** Null: it was not answered. Never rejects. */
  #beat(): Promise<HeartbeatResponse | null> {
    const startedAt = this.#options.clock.monotonicNow();
    this.#isHurried = false;
    this.#beating ??= this.#tell().then((answer) => {
      this.#beating = null;
      this.#beatLater(startedAt, answer);
      return answer;
    });
    return this.#beating;
  }

  #beatLater(startedAt: number, answer: HeartbeatResponse | null): void {
    if (this.#stage !== "alive" || this.#wantsShutDown) return;
    const { clock, timers, config } = this.#options;
    const intervalMs = config().brokerHeartbeatIntervalMs;
    const dueAt = answer === null ? clock.monotonicNow() + Math.min(BEAT_AGAIN_MS, intervalMs) : startedAt + intervalMs;
    const delayMs = this.#isHurried && answer !== null ? 0 : Math.max(0, dueAt - clock.monotonicNow());
    this.#timer?.cancel();
    this.#timer = timers.after(delayMs, () => {
      this.#timer = null;
      this.#goOn();
    });
  }

  async #tell(): Promise<HeartbeatResponse | null> {
    const { commands, registration, image, readyOffset, state, logger } = this.#options;
    const { brokerId } = registration;
    const brokerEpoch = this.#brokerEpoch;
    try {
      const answer = await commands.heartbeat({
        brokerId,
        brokerEpoch,
        metadataOffset: image().metadataOffset,
        readyOffset: readyOffset(),
        wantFence: false,
        wantShutDown: this.#wantsShutDown,
        ...state(),
      });
      if (answer.error === "NONE") return answer;
      // One that goes has no use for another epoch.
      if (this.#wantsShutDown) return { ...answer, mayShutDown: true };
      await this.#registerAgain(answer);
      this.#isHurried = true;
      return answer;
    } catch (cause: unknown) {
      logger.debug("the controller does not answer", { err: cause });
      return null;
    }
  }

  /** 10.4(1): told 77, once more with its incarnation; a second time within a minute it gives way. */
  async #registerAgain({ supersededBy }: HeartbeatResponse): Promise<void> {
    const { clock, logger, registration, onSuperseded } = this.#options;
    if (this.#stage === "closed") return;
    const isOther = supersededBy !== null && supersededBy.incarnationId !== registration.incarnationId;
    if (isOther) {
      const where = supersededBy.listeners.map(({ name, host, port }) => `${name}://${host}:${port}`).join(", ");
      const now = clock.monotonicNow();
      const isAgain = now - this.#supersededAt < SUPERSEDED_WITHIN_MS;
      this.#supersededAt = now;
      if (isAgain) {
        this.close();
        onSuperseded(`another process is broker ${registration.brokerId}, at ${where}`);
        return;
      }
      logger.warn("another process has registered as this broker", { address: where });
    }
    await this.#registerOnce();
    logger.info("this broker is registered anew", { brokerEpoch: this.#brokerEpoch });
  }

  // ---- what others wait for ----

  #reportWhenReady(metadataOffset: number): void {
    this.#awaitedOffset = metadataOffset;
    this.#readyTimer ??= this.#options.timers.after(0, () => this.#lookWhetherReady());
  }

  #lookWhetherReady(): void {
    this.#readyTimer = null;
    if (this.#stage !== "alive") return;
    if (this.#options.readyOffset() >= this.#awaitedOffset) this.hurry();
    else this.#readyTimer = this.#options.timers.after(READY_LOOK_MS, () => this.#lookWhetherReady());
  }

  // ---- small parts ----

  /** What `beat` comes to; null when `withinMs` are over first. */
  async #within(withinMs: number, beat: Promise<HeartbeatResponse | null>): Promise<HeartbeatResponse | null> {
    let timer: TimerHandle | null = null;
    const late = new Promise<null>((resolve) => {
      timer = this.#options.timers.after(Math.max(0, withinMs), () => resolve(null));
    });
    const answer = await Promise.race([beat, late]);
    (timer as TimerHandle | null)?.cancel();
    return answer;
  }

  #own() {
    const broker = this.#options.image().brokers.get(this.#options.registration.brokerId);
    return broker?.brokerEpoch === this.#brokerEpoch ? broker : undefined;
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#options.timers.after(delayMs, resolve);
    });
  }
}
