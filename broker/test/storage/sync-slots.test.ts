import { expect } from "chai";
import { SeededRandom } from "../../src/base/index.ts";
import { SimWorld } from "../../src/sim/index.ts";
import type { Clock } from "../../src/ports/index.ts";
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

  it("tell how the disk keeps up: what runs now, and the last minute, not what was before (15.6)", () => {
    let now = 0;
    const slots = new SyncSlots({ monotonicNow: () => now, wallNow: () => now } as unknown as Clock, 2);
    const releases: (() => void)[] = [];
    const begin = (): void => slots.run((release) => void releases.push(release));
    begin();
    now = 400;
    expect(slots.pace).to.deep.equal({ count: 0, meanMs: 0, worstMs: 0, runningMs: 400 });
    releases.shift()?.();
    begin();
    now = 500;
    releases.shift()?.();
    expect(slots.pace).to.deep.equal({ count: 2, meanMs: 250, worstMs: 400, runningMs: 0 });
    now += 61_000;
    expect(slots.pace).to.deep.equal({ count: 0, meanMs: 0, worstMs: 0, runningMs: 0 });
  });
});
