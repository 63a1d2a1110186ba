/**
 * What administrators do while faults strike: leaders and replicas move, topics come and go, the lead of the metadata is handed on,
 * snapshots are written, brokers are taken out of service. Asked of any broker, once; what comes of it is the cluster's affair, and
 * only that it comes to rest is ours.
 */
import { createTopicsReady, loadAdmin } from "../../api/index.ts";
import type { SeededRandom } from "../../base/index.ts";
import type { ClientLinks, ServedClient } from "./client-links.ts";
import type { ClusterTopic } from "./run-options.ts";

export type ChangeName = keyof typeof CHANGES;
export type ChangeChances = Readonly<Partial<Record<ChangeName, number>>>;

export interface ChangeDeps {
  readonly links: ClientLinks;
  readonly random: SeededRandom;
  readonly topics: readonly ClusterTopic[];
  readonly count: (what: string) => void;
}

const TICK_MS = 200;
const TIMEOUT_MS = 10_000;

type Ask = (changes: Changes) => (client: ServedClient) => Promise<unknown>;

const CHANGES = {
  lead: (changes) => changes.lead(),
  move: (changes) => changes.move(),
  cancel: (changes) => changes.cancel(),
  create: (changes) => changes.create(),
  remove: (changes) => changes.remove(),
  quorum: (changes) => changes.quorum(),
  snapshot: () => snapshot,
  drain: (changes) => changes.drain(),
} as const satisfies Record<string, Ask>;

export function drawChanges(random: SeededRandom): ChangeChances {
  const chances: Partial<Record<ChangeName, number>> = {};
  const share = random.pick([0, 0, 0.4, 0.8]);
  for (const name of Object.keys(CHANGES) as ChangeName[]) {
    const chance = random.pick([0.05, 0.2, 0.6]);
    if (random.chance(share)) chances[name] = chance;
  }
  return chances;
}

export class Changes {
  readonly #chances: ChangeChances;
  readonly #deps: ChangeDeps;
  #isOver = false;
  /** Topics that were asked for, and nobody produces to. */
  readonly #extra: string[] = [];

  constructor(chances: ChangeChances, deps: ChangeDeps) {
    this.#chances = chances;
    this.#deps = deps;
  }

  start(): void {
    const { links, random } = this.#deps;
    links.process.after(TICK_MS, () => {
      if (this.#isOver) return;
      for (const [name, chance] of Object.entries(this.#chances) as [ChangeName, number][])
        if (random.chance((chance * TICK_MS) / 1000)) this.#ask(name, (CHANGES[name] as Ask)(this));
      this.start();
    });
  }

  end(): void {
    this.#isOver = true;
  }

  #ask(name: ChangeName, ask: (client: ServedClient) => Promise<unknown>): void {
    const { links, random, count } = this.#deps;
    const brokerId = random.pick(links.brokerIds);
    links.process.world.tell("change", `${name} at broker ${brokerId}`);
    links.call(brokerId, TIMEOUT_MS, ask).then(
      () => count(`change ${name}`),
      () => count("change unanswered"),
    );
  }

  // ---- partitions ----

  /** Another order of the same replicas, and whoever is first then leads. */
  lead(): (client: ServedClient) => Promise<unknown> {
    const { name: topic, partition, replicationFactor } = this.#place();
    const chance = this.#deps.random.uint32();
    return async ({ door: { context } }) => {
      const { handleAlterReassignments, handleElectLeaders } = await loadAdmin();
      const all = context.image().topics.get(topic)?.partitions[partition]?.replicas ?? [];
      // While it moves, those that are removed at the end stand behind the target.
      const replicas = all.slice(0, replicationFactor);
      const turned = replicas.map((_, slot) => replicas[(slot + chance) % replicas.length] ?? -1);
      await handleAlterReassignments(context, [{ topic, partition, replicas: turned }], false);
      await handleElectLeaders(context, "preferred", [{ topic, partition }]);
    };
  }

  move(): (client: ServedClient) => Promise<unknown> {
    const { random, links } = this.#deps;
    const { name: topic, partition, replicationFactor } = this.#place();
    const others = [...links.brokerIds];
    const replicas = Array.from(
      { length: replicationFactor },
      () => others.splice(random.below(others.length), 1)[0] ?? -1,
    );
    return async ({ door: { context } }) =>
      (await loadAdmin()).handleAlterReassignments(context, [{ topic, partition, replicas }], false);
  }

  cancel(): (client: ServedClient) => Promise<unknown> {
    const { name: topic, partition } = this.#place();
    return async ({ door: { context } }) =>
      (await loadAdmin()).handleAlterReassignments(context, [{ topic, partition, replicas: null }], false);
  }

  // ---- topics ----

  create(): (client: ServedClient) => Promise<unknown> {
    const { random } = this.#deps;
    const name = `extra-${this.#extra.length}`;
    this.#extra.push(name);
    const spec = { name, partitions: random.between(1, 3), replicationFactor: -1, assignment: [], config: {} };
    return ({ door: { context } }) => createTopicsReady(context, [spec], { timeoutMs: 2_000, isValidateOnly: false });
  }

  /** Perhaps for the second time, perhaps while it is made. */
  remove(): (client: ServedClient) => Promise<unknown> {
    const name = this.#extra.length === 0 ? "extra-0" : this.#deps.random.pick(this.#extra);
    return async ({ door: { context } }) =>
      (await loadAdmin()).handleDeleteTopics(context, [{ name }], { isValidateOnly: false });
  }

  // ---- brokers ----

  quorum(): (client: ServedClient) => Promise<unknown> {
    const nodeId = this.#deps.random.pick(this.#deps.links.brokerIds);
    return async ({ door: { context } }) => (await loadAdmin()).handleTransferQuorumLeader(context, nodeId);
  }

  drain(): (client: ServedClient) => Promise<unknown> {
    const { random, links } = this.#deps;
    const brokerId = random.pick(links.brokerIds);
    const isDraining = random.chance(0.5);
    return async ({ door: { context } }) => (await loadAdmin()).handleDrainBrokers(context, [brokerId], isDraining);
  }

  #place(): ClusterTopic & { readonly partition: number } {
    const { random, topics } = this.#deps;
    const topic = random.pick(topics);
    return { ...topic, partition: random.below(topic.partitions) };
  }
}

async function snapshot({ door: { context } }: ServedClient): Promise<unknown> {
  return (await loadAdmin()).handleWriteQuorumSnapshot(context);
}
