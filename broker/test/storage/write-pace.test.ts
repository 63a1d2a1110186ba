import { expect } from "chai";
import { WritePace } from "../../src/storage/write-pace.ts";

const SMALL = 4096;
const MEBIBYTE = 1024 * 1024;

/** Writes off the loop, each of them 5 ms, until one on it is risked. */
function writesUntilTrial(pace: WritePace): number {
  let writes = 0;
  while (pace.isSlow && writes < 10_000) {
    pace.wroteOffLoop(5, SMALL);
    writes += 1;
  }
  return writes;
}

describe("WritePace", () => {
  it("stays on the loop while writes are fast, whatever one of them takes below a few ms", () => {
    const pace = new WritePace();
    for (let i = 0; i < 100; i += 1) pace.wroteOnLoop(i % 10 === 0 ? 2 : 0.05, SMALL);
    expect(pace.isSlow).to.equal(false);
  });

  it("stays on the loop with writes of megabytes that take no longer than their copy, and with a hiccup now and then", () => {
    const pace = new WritePace();
    for (let i = 0; i < 1_000; i += 1) {
      pace.wroteOnLoop(i % 40 === 0 ? 10 : 1.8, 2 * MEBIBYTE);
      expect(pace.isSlow).to.equal(false);
    }
  });

  it("leaves the loop when megabytes take longer than their copy", () => {
    const pace = new WritePace();
    for (let i = 0; i < 20; i += 1) pace.wroteOnLoop(10, 2 * MEBIBYTE);
    expect(pace.isSlow).to.equal(true);
  });

  it("leaves the loop after one write that was held up, and after a row of slow ones", () => {
    const stalled = new WritePace();
    stalled.wroteOnLoop(20, SMALL);
    expect(stalled.isSlow).to.equal(true);
    const slow = new WritePace();
    for (let i = 0; i < 20; i += 1) slow.wroteOnLoop(1.5, SMALL);
    expect(slow.isSlow).to.equal(true);
  });

  it("comes back when writes off the loop have become fast", () => {
    const pace = new WritePace();
    pace.wroteOnLoop(20, SMALL);
    let writes = 0;
    while (pace.isSlow && writes < 100) {
      pace.wroteOffLoop(0.1, SMALL);
      writes += 1;
    }
    expect(writes).to.be.within(2, 10);
    // The next stall is noticed as the first was.
    pace.wroteOnLoop(20, SMALL);
    expect(pace.isSlow).to.equal(true);
  });

  it("tries the loop now and then when it may be the loop itself that is slow, and stays off it while the disk stalls", () => {
    const busy = new WritePace();
    busy.wroteOnLoop(20, SMALL);
    expect(writesUntilTrial(busy)).to.be.within(10, 100);
    busy.wroteOnLoop(0.05, SMALL);
    expect(busy.isSlow).to.equal(false);

    const stalling = new WritePace();
    stalling.wroteOnLoop(20, SMALL);
    for (let i = 0; i < 1000; i += 1) {
      stalling.wroteOffLoop(i % 10 === 0 ? 100 : 5, SMALL);
      expect(stalling.isSlow).to.equal(true);
    }
  });

  it("tries more and more rarely while that is wrong, and as often as at first once it was right", () => {
    const pace = new WritePace();
    pace.wroteOnLoop(20, SMALL);
    const rows = Array.from({ length: 8 }, () => {
      const writes = writesUntilTrial(pace);
      pace.wroteOnLoop(20, SMALL);
      return writes;
    });
    expect(rows).to.deep.equal([16, 32, 64, 128, 256, 512, 512, 512]);
    writesUntilTrial(pace);
    for (let i = 0; i < 100; i += 1) pace.wroteOnLoop(0.05, SMALL);
    pace.wroteOnLoop(20, SMALL);
    expect(writesUntilTrial(pace)).to.equal(16);
  });
});
