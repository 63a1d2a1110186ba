/**
 * What a broker has opened, to be closed in the opposite order: each part is tried, and the first that fails is told when all are closed.
 *
 * A stop ends, or says what it waits for. Timers keep no process alive (ports/clock.ts), and without doors nothing else may: Node
 * would end it in the middle of the stop, with an exit code and without a word. So the process is held while something closes, and while
 * a start waits.
 */
import { assert } from "./base/index.ts";
import type { Logger } from "./ports/index.ts";
import type { BrokerWorld } from "./broker-world.ts";

/** A part that takes longer is named in the log, again and again. */
const TOLD_AFTER_MS = 10_000;

/** The process does not end by itself before `work` has, which may say again and again that it takes long. */
export async function holdWhile<T>(
  { hold }: Pick<BrokerWorld, "hold">,
  work: Promise<T>,
  onLate?: (durationMs: number) => void,
): Promise<T> {
  let durationMs = 0;
  const letGo = hold(TOLD_AFTER_MS, () => onLate?.((durationMs += TOLD_AFTER_MS)));
  try {
    return await work;
  } finally {
    letGo();
  }
}

/** A part that did not close. */
export interface FailedPart {
  readonly part: string;
  readonly cause: unknown;
}

export class Closers {
  readonly #logger: Logger;
  readonly #world: Pick<BrokerWorld, "hold">;
  readonly #parts: { readonly part: string; readonly close: () => Promise<void> }[] = [];

  constructor(logger: Logger, world: Pick<BrokerWorld, "hold">) {
    this.#logger = logger;
    this.#world = world;
  }

  add(part: string, close: () => Promise<void>): void {
    this.#parts.push({ part, close });
  }

  /** Null: all have closed. What is added meanwhile is closed with them. */
  async closeAll(): Promise<FailedPart | null> {
    let failed: FailedPart | null = null;
    for (let next = this.#parts.pop(); next !== undefined; next = this.#parts.pop()) {
      const { part, close } = next;
      try {
        await this.hold(part, close());
      } catch (cause: unknown) {
        this.#logger.error("a part of the broker did not close", { part, err: cause });
        failed ??= { part, cause };
      }
    }
    assert(this.#parts.length === 0, "nothing is left open");
    return failed;
  }

  /** Awaits `work` with the process held, and says that it does when that takes long. */
  hold(part: string, work: Promise<void>): Promise<void> {
    return holdWhile(this.#world, work, (durationMs) => this.#logger.warn("the stop waits", { part, durationMs }));
  }
}
