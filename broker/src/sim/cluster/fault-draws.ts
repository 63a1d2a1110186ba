/** What chance decides of faults, as plain values. */
import type { SeededRandom } from "../../base/index.ts";
import { PEER_VERSIONS } from "@tidemark/proto";
import { FAILPOINTS, type FailpointName } from "../../ports/index.ts";
import type { DiskOperation } from "../sim-faults.ts";
import { drawMisdirect, drawRot, type MisdirectParams, type RotParams } from "./bit-rot.ts";
import type { ClusterBroker } from "./cluster-broker.ts";
import type { RolledSettings } from "./rolling-restart.ts";
import type { ClusterTopic } from "./run-options.ts";

/** The `nth` time from now on. */
export type DrawnFailpoint = {
  readonly name: FailpointName;
  readonly nth: number;
  readonly what: "process" | "power" | "drop";
};

export interface DrawDeps {
  readonly random: SeededRandom;
  readonly brokers: readonly ClusterBroker[];
  readonly topics: readonly ClusterTopic[];
  readonly clientIds: () => readonly number[];
  /** A record that was acknowledged may lie on no medium yet. */
  readonly isPageCache: boolean;
}

/** Less than what a topic lets a record's time be ahead of its leader's clock: else the leader refuses every one, and rightly. */
const WALL_OFFSET_MS = 50 * 60_000;
/** Rests of a broker that is down, that stands still, of a link that is cut. */
export const DOWN_MS = [50, 300, 2_000, 15_000];
export const PAUSE_MS = [100, 1_000, 5_000, 20_000];
export const CUT_MS = [200, 2_000, 8_000, 25_000];
export const LIE_MS = [100, 500, 2_000];
/** Of a read where a disk has let bits go. */
export const SLOW_MS = [20, 500, 5_000];
const LATE_MS = [5, 50, 400];

const FAILPOINT_NAMES = Object.keys(FAILPOINTS) as FailpointName[];

export class FaultDraws {
  readonly #deps: DrawDeps;

  constructor(deps: DrawDeps) {
    this.#deps = deps;
  }

  up<Values>(then: (nodeId: number) => Values): Values | null {
    const up = this.#deps.brokers.filter(({ isUp }) => isUp);
    return up.length > 0 ? then(this.#deps.random.pick(up).nodeId) : null;
  }

  /** Those that are down are few, and met as often. */
  victim(): number {
    const { random, brokers } = this.#deps;
    const down = brokers.filter(({ isUp }) => !isUp);
    return random.pick(down.length > 0 && random.chance(0.5) ? down : brokers).nodeId;
  }

  settings(): RolledSettings {
    const { random, brokers } = this.#deps;
    return {
      segmentBytes: random.pick([1_024, 4_096, 65_536]),
      checkpointMs: random.pick([50, 1_000, 60_000]),
      tailCacheBytes: random.pick([0, 65_536]),
      newestVersion: PEER_VERSIONS.newest + random.below(3),
      brokers: random.chance(0.4) ? random.between(1, brokers.length) : brokers.length,
    };
  }

  rack(): number {
    return this.#deps.random.pick(this.#deps.brokers).rack;
  }

  rot(): RotParams {
    return drawRot(this.#deps.random);
  }

  misdirect(): MisdirectParams {
    return drawMisdirect(this.#deps.random);
  }

  /** What is hit is drawn when it strikes, from this. */
  metadataRot(): { chance: number; ms: number; isPower: boolean } {
    const { random, isPageCache } = this.#deps;
    return { chance: random.uint32(), ms: this.ms(LIE_MS), isPower: !isPageCache && random.chance(0.5) };
  }

  clog(): { from: number; to: number; lateMs: number; ms: number } | null {
    const way = this.oneWay();
    return way === null ? null : { ...way, lateMs: this.ms(LATE_MS) };
  }

  streamReset(): { from: number; to: number; events: number } | null {
    const way = this.oneWay();
    return way === null ? null : { from: way.from, to: way.to, events: this.#deps.random.between(1, 8) };
  }

  below(count: number): number {
    return this.#deps.random.below(count);
  }

  pick<T>(list: readonly T[]): T {
    return this.#deps.random.pick(list);
  }

  ms(choices: readonly number[]): number {
    const { random } = this.#deps;
    return Math.ceil(random.pick(choices) * (0.5 + random.float()));
  }

  death(): { operations: number; isPower: boolean } {
    const { random, isPageCache } = this.#deps;
    const operations = random.pick([1, random.between(1, 10), random.between(1, 100)]);
    return { operations, isPower: !isPageCache && random.chance(0.5) };
  }

  failpoint(): DrawnFailpoint {
    const { random, isPageCache } = this.#deps;
    const name = random.pick(FAILPOINT_NAMES);
    const nth = random.pick([1, random.between(1, 5), random.between(1, 40)]);
    if (name.startsWith("isr.") && random.chance(0.5)) return { name, nth, what: "drop" };
    return { name, nth, what: !isPageCache && random.chance(0.5) ? "power" : "process" };
  }

  clock(): { rate: number } | { wallOffsetMs: number } {
    const { random } = this.#deps;
    if (random.chance(0.5)) return { wallOffsetMs: random.between(-WALL_OFFSET_MS, WALL_OFFSET_MS) };
    return { rate: 0.95 + random.below(100) / 1_000 };
  }

  isolation(): { broker: number; from: number[]; ms: number } | null {
    const { random, brokers, clientIds } = this.#deps;
    if (brokers.length < 2) return null;
    const broker = random.pick(brokers).nodeId;
    const others = brokers.map(({ nodeId }) => nodeId).filter((other) => other !== broker);
    const cut = random.chance(0.5) ? others : [random.pick(others)];
    const from = cut.length > 1 && random.chance(0.3) ? [...cut, ...clientIds()] : cut;
    return { broker, from, ms: this.ms(CUT_MS) };
  }

  oneWay(): { from: number; to: number; ms: number } | null {
    const { random, brokers } = this.#deps;
    if (brokers.length < 2) return null;
    const from = random.pick(brokers).nodeId;
    const to = random.pick(brokers.filter(({ nodeId }) => nodeId !== from)).nodeId;
    return { from, to, ms: this.ms(CUT_MS) };
  }

  clientCut(): { client: number; broker: number; ms: number } {
    const { random, brokers, clientIds } = this.#deps;
    return { client: random.pick(clientIds()), broker: random.pick(brokers).nodeId, ms: this.ms(CUT_MS) };
  }

  reset(): { one: number; other: number } {
    const { random, brokers, clientIds } = this.#deps;
    const one = random.pick(brokers).nodeId;
    const others = [...brokers.map(({ nodeId }) => nodeId), ...clientIds()].filter((id) => id !== one);
    return { one, other: random.pick(others) };
  }

  stall(): { operation: DiskOperation; stallMs: number; times: number } {
    const { random } = this.#deps;
    return {
      operation: random.pick(["datasync", "datasync", "write", "read", "syncDirectory"] as const),
      stallMs: random.pick([200, 1_500, 8_000]),
      times: random.between(1, 4),
    };
  }

  ioError(): { operation: DiskOperation; skipCount: number } {
    const { random } = this.#deps;
    return {
      operation: random.pick(["datasync", "write", "read", "rename", "syncDirectory"] as const),
      skipCount: random.below(10),
    };
  }
}
