/**
 * A broker among others: its peer door and its way to theirs, and what goes over that: the search for a seat, Raft, control calls,
 * replication. Loaded where the configuration names voters; a broker alone has none of it.
 *
 * It opens in steps, in the order in which a start learns things: the door first, since others wait for an answer even from a broker
 * that has no seat yet; with the metadata Raft runs; with the replicas the streams between brokers.
 */
import type { Server } from "node:net";
import { hostname } from "node:os";
import { UUID_BYTES, uuidToText } from "@tidemark/proto";
import type { ConnectionLimitsOptions } from "./api/index.ts";
import type { BrokerConfig, Listener } from "./config/index.ts";
import type { ReplicaEndsAnswer, ReplicaEndsRequest } from "./metadata/index.ts";
import type { Entrance, Logger, PeerAddress, PeerIdentity, PeerService, PeerTransport } from "./ports/index.ts";
import { includesReplica, type Message, type SoftState } from "./raft/index.ts";
import {
  type Controller,
  type ControllerCommands,
  type ControllerPeers,
  decodeMessage,
  encodeMessage,
  MalformedMessage,
  NotController,
  type RaftDriver,
  type ReplicaManager,
} from "./runtime/index.ts";
import {
  askMembership,
  askPeer,
  ControllerChannel,
  LeaderWatch,
  PeerCalls,
  peerInTrouble,
  type Seat,
  SeatSearch,
  serveController,
  serveMembership,
  VoterKeeper,
} from "./runtime/cluster/index.ts";
import { Replication, type ReplicationHost } from "./runtime/replication.ts";
import type { ClusterIdentity } from "./storage/index.ts";
import type { BrokerWorld } from "./broker-world.ts";
import { tcpPeers } from "./tcp-peers.ts";

export interface BrokerClusterOptions {
  readonly config: BrokerConfig;
  /** Of the configuration. */
  readonly voters: NonNullable<BrokerConfig["controllerQuorumVoters"]>;
  readonly world: BrokerWorld;
  readonly logger: Logger;
  readonly limits: () => ConnectionLimitsOptions;
  /** Of the peer door, if it listens already. */
  readonly bound: Server | undefined;
  /** As it is by now. */
  identity(): ClusterIdentity;
  /** Of this broker's registration; -1 = not yet. */
  brokerEpoch(): number;
  /** `broker.refused.fence.ms`, as it is now. */
  refusedFenceMs(): number;
}

const METADATA_OFFSET = "controller/metadata-offset";
const REPLICA_ENDS = "broker/replica-ends";
const ASK_TIMEOUT_MS = 2_000;
const CATCH_UP_AGAIN_MS = 50;
/** Between two rounds of questions about who leads. */
const LOOK_AGAIN_MS = 1_000;
/** How long a stop waits for another voter to take the lead. */
const HAND_OVER_MS = 1_000;

export class BrokerCluster {
  readonly #options: BrokerClusterOptions;
  readonly #calls: PeerCalls;
  readonly #transport: PeerTransport;
  readonly #door: Entrance;
  readonly #leaderWatch: LeaderWatch;
  /** Where nodes say that their doors are; for those that are neither listed nor registered. */
  readonly #heardAt = new Map<number, PeerAddress>();
  #search: SeatSearch | null = null;
  #metadata: { readonly controller: Controller; readonly driver: RaftDriver } | null = null;
  #channel: ControllerChannel | null = null;
  #voterKeeper: VoterKeeper | null = null;
  #replicas: ReplicaManager | null = null;
  #roleWaiters: (() => void)[] = [];
  /** As it was logged last. */
  #waitingFor = "";
  #lookAgainAt = Number.NEGATIVE_INFINITY;
  #isClosed = false;

