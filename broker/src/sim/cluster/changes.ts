/**
 * What administrators do while faults strike: leaders and replicas move, topics come and go, the lead of the metadata is handed on,
 * snapshots are written, brokers are taken out of service. Asked of any broker, once; what comes of it is the cluster's affair, and
 * only that it comes to rest is ours.
 */
import { createTopicsReady, loadAdmin } from "../../api/index.ts";
import type { SeededRandom } from "../../base/index.ts";
import type { Agenda } from "./agenda.ts";
import type { ClientLinks, ServedClient } from "./client-links.ts";
import type { StepValues } from "./plan.ts";
import type { ClusterTopic } from "./run-options.ts";
import type { Deletions } from "./deletions.ts";
import type { FaultAtlas } from "./fault-atlas.ts";
import { changeVoter, deleteRecords, setOfTopic, verify } from "./topic-changes.ts";

export type ChangeName = keyof typeof CHANGES;
export type ChangeChances = Readonly<Partial<Record<ChangeName, number>>>;

export interface ChangeDeps {
  readonly agenda: Agenda;
  readonly links: ClientLinks;
  readonly random: SeededRandom;
  readonly topics: readonly ClusterTopic[];
  readonly deletions: Deletions;
  readonly atlas: FaultAtlas;
  /** -1: nobody is known to lead it. */
  readonly leaderOf: (topic: string, partition: number) => number;
  readonly count: (what: string) => void;
  readonly onAsked: (name: ChangeName, values: StepValues) => void;
}

const TICK_MS = 200;
const TIMEOUT_MS = 10_000;

type Ask = (client: ServedClient) => Promise<unknown>;

interface Change {
  draw(changes: Changes): StepValues;
  /** Null: not now. */
  ask(values: StepValues, deps: ChangeDeps): Ask | null;
}

/** Of any kind of value: what `draw` made is what is asked for. */
function change<Values extends StepValues>(
  draw: (changes: Changes) => Values,
  ask: (values: Values, deps: ChangeDeps) => Ask | null,
): Change {
  return { draw, ask: (values, deps) => ask(values as Values, deps) };
}

const CHANGES = {
  lead: change((changes) => changes.drawTurn(), lead),
  move: change((changes) => changes.drawMove(), move),
  cancel: change((changes) => changes.drawPlace(), cancel),
  create: change((changes) => changes.drawNewTopic(), create),
  remove: change((changes) => ({ topic: changes.drawOldTopic() }), remove),
  quorum: change((changes) => ({ to: changes.drawBroker() }), handOnQuorum),
  snapshot: change(
    () => ({}),
    () => writeSnapshot,
  ),
  minIsr: change(
    (changes) => changes.drawMinIsr(),
    ({ topic, minIsr }) => setOfTopic(topic, "min.insync.replicas", minIsr),
  ),
  segment: change(
    (changes) => ({ topic: changes.drawPlace().topic, bytes: changes.pick([1_024, 4_096, 65_536]) }),
    ({ topic, bytes }) => setOfTopic(topic, "segment.bytes", bytes),
  ),
  delete: change(
    (changes) => ({ ...changes.drawLed(), share: changes.pick([10, 50, 90, 100]) }),
    (values, { deletions }) => deleteRecords(values, deletions),
  ),
  voter: change(
    (changes) => ({ of: changes.drawBroker(), isVoter: changes.drawBit() }),
    (values, { atlas }) => changeVoter(values, atlas),
  ),
  verify: change((changes) => changes.drawPlace(), verify),
  drain: change((changes) => ({ of: changes.drawBroker(), isDraining: changes.drawBit() }), drain),
} as const satisfies Record<string, Change>;

export const CHANGE_NAMES = Object.keys(CHANGES) as ChangeName[];

export function isChangeName(name: string): name is ChangeName {
  return Object.hasOwn(CHANGES, name);
}

export function drawChanges(random: SeededRandom): ChangeChances {
  const chances: Partial<Record<ChangeName, number>> = {};
  const share = random.pick([0, 0, 0.4, 0.8]);
  for (const name of CHANGE_NAMES) {
    const chance = random.pick([0.05, 0.2, 0.6]);
    if (random.chance(share)) chances[name] = chance;
  }
  return chances;
}

export class Changes {
  readonly #deps: ChangeDeps;
  #isOver = false;
  /** Topics that were asked for, and nobody produces to. */
  readonly #extra: string[] = [];

  constructor(deps: ChangeDeps) {
    this.#deps = deps;
  }

