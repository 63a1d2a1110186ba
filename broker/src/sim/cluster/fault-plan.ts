/**
 * What goes wrong in the safety phase: drawn from the seed, which faults a run has, how often, for how long; or step by step from a plan.
 * What is damaged stays within testing.md 3.2: a fault that takes data from a disk strikes only while everybody is in sync, and the next
 * one waits until they are again.
 *
 * Whatever chance decides of a fault is drawn first, as plain values; what strikes knows only these, and decides by itself whether it
 * may. So a fault that is taken out of a plan changes none of the others.
 */
import type { SeededRandom } from "../../base/index.ts";
import type { SimNetwork } from "../network/index.ts";
import { FAILPOINTS, type FailpointName } from "../../ports/index.ts";
import type { DiskOperation } from "../sim-faults.ts";
import type { SimWorld } from "../sim-world.ts";
import type { Agenda } from "./agenda.ts";
import type { ClusterBroker } from "./cluster-broker.ts";
import { drawRot, type RotParams } from "./bit-rot.ts";
import { DamageFaults } from "./damage-faults.ts";
import { RollingRestart, type RolledSettings } from "./rolling-restart.ts";
import type { FaultAtlas } from "./fault-atlas.ts";
import type { StepValues } from "./plan.ts";
import type { ClusterTopic } from "./run-options.ts";
import type { SimReader } from "./sim-reader.ts";

/** Faults by name, each with its chance per second of the cluster. */
export type FaultChances = Readonly<Partial<Record<FaultName, number>>>;

export type FaultName = keyof typeof FAULTS;

export interface FaultDeps {
  readonly world: SimWorld;
  readonly agenda: Agenda;
  readonly network: SimNetwork;
  readonly random: SeededRandom;
  readonly brokers: readonly ClusterBroker[];
  readonly clientIds: () => readonly number[];
  /** A record that was acknowledged may lie on no medium yet. */
  readonly isPageCache: boolean;
  readonly topics: readonly ClusterTopic[];
  readonly readers: () => readonly SimReader[];
  /** Who holds what, and so what may be destroyed. */
  readonly atlas: FaultAtlas;
  readonly count: (what: string) => void;
  /** It struck. */
  readonly onStruck: (name: FaultName, values: StepValues) => void;
}

/** Less than what a topic lets a record's time be ahead of its leader's clock: else the leader refuses every one, and rightly. */
const WALL_OFFSET_MS = 50 * 60_000;
/** Between two draws. */
const TICK_MS = 100;
/** Rests of a broker that is down, that stands still, of a link that is cut. */
const DOWN_MS = [50, 300, 2_000, 15_000];
const PAUSE_MS = [100, 1_000, 5_000, 20_000];
const CUT_MS = [200, 2_000, 8_000, 25_000];
const LIE_MS = [100, 500, 2_000];
const LATE_MS = [5, 50, 400];

const FAILPOINT_NAMES = Object.keys(FAILPOINTS) as FailpointName[];

interface Fault {
  /** Null: there is nothing that it could strike. */
  draw(faults: Faults): StepValues | null;
  /** Answers whether it struck. */
  strike(faults: Faults, values: StepValues): boolean;
}

/** Of any kind of value: what `draw` made is what `strike` gets. */
function fault<Values extends StepValues>(
  draw: (faults: Faults) => Values | null,
  strike: (faults: Faults, values: Values) => boolean,
): Fault {
  return { draw, strike: (faults, values) => strike(faults, values as Values) };
}

/** Of one broker, which runs or not. */
function anyBrokerFault<Values extends StepValues>(
  draw: (faults: Faults) => Values,
  strike: (faults: Faults, broker: ClusterBroker, values: Values) => boolean,
): Fault {
  return fault(
    (faults) => ({ broker: faults.drawVictim(), ...draw(faults) }),
    (faults, values) => {
      const broker = faults.broker(values.broker);
      return broker !== undefined && strike(faults, broker, values);
    },
  );
}

