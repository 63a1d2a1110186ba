/** What lives of one run share: the seed's chance, the world, the medium, the shadows of the logs, and counters. */
import type { SeededRandom } from "../../base/index.ts";
import { asPartitionId } from "../../base/index.ts";
import { uuidToText } from "@tidemark/proto";
import type { FailpointName } from "../../ports/index.ts";
import type { ReplicaSpec } from "../../storage/index.ts";
import type { SimDisk } from "../sim-disk.ts";
import type { SimWorld } from "../sim-world.ts";
import type { MediumMutation } from "./medium-mutation.ts";
import type { CrashRunOptions } from "./run-options.ts";
import { ShadowLog } from "./shadow-log.ts";

export const DATA_PATH = "/data";

export interface RunStateOptions {
  readonly random: SeededRandom;
  readonly options: CrashRunOptions;
  readonly world: SimWorld;
  readonly medium: SimDisk;
  readonly mutation: MediumMutation | null;
  /** Every life is to end there; null: where the seed says. */
  readonly dieAt: FailpointName | null;
}

export class RunState {
  readonly random: SeededRandom;
  /** Of bits that rot beside malformed recovery points. */
  readonly rot: SeededRandom;
  readonly options: CrashRunOptions;
  readonly world: SimWorld;
  readonly medium: SimDisk;
  readonly mutation: MediumMutation | null;
  readonly dieAt: FailpointName | null;
  /** Replicas that metadata places here, by directory name. Metadata itself never forgets. */
  readonly shadows = new Map<string, ShadowLog>();
  readonly counts = new Map<string, number>();
  /** Checkpoints as damage has left them: these may be malformed, also when a lost rename brings one back. */
  readonly damagedTexts = new Set<string>();
  life = 0;
  /** Broker epoch in the marker that the last clean stop left; null when it left none, or a later start took it. */
  markerEpoch: number | null = null;
  /** A rejection that nobody handled. */
  unhandled: unknown;
  /** Of topics that are made anew while nobody has the directory open. */
  readonly #remakes: SeededRandom;
  #topicIds = 0;

  constructor(options: RunStateOptions) {
    this.random = options.random;
    this.rot = options.random.fork("rot");
    this.#remakes = options.random.fork("remakes");
    this.options = options.options;
    this.world = options.world;
    this.medium = options.medium;
    this.mutation = options.mutation;
    this.dieAt = options.dieAt;
    this.#makeDataDirectory();
    for (let partition = 0; partition < this.options.partitions; partition++) this.newShadow("t", partition);
  }

  /** A replica that metadata places here from now on. */
  newShadow(topic: string, partition: number): ShadowLog {
    const id = new Uint8Array(16);
    id[15] = ++this.#topicIds;
    const shadow = new ShadowLog({ topic, partition, topicId: uuidToText(id), config: this.options.config });
    this.shadows.set(shadow.name, shadow);
    return shadow;
  }

  /** The extra topic is deleted, and another one of its name is made (2.1(4), P47). */
  maybeRemakeTopic(): void {
    if (!this.shadows.has("u-0") || !this.#remakes.chance(0.3)) return;
    this.shadows.delete("u-0");
    this.newShadow("u", 0);
    this.count("topic made anew between lives");
    this.world.note("remake", "u-0");
  }

  count(what: string, times = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + times);
  }

  #makeDataDirectory(): void {
    const { tree } = this.medium;
    tree.change([{ directory: tree.root, name: DATA_PATH.slice(1), node: tree.newDirectory() }]);
    tree.commitAll(tree.order);
  }
}

export function specOf(shadow: ShadowLog): ReplicaSpec {
  return {
    topic: shadow.topic,
    partition: asPartitionId(shadow.partition),
    topicId: shadow.topicId,
    config: shadow.config,
  };
}

export function pathOf(shadow: ShadowLog): string {
  return `${DATA_PATH}/${shadow.name}`;
}
