/**
 * The simulated world: a virtual clock and one queue of events, run one by one from a seed. A process of the world is a
 * Clock and Timers of its own; when it is killed, none of its events ever runs again.
 *
 * One step: pop the next event, set the clock, run it, let every promise reaction finish, run what asked for the end of
 * the turn, let those finish too. Code under simulation therefore never sees two events without its own continuations in
 * between, and the same seed gives the same order everywhere.
 *
 * The one contact with the real world is how one knows that no promise reaction is left: `setImmediate`. Node lets all of them run
 * between two of its callbacks, those of one turn of its loop as well: a long run queues many at once, and is in the next with each.
 */
import { asMs, SeededRandom } from "../base/index.ts";
import type { Ms } from "../base/index.ts";
import type { Clock, TimerHandle, Timers } from "../ports/index.ts";
import { EventHeap, type ScheduledEvent } from "./event-heap.ts";
import { SimulatedCrash } from "./simulated-crash.ts";
import { Trace } from "./trace.ts";

/** Where the virtual wall clock starts: a round date, so that timestamps in a failure report are easy to read. */
const WALL_START_MS = 1_700_000_000_000;
/** No timer is finer: what is less than the clock's last digit would come due at the time that it is. */
const RESOLUTION_MS = 1e-6;
/** Of the code of an errand: enough to find it. */
const WORDS_MAX = 120;
/** Callbacks in one turn of the real loop, in which a process hears of the others: few at first, for many runs are over soon. */
const CALLBACKS_PER_TURN = { first: 32, most: 1_024 };

/**
 * Where a step stands when a callback begins: `over`: nothing has begun; `input`: its event has run, and what that made react; `end`: so
 * has what asked for the end of its turn.
 */
type StepPhase = "over" | "input" | "end";

export class SimWorld {
  readonly trace = new Trace();
  /** Called when something is queued: for who lets the world run beside the real one. */
  onScheduled: (() => void) | null = null;
  readonly #events = new EventHeap();
  readonly #ties: SeededRandom;
  readonly #endOfTurn: (() => void)[] = [];
  #nowMs = 0;
  #sequence = 0;
  #isTakingInput = false;
  #stepsCount = 0;

