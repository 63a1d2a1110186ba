/**
 * The contract of the Disk port that holds on every disk, full stop: names, bytes, callbacks, assertions. What a crash
 * leaves is the simulated disk's own test; what a full disk does is asked of those that can be made small.
 *
 * `advance` lets work off the event loop finish on a disk whose time is virtual; real ones need nothing.
 */
import { AssertionError } from "node:assert";
import { expect } from "chai";
import fc from "fast-check";
import { DiskFault } from "../../src/ports/index.ts";
import type { Disk, DiskFaultKind, File } from "../../src/ports/index.ts";

export interface DiskUnderTest {
  readonly disk: Disk;
  /** An empty directory of this disk, without a slash at the end. */
  readonly root: string;
  readonly advance: (() => Promise<void>) | null;
  cleanUp(): void;
}

export function diskSuite(name: string, create: () => DiskUnderTest): void {
  describe(`${name} keeps the contract of a disk`, () => {
    let under: DiskUnderTest;
    let disk: Disk;
    const at = (path: string): string => `${under.root}/${path}`;

    beforeEach(() => {
      under = create();
      disk = under.disk;
    });
    afterEach(() => {
      under.cleanUp();
    });

    /** Starts one operation off the loop and waits for its callback. */
    async function outcome<T>(
      start: (done: (fault: DiskFault | null, value?: T) => void) => void,
    ): Promise<T | undefined> {
      let isInCall = true;
      const ended = new Promise<T | undefined>((resolve, reject) => {
        start((fault, value) => {
          if (isInCall) reject(new Error("the callback ran inside the call"));
          else if (fault === null) resolve(value);
          else reject(fault);
        });
      });
      isInCall = false;
      await under.advance?.();
      return ended;
    }

    const write = (file: File, buffers: Uint8Array[], position: number) =>
      outcome<number>((done) => {
        file.writev(buffers, position, done);
      });
    const read = (file: File, into: Uint8Array, position: number) =>
      outcome<number>((done) => {
        file.read(into, position, done);
      });
    const datasync = (file: File) =>
      outcome((done) => {
        file.datasync(done);
      });
    const syncDirectory = (path: string) =>
      outcome((done) => {
        disk.syncDirectory(path, done);
      });

    function contentOf(path: string): string {
      const file = disk.open(path, "read");
      const bytes = new Uint8Array(file.size);
      expect(file.readSync(bytes, 0)).to.equal(file.size);
      file.closeSync();
      return text(bytes);
    }

    function put(path: string, content: string): void {
      const file = disk.open(path, "create");
      file.writevSync([bytesOf(content)], 0);
      file.closeSync();
    }

    describe("opening", () => {
      it("makes a file in mode create and keeps one that is there", () => {
        put(at("a"), "one");
        const again = disk.open(at("a"), "create");
        expect(again.size).to.equal(3);
        expect(again.path).to.equal(at("a"));
        again.closeSync();
        expect(contentOf(at("a"))).to.equal("one");
      });

      it("refuses what is absent in modes read and write", () => {
        expectFault("ENOENT", () => disk.open(at("absent"), "read"));
        expectFault("ENOENT", () => disk.open(at("absent"), "write"));
        expectFault("ENOENT", () => disk.open(at("absent/child"), "create"));
        expect(disk.sizeOf(at("absent"))).to.equal(null);
      });

      it("refuses a directory, and a file on the way", () => {
        disk.mkdir(at("d"));
        put(at("f"), "x");
        for (const mode of ["read", "write", "create"] as const) expectFault("other", () => disk.open(at("d"), mode));
        expectFault("other", () => disk.open(at("f/child"), "create"));
      });

      it("names operation and path in a fault", () => {
        const fault = expectFault("ENOENT", () => disk.open(at("absent"), "read"));
        expect(fault.operation).to.equal("open");
        expect(fault.path).to.equal(at("absent"));
        expect(fault.message).to.contain("ENOENT").and.to.contain(at("absent"));
      });
    });

    describe("bytes", () => {
      it("writes the buffers back to back and answers how many bytes that were", () => {
        const file = disk.open(at("a"), "create");
        expect(file.writevSync([bytesOf("ab"), bytesOf(""), bytesOf("cde")], 0)).to.equal(5);
        expect(file.writevSync([bytesOf("XY")], 1)).to.equal(2);
        expect(file.size).to.equal(5);
        const into = new Uint8Array(10);
        expect(file.readSync(into, 0)).to.equal(5);
        expect(text(into.subarray(0, 5))).to.equal("aXYde");
        expect(file.writevSync([], 5)).to.equal(0);
        file.closeSync();
      });

      it("reads fewer bytes at the end and none beyond", () => {
        const file = disk.open(at("a"), "create");
        file.writevSync([bytesOf("abc")], 0);
        expect(file.readSync(new Uint8Array(8), 2)).to.equal(1);
        expect(file.readSync(new Uint8Array(8), 3)).to.equal(0);
        expect(file.readSync(new Uint8Array(8), 99)).to.equal(0);
        expect(file.readSync(new Uint8Array(0), 0)).to.equal(0);
        file.closeSync();
      });

      it("fills a gap with zeros", () => {
        const file = disk.open(at("a"), "create");
        file.writevSync([bytesOf("x")], 10_000);
        const into = new Uint8Array(10_001).fill(7);
        expect(file.readSync(into, 0)).to.equal(10_001);
        expect(into.subarray(0, 10_000).every((byte) => byte === 0)).to.equal(true);
        file.closeSync();
      });

      it("copies what it is given: a buffer may be reused once the write has ended", () => {
        const file = disk.open(at("a"), "create");
        const buffer = bytesOf("first");
        file.writevSync([buffer], 0);
        buffer.fill(0);
        file.closeSync();
        expect(contentOf(at("a"))).to.equal("first");
      });

      it("crosses every boundary of pages and slabs", () => {
        const file = disk.open(at("a"), "create");
        const part = new Uint8Array(700_001);
        for (let i = 0; i < part.length; i++) part[i] = (i * 31 + (i >> 8)) & 255;
        expect(file.writevSync([part, part, part, part], 3)).to.equal(4 * part.length);
        const into = new Uint8Array(part.length);
        for (let number = 0; number < 4; number++) {
          expect(file.readSync(into, 3 + number * part.length)).to.equal(part.length);
          expect(Buffer.compare(into, part)).to.equal(0);
        }
        expect(file.size).to.equal(3 + 4 * part.length);
        file.closeSync();
      });

      it("takes more buffers than one system call does", () => {
        const file = disk.open(at("a"), "create");
        const buffers = Array.from({ length: 3000 }, (_, i) => Uint8Array.of(i & 255));
        expect(file.writevSync(buffers, 0)).to.equal(3000);
        const into = new Uint8Array(3000);
        file.readSync(into, 0);
        expect(into.every((byte, i) => byte === (i & 255))).to.equal(true);
        file.closeSync();
      });

      it("cuts at a size, and what grows there again is zeros", () => {
        const file = disk.open(at("a"), "create");
        file.writevSync([bytesOf("abcdef")], 0);
        file.truncateSync(2);
        expect(file.size).to.equal(2);
        expect(disk.sizeOf(at("a"))).to.equal(2);
        file.writevSync([bytesOf("Z")], 4);
        file.closeSync();
        expect(contentOf(at("a"))).to.equal("ab\0\0Z");
      });
    });

    describe("off the event loop", () => {
      it("writes, syncs and reads, never calling back inside the call", async () => {
        const file = disk.open(at("a"), "create");
        expect(await write(file, [bytesOf("hello "), bytesOf("disk")], 0)).to.equal(10);
        expect(file.size).to.equal(10);
        await datasync(file);
        const into = new Uint8Array(16);
        expect(await read(file, into, 6)).to.equal(4);
        expect(text(into.subarray(0, 4))).to.equal("disk");
        expect(await read(file, into, 10)).to.equal(0);
        expect(await write(file, [], 10)).to.equal(0);
        file.closeSync();
        await syncDirectory(under.root);
      });

      it("counts what is pending", async () => {
        const file = disk.open(at("a"), "create");
        const ended: Promise<unknown>[] = [];
        ended.push(write(file, [bytesOf("abc")], 0), datasync(file), read(file, new Uint8Array(3), 0));
        expect(file.pendingCount).to.equal(3);
        await Promise.all(ended);
        expect(file.pendingCount).to.equal(0);
        file.closeSync();
      });

      it("does not close under a pending operation", async () => {
        const file = disk.open(at("a"), "create");
        for (const start of [
          () => write(file, [bytesOf("a")], 0),
          () => datasync(file),
          () => read(file, new Uint8Array(1), 0),
        ]) {
          const ended = start();
          expect(() => {
            file.closeSync();
          }).to.throw(AssertionError, "pending");
          await ended;
        }
        file.closeSync();
      });

      it("neither truncates nor writes under a queued write", async () => {
        const file = disk.open(at("a"), "create");
        const ended = write(file, [bytesOf("abc")], 0);
        expect(() => file.writevSync([bytesOf("x")], 0)).to.throw(AssertionError, "queued write");
        expect(() => {
          file.writev([bytesOf("x")], 0, () => undefined);
        }).to.throw(AssertionError, "queued write");
        expect(() => {
          file.truncateSync(0);
        }).to.throw(AssertionError, "queued write");
        await ended;
        file.truncateSync(1);
        file.closeSync();
        expect(contentOf(at("a"))).to.equal("a");
      });

      it("hands a fault to the callback", async () => {
        const fault = await syncDirectory(at("absent")).then(
          () => null,
          (error: unknown) => error,
        );
        expect(fault).to.be.instanceOf(DiskFault);
        expect(fault).to.include({ kind: "ENOENT", operation: "syncDirectory" });
      });
    });

    describe("assertions of use", () => {
      it("refuses a file that is closed, and a write to one opened for reading", () => {
        put(at("a"), "abc");
        const file = disk.open(at("a"), "read");
        expect(() => file.writevSync([bytesOf("x")], 0)).to.throw(AssertionError, "reading only");
        expect(() => {
          file.truncateSync(0);
        }).to.throw(AssertionError, "reading only");
        file.closeSync();
        expect(() => file.readSync(new Uint8Array(1), 0)).to.throw(AssertionError, "after close");
        expect(() => {
          file.closeSync();
        }).to.throw(AssertionError);
      });

      it("does not lengthen a file by truncation", () => {
        const file = disk.open(at("a"), "create");
        expect(() => {
          file.truncateSync(1);
        }).to.throw(AssertionError);
        file.closeSync();
      });
    });

    describe("names", () => {
      it("lists what stands in a directory", () => {
        put(at("b"), "1");
        put(at("a"), "22");
        disk.mkdir(at("d"));
        put(at("d/inner"), "3");
        expect(disk.list(under.root)).to.have.members(["a", "b", "d"]);
        expect(disk.list(at("d"))).to.deep.equal(["inner"]);
        expect(disk.sizeOf(at("a"))).to.equal(2);
        expect(disk.sizeOf(at("d"))).to.equal(0);
        expect(disk.sizeOf(at("a/below-a-file"))).to.equal(null);
        expect(disk.isDirectory(at("d"))).to.equal(true);
        expect(disk.isDirectory(at("a"))).to.equal(false);
        expect(disk.isDirectory(at("absent"))).to.equal(false);
        expectFault("ENOENT", () => disk.list(at("absent")));
        expectFault("other", () => disk.list(at("a")));
      });

      it("renames, replacing a file of the target name", () => {
        put(at("a"), "new");
        put(at("b"), "old");
        disk.rename(at("a"), at("b"));
        expect(disk.list(under.root)).to.deep.equal(["b"]);
        expect(contentOf(at("b"))).to.equal("new");
        disk.rename(at("b"), at("b"));
        expect(contentOf(at("b"))).to.equal("new");
        expectFault("ENOENT", () => {
          disk.rename(at("absent"), at("c"));
        });
      });

      it("renames a directory with all that is in it", () => {
        disk.mkdir(at("d"));
        put(at("d/f"), "x");
        disk.rename(at("d"), at("e"));
        expect(contentOf(at("e/f"))).to.equal("x");
        disk.mkdir(at("full"));
        put(at("full/f"), "y");
        expectFault("other", () => {
          disk.rename(at("e"), at("full"));
        });
        put(at("file"), "z");
        expectFault("other", () => {
          disk.rename(at("e"), at("file"));
        });
        expectFault("other", () => {
          disk.rename(at("file"), at("e"));
        });
      });

      it("keeps an open file alive through rename and unlink", () => {
        const file = disk.open(at("a"), "create");
        file.writevSync([bytesOf("abc")], 0);
        disk.rename(at("a"), at("b"));
        file.writevSync([bytesOf("d")], 3);
        expect(contentOf(at("b"))).to.equal("abcd");
        disk.unlink(at("b"));
        expect(disk.list(under.root)).to.deep.equal([]);
        const into = new Uint8Array(4);
        expect(file.readSync(into, 0)).to.equal(4);
        file.closeSync();
      });

      it("makes and removes directories one by one", () => {
        disk.mkdir(at("d"));
        expectFault("EEXIST", () => {
          disk.mkdir(at("d"));
        });
        expectFault("ENOENT", () => {
          disk.mkdir(at("absent/child"));
        });
        put(at("d/f"), "x");
        expectFault("other", () => {
          disk.rmdir(at("d"));
        });
        disk.unlink(at("d/f"));
        disk.rmdir(at("d"));
        expect(disk.isDirectory(at("d"))).to.equal(false);
      });

      it("tells unlink and rmdir apart", () => {
        disk.mkdir(at("d"));
        put(at("f"), "x");
        expectFault("other", () => {
          disk.unlink(at("d"));
        });
        expectFault("other", () => {
          disk.rmdir(at("f"));
        });
        expectFault("ENOENT", () => {
          disk.unlink(at("absent"));
        });
        expectFault("ENOENT", () => {
          disk.rmdir(at("absent"));
        });
      });
    });

    it("tells how much is free", () => {
      expect(disk.freeBytes(under.root)).to.be.greaterThan(0);
      expect(disk.totalBytes(under.root)).to.be.at.least(disk.freeBytes(under.root));
    });

    it("holds the bytes a plain array would hold, whatever is written and cut", () => {
      const step = fc.oneof(
        {
          weight: 4,
          arbitrary: fc.record({ kind: fc.constant("write" as const), at: fc.nat(20_000), bytes: fc.nat(9000) }),
        },
        {
          weight: 1,
          arbitrary: fc.record({ kind: fc.constant("cut" as const), at: fc.nat(20_000), bytes: fc.constant(0) }),
        },
      );
      let run = 0;
      fc.assert(
        fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
          const file = disk.open(at(`oracle-${run++}`), "create");
          let oracle = new Uint8Array(0);
          steps.forEach(({ kind, at: position, bytes }, number) => {
            if (kind === "cut") {
              const size = Math.min(position, oracle.length);
              file.truncateSync(size);
              oracle = oracle.slice(0, size);
              return;
            }
            const content = new Uint8Array(bytes).fill(number + 1);
            expect(file.writevSync([content], position)).to.equal(bytes);
            if (bytes === 0) return;
            const grown = new Uint8Array(Math.max(oracle.length, position + bytes));
            grown.set(oracle);
            grown.set(content, position);
            oracle = grown;
          });
          const found = new Uint8Array(oracle.length + 10);
          expect(file.readSync(found, 0)).to.equal(oracle.length);
          expect(file.size).to.equal(oracle.length);
          expect(Buffer.compare(found.subarray(0, oracle.length), oracle)).to.equal(0);
          file.closeSync();
        }),
        {
          numRuns: 60,
          // Nothing written beyond the end leaves no gap behind.
          examples: [[[{ kind: "write" as const, at: 1, bytes: 0 }]]],
        },
      );
    });
  });
}

export function expectFault(kind: DiskFaultKind, work: () => unknown): DiskFault {
  try {
    work();
  } catch (error: unknown) {
    if (!(error instanceof DiskFault)) throw error;
    expect(error.kind).to.equal(kind);
    return error;
  }
  throw new Error(`no fault where ${kind} was expected`);
}

function bytesOf(content: string): Uint8Array {
  return new TextEncoder().encode(content);
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("utf8");
}
