/**
 * One broker of a test cluster over all its lives: its ports and its disk, which stay; and for each life a process of the simulated world
 * and the shipping broker made for it.
 *
 *     down → starting → up ⇄ paused
 *       ↖  killed, failed or stopped  ↙
 */
import type { BrokerContext } from "../api/index.ts";
import type { SeededRandom } from "../base/index.ts";
import type { Broker, FatalFault } from "../broker.ts";
import type { BrokerWorld, DoorOptions, HttpEntrance, Peers, PeersOptions } from "../broker-world.ts";
import { type ConfigKeys, makeBroker } from "../create-broker.ts";
import { GrpcDoor } from "../listeners/grpc/index.ts";
import { HttpDoor } from "../listeners/http/index.ts";
import type { ClientEntrance, Entrance, PeerAddress } from "../ports/index.ts";
import type { SimNetwork, SimProcess, SimWorld } from "../sim/index.ts";
import { TestClusterError, type TestClusterErrorCode } from "./errors.ts";
import type { FaultRules } from "./fault-rules.ts";
import { type FrontDoor, FrontedDoor, type Shut } from "./front-door.ts";
import type { RealWork } from "./real-work.ts";
import type { BrokerStorage, DeathKind, StorageImage } from "./storage.ts";
import { RUSH } from "./world-pump.ts";

export type BrokerState = "down" | "starting" | "up" | "paused" | "stopping";

export interface KillOptions {
  /** The machine loses power: what was not synced is gone. Default: the process dies, and what it wrote stays. Memory only. */
  readonly powerFailure?: boolean;
}

export interface StartOptions {
  /** Real time: 60,000 ms. */
  readonly timeoutMs?: number;
}

export interface TestBrokerParts {
  readonly world: SimWorld;
  readonly network: SimNetwork;
  readonly faults: FaultRules;
  /** Of its clients; of its HTTP door. */
  readonly fronts: Readonly<Record<"grpc" | "http", FrontDoor>>;
  /** Of the machine, which time waits for. */
  readonly work: RealWork;
  readonly storage: BrokerStorage;
  readonly random: SeededRandom;
  /** Of docs/configuration.md; what makes it a member of its cluster included. */
  readonly keys: ConfigKeys;
  /** Null: it is alone. */
  readonly peerAddress: PeerAddress | null;
  /** Unix ms when the world's clock showed 0. */
  readonly wallStartMs: number;
  /** Time may run until `work` has ended; much faster where clients have no part in it. */
  readonly hurry: <T>(work: Promise<T>, rate?: number) => Promise<T>;
  /** Brings the world's clock up to date: something comes from outside. */
  readonly nudge: () => void;
  /** It came, went, or learned something of the cluster. */
  readonly onChange: () => void;
  /** Throws TestClusterError CLUSTER_STOPPED. */
  readonly assertRunning: (verb: string) => void;
}

interface Life {
  readonly process: SimProcess;
  readonly broker: Broker;
  /** Rejects when it ends before its time. */
  readonly ended: Promise<never>;
  readonly end: (why: TestClusterError) => void;
  /** To be closed. */
  readonly doors: { close(): Promise<void> }[];
  context: BrokerContext | null;
  state: Exclude<BrokerState, "down" | "paused">;
  waitingFor: readonly string[];
}

const START_TIMEOUT_MS = 60_000;
const DESCRIPTORS_MAX = 4_096;
const OPEN: Shut = { in: false, out: false };
const BOTH_WAYS: Shut = { in: true, out: true };

export class TestBroker {
  readonly id: number;
  readonly #parts: TestBrokerParts;
  #life: Life | null = null;
  #livesCount = 0;
  /** Why it went by itself, the last time. */
  #fault: string | null = null;
  /** It was told to end, and has not yet; null: it was not. */
  #ending: Promise<void> | null = null;
  /** Where it is cut off from clients. */
  #cut: Shut = OPEN;
  /** Doors of former lives that close. */
  readonly #closing = new Set<Promise<void>>();

