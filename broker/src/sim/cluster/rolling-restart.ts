/**
 * One broker after the other is stopped cleanly, and comes again with other settings and perhaps as a later release, when all the others
 * serve. Some series end before the last broker, and the cluster stays a mixed one.
 */
import { PEER_VERSIONS } from "@tidemark/proto";
import type { SimWorld } from "../sim-world.ts";
import type { Agenda } from "./agenda.ts";
import type { ClusterBroker } from "./cluster-broker.ts";
import type { FaultAtlas } from "./fault-atlas.ts";

export interface RollingDeps {
  readonly world: SimWorld;
  readonly brokers: readonly ClusterBroker[];
  readonly atlas: FaultAtlas;
  readonly count: (what: string) => void;
  readonly agenda: Agenda;
  readonly isOver: () => boolean;
}

/** What brokers come again with. */
export type RolledSettings = {
  readonly segmentBytes: number;
  readonly checkpointMs: number;
  readonly tailCacheBytes: number;
  /** Newest version that they speak with each other then. */
  readonly newestVersion: number;
  /** How many of the brokers. */
  readonly brokers: number;
};

const LOOK_MS = 100;
/** Who does not serve after so long is passed over. */
const PATIENCE_MS = 10_000;

export class RollingRestart {
  readonly #deps: RollingDeps;
  #isUnderWay = false;

  constructor(deps: RollingDeps) {
    this.#deps = deps;
  }

  begin(settings: RolledSettings): boolean {
    if (this.#isUnderWay) return false;
    this.#isUnderWay = true;
    this.#deps.world.tell("rolling restart", JSON.stringify(settings));
    this.#next(this.#deps.brokers.slice(0, settings.brokers), settings);
    return true;
  }

  #next([broker, ...others]: readonly ClusterBroker[], settings: RolledSettings): void {
    const { atlas, count } = this.#deps;
    if (broker === undefined)
      count(settings.brokers < this.#deps.brokers.length ? "rolled in part" : "rolled to the end");
    if (broker === undefined || this.#deps.isOver()) {
      this.#isUnderWay = false;
      return;
    }
    broker.reconfigure({
      "log.segment.bytes": String(settings.segmentBytes),
      "log.flush.offset.checkpoint.interval.ms": String(settings.checkpointMs),
      "tidemark.tail.cache.bytes": String(settings.tailCacheBytes),
    });
    broker.speak({ oldest: PEER_VERSIONS.oldest, newest: settings.newestVersion });
    const isStopped = broker.state === "ready" && !broker.isPaused && atlas.mayBeAway(broker);
    if (isStopped) void broker.stop();
    this.#awaitServing(() => this.#next(others, settings), PATIENCE_MS);
  }

  /** Whoever is down comes again by the plan. */
  #awaitServing(then: () => void, patienceMs: number): void {
    this.#deps.agenda.endAfter(LOOK_MS, () => {
      const isServing = this.#deps.brokers.every(({ state }) => state === "ready");
      if (isServing || patienceMs <= 0 || this.#deps.isOver()) then();
      else this.#awaitServing(then, patienceMs - LOOK_MS);
    });
  }
}
