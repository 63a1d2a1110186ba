/**
 * One broker of a simulated cluster over all its lives: its disk, which stays; and for each life a process, a mount, a place in the
 * network, and the shipping broker made for it.
 */
import { PEER_VERSIONS, type PeerVersions } from "@tidemark/proto";
import { assert, type SeededRandom } from "../../base/index.ts";
import type { BrokerContext } from "../../api/index.ts";
import {
  type DirectoryLocks,
  type Entrance,
  type FailpointName,
  type LogFields,
  type Logger,
  type PeerAddress,
  type PeerIdentity,
} from "../../ports/index.ts";
import type { SimNetwork } from "../network/index.ts";
import { SimDisk } from "../sim-disk.ts";
import { SimFailpoints } from "../sim-failpoints.ts";
import { SimStore } from "../sim-store.ts";
import type { DirectoryMode } from "../sim-tree.ts";
import type { SimProcess, SimWorld } from "../sim-world.ts";
import { SimulatedCrash } from "../simulated-crash.ts";
import { isProgrammingError, NOBODY } from "./client-links.ts";
import { readIdentity } from "./identity-file.ts";
import { ensureNothingLeft } from "./left-over.ts";
import type { MakeNode, Node, NodePeersOptions, NodeWorld } from "./node.ts";
import { SimDoor } from "./sim-door.ts";

/** Of every broker, on its own disk. */
export const DATA = "/data";
/** Like a usual limit; it decides how many files of the log stay open. */
const DESCRIPTORS_MAX = 4_096;

export interface ClusterBrokerParts {
  readonly world: SimWorld;
  readonly network: SimNetwork;
  readonly random: SeededRandom;
  readonly makeNode: MakeNode;
  /** Brokers of one rack share what powers them. */
  readonly rack: number;
  readonly keys: Readonly<Record<string, string>>;
  readonly directoryMode: DirectoryMode;
  /** What no simulated fault explains: the run fails. */
  readonly onFailure: (error: unknown) => void;
  readonly count: (what: string) => void;
  /** A file of a log is about to become shorter, or to go. */
  readonly onCut: (broker: ClusterBroker, path: string) => void;
  /** What it answers another broker, before that leaves. Throws InvariantViolation. */
  readonly onAnswer: (broker: ClusterBroker, method: string, answer: Uint8Array) => void;
}

export type BrokerState = "down" | "starting" | "ready" | "stopping";

interface Life {
  readonly number: number;
  readonly process: SimProcess;
  readonly node: Node;
  readonly versions: PeerVersions;
  door: SimDoor | null;
  state: BrokerState;
  /** Why it went by itself. */
  fatal: string | null;
}

export class ClusterBroker {
  readonly address: PeerAddress;
  readonly #parts: ClusterBrokerParts;
  readonly #random: SeededRandom;
  #keys: Readonly<Record<string, string>>;
  #disk: SimDisk;
  #life: Life | null = null;
  #livesCount = 0;
  /** Of who dies inside an operation. */
  #deathKind: "process" | "power" = "process";
  #disksCount = 0;
  /** As which it served last, on the disk that it has. */
  #directoryId: string | null = null;
  /** That it speaks from its next start on. */
  #versions = PEER_VERSIONS;
  /** Over all lives: where the next one ends that passes there. */
  readonly #failpoints: SimFailpoints;

