import { expect } from "chai";
import { SystemClock, SystemTimers } from "../../src/platform/index.ts";

describe("SystemTimers", () => {
  const timers = new SystemTimers();

  it("runs the tasks of one turn together, in order, after the turn's own work", async () => {
    const seen: string[] = [];
    timers.endOfTurn(() => seen.push("first"));
    timers.endOfTurn(() => seen.push("second"));
    seen.push("turn");
    await Promise.resolve();
    seen.push("microtask");
    await timers.yieldTurn();
    expect(seen).to.deep.equal(["turn", "microtask", "first", "second"]);
  });

  it("runs what a task adds in a later turn, so that input is not kept out", async () => {
    const seen: string[] = [];
    timers.endOfTurn(() => {
      seen.push("task");
      timers.endOfTurn(() => seen.push("added"));
    });
    await timers.yieldTurn();
    expect(seen).to.deep.equal(["task"]);
    await timers.yieldTurn();
    expect(seen).to.deep.equal(["task", "added"]);
  });

  it("does not call a cancelled timer, and calls the others once", async () => {
    const seen: string[] = [];
    await new Promise<void>((resolve) => {
      const cancelled = timers.after(0, () => seen.push("cancelled"));
      timers.after(1, () => seen.push("kept"));
      // The test itself keeps the process alive until the last one.
      const alive = setInterval(() => undefined, 1000);
      timers.after(5, () => {
        clearInterval(alive);
        resolve();
      });
      cancelled.cancel();
    });
    expect(seen).to.deep.equal(["kept"]);
  });

  it("takes a delay beyond 2^31 ms for a long one, not for none", async () => {
    let isCalled = false;
    const timer = timers.after(2 ** 40, () => {
      isCalled = true;
    });
    await timers.yieldTurn();
    await timers.yieldTurn();
    expect(isCalled).to.equal(false);
    timer.cancel();
  });
});

describe("SystemClock", () => {
  it("tells Unix time, and a monotonic time with fractions that never goes back", () => {
    const clock = new SystemClock();
    expect(clock.wallNow()).to.be.greaterThan(Date.UTC(2024, 0));
    const samples = Array.from({ length: 1000 }, () => clock.monotonicNow());
    expect(samples).to.deep.equal([...samples].sort((a, b) => a - b));
    expect(samples.some((sample) => !Number.isInteger(sample))).to.equal(true);
  });
});
