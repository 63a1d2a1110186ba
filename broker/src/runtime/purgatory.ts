/**
 * Where requests wait that cannot be answered yet, for the sake of their deadlines only: a hashed timing wheel (Varghese
 * and Lauck 1987) with one timer for all, and none while nobody waits. Who waits leaves by `release` when the thing it
 * waits for happens; nearly all do, so parking and leaving are what must be cheap.
 *
 * A deadline is met to the next tick: never early, at most one tick late.
 */
import { assert, asMs } from "../base/index.ts";
import type { Ms } from "../base/index.ts";
import type { Clock, Timers } from "../ports/index.ts";

const TICK_MS = 100;
/** One round is 51.2 s, longer than the usual request timeout: most waiters are looked at once, when they are due. */
const SLOTS_COUNT = 512;

/** Somebody with a deadline on the monotonic clock. */
export interface Waiter {
  readonly deadline: Ms;
  /** Kept by the purgatory: the slot it waits in, -1 = not here. */
  purgatorySlot: number;
  /** The deadline has passed; it has already left the purgatory. */
  onDeadline(): void;
}

export class Purgatory {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #slots: (Set<Waiter> | undefined)[] = [];
  #count = 0;
  /** All slots up to this tick were looked at. */
  #lastTick = 0;
  #isTicking = false;
  readonly #onTick: () => void;

  constructor(deps: { clock: Clock; timers: Timers }) {
    this.#clock = deps.clock;
    this.#timers = deps.timers;
    for (let i = 0; i < SLOTS_COUNT; i++) this.#slots.push(undefined);
    this.#onTick = (): void => this.#tick();
  }

  /** Waiters inside. */
  get count(): number {
    return this.#count;
  }

  park(waiter: Waiter): void {
    assert(waiter.purgatorySlot === -1, "parked twice");
    if (!this.#isTicking) {
      this.#lastTick = tickOf(this.#clock.monotonicNow());
      this.#arm();
    }
    // A deadline that is over already still waits for the next tick: nobody is called from inside `park`.
    const tick = Math.max(Math.ceil(waiter.deadline / TICK_MS), this.#lastTick + 1);
    const slot = tick % SLOTS_COUNT;
    waiter.purgatorySlot = slot;
    let waiters = this.#slots[slot];
    if (waiters === undefined) {
      waiters = new Set();
      this.#slots[slot] = waiters;
    }
    waiters.add(waiter);
    this.#count++;
  }

  /** Lets `waiter` go; not parked is fine. */
  release(waiter: Waiter): void {
    if (waiter.purgatorySlot === -1) return;
    this.#slots[waiter.purgatorySlot]?.delete(waiter);
    waiter.purgatorySlot = -1;
    this.#count--;
  }

  #arm(): void {
    this.#isTicking = true;
    this.#timers.after(TICK_MS, this.#onTick);
  }

  /** Who parks meanwhile is met by the next: this one goes by the time at which it began. */
  #tick(): void {
    const now = this.#clock.monotonicNow();
    const tick = tickOf(now);
    // After a long pause of the process one round visits every slot; more would visit them again.
    const from = Math.max(this.#lastTick + 1, tick - SLOTS_COUNT + 1);
    this.#lastTick = Math.max(tick, this.#lastTick);
    for (let due = from; due <= tick; due++) this.#expire(this.#slots[due % SLOTS_COUNT], now);
    this.#isTicking = false;
    if (this.#count > 0) this.#arm();
  }

  #expire(waiters: Set<Waiter> | undefined, now: Ms): void {
    if (waiters === undefined || waiters.size === 0) return;
    const expired: Waiter[] = [];
    for (const waiter of waiters) if (waiter.deadline <= now) expired.push(waiter);
    for (const waiter of expired) {
      // One waiter's end may have released another.
      if (waiter.purgatorySlot === -1) continue;
      this.release(waiter);
      waiter.onDeadline();
    }
  }
}

function tickOf(now: Ms): number {
  return Math.floor(now / TICK_MS);
}

/** `delayMs` from now on the monotonic clock. */
export function deadlineAfter(clock: Clock, delayMs: number): Ms {
  return asMs(clock.monotonicNow() + delayMs);
}
