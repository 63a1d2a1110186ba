import { expect } from "chai";
import fc from "fast-check";
import { asMs, SeededRandom } from "../../src/base/index.ts";
import type { Ms } from "../../src/base/index.ts";
import { deadlineAfter, Purgatory } from "../../src/runtime/index.ts";
import type { Waiter } from "../../src/runtime/index.ts";
import { SimWorld } from "../../src/sim/index.ts";

const TICK_MS = 100;

class Sleeper implements Waiter {
  purgatorySlot = -1;
  readonly deadline: Ms;
  readonly #onDeadline: () => void;

  constructor(deadline: Ms, onDeadline: () => void) {
    this.deadline = deadline;
    this.#onDeadline = onDeadline;
  }

  onDeadline(): void {
    this.#onDeadline();
  }
}

function setup() {
  const world = new SimWorld(new SeededRandom(1));
  const process = world.startProcess();
  const purgatory = new Purgatory({ clock: process, timers: process });
  return { world, process, purgatory };
}

describe("Purgatory", () => {
  it("calls a waiter at its deadline: never before, at most a tick after", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 120_000 }), { minLength: 1, maxLength: 30 }),
        async (delays) => {
          const { world, process, purgatory } = setup();
          const lateness: number[] = [];
          for (const delayMs of delays) {
            const deadline = deadlineAfter(process, delayMs);
            purgatory.park(new Sleeper(deadline, () => lateness.push(process.monotonicNow() - deadline)));
          }
          await world.runFor(121_000);
          expect(lateness).to.have.length(delays.length);
          for (const late of lateness) expect(late).to.be.within(0, 2 * TICK_MS);
          expect(purgatory.count).to.equal(0);
        },
      ),
      { numRuns: 20 },
    );
  });

  it("does not call who was released, also by another's end in the same tick", async () => {
    const { world, process, purgatory } = setup();
    const called: string[] = [];
    const deadline = deadlineAfter(process, 1_000);
    const second = new Sleeper(deadline, () => called.push("second"));
    const first = new Sleeper(deadline, () => {
      called.push("first");
      purgatory.release(second);
    });
    purgatory.park(first);
    purgatory.park(second);
    await world.runFor(5_000);
    expect(called).to.deep.equal(["first"]);
  });

  it("keeps no timer while nobody waits", async () => {
    const { world, process, purgatory } = setup();
    const waiter = new Sleeper(deadlineAfter(process, 10_000), () => undefined);
    purgatory.park(waiter);
    purgatory.release(waiter);
    await world.runUntilIdle();
    expect(world.nowMs, "the one tick that was armed").to.be.at.most(TICK_MS);
    expect(world.waitingCount).to.equal(0);
  });

  it("catches up after a long pause of the process", async () => {
    const { world, process, purgatory } = setup();
    let calls = 0;
    purgatory.park(new Sleeper(deadlineAfter(process, 3 * 51_200), () => calls++));
    await world.runFor(3 * 51_200 - 200);
    expect(calls).to.equal(0);
    await world.runFor(400);
    expect(calls).to.equal(1);
  });

  it("takes the same waiter again after it was called", async () => {
    const { world, process, purgatory } = setup();
    let calls = 0;
    const waiter = new Sleeper(deadlineAfter(process, 100), () => calls++);
    purgatory.park(waiter);
    await world.runFor(1_000);
    purgatory.park(waiter);
    await world.runFor(1_000);
    expect(calls).to.equal(2);
  });

  it("misses nobody where one is parked by another's deadline, in a tick that takes a while", async () => {
    const { world, process } = setup();
    let workedMs = 0;
    const clock = { wallNow: () => process.wallNow(), monotonicNow: () => asMs(process.monotonicNow() + workedMs) };
    const purgatory = new Purgatory({ clock, timers: process });
    // The first tick that has something to do begins just before the time of the next.
    await world.runFor(TICK_MS - 1);
    const called: string[] = [];
    const next = new Sleeper(asMs(2.5 * TICK_MS), () => called.push("next"));
    const first = new Sleeper(asMs(1.5 * TICK_MS), () => {
      called.push("first");
      workedMs = 2;
      // As a produce request does that is answered in parts.
      purgatory.park(new Sleeper(asMs(2.5 * TICK_MS), () => called.push("again")));
    });
    purgatory.park(first);
    purgatory.park(next);
    await world.runFor(4 * TICK_MS);
    expect(called).to.have.members(["first", "next", "again"]);
    expect(purgatory.count).to.equal(0);
  });
});
