import { expect } from "chai";
import { SeededRandom } from "../../src/base/index.ts";
import { SimWorld } from "../../src/sim/index.ts";
import { RealWork } from "../../src/testing/real-work.ts";
import { RUSH, WorldPump } from "../../src/testing/world-pump.ts";

const HOUR_MS = 3_600_000;

describe("WorldPump", () => {
  let world: SimWorld;
  let work: RealWork;
  let pump: WorldPump;

  beforeEach(() => {
    world = new SimWorld(new SeededRandom(1));
    work = new RealWork();
    pump = new WorldPump(world, work);
  });
  afterEach(() => pump.close());

  /** Resolves when the world's clock shows it. */
  const at = (ms: number): Promise<number> =>
    new Promise((resolve) => {
      world.schedule(
        ms,
        () => resolve(world.nowMs),
        () => true,
      );
    });

  it("walks with the real clock", async () => {
    const startedAt = performance.now();
    await at(30);
    // It may be a millisecond ahead.
    expect(performance.now() - startedAt).to.be.at.least(28);
  });

  it("jumps, with all that happens in the span, each at its time", async () => {
    const seen: number[] = [];
    const again = (): void => {
      seen.push(Math.round(world.nowMs / 1000));
      world.schedule(600_000, again, () => true);
    };
    world.schedule(600_000, again, () => true);
    await pump.jump(HOUR_MS - 1_000);
    expect(seen).to.deep.equal([600, 1200, 1800, 2400, 3000]);
    expect(world.nowMs).to.be.within(HOUR_MS - 1_000, HOUR_MS + 600_000);
  });

  it("runs while somebody is in a hurry, and walks again", async () => {
    const startedAt = performance.now();
    await pump.hurry(at(2_000));
    expect(performance.now() - startedAt).to.be.below(2_000);
    const walkedAt = performance.now();
    await at(20);
    expect(performance.now() - walkedAt).to.be.at.least(18);
  });

  it("comes to the next event also where every timer of the machine is late", async () => {
    let isOver = false;
    const busy = (): void => {
      const untilMs = performance.now() + 3;
      while (performance.now() < untilMs);
      if (!isOver) setImmediate(busy);
    };
    busy();
    expect(await pump.hurry(at(20_000), RUSH)).to.equal(20_000);
    isOver = true;
  });

  it("is in no hurry while the machine works for the world", async () => {
    work.begin();
    const ended = pump.hurry(at(20_000));
    // It walks slower than the real clock: what a slow disk takes is no time of the world's.
    const untilMs = performance.now() + 60;
    while (performance.now() < untilMs) await new Promise((resolve) => setImmediate(resolve));
    expect(world.nowMs).to.be.below(20);
    work.end();
    // Nobody wakes it but the end of the work.
    expect(await ended).to.equal(20_000);
  });

  it("runs nothing late where the machine stood still: time stands still with it", async () => {
    const due = Array.from({ length: 40 }, (_, slot) => 10 * (slot + 1));
    const ran = due.map((ms) => at(ms));
    const untilMs = performance.now() + 450;
    while (performance.now() < untilMs);
    for (const [slot, nowMs] of (await Promise.all(ran)).entries()) expect(nowMs).to.equal(due[slot]);
  });

  it("jumps past no work of the machine", async () => {
    const order: string[] = [];
    world.schedule(
      1_000,
      () => {
        work.begin();
        setImmediate(() => {
          order.push("work is done");
          work.end();
        });
      },
      () => true,
    );
    world.schedule(
      1_001,
      () => order.push("next event"),
      () => true,
    );
    await pump.jump(5_000);
    expect(order).to.deep.equal(["work is done", "next event"]);
  });

  it("hands what an event throws to who jumps", async () => {
    world.schedule(
      1_000,
      () => {
        throw new Error("a broker asserts");
      },
      () => true,
    );
    const failure = await pump.jump(5_000).catch((error: unknown) => error);
    expect(failure).to.be.instanceOf(Error).with.property("message", "a broker asserts");
  });

  it("brings the clock up to date before something comes from outside, and passes nothing that is due", async () => {
    void at(20);
    await new Promise((resolve) => setImmediate(resolve));
    const untilMs = performance.now() + 50;
    while (performance.now() < untilMs);
    pump.nudge();
    expect(world.nowMs).to.be.within(0, 20);
  });
});
