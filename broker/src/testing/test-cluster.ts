/**
 * A cluster for tests, in the process of the test: the shipping brokers on a simulated network and disk, whose time walks with the real
 * clock or is in the test's hands, behind real gRPC doors on free ports.
 *
 * What makes it worth its name: a broker that is killed has really died, a disk that loses power has lost what was not synced, a cut
 * connection says nothing; and nothing of that takes longer than it must, or depends on how busy the machine is.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { SeededRandom } from "../base/index.ts";
import type { ConfigKeys } from "../create-broker.ts";
import type { ClusterImage, PartitionImage } from "../metadata/index.ts";
import type { PeerAddress } from "../ports/index.ts";
import { CALM_NETWORK, SimNetwork, SimWorld } from "../sim/index.ts";
import { type Cut, type Direction, directionsBetween, directionsOf, isCutOff, type Party, shutBy } from "./cuts.ts";
import { DirectoryStorage } from "./directory-storage.ts";
import { TestClusterError } from "./errors.ts";
import { FaultRules, type InjectedFault, type RequestFault } from "./fault-rules.ts";
import { FrontDoor } from "./front-door.ts";
import { IdleNote } from "./idle-note.ts";
import { invalid, type Shape, shapeOf, shown, type TestClusterOptions } from "./options.ts";
import { RealWork } from "./real-work.ts";
import { type BrokerStorage, MemoryStorage, type StorageImage } from "./storage.ts";
import { TestBroker } from "./test-broker.ts";
import { RUSH, WorldPump } from "./world-pump.ts";

/** How long something is waited for, in real time. */
export interface WaitOptions {
  /** Default 10,000. */
  readonly timeoutMs?: number;
}

/** What a cluster had on its disks. It may be restored as often as wanted, also into another cluster of the same shape. */
export class ClusterSnapshot {
  /** @internal */
  readonly images: readonly StorageImage[];

  /** @internal */
  constructor(images: readonly StorageImage[]) {
    this.images = images;
  }
}

const WAIT_MS = 10_000;
/** Of what is not a test's expectation; for hangs only. */
const START_MS = 60_000;
/** Nothing stands there: names on a simulated network, of which the configuration wants that they are this machine's own. */
const PEER_HOST = "127.0.0.1";
const FIRST_PEER_PORT = 1;
/** As quick as on one machine; what is slower hides no fault. */
const NETWORK = { ...CALM_NETWORK, delayMs: { min: 0.02, max: 0.1 } };
const QUIET: ConfigKeys = {
  "controller.quorum.election.timeout.ms": 500,
  "controller.quorum.election.backoff.max.ms": 200,
};
/**
 * How soon a broker that says nothing is given up. In real time sooner than in production, since the test waits for it. Where the test
 * makes the clock jump, later: what happens in the span costs time, and how long it is does not.
 */
const PATIENCE: Readonly<Record<Shape["clock"], ConfigKeys>> = {
  real: {
    "broker.heartbeat.interval.ms": 500,
    "broker.session.timeout.ms": 2_000,
    "controller.quorum.fetch.timeout.ms": 1_000,
  },
  virtual: {
    "broker.heartbeat.interval.ms": 20_000,
    "broker.session.timeout.ms": 60_000,
    "controller.quorum.fetch.timeout.ms": 60_000,
    // How long a start may take is said in real time.
    "initial.broker.registration.timeout.ms": 86_400_000,
  },
};

/**
 * Starts a cluster; it is up and ready when this resolves. `stop`, or `await using`, ends it.
 *
 * @example
 * await using cluster = await startTestCluster({ brokers: 3 });
 * const client = new Client(cluster.bootstrap);
 */
export async function startTestCluster(options: TestClusterOptions = {}): Promise<TestCluster> {
  const shape = shapeOf(options);
  makeDirectories(shape);
  const note = new IdleNote(new Error("started"));
  const random = new SeededRandom(shape.seed);
  const world = new SimWorld(random);
  const work = new RealWork();
  const pump = new WorldPump(world, work);
  const onInput = (): void => {
    pump.nudge();
    note.touch();
  };
  const opening = shape.ports.flatMap((port) => [FrontDoor.open(port, onInput), FrontDoor.open(0, onInput)]);
  const opened = await Promise.allSettled(opening);
  const fronts = opened.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  const refused = opened.find((result) => result.status === "rejected");
  if (refused !== undefined) {
    note.close();
    await Promise.all([...fronts.map((front) => front.close()), pump.close()]);
    throw refused.reason;
  }
  const cluster = new TestCluster({ shape, fronts, random, world, work, pump, note });
  try {
    await Promise.all(cluster.brokers.map((broker) => broker.start()));
    await cluster.settled({ timeoutMs: START_MS });
  } catch (error: unknown) {
    await cluster.stop();
    throw error;
  }
  return cluster;
}

