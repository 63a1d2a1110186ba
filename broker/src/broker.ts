/**
 * The composition root: one broker of the real parts, from a loaded configuration to open doors and back.
 *
 * Order of a start (semantics 2.7(3), 4.2): whose directory is it, its lock, the metadata store, the controller's replay,
 * the logs with their recovery, the addresses, the registration with the marker's broker epoch, leadership, and last the
 * doors open. A stop goes the same way back and ends with the clean marker and the lock (4.3). A start that fails gives back
 * what it had taken, in that order too.
 *
 * Only grpc-js and the native CRC-32C are loaded on the way to ready; the metadata store too where there is a disk. Nothing
 * periodic runs while nothing moves.
 */
import { createRequire } from "node:module";
import type { Server } from "node:net";
import { UUID_BYTES, uuidToText } from "@tidemark/proto";
import type { BrokerContext } from "./api/index.ts";
import { assert } from "./base/index.ts";
import { LiveConfig, validate } from "./config/index.ts";
import type { BrokerConfig } from "./config/index.ts";
import type { BrokerView, HealthCheck } from "./listeners/http/index.ts";
import { type ClusterImage, NewerMetadata } from "./metadata/index.ts";
import {
  createLogger,
  LogLevels,
  registerNativeCodecs,
  registerNativeCrc32c,
  shareDescriptors,
} from "./platform/index.ts";
import type { Metrics } from "./platform/metrics/render.ts";
import { DiskFault } from "./ports/index.ts";
import type { Logger } from "./ports/index.ts";
import {
  BrokerCounters,
  type Controller,
  type ControllerPeers,
  type ReplicaManager,
  RequestBudget,
  RequestLog,
} from "./runtime/index.ts";
import { claimDirectory } from "./storage/index.ts";
import type { ClusterIdentity, OpenProgress, OpenReport } from "./storage/index.ts";
import type { BrokerCluster } from "./broker-cluster.ts";
import { Closers, holdWhile } from "./broker-closers.ts";
import { BrokerDoors } from "./broker-doors.ts";
import { healthChecks } from "./broker-health.ts";
import { BrokerTimers } from "./broker-timers.ts";
import { BrokerJoin, type OpenedReplicas } from "./broker-join.ts";
import { assertVotesAlone, type NewSeat, openMetadata, openSeat } from "./broker-metadata.ts";
import { createRuntime } from "./broker-runtime.ts";
import { type BrokerWorld, createWorld } from "./broker-world.ts";
import { createReadyTopic } from "./ready-topic.ts";
import { BrokerStartError, describeFault, messageOf, startErrorOf } from "./start-error.ts";

/** Why a broker cannot go on. */
export interface FatalFault {
  /** Stable: DISK_FAULT, METADATA_FAULT, METADATA_TOO_NEW, BROKER_SUPERSEDED. */
  readonly code: string;
  /** One sentence for people. */
  readonly message: string;
  /** What a process that is nothing but this broker exits with. */
  readonly exitCode: number;
  readonly cause: unknown;
}

export interface BrokerOptions {
  readonly config: BrokerConfig;
  /** Keep everything in memory: gone with the process. */
  readonly memory?: boolean | undefined;
  readonly logger?: Logger | undefined;
  /**
   * The broker has failed for good: its doors are shut, no marker will be written. A process that is nothing but this
   * broker exits with `exitCode`; one that embeds it may go on without.
   */
  readonly onFatal?: ((fault: FatalFault) => void) | undefined;
  /** The start waits for other brokers: whom, each time that this changes; nobody: it goes on. */
  readonly onWaiting?: ((whom: readonly string[]) => void) | undefined;
  /** Listens already where the PEER listener stands: for several brokers in one process on any free ports. */
  readonly peerServer?: Server | undefined;
  /** Called while the logs are opened: often, and always when one is done. */
  readonly onRecovery?: ((progress: OpenProgress) => void) | undefined;
  /** Parts of the world to put in the place of the real ones; for tests. */
  readonly world?: Partial<BrokerWorld> | undefined;
}

