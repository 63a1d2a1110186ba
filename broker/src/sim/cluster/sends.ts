/** What producers are given to send, as chance will have it, or step by step from a plan. */
import type { SeededRandom } from "../../base/index.ts";
import type { Agenda } from "./agenda.ts";
import type { SendStep } from "./plan.ts";
import type { ClusterTopic } from "./run-options.ts";
import type { SimProducer } from "./sim-producer.ts";

export interface SendsOptions {
  readonly topics: readonly ClusterTopic[];
  /** Of a record's value, at most. */
  readonly valueBytesMax: number;
}

export class Sends {
  readonly #options: SendsOptions;
  readonly #agenda: Agenda;
  readonly #producers: readonly SimProducer[];
  /** Counted up: what was drawn for an earlier one is not sent. */
  #phase = 0;

  constructor(options: SendsOptions, agenda: Agenda, producers: readonly SimProducer[]) {
    this.#options = options;
    this.#agenda = agenda;
    this.#producers = producers;
  }

  /** Every producer sends as `random` draws, from now on, a record in `intervalMs` on average. */
  draw(random: SeededRandom, intervalMs: number, onSent: (step: SendStep) => void): void {
    const phase = ++this.#phase;
    for (const slot of this.#producers.keys())
      this.#drawNext(slot, intervalMs, random.fork(`producer ${slot}`), (step) => {
        if (phase !== this.#phase) return false;
        this.send(step);
        onSent(step);
        return true;
      });
  }

  stop(): void {
    this.#phase += 1;
  }

  send({ send, topic, partition, bytes }: SendStep): void {
    const known = this.#options.topics.find(({ name }) => name === topic);
    if (known !== undefined && partition < known.partitions) this.#producers[send]?.send(topic, partition, bytes);
  }

  /** `send` answers whether there is a next one. */
  #drawNext(slot: number, intervalMs: number, random: SeededRandom, send: (step: SendStep) => boolean): void {
    const { topics, valueBytesMax } = this.#options;
    this.#agenda.after(intervalMs * 2 * random.float(), () => {
      const { name, partitions } = random.pick(topics);
      const step = { send: slot, topic: name, partition: random.below(partitions), bytes: random.below(valueBytesMax) };
      if (send(step)) this.#drawNext(slot, intervalMs, random, send);
    });
  }
}