interface TestClusterParts {
  readonly shape: Shape;
  /** Of every broker two: for clients, and for HTTP. */
  readonly fronts: readonly FrontDoor[];
  readonly random: SeededRandom;
  readonly world: SimWorld;
  readonly work: RealWork;
  readonly pump: WorldPump;
  readonly note: IdleNote;
}

export class TestCluster implements AsyncDisposable {
  /** By id, from 1 on. */
  readonly brokers: readonly TestBroker[];
  /** What a client is given: "host:port" of every broker, with commas. It stays the same as long as the cluster lives. */
  readonly bootstrap: string;
  /** Of the HTTP door of broker 1, with health and metrics; `broker(id).adminUrl` is that of another one. */
  readonly adminUrl: string;
  /** Of what chance decided. */
  readonly seed: number;
  readonly #shape: Shape;
  readonly #world: SimWorld;
  readonly #pump: WorldPump;
  readonly #network: SimNetwork;
  readonly #note: IdleNote;
  readonly #faults = new FaultRules();
  readonly #wallStartMs = Date.now();
  /** What is cut. */
  #directions: readonly Direction[] = [];
  /** Called when a broker came, went, or learned something. */
  readonly #watchers = new Set<() => void>();
  #stopping: Promise<void> | null = null;

  /** @internal */
  constructor({ shape, fronts, random, world, work, pump, note }: TestClusterParts) {
    this.seed = shape.seed;
    this.#shape = shape;
    this.#world = world;
    this.#pump = pump;
    this.#note = note;
    this.#network = new SimNetwork(world, random, NETWORK);
    const addresses = shape.ports.map((_, slot) => ({
      nodeId: slot + 1,
      host: PEER_HOST,
      port: FIRST_PEER_PORT + slot,
    }));
    const isAlone = addresses.length === 1;
    const voters = addresses.map(({ nodeId, host, port }) => `${nodeId}@${host}:${port}`).join(",");
    this.brokers = addresses.map((_, slot) => {
      const [grpc, http] = fronts.slice(2 * slot) as [FrontDoor, FrontDoor];
      const peerAddress = isAlone ? null : (addresses[slot] as PeerAddress);
      const own = random.fork(`broker ${slot + 1}`);
      return new TestBroker(slot + 1, {
        world,
        network: this.#network,
        faults: this.#faults,
        fronts: { grpc, http },
        work,
        storage: storageOf(shape, slot + 1, own, work),
        random: own,
        peerAddress,
        keys: {
          ...QUIET,
          "log.level": shape.logLevel,
          ...PATIENCE[shape.clock],
          ...shape.config,
          "node.id": slot + 1,
          ...(peerAddress === null ? {} : { "controller.quorum.voters": voters }),
          listeners: `GRPC://127.0.0.1:0,HTTP://127.0.0.1:0${peerAddress === null ? "" : `,PEER://${peerAddress.host}:${peerAddress.port}`}`,
        },
        wallStartMs: this.#wallStartMs - world.nowMs,
        nudge: () => this.#pump.nudge(),
        hurry: (work, rate) => this.#hurry(work, rate),
        onChange: () => this.#onChange(),
        assertRunning: (verb) => this.#assertRunning(verb),
      });
    });
    this.bootstrap = this.brokers.map(({ address }) => address).join(",");
    this.adminUrl = this.broker(1).adminUrl;
  }

  /** Throws TestClusterError UNKNOWN_BROKER. */
  broker(id: number): TestBroker {
    const found = typeof id === "number" ? this.brokers[id - 1] : undefined;
    if (found !== undefined) return found;
    const known = this.brokers.map((broker) => broker.id).join(", ");
    const given = (id as unknown) instanceof Promise ? "a promise: await it" : shown(id);
    const what = typeof id === "number" ? `there is no broker ${id}` : `the id of a broker is a number, not ${given}`;
    throw new TestClusterError("UNKNOWN_BROKER", `${what}; there are ${known}`);
  }

