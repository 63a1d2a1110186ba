import { expect } from "chai";
import fc from "fast-check";
import { MemoryDisk } from "../../src/platform/memory-disk.ts";
import { OverlayDisk } from "../../src/platform/overlay-disk.ts";
import type { Disk } from "../../src/ports/index.ts";
import { diskSuite } from "../suites/disk-suite.ts";

diskSuite("OverlayDisk", () => {
  const below = new MemoryDisk();
  below.mkdir("/data");
  return { disk: new OverlayDisk(below, "/data"), root: "/data", advance: null, cleanUp: () => undefined };
});

function put(disk: Disk, path: string, bytes: Uint8Array): void {
  const file = disk.open(path, "create");
  if (bytes.length > 0) file.writevSync([bytes], 0);
  if (file.size > bytes.length) file.truncateSync(bytes.length);
  file.closeSync();
}

function get(disk: Disk, path: string): Buffer {
  const file = disk.open(path, "read");
  const bytes = Buffer.alloc(file.size);
  file.readSync(bytes, 0);
  file.closeSync();
  return bytes;
}

describe("OverlayDisk", () => {
  function stacked(): { below: MemoryDisk; disk: OverlayDisk } {
    const below = new MemoryDisk();
    below.mkdir("/d");
    below.mkdir("/d/t-0");
    put(below, "/d/t-0/a.log", Buffer.alloc(200_000, 1));
    put(below, "/d/t-0/b.log", Buffer.from("bbbb"));
    put(below, "/d/point", Buffer.from("point"));
    return { below, disk: new OverlayDisk(below, "/d") };
  }

  it("shows what is below, and tells nothing as long as nothing changed", () => {
    const { disk } = stacked();
    expect(disk.list("/d").sort()).to.deep.equal(["point", "t-0"]);
    expect(get(disk, "/d/t-0/b.log").toString()).to.equal("bbbb");
    put(disk, "/d/point", Buffer.from("point"));
    expect(disk.changes()).to.deep.equal([]);
  });

  it("tells what was cut, made, removed, renamed and written anew, and leaves the disk below as it was", () => {
    const { below, disk } = stacked();
    const file = disk.open("/d/t-0/a.log", "write");
    file.truncateSync(150_000);
    file.closeSync();
    disk.unlink("/d/t-0/b.log");
    put(disk, "/d/t-0/a.index", Buffer.alloc(16));
    put(disk, "/d/point.tmp", Buffer.from("other"));
    disk.rename("/d/point.tmp", "/d/point");
    disk.rename("/d/t-0", "/d/t-0-stray");
    expect(disk.changes()).to.deep.equal([
      { kind: "rewritten", path: "/d/point", bytesBefore: 5, bytesAfter: 5 },
      { kind: "renamed", path: "/d/t-0-stray", from: "/d/t-0" },
      { kind: "created", path: "/d/t-0-stray/a.index", bytes: 16 },
      { kind: "cut", path: "/d/t-0-stray/a.log", bytesBefore: 200_000, bytesAfter: 150_000 },
      { kind: "removed", path: "/d/t-0-stray/b.log", bytes: 4 },
    ]);
    expect(below.list("/d").sort()).to.deep.equal(["point", "t-0"]);
    expect(get(below, "/d/point").toString()).to.equal("point");
    expect(get(below, "/d/t-0/a.log")).to.have.lengthOf(200_000);
    expect(get(below, "/d/t-0/b.log").toString()).to.equal("bbbb");
  });

  it("costs nothing for bytes that are written again, and reads zeros where a cut file grew", () => {
    const { disk } = stacked();
    const file = disk.open("/d/t-0/a.log", "write");
    file.writevSync([Buffer.alloc(200_000, 1)], 0);
    expect(disk.changes()).to.deep.equal([]);
    file.truncateSync(10);
    file.writevSync([Buffer.from("x")], 100_000);
    const bytes = Buffer.alloc(100_001, 9);
    expect(file.readSync(bytes, 0)).to.equal(100_001);
    expect(bytes.subarray(0, 10)).to.deep.equal(Buffer.alloc(10, 1));
    expect(bytes.subarray(10, 100_000)).to.deep.equal(Buffer.alloc(99_990));
    expect(bytes.at(-1)).to.equal("x".charCodeAt(0));
    file.closeSync();
  });

  it("reads as a file would that was really written, over whatever stands below", () => {
    const step = fc.oneof(
      fc.record({
        kind: fc.constant("write" as const),
        at: fc.nat(200_000),
        length: fc.integer({ min: 1, max: 150_000 }),
        fill: fc.nat(255),
      }),
      fc.record({
        kind: fc.constant("cut" as const),
        at: fc.nat(200_000),
        length: fc.constant(0),
        fill: fc.constant(0),
      }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 8 }), (steps) => {
        const { disk } = stacked();
        const plain = new MemoryDisk();
        put(plain, "/a.log", Buffer.alloc(200_000, 1));
        const files = [disk.open("/d/t-0/a.log", "write"), plain.open("/a.log", "write")];
        for (const { kind, at, length, fill } of steps) {
          for (const file of files) {
            if (kind === "write") file.writevSync([Buffer.alloc(length, fill)], Math.min(at, file.size));
            else file.truncateSync(Math.min(at, file.size));
          }
        }
        const [left, right] = files.map((file) => {
          const bytes = Buffer.alloc(file.size);
          file.readSync(bytes, 0);
          file.closeSync();
          return bytes;
        });
        return left !== undefined && right !== undefined && left.equals(right);
      }),
      { numRuns: 60 },
    );
  });
});