  constructor(random: SeededRandom) {
    this.#ties = random.fork("event ties");
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Events waiting, those of dead processes and cancelled timers included until they are met. */
  get waitingCount(): number {
    return this.#events.size;
  }

  /** Events that have run. */
  get stepsCount(): number {
    return this.#stepsCount;
  }

  /** When the next event is due, that of a dead process or a cancelled timer included; Infinity: none waits. */
  get nextAtMs(): number {
    return this.#events.peek()?.atMs ?? Number.POSITIVE_INFINITY;
  }

  /** What `process` is to do still, in the words of its code. */
  errandsOf(process: SimProcess): string[] {
    return this.#events.all.flatMap((event) => (event instanceof Errand && event.isOf(process) ? [event.words] : []));
  }

  startProcess(): SimProcess {
    return new SimProcess(this);
  }

  note(what: string, subject = "", first = 0, second = 0): void {
    this.trace.note(this.#nowMs, what, subject, first, second);
  }

  /** The same, for what a reader of a failure report wants to know first. */
  tell(what: string, subject = "", first = 0, second = 0): void {
    this.trace.tell(this.#nowMs, what, subject, first, second);
  }

  /** A call that blocks the loop: time passes, and nothing else happens. */
  block(ms: number): void {
    this.#nowMs += ms;
  }

  /** Queues `task`; it is dropped without running if `isDue` is false when its time comes. */
  schedule(delayMs: number, task: () => void, isDue: () => boolean): void {
    const atMs = this.#nowMs + Math.max(0, delayMs);
    this.#events.push({ atMs, tieKey: this.#ties.uint32(), sequence: this.#sequence++, task, isDue });
    this.onScheduled?.();
  }

  /** Queues what `process` is to do. */
  scheduleFor(process: SimProcess, delayMs: number, task: () => void, isWanted = isAlwaysDue): TimerHandle {
    const atMs = this.#nowMs + Math.max(0, delayMs);
    const errand = new Errand(
      process,
      { task, isWanted },
      { atMs, tieKey: this.#ties.uint32(), sequence: this.#sequence++ },
    );
    this.#events.push(errand);
    this.onScheduled?.();
    return errand;
  }

  endOfTurn(task: () => void): void {
    this.#endOfTurn.push(task);
    // Asked for outside the input part of a step, it is the end of the next one.
    if (!this.#isTakingInput) this.schedule(0, doNothing, isAlwaysDue);
  }

  /** Runs the next event. False when nothing is left, or nothing that is due by `untilMs`. */
  async step(untilMs = Number.POSITIVE_INFINITY): Promise<boolean> {
    if (!this.#begin(untilMs)) return false;
    await promisesSettled();
    if (this.#endTurn()) await promisesSettled();
    return true;
  }

  /**
   * Runs event after event, and `isOver` behind each, until that holds: true; false when nothing is left that is due by `untilMs`,
   * which may move. The same steps as those of `step`, without a turn of the real loop for each. Rejects with what `isOver` throws.
   */
  async run(untilMs: () => number, isOver: () => boolean): Promise<boolean> {
    let phase: StepPhase = "over";
    /** Null: there is more to do. */
    const goOn = (): boolean | null => {
      if (phase === "input" && this.#endTurn()) {
        phase = "end";
        return null;
      }
      if (phase !== "over") {
        phase = "over";
        if (isOver()) return true;
      }
      if (!this.#begin(untilMs())) return false;
      phase = "input";
      return null;
    };
    for (let count = CALLBACKS_PER_TURN.first; ; count = Math.min(2 * count, CALLBACKS_PER_TURN.most)) {
      // oxlint-disable-next-line no-await-in-loop
      const outcome = await manyCallbacks(count, goOn);
      if (outcome !== null) return outcome;
    }
  }

  /** The input part of a step; false: there is no event. */
  #begin(untilMs: number): boolean {
    for (;;) {
      const next = this.#events.peek();
      if (next === undefined || next.atMs > untilMs) return false;
      this.#events.pop();
      if (!next.isDue()) continue;
      // What was due while the loop was blocked runs late.
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      this.#stepsCount += 1;
      this.#isTakingInput = true;
      this.#run(next);
      return true;
    }
  }

  /** It is then, at least: for whoever acts between two events. */
  advanceTo(ms: number): void {
    this.#nowMs = Math.max(this.#nowMs, ms);
  }

  /** The end of a turn; false: nobody asked for it. */
  #endTurn(): boolean {
    this.#isTakingInput = false;
    if (this.#endOfTurn.length === 0) return false;
    for (const task of this.#endOfTurn.splice(0)) this.#run({ task });
    return true;
  }

  /** Lets promise reactions finish that were started outside any event. */
  settle(): Promise<void> {
    return promisesSettled();
  }

  /** Runs until no event is left. Never returns while something renews its own timer: use `runFor` there. */
  async runUntilIdle(): Promise<void> {
    await promisesSettled();
    while (await this.step()) await promisesSettled();
  }

  /** Lets `durationMs` of virtual time pass. */
  async runFor(durationMs: number): Promise<void> {
    const untilMs = this.#nowMs + durationMs;
    await promisesSettled();
    while (await this.step(untilMs)) continue;
    this.#nowMs = Math.max(this.#nowMs, untilMs);
  }

  /** A crash ends the process that ran, not the world: whoever drives it looks at the process. */
  #run(event: Pick<ScheduledEvent, "task">): void {
    try {
      event.task();
    } catch (error: unknown) {
      if (!(error instanceof SimulatedCrash)) throw error;
    }
  }
}

/** What a process did not do while it stood still. */
interface Held {
  readonly task: () => void;
  readonly isWanted: () => boolean;
}

/** One life of one simulated process: its clocks and its timers, which end with it. */
export class SimProcess implements Clock, Timers {
  readonly world: SimWorld;
  #isAlive = true;
  /** Its clocks run so much faster than the world's. */
  #rate = 1;
  /** The monotonic clock showed `#shownMs` at `#shownAtMs` of the world. */
  #shownMs = 0;
  #shownAtMs = 0;
  #wallOffsetMs = 0;
  /** What came due while it stood still; null: it runs. */
  #held: Held[] | null = null;

  constructor(world: SimWorld) {
    this.world = world;
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  get isPaused(): boolean {
    return this.#held !== null;
  }

  kill(): void {
    this.#isAlive = false;
    this.#held = null;
  }

  // ---- faults ----

  /** It stands still: what comes due waits. Time goes on for everybody. */
  pause(): void {
    this.#held ??= [];
  }

  /** What waited runs, in the order in which it came due. */
  resume(): void {
    const held = this.#held ?? [];
    this.#held = null;
    // Not at the same time: events of one time have no order.
    for (const [slot, { task, isWanted }] of held.entries())
      this.world.scheduleFor(this, slot * RESOLUTION_MS, task, isWanted);
  }

  /** Both clocks run `rate` times as fast as the world's from now on; timers that are set already keep their time. */
  drift(rate: number): void {
    this.#shownMs = this.monotonicNow();
    this.#shownAtMs = this.world.nowMs;
    this.#rate = rate;
  }

  /** The wall clock is set: forward, or back. */
  jump(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }

  /** The wall clock is set, to so much beside the world's: it jumps forward, or back. */
  setWall(offsetMs: number): void {
    this.#wallOffsetMs = offsetMs;
  }

  // ---- Clock and Timers ----

  wallNow(): Ms {
    return asMs(Math.floor(WALL_START_MS + this.#wallOffsetMs + this.monotonicNow()));
  }

  monotonicNow(): Ms {
    return asMs(this.#shownMs + (this.world.nowMs - this.#shownAtMs) * this.#rate);
  }

  after(delayMs: number, task: () => void): TimerHandle {
    const leastMs = delayMs > 0 ? RESOLUTION_MS : 0;
    return this.world.scheduleFor(this, Math.max(leastMs, delayMs / this.#rate), task);
  }

  endOfTurn(task: () => void): void {
    this.world.endOfTurn(() => {
      if (this.#isAlive && !this.holds(task)) task();
    });
  }

  yieldTurn(): Promise<void> {
    return this.sleep(0);
  }

  /** Resolves after `delayMs` of virtual time; never, if the process dies before. */
  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.after(delayMs, resolve);
    });
  }

  /** It stands still, and keeps `task` until it does not. `isWanted`: whether there is still something in it to be done. */
  holds(task: () => void, isWanted: () => boolean = isAlwaysDue): boolean {
    this.#held?.push({ task, isWanted });
    return this.#held !== null;
  }
}

/** What a process is to do at a time: unless it takes that back, or is dead by then. */
class Errand implements ScheduledEvent, TimerHandle {
  readonly atMs: number;
  readonly tieKey: number;
  readonly sequence: number;
  readonly #process: SimProcess;
  readonly #task: () => void;
  readonly #isWantedStill: () => boolean;
  #isWanted = true;

  constructor(process: SimProcess, { task, isWanted }: Held, at: Pick<ScheduledEvent, "atMs" | "tieKey" | "sequence">) {
    this.#process = process;
    this.#task = task;
    this.#isWantedStill = isWanted;
    this.atMs = at.atMs;
    this.tieKey = at.tieKey;
    this.sequence = at.sequence;
  }

  isDue(): boolean {
    return this.#isWanted && this.#process.isAlive;
  }

  task(): void {
    if (!this.#process.isPaused) this.#task();
    // It may be taken back in the meantime.
    else
      this.#process.holds(
        () => this.#isWanted && this.#task(),
        () => this.#isWanted,
      );
  }

  cancel(): void {
    this.#isWanted = false;
  }

  isOf(process: SimProcess): boolean {
    return this.#process === process && this.isDue() && this.#isWantedStill();
  }

  get words(): string {
    return this.#task.toString().replaceAll(/\s+/gu, " ").slice(0, WORDS_MAX);
  }
}

/** Resolves when no promise reaction is left to run: they all run before the loop's next phase. */
function promisesSettled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** Calls `goOn` up to `count` times, with all promise reactions in between, until it answers; null: it has not. */
function manyCallbacks<Answer>(count: number, goOn: () => Answer | null): Promise<Answer | null> {
  return new Promise((resolve, reject) => {
    let isOver = false;
    const call = (): void => {
      if (isOver) return;
      try {
        const answer = goOn();
        if (answer === null) return;
        isOver = true;
        resolve(answer);
      } catch (error: unknown) {
        isOver = true;
        reject(error as Error);
      }
    };
    for (let queued = 0; queued < count; queued++) setImmediate(call);
    setImmediate(() => resolve(null));
  });
}

function doNothing(): void {}

function isAlwaysDue(): boolean {
  return true;
}