  // ---- what goes wrong ----

  /**
   * Cuts the brokers into groups that do not hear of each other; those that are not named form one more. Clients reach them all, unless
   * "clients" are named in a group: then they reach the brokers of that group. It takes the place of all cuts before. Throws
   * TestClusterError UNKNOWN_BROKER, INVALID_OPTION.
   *
   * @example
   * cluster.partition([["clients", 1], [2, 3]]);
   */
  partition(groups: readonly (readonly Party[])[]): void {
    this.#assertRunning("partition");
    const ids = this.brokers.map(({ id }) => id);
    this.#cut(directionsBetween(groups, ids, (id) => this.broker(id)));
  }

  /**
   * What `from` sends does not reach `to` any more, until `heal`; the other way is open, unless it is cut too. Each of them is a broker,
   * "clients", or several. Throws TestClusterError UNKNOWN_BROKER, INVALID_OPTION.
   *
   * @example
   * cluster.cut({ from: 1, to: [2, 3] });
   */
  cut(cut: Cut): void {
    this.#assertRunning("cut");
    this.#cut([...this.#directions, ...directionsOf(cut, (id) => this.broker(id))]);
  }

  /** All hear of each other again. Brokers that are down or paused stay so, and injected faults too. */
  heal(): void {
    this.#assertRunning("heal");
    this.#cut([]);
  }

  /**
   * The next requests of clients that fit meet an error, a delay or a loss, instead of what they ask for.
   *
   * @example
   * cluster.inject({ api: "Produce", topic: "orders", times: 3, error: "NOT_ENOUGH_REPLICAS" });
   * @throws TestClusterError INVALID_OPTION, UNKNOWN_BROKER
   */
  inject(fault: RequestFault): InjectedFault {
    this.#assertRunning("inject");
    if (fault.broker !== undefined) this.broker(fault.broker);
    return this.#faults.add(fault);
  }

  /** Injected faults strike no more. */
  clearFaults(): void {
    this.#faults.removeAll();
  }

  // ---- time ----

  /** Unix ms, as the brokers' clocks show it. */
  now(): number {
    return Math.floor(this.#wallStartMs + this.#world.nowMs);
  }

  /**
   * Lets time pass for the brokers: all that would happen in it happens, in its order and as fast as it can. Clients live in real time.
   * Throws TestClusterError REAL_CLOCK, INVALID_OPTION.
   */
  async advance(ms: number): Promise<void> {
    this.#assertRunning("advance");
    if (this.#shape.clock !== "virtual")
      throw new TestClusterError(
        "REAL_CLOCK",
        `advance: the clock of this cluster is real; start it with clock: "virtual"`,
      );
    if (!(Number.isFinite(ms) && ms >= 0)) throw invalid(`advance: ms is a number from 0 on, not ${shown(ms)}`);
    await this.during(this.#pump.jump(ms));
  }

  // ---- what it is like ----

  /**
   * The broker that leads the partition, once there is one that is up and within reach of a majority: behind a kill, a pause or a cut it is
   * the next one. Throws TestClusterError TIMEOUT.
   */
  async leaderOf(topic: string, partition = 0, options: WaitOptions = {}): Promise<number> {
    this.#assertRunning("leaderOf");
    const what = `a leader of ${topic}-${partition}`;
    return this.#until(what, options, (image) => {
      const found = image.topics.get(topic);
      if (found === undefined) return { missing: `there is no topic "${topic}"` };
      const { leaderId = -1 } = found.partitions[partition] ?? {};
      if (found.partitions[partition] === undefined)
        return { missing: `topic "${topic}" has partitions 0 to ${found.partitions.length - 1}` };
      return this.#isServing(leaderId) ? { value: leaderId } : { missing: this.#said(found.partitions[partition]) };
    });
  }

  /** The broker that decides on the metadata, as `leaderOf`. Throws TestClusterError TIMEOUT. */
  async controller(options: WaitOptions = {}): Promise<number> {
    this.#assertRunning("controller");
    return this.#until("a controller", options, ({ controllerId }) =>
      this.#isServing(controllerId) ? { value: controllerId } : { missing: `the last one was ${controllerId}` },
    );
  }

