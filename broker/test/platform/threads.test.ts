import { expect } from "chai";
import fs from "node:fs";
import { FileDisk } from "../../src/platform/index.ts";
import { SyncRoom, syncsAtATime } from "../../src/platform/threads.ts";
import { makeTempDirectory, removeDirectory } from "./temp-directory.ts";

describe("syncs at a time", () => {
  it("leave a pool of Node's own size a thread, and a larger one four", () => {
    expect(syncsAtATime(undefined)).to.equal(3);
    expect(syncsAtATime("4")).to.equal(3);
    expect(syncsAtATime("16")).to.equal(12);
  });

  it("are bounded, whatever the variable says", () => {
    expect(syncsAtATime("1000000")).to.equal(16);
    expect(syncsAtATime("-1"), "as libuv takes it").to.equal(16);
  });

  it("are no more than threads, of which one is left where there are two", () => {
    for (const text of ["", "0", "many", "1", "2"]) expect(syncsAtATime(text), text).to.equal(1);
    expect(syncsAtATime("3")).to.equal(2);
    for (const text of ["4", "5", "6", "7"]) expect(syncsAtATime(text), text).to.equal(3);
  });

  it("have so much room together, whoever they are of", () => {
    const room = new SyncRoom(2);
    const begun: string[] = [];
    const leaves: (() => void)[] = [];
    for (const name of ["a", "b", "c", "d"])
      room.enter((leave) => {
        begun.push(name);
        leaves.push(leave);
      });
    expect(begun).to.deep.equal(["a", "b"]);
    leaves[1]?.();
    expect(begun).to.deep.equal(["a", "b", "c"]);
    leaves[0]?.();
    leaves[2]?.();
    leaves[3]?.();
    room.enter(() => begun.push("e"));
    room.enter(() => begun.push("f"));
    room.enter(() => begun.push("g"));
    expect(begun).to.deep.equal(["a", "b", "c", "d", "e", "f"]);
  });

  it("of several disks of a process have the pool of that process", async () => {
    const root = makeTempDirectory();
    const sync = fs.fdatasync;
    let runningCount = 0;
    let mostCount = 0;
    const counted = (descriptor: number, done: (error: NodeJS.ErrnoException | null) => void): void => {
      runningCount += 1;
      mostCount = Math.max(mostCount, runningCount);
      sync(descriptor, (error) => {
        runningCount -= 1;
        done(error);
      });
    };
    fs.fdatasync = counted as typeof fs.fdatasync;
    try {
      const files = Array.from({ length: 40 }, (_, slot) => new FileDisk().open(`${root}/${slot}`, "create"));
      await Promise.all(files.map((file) => new Promise((done) => file.datasync(done))));
      for (const file of files) file.closeSync();
    } finally {
      fs.fdatasync = sync;
      removeDirectory(root);
    }
    expect(mostCount).to.equal(new FileDisk().syncsAtATime);
  });

  it("are what the disk says", () => {
    expect(new FileDisk().syncsAtATime).to.equal(syncsAtATime(process.env["UV_THREADPOOL_SIZE"]));
  });
});
