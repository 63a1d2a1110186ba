import { expect } from "chai";
import { asMs } from "../../src/base/index.ts";
import { Slices } from "../../src/runtime/slices.ts";

/** A loop whose time passes only while somebody works. */
function bench(): { slices: Slices; log: string[]; work: (name: string, ms: number) => Promise<void> } {
  let now = 0;
  const log: string[] = [];
  const slices = new Slices({
    clock: { wallNow: () => asMs(now), monotonicNow: () => asMs(now) },
    timers: {
      after: () => ({ cancel: () => undefined }),
      endOfTurn: () => undefined,
      yieldTurn: async () => {
        log.push("|");
        await new Promise((resolve) => setImmediate(resolve));
      },
    },
  });
  const work = async (name: string, ms: number): Promise<void> => {
    await slices.turn();
    log.push(name);
    now += ms;
  };
  return { slices, log, work };
}

describe("Slices", () => {
  it("do what is short in one turn, and let the loop go after each slice of what is long, in order", async () => {
    const { log, work } = bench();
    const pieces = [work("a", 0), work("b", 1), work("c", 1), work("d", 50), work("e", 1)];
    await Promise.all(pieces);
    expect(log.join("")).to.equal("abc|d|e");
  });

  it("take what comes while a slice is under way behind what waits", async () => {
    const { log, work } = bench();
    const later: Promise<void>[] = [];
    const first = work("a", 5).then(() => later.push(work("d", 1)));
    await Promise.all([first, work("b", 5), work("c", 0)]);
    await Promise.all(later);
    expect(log.join("")).to.equal("a|b|cd");
  });

  it("begin again after they came to an end", async () => {
    const { log, work } = bench();
    await work("a", 0);
    await new Promise((resolve) => setImmediate(resolve));
    await work("b", 0);
    expect(log.join("")).to.equal("ab");
  });
});
