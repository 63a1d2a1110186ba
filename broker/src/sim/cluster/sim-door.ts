/**
 * Where simulated clients reach a broker: straight at `api/`, with what a real door does around it. It refuses before the broker is
 * ready and while it stops, finishes the produce requests that it took in, and tells its clients when it goes.
 */
import type { BrokerContext } from "../../api/index.ts";
import type { ClientEntrance, Refusal } from "../../ports/index.ts";
import type { SimProcess } from "../sim-world.ts";

/** How long a stop waits for produce requests that were taken in, as the real door does. */
const DRAIN_MS = 5_000;
const LOOK_MS = 5;

export class SimDoor implements ClientEntrance {
  readonly context: BrokerContext;
  readonly address: { readonly host: string; readonly port: number };
  readonly delayedConnectionsCount = 0;
  readonly refusals: Iterable<Refusal> = [];
  readonly unfinishedBytes = 0;
  /** Clients that are connected, each with what breaks its connection from here. */
  readonly #clients = new Set<() => void>();
  readonly #process: SimProcess;
  readonly #onClosed: () => void;
  /** Produce requests that have arrived and wait to be read. */
  readonly #unread: (() => void)[] = [];
  /** Produce requests without an answer. */
  #unanswered = 0;
  #isOpen = false;
  #isClosed = false;

  constructor(
    process: SimProcess,
    address: { readonly host: string; readonly port: number },
    context: BrokerContext,
    onClosed: () => void,
  ) {
    this.#process = process;
    this.#onClosed = onClosed;
    this.address = address;
    this.context = context;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get connectionsCount(): number {
    return this.#clients.size;
  }

  /** Of produce requests that were taken in; at rest none. */
  get unansweredCount(): number {
    return this.#unanswered + this.#unread.length;
  }

  async listen(): Promise<void> {}

  open(): void {
    this.#isOpen = !this.#isClosed;
  }

  async close(drainMs = DRAIN_MS): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#isOpen = false;
    const endsAt = this.#process.monotonicNow() + drainMs;
    // One look after the other: a request ends with its answer on the way.
    // oxlint-disable-next-line no-await-in-loop
    while (this.#unanswered > 0 && this.#process.monotonicNow() < endsAt) await this.#process.sleep(LOOK_MS);
    for (const breakOff of this.#clients) breakOff();
    this.#clients.clear();
    this.#onClosed();
  }

  /** A client has connected; returns how it leaves. */
  enter(breakOff: () => void): () => void {
    this.#clients.add(breakOff);
    return () => this.#clients.delete(breakOff);
  }

  /** `take` takes a produce request in, in its turn: while too many are neither written nor refused, none is read. */
  read(take: () => void): void {
    this.#unread.push(take);
    if (this.#unread.length === 1) this.#readOn();
  }

  #readOn(): void {
    for (let [next] = this.#unread; next !== undefined; [next] = this.#unread) {
      // What nobody has read when it closes goes with its connection.
      if (!this.#isOpen) this.#unread.length = 0;
      else if (this.context.budget.isExhausted) return this.context.budget.whenFree(() => this.#readOn());
      else {
        this.#unread.shift();
        next();
      }
    }
  }

  /** A produce request was taken in; returns what says that it was answered. */
  take(): () => void {
    this.#unanswered += 1;
    return () => {
      this.#unanswered -= 1;
    };
  }
}
