/**
 * What one door has refused since the start, by stage and reason (security 2), with a line in the log for each reason, at most one a
 * minute: the count tells the rest. Off the hot path: a refusal is an exception.
 */
import type { Logger, Refusal } from "../ports/index.ts";

const LOG_INTERVAL_MS = 60_000;
/** Where peers break the rules of the door; elsewhere requests are refused, which is a matter of their clients. */
const DOOR_STAGES: readonly string[] = ["accept", "message", "http"];

export interface RefusalsOptions {
  readonly listener: string;
  readonly logger: Logger;
  /** Monotonic ms. */
  now(): number;
}

interface Counted {
  count: number;
  loggedAt: number;
}

export class Refusals {
  readonly #options: RefusalsOptions;
  readonly #stages = new Map<string, Map<string, Counted>>();

  constructor(options: RefusalsOptions) {
    this.#options = options;
  }

  /** Both are constants of the program or codes of the error table, never what a client sent. */
  count(stage: string, reason: string): void {
    let reasons = this.#stages.get(stage);
    if (reasons === undefined) {
      reasons = new Map();
      this.#stages.set(stage, reasons);
    }
    let counted = reasons.get(reason);
    if (counted === undefined) {
      counted = { count: 0, loggedAt: Number.NEGATIVE_INFINITY };
      reasons.set(reason, counted);
    }
    counted.count += 1;
    const now = this.#options.now();
    if (now - counted.loggedAt < LOG_INTERVAL_MS) return;
    counted.loggedAt = now;
    const { listener, logger } = this.#options;
    const fields = { listener, stage, reason, count: counted.count };
    if (DOOR_STAGES.includes(stage)) logger.warn("refused at a door", fields);
    else logger.info("a request was refused", fields);
  }

  *[Symbol.iterator](): Iterator<Refusal> {
    for (const [stage, reasons] of this.#stages) {
      for (const [reason, { count }] of reasons) yield { stage, reason, count };
    }
  }
}