  /** @internal */
  constructor(id: number, parts: TestBrokerParts) {
    this.id = id;
    this.#parts = parts;
  }

  /** "host:port" where clients find it: the same in every life. */
  get address(): string {
    const { host, port } = this.#parts.fronts.grpc.address;
    return `${host}:${port}`;
  }

  /** Of its HTTP door, with health and metrics (docs/operations.md): "http://host:port", the same in every life. */
  get adminUrl(): string {
    const { host, port } = this.#parts.fronts.http.address;
    return `http://${host}:${port}`;
  }

  get state(): BrokerState {
    if (this.#life === null) return "down";
    return this.#life.process.isPaused ? "paused" : this.#life.state;
  }

  /** What it knows of the cluster; null while it is not up. @internal */
  get context(): BrokerContext | null {
    return this.#life?.state === "up" ? this.#life.context : null;
  }

  // ---- life and death ----

  /**
   * Starts it on the disk that it had; resolves when it serves clients. A broker of a cluster waits for a majority of the others: those
   * that are all down are started together. Throws TestClusterError BROKER_UP, BROKER_KILLED, TIMEOUT.
   */
  async start({ timeoutMs = START_TIMEOUT_MS }: StartOptions = {}): Promise<void> {
    this.#parts.assertRunning("start");
    if (this.#ending !== null) await this.#ending;
    if (this.#life !== null) {
      const isPaused = this.#life.process.isPaused;
      const way = isPaused ? "resume() it, or kill() it before" : "kill() or stop() it before, or use restart()";
      throw this.#refuse("start", "BROKER_UP", way);
    }
    this.#parts.nudge();
    const life = this.#beginLife();
    this.#life = life;
    this.#fault = null;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(this.#tooLate(life, timeoutMs)), timeoutMs);
    });
    try {
      await this.#parts.hurry(Promise.race([life.broker.start(), life.ended, late]), RUSH);
    } catch (error: unknown) {
      if (this.#life === life) await this.#end(life, "process");
      throw error;
    } finally {
      clearTimeout(timer);
    }
    if (this.#life !== life) throw new TestClusterError("BROKER_KILLED", `broker ${this.id} was killed`);
    life.state = "up";
    life.context?.onMetadata(() => this.#parts.onChange());
    this.#parts.onChange();
  }

  /** Clean stop, as SIGTERM does it: its partitions are handed over before it goes. Throws TestClusterError BROKER_DOWN, BROKER_PAUSED. */
  async stop(): Promise<void> {
    const life = this.#living("stop");
    if (life.process.isPaused) throw this.#refuse("stop", "BROKER_PAUSED", "resume() it before, or kill() it");
    await this.#untilEnded(this.#parts.hurry(this.#stop(life)));
  }

  /**
   * It dies at once, as by SIGKILL: nothing is handed over, nothing is written, its connections break. What it had written stays, also
   * what it had not synced. Throws TestClusterError BROKER_DOWN, WRONG_STORAGE.
   */
  async kill({ powerFailure = false }: KillOptions = {}): Promise<void> {
    const life = this.#living("kill");
    if (powerFailure && !this.#parts.storage.losesPower) {
      const why = "a directory of this machine cannot lose what was not synced; storage: 'memory' can";
      throw new TestClusterError("WRONG_STORAGE", `kill({ powerFailure: true }): ${why}`);
    }
    await this.#untilEnded(this.#parts.hurry(this.#die(life, powerFailure ? "power" : "process")));
  }

  /** Clean stop, if it is up, and a start. */
  async restart(options?: StartOptions): Promise<void> {
    this.#parts.assertRunning("restart");
    if (this.state === "paused") throw this.#refuse("restart", "BROKER_PAUSED", "resume() it before, or kill() it");
    if (this.#life !== null) await this.stop();
    await this.start(options);
  }

  /** It stands still, as by SIGSTOP: its connections stay, it says nothing, others find out by their time-outs. Throws BROKER_DOWN, BROKER_PAUSED. */
  pause(): void {
    const life = this.#living("pause");
    if (life.process.isPaused) throw this.#refuse("pause", "BROKER_PAUSED", "resume() it before");
    life.process.pause();
    this.#shutFronts();
    this.#parts.network.stall(this.id);
    this.#parts.onChange();
  }

  /** It goes on, with the work that came meanwhile. Throws BROKER_NOT_PAUSED. */
  resume(): void {
    this.#parts.assertRunning("resume");
    const life = this.#life;
    if (life?.process.isPaused !== true)
      throw this.#refuse("resume", "BROKER_NOT_PAUSED", "only what was paused is resumed");
    this.#parts.nudge();
    this.#parts.network.resume(this.id);
    life.process.resume();
    this.#shutFronts();
    this.#parts.onChange();
  }

  // ---- for the cluster ----

  /** In every life from now on. @internal */
  cutOff(cut: Shut): void {
    this.#parts.nudge();
    this.#cut = cut;
    this.#shutFronts();
  }

  /** What it has on its disk. Only while it is down. @internal */
  save(): Promise<StorageImage> {
    return this.#parts.storage.save();
  }

  /** @internal */
  load(image: StorageImage): Promise<void> {
    return this.#parts.storage.load(image);
  }

  /** A clean stop for the end of the cluster. @internal */
  async stopIfUp(): Promise<void> {
    if (this.#life !== null && this.state === "up") await this.#parts.hurry(this.#stop(this.#life));
  }

  /** It is gone, with its ports. @internal */
  async close(): Promise<void> {
    if (this.#life !== null) await this.#die(this.#life, "process");
    await Promise.all([this.#parts.fronts.grpc.close(), this.#parts.fronts.http.close()]);
    await Promise.all(this.#closing);
    await this.#parts.storage.dispose();
  }

  // ---- within ----

  #beginLife(): Life {
    const { world, random, keys, storage, wallStartMs } = this.#parts;
    const process = world.startProcess();
    process.jump(wallStartMs + world.nowMs - process.wallNow());
    const chance = random.fork(`life ${++this.#livesCount}`);
    let end: Life["end"] = () => undefined;
    const ended = new Promise<never>((_, reject) => {
      end = reject;
    });
    // Perhaps nobody waits.
    ended.catch(() => undefined);
    const broker = makeBroker({
      config: { ...keys, "log.dirs": storage.path },
      world: {
        ...storage.mount(process),
        clock: process,
        timers: process,
        random: (count) => chance.bytes(new Uint8Array(count)),
        clientDoor: (options, context) => this.#openDoor(life, options, context),
        openHttp: (...options) => this.#openHttp(life, options),
        peers: (options) => this.#join(process, options),
        dial: async () => undefined,
        descriptorsMax: () => DESCRIPTORS_MAX,
        watchEventLoop: () => () => undefined,
        hold: (lateMs, onLate) => every(process, lateMs, onLate),
      },
      onFatal: (fault) => this.#onFatal(life, fault),
      onWaiting: (whom) => {
        life.waitingFor = whom;
      },
    });
    const life: Life = { process, broker, ended, end, doors: [], context: null, state: "starting", waitingFor: [] };
    return life;
  }

  #openDoor(life: Life, options: DoorOptions, context: BrokerContext): ClientEntrance {
    const { fronts, faults, work } = this.#parts;
    const door = new GrpcDoor(options, { ...context, faults: faults.of(this.id, life.process) });
    life.doors.push(door);
    life.context = context;
    return new FrontedDoor(fronts.grpc, door, { work, isWanted: () => life.process.isAlive });
  }

  async #openHttp(life: Life, options: Parameters<BrokerWorld["openHttp"]>): Promise<HttpEntrance> {
    const { fronts, work } = this.#parts;
    const door = new HttpDoor(...options);
    life.doors.push(door);
    const fronted = new FrontedDoor(fronts.http, door, { work, isWanted: () => life.process.isAlive });
    await fronted.listen();
    return fronted;
  }

  #join(process: SimProcess, { service, identity, onHeard }: PeersOptions): Peers {
    const { network, peerAddress } = this.#parts;
    const address = peerAddress ?? { nodeId: this.id, host: "", port: 0 };
    const door: Entrance = {
      address,
      connectionsCount: 0,
      delayedConnectionsCount: 0,
      refusals: [],
      unfinishedBytes: 0,
      listen: async () => undefined,
      close: async () => network.leave(address),
    };
    const node = { process, address, service, identity, onHeard };
    return { transport: network.join({ ...node, onHeard: (peer, at) => onHeard(peer, at ?? null) }), door };
  }

  async #stop(life: Life): Promise<void> {
    life.state = "stopping";
    try {
      await Promise.race([life.broker.stop(), life.ended]);
    } finally {
      if (this.#life === life) await this.#end(life, "process");
    }
  }

  async #die(life: Life, kind: DeathKind): Promise<void> {
    await betweenTurns();
    if (this.#life !== life) return;
    life.end(new TestClusterError("BROKER_KILLED", `broker ${this.id} was killed`));
    await this.#end(life, kind);
  }

  /** Whoever starts it meanwhile waits too: a test may have forgotten to. */
  async #untilEnded(ending: Promise<void>): Promise<void> {
    const ended = ending.then(
      () => undefined,
      () => undefined,
    );
    this.#ending = ended;
    try {
      await ending;
    } finally {
      if (this.#ending === ended) this.#ending = null;
    }
  }

  /** Sync up to the point where nothing of it can happen any more. */
  async #end(life: Life, kind: DeathKind): Promise<void> {
    const { network, fronts, peerAddress, storage, nudge } = this.#parts;
    nudge();
    this.#life = null;
    fronts.grpc.disconnect();
    fronts.http.disconnect();
    life.process.kill();
    this.#shutFronts();
    network.resume(this.id);
    if (peerAddress !== null) network.leave(peerAddress);
    for (const door of life.doors) {
      const closing = door.close().finally(() => this.#closing.delete(closing));
      this.#closing.add(closing);
    }
    this.#parts.onChange();
    await storage.settle(kind);
  }

  #shutFronts(): void {
    const shut = this.state === "paused" ? BOTH_WAYS : this.#cut;
    this.#parts.fronts.grpc.shut(shut);
    this.#parts.fronts.http.shut(shut);
  }

  /** A process that is nothing but a broker would end. */
  #onFatal(life: Life, { code, message }: FatalFault): void {
    if (this.#life !== life) return;
    this.#fault = `${code}: ${message}`;
    life.end(new TestClusterError("BROKER_DOWN", `broker ${this.id} has failed with ${this.#fault}`));
    // In an event of its own: whoever noticed is still at work.
    life.process.after(0, () => {
      if (this.#life === life) void this.#end(life, "process");
    });
  }

  #living(verb: string): Life {
    this.#parts.assertRunning(verb);
    const life = this.#life;
    if (life !== null) return life;
    const why = this.#fault === null ? "start() it before" : `it had failed with ${this.#fault}`;
    throw this.#refuse(verb, "BROKER_DOWN", why);
  }

  #refuse(verb: string, code: TestClusterErrorCode, way: string): TestClusterError {
    return new TestClusterError(code, `${verb}: broker ${this.id} is ${this.state}; ${way}`);
  }

  #tooLate({ waitingFor }: Life, timeoutMs: number): TestClusterError {
    const whom = waitingFor.length === 0 ? "" : `: it waits for ${waitingFor.join(", ")}`;
    const hint = "A majority of the brokers has to run; those that are down are started together.";
    return new TestClusterError("TIMEOUT", `broker ${this.id} has not started within ${timeoutMs} ms${whom}. ${hint}`);
  }
}

/** When nothing of the turn's work is left to be done: a process does not die in the middle of a line. */
function betweenTurns(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

function every(process: SimProcess, ms: number, act: () => void): () => void {
  const again = (): void => {
    timer = process.after(ms, again);
    act();
  };
  let timer = process.after(ms, again);
  return () => timer.cancel();
}