  private constructor(options: BrokerClusterOptions) {
    this.#options = options;
    const { logger, world, config } = options;
    this.#calls = new PeerCalls(logger);
    const { host, port } = this.#listener;
    const { limits, bound } = options;
    const peers = (world.peers ?? tcpPeers)({
      host,
      port,
      limits,
      bound,
      service: this.#service(),
      identity: () => this.#identity(),
      onHeard: (peer, door) => this.#onHeard(peer, door),
      clock: world.clock,
      logger,
    });
    this.#transport = peers.transport;
    this.#door = peers.door;
    this.#leaderWatch = new LeaderWatch({
      transport: this.#transport,
      timers: world.timers,
      fenceMs: () => options.refusedFenceMs(),
      onGone: () => {
        logger.info("nobody listens where the controller was", { brokerId: this.#metadata?.controller.leaderId });
        this.#metadata?.driver.onLeaderGone();
      },
    });
    serveMembership(this.#calls, {
      // The directory of a lost store becomes another one (10.1(9)).
      replica: () => ({ nodeId: config.nodeId, directoryId: options.identity().directoryId }),
      listed: options.voters,
      membership: () => {
        const { clusterId } = options.identity();
        if (clusterId === null) return { clusterId, voters: [] };
        return this.#metadata === null ? null : { clusterId, voters: this.#metadata.driver.voters };
      },
    });
  }

  /** Rejects with BusyAddressError. */
  static async open(options: BrokerClusterOptions): Promise<BrokerCluster> {
    const cluster = new BrokerCluster(options);
    await cluster.#door.listen();
    if (isEveryAddress(cluster.#place.host))
      options.logger.warn("other brokers are told the name of this host: set the key if they do not know it by that", {
        key: "advertised.listeners",
        address: `PEER://${cluster.advertised.host}:${cluster.advertised.port}`,
      });
    return cluster;
  }

  /** Where the peer door stands, the port as bound. */
  get address(): { readonly host: string; readonly port: number } {
    return this.#door.address;
  }

  get door(): Entrance {
    return this.#door;
  }

  // ---- a seat ----

  /** Rejects with ProtoError INCONSISTENT_CLUSTER_ID. */
  async findSeat(onWaiting: (whom: readonly string[]) => void): Promise<Seat> {
    const { config, voters, world, logger } = this.#options;
    const { directoryId, newClusterId } = this.#options.identity();
    const search = new SeatSearch({
      replica: { nodeId: config.nodeId, directoryId },
      listed: voters,
      wantedClusterId: newClusterId,
      transport: this.#transport,
      timers: world.timers,
      logger,
      makeClusterId: () => uuidToText(world.random(UUID_BYTES)),
      onWaiting,
    });
    this.#search = search;
    if (this.#isClosed) search.end();
    try {
      return await search.find();
    } finally {
      this.#search = null;
    }
  }

  /** This broker goes: a start that waits for others ends. */
  giveUp(): void {
    this.#isClosed = true;
    this.#transport.leave();
    this.#search?.end();
    this.#wakeRoleWaiters();
  }

  /** The same for commands: none is answered any more, and none is asked again. */
  giveUpCommands(): void {
    this.#channel?.close();
  }

  // ---- metadata ----

  /** How the controller of this node reaches brokers. */
  get controllerPeers(): ControllerPeers {
    return {
      watch: (brokerId, onLost) => {
        const to = this.#addressOf(brokerId);
        return to === null ? () => undefined : this.#transport.watchControl(to, onLost);
      },
      isRefused: async (brokerId) => {
        const to = this.#addressOf(brokerId);
        return to !== null && this.#transport.isRefused(to);
      },
      replicaEnds: (brokerId, request) => this.#askReplicaEnds(brokerId, request),
    };
  }

  send(message: Message): void {
    const to = this.#addressOf(message.to.nodeId);
    if (to !== null) this.#transport.sendRaft(to, encodeMessage(message));
  }

  /** The metadata is open: Raft runs, and this node answers as a member. */
  attach(metadata: { readonly controller: Controller; readonly driver: RaftDriver }): void {
    this.#metadata = metadata;
    const { controller, driver } = metadata;
    const { config, voters, world, logger } = this.#options;
    this.#channel = new ControllerChannel({
      nodeId: config.nodeId,
      local: controller,
      transport: this.#transport,
      clock: world.clock,
      timers: world.timers,
      random: world.random,
      leaderId: () => controller.leaderId,
      addressOf: (nodeId) => this.#addressOf(nodeId),
      voterIds: () => driver.voters.map(({ nodeId }) => nodeId),
      appliedOffset: () => controller.image.metadataOffset,
    });
    serveController(this.#calls, controller);
    this.#calls.handle(METADATA_OFFSET, () => this.#committedOffset());
    this.#voterKeeper = new VoterKeeper({
      listedIds: voters.map(({ nodeId }) => nodeId),
      consensus: driver,
      // A heartbeat is a fifth of it (runtime/raft-pace.ts).
      roundMs: (2 * config.controllerQuorumFetchTimeoutMs) / 5,
      clock: world.clock,
      timers: world.timers,
      logger,
      image: () => controller.image,
      isLeading: () => controller.isActive,
    });
    let { voterChoices } = controller.image;
    controller.onApplied(({ brokersChanged }, image) => {
      this.#channel?.onApplied(image.metadataOffset);
      const isChosen = image.voterChoices !== voterChoices;
      voterChoices = image.voterChoices;
      if (brokersChanged.length > 0 || isChosen) this.#voterKeeper?.look();
      this.#wakeRoleWaiters();
    });
  }

  get commands(): ControllerCommands {
    if (this.#channel === null) throw new NotController("the metadata is not open");
    return this.#channel;
  }

  onRole(softState: SoftState): void {
    this.#channel?.onLeader();
    this.#voterKeeper?.look();
    const { leader } = softState;
    const driver = this.#metadata?.driver;
    const isWatching = driver !== undefined && leader !== null && includesReplica(driver.voters, driver.replica);
    const isOther = leader?.nodeId !== this.#options.config.nodeId;
    this.#leaderWatch.follow(isWatching && isOther && leader !== null ? this.#addressOf(leader.nodeId) : null);
    this.#wakeRoleWaiters();
  }

  /**
   * Resolves when everything is applied here that was committed when this was asked: what the logs are opened by must know every topic
   * that they may hold. Waits for a majority of the voters, for as long as it takes.
   */
  async catchUp(onWaiting: (whom: readonly string[]) => void): Promise<void> {
    const controller = this.#metadata?.controller;
    let offset: number | null = null;
    while (!this.#isClosed && controller !== undefined) {
      // oxlint-disable-next-line no-await-in-loop
      offset ??= await this.#askCommittedOffset();
      if (controller.leaderId < 0) {
        this.#metadata?.driver.onLeaderGone();
        this.#lookForLeader();
      }
      if (offset !== null && controller.image.metadataOffset >= offset) return;
      this.#tellWaiting(offset, onWaiting);
      // oxlint-disable-next-line no-await-in-loop
      await this.#roleOrTime(CATCH_UP_AGAIN_MS);
    }
    throw new NotController("the broker stops before it has caught up with its cluster");
  }

  /**
   * Of the voters that this node knows perhaps none is left: they were replaced while it was down, or another one was made the only voter.
   * So it asks the nodes that are listed by now, and those that called, for theirs, and those for the log.
   */
  #lookForLeader(): void {
    const { clock } = this.#options.world;
    const { clusterId } = this.#options.identity();
    if (this.#isClosed || clock.monotonicNow() < this.#lookAgainAt) return;
    this.#lookAgainAt = clock.monotonicNow() + LOOK_AGAIN_MS;
    const { config, voters } = this.#options;
    const known = [...voters.map(({ nodeId }) => nodeId), ...this.#heardAt.keys()];
    for (const nodeId of new Set(known)) {
      const to = nodeId === config.nodeId ? null : this.#addressOf(nodeId);
      if (to === null) continue;
      void askMembership(this.#transport, to).then((membership) => {
        if (membership?.clusterId !== clusterId || this.#isClosed) return;
        for (const voter of membership.voters) this.#metadata?.driver.onLeaderFound(voter);
      });
    }
  }

  #tellWaiting(offset: number | null, onWaiting: (whom: readonly string[]) => void): void {
    const away = this.#transport.awayPeers().map(({ to, error }) => peerInTrouble(to, error));
    const whom = offset === null ? ["a controller", ...away] : ["metadata"];
    onWaiting(whom);
    const { logger } = this.#options;
    if (whom.join() === this.#waitingFor) return;
    this.#waitingFor = whom.join();
    logger.info("waiting for the metadata of the cluster", { waitingFor: whom });
  }

  /** Before a stop: another voter leads sooner if it is asked to. Never rejects. */
  async handOver(): Promise<void> {
    const { controller, driver } = this.#metadata ?? {};
    if (controller?.isActive !== true || driver === undefined) return;
    const { brokers } = controller.image;
    const target = driver.voters.find(({ nodeId }) => {
      const broker = brokers.get(nodeId);
      return nodeId !== driver.replica.nodeId && broker?.isFenced === false && !broker.isShuttingDown;
    });
    if (target === undefined || !driver.transferTo(target).ok) return;
    const { clock } = this.#options.world;
    const endsAt = clock.monotonicNow() + HAND_OVER_MS;
    while (driver.softState.role === "leader" && clock.monotonicNow() < endsAt) {
      // oxlint-disable-next-line no-await-in-loop
      await this.#roleOrTime(endsAt - clock.monotonicNow());
    }
  }

  // ---- replicas ----

  createReplication(host: ReplicationHost): Replication {
    return new Replication(host, {
      transport: this.#transport,
      addressOf: (brokerId) => this.#addressOf(brokerId),
      brokerEpoch: () => this.#options.brokerEpoch(),
    });
  }

  /** The replicas answer peers from now on. */
  serve(replicas: ReplicaManager): void {
    this.#replicas = replicas;
    this.#calls.handle(REPLICA_ENDS, (request) => this.#replicaEnds(request as ReplicaEndsRequest));
  }

  async close(): Promise<void> {
    this.giveUp();
    this.#leaderWatch.follow(null);
    this.#voterKeeper?.close();
    this.#channel?.close();
    await this.#transport.close();
    await this.#door.close();
  }

  // ---- what peers ask ----

  #service(): PeerService {
    return {
      onRaft: (frame, from) => this.#onRaft(frame, from),
      onCall: (method, body, from) => this.#calls.serve(method, body, from),
      onReplication: (stream, from) => {
        const replication = this.#replicas?.replication ?? null;
        if (replication !== null) return replication.accept(stream, from.nodeId);
        stream.close({ code: "NOT_LEADER_OR_FOLLOWER", message: "this broker has not opened its logs" });
        return { onFrame: (_frame, release) => release?.(), onDrain: () => undefined, onClosed: () => undefined };
      },
    };
  }

  #onRaft(frame: Buffer, from: PeerIdentity): void {
    const driver = this.#metadata?.driver;
    // Without a seat there is nothing to say.
    if (driver === undefined) return;
    let message: Message;
    try {
      message = decodeMessage(frame);
    } catch (cause: unknown) {
      if (!(cause instanceof MalformedMessage)) throw cause;
      this.#options.logger.warn("a malformed Raft message was dropped", { brokerId: from.nodeId, err: cause });
      return;
    }
    const isTheirs = message.from.nodeId === from.nodeId && message.from.directoryId === from.directoryId;
    // A follower hands on to its leader who has asked it for the log.
    if (isTheirs || message.kind === "followRequest") driver.step(message);
  }

  #onHeard({ nodeId }: PeerIdentity, door: { readonly host: string; readonly port: number } | null): void {
    if (door !== null) this.#heardAt.set(nodeId, { nodeId, ...door });
    this.#transport.onPeerHeard(nodeId);
    this.#search?.onPeerHeard();
  }

  /** What is committed by now, from the node that can prove that it leads. */
  async #committedOffset(): Promise<{ readonly metadataOffset: number }> {
    const metadata = this.#metadata;
    if (metadata === null || !metadata.controller.isActive)
      throw new NotController("this node does not lead the metadata log", metadata?.controller.leaderId ?? -1);
    await metadata.driver.readBarrier();
    return { metadataOffset: metadata.controller.image.metadataOffset };
  }

  /** Null: nobody could say. */
  async #askCommittedOffset(): Promise<number | null> {
    const leaderId = this.#metadata?.controller.leaderId ?? -1;
    try {
      if (leaderId === this.#options.config.nodeId) return (await this.#committedOffset()).metadataOffset;
      const to = leaderId < 0 ? null : this.#addressOf(leaderId);
      if (to === null) return null;
      const call = { method: METADATA_OFFSET, request: {}, timeoutMs: ASK_TIMEOUT_MS };
      return ((await askPeer(this.#transport, to, call)) as { readonly metadataOffset: number }).metadataOffset;
    } catch (cause: unknown) {
      this.#options.logger.debug("the controller does not say how far the metadata is", { err: cause });
      return null;
    }
  }

  async #askReplicaEnds(brokerId: number, request: ReplicaEndsRequest): Promise<ReplicaEndsAnswer> {
    if (brokerId === this.#options.config.nodeId) return this.#replicaEnds(request);
    const to = this.#addressOf(brokerId);
    if (to === null) throw new NotController(`broker ${brokerId} has no address`);
    const call = { method: REPLICA_ENDS, request, timeoutMs: ASK_TIMEOUT_MS };
    return (await askPeer(this.#transport, to, call)) as ReplicaEndsAnswer;
  }

  async #replicaEnds(request: ReplicaEndsRequest): Promise<ReplicaEndsAnswer> {
    const { clock } = this.#options.world;
    const endsAt = clock.monotonicNow() + ASK_TIMEOUT_MS;
    while ((this.#metadata?.controller.image.metadataOffset ?? -1) < request.metadataOffset) {
      const leftMs = endsAt - clock.monotonicNow();
      if (leftMs <= 0 || this.#isClosed)
        throw new NotController("this broker has not seen what the controller goes by");
      // oxlint-disable-next-line no-await-in-loop
      await this.#roleOrTime(leftMs);
    }
    if (this.#replicas === null) throw new NotController("this broker has not opened its logs");
    return {
      brokerId: this.#options.config.nodeId,
      brokerEpoch: this.#options.brokerEpoch(),
      directoryId: this.#options.identity().directoryId,
      replicas: this.#replicas.replicaEnds(request),
    };
  }

  // ---- who is where ----

  #identity(): PeerIdentity {
    const { clusterId, directoryId } = this.#options.identity();
    const { nodeId } = this.#options.config;
    const { host, port } = this.#place;
    return { clusterId: clusterId ?? "", nodeId, directoryId, door: { host: isEveryAddress(host) ? "" : host, port } };
  }

  /**
   * Where other brokers find this one: as advertised, as listed among the voters, or where the door stands. Nobody can dial every address
   * of a machine: the name of the host has to do then.
   */
  get advertised(): Listener {
    const { host, port } = this.#place;
    return { name: "PEER", host: isEveryAddress(host) ? hostname() : host, port };
  }

  get #place(): { readonly host: string; readonly port: number } {
    const { config, voters } = this.#options;
    const advertised = config.advertisedListeners?.find(({ name }) => name === "PEER");
    const listed = voters.find(({ nodeId }) => nodeId === config.nodeId);
    const { host, port } = advertised ?? listed ?? this.#door.address;
    return { host, port: port === 0 ? this.#door.address.port : port };
  }

  /** The list wins over what was registered by an earlier life. */
  #addressOf(nodeId: number): PeerAddress | null {
    const listed = this.#options.voters.find((voter) => voter.nodeId === nodeId);
    if (listed !== undefined) return listed;
    const registered = this.#metadata?.controller.image.brokers.get(nodeId);
    const listener = registered?.listeners.find(({ name }) => name === "PEER");
    if (listener !== undefined) return { nodeId, host: listener.host, port: listener.port };
    return this.#heardAt.get(nodeId) ?? null;
  }

  get #listener(): Listener {
    const listener = this.#options.config.listeners.find(({ name }) => name === "PEER");
    return listener ?? { name: "PEER", host: "127.0.0.1", port: 0 };
  }

  // ---- waiting ----

  #roleOrTime(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        timer.cancel();
        this.#roleWaiters = this.#roleWaiters.filter((waiter) => waiter !== wake);
        resolve();
      };
      const timer = this.#options.world.timers.after(delayMs, wake);
      this.#roleWaiters.push(wake);
    });
  }

  #wakeRoleWaiters(): void {
    for (const wake of this.#roleWaiters.splice(0)) wake();
  }
}

function isEveryAddress(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}
