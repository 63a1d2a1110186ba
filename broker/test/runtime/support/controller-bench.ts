/**
 * Controllers over the real consensus driver, on stores in memory, in simulated time. Of the brokers only what a controller sees of
 * them is here: whether they answer, whether somebody listens at their address, how far their logs go.
 *
 * What a controller loads late is loaded here: loading takes real time, in which any amount of simulated time passes.
 */
import "../../../src/runtime/controller-duties.ts";
import "../../../src/runtime/quorum-operations.ts";
import { SeededRandom } from "../../../src/base/index.ts";
import {
  type BrokerHeartbeat,
  type ClusterImage,
  emptyImage,
  encodeImage,
  type ReplicaEnd,
  type ReplicaEndsAnswer,
} from "../../../src/metadata/index.ts";
import type { Logger } from "../../../src/ports/index.ts";
import type { Message, ReplicaId } from "../../../src/raft/index.ts";
import { Controller, decodeMessage, encodeMessage, RaftDriver } from "../../../src/runtime/index.ts";
import { type SimProcess, SimWorld } from "../../../src/sim/index.ts";
import { createRaftStore, openRaftStore, type OpenedRaftStore } from "../../../src/storage/index.ts";
import { registration, testConfig } from "../../metadata/fixtures.ts";
import { RaftMedium } from "./raft-bench.ts";

export const CLUSTER_ID = "the-cluster-of-a-bench";

/** A broker as a controller meets it. */
export class BenchBroker {
  readonly brokerId: number;
  brokerEpoch = -1;
  incarnation = 0;
  directoryId: string;
  /** What its address answers. */
  address: "listening" | "refused" | "silent" = "listening";
  ends: ReplicaEnd[] = [];
  asked = 0;
  areLogsOpen = true;
  answersHeld: Promise<void> = Promise.resolve();

  constructor(brokerId: number) {
    this.brokerId = brokerId;
    this.directoryId = `directory-${brokerId}`;
  }

  /** What it says of its logs when asked from now on is on its way until the function is called. */
  holdAnswers(): () => void {
    let release = (): void => undefined;
    this.answersHeld = new Promise((resolve) => (release = resolve));
    return () => release();
  }
}

export class ControllerNode {
  readonly controller: Controller;
  readonly driver: RaftDriver;
  readonly medium: RaftMedium;
  readonly process: SimProcess;
  readonly faults: unknown[] = [];
  readonly logged: string[] = [];
  readonly applied: number[] = [];

  constructor(bench: ControllerBench, replica: ReplicaId, medium: RaftMedium, opened: OpenedRaftStore) {
    this.medium = medium;
    this.process = bench.world.startProcess();
    const note = (message: string): void => void this.logged.push(message);
    const logger: Logger = { debug: () => {}, info: note, warn: note, error: note, child: () => logger };
    this.controller = new Controller({
      config: testConfig({ "node.id": String(replica.nodeId), ...bench.flags }),
      clock: this.process,
      timers: this.process,
      random: (count) => bench.random.bytes(new Uint8Array(count)),
      logger,
      clusterId: CLUSTER_ID,
      peers: bench.peersOf(this.process),
      onFault: (fault) => void this.faults.push(fault),
      ...(bench.loadDuties === null ? {} : { loadDuties: bench.loadDuties }),
    });
    this.driver = RaftDriver.open(
      {
        replica,
        opened,
        fetchTimeoutMs: 2000,
        electionTimeoutMs: 1000,
        electionBackoffMaxMs: 1000,
        snapshotBytes: bench.snapshotBytes,
        snapshotMs: 3_600_000,
      },
      {
        clock: this.process,
        timers: this.process,
        logger,
        random: () => bench.random.float(),
        send: (message) => bench.send(message),
        events: this.controller,
        reopen: {
          open: () => openRaftStore(medium.options, { mayBeTorn: true }),
          hasRoom: () => medium.hasRoom,
          timers: this.process,
        },
      },
    );
    this.controller.attach(this.driver);
    this.controller.onApplied(({ metadataOffset }) => void this.applied.push(metadataOffset));
  }

  get image(): ClusterImage {
    return this.controller.image;
  }
}

export class ControllerBench {
  readonly random: SeededRandom;
  readonly world: SimWorld;
  readonly nodes = new Map<number, ControllerNode>();
  readonly brokers = new Map<number, BenchBroker>();
  readonly cut = new Set<number>();
  readonly #watches = new Set<{ brokerId: number; process: SimProcess; onLost: () => void }>();
  isLost: (message: Message) => boolean = () => false;
  flags: Record<string, string> = {};
  /** Instead of what is loaded. */
  loadDuties: (() => Promise<never>) | null = null;
  snapshotBytes = 1_000_000;

  constructor(seed = 1) {
    this.random = new SeededRandom(seed);
    this.world = new SimWorld(this.random);
  }

  // ---- controllers ----

  /** Learners come after the voters. */
  async birth(count = 1, learners = 0): Promise<void> {
    const replicas = Array.from({ length: count + learners }, (_, slot) => ({
      nodeId: slot + 1,
      directoryId: `directory-${slot + 1}`,
    }));
    const voters = replicas.slice(0, count);
    for (const replica of replicas) {
      const medium = new RaftMedium();
      const bytes = encodeImage({ image: { ...emptyImage, clusterId: CLUSTER_ID }, topicsDeleted: [] });
      const opened = await createRaftStore(medium.options, { point: { index: 0, term: 0, voters }, bytes });
      this.nodes.set(replica.nodeId, new ControllerNode(this, replica, medium, opened));
    }
    await this.until(() => this.leader !== null);
  }

