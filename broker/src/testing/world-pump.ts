/**
 * Lets a simulated world live beside the real one. Its time walks with the real clock, runs while somebody is in a hurry, and jumps when
 * told to; its events run in the order of their times in any case.
 *
 * Under load the world falls behind and catches up event by event; when it is too far behind its time stands still instead. So no
 * session in it ends because the machine was busy: what came due earlier always runs earlier.
 *
 * What comes from outside (sockets, the test itself) finds the world between two events; `nudge` brings its clock up to date first.
 */
import type { SimWorld } from "../sim/index.ts";
import type { RealWork } from "./real-work.ts";

/** Events may run this much before the real clock shows their time: timers of Node's are no finer. */
const AHEAD_MS = 1;
/** How late the next event may be before the world's time stands still. */
const BEHIND_MAX_MS = 200;
/** How much faster than the real clock it runs in a hurry: slow enough for what comes by sockets to keep up. */
const HURRY = 20;
/** The same while nothing is waited for but what brokers say to each other. */
export const RUSH = 300;
/** The same in a hurry while the machine works for the world: no limit of a broker's is over because a disk is slow, and who never rests stops nothing. */
const WORKING = 1 / 20;
const DELAY_MAX_MS = 2 ** 31 - 1;

interface Jump {
  readonly byMs: number;
  readonly resolve: () => void;
  readonly reject: (cause: unknown) => void;
}

export class WorldPump {
  readonly #world: SimWorld;
  readonly #work: RealWork;
  /** The world's clock is to show `#atMs` when the real one shows `#sinceMs`, and goes `#rate` times as fast from then on. */
  #atMs: number;
  #sinceMs = performance.now();
  #rate = 1;
  /** Of those who are in a hurry. */
  readonly #rates: number[] = [];
  #jumps: Jump[] = [];
  #wake: (() => void) | null = null;
  #isClosed = false;
  readonly #running: Promise<void>;

  /** @param work that the machine does for the world: no jump passes it by */
  constructor(world: SimWorld, work: RealWork) {
    this.#world = world;
    this.#work = work;
    this.#atMs = world.nowMs;
    world.onScheduled = () => this.#wake?.();
    this.#running = this.#run();
  }

  /** Brings the world's clock up to date, as far as nothing is due before. */
  nudge(): void {
    if (this.#wake === null) return;
    const toMs = Math.min(this.#dueMs, this.#world.nextAtMs);
    if (toMs > this.#world.nowMs) this.#world.block(toMs - this.#world.nowMs);
  }

  /** Time runs until `work` has ended, `rate` times as fast as the real one. */
  async hurry<T>(work: Promise<T>, rate = HURRY): Promise<T> {
    this.nudge();
    this.#rates.push(rate);
    this.#keepPace();
    this.#wake?.();
    try {
      return await work;
    } finally {
      this.#rates.splice(this.#rates.indexOf(rate), 1);
      this.#keepPace();
    }
  }

  /** Resolves when `byMs` have passed in the world, with all that happens in them. Rejects with what a broker threw. */
  jump(byMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#jumps.push({ byMs, resolve, reject });
      this.#wake?.();
    });
  }

  /** Nothing runs any more when this resolves. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#wake?.();
    await this.#running;
  }

  /** What the world's clock is to show now. */
  get #dueMs(): number {
    return this.#atMs + (performance.now() - this.#sinceMs) * this.#rate;
  }

  /** As fast as somebody wants it, and no faster than the machine that works for it. What should have passed by now and has not, does not. */
  #keepPace(): void {
    const isHurried = this.#rates.length > 0;
    const rate = !isHurried ? 1 : this.#work.isIdle ? Math.max(1, ...this.#rates) : WORKING;
    if (rate !== this.#rate) this.#setClock(this.#world.nowMs, rate);
  }

  #setClock(atMs: number, rate: number): void {
    this.#atMs = atMs;
    this.#sinceMs = performance.now();
    this.#rate = rate;
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      try {
        const jump = this.#jumps.shift();
        if (jump === undefined) await this.#walk();
        else await this.#leap(jump);
      } catch (cause: unknown) {
        // What a broker throws ends its process. Here that is the test's.
        setImmediate(() => {
          throw cause;
        });
      }
    }
    for (const { resolve } of this.#jumps.splice(0)) resolve();
  }

  async #walk(): Promise<void> {
    this.#keepPace();
    const latestMs = this.#world.nextAtMs + BEHIND_MAX_MS;
    if (this.#dueMs > latestMs) this.#setClock(latestMs, this.#rate);
    if (await this.#world.step(this.#dueMs + AHEAD_MS)) return;
    await this.#sleep();
    this.nudge();
  }

  async #leap({ byMs, resolve, reject }: Jump): Promise<void> {
    const untilMs = Math.max(this.#world.nowMs, this.#dueMs) + byMs;
    try {
      do {
        await this.#world.settle();
        while (await this.#world.step(untilMs)) if (!this.#work.isIdle) await this.#work.idle();
        await this.#work.idle();
      } while (this.#world.nextAtMs <= untilMs);
      this.#world.block(Math.max(0, untilMs - this.#world.nowMs));
    } catch (cause: unknown) {
      reject(cause);
      return;
    } finally {
      this.#setClock(this.#world.nowMs, this.#rate);
    }
    resolve();
  }

  /** Until the next event is due, or something is added. */
  #sleep(): Promise<void> {
    const delayMs = (this.#world.nextAtMs - AHEAD_MS - this.#dueMs) / this.#rate;
    if (this.#isClosed || this.#jumps.length > 0 || delayMs <= 0) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.#wake = null;
        // The rest of this turn's input is taken in first.
        setImmediate(resolve);
      };
      // It keeps no process alive: the doors of the cluster do.
      const timer = setTimeout(wake, Math.min(delayMs, DELAY_MAX_MS)).unref();
      this.#wake = wake;
      if (this.#rate < 1) void this.#work.idle().then(() => this.#wake?.());
    });
  }
}