  /** Asks as chance will have it, until the end. */
  draw(chances: ChangeChances): void {
    const { agenda, random } = this.#deps;
    agenda.after(TICK_MS, () => {
      if (this.#isOver) return;
      for (const [name, chance] of Object.entries(chances) as [ChangeName, number][]) {
        if (!random.chance((chance * TICK_MS) / 1000)) continue;
        const values = (CHANGES[name] as Change).draw(this);
        this.ask(name, { broker: this.drawBroker(), ...values });
      }
      this.draw(chances);
    });
  }

  end(): void {
    this.#isOver = true;
  }

  /** `values`: with the broker that is asked. */
  ask(name: ChangeName, values: StepValues): void {
    const { links, count, onAsked } = this.#deps;
    const { broker } = values;
    if (typeof broker !== "number" || !links.brokerIds.includes(broker)) return;
    const asked = (CHANGES[name] as Change).ask(values, this.#deps);
    if (asked === null) return;
    onAsked(name, values);
    links.process.world.tell("change", `${name} at broker ${broker}`);
    links.call(broker, TIMEOUT_MS, asked).then(
      () => count(`change ${name}`),
      () => count("change unanswered"),
    );
  }

  // ---- chance ----

  drawBroker(): number {
    return this.#deps.random.pick(this.#deps.links.brokerIds);
  }

  drawBit(): boolean {
    return this.#deps.random.chance(0.5);
  }

  pick<T>(list: readonly T[]): T {
    return this.#deps.random.pick(list);
  }

  drawMinIsr(): { topic: string; minIsr: number } {
    const { name, minIsrLeast, replicationFactor } = this.#place();
    return { topic: name, minIsr: this.#deps.random.between(minIsrLeast, replicationFactor) };
  }

  /** Asked of who leads it, where that is known. */
  drawLed(): { topic: string; partition: number; broker: number } {
    const place = this.drawPlace();
    const leader = this.#deps.leaderOf(place.topic, place.partition);
    return { ...place, broker: leader < 0 ? this.drawBroker() : leader };
  }

  drawPlace(): { topic: string; partition: number } {
    const { name, partition } = this.#place();
    return { topic: name, partition };
  }

  drawTurn(): { topic: string; partition: number; replicas: number; turn: number } {
    const { name, partition, replicationFactor } = this.#place();
    return { topic: name, partition, replicas: replicationFactor, turn: this.#deps.random.below(replicationFactor) };
  }

  drawMove(): { topic: string; partition: number; replicas: number[] } {
    const { random, links } = this.#deps;
    const { name, partition, replicationFactor } = this.#place();
    const others = [...links.brokerIds];
    const replicas = Array.from(
      { length: replicationFactor },
      () => others.splice(random.below(others.length), 1)[0] ?? -1,
    );
    return { topic: name, partition, replicas };
  }

  drawNewTopic(): { topic: string; partitions: number } {
    const topic = `extra-${this.#extra.length}`;
    this.#extra.push(topic);
    return { topic, partitions: this.#deps.random.between(1, 3) };
  }

  /** Perhaps for the second time, perhaps while it is made. */
  drawOldTopic(): string {
    return this.#extra.length === 0 ? "extra-0" : this.#deps.random.pick(this.#extra);
  }

  #place(): ClusterTopic & { readonly partition: number } {
    const { random, topics } = this.#deps;
    const topic = random.pick(topics);
    return { ...topic, partition: random.below(topic.partitions) };
  }
}

// ---- partitions ----

/** An alias, not an interface: it is one kind of values of a step. */
type Place = { readonly topic: string; readonly partition: number };

/** Another order of the same replicas, and whoever is first then leads. */
function lead({ topic, partition, replicas: count, turn }: Place & { replicas: number; turn: number }): Ask {
  return async ({ door: { context } }) => {
    const { handleAlterReassignments, handleElectLeaders } = await loadAdmin();
    const all = context.image().topics.get(topic)?.partitions[partition]?.replicas ?? [];
    // While it moves, those that are removed at the end stand behind the target.
    const replicas = all.slice(0, count);
    const turned = replicas.map((_, slot) => replicas[(slot + turn) % replicas.length] ?? -1);
    await handleAlterReassignments(context, [{ topic, partition, replicas: turned }], false);
    await handleElectLeaders(context, "preferred", [{ topic, partition }]);
  };
}

function move({ topic, partition, replicas }: Place & { replicas: number[] }): Ask {
  return async ({ door: { context } }) =>
    (await loadAdmin()).handleAlterReassignments(context, [{ topic, partition, replicas }], false);
}

function cancel({ topic, partition }: Place): Ask {
  return async ({ door: { context } }) =>
    (await loadAdmin()).handleAlterReassignments(context, [{ topic, partition, replicas: null }], false);
}

// ---- topics ----

function create({ topic, partitions }: { topic: string; partitions: number }): Ask {
  const spec = { name: topic, partitions, replicationFactor: -1, assignment: [], config: {} };
  return ({ door: { context } }) => createTopicsReady(context, [spec], { timeoutMs: 2_000, isValidateOnly: false });
}

function remove({ topic }: { topic: string }): Ask {
  return async ({ door: { context } }) =>
    (await loadAdmin()).handleDeleteTopics(context, [{ name: topic }], { isValidateOnly: false });
}

// ---- brokers ----

function handOnQuorum({ to }: { to: number }): Ask {
  return async ({ door: { context } }) => (await loadAdmin()).handleTransferQuorumLeader(context, to);
}

function drain({ of, isDraining }: { of: number; isDraining: boolean }): Ask {
  return async ({ door: { context } }) => (await loadAdmin()).handleDrainBrokers(context, [of], isDraining);
}

async function writeSnapshot({ door: { context } }: ServedClient): Promise<unknown> {
  return (await loadAdmin()).handleWriteQuorumSnapshot(context);
}
