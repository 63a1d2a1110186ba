/**
 * How the calls that grpc-js serves share the event loop with the streams that carry records: a slice of time in each turn of the
 * loop, and one call more where that is over. A packet can hold hundreds of requests, and one request can ask for the description
 * of thousands of topics; without slices all of that would be done in one stretch.
 *
 * Calls that wait do so in order, and their bytes are bounded. Those that have begun go first, so that few are in the middle.
 */
import { ApiError } from "../../api/index.ts";

/** Of each turn of the loop. */
const SLICE_MS = 5;
/** What a call takes that waits, beside its bytes, about. */
const CALL_BYTES = 4 * 1024;

export interface PaceOptions {
  /** Of the requests that wait. */
  readonly maxBytes: number;
  /** Monotonic ms. */
  now(): number;
}

export class Pace {
  readonly #options: PaceOptions;
  #waiting: (() => void)[] = [];
  /** How many of them have had their turn: they are dropped all together. */
  #woken = 0;
  #waitingBytes = 0;
  #resting: (() => void)[] = [];
  #sliceEndsAt = 0;
  /** A slice has begun in this turn of the loop. */
  #isArmed = false;
  readonly #onTurn = (): void => this.#nextTurn();

  constructor(options: PaceOptions) {
    this.#options = options;
  }

  /** Whether a call that comes now shall wait for `turn`. */
  get isTaken(): boolean {
    return this.isOver || this.#woken < this.#waiting.length || this.#resting.length > 0;
  }

  /** Whether a call that is at work shall `rest`. */
  get isOver(): boolean {
    if (!this.#isArmed) this.#begin();
    return this.#options.now() >= this.#sliceEndsAt;
  }

  /** Resolves in a later turn of the loop, before those that have not begun. */
  rest(): Promise<void> {
    if (!this.#isArmed) this.#begin();
    return new Promise((resolve) => this.#resting.push(resolve));
  }

  /** Resolves in a later turn of the loop. `bytes` is what waits; rejects with THROTTLING_QUOTA_EXCEEDED where too much does. */
  async turn(bytes: number): Promise<void> {
    const heldBytes = bytes + CALL_BYTES;
    if (this.#waitingBytes > 0 && this.#waitingBytes + heldBytes > this.#options.maxBytes)
      throw new ApiError("THROTTLING_QUOTA_EXCEEDED", "too many requests wait at this broker");
    this.#waitingBytes += heldBytes;
    if (!this.#isArmed) this.#begin();
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#waitingBytes -= heldBytes;
  }

  #begin(): void {
    this.#isArmed = true;
    this.#sliceEndsAt = this.#options.now() + SLICE_MS;
    setImmediate(this.#onTurn);
  }

  #nextTurn(): void {
    this.#isArmed = false;
    const wake = this.#resting.shift() ?? this.#nextWaiting();
    if (wake === undefined) return;
    this.#begin();
    wake();
  }

  #nextWaiting(): (() => void) | undefined {
    const wake = this.#waiting[this.#woken];
    if (wake === undefined) return undefined;
    this.#woken++;
    if (this.#woken === this.#waiting.length || this.#woken === 1_000) {
      this.#waiting = this.#waiting.slice(this.#woken);
      this.#woken = 0;
    }
    return wake;
  }
}
