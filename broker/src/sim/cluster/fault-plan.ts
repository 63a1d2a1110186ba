/**
 * What goes wrong in the safety phase, drawn from the seed: which faults a run has, how often, for how long. What is damaged stays within
 * testing.md 3.2: a fault that takes data from a disk strikes only while everybody is in sync, and the next one waits until they are again.
 */
import type { SeededRandom } from "../../base/index.ts";
import type { SimNetwork } from "../network/index.ts";
import type { SimWorld } from "../sim-world.ts";
import type { ClusterBroker } from "./cluster-broker.ts";

/** Faults by name, each with its chance per second of the cluster. */
export type FaultChances = Readonly<Partial<Record<FaultName, number>>>;

export type FaultName = keyof typeof FAULTS;

export interface FaultDeps {
  readonly world: SimWorld;
  readonly network: SimNetwork;
  readonly random: SeededRandom;
  readonly brokers: readonly ClusterBroker[];
  readonly clientIds: () => readonly number[];
  /** A record that was acknowledged may lie on no medium yet. */
  readonly isPageCache: boolean;
  /** Every replica is in sync, every broker serves, and no disk has lost anything that it has not got back. */
  readonly mayDamage: () => boolean;
  readonly count: (what: string) => void;
}

/** Less than what a topic lets a record's time be ahead of its leader's clock: else the leader refuses every one, and rightly. */
const WALL_OFFSET_MS = 50 * 60_000;
/** Between two draws. */
const TICK_MS = 100;
/** Rests of a broker that is down, that stands still, of a link that is cut. */
const DOWN_MS = [50, 300, 2_000, 15_000];
const PAUSE_MS = [100, 1_000, 5_000, 20_000];
const CUT_MS = [200, 2_000, 8_000, 25_000];

type Strike = (faults: Faults) => boolean;

/** Each answers whether it struck. */
const FAULTS = {
  kill: (faults) => faults.onUp((broker) => faults.crash(broker, "process")),
  power: (faults) => faults.onUp((broker) => faults.mayLosePower() && faults.crash(broker, "power")),
  dieInside: (faults) => faults.onUp((broker) => faults.dieInside(broker)),
  blackout: (faults) => faults.blackout(),
  stop: (faults) => faults.onUp((broker) => faults.stop(broker)),
  wipe: (faults) => faults.onUp((broker) => faults.wipe(broker)),
  pause: (faults) => faults.onUp((broker) => faults.pause(broker)),
  isolate: (faults) => faults.isolate(),
  oneWay: (faults) => faults.oneWay(),
  partClient: (faults) => faults.partClient(),
  reset: (faults) => faults.reset(),
  stall: (faults) => faults.onUp((broker) => faults.stall(broker)),
  ioError: (faults) => faults.onUp((broker) => faults.ioError(broker)),
  full: (faults) => faults.onUp((broker) => faults.fill(broker)),
  clock: (faults) => faults.onUp((broker) => faults.setClock(broker)),
} as const satisfies Record<string, Strike>;

export function drawFaults(random: SeededRandom): FaultChances {
  const chances: Partial<Record<FaultName, number>> = {};
  // Some runs are quiet, and some have everything.
  const share = random.pick([0, 0.25, 0.5, 0.5, 0.8]);
  for (const name of Object.keys(FAULTS) as FaultName[]) {
    const chance = random.pick([0.02, 0.08, 0.25, 0.6]);
    if (random.chance(share)) chances[name] = chance;
  }
  return chances;
}

export class Faults {
  readonly #chances: FaultChances;
  readonly #deps: FaultDeps;
  /** The whole network is healed, nobody is hurt any more. */
  #isOver = false;
  /** Brokers that are down and have a time at which they come again. */
  readonly #rising = new Set<number>();
  /** Ends of faults under way that are not those of a process. */
  readonly #heals = new Set<() => void>();

  constructor(chances: FaultChances, deps: FaultDeps) {
    this.#chances = chances;
    this.#deps = deps;
  }

