/**
 * One question to several who could answer it, side by side where one takes its time. Those that are slower are heard out: who
 * never answers is told of, who is merely late is not.
 */
import { BrokerError } from "../errors.ts";

export interface Hedge<One, Answer> {
  readonly first: One;
  /** Whom else to ask, beside those that were; null: nobody. */
  readonly next: (asked: ReadonlySet<One>) => One | null;
  /** Without an answer for so long the next is asked too. */
  readonly afterMs: number;
  readonly ask: (one: One) => Promise<Answer>;
  /** Another one was quicker. */
  readonly onLate: (one: One) => void;
  /** Another one answered, and this one did not in all its time. */
  readonly onSilent: (one: One) => void;
}

/** The first answer. Rejects when all that were asked have failed, as the last of them did. */
export function hedged<One, Answer>(hedge: Hedge<One, Answer>): Promise<Answer> {
  const { first, next, afterMs, ask, onLate, onSilent } = hedge;
  return new Promise<Answer>((resolve, reject) => {
    const asked = new Set<One>();
    const waiting = new Set<One>();
    let isAnswered = false;
    let timer: NodeJS.Timeout | undefined;
    const askOne = (one: One): void => {
      asked.add(one);
      waiting.add(one);
      timer = setTimeout(askNext, afterMs);
      ask(one).then(
        (answer) => {
          waiting.delete(one);
          clearTimeout(timer);
          isAnswered = true;
          for (const late of waiting) onLate(late);
          resolve(answer);
        },
        (error: unknown) => {
          waiting.delete(one);
          if (isAnswered && BrokerError.is(error, "TIMEOUT")) onSilent(one);
          if (waiting.size > 0) return;
          clearTimeout(timer);
          reject(error);
        },
      );
    };
    const askNext = (): void => {
      const other = next(asked);
      if (other !== null) askOne(other);
    };
    askOne(first);
  });
}