  async restart(nodeId: number): Promise<ControllerNode> {
    const before = this.node(nodeId);
    before.process.kill();
    await this.world.settle();
    const opened = await openRaftStore(before.medium.options);
    const node = new ControllerNode(this, before.driver.replica, before.medium, opened);
    this.nodes.set(nodeId, node);
    return node;
  }

  kill(nodeId: number): void {
    this.node(nodeId).process.kill();
    this.nodes.delete(nodeId);
  }

  node(nodeId = 1): ControllerNode {
    const node = this.nodes.get(nodeId);
    if (node === undefined) throw new Error(`there is no node ${nodeId}`);
    return node;
  }

  get leader(): ControllerNode | null {
    return [...this.nodes.values()].find(({ controller }) => controller.isActive) ?? null;
  }

  get controller(): Controller {
    if (this.leader === null) throw new Error("nobody leads");
    return this.leader.controller;
  }

  get image(): ClusterImage {
    return this.controller.image;
  }

  send(message: Message): void {
    const frame = encodeMessage(message);
    const { from, to } = message;
    if (this.cut.has(from.nodeId) || this.cut.has(to.nodeId) || this.isLost(message)) return;
    this.world.schedule(
      0.1 + this.random.float(),
      () => {
        if (!this.cut.has(to.nodeId)) this.nodes.get(to.nodeId)?.driver.step(decodeMessage(frame));
      },
      () => true,
    );
  }

  // ---- brokers ----

  broker(brokerId: number): BenchBroker {
    let broker = this.brokers.get(brokerId);
    if (broker === undefined) {
      broker = new BenchBroker(brokerId);
      this.brokers.set(brokerId, broker);
    }
    return broker;
  }

  /** A new process of the broker, registered and alive. `how`: of the life before. */
  async join(brokerId: number, how: "clean" | "unclean" = "clean"): Promise<BenchBroker> {
    const broker = this.broker(brokerId);
    broker.address = "listening";
    broker.incarnation += 1;
    const { brokerEpoch } = await this.done(
      this.controller.registerBroker(
        registration(brokerId, {
          incarnationId: `incarnation-${brokerId}-${broker.incarnation}`,
          directoryId: broker.directoryId,
          previousBrokerEpoch: how === "clean" ? broker.brokerEpoch : -1,
        }),
      ),
    );
    broker.brokerEpoch = brokerEpoch;
    await this.beat(brokerId);
    return broker;
  }

  beat(brokerId: number, over: Partial<BrokerHeartbeat> = {}) {
    return this.done(
      this.controller.heartbeat({
        brokerId,
        brokerEpoch: this.broker(brokerId).brokerEpoch,
        metadataOffset: this.image.metadataOffset,
        readyOffset: this.image.metadataOffset,
        wantFence: false,
        wantShutDown: false,
        isFull: false,
        isOffline: false,
        ...over,
      }),
    );
  }

  /** The process is gone: its connections break, its address refuses. */
  killBroker(brokerId: number, address: BenchBroker["address"] = "refused"): void {
    this.broker(brokerId).address = address;
    for (const watch of this.#watches) if (watch.brokerId === brokerId) this.#lose(watch);
  }

  /** Brokers to which this controller keeps a connection. */
  watchedBy({ process }: ControllerNode): number[] {
    return [...this.#watches].filter((watch) => watch.process === process).map(({ brokerId }) => brokerId);
  }

  peersOf(process: SimProcess) {
    return {
      watch: (brokerId: number, onLost: () => void): (() => void) => {
        const watch = { brokerId, process, onLost };
        this.#watches.add(watch);
        if (this.broker(brokerId).address !== "listening") this.#lose(watch);
        return () => this.#watches.delete(watch);
      },
      isRefused: async (brokerId: number): Promise<boolean> => this.broker(brokerId).address === "refused",
      replicaEnds: async (brokerId: number): Promise<ReplicaEndsAnswer> => {
        const { address, brokerEpoch, directoryId, ends, areLogsOpen, answersHeld } = this.broker(brokerId);
        this.broker(brokerId).asked += 1;
        if (address !== "listening" || !areLogsOpen) throw new Error("away");
        await answersHeld;
        return { brokerId, brokerEpoch, directoryId, replicas: ends };
      },
    };
  }

  #lose(watch: { readonly process: SimProcess; readonly onLost: () => void }): void {
    watch.process.after(1, watch.onLost);
  }

  // ---- time ----

  /** Lets time pass. The disk in memory answers in turns of the real loop, of which each slice gets some. */
  async run(durationMs: number): Promise<void> {
    const slices = Math.max(4, Math.ceil(durationMs / 20));
    for (let slice = 0; slice < slices; slice += 1) {
      await this.world.runFor(durationMs / slices);
      for (let turn = 0; turn < 6; turn += 1) await this.world.settle();
    }
  }

  async until(isSo: () => boolean, withinMs = 30_000): Promise<void> {
    for (let passedMs = 0; passedMs < withinMs; passedMs += 20) {
      if (isSo()) return;
      await this.run(20);
    }
    throw new Error("it did not come to pass");
  }

  /** Runs time until the promise is settled. */
  async done<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const settle = (): void => {
      isSettled = true;
    };
    promise.then(settle, settle);
    await this.until(() => isSettled);
    return promise;
  }
}