  start(): void {
    this.#later(TICK_MS, () => {
      // Those that went by themselves.
      for (const broker of this.#deps.brokers) if (!broker.isUp) this.#startLater(broker);
      for (const [name, chance] of Object.entries(this.#chances) as [FaultName, number][]) {
        if (!this.#deps.random.chance((chance * TICK_MS) / 1000)) continue;
        if ((FAULTS[name] as Strike)(this)) this.#deps.count(`fault ${name}`);
      }
      this.start();
    });
  }

  /** Nothing new goes wrong, and what can be healed without a process is. */
  end(): void {
    this.#isOver = true;
    const { network, brokers } = this.#deps;
    for (const heal of this.#heals) heal();
    this.#heals.clear();
    network.healAll();
    for (const { disk } of brokers) {
      disk.faults.removeAll();
      disk.crashAfterOperations(Number.POSITIVE_INFINITY);
      disk.capacityBytes = Number.POSITIVE_INFINITY;
    }
  }

  // ---- processes ----

  onUp(strike: (broker: ClusterBroker) => boolean): boolean {
    const up = this.#deps.brokers.filter(({ isUp }) => isUp);
    return up.length > 0 && strike(this.#deps.random.pick(up));
  }

  crash(broker: ClusterBroker, kind: "process" | "power"): boolean {
    broker.crash(kind);
    return true;
  }

  /** At the next change of its disk, or after some; perhaps while it starts, or stops. */
  dieInside(broker: ClusterBroker): boolean {
    const { random, isPageCache } = this.#deps;
    broker.dieWithin(
      random.pick([1, random.between(1, 10), random.between(1, 100)]),
      isPageCache ? "process" : random.pick(["process", "power"]),
    );
    return true;
  }

  mayLosePower(): boolean {
    return !this.#deps.isPageCache || this.#deps.mayDamage();
  }

  blackout(): boolean {
    if (this.#deps.isPageCache) return false;
    for (const broker of this.#deps.brokers) if (broker.isUp) this.crash(broker, "power");
    return true;
  }

  stop(broker: ClusterBroker): boolean {
    // Also one that starts.
    if (broker.state === "stopping" || broker.isPaused) return false;
    void broker.stop();
    return true;
  }

  wipe(broker: ClusterBroker): boolean {
    if (!this.#deps.mayDamage()) return false;
    broker.crash("process");
    broker.wipe();
    return true;
  }

  pause(broker: ClusterBroker): boolean {
    if (broker.isPaused) return false;
    broker.pause();
    const life = broker.lifeNumber;
    this.#healLater(PAUSE_MS, () => {
      if (broker.isUp && broker.lifeNumber === life) broker.resume();
    });
    return true;
  }

  setClock(broker: ClusterBroker): boolean {
    const { random, world } = this.#deps;
    world.tell("clock", broker.name);
    if (random.chance(0.5)) broker.process?.setWall(random.between(-WALL_OFFSET_MS, WALL_OFFSET_MS));
    else broker.process?.drift(0.95 + 0.1 * random.float());
    return true;
  }

  #startLater(broker: ClusterBroker): void {
    if (this.#rising.has(broker.nodeId)) return;
    this.#rising.add(broker.nodeId);
    this.#later(this.#deps.random.pick(DOWN_MS) * (0.5 + this.#deps.random.float()), () => {
      this.#rising.delete(broker.nodeId);
      if (!broker.isUp) broker.start();
    });
  }

  // ---- network ----

  isolate(): boolean {
    const { random, brokers, network, clientIds, world } = this.#deps;
    if (brokers.length < 2) return false;
    const { nodeId } = random.pick(brokers);
    const others = brokers.map((each) => each.nodeId).filter((other) => other !== nodeId);
    const cut = random.chance(0.5) ? others : [random.pick(others)];
    const withClients = cut.length > 1 && random.chance(0.3) ? [...cut, ...clientIds()] : cut;
    world.tell("isolate", `broker ${nodeId} from ${cut.join()}`, withClients.length);
    network.partition([nodeId], withClients);
    this.#healLater(CUT_MS, () => {
      for (const other of withClients) {
        network.heal(nodeId, other);
        network.heal(other, nodeId);
      }
    });
    return true;
  }

  oneWay(): boolean {
    const { random, brokers, network, world } = this.#deps;
    if (brokers.length < 2) return false;
    const from = random.pick(brokers).nodeId;
    const to = random.pick(brokers.filter(({ nodeId }) => nodeId !== from)).nodeId;
    world.tell("cut", `${from} to ${to}`);
    network.cut(from, to);
    this.#healLater(CUT_MS, () => network.heal(from, to));
    return true;
  }

  partClient(): boolean {
    const { random, brokers, network, clientIds, world } = this.#deps;
    const client = random.pick(clientIds());
    const { nodeId } = random.pick(brokers);
    world.tell("cut", `client ${client} from broker ${nodeId}`);
    network.partition([client], [nodeId]);
    this.#healLater(CUT_MS, () => {
      network.heal(client, nodeId);
      network.heal(nodeId, client);
    });
    return true;
  }

  reset(): boolean {
    const { random, brokers, network, clientIds, world } = this.#deps;
    const one = random.pick(brokers).nodeId;
    const other = random.pick([...brokers.map(({ nodeId }) => nodeId), ...clientIds()].filter((id) => id !== one));
    world.tell("reset", `${one} and ${other}`);
    network.reset(one, other);
    return true;
  }

  // ---- disks ----

  stall({ disk, name }: ClusterBroker): boolean {
    const { random, world } = this.#deps;
    const operation = random.pick(["datasync", "datasync", "write", "read", "syncDirectory"] as const);
    const stallMs = random.pick([200, 1_500, 8_000]);
    world.tell("stall", `${name} ${operation}`, stallMs);
    disk.faults.add({ operation, effect: "stall", stallMs, times: random.between(1, 4) });
    return true;
  }

  /** The broker gives up, and comes again. What it had written and not synced is gone where the sync failed. */
  ioError(broker: ClusterBroker): boolean {
    if (!this.mayLosePower()) return false;
    const { random, world } = this.#deps;
    const operation = random.pick(["datasync", "write", "read", "rename", "syncDirectory"] as const);
    world.tell("EIO", `${broker.name} ${operation}`);
    broker.disk.faults.add({ operation, effect: "EIO", skipCount: random.below(10) });
    return true;
  }

  fill({ disk, name }: ClusterBroker): boolean {
    const { random, world } = this.#deps;
    if (disk.capacityBytes !== Number.POSITIVE_INFINITY) return false;
    disk.capacityBytes = disk.usedBytes() + random.pick([0, 500, 20_000, 200_000]);
    world.tell("full", name, disk.capacityBytes);
    this.#healLater(CUT_MS, () => {
      disk.capacityBytes = Number.POSITIVE_INFINITY;
    });
    return true;
  }

  // ---- time ----

  #healLater(choices: readonly number[], heal: () => void): void {
    const { random, world } = this.#deps;
    const once = (): void => {
      if (!this.#heals.delete(once)) return;
      heal();
    };
    this.#heals.add(once);
    world.schedule(random.pick(choices) * (0.5 + random.float()), once, () => this.#heals.has(once));
  }

  #later(delayMs: number, act: () => void): void {
    this.#deps.world.schedule(delayMs, act, () => !this.#isOver);
  }
}