/** Of one broker, which is up. */
function brokerFault<Values extends StepValues>(
  draw: (faults: Faults) => Values,
  strike: (faults: Faults, broker: ClusterBroker, values: Values) => boolean,
): Fault {
  return fault(
    (faults) => faults.drawUp((broker) => ({ broker, ...draw(faults) })),
    (faults, values) => {
      const broker = faults.broker(values.broker);
      return broker?.isUp === true && strike(faults, broker, values);
    },
  );
}

const nothing = (): StepValues => ({});

/** By the name under which a run counts it. */
const FAULTS = {
  kill: brokerFault(nothing, (faults, broker) => faults.crash(broker, "process")),
  power: brokerFault(nothing, (faults, broker) => faults.losePower(broker)),
  dieInside: brokerFault(
    (faults) => faults.drawDeath(),
    (faults, broker, death) => faults.dieInside(broker, death),
  ),
  failpoint: brokerFault(
    (faults) => faults.drawFailpoint(),
    (_faults, broker, { name, nth, what }) => broker.failAt(name, nth, what),
  ),
  blackout: fault(nothing, (faults) => faults.blackout()),
  stop: brokerFault(nothing, (faults, broker) => faults.stop(broker)),
  wipe: brokerFault(nothing, (faults, broker) => faults.wipe(broker)),
  /** One that is down comes again. */
  start: fault(
    () => null,
    (faults, { broker }: { broker: number }) => faults.startAgain(broker),
  ),
  pause: brokerFault(
    (faults) => ({ ms: faults.drawMs(PAUSE_MS) }),
    (faults, broker, { ms }) => faults.pause(broker, ms),
  ),
  clock: brokerFault(
    (faults) => faults.drawClock(),
    (faults, broker, clock) => faults.setClock(broker, clock),
  ),
  isolate: fault(
    (faults) => faults.drawIsolation(),
    (faults, { broker, from, ms }) => faults.isolate(broker, from, ms),
  ),
  oneWay: fault(
    (faults) => faults.drawOneWay(),
    (faults, { from, to, ms }) => faults.oneWay(from, to, ms),
  ),
  partClient: fault(
    (faults) => faults.drawClientCut(),
    (faults, { client, broker, ms }) => faults.isolate(client, [broker], ms),
  ),
  reset: fault(
    (faults) => faults.drawReset(),
    (faults, { one, other }) => faults.reset(one, other),
  ),
  stall: brokerFault(
    (faults) => faults.drawStall(),
    (faults, broker, stall) => faults.stall(broker, stall),
  ),
  ioError: brokerFault(
    (faults) => faults.drawIoError(),
    (faults, broker, error) => faults.ioError(broker, error),
  ),
  rackOut: fault(
    (faults) => ({ rack: faults.drawRack() }),
    (faults, { rack }) => faults.rackOut(rack),
  ),
  clog: fault(
    (faults) => faults.drawClog(),
    (faults, { from, to, lateMs, ms }) => faults.clog({ from, to, lateMs, ms }),
  ),
  streamStall: fault(
    (faults) => faults.drawOneWay(),
    (faults, { from, to, ms }) => faults.stallStreams(from, to, ms),
  ),
  streamReset: fault(
    (faults) => faults.drawStreamReset(),
    (faults, { from, to, events }) => faults.resetStreams(from, to, events),
  ),
  slowReader: fault(
    (faults) => ({ reader: faults.below(1_000), ms: faults.drawMs(PAUSE_MS) }),
    (faults, { reader, ms }) => faults.stallReader(reader, ms),
  ),
  rot: anyBrokerFault(
    (faults) => faults.drawRot(),
    (faults, broker, params) => faults.damage.rot(broker, params),
  ),
  lie: brokerFault(
    (faults) => ({ ms: faults.drawMs(LIE_MS) }),
    (faults, broker, { ms }) => faults.damage.lie(broker, ms),
  ),
  roll: fault(
    (faults) => faults.drawSettings(),
    (faults, settings) => faults.rolling.begin(settings),
  ),
  domino: brokerFault(
    (faults) => ({ backMs: faults.drawMs([100, 300]), othersMs: faults.drawMs([2_000, 3_000]) }),
    (faults, broker, { backMs, othersMs }) => faults.damage.domino(broker, backMs, othersMs),
  ),
  full: brokerFault(
    (faults) => ({ leftBytes: faults.pick([0, 500, 20_000, 200_000]), ms: faults.drawMs(CUT_MS) }),
    (faults, broker, { leftBytes, ms }) => faults.fill(broker, leftBytes, ms),
  ),
} as const satisfies Record<string, Fault>;

