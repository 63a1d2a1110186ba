import { expect } from "chai";
import { asMs, SeededRandom } from "../../src/base/index.ts";
import { Purgatory } from "../../src/runtime/index.ts";
import { ReadyWait } from "../../src/runtime/ready-wait.ts";
import { ReadyWaits } from "../../src/runtime/ready-waits.ts";
import { SimWorld } from "../../src/sim/index.ts";

describe("ReadyWait", () => {
  function waitFor(count: number): {
    ready: Set<number>;
    wait: ReadyWait;
    ended: (readonly number[])[];
    looks: () => number;
  } {
    const ready = new Set<number>();
    const ended: (readonly number[])[] = [];
    let looks = 0;
    const wait = new ReadyWait({
      deadline: asMs(0),
      missing: () => {
        looks++;
        return Array.from({ length: count }, (_, partition) => partition).filter((partition) => !ready.has(partition));
      },
      isMissing: (partition) => !ready.has(partition),
      onEnd: (missing) => ended.push(missing),
    });
    return { ready, wait, ended, looks: () => looks };
  }

  it("ends when the last partition is ready, without a look at all of them for each", () => {
    const { ready, wait, ended, looks } = waitFor(1_000);
    for (let partition = 0; partition < 1_000; partition++) {
      expect(wait.check()).to.equal(false);
      ready.add(partition);
    }
    expect(wait.check()).to.equal(true);
    expect(ended).to.deep.equal([[]]);
    expect(looks()).to.be.below(10);
  });

  it("ends in whatever order they become ready", () => {
    const { ready, wait, ended } = waitFor(4);
    for (const partition of [3, 0, 2, 1]) {
      expect(wait.check()).to.equal(false);
      ready.add(partition);
    }
    expect(wait.check()).to.equal(true);
    expect(ended).to.deep.equal([[]]);
  });

  it("names what is missing when its time is over", () => {
    const { ready, wait, ended } = waitFor(3);
    ready.add(1);
    wait.check();
    wait.onDeadline();
    expect(ended).to.deep.equal([[0, 2]]);
  });
});

describe("ReadyWaits", () => {
  it("keep nobody once all have been ended, whenever they come", async () => {
    const process = new SimWorld(new SeededRandom(1)).startProcess();
    const purgatory = new Purgatory({ clock: process, timers: process });
    const waits = new ReadyWaits({ clock: process, purgatory, missingOf: () => [1, 2], isMissing: () => true });
    const topic = { name: "tide", topicId: "id" };
    const before = waits.add(topic, 30_000, 0);
    expect(purgatory.count).to.equal(1);
    waits.endAll();
    const after = waits.add(topic, 30_000, 0);
    expect(purgatory.count).to.equal(0);
    expect(await Promise.all([before, after])).to.deep.equal([
      [1, 2],
      [1, 2],
    ]);
  });
});
