/** Whoever stands outside of the brokers: administrators, producers, readers. Each has its own place in the network. */
import { createTopicsReady, type ProduceResult } from "../../api/index.ts";
import type { SeededRandom } from "../../base/index.ts";
import type { History } from "../history/index.ts";
import type { SimNetwork } from "../network/index.ts";
import type { SimWorld } from "../sim-world.ts";
import { ClientLinks } from "./client-links.ts";
import type { ClusterBroker } from "./cluster-broker.ts";
import { ClusterView } from "./cluster-view.ts";
import type { MakeProducerCore } from "./producer-core.ts";
import type { MakeReaderCore } from "./reader-core.ts";
import type { ClusterOptions, ClusterTopic } from "./run-options.ts";
import { type ProducerKind, SimProducer } from "./sim-producer.ts";
import { SimReader } from "./sim-reader.ts";

export interface ClusterClientsParts {
  readonly world: SimWorld;
  readonly network: SimNetwork;
  readonly random: SeededRandom;
  readonly options: ClusterOptions;
  readonly brokers: readonly ClusterBroker[];
  readonly history: History;
  readonly makeProducerCore: MakeProducerCore;
  readonly makeReaderCore: MakeReaderCore;
  readonly count: (what: string) => void;
  /** What no simulated fault explains: the run fails. */
  readonly onFailure: (error: unknown) => void;
  /** At the broker, when it answers. */
  readonly onAcked: (
    brokerId: number,
    place: { topic: string; partition: number },
    result: ProduceResult,
    records: number,
  ) => void;
}

/** Of clients: unlike those of brokers. */
const FIRST_CLIENT_ID = 100;
const CALL_TIMEOUT_MS = 10_000;
const CALL_AGAIN_MS = 200;

export class ClusterClients {
  readonly #parts: ClusterClientsParts;
  readonly producers: SimProducer[] = [];
  readonly readers: SimReader[] = [];
  #count = 0;
  #nextValue = 0;

  constructor(parts: ClusterClientsParts) {
    this.#parts = parts;
  }

  /** Their places in the network. */
  get ids(): readonly number[] {
    return Array.from({ length: this.#count }, (_, slot) => FIRST_CLIENT_ID + slot);
  }

  newLinks(): ClientLinks {
    const { network, brokers, world, random, onFailure } = this.#parts;
    const nodeId = FIRST_CLIENT_ID + this.#count++;
    const parts = {
      network,
      brokers: {
        addresses: brokers.map(({ address }) => address),
        onFailure,
        doorOf: (brokerId: number) => {
          const broker = brokers.find((each) => each.nodeId === brokerId);
          const [door, process] = [broker?.door ?? null, broker?.process ?? null];
          return door === null || process === null ? null : { door, process };
        },
      },
      process: world.startProcess(),
      random: random.fork(`client ${nodeId}`),
    };
    return new ClientLinks(parts, nodeId);
  }

  /** Asks until it is there. */
  createTopic(links: ClientLinks, topic: ClusterTopic, onMade: () => void): void {
    const { name, partitions, replicationFactor, minIsr, durability, retentionBytes } = topic;
    const config = {
      "min.insync.replicas": String(minIsr),
      "tidemark.durability": durability,
      "retention.bytes": String(retentionBytes),
    };
    const spec = { name, partitions, replicationFactor, assignment: [], config };
    const again = (): void => void links.process.after(CALL_AGAIN_MS, () => this.createTopic(links, topic, onMade));
    links
      .call(this.#parts.random.pick(links.brokerIds), CALL_TIMEOUT_MS, ({ door }) =>
        createTopicsReady(door.context, [spec], { timeoutMs: 0, isValidateOnly: false }),
      )
      .then(([outcome]) => {
        const isMade = outcome?.code === "NONE" || outcome?.code === "TOPIC_ALREADY_EXISTS";
        this.#parts.world.tell("create topic", `${name}: ${outcome?.code} ${outcome?.message}`);
        if (isMade) onMade();
        else again();
      }, again);
  }

  startProducer(number: number, kind: ProducerKind): void {
    const { history, makeProducerCore: makeCore, count, onAcked } = this.#parts;
    const { topics, maxInFlight, deliveryTimeoutMs } = this.#parts.options;
    const links = this.newLinks();
    const random = this.#parts.random.fork(`producer ${number}`);
    const nextValue = (): number => this.#nextValue++;
    const view = this.#viewOf(links);
    this.producers.push(
      new SimProducer(
        { number, kind, topics, maxInFlight, deliveryTimeoutMs, requestTimeoutMs: 10_000 },
        { links, view, random, history, nextValue, makeCore, count, onAcked },
      ),
    );
  }

  startReader(topic: string, partition: number, kind: "assigned" | "drain"): SimReader {
    const { history, makeReaderCore: makeCore, count } = this.#parts;
    const links = this.newLinks();
    const view = this.#viewOf(links);
    const reader = new SimReader(
      { topic, partition, kind, creditBytes: 64 * 1024 },
      { links, view, history, makeCore, count },
    );
    this.readers.push(reader);
    reader.start();
    return reader;
  }

  #viewOf(links: ClientLinks): ClusterView {
    const { random, options } = this.#parts;
    return new ClusterView(
      links,
      random.fork(`view ${this.#count}`),
      options.topics.map(({ name }) => name),
    );
  }
}
