/** Everybody who waits for a topic to be led here (15.3(1)), by topic: what one topic's logs have come to concerns no other. */
import type { Clock } from "../ports/index.ts";
import { deadlineAfter } from "./purgatory.ts";
import type { Purgatory } from "./purgatory.ts";
import { ReadyWait } from "./ready-wait.ts";
import type { TopicIdentity } from "./ready-wait.ts";

export interface ReadyWaitsDeps {
  readonly clock: Clock;
  readonly purgatory: Purgatory;
  /** Partitions from `first` on that are not ready; null: no such topic here. */
  missingOf(topic: TopicIdentity, first: number): readonly number[] | null;
  isMissing(topic: TopicIdentity, partition: number): boolean;
}

export class ReadyWaits {
  readonly #deps: ReadyWaitsDeps;
  readonly #waits = new Map<string, Set<ReadyWait>>();
  #isOver = false;

  constructor(deps: ReadyWaitsDeps) {
    this.#deps = deps;
  }

  /** Resolves with the partitions that are not ready when the time is over or the topic is gone; empty: ready. */
  add(topic: TopicIdentity, timeoutMs: number, first: number): Promise<readonly number[]> {
    return new Promise((resolve) => {
      const waits = this.#waits.get(topic.name) ?? new Set();
      this.#waits.set(topic.name, waits);
      const wait = new ReadyWait({
        deadline: deadlineAfter(this.#deps.clock, timeoutMs),
        missing: () => this.#deps.missingOf(topic, first),
        isMissing: (partition) => this.#deps.isMissing(topic, partition),
        onEnd: (missing) => {
          waits.delete(wait);
          if (waits.size === 0 && this.#waits.get(topic.name) === waits) this.#waits.delete(topic.name);
          this.#deps.purgatory.release(wait);
          resolve(missing);
        },
      });
      waits.add(wait);
      if (this.#isOver) wait.end();
      else if (!wait.check()) this.#deps.purgatory.park(wait);
    });
  }

  check(topic: string): void {
    for (const wait of this.#waits.get(topic) ?? []) wait.check();
  }

  /** Nothing becomes ready any more: who waits is answered, and who comes later at once. */
  endAll(): void {
    this.#isOver = true;
    for (const waits of this.#waits.values()) for (const wait of waits) wait.end();
  }
}
