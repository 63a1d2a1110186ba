/**
 * What is under way with single replicas: chains of steps, one at a time for each name, in slices between which the event
 * loop has its turn. A topic that is deleted and made again gets its fresh log only after the old one has left the name.
 */
import type { Clock, Timers } from "../ports/index.ts";
import { Slices } from "./slices.ts";

interface Chain {
  readonly last: Promise<void>;
  /** Metadata that asked for the first step of it that is not done. */
  readonly since: number;
}

export class ReplicaSteps {
  readonly #slices: Slices;
  /** By `<topic>-<partition>`. */
  readonly #chains = new Map<string, Chain>();
  /** A step of this replica has ended. */
  readonly #onEnd: (topic: string) => void;

  constructor(deps: { readonly clock: Clock; readonly timers: Timers; onEnd(topic: string): void }) {
    this.#slices = new Slices(deps);
    this.#onEnd = (topic): void => deps.onEnd(topic);
  }

  isQuiet(topic: string, partition: number): boolean {
    return !this.#chains.has(`${topic}-${partition}`);
  }

  /** Runs `step` when all earlier steps of this replica have ended, and it is its turn. A step handles its own failures. */
  add(topic: string, partition: number, metadataOffset: number, step: () => Promise<void>): void {
    const key = `${topic}-${partition}`;
    const inTurn = async (): Promise<void> => {
      await this.#slices.turn();
      await step();
    };
    const before = this.#chains.get(key);
    const last = (before === undefined ? inTurn() : before.last.then(inTurn)).then(() => {
      if (this.#chains.get(key)?.last === last) this.#chains.delete(key);
      this.#onEnd(topic);
    });
    this.#chains.set(key, { last, since: before?.since ?? metadataOffset });
  }

  /** Everything that metadata below this offset asked for is done; Infinity = nothing is under way. */
  get doneBelow(): number {
    let least = Number.POSITIVE_INFINITY;
    for (const { since } of this.#chains.values()) least = Math.min(least, since);
    return least;
  }

  /** All steps that were asked for, and those that they asked for, have ended. */
  async settled(): Promise<void> {
    while (this.#chains.size > 0) await Promise.all([...this.#chains.values()].map(({ last }) => last));
  }
}