  constructor(address: PeerAddress, parts: ClusterBrokerParts) {
    this.address = address;
    this.#parts = parts;
    this.#keys = parts.keys;
    this.#random = parts.random.fork(`broker ${address.nodeId}`);
    this.#disk = this.#newDisk();
    this.#failpoints = new SimFailpoints(parts.world, (name) => {
      this.#note(`dies at ${name}`, this.#livesCount);
      parts.count(`died at ${name}`);
      this.#disk.crash();
    });
  }

  get nodeId(): number {
    return this.address.nodeId;
  }

  get rack(): number {
    return this.#parts.rack;
  }

  get name(): string {
    return `broker ${this.nodeId}`;
  }

  /** Its process runs, and has not crashed by itself. */
  get isUp(): boolean {
    return this.#life?.process.isAlive === true;
  }

  get state(): BrokerState {
    return this.isUp ? (this.#life?.state ?? "down") : "down";
  }

  get waitingFor(): readonly string[] {
    return this.isUp ? (this.#life?.node.waitingFor ?? []) : [];
  }

  get isPaused(): boolean {
    return this.#life?.process.isPaused === true;
  }

  get process(): SimProcess | null {
    return this.isUp ? (this.#life?.process ?? null) : null;
  }

  /** Of its lives; 0: it never ran. */
  get lifeNumber(): number {
    return this.#livesCount;
  }

  get disk(): SimDisk {
    return this.#disk;
  }

  get door(): SimDoor | null {
    return this.isUp ? (this.#life?.door ?? null) : null;
  }

  /** Null while its logs are not open. */
  get context(): BrokerContext | null {
    return this.door?.context ?? null;
  }

  // ---- life cycle ----

  /** From its next start on. */
  reconfigure(keys: Readonly<Record<string, string>>): void {
    this.#keys = { ...this.#keys, ...keys };
  }

  /** From its next start on it is of a release that speaks these. */
  speak(versions: PeerVersions): void {
    this.#versions = versions;
  }

  /** Of the release that runs, or ran last. */
  get spoken(): PeerVersions {
    return this.#life?.versions ?? this.#versions;
  }

  start(): void {
    assert(this.#life === null, "the life before has left its disk and the network");
    const { world, makeNode, onFailure } = this.#parts;
    const process = world.startProcess();
    const number = ++this.#livesCount;
    this.#note("start", number);
    const node = makeNode({
      keys: this.#keys,
      world: this.#world(process, number),
      logger: new SimLogger(world, process, this.name, this.#parts.count),
      onFatal: ({ code, message }) => this.#onFatal(life, `${code}: ${message}`),
    });
    const versions = this.#versions;
    const life: Life = { number, process, node, versions, door: null, state: "starting", fatal: null };
    this.#life = life;
    node.start().then(
      () => {
        if (life.state !== "starting") return;
        life.state = "ready";
        this.#onReady();
        this.#note("ready", number);
      },
      (cause: unknown) => {
        if (cause instanceof SimulatedCrash || !process.isAlive) return;
        if (isProgrammingError(cause)) return onFailure(cause);
        // A start that is stopped ends so; the stop goes on.
        if (life.state === "stopping") return;
        this.#onFatal(life, cause instanceof Error ? cause.message : String(cause));
      },
    );
  }

  /** Kill, or loss of power; the disk is as that leaves it. Also for a process that has died by itself. */
  crash(kind: "process" | "power"): void {
    this.#note(`crash ${kind}`, this.#livesCount);
    this.#leave(kind);
  }

  /** A clean stop begins. */
  stop(): Promise<void> {
    const life = this.#life;
    if (life === null || !this.isUp) return Promise.resolve();
    life.state = "stopping";
    this.#note("stop", life.number);
    return life.node.stop().then(
      () => {
        this.#note("stopped", life.number);
        if (this.#life !== life) return;
        try {
          ensureNothingLeft({
            name: this.name,
            process: life.process,
            disk: this.#disk,
            network: this.#parts.network,
            context: life.door?.context ?? null,
          });
        } catch (error: unknown) {
          this.#parts.onFailure(error);
        }
        this.#leave("process");
      },
      (cause: unknown) => {
        if (cause instanceof SimulatedCrash || !life.process.isAlive) return;
        if (isProgrammingError(cause)) return this.#parts.onFailure(cause);
        this.#onFatal(life, cause instanceof Error ? cause.message : String(cause));
      },
    );
  }

  /** It dies inside the `count`-th operation from now on that changes its disk. */
  dieWithin(count: number, kind: "process" | "power"): boolean {
    this.#note(`will die, ${kind}`, count);
    this.#deathKind = kind;
    this.#disk.crashAfterOperations(count);
    return true;
  }

  /** The `nth` time that it passes there from now on it dies, or what follows there is left out. */
  failAt(name: FailpointName, nth: number, what: "process" | "power" | "drop"): boolean {
    this.#note(`will ${what === "drop" ? "drop" : `die, ${what}`} at ${name}`, nth);
    if (what !== "drop") this.#deathKind = what;
    this.#failpoints.arm({ name, nth, action: { kind: what === "drop" ? "drop" : "crash" } });
    return true;
  }

  clearFailpoints(): void {
    this.#failpoints.clear();
  }

  /** It may have died inside one of its operations. */
  noticeDeath(): void {
    if (this.#life !== null && !this.#life.process.isAlive) this.crash(this.#deathKind);
  }

  pause(): void {
    this.#note("pause", this.#livesCount);
    this.process?.pause();
    this.#parts.network.stall(this.nodeId);
  }

  resume(): void {
    this.#note("resume", this.#livesCount);
    this.#parts.network.resume(this.nodeId);
    this.process?.resume();
  }

  /** Its disk is lost; a new one stands in its place. Only while it is down. */
  wipe(): void {
    this.#note("wipe", this.#livesCount);
    this.#disk = this.#newDisk();
    this.#directoryId = null;
  }

  // ---- within ----

  #onReady(): void {
    const { directoryId } = readIdentity(this.#disk, DATA);
    if (this.#directoryId !== null && directoryId !== this.#directoryId) this.#parts.count("came as another voter");
    this.#directoryId = directoryId;
  }

  #leave(kind: "process" | "power"): void {
    this.#disk.crash();
    this.#parts.network.resume(this.nodeId);
    this.#parts.network.leave(this.address);
    this.#disk.restart(kind);
    this.#life = null;
  }

  /** A process that cannot go on ends: what is nothing but a broker exits. */
  #onFatal(life: Life, message: string): void {
    if (this.#life !== life || !life.process.isAlive) return;
    life.fatal = message;
    this.#parts.world.tell("gave up", `${this.name}: ${message}`, life.number);
    // In an event of its own: whoever noticed is still at work.
    life.process.after(0, () => {
      if (this.#life === life) this.crash("process");
    });
  }

  #newDisk(): SimDisk {
    const number = ++this.#disksCount;
    const disk = new SimDisk({ random: this.#random.fork(`disk ${number}`), mode: this.#parts.directoryMode });
    disk.observer = {
      onAsked: () => undefined,
      onChange: (operation, path) => {
        if ((operation === "truncate" || operation === "unlink") && path.endsWith(".log"))
          this.#parts.onCut(this, path);
      },
    };
    return disk;
  }

  #note(what: string, number: number): void {
    this.#parts.world.tell(what, this.name, number);
  }

  #world(process: SimProcess, number: number): NodeWorld {
    const disk = this.#disk.mount(process);
    const random = this.#random.fork(`chance ${number}`);
    return {
      disk,
      locks: new FreeLocks(),
      clock: process,
      timers: process,
      random: (count) => random.bytes(new Uint8Array(count)),
      failpoint: this.#failpoints.of(process),
      openStore: (path, options) => SimStore.open(disk, path, options),
      clientDoor: (_options, context) => {
        const leave = this.#joinAlone(process);
        const door = new SimDoor(process, { host: this.address.host, port: this.nodeId }, context, leave);
        if (this.#life !== null) this.#life.door = door;
        return door;
      },
      peers: (options) => this.#peers(process, options),
      dial: async () => undefined,
      descriptorsMax: () => DESCRIPTORS_MAX,
      watchEventLoop: () => () => undefined,
      hold: (lateMs, onLate) => every(process, lateMs, onLate),
    };
  }

  /** A broker that has no peers has its place in the network for clients; returns how to give that up. */
  #joinAlone(process: SimProcess): () => void {
    const { network } = this.#parts;
    if (network.nodeAt(this.address)?.process === process) return () => undefined;
    const identity = (): PeerIdentity => ({ clusterId: "", nodeId: this.nodeId, directoryId: "" });
    network.join({ process, address: this.address, service: NOBODY, identity });
    return () => network.leave(this.address);
  }

  #peers(process: SimProcess, { service, identity, onHeard }: NodePeersOptions): ReturnType<NodeWorld["peers"]> {
    const { network } = this.#parts;
    const transport = network.join({
      process,
      address: this.address,
      service,
      versions: this.#versions,
      identity,
      onHeard: (peer, door) => onHeard(peer, door ?? null),
      onAnswer: (method, answer) => {
        try {
          this.#parts.onAnswer(this, method, answer);
        } catch (error: unknown) {
          this.#parts.onFailure(error);
        }
      },
    });
    const door: Entrance = {
      address: this.address,
      connectionsCount: 0,
      delayedConnectionsCount: 0,
      refusals: [],
      unfinishedBytes: 0,
      listen: async () => undefined,
      close: async () => network.leave(this.address),
    };
    return { transport, door };
  }
}

/** Whoever has the disk has the only one there is. */
class FreeLocks implements DirectoryLocks {
  async acquire(): ReturnType<DirectoryLocks["acquire"]> {
    return { ok: true, lock: { release: async () => undefined } };
  }
}

function every(process: SimProcess, ms: number, act: () => void): () => void {
  let timer = process.after(ms, again);
  function again(): void {
    timer = process.after(ms, again);
    act();
  }
  return () => timer.cancel();
}

/** What a broker does by itself, and says. */
const COUNTED: ReadonlyMap<string, string> = new Map([
  ["leadership was given back to preferred replicas", "leadership given back"],
]);

/** Lines of a broker as events of the run: they take part in its hash, and the last of them are in the report of a failure. */
class SimLogger implements Logger {
  readonly #world: SimWorld;
  readonly #process: SimProcess;
  readonly #name: string;
  readonly #count: (what: string) => void;

  constructor(world: SimWorld, process: SimProcess, name: string, count: (what: string) => void) {
    this.#world = world;
    this.#process = process;
    this.#name = name;
    this.#count = count;
  }

  debug(): void {}

  info(message: string, fields?: LogFields): void {
    this.#note("info", message, fields);
  }

  warn(message: string, fields?: LogFields): void {
    this.#note("warn", message, fields);
  }

  error(message: string, fields?: LogFields): void {
    this.#note("error", message, fields);
  }

  child(component: string): Logger {
    return new SimLogger(this.#world, this.#process, `${this.#name.split("/")[0]}/${component}`, this.#count);
  }

  #note(level: string, message: string, fields: LogFields = {}): void {
    // The dead do not write.
    if (!this.#process.isAlive) return;
    const counted = COUNTED.get(message);
    if (counted !== undefined) this.#count(counted);
    const parts = Object.entries(fields).flatMap(([key, value]) => {
      const text = textOf(value);
      return text === null ? [] : [`${key}=${text}`];
    });
    this.#world.tell(level, `${this.#name}: ${message} ${parts.join(" ")}`);
  }
}

/** Null: no plain value. */
function textOf(value: unknown): string | null {
  if (value instanceof Error) return value.message;
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return String(value);
  return Array.isArray(value) ? value.map((each) => textOf(each) ?? "?").join(",") : null;
}
