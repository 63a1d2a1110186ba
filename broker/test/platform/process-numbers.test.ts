import { expect } from "chai";
import { processNumbers, watchEventLoop } from "../../src/platform/index.ts";
import { LogBook } from "../listeners/http/fixtures.ts";

/** Resolves when a sampler of the event loop has come round after this call. */
async function untilSampled(count: number): Promise<void> {
  while (processNumbers().loopDelays().count < count) await new Promise((resolve) => setTimeout(resolve, 20));
}

function block(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end; );
}

describe("numbers of the process", () => {
  it("count CPU time from its start, whenever they are first asked", () => {
    const { user, system } = processNumbers().cpu();
    const { user: userMicros, system: systemMicros } = process.cpuUsage();
    expect(Math.round((user + system) * 1e6)).to.be.within(50_000, userMicros + systemMicros);
  });

  it("see a held up event loop, tell it once it is long, and stop with the last watcher", async () => {
    const book = new LogBook();
    const unwatch = watchEventLoop(book, 150);
    const other = watchEventLoop(new LogBook(), 0);
    const before = processNumbers().loopDelays();
    // The loop must be held up when the timer is due, which a busy machine may have brought forward.
    while (book.lines.length === 0) {
      await untilSampled(before.count + 1);
      block(400);
      await untilSampled(before.count + 1);
    }
    unwatch();
    other();
    const [line] = book.lines;
    expect(line).to.deep.include({ level: "warn", message: "the event loop was held up" });
    expect(line?.fields?.["delayMs"]).to.be.above(149);
    expect(before.sum).to.be.above(0.15);
    const count = before.count;
    // A sampler that still ran would be due at the next turn of the loop.
    block(150);
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    expect(before.count).to.equal(count);
  });

  it("give idleness as a share, and rates only when time has passed", () => {
    expect(processNumbers().idleShare()).to.be.within(0, 1);
    const name = "of this test";
    expect(processNumbers().rateOf(name, 5) ?? 0).to.equal(0);
    block(5);
    expect(processNumbers().rateOf(name, 15)).to.be.within(1, 3000);
  });
});
