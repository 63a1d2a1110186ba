import { expect } from "chai";
import { SeededRandom } from "../../src/base/index.ts";
import { SimWorld } from "../../src/sim/index.ts";
import { SyncSlots } from "../../src/storage/sync-slots.ts";

describe("sync slots", () => {
  const slotsOf = (count: number): SyncSlots => new SyncSlots(new SimWorld(new SeededRandom(1)).startProcess(), count);

  it("are given first come, first served, and no more than there are", () => {
    const slots = slotsOf(2);
    const releases: (() => void)[] = [];
    const begun: number[] = [];
    for (let task = 0; task < 5; task += 1) {
      slots.run((release) => {
        begun.push(task);
        releases.push(release);
      });
    }
    expect(begun).to.deep.equal([0, 1]);
    releases[1]?.();
    expect(begun).to.deep.equal([0, 1, 2]);
    releases[0]?.();
    releases[2]?.();
    expect(begun).to.deep.equal([0, 1, 2, 3, 4]);
  });

  it("hand on to any number of tasks that end in their own call, as those of ten thousand logs do once a sync has failed", () => {
    const slots = slotsOf(1);
    let releaseFirst = (): void => undefined;
    slots.run((release) => {
      releaseFirst = release;
    });
    let ended = 0;
    for (let task = 0; task < 20_000; task += 1) {
      slots.run((release) => {
        release();
        ended += 1;
      });
    }
    releaseFirst();
    expect(ended).to.equal(20_000);
  });

  it("go on behind a task that throws", () => {
    const slots = slotsOf(2);
    expect(() =>
      slots.run(() => {
        throw new Error("a broken invariant");
      }),
    ).to.throw("a broken invariant");
    let hasBegun = false;
    slots.run(() => {
      hasBegun = true;
    });
    expect(hasBegun).to.equal(true);
  });
});
