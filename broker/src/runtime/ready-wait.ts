/** Waiting for the partitions of one topic to be led with their logs open (15.3), with a deadline. */
import type { TopicImage } from "../metadata/index.ts";
import type { Waiter } from "./purgatory.ts";

/** A topic that was made anew under its name is another one. */
export type TopicIdentity = Pick<TopicImage, "name" | "topicId">;

interface ReadyWaitOptions {
  readonly deadline: Waiter["deadline"];
  /** Partitions that are not ready; null: no such topic here. */
  missing(): readonly number[] | null;
  /** Whether this partition is among them. */
  isMissing(partition: number): boolean;
  onEnd(missing: readonly number[]): void;
}

/** Somebody who waits for a topic to be ready. */
export class ReadyWait implements Waiter {
  readonly deadline: Waiter["deadline"];
  readonly #options: ReadyWaitOptions;
  purgatorySlot = -1;
  #isOver = false;
  /** One that was missing at the last look; while it is, there is no need for another look at all of them. */
  #known = -1;

  constructor(options: ReadyWaitOptions) {
    this.deadline = options.deadline;
    this.#options = options;
  }

  /** True when it is over: ready, or there is nothing left to wait for. */
  check(): boolean {
    if (this.#known >= 0 && this.#options.isMissing(this.#known)) return false;
    const missing = this.#options.missing();
    this.#known = missing?.at(-1) ?? -1;
    if (this.#known < 0) this.end();
    return this.#isOver;
  }

  onDeadline(): void {
    this.end();
  }

  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#options.onEnd(this.#options.missing() ?? []);
  }
}
