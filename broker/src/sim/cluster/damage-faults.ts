/**
 * Faults that take data from a disk without a word, or from all page caches but in an order that hurts: bits that turn over, a sync that
 * lies until the power fails, a whole cluster that dies of which the one with the least comes back first, or while the damage of one is
 * known and not mended. Each stays within 3.2, as the atlas knows it, and leaves the others alone until what it took is there again.
 */
import { asOffset, SeededRandom } from "../../base/index.ts";
import { isDamaged } from "../../metadata/index.ts";
import { rotStore } from "../raft-store/rot.ts";
import type { SimWorld } from "../sim-world.ts";
import type { Agenda } from "./agenda.ts";
import { newestImage } from "./at-rest.ts";
import { type Hit, misdirect, type MisdirectParams, type RotParams, rot } from "./bit-rot.ts";
import { type ClusterBroker, DATA } from "./cluster-broker.ts";
import { areIsrsFull, type FaultAtlas } from "./fault-atlas.ts";
import type { ClusterTopic } from "./run-options.ts";

export interface DamageDeps {
  readonly world: SimWorld;
  readonly agenda: Agenda;
  readonly brokers: readonly ClusterBroker[];
  readonly topics: readonly ClusterTopic[];
  readonly atlas: FaultAtlas;
  readonly count: (what: string) => void;
  /** All other faults that are under way end. */
  readonly calm: () => void;
  /** `end` comes after so long, and at the latest when all is healed. */
  readonly endAfter: (ms: number, end: () => void) => void;
  /** Nobody but the caller brings it up again. */
  readonly onDown: (broker: ClusterBroker) => void;
  readonly isOver: () => boolean;
}

/** How long bad bytes that somebody has met may stay unknown to the controller, and how often that is looked at. */
const KNOWN_WITHIN_MS = 2_000;
const LOOK_MS = 1;

export class DamageFaults {
  readonly #deps: DamageDeps;

  constructor(deps: DamageDeps) {
    this.#deps = deps;
  }

  rot(broker: ClusterBroker, params: RotParams): boolean {
    const { atlas, topics, world, calm, count } = this.#deps;
    const hit = rot(broker, params, { atlas, topics, onTail: calm });
    if (hit === null) return false;
    world.tell("rot", `${broker.name}: ${hit.text}`);
    count(`rot of ${params.isActive ? "an active" : "a closed"} segment, ${broker.isUp ? "running" : "at rest"}`);
    return true;
  }

  /**
   * Somebody meets bad bytes of a broker that runs, and all die as soon as the controller knows, before they are mended. Where they lie
   * the disk is slow from then on: how far the log goes may be asked (9(3)) before the next life has found them again.
   */
  foundRot(broker: ClusterBroker, params: RotParams, slowMs: number): boolean {
    const { atlas, topics, world, calm } = this.#deps;
    const hit = rot(broker, params, { atlas, topics, onTail: calm });
    if (hit === null) return false;
    const { topic, partition, baseOffset, segment, text } = hit;
    world.tell("rot is met", `${broker.name}: ${text}`);
    broker.context?.replicas.suspect(topic, partition, asOffset(baseOffset));
    const path = new RegExp(`^${DATA}/${topic}-${partition}/${segment}$`, "u");
    this.#whenKnown(broker, hit, world.nowMs + KNOWN_WITHIN_MS, () => this.#dieKnowing(broker, path, slowMs));
    return true;
  }

  #whenKnown(broker: ClusterBroker, hit: Hit, untilMs: number, then: () => void): void {
    const { agenda, brokers, world, isOver } = this.#deps;
    agenda.endAfter(LOOK_MS, () => {
      if (isOver() || world.nowMs > untilMs) return;
      const image = newestImage(brokers);
      const topicId = image?.topics.get(hit.topic)?.topicId ?? "";
      const known = image?.brokers.get(broker.nodeId);
      if (known !== undefined && isDamaged(known, topicId, hit.partition)) then();
      else this.#whenKnown(broker, hit, untilMs, then);
    });
  }

  #dieKnowing(broker: ClusterBroker, path: RegExp, slowMs: number): void {
    const { atlas, brokers, count } = this.#deps;
    if (!brokers.every((each) => atlas.mayBeAway(each))) return;
    broker.disk.faults.add({ operation: "read", effect: "stall", stallMs: slowMs, path });
    for (const each of brokers) each.crash("process");
    count("all died while damage was known");
  }

  misdirect(broker: ClusterBroker, params: MisdirectParams): boolean {
    const { atlas, topics, world } = this.#deps;
    const hit = misdirect(broker, params, { atlas, topics });
    if (hit === null) return false;
    world.tell("write went astray", `${broker.name}: ${hit}`);
    return true;
  }

  /**
   * A bit of its metadata turns over, or a file of it is gone, while it runs; nobody reads it before the next start, which comes soon. What
   * it has lost by then makes another voter of it (10.1(9)), as a disk that is lost.
   */
  rotMetadata(
    broker: ClusterBroker,
    { chance, ms, isPower }: { chance: number; ms: number; isPower: boolean },
  ): boolean {
    const { atlas, world, endAfter } = this.#deps;
    if (!atlas.mayLose()) return false;
    const { disk, lifeNumber } = broker;
    const hit = rotStore(new SeededRandom(chance), disk, DATA);
    if (hit === null) return false;
    world.tell("metadata rots", `${broker.name}: ${hit}`);
    atlas.onLatent(broker);
    endAfter(ms, () => {
      atlas.onLatent(null);
      if (broker.disk === disk && broker.isUp && broker.lifeNumber === lifeNumber)
        broker.crash(isPower ? "power" : "process");
    });
    return true;
  }

  /**
   * Syncs of segments at one broker do nothing for `ms`, and then its power fails. Metadata is not touched, for one vote that is forgotten
   * may elect two controllers; nor the epoch file, which refuses the start when it is torn (semantics 2.6(2)).
   */
  lie(broker: ClusterBroker, ms: number): boolean {
    const { atlas, world, brokers, topics, calm, endAfter, count } = this.#deps;
    if (!atlas.mayLoseTail(broker)) return false;
    calm();
    world.tell("disk lies", broker.name, ms);
    atlas.onLying(broker);
    const { disk } = broker;
    const path = new RegExp(`^${DATA}/(?:${topics.map(({ name }) => name).join("|")})-\\d+/\\d{20}\\.`, "u");
    const rule = disk.faults.add({ operation: "datasync", effect: "lie", path, times: Number.POSITIVE_INFINITY });
    endAfter(ms, () => {
      rule.remove();
      const isLost = broker.disk === disk && areIsrsFull(brokers, topics);
      world.tell(isLost ? "and loses power" : "and has caught up", broker.name, rule.firedCount);
      if (isLost) {
        if (rule.firedCount > 0) count("power lost behind a sync that lied");
        broker.crash("power");
        atlas.onTorn(broker);
      } else for (const file of disk.tree.files()) file.finishSync(file.beginSync());
      atlas.onLying(null);
    });
    return true;
  }

  /** All die at once, one of them with its power; that one is back first. */
  domino(broker: ClusterBroker, backMs: number, othersMs: number): boolean {
    const { atlas, brokers, calm, endAfter, onDown } = this.#deps;
    if (brokers.length < 2 || !atlas.mayLoseTail(broker)) return false;
    calm();
    atlas.onHurt(broker, "tail");
    for (const each of brokers) {
      each.crash(each === broker ? "power" : "process");
      onDown(each);
      endAfter(each === broker ? backMs : othersMs, () => {
        if (!each.isUp) each.start();
      });
    }
    return true;
  }
}
