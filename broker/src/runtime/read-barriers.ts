/**
 * Linearizable reads that wait: first for the word of a majority that this node still leads, then for the state machine to
 * have applied what was committed when they came (semantics 10.1(6)).
 */
import type { LogIndex, ReadConfirmed, Term } from "../raft/index.ts";

export interface ReadWaiter {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

interface WaitingRead {
  readonly term: Term;
  readonly ticket: number;
  readonly waiter: ReadWaiter;
  /** What must be applied; null until the majority has answered. */
  index: LogIndex | null;
}

export class ReadBarriers {
  /** In the order they came. */
  #waiting: WaitingRead[] = [];

  add(term: Term, ticket: number, waiter: ReadWaiter): void {
    this.#waiting.push({ term, ticket, waiter, index: null });
  }

  onConfirmed({ term, ticket, index }: ReadConfirmed): void {
    for (const read of this.#waiting) {
      if (read.term === term && read.ticket <= ticket) read.index ??= index;
    }
  }

  onApplied(appliedIndex: LogIndex): void {
    const isDone = ({ index }: WaitingRead): boolean => index !== null && index <= appliedIndex;
    for (const { waiter } of this.#take(isDone)) waiter.resolve();
  }

  /** Those of other terms: the leadership that they asked for is over. */
  dropOthers(term: Term, error: Error): void {
    for (const { waiter } of this.#take((read) => read.term !== term)) waiter.reject(error);
  }

  drop(error: Error): void {
    for (const { waiter } of this.#take(() => true)) waiter.reject(error);
  }

  #take(isMeant: (read: WaitingRead) => boolean): readonly WaitingRead[] {
    if (this.#waiting.length === 0) return this.#waiting;
    const taken = this.#waiting.filter(isMeant);
    if (taken.length > 0) this.#waiting = this.#waiting.filter((read) => !isMeant(read));
    return taken;
  }
}