/** Of every directory of every broker in memory: names cost nothing there. */
const MEMORY_PATH = "/memory";
const DISK_FAULT_EXIT = 74;
const CONFLICT_EXIT = 4;
/** Nothing is wrong with what this broker has stored. */
const NO_DISK_FAULTS: ReadonlySet<string> = new Set(["BROKER_SUPERSEDED", "METADATA_TOO_NEW"]);
/** What producers wait for has had the time of a hand-over that nobody answered, and without a controller there is no other leader. */
const UNHEARD_DRAIN_MS = 500;
/** A broker alone has nobody to ask. */
const lonely: ControllerPeers = {
  watch: () => () => undefined,
  isRefused: () => Promise.resolve(false),
  replicaEnds: () => Promise.reject(new Error("there is no other broker")),
};

type Stage = "new" | "starting" | "ready" | "stopping" | "stopped" | "failed";

export class Broker {
  readonly #options: BrokerOptions;
  /** File, environment and flags: what holds for the life of the process. */
  readonly #config: BrokerConfig;
  /** The same under what was set while brokers ran. */
  readonly #liveConfig: LiveConfig;
  /** Of the lines of this broker, unless it was given a logger. */
  readonly logLevels: LogLevels;
  readonly #logger: Logger;
  readonly #world: BrokerWorld;
  readonly #path: string;
  readonly #counters = new BrokerCounters();
  readonly #descriptors: ReturnType<typeof shareDescriptors>;
  readonly #doors: BrokerDoors;
  readonly #requests: RequestLog;
  readonly #budget: RequestBudget;
  #metrics: Promise<Metrics> | null = null;
  #stage: Stage = "new";
  /** What a start has opened, to be closed in the opposite order. */
  readonly #closers: Closers;
  /** Of clients that watch. */
  readonly #metadataListeners = new Set<Parameters<BrokerContext["onMetadata"]>[0]>();
  #waitingFor: readonly string[] = ["start"];
  /** The start waits for other brokers. */
  #waitsForPeers = false;
  /** As it is by now; null before the directory is claimed. */
  #identity: ClusterIdentity | null = null;
  /** Null: this broker is alone. */
  #cluster: BrokerCluster | null = null;
  #join: BrokerJoin | null = null;
  /** This stop has found no controller: what waits for other brokers is not waited for. */
  #isUnheard = false;
  #controller: Controller | null = null;
  #replicas: ReplicaManager | null = null;
  #report: OpenReport | null = null;
  /** What a clean marker will say: of the registration, before it of the marker that was found (9(4)). */
  #brokerEpoch = -1;
  #fault: FatalFault | null = null;
  #starting: Promise<void> | null = null;
  #stopping: Promise<void> | null = null;

