/** A leader is gone when two dials in a row find nobody at his address; each leader is asked after on his own account (10.4(6)). */
import { expect } from "chai";
import { SeededRandom } from "../../../src/base/index.ts";
import type { PeerAddress } from "../../../src/ports/index.ts";
import { LeaderWatch } from "../../../src/runtime/cluster/index.ts";
import { SimWorld } from "../../../src/sim/index.ts";

const FENCE_MS = 50;
const addressOf = (nodeId: number): PeerAddress => ({ nodeId, host: "sim", port: nodeId });

class Bench {
  readonly world = new SimWorld(new SeededRandom(1));
  /** Nobody listens there. */
  readonly refused = new Set<number>();
  /** Their dials never end. */
  readonly silent = new Set<number>();
  readonly lose = new Map<number, () => void>();
  gone = 0;
  dials = 0;
  readonly watch = new LeaderWatch({
    transport: {
      watchControl: ({ nodeId }, onLost) => {
        this.lose.set(nodeId, onLost);
        return () => void this.lose.delete(nodeId);
      },
      isRefused: ({ nodeId }) => {
        this.dials += 1;
        return this.silent.has(nodeId) ? new Promise(() => undefined) : Promise.resolve(this.refused.has(nodeId));
      },
    },
    timers: this.world.startProcess(),
    fenceMs: () => FENCE_MS,
    onGone: () => void (this.gone += 1),
  });
}

describe("LeaderWatch", () => {
  it("says that a leader is gone when two dials were refused, the fence time apart", async () => {
    const bench = new Bench();
    bench.watch.follow(addressOf(1));
    bench.refused.add(1);
    bench.lose.get(1)?.();
    await bench.world.runFor(FENCE_MS - 1);
    expect(bench.gone).to.equal(0);
    await bench.world.runFor(2);
    expect(bench.gone).to.equal(1);
  });

  it("takes a lost connection alone for nothing, nor one refusal", async () => {
    const bench = new Bench();
    bench.watch.follow(addressOf(1));
    bench.lose.get(1)?.();
    await bench.world.runFor(10 * FENCE_MS);
    bench.refused.add(1);
    bench.lose.get(1)?.();
    await bench.world.runFor(FENCE_MS / 2);
    bench.refused.delete(1);
    await bench.world.runFor(10 * FENCE_MS);
    expect(bench.gone).to.equal(0);
  });

  it("asks after the next leader at once while the one before is still being dialled", async () => {
    const bench = new Bench();
    bench.watch.follow(addressOf(1));
    bench.silent.add(1);
    bench.lose.get(1)?.();
    await bench.world.runFor(1);
    bench.watch.follow(addressOf(2));
    bench.refused.add(2);
    bench.lose.get(2)?.();
    await bench.world.runFor(FENCE_MS + 2);
    expect(bench.gone).to.equal(1);
  });

  it("says nothing of one who does not lead any more", async () => {
    const bench = new Bench();
    bench.watch.follow(addressOf(1));
    bench.refused.add(1);
    bench.lose.get(1)?.();
    await bench.world.runFor(FENCE_MS / 2);
    bench.watch.follow(addressOf(2));
    await bench.world.runFor(10 * FENCE_MS);
    expect(bench.gone).to.equal(0);
  });

  it("asks again where the connection was lost once more while it asked", async () => {
    const bench = new Bench();
    bench.watch.follow(addressOf(1));
    bench.lose.get(1)?.();
    // The first dial still found somebody; this is not known yet.
    bench.refused.add(1);
    bench.lose.get(1)?.();
    await bench.world.runFor(FENCE_MS + 2);
    expect(bench.gone).to.equal(1);
  });

  it("tells of two leaders that die one after the other, and of one that dies twice", async () => {
    const bench = new Bench();
    for (const [slot, nodeId] of [1, 2, 1].entries()) {
      bench.watch.follow(addressOf(nodeId));
      bench.refused.add(nodeId);
      bench.lose.get(nodeId)?.();
      await bench.world.runFor(FENCE_MS + 2);
      expect(bench.gone, `leader ${nodeId}`).to.equal(slot + 1);
      bench.watch.follow(null);
      bench.refused.delete(nodeId);
    }
  });

  it("watches anew where the leader stands at another address", async () => {
    const bench = new Bench();
    bench.watch.follow(addressOf(1));
    bench.refused.add(1);
    bench.lose.get(1)?.();
    await bench.world.runFor(FENCE_MS / 2);
    bench.watch.follow({ ...addressOf(1), port: 99 });
    await bench.world.runFor(10 * FENCE_MS);
    expect(bench.gone, "nobody has asked there").to.equal(0);
    bench.lose.get(1)?.();
    await bench.world.runFor(FENCE_MS + 2);
    expect(bench.gone).to.equal(1);
  });

  it("stops in the middle: no second dial, no word, nobody is watched", async () => {
    const bench = new Bench();
    bench.watch.follow(addressOf(1));
    bench.refused.add(1);
    bench.lose.get(1)?.();
    await bench.world.runFor(FENCE_MS / 2);
    bench.watch.follow(null);
    await bench.world.runFor(10 * FENCE_MS);
    expect([bench.dials, bench.gone, bench.lose.size]).to.deep.equal([1, 0, 0]);
  });
});
