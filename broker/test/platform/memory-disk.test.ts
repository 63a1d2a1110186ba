import { expect } from "chai";
import { MemoryDisk } from "../../src/platform/memory-disk.ts";
import { diskSuite, expectFault } from "../suites/disk-suite.ts";

diskSuite("MemoryDisk", () => {
  const disk = new MemoryDisk();
  disk.mkdir("/data");
  return { disk, root: "/data", advance: null, cleanUp: () => undefined };
});

describe("MemoryDisk", () => {
  const mebibyte = 1024 * 1024;

  it("writes what fits, then answers ENOSPC, and takes bytes again when room is made", () => {
    const disk = new MemoryDisk({ capacityBytes: 3 * mebibyte });
    const file = disk.open("/log", "create");
    const big = new Uint8Array(2 * mebibyte).fill(1);
    expect(file.writevSync([big], 0)).to.equal(2 * mebibyte);
    expect(file.writevSync([big], file.size)).to.equal(mebibyte);
    expect(disk.freeBytes("/")).to.equal(0);
    expectFault("ENOSPC", () => file.writevSync([big], file.size));
    expect(file.size).to.equal(3 * mebibyte);
    file.truncateSync(mebibyte);
    expect(disk.freeBytes("/")).to.equal(2 * mebibyte);
    expect(file.writevSync([big], file.size)).to.equal(2 * mebibyte);
    file.closeSync();
  });

  it("gives the room of a file back when its name and its last handle are gone", () => {
    const disk = new MemoryDisk({ capacityBytes: 4 * mebibyte });
    const file = disk.open("/log", "create");
    file.writevSync([new Uint8Array(2 * mebibyte)], 0);
    disk.unlink("/log");
    expect(disk.freeBytes("/")).to.equal(2 * mebibyte);
    file.closeSync();
    expect(disk.freeBytes("/")).to.equal(4 * mebibyte);
    disk.open("/a", "create").closeSync();
    disk.open("/b", "create").closeSync();
    disk.rename("/a", "/b");
    expect(disk.freeBytes("/")).to.equal(4 * mebibyte);
  });

  it("takes little for a little file", () => {
    const disk = new MemoryDisk();
    const before = disk.freeBytes("/");
    const file = disk.open("/index", "create");
    file.writevSync([new Uint8Array(12)], 0);
    expect(before - disk.freeBytes("/")).to.be.at.most(4096);
    file.closeSync();
  });

  it("starts with 512 MiB", () => {
    expect(new MemoryDisk().freeBytes("/")).to.equal(512 * mebibyte);
  });
});
