import { expect } from "chai";
import { SeededRandom } from "../../src/base/index.ts";
import { SimWorld } from "../../src/sim/index.ts";

describe("SimWorld", () => {
  it("runs events in order of time and moves both clocks with them", async () => {
    const world = new SimWorld(new SeededRandom(1));
    const process = world.startProcess();
    const wallStart = process.wallNow();
    const seen: string[] = [];
    process.after(20, () => seen.push(`b ${process.monotonicNow()} ${process.wallNow() - wallStart}`));
    process.after(5, () => seen.push(`a ${process.monotonicNow()} ${process.wallNow() - wallStart}`));
    await world.runUntilIdle();
    expect(seen).to.deep.equal(["a 5 5", "b 20 20"]);
  });

  it("orders events of one moment by the seed", async () => {
    const order = async (seed: number): Promise<string> => {
      const world = new SimWorld(new SeededRandom(seed));
      const process = world.startProcess();
      let seen = "";
      for (const letter of "abcd") process.after(1, () => (seen += letter));
      await world.runUntilIdle();
      return seen;
    };
    expect(await order(5)).to.equal(await order(5));
    const orders = new Set<string>();
    for (let seed = 0; seed < 30; seed++) orders.add(await order(seed));
    expect(orders.size).to.be.greaterThan(10);
  });

  it("lets every promise reaction of an event finish before the next one", async () => {
    const world = new SimWorld(new SeededRandom(2));
    const process = world.startProcess();
    const seen: string[] = [];
    const longChain = async (): Promise<void> => {
      for (let hop = 0; hop < 100; hop++) await Promise.resolve();
      seen.push("chain");
    };
    process.after(1, () => void longChain());
    process.after(2, () => seen.push("next"));
    await world.runUntilIdle();
    expect(seen).to.deep.equal(["chain", "next"]);
  });

  it("takes the same steps without a turn of the real loop for each, and looks behind each", async () => {
    const stepsOf = async (goesOn: (world: SimWorld, look: () => void) => Promise<unknown>): Promise<string[]> => {
      const world = new SimWorld(new SeededRandom(7));
      const process = world.startProcess();
      const random = new SeededRandom(8);
      const seen: string[] = [];
      const act = async (depth: number, name: string): Promise<void> => {
        seen.push(name);
        for (let hop = random.below(5); hop > 0; hop--) await Promise.resolve();
        seen.push(`${name} later`);
        if (random.chance(0.5))
          process.endOfTurn(() => void Promise.resolve().then(() => seen.push(`${name} at the end`)));
        if (depth === 0) return;
        for (const part of "ab") process.after(random.below(4), () => void act(depth - 1, name + part));
      };
      process.after(1, () => void act(5, "."));
      await goesOn(world, () => seen.push(`looked at ${world.nowMs}`));
      return seen;
    };
    const one = await stepsOf(async (world, look) => {
      while (await world.step(8)) look();
    });
    const other = await stepsOf((world, look) =>
      world.run(
        () => 8,
        () => {
          look();
          return false;
        },
      ),
    );
    expect(other).to.deep.equal(one);
    expect(one.length).to.be.above(100);
  });

  it("ends such a run when it is told to, when nothing is due, and with what the look throws", async () => {
    const world = new SimWorld(new SeededRandom(9));
    const process = world.startProcess();
    for (const delayMs of [1, 2, 3, 4]) process.after(delayMs, () => undefined);
    expect(
      await world.run(
        () => 10,
        () => world.nowMs === 2,
      ),
    ).to.equal(true);
    expect(world.nowMs).to.equal(2);
    expect(
      await world.run(
        () => 3,
        () => false,
      ),
    ).to.equal(false);
    expect(world.nowMs).to.equal(3);
    const thrown = await world
      .run(
        () => 10,
        () => {
          throw new Error("seen");
        },
      )
      .catch((error: unknown) => (error as Error).message);
    expect(thrown).to.equal("seen");
  });

  it("runs the end of a turn after the event's reactions and before the next event", async () => {
    const world = new SimWorld(new SeededRandom(3));
    const process = world.startProcess();
    const seen: string[] = [];
    process.after(1, () => {
      process.endOfTurn(() => {
        seen.push("end");
        process.endOfTurn(() => seen.push("end of the turn after"));
      });
      void Promise.resolve().then(() => seen.push("reaction"));
    });
    process.after(2, () => seen.push("next"));
    await world.runUntilIdle();
    expect(seen).to.deep.equal(["reaction", "end", "end of the turn after", "next"]);
  });

  it("does not run a cancelled timer, nor any of a dead process", async () => {
    const world = new SimWorld(new SeededRandom(4));
    const process = world.startProcess();
    const other = world.startProcess();
    const seen: string[] = [];
    process.after(1, () => seen.push("cancelled")).cancel();
    process.after(2, () => {
      process.kill();
    });
    process.after(3, () => seen.push("dead"));
    void process.sleep(3).then(() => seen.push("dead"));
    other.after(4, () => seen.push("other"));
    await world.runUntilIdle();
    expect(seen).to.deep.equal(["other"]);
    expect(world.nowMs).to.equal(4);
  });

  it("comes to a deadline of a clock that drifts, however little of it is left", async () => {
    // Of each the rest became less than the last digit of the world's time, and was waited for again and again.
    for (const slot of [449, 458, 464]) {
      const world = new SimWorld(new SeededRandom(1));
      const process = world.startProcess();
      process.drift(0.99);
      process.after(16_000 + slot / 7, () => process.drift(1.003));
      await world.runUntilIdle();
      const deadlineMs = process.monotonicNow() + 10 + slot / 3;
      let looks = 0;
      const look = (): void => {
        const leftMs = deadlineMs - process.monotonicNow();
        if (leftMs > 0 && ++looks < 100) process.after(leftMs, look);
      };
      look();
      await world.runUntilIdle();
      expect(looks, `slot ${slot}`).to.be.lessThan(5);
    }
  });

  it("runs for a span and stops with its clock at the end of it", async () => {
    const world = new SimWorld(new SeededRandom(5));
    const process = world.startProcess();
    let ticks = 0;
    const tick = (): void => {
      ticks += 1;
      process.after(10, tick);
    };
    tick();
    await world.runFor(35);
    expect(ticks).to.equal(4);
    expect(world.nowMs).to.equal(35);
  });

  it("goes on, however little of a deadline is left", async () => {
    const world = new SimWorld(new SeededRandom(6));
    const process = world.startProcess();
    world.advanceTo(16_393.07);
    process.drift(1.01);
    const deadline = process.monotonicNow() + 1e-12;
    let looks = 0;
    const look = (): void => {
      looks += 1;
      if (process.monotonicNow() < deadline && looks < 10) process.after(1e-12, look);
    };
    process.after(1e-12, look);
    await world.runUntilIdle();
    expect([looks, world.nowMs > 16_393.07]).to.deep.equal([1, true]);
  });

  it("folds what is noted into a hash that tells runs apart", () => {
    const hash = (second: number): string => {
      const world = new SimWorld(new SeededRandom(6));
      world.note("write", "/data/a", 0, 5);
      world.note("write", "/data/a", 5, second);
      return world.trace.hash;
    };
    expect(hash(1)).to.equal(hash(1));
    expect(hash(1)).to.not.equal(hash(2));
  });
});
