import { expect } from "chai";
import { asMs } from "../../src/base/index.ts";
import { ReadyWait } from "../../src/runtime/ready-wait.ts";

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
