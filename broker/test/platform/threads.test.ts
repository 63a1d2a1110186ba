import { expect } from "chai";
import { FileDisk } from "../../src/platform/index.ts";
import { syncsAtATime } from "../../src/platform/threads.ts";

describe("syncs at a time", () => {
  it("leave a pool of Node's own size a thread, and a larger one four", () => {
    expect(syncsAtATime(undefined)).to.equal(3);
    expect(syncsAtATime("4")).to.equal(3);
    expect(syncsAtATime("16")).to.equal(12);
  });

  it("are bounded, whatever the variable says", () => {
    expect(syncsAtATime("1000000")).to.equal(16);
    for (const text of ["", "0", "-1", "many"]) expect(syncsAtATime(text), text).to.equal(3);
  });

  it("are what the disk says", () => {
    expect(new FileDisk().syncsAtATime).to.equal(syncsAtATime(process.env["UV_THREADPOOL_SIZE"]));
  });
});
