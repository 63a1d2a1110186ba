import { expect } from "chai";
import { WritePace } from "../../src/storage/write-pace.ts";

describe("WritePace", () => {
  it("stays on the loop while writes are fast, whatever one of them takes below a few ms", () => {
    const pace = new WritePace();
    for (let i = 0; i < 100; i += 1) pace.wroteOnLoop(i % 10 === 0 ? 2 : 0.05);
    expect(pace.isSlow).to.equal(false);
  });

  it("leaves the loop after one write that was held up, and after a row of slow ones", () => {
    const stalled = new WritePace();
    stalled.wroteOnLoop(20);
    expect(stalled.isSlow).to.equal(true);
    const slow = new WritePace();
    for (let i = 0; i < 10; i += 1) slow.wroteOnLoop(1.5);
    expect(slow.isSlow).to.equal(true);
  });

  it("comes back when writes off the loop have become fast", () => {
    const pace = new WritePace();
    pace.wroteOnLoop(20);
    let writes = 0;
    while (pace.isSlow && writes < 100) {
      pace.wroteOffLoop(0.1);
      writes += 1;
    }
    expect(writes).to.be.within(2, 10);
    // The next stall is noticed as the first was.
    pace.wroteOnLoop(20);
    expect(pace.isSlow).to.equal(true);
  });

  it("tries the loop now and then when it may be the loop itself that is slow, and stays off it while the disk stalls", () => {
    const busy = new WritePace();
    busy.wroteOnLoop(20);
    let writes = 0;
    while (busy.isSlow && writes < 1000) {
      busy.wroteOffLoop(5);
      writes += 1;
    }
    expect(writes).to.be.within(10, 100);
    busy.wroteOnLoop(0.05);
    expect(busy.isSlow).to.equal(false);

    const stalling = new WritePace();
    stalling.wroteOnLoop(20);
    for (let i = 0; i < 1000; i += 1) {
      stalling.wroteOffLoop(i % 10 === 0 ? 100 : 5);
      expect(stalling.isSlow).to.equal(true);
    }
  });
});
