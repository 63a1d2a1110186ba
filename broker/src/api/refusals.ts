/** What one door has refused since the start, by stage and reason (security 2). Off the hot path: a refusal is an exception. */
import type { Refusal } from "../ports/index.ts";

export class Refusals {
  readonly #counts = new Map<string, Map<string, number>>();

  /** Both are constants of the program or codes of the error table, never what a client sent. */
  count(stage: string, reason: string, by = 1): void {
    const ofStage = this.#counts.get(stage) ?? new Map<string, number>();
    this.#counts.set(stage, ofStage);
    ofStage.set(reason, (ofStage.get(reason) ?? 0) + by);
  }

  *[Symbol.iterator](): Iterator<Refusal> {
    for (const [stage, ofStage] of this.#counts) {
      for (const [reason, count] of ofStage) yield { stage, reason, count };
    }
  }
}