  /**
   * Resolves when the brokers that are up and within reach of a majority know each other, and every partition has a leader and all its
   * replicas on them in sync. Throws TestClusterError TIMEOUT, which names what is missing.
   */
  async settled(options: WaitOptions = {}): Promise<void> {
    this.#assertRunning("settled");
    await this.#until("the cluster to settle", options, (image) => {
      const missing = this.#unsettled(image);
      return missing === null ? { value: null } : { missing };
    });
  }

  /** How many partitions each topic has; null: no broker is up to tell. @internal */
  get topics(): ReadonlyMap<string, number> | null {
    const image = this.#image();
    if (image === null) return null;
    return new Map([...image.topics.values()].map(({ name, partitions }) => [name, partitions.length]));
  }

  /** A test that waits for something of the cluster uses it. @internal */
  during<T>(waited: Promise<T>): Promise<T> {
    return this.#note.during(waited);
  }

  // ---- between tests ----

  /**
   * What the brokers have on their disks, after a clean stop of all of them, from which they come back. Throws TestClusterError
   * BROKER_DOWN, BROKER_PAUSED: all have to be up.
   */
  async snapshot(): Promise<ClusterSnapshot> {
    this.#assertRunning("snapshot");
    for (const broker of this.brokers) {
      if (broker.state === "up") continue;
      const code = broker.state === "paused" ? "BROKER_PAUSED" : "BROKER_DOWN";
      throw new TestClusterError(code, `snapshot: broker ${broker.id} is ${broker.state}, and all have to be up`);
    }
    await Promise.all(this.brokers.map((broker) => broker.stop()));
    const images = await Promise.all(this.brokers.map((broker) => broker.save()));
    await this.#startAll();
    return new ClusterSnapshot(images);
  }

  /**
   * Puts the brokers back to a snapshot: they are killed, whatever they are about, and start from it; what was cut is healed, and what
   * was injected is cleared. Producers of before know sequences that the brokers do not: make new ones. Throws TestClusterError
   * WRONG_SNAPSHOT.
   */
  async restore(snapshot: ClusterSnapshot): Promise<void> {
    this.#assertRunning("restore");
    if (!(snapshot instanceof ClusterSnapshot))
      throw new TestClusterError("WRONG_SNAPSHOT", "restore: it takes what snapshot() gave, awaited");
    const { images } = snapshot;
    const kind = this.#shape.storage === "memory" ? "memory" : "directory";
    if (images.length !== this.brokers.length || images.some((image) => image.kind !== kind)) {
      const theirs = `${images.length} brokers in ${images[0]?.kind === "memory" ? "memory" : "directories"}`;
      const ours = `${this.brokers.length} in ${kind === "memory" ? "memory" : "directories"}`;
      throw new TestClusterError(
        "WRONG_SNAPSHOT",
        `restore: the snapshot is one of ${theirs}, and this cluster has ${ours}`,
      );
    }
    await Promise.all(this.brokers.filter(({ state }) => state !== "down").map((broker) => broker.kill()));
    this.#faults.removeAll();
    this.#cut([]);
    await Promise.all(this.brokers.map((broker, slot) => broker.load(images[slot] as StorageImage)));
    await this.#startAll();
  }

  // ---- its end ----

  /** Ends it: in memory at once, in directories with a clean stop. Any number of calls. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #stop(): Promise<void> {
    this.#note.close();
    this.#onChange();
    this.#cut([]);
    try {
      if (this.#shape.storage !== "memory") await Promise.all(this.brokers.map((broker) => broker.stopIfUp()));
    } finally {
      await Promise.all(this.brokers.map((broker) => broker.close()));
      await this.#pump.close();
    }
  }

  async #startAll(): Promise<void> {
    await Promise.all(this.brokers.map((broker) => broker.start()));
    await this.settled({ timeoutMs: START_MS });
  }

  #assertRunning(verb: string): void {
    if (this.#stopping !== null) throw new TestClusterError("CLUSTER_STOPPED", `${verb}: this cluster was stopped`);
    this.#note.touch();
  }

  /** These ways and no others are cut. */
  #cut(directions: readonly Direction[]): void {
    this.#directions = directions;
    this.#pump.nudge();
    this.#network.healAll();
    for (const [from, to] of directions) if (from !== "clients" && to !== "clients") this.#network.cut(from, to);
    for (const broker of this.brokers) broker.cutOff(shutBy(directions, broker.id));
    this.#onChange();
  }

  // ---- looking ----

  /** What the broker that has seen most knows; null: none is up. One that is paused or cut off is asked where there is no other. */
  #image(): ClusterImage | null {
    const serving = this.brokers.filter(({ id }) => this.#isServing(id));
    let newest: ClusterImage | null = null;
    for (const { context } of serving.length > 0 ? serving : this.brokers) {
      const image = context?.image() ?? null;
      if (image !== null && image.metadataOffset > (newest?.metadataOffset ?? -1)) newest = image;
    }
    return newest;
  }

  /** It is up, and a majority is within its reach: what others have not noticed yet does not count. */
  #isServing(id: number): boolean {
    return this.#stateOf(id) === "up";
  }

  #stateOf(id: number): string {
    const state = this.brokers[id - 1]?.state ?? "unknown";
    const ids = this.brokers.map((broker) => broker.id);
    return state === "up" && isCutOff(this.#directions, id, ids) ? "cut off" : state;
  }

  /** In words; null: nothing is missing. */
  #unsettled(image: ClusterImage): string | null {
    const up = this.brokers.map(({ id }) => id).filter((id) => this.#isServing(id));
    const away = up.filter((id) => image.brokers.get(id)?.isFenced !== false);
    if (away.length > 0) return `the cluster does not know that broker ${away.join(", ")} is up`;
    for (const { name, partitions } of image.topics.values()) {
      for (const partition of partitions) {
        const { leaderId, isr, replicas } = partition;
        const isInSync = replicas.every((id) => isr.includes(id) || !up.includes(id));
        if (!up.includes(leaderId) || !isInSync) return `${name}-${partition.partition}: ${this.#said(partition)}`;
      }
    }
    return null;
  }

  #said(partition: PartitionImage | undefined): string {
    if (partition === undefined) return "it does not exist";
    const { leaderId, isr, replicas } = partition;
    const leader = leaderId < 0 ? "no leader" : `leader ${leaderId} (${this.#stateOf(leaderId)})`;
    const states = this.brokers.map(({ id }) => `${id} ${this.#stateOf(id)}`).join(", ");
    return `${leader}, in sync ${isr.join(", ")} of ${replicas.join(", ")}; brokers: ${states}`;
  }

  #onChange(): void {
    for (const watcher of this.#watchers) watcher();
  }

  /** Resolves as soon as `look` finds a value; it looks again whenever something changes. */
  #until<T>(
    what: string,
    { timeoutMs = WAIT_MS }: WaitOptions,
    look: (image: ClusterImage) => { readonly value: T } | { readonly missing: string },
  ): Promise<T> {
    const found = new Promise<T>((resolve, reject) => {
      let missing = "no broker is up";
      const end = (settle: () => void): void => {
        this.#watchers.delete(watcher);
        clearTimeout(timer);
        settle();
      };
      const watcher = (): void => {
        if (this.#stopping !== null)
          return end(() =>
            reject(new TestClusterError("CLUSTER_STOPPED", `waited for ${what}: the cluster was stopped meanwhile`)),
          );
        const image = this.#image();
        const seen = image === null ? { missing: "no broker is up" } : look(image);
        if ("missing" in seen) missing = seen.missing;
        else end(() => resolve(seen.value));
      };
      const timer = setTimeout(
        () => end(() => reject(new TestClusterError("TIMEOUT", `waited ${timeoutMs} ms for ${what}: ${missing}`))),
        timeoutMs,
      );
      this.#watchers.add(watcher);
      watcher();
    });
    return this.#hurry(found, RUSH);
  }

  #hurry<T>(work: Promise<T>, rate?: number): Promise<T> {
    return this.during(this.#shape.clock === "virtual" ? this.#pump.hurry(work, rate) : work);
  }
}

function storageOf({ storage }: Shape, id: number, random: SeededRandom, work: RealWork): BrokerStorage {
  if (storage === "memory") return new MemoryStorage(random);
  return new DirectoryStorage(directoryOf(storage.dir, id), work);
}

function directoryOf(dir: string, id: number): string {
  return join(dir, `broker-${id}`);
}

/** Before a port is opened. Throws TestClusterError INVALID_OPTION. */
function makeDirectories({ storage, brokers }: Shape): void {
  if (storage === "memory") return;
  try {
    for (let id = 1; id <= brokers; id++) mkdirSync(directoryOf(storage.dir, id), { recursive: true });
  } catch (cause: unknown) {
    const message = `storage: ${cause instanceof Error ? cause.message : String(cause)}`;
    throw new TestClusterError("INVALID_OPTION", message, { cause });
  }
}