  constructor(options: BrokerOptions) {
    const { config } = options;
    this.#options = options;
    this.#config = config;
    this.logLevels = new LogLevels(config.logLevel, config.logLevels);
    this.#logger = options.logger ?? createLogger({ level: this.logLevels, nodeId: config.nodeId });
    this.#requests = new RequestLog({ logger: this.#logger.child("requests"), slowMs: config.slowRequestMs });
    this.#budget = new RequestBudget({ maxBytes: config.queuedMaxRequestBytes, maxRequests: config.queuedMaxRequests });
    this.#liveConfig = new LiveConfig(config);
    this.#liveConfig.onChange(({ logLevel, logLevels, slowRequestMs }) => {
      this.logLevels.set(logLevel, logLevels);
      this.#requests.slowMs = slowRequestMs;
    });
    const isMemory = options.memory === true;
    this.#path = isMemory ? MEMORY_PATH : config.dataDirectory;
    const world = createWorld(isMemory, options.world);
    const timers = new BrokerTimers(world.timers);
    this.#world = { ...world, timers };
    this.#closers = new Closers(this.#logger, this.#world);
    this.#closers.add("timers", async () => timers.close());
    this.#descriptors = shareDescriptors(this.#world.descriptorsMax());
    this.#doors = new BrokerDoors({
      config,
      liveConfig: this.#liveConfig,
      logger: this.#logger,
      world: this.#world,
      descriptors: this.#descriptors,
    });
  }

  // ---- what it says of itself ----

  get nodeId(): number {
    return this.#config.nodeId;
  }

  /** Empty before the start. */
  get clusterId(): string {
    return this.#controller?.image.clusterId ?? "";
  }

  /** "host:port" of the gRPC door, the port as bound; empty before the start. */
  get grpcAddress(): string {
    return this.#doors.grpcAddress;
  }

  /** "host:port" of the HTTP door; empty before the start, and where there is none. */
  get httpAddress(): string {
    return this.#doors.httpAddress;
  }

  /** "host:port" of the peer door; empty before the start, and where there is none. */
  get peerAddress(): string {
    return this.#doors.peerAddress;
  }

  get isReady(): boolean {
    return this.#stage === "ready";
  }

  /** What a start or a stop waits for, in one word each or a broker's address; empty: it serves. */
  get waitingFor(): readonly string[] {
    return this.#waitingFor;
  }

  /** What is wrong now and keeps nobody away, a word each: "disk-full", "metadata-suspended" and so on, as /healthz?verbose says. */
  get troubles(): readonly string[] {
    return this.#checks().flatMap(({ trouble }) => (trouble === null ? [] : [trouble]));
  }

  /** What the start found on disk; null before. */
  get openReport(): OpenReport | null {
    return this.#report;
  }

  get counters(): Readonly<BrokerCounters> {
    return this.#counters;
  }

  // ---- life cycle ----

  /** Resolves when clients are served. A broker starts once: after its stop it rejects with BrokerStartError BROKER_STOPPED. */
  start(): Promise<void> {
    if (this.#stopping !== null) {
      const message = "this broker was stopped, and a broker starts once: make another one with createBroker()";
      return Promise.reject(new BrokerStartError("BROKER_STOPPED", message, undefined));
    }
    this.#starting ??= this.#startOnce();
    return this.#starting;
  }

  /**
   * Clean stop; resolves when the lock is given back. Any number of calls. Rejects with BrokerStartError STOP_FAILED when a part did not
   * close as it should; all are closed then, too.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#stopOnce();
    return this.#stopping;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #startOnce(): Promise<void> {
    this.#stage = "starting";
    try {
      await holdWhile(this.#world, this.#open());
    } catch (cause: unknown) {
      this.#stage = "failed";
      await this.#closeAll();
      throw this.#fault === null ? startErrorOf(cause, this.#path) : faultError(this.#fault);
    }
  }

  async #stopOnce(): Promise<void> {
    // A start that waits for others would wait for ever.
    this.#cluster?.giveUp();
    if (this.#stage === "starting") this.#giveUpJoining();
    if (this.#starting !== null)
      await this.#closers.hold(
        "start",
        this.#starting.catch(() => undefined),
      );
    if (this.#stage === "ready") this.#stage = "stopping";
    this.#waitingFor = ["draining"];
    await this.#closeAll();
    if (this.#stage === "stopping") this.#stage = "stopped";
  }

  /** Whatever a start waits for once its logs are open: the controller's word, and what follows from it. */
  #giveUpJoining(): void {
    this.#join?.giveUp();
    this.#cluster?.giveUpCommands();
  }

  async #open(): Promise<void> {
    const startedAt = this.#world.clock.monotonicNow();
    this.#logConfig();
    const crc = registerNativeCrc32c();
    registerNativeCodecs();
    if (!crc.isNative) this.#logger.warn("checksums are computed in JavaScript", { reason: crc.reason });

    const { identity, lock } = await claimDirectory({
      path: this.#path,
      disk: this.#world.disk,
      locks: this.#world.locks,
      random: this.#world.random,
      nodeId: this.#config.nodeId,
    });
    this.#identity = identity;
    this.#closers.add("lock", () => lock.release());
    const unwatch = this.#world.watchEventLoop(this.#logger.child("process"), this.#config.eventLoopWarnMs);
    this.#closers.add("event loop watch", async () => unwatch());
    const http = await this.#doors.openHttp(this.#view());
    if (http !== null) this.#closers.add("http", () => http.close());
    this.#cluster = await this.#openCluster();

    this.#waitingFor = ["metadata"];
    const controller = await this.#openController();
    this.#followConfigs(controller.image);
    this.#waitingFor = ["recovery"];
    const context = this.#createRuntime(controller);
    const { replicas } = context;
    this.#replicas = replicas;
    const { onRecovery } = this.#options;
    const openedWith = controller.image;
    this.#report = await replicas.open(openedWith, {
      deletedTopicIds: controller.topicsDeletedBefore,
      ...(onRecovery === undefined ? {} : { onProgress: onRecovery }),
    });
    if (this.#report.clean) this.#brokerEpoch = this.#report.previousBrokerEpoch;
    this.#closers.add("replicas", () => replicas.stop(this.#brokerEpoch));
    this.#cluster?.serve(replicas);

    this.#waitingFor = ["listeners"];
    const grpc = await this.#doors.listenGrpc(context);
    this.#closers.add("grpc", () => grpc.close(this.#isUnheard ? UNHEARD_DRAIN_MS : undefined));
    await this.#joinCluster(controller, context, { openedWith, report: this.#report });
    if (this.#config.profile === "dev") await createReadyTopic(context);
    if (this.#fault !== null) throw faultError(this.#fault);

    grpc.open();
    this.#waitingFor = [];
    this.#stage = "ready";
    this.#logger.info("ready", {
      clusterId: this.clusterId,
      grpc: this.grpcAddress,
      http: this.httpAddress,
      wasClean: this.#report.clean,
      bytesScanned: this.#report.bytesScanned,
      durationMs: Math.round(this.#world.clock.monotonicNow() - startedAt),
    });
    void this.#dialTold();
  }

  /** Beside the work: nobody waits for it, and it never rejects. */
  async #dialTold(): Promise<void> {
    const told = this.#doors.told();
    if (told.length === 0) return;
    try {
      const { dialTold } = await import("./told-addresses.ts");
      await dialTold(told, this.#world, { logger: this.#logger, isOver: () => this.#stage !== "ready" });
    } catch (cause: unknown) {
      this.#logger.warn("advertised addresses could not be looked at", { err: cause });
    }
  }

  /** What somebody has set, in a line that can be read; every key for those who look for it. */
  #logConfig(): void {
    const { sources } = this.#config;
    const settings = new Map([...sources].filter(([, { source }]) => source !== "default"));
    this.#logger.info("effective configuration", { settings, defaults: sources.size - settings.size });
    const defaults = new Map([...sources].filter(([, { source }]) => source === "default"));
    this.#logger.debug("defaults in force", { settings: defaults });
  }

  // ---- a place in the cluster ----

  /** The door to other brokers, where the configuration names any. */
  async #openCluster(): Promise<BrokerCluster | null> {
    const { controllerQuorumVoters: voters } = this.#config;
    if (voters === null) return null;
    const { BrokerCluster } = await import("./broker-cluster.ts");
    const cluster = await BrokerCluster.open({
      config: this.#config,
      voters,
      world: this.#world,
      logger: this.#logger.child("peers"),
      limits: () => this.#doors.peerLimits(),
      bound: this.#options.peerServer,
      identity: () => this.#claimed,
      brokerEpoch: () => this.#join?.brokerEpoch ?? -1,
      refusedFenceMs: () => this.#liveConfig.current.brokerRefusedFenceMs,
    });
    this.#doors.addPeers(cluster);
    this.#closers.add("peers", () => cluster.close());
    // A stop that came before could not tell it.
    if (this.#isEnding) cluster.giveUp();
    return cluster;
  }

  /**
   * Resolves when the metadata is as far as the cluster was when it was asked: a broker alone decides on it by then, one among others has
   * caught up with its controller.
   */
  async #openController(): Promise<Controller> {
    const cluster = this.#cluster;
    const opened = await openSeat(
      {
        config: this.#config,
        world: this.#world,
        logger: this.#logger,
        path: this.#path,
        identity: this.#claimed,
        onIdentity: (identity) => {
          this.#identity = identity;
        },
      },
      () => this.#findSeat(),
    );
    const { controller, driver } = await openMetadata(
      {
        config: this.#config,
        world: this.#world,
        logger: this.#logger,
        path: this.#path,
        identity: this.#claimed,
        peers: cluster?.controllerPeers ?? lonely,
        send: (message) => cluster?.send(message),
        onRole: (softState) => cluster?.onRole(softState),
        onFault: (fault) =>
          fault instanceof NewerMetadata
            ? this.#fail(fault.code, fault.message, fault)
            : this.#fail("METADATA_FAULT", `the metadata can no longer be stored: ${messageOf(fault)}`, fault),
      },
      opened,
    );
    this.#controller = controller;
    this.#closers.add("metadata", () => controller.close());
    if (cluster === null) {
      assertVotesAlone(driver);
      await controller.whenActive();
      return controller;
    }
    cluster.attach({ controller, driver });
    await this.#waitForPeers(() => cluster.catchUp((whom) => this.#onWaiting(whom)));
    return controller;
  }

  async #findSeat(): Promise<NewSeat> {
    const cluster = this.#cluster;
    if (cluster !== null) return this.#waitForPeers(() => cluster.findSeat((whom) => this.#onWaiting(whom)));
    const { newClusterId, directoryId } = this.#claimed;
    const clusterId = newClusterId ?? uuidToText(this.#world.random(UUID_BYTES));
    return { clusterId, voters: [{ nodeId: this.#config.nodeId, directoryId }] };
  }

  /**
   * This one waits for others, and they, where they are started one after the other, for this one to be ready: what it can do for them it
   * does, it answers or votes (15.3(3)). That ends when somebody leads: from then on nobody else is needed, and clients are kept away until
   * they are served. Who has no vote is needed by nobody.
   */
  get #isAwaited(): boolean {
    const { controllerQuorumVoters: listed, nodeId } = this.#config;
    if (!this.#waitsForPeers || listed === null) return false;
    const quorum = this.#controller?.quorum ?? null;
    if (quorum !== null && quorum.leaderId >= 0) return false;
    return listed.some((voter) => voter.nodeId === nodeId) || (quorum !== null && quorum.role !== "learner");
  }

  /** What ends when others come. */
  async #waitForPeers<T>(wait: () => Promise<T>): Promise<T> {
    const before = this.#waitingFor;
    this.#waitsForPeers = true;
    try {
      return await wait();
    } finally {
      this.#waitsForPeers = false;
      this.#waitingFor = before;
      this.#options.onWaiting?.([]);
    }
  }

  #onWaiting(whom: readonly string[]): void {
    if (whom.join() === this.#waitingFor.join()) return;
    this.#waitingFor = whom;
    this.#options.onWaiting?.(whom);
  }

  /** Registers, follows the metadata from there on, and shows that it lives (10.4). */
  async #joinCluster(
    controller: Controller,
    { commands, replicas }: BrokerContext,
    opened: OpenedReplicas,
  ): Promise<void> {
    const join = new BrokerJoin(
      {
        config: this.#config,
        liveConfig: () => this.#liveConfig.current,
        world: this.#world,
        logger: this.#logger,
        identity: this.#claimed,
        listeners: this.#doors.registered(),
        controller,
        commands,
        replicas,
        isInCluster: this.#cluster !== null,
        isStopping: () => this.#isEnding,
        beforeApplied: (image) => this.#followConfigs(image),
        afterApplied: (delta, image) => {
          for (const listener of this.#metadataListeners) listener(delta, image);
        },
        onRegistered: (brokerEpoch) => {
          this.#brokerEpoch = brokerEpoch;
        },
        onSuperseded: (message) => this.#fail("BROKER_SUPERSEDED", message, undefined),
      },
      opened,
    );
    this.#join = join;
    // Whoever ended the start before could not tell it.
    if (this.#isEnding) join.giveUp();
    this.#closers.add("hand-over", async () => {
      if (!this.#isUnheard) await this.#cluster?.handOver();
      this.#world.failpoint("shutdown.afterHandOver");
    });
    this.#closers.add("registration", async () => {
      this.#world.failpoint("shutdown.begin");
      // A broker that has failed has nothing to hand over in good order.
      if (this.#stage !== "stopping") return join.close();
      this.#isUnheard = !(await join.shutDown());
    });
    this.#waitingFor = ["registration"];
    if (this.#cluster === null) await join.run();
    else await this.#waitForPeers(() => join.run());
  }

  /** Nothing is waited for any more: it was stopped, or cannot go on. */
  get #isEnding(): boolean {
    return this.#stopping !== null || this.#fault !== null;
  }

  get #claimed(): ClusterIdentity {
    assert(this.#identity !== null, "the data directory is not claimed");
    return this.#identity;
  }

  /** What the metadata says of settings is in force when this returns, and before the topics of the same entry are looked at. */
  #followConfigs(image: ClusterImage): void {
    const before = this.#liveConfig.current;
    this.#liveConfig.update(image.configs);
    const { current } = this.#liveConfig;
    if (current === before) return;
    // Checked when they were set; only a file that was changed since can make them contradict it, and that must not end a start.
    for (const { key, value, message } of validate(current).problems)
      this.#logger.warn("settings contradict each other", { key, value, reason: message });
  }

  #createRuntime(controller: Controller): BrokerContext {
    return createRuntime({
      config: this.#liveConfig,
      path: this.#path,
      medium: this.#options.memory === true ? "memory" : "disk",
      openFilesMax: this.#descriptors.files,
      world: this.#world,
      logger: this.#logger,
      version: brokerVersion(),
      controller,
      cluster: this.#cluster,
      counters: this.#counters,
      requests: this.#requests,
      budget: this.#budget,
      onMetadata: (listener) => {
        this.#metadataListeners.add(listener);
        return () => this.#metadataListeners.delete(listener);
      },
      grpcEndpointOf: (brokerId, client) => this.#doors.endpointOf(controller.image, brokerId, client),
      onOffline: (fault) => this.#fail("DISK_FAULT", this.#whatFailed(fault), fault),
    });
  }

  async #closeAll(): Promise<void> {
    const failed = await this.#closers.closeAll();
    if (failed === null || this.#stage !== "stopping") return;
    const { part, cause } = failed;
    const reason = cause instanceof DiskFault ? describeFault(cause) : messageOf(cause);
    throw new BrokerStartError(
      "STOP_FAILED",
      `the broker has stopped, but not in good order (${part}): ${reason}`,
      cause,
    );
  }

  /** Once: later faults follow from the first. The doors go; what the disk holds is left to the next start's recovery. */
  #fail(code: string, message: string, cause: unknown): void {
    if (this.#stage === "failed" || this.#stage === "stopped") return;
    const isStarting = this.#stage === "starting";
    this.#stage = "failed";
    this.#waitingFor = ["failed"];
    this.#logger.error("the broker has failed", { code, reason: message, err: cause });
    const exitCode = NO_DISK_FAULTS.has(code) ? CONFLICT_EXIT : DISK_FAULT_EXIT;
    const told = { code, message, exitCode, cause };
    this.#fault = told;
    // A start tells by its rejection, also one that waits: what it waits for does not come any more.
    if (isStarting) {
      this.#cluster?.giveUp();
      this.#giveUpJoining();
      return;
    }
    // After the stretch that noticed: whoever waits in it is answered first.
    this.#world.timers.endOfTurn(() => {
      if (this.#options.onFatal === undefined) void this.stop().catch(() => undefined);
      else this.#options.onFatal(told);
    });
  }

  #whatFailed(fault: DiskFault): string {
    try {
      if (fault.kind === "ENOENT" && !this.#world.disk.isDirectory(this.#path))
        return `the data directory ${this.#path} is gone: somebody removed it under the running broker`;
    } catch {
      // Then the fault itself says all there is.
    }
    return `the data directory ${this.#path} failed: ${describeFault(fault)}`;
  }

  // ---- what the HTTP door shows ----

  #view(): BrokerView {
    return {
      isLive: () => this.#stage !== "failed",
      readiness: () => ({ ready: this.isReady || this.#isAwaited, waitingFor: this.#waitingFor }),
      checks: () => this.#checks(),
      renderMetrics: async (scope) => (await (this.#metrics ??= this.#makeMetrics())).render(scope),
      version: { version: brokerVersion(), node: process.version, nodeId: this.#config.nodeId },
    };
  }

  #checks(): HealthCheck[] {
    return healthChecks({ path: this.#path, replicas: this.#replicas, controller: this.#controller });
  }

  async #makeMetrics(): Promise<Metrics> {
    const { brokerMetrics } = await import("./broker-metrics.ts");
    return brokerMetrics({
      version: brokerVersion(),
      nodeId: this.#config.nodeId,
      summaryPartitionsMax: () => this.#liveConfig.current.metricsPartitionsMax,
      counters: this.#counters,
      requests: this.#requests,
      controller: () => this.#controller,
      replicas: () => this.#replicas,
      budget: () => this.#budget,
      freeBytes: () => this.#world.disk.freeBytes(this.#path),
      totalBytes: () => this.#world.disk.totalBytes(this.#path),
      doors: () => this.#doors.counted(),
    });
  }
}

function faultError({ code, message, cause }: FatalFault): BrokerStartError {
  return new BrokerStartError(code, message, cause);
}

function brokerVersion(): string {
  const { version } = createRequire(import.meta.url)("@tidemark/broker/package.json") as { version: string };
  return version;
}