export function isFaultName(name: string): name is FaultName {
  return Object.hasOwn(FAULTS, name);
}

export function drawFaults(random: SeededRandom): FaultChances {
  const chances: Partial<Record<FaultName, number>> = {};
  // Some runs are quiet, and some have everything.
  const share = random.pick([0, 0.25, 0.5, 0.5, 0.8]);
  for (const name of Object.keys(FAULTS) as FaultName[]) {
    // Whoever is down comes again in every run.
    if (name === "start") continue;
    // A stream of its own: one fault more changes no other.
    const own = random.fork(name);
    if (own.chance(share)) chances[name] = own.pick([0.02, 0.08, 0.25, 0.6]);
  }
  return chances;
}

export class Faults {
  readonly #deps: FaultDeps;
  /** The whole network is healed, nobody is hurt any more. */
  #isOver = false;
  /** Brokers that are down and have a time at which they come again. */
  readonly #rising = new Set<number>();
  /** Ends of faults under way that are not those of a process. */
  readonly #heals = new Set<() => void>();

  readonly damage: DamageFaults;
  readonly rolling: RollingRestart;

  constructor(deps: FaultDeps) {
    this.#deps = deps;
    this.damage = new DamageFaults({
      ...deps,
      calm: () => this.#calm(),
      endAfter: (ms, end) => this.#healAfter(ms, end),
      onDown: ({ nodeId }) => this.#rising.add(nodeId),
    });
    const endAfter = (ms: number, end: () => void): void => this.#healAfter(ms, end);
    this.rolling = new RollingRestart({ ...deps, endAfter, isOver: () => this.#isOver });
  }

  /** Strikes as chance will have it, until the end. */
  draw(chances: FaultChances): void {
    const { agenda, brokers, random } = this.#deps;
    agenda.after(TICK_MS, () => {
      if (this.#isOver) return;
      // Those that went by themselves.
      for (const broker of brokers) if (!broker.isUp) this.#startLater(broker);
      for (const [name, chance] of Object.entries(chances) as [FaultName, number][]) {
        if (!random.chance((chance * TICK_MS) / 1000)) continue;
        const values = (FAULTS[name] as Fault).draw(this);
        if (values !== null) this.strike(name, values);
      }
      this.draw(chances);
    });
  }

  strike(name: FaultName, values: StepValues): void {
    if (!(FAULTS[name] as Fault).strike(this, values)) return;
    this.#deps.onStruck(name, values);
    this.#deps.count(`fault ${name}`);
  }

  /** Nothing new goes wrong, and what can be healed without a process is. */
  end(): void {
    this.#isOver = true;
    this.#calm();
  }

  /** What is under way ends. */
  #calm(): void {
    const { network, brokers } = this.#deps;
    for (const heal of this.#heals) heal();
    this.#heals.clear();
    network.healAll();
    for (const broker of brokers) {
      const { disk } = broker;
      broker.clearFailpoints();
      disk.faults.removeAll();
      disk.crashAfterOperations(Number.POSITIVE_INFINITY);
      disk.capacityBytes = Number.POSITIVE_INFINITY;
    }
  }

  // ---- chance ----

  drawUp<Values>(then: (nodeId: number) => Values): Values | null {
    const up = this.#deps.brokers.filter(({ isUp }) => isUp);
    return up.length > 0 ? then(this.#deps.random.pick(up).nodeId) : null;
  }

  /** Those that are down are few, and met as often. */
  drawVictim(): number {
    const { random, brokers } = this.#deps;
    const down = brokers.filter(({ isUp }) => !isUp);
    return random.pick(down.length > 0 && random.chance(0.5) ? down : brokers).nodeId;
  }

  drawSettings(): RolledSettings {
    const { random } = this.#deps;
    return {
      segmentBytes: random.pick([1_024, 4_096, 65_536]),
      checkpointMs: random.pick([50, 1_000, 60_000]),
      tailCacheBytes: random.pick([0, 65_536]),
    };
  }

  drawRack(): number {
    return this.#deps.random.pick(this.#deps.brokers).rack;
  }

  drawRot(): RotParams {
    return drawRot(this.#deps.random, this.#deps.topics);
  }

  drawClog(): { from: number; to: number; lateMs: number; ms: number } | null {
    const way = this.drawOneWay();
    return way === null ? null : { ...way, lateMs: this.drawMs(LATE_MS) };
  }

  drawStreamReset(): { from: number; to: number; events: number } | null {
    const way = this.drawOneWay();
    return way === null ? null : { from: way.from, to: way.to, events: this.#deps.random.between(1, 8) };
  }

  below(count: number): number {
    return this.#deps.random.below(count);
  }

  pick<T>(list: readonly T[]): T {
    return this.#deps.random.pick(list);
  }

  drawMs(choices: readonly number[]): number {
    const { random } = this.#deps;
    return Math.ceil(random.pick(choices) * (0.5 + random.float()));
  }

  drawDeath(): { operations: number; isPower: boolean } {
    const { random, isPageCache } = this.#deps;
    const operations = random.pick([1, random.between(1, 10), random.between(1, 100)]);
    return { operations, isPower: !isPageCache && random.chance(0.5) };
  }

  drawFailpoint(): { name: FailpointName; nth: number; what: "process" | "power" | "drop" } {
    const { random, isPageCache } = this.#deps;
    const name = random.pick(FAILPOINT_NAMES);
    const nth = random.pick([1, random.between(1, 5), random.between(1, 40)]);
    if (name.startsWith("isr.") && random.chance(0.5)) return { name, nth, what: "drop" };
    return { name, nth, what: !isPageCache && random.chance(0.5) ? "power" : "process" };
  }

  drawClock(): { rate: number } | { wallOffsetMs: number } {
    const { random } = this.#deps;
    if (random.chance(0.5)) return { wallOffsetMs: random.between(-WALL_OFFSET_MS, WALL_OFFSET_MS) };
    return { rate: 0.95 + random.below(100) / 1_000 };
  }

  drawIsolation(): { broker: number; from: number[]; ms: number } | null {
    const { random, brokers, clientIds } = this.#deps;
    if (brokers.length < 2) return null;
    const broker = random.pick(brokers).nodeId;
    const others = brokers.map(({ nodeId }) => nodeId).filter((other) => other !== broker);
    const cut = random.chance(0.5) ? others : [random.pick(others)];
    const from = cut.length > 1 && random.chance(0.3) ? [...cut, ...clientIds()] : cut;
    return { broker, from, ms: this.drawMs(CUT_MS) };
  }

  drawOneWay(): { from: number; to: number; ms: number } | null {
    const { random, brokers } = this.#deps;
    if (brokers.length < 2) return null;
    const from = random.pick(brokers).nodeId;
    const to = random.pick(brokers.filter(({ nodeId }) => nodeId !== from)).nodeId;
    return { from, to, ms: this.drawMs(CUT_MS) };
  }

  drawClientCut(): { client: number; broker: number; ms: number } {
    const { random, brokers, clientIds } = this.#deps;
    return { client: random.pick(clientIds()), broker: random.pick(brokers).nodeId, ms: this.drawMs(CUT_MS) };
  }

  drawReset(): { one: number; other: number } {
    const { random, brokers, clientIds } = this.#deps;
    const one = random.pick(brokers).nodeId;
    const others = [...brokers.map(({ nodeId }) => nodeId), ...clientIds()].filter((id) => id !== one);
    return { one, other: random.pick(others) };
  }

  drawStall(): { operation: DiskOperation; stallMs: number; times: number } {
    const { random } = this.#deps;
    return {
      operation: random.pick(["datasync", "datasync", "write", "read", "syncDirectory"] as const),
      stallMs: random.pick([200, 1_500, 8_000]),
      times: random.between(1, 4),
    };
  }

  drawIoError(): { operation: DiskOperation; skipCount: number } {
    const { random } = this.#deps;
    return {
      operation: random.pick(["datasync", "write", "read", "rename", "syncDirectory"] as const),
      skipCount: random.below(10),
    };
  }

  // ---- processes ----

  broker(nodeId: number): ClusterBroker | undefined {
    return this.#deps.brokers.find((each) => each.nodeId === nodeId);
  }

  crash(broker: ClusterBroker, kind: "process" | "power"): boolean {
    if (!this.#deps.atlas.mayBeAway(broker)) return false;
    broker.crash(kind);
    return true;
  }

  losePower(broker: ClusterBroker): boolean {
    if (!this.#mayLosePower(broker)) return false;
    this.#onPageCacheLost(broker);
    broker.crash("power");
    return true;
  }

  dieInside(broker: ClusterBroker, { operations, isPower }: { operations: number; isPower: boolean }): boolean {
    const { atlas } = this.#deps;
    if (isPower ? !atlas.mayLosePower(broker) : !atlas.mayBeAway(broker)) return false;
    broker.dieWithin(operations, isPower ? "power" : "process");
    return true;
  }

  #mayLosePower(broker: ClusterBroker): boolean {
    const { atlas, isPageCache } = this.#deps;
    return isPageCache ? atlas.mayLoseTail(broker) : atlas.mayLosePower(broker);
  }

  /** What it had acknowledged may be gone with its page cache. */
  #onPageCacheLost(broker: ClusterBroker): void {
    if (!this.#deps.isPageCache) return;
    this.#calm();
    this.#deps.atlas.onHurt(broker, "tail");
  }

  blackout(): boolean {
    return this.#blackOut(this.#deps.brokers);
  }

  rackOut(rack: number): boolean {
    return this.#blackOut(this.#deps.brokers.filter((broker) => broker.rack === rack));
  }

  #blackOut(brokers: readonly ClusterBroker[]): boolean {
    const { atlas, isPageCache } = this.#deps;
    if (isPageCache || !brokers.every((broker) => atlas.mayLosePower(broker))) return false;
    for (const broker of brokers) if (broker.isUp) broker.crash("power");
    return true;
  }

  stop(broker: ClusterBroker): boolean {
    // Also one that starts.
    if (broker.state === "stopping" || broker.isPaused || !this.#deps.atlas.mayBeAway(broker)) return false;
    void broker.stop();
    return true;
  }

  wipe(broker: ClusterBroker): boolean {
    const { atlas } = this.#deps;
    if (!atlas.mayLose()) return false;
    broker.crash("process");
    broker.wipe();
    atlas.onHurt(broker, "disk");
    return true;
  }

  pause(broker: ClusterBroker, ms: number): boolean {
    if (broker.isPaused || !this.#deps.atlas.mayBeAway(broker)) return false;
    broker.pause();
    const life = broker.lifeNumber;
    this.#healAfter(ms, () => {
      if (broker.isUp && broker.lifeNumber === life) broker.resume();
    });
    return true;
  }

  setClock(broker: ClusterBroker, clock: { rate: number } | { wallOffsetMs: number }): boolean {
    this.#deps.world.tell("clock", broker.name);
    if ("rate" in clock) broker.process?.drift(clock.rate);
    else broker.process?.setWall(clock.wallOffsetMs);
    return true;
  }

  startAgain(nodeId: number): boolean {
    const broker = this.broker(nodeId);
    if (broker === undefined || broker.isUp) return false;
    broker.start();
    return true;
  }

  #startLater({ nodeId }: ClusterBroker): void {
    if (this.#rising.has(nodeId)) return;
    this.#rising.add(nodeId);
    this.#deps.agenda.after(this.drawMs(DOWN_MS), () => {
      this.#rising.delete(nodeId);
      if (!this.#isOver) this.strike("start", { broker: nodeId });
    });
  }

  // ---- network ----

  isolate(nodeId: number, from: readonly number[], ms: number): boolean {
    const { network, world } = this.#deps;
    world.tell("isolate", `${nodeId} from ${from.join()}`, ms);
    network.partition([nodeId], from);
    this.#healAfter(ms, () => {
      for (const other of from) {
        network.heal(nodeId, other);
        network.heal(other, nodeId);
      }
    });
    return true;
  }

  oneWay(from: number, to: number, ms: number): boolean {
    const { network, world } = this.#deps;
    world.tell("cut", `${from} to ${to}`, ms);
    network.cut(from, to);
    this.#healAfter(ms, () => network.heal(from, to));
    return true;
  }

  reset(one: number, other: number): boolean {
    this.#deps.world.tell("reset", `${one} and ${other}`);
    this.#deps.network.reset(one, other);
    return true;
  }

  clog({ from, to, lateMs, ms }: { from: number; to: number; lateMs: number; ms: number }): boolean {
    const { network, world } = this.#deps;
    world.tell("clog", `${from} to ${to}`, lateMs, ms);
    network.clog(from, to, lateMs);
    this.#healAfter(ms, () => network.clog(from, to, 0));
    return true;
  }

  /** Only who reads replication is too slow, and nothing else can be seen of it. */
  stallStreams(from: number, to: number, ms: number): boolean {
    const { network, world, atlas } = this.#deps;
    if (atlas.hurt === "tail") return false;
    world.tell("streams stall", `${from} to ${to}`, ms);
    network.stallStreams(from, to);
    this.#healAfter(ms, () => network.resumeStreams(from, to));
    return true;
  }

  resetStreams(from: number, to: number, events: number): boolean {
    this.#deps.world.tell("streams reset", `${from} and ${to}`, events);
    return this.#deps.network.resetStreams(from, to, events);
  }

  stallReader(number: number, ms: number): boolean {
    const readers = this.#deps.readers();
    const reader = readers[number % readers.length];
    if (reader === undefined) return false;
    this.#deps.world.tell("reader stalls", `${reader.topic}-${reader.partition}`, ms);
    reader.stall();
    this.#healAfter(ms, () => reader.goOn());
    return true;
  }

  // ---- disks ----

  stall(
    { disk, name }: ClusterBroker,
    rule: { readonly operation: DiskOperation; readonly stallMs: number; readonly times: number },
  ): boolean {
    this.#deps.world.tell("stall", `${name} ${rule.operation}`, rule.stallMs);
    const { operation, stallMs, times } = rule;
    disk.faults.add({ operation, effect: "stall", stallMs, times });
    return true;
  }

  /** The broker gives up, and comes again. What it had written and not synced is gone where the sync failed. */
  ioError(broker: ClusterBroker, rule: { readonly operation: DiskOperation; readonly skipCount: number }): boolean {
    const { atlas, isPageCache } = this.#deps;
    if (isPageCache ? !atlas.mayLose() : !atlas.mayLosePower(broker)) return false;
    const { disk, name } = broker;
    this.#deps.world.tell("EIO", `${name} ${rule.operation}`);
    disk.faults.add({ operation: rule.operation, effect: "EIO", skipCount: rule.skipCount });
    return true;
  }

  fill({ disk, name }: ClusterBroker, leftBytes: number, ms: number): boolean {
    if (disk.capacityBytes !== Number.POSITIVE_INFINITY) return false;
    disk.capacityBytes = disk.usedBytes() + leftBytes;
    this.#deps.world.tell("full", name, disk.capacityBytes);
    this.#healAfter(ms, () => {
      disk.capacityBytes = Number.POSITIVE_INFINITY;
    });
    return true;
  }

  // ---- time ----

  #healAfter(ms: number, heal: () => void): void {
    const once = (): void => {
      if (this.#heals.delete(once)) heal();
    };
    this.#heals.add(once);
    this.#deps.agenda.after(ms, once);
  }
}
