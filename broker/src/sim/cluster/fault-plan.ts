/**
 * What goes wrong in the safety phase: drawn from the seed, which faults a run has, how often, for how long; or step by step from a plan.
 * What is damaged stays within testing.md 3.2, as the atlas knows it.
 */
import { PEER_VERSIONS } from "@tidemark/proto";
import type { SimNetwork } from "../network/index.ts";
import type { DiskOperation } from "../sim-faults.ts";
import type { SimWorld } from "../sim-world.ts";
import type { Agenda } from "./agenda.ts";
import type { ClusterBroker } from "./cluster-broker.ts";
import { DamageFaults } from "./damage-faults.ts";
import type { FaultAtlas } from "./fault-atlas.ts";
import { DOWN_MS, type DrawDeps, type DrawnFailpoint, FaultDraws } from "./fault-draws.ts";
import { type Fault, type FaultChances, type FaultName, FAULTS } from "./fault-rows.ts";
import type { StepValues } from "./plan.ts";
import { RollingRestart } from "./rolling-restart.ts";
import type { SimReader } from "./sim-reader.ts";

export interface FaultDeps extends DrawDeps {
  readonly world: SimWorld;
  readonly agenda: Agenda;
  readonly network: SimNetwork;
  readonly readers: () => readonly SimReader[];
  /** Who holds what, and so what may be destroyed. */
  readonly atlas: FaultAtlas;
  readonly count: (what: string) => void;
  /** It struck. */
  readonly onStruck: (name: FaultName, values: StepValues) => void;
}

/** Between two draws. */
const TICK_MS = 100;

export class Faults {
  readonly #deps: FaultDeps;
  readonly #draws: FaultDraws;
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
    this.#draws = new FaultDraws(deps);
    this.damage = new DamageFaults({
      ...deps,
      calm: () => this.#calm(),
      endAfter: (ms, end) => this.#healAfter(ms, end),
      onDown: ({ nodeId }) => this.#rising.add(nodeId),
      isOver: () => this.#isOver,
    });
    this.rolling = new RollingRestart({ ...deps, isOver: () => this.#isOver });
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
        const values = (FAULTS[name] as Fault).draw(this.#draws);
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

  failAt(broker: ClusterBroker, { name, nth, what }: DrawnFailpoint): boolean {
    const { atlas } = this.#deps;
    if (what === "power" ? !atlas.mayLosePower(broker) : !atlas.mayBeAway(broker)) return false;
    return broker.failAt(name, nth, what);
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

  misfit(broker: ClusterBroker, ms: number): boolean {
    if (broker.spoken.oldest > PEER_VERSIONS.newest || !this.stop(broker)) return false;
    const { spoken } = broker;
    const misfit = { oldest: spoken.newest + 10, newest: spoken.newest + 10 };
    broker.speak(misfit);
    this.#healAfter(ms, () => {
      broker.speak(spoken);
      if (broker.isUp && broker.spoken === misfit) broker.crash("process");
    });
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
    this.#deps.agenda.after(this.#draws.ms(DOWN_MS), () => {
      this.#rising.delete(nodeId);
      if (!this.#isOver) this.strike("start", { broker: nodeId });
    });
  }

  // ---- network ----

  isolate(nodeId: number, from: readonly number[], ms: number): boolean {
    const { network, world, brokers, atlas } = this.#deps;
    if (atlas.hurt === "tail" && brokers.some((broker) => from.includes(broker.nodeId))) return false;
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
    const { network, world, atlas } = this.#deps;
    if (atlas.hurt === "tail") return false;
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
    // What struck nobody leaves no trace: it stands in no plan.
    if (!this.#deps.network.resetStreams(from, to, events)) return false;
    this.#deps.world.tell("streams reset", `${from} and ${to}`, events);
    return true;
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
    if (rule.operation === "read" && !atlas.mayBeUnread(broker)) return false;
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
    this.#deps.agenda.endAfter(ms, once);
  }
}
