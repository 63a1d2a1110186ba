import { expect } from "chai";
import fc from "fast-check";
import { SeededRandom } from "../../src/base/index.ts";
import { DiskFault } from "../../src/ports/index.ts";
import type { Disk, File } from "../../src/ports/index.ts";
import { SimDisk, SimulatedCrash, SimWorld } from "../../src/sim/index.ts";
import { PagedFile } from "../../src/sim/paged-file.ts";
import type { DirectoryMode, SimProcess } from "../../src/sim/index.ts";
import { diskSuite, expectFault } from "../suites/disk-suite.ts";

/** A world with one disk, mounted, with an empty durable directory /data. */
class Machine {
  readonly world: SimWorld;
  readonly medium: SimDisk;
  process: SimProcess;
  disk: Disk;

  constructor(seed: number, mode: DirectoryMode = "strict") {
    const random = new SeededRandom(seed);
    this.world = new SimWorld(random);
    this.medium = new SimDisk({ random, mode });
    this.process = this.world.startProcess();
    this.disk = this.medium.mount(this.process);
    this.disk.mkdir("/data");
    this.medium.tree.commitAll(this.medium.tree.order);
  }

  crash(kind: "process" | "power"): Disk {
    this.medium.restart(kind);
    this.process = this.world.startProcess();
    this.disk = this.medium.mount(this.process);
    return this.disk;
  }

  async datasync(file: File): Promise<DiskFault | null> {
    const ended = new Promise<DiskFault | null>((resolve) => {
      file.datasync(resolve);
    });
    await this.world.runUntilIdle();
    return ended;
  }

  async syncDirectory(path = "/data"): Promise<DiskFault | null> {
    const ended = new Promise<DiskFault | null>((resolve) => {
      this.disk.syncDirectory(path, resolve);
    });
    await this.world.runUntilIdle();
    return ended;
  }

  content(path: string): string | null {
    const size = this.disk.sizeOf(path);
    if (size === null) return null;
    const file = this.disk.open(path, "read");
    const bytes = new Uint8Array(size);
    file.readSync(bytes, 0);
    file.closeSync();
    return Buffer.from(bytes).toString("latin1");
  }

  async putSynced(path: string, content: string): Promise<void> {
    const file = this.disk.open(path, "create");
    file.writevSync([bytes(content)], 0);
    await this.datasync(file);
    await this.syncDirectory();
    file.closeSync();
  }
}

function bytes(content: string): Uint8Array {
  return Buffer.from(content, "latin1");
}

/** What comes of `story` over many seeds. */
async function outcomes(count: number, story: (seed: number) => Promise<string | null>): Promise<Set<string | null>> {
  const found = new Set<string | null>();
  for (let seed = 1; seed <= count; seed++) found.add(await story(seed));
  return found;
}

for (const mode of ["strict", "journal"] as const) {
  diskSuite(`SimDisk (${mode})`, () => {
    const machine = new Machine(7, mode);
    return {
      disk: machine.disk,
      root: "/data",
      advance: () => machine.world.runUntilIdle(),
      cleanUp: () => undefined,
    };
  });
}

describe("SimDisk after a process crash", () => {
  it("keeps all that was written, synced or not", async () => {
    const machine = new Machine(1);
    await machine.putSynced("/data/a", "synced");
    const file = machine.disk.open("/data/a", "write");
    file.writevSync([bytes(" and not")], 6);
    machine.disk.open("/data/b", "create");
    machine.crash("process");
    expect(machine.content("/data/a")).to.equal("synced and not");
    expect(machine.disk.list("/data")).to.have.members(["a", "b"]);
  });

  it("makes everything of the old life throw SimulatedCrash and never calls back", async () => {
    const machine = new Machine(2);
    const old = machine.disk;
    const file = old.open("/data/a", "create");
    let callbacks = 0;
    file.writev([bytes("x")], 0, () => callbacks++);
    file.datasync(() => callbacks++);
    file.read(new Uint8Array(1), 0, () => callbacks++);
    old.syncDirectory("/data", () => callbacks++);
    machine.process.after(1, () => callbacks++);
    machine.process.endOfTurn(() => callbacks++);
    machine.crash("process");
    await machine.world.runUntilIdle();
    expect(callbacks).to.equal(0);
    const uses: (() => unknown)[] = [
      () => file.readSync(new Uint8Array(1), 0),
      () => file.writevSync([bytes("y")], 0),
      () => {
        file.truncateSync(0);
      },
      () => {
        file.closeSync();
      },
      () => {
        file.datasync(() => undefined);
      },
      () => {
        file.read(new Uint8Array(1), 0, () => undefined);
      },
      () => old.open("/data/a", "read"),
      () => old.list("/data"),
      () => old.sizeOf("/data/a"),
      () => {
        old.rename("/data/a", "/data/b");
      },
      () => old.freeBytes("/data"),
    ];
    for (const use of uses) expect(use).to.throw(SimulatedCrash);
  });

  it("does a queued write in full, in part or not at all", async () => {
    const found = await outcomes(60, (seed) => {
      const machine = new Machine(seed);
      machine.disk.open("/data/a", "create").writev([bytes("abc")], 0, () => undefined);
      machine.crash("process");
      return Promise.resolve(machine.content("/data/a"));
    });
    expect([...found]).to.have.members(["", "a", "ab", "abc"]);
  });
});

describe("SimDisk after a power failure", () => {
  it("keeps what was synced, bytes and entry", async () => {
    for (let seed = 1; seed <= 50; seed++) {
      const machine = new Machine(seed);
      await machine.putSynced("/data/a", "synced");
      machine.crash("power");
      expect(machine.content("/data/a")).to.equal("synced");
    }
  });

  it("keeps, loses or tears each unsynced page, sector by sector", async () => {
    const pages = 2;
    let torn = 0;
    const found = await outcomes(200, async (seed) => {
      const machine = new Machine(seed);
      await machine.putSynced("/data/a", "o".repeat(pages * 4096));
      machine.disk.open("/data/a", "write").writevSync([bytes("n".repeat(pages * 4096))], 0);
      machine.crash("power");
      const content = machine.content("/data/a") ?? "";
      expect(content.length).to.equal(pages * 4096);
      const sectors: string[] = content.match(/.{512}/gs) ?? [];
      for (const sector of sectors) expect(sector).to.match(/^(o+|n+)$/);
      const letters = sectors.map((sector) => sector.charAt(0)).join("");
      const [first, second] = [letters.slice(0, 8), letters.slice(8)];
      if (new Set(first).size === 2) torn += 1;
      return new Set(first).size + new Set(second).size === 2 ? first.charAt(0) + second.charAt(0) : "torn";
    });
    expect([...found]).to.have.members(["nn", "no", "on", "oo", "torn"]);
    expect(torn).to.be.greaterThan(10);
  });

  it("leaves a size the file had since its sync, the gap filled with zeros", async () => {
    const found = await outcomes(200, async (seed) => {
      const machine = new Machine(seed);
      await machine.putSynced("/data/a", "s");
      const file = machine.disk.open("/data/a", "write");
      file.writevSync([bytes("1")], 1);
      file.writevSync([bytes("2")], 2);
      machine.crash("power");
      return machine.content("/data/a");
    });
    expect([...found]).to.have.members(["s", "s1", "s12", "s\0", "s\0\0"]);
  });

  it("may bring back the tail that a truncation cut, under newer bytes", async () => {
    const found = await outcomes(200, async (seed) => {
      const machine = new Machine(seed);
      await machine.putSynced("/data/a", "A".repeat(4096) + "B".repeat(4096));
      const file = machine.disk.open("/data/a", "write");
      file.truncateSync(4096);
      file.writevSync([bytes("C".repeat(4096) + "D")], 4096);
      machine.crash("power");
      const content = machine.content("/data/a") ?? "";
      return content.slice(4096, 4097) + content.slice(8192, 8193);
    });
    expect(found).to.include("BD");
    expect(found).to.include("CD");
    expect(found).to.include("B");
    expect(found).to.include("");
  });

  it("covers by a sync what was written before it began, and may lose what came while it ran", async () => {
    const found = await outcomes(60, async (seed) => {
      const machine = new Machine(seed);
      await machine.putSynced("/data/a", "0000");
      const file = machine.disk.open("/data/a", "write");
      file.writevSync([bytes("1")], 0);
      const ended = machine.datasync(file);
      file.writevSync([bytes("2")], 1);
      expect(await ended).to.equal(null);
      machine.crash("power");
      return machine.content("/data/a");
    });
    expect([...found]).to.have.members(["1000", "1200"]);
  });

  it("loses an unsynced entry in mode strict though the file is synced; mode journal keeps it", async () => {
    const story = (mode: DirectoryMode) =>
      outcomes(60, async (seed) => {
        const machine = new Machine(seed, mode);
        const file = machine.disk.open("/data/a", "create");
        file.writevSync([bytes("x")], 0);
        await machine.datasync(file);
        machine.crash("power");
        return machine.content("/data/a");
      });
    expect([...(await story("strict"))]).to.have.members([null, "x"]);
    expect([...(await story("journal"))]).to.deep.equal(["x"]);
  });

  it("keeps unsynced operations on one name in order, and a rename whole", async () => {
    const found = await outcomes(200, async (seed) => {
      const machine = new Machine(seed);
      await machine.putSynced("/data/a", "old");
      await machine.putSynced("/data/t", "new");
      machine.disk.rename("/data/t", "/data/a");
      machine.disk.unlink("/data/a");
      machine.crash("power");
      return `${machine.content("/data/a") ?? "-"} ${machine.content("/data/t") ?? "-"}`;
    });
    expect([...found]).to.have.members(["- -", "new -", "old new"]);
  });

  it("loses an unlink that was not synced, and finds the directory renamed or not", async () => {
    const found = await outcomes(100, async (seed) => {
      const machine = new Machine(seed);
      machine.disk.mkdir("/data/d");
      await machine.syncDirectory();
      const file = machine.disk.open("/data/d/f", "create");
      await machine.datasync(file);
      await machine.syncDirectory("/data/d");
      machine.disk.rename("/data/d", "/data/e");
      machine.disk.unlink("/data/e/f");
      machine.crash("power");
      return machine.disk
        .list("/data")
        .map((name) => `${name}:${machine.disk.list(`/data/${name}`).join()}`)
        .join(" ");
    });
    expect([...found]).to.have.members(["d:", "d:f", "e:", "e:f"]);
  });

  it("commits in mode journal in the order of the operations", async () => {
    const found = await outcomes(100, async (seed) => {
      const machine = new Machine(seed, "journal");
      for (const name of ["a", "b", "c"]) machine.disk.open(`/data/${name}`, "create");
      machine.crash("power");
      return Promise.resolve(machine.disk.list("/data").join(""));
    });
    expect([...found]).to.have.members(["", "a", "ab", "abc"]);
  });

  it("never says synced of bytes or entries that it then loses", async () => {
    // The oracle of the runner's checks: isSynced and isEntrySynced against what 20 power failures leave of one history.
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 1e9 }),
        fc.constantFrom<DirectoryMode>("strict", "journal"),
        async (seed, mode) => {
          const said = new Map<string, { from: number; to: number; bytes: string }>();
          for (let failure = 0; failure < 20; failure++) {
            const machine = new Machine(seed, mode);
            const random = new SeededRandom(seed);
            await randomHistory(machine, random);
            if (failure === 0) {
              for (const name of machine.disk.list("/data")) {
                if (!machine.medium.tree.isEntrySynced(`/data/${name}`)) continue;
                const content = machine.content(`/data/${name}`) ?? "";
                const file = machine.medium.fileAt(`/data/${name}`);
                for (let tries = 0; tries < 4; tries++) {
                  const from = random.below(content.length + 1);
                  const to = random.between(from, content.length);
                  if (file?.isSynced(from, to) === true)
                    said.set(`${name} ${tries}`, { from, to, bytes: content.slice(from, to) });
                }
              }
            }
            // Another chance for the failure, the same history before it.
            machine.medium.faults.removeAll();
            for (let turn = 0; turn < failure; turn++) machine.medium.shorten(100);
            machine.crash("power");
            for (const [key, { from, to, bytes: expected }] of said) {
              const name = key.split(" ")[0] ?? "";
              expect(machine.content(`/data/${name}`)?.slice(from, to), `${key} of failure ${failure}`).to.equal(
                expected,
              );
            }
          }
        },
      ),
      { numRuns: 25 },
    );
  });
});

async function randomHistory(machine: Machine, random: SeededRandom): Promise<void> {
  const open = new Map<string, File>();
  for (let step = 0; step < 25; step++) {
    const name = random.pick(["a", "b", "c"]);
    const path = `/data/${name}`;
    const file = open.get(name) ?? machine.disk.open(path, "create");
    open.set(name, file);
    const what = random.below(8);
    if (what < 3) file.writevSync([new Uint8Array(random.below(6000)).fill(65 + step)], random.below(file.size + 100));
    else if (what === 3) file.truncateSync(random.below(file.size + 1));
    else if (what === 4) await machine.datasync(file);
    else if (what === 5) await machine.syncDirectory();
    else if (what === 6) file.datasync(() => undefined);
    else {
      const target = random.pick(["a", "b", "c"]);
      if (target === name) continue;
      machine.disk.rename(path, `/data/${target}`);
      open.delete(name);
      open.set(target, file);
    }
  }
}

describe("SimDisk faults", () => {
  it("fails the operation a rule names, as often as it says, after letting some through", () => {
    const machine = new Machine(3);
    const file = machine.disk.open("/data/a.log", "create");
    machine.medium.faults.add({ operation: "write", effect: "EIO", path: /\.log$/, skipCount: 1, times: 2 });
    file.writevSync([bytes("x")], 0);
    expectFault("EIO", () => file.writevSync([bytes("y")], 0));
    expectFault("EIO", () => file.writevSync([bytes("y")], 0));
    file.writevSync([bytes("z")], 0);
    machine.disk.open("/data/a.index", "create").writevSync([bytes("x")], 0);
    expect(machine.medium.faults.fired.get("write EIO")).to.equal(2);
  });

  it("fails open, list, rename, read, truncate and syncs", async () => {
    const machine = new Machine(4);
    const file = machine.disk.open("/data/a", "create");
    file.writevSync([bytes("abc")], 0);
    const { faults } = machine.medium;
    for (const operation of ["open", "list", "rename", "read", "truncate", "datasync", "syncDirectory"] as const) {
      faults.add({ operation, effect: "EIO" });
    }
    expectFault("EIO", () => machine.disk.open("/data/a", "read"));
    expectFault("EIO", () => machine.disk.list("/data"));
    expectFault("EIO", () => {
      machine.disk.rename("/data/a", "/data/b");
    });
    expectFault("EIO", () => file.readSync(new Uint8Array(1), 0));
    expectFault("EIO", () => {
      file.truncateSync(0);
    });
    expect((await machine.datasync(file))?.kind).to.equal("EIO");
    expect((await machine.syncDirectory())?.kind).to.equal("EIO");
    expect(machine.content("/data/a")).to.equal("abc");
  });

  it("loses the pages of a failed sync though the next one succeeds; a process crash does not show it", async () => {
    const story = (kind: "process" | "power") =>
      outcomes(80, async (seed) => {
        const machine = new Machine(seed);
        await machine.putSynced("/data/a", "o".repeat(8192));
        const file = machine.disk.open("/data/a", "write");
        file.writevSync([bytes("n".repeat(8192))], 0);
        machine.medium.faults.add({ operation: "datasync", effect: "EIO" });
        expect((await machine.datasync(file))?.kind).to.equal("EIO");
        expect(await machine.datasync(file)).to.equal(null);
        machine.crash(kind);
        const content = machine.content("/data/a") ?? "";
        return content.charAt(0) + content.charAt(5000);
      });
    expect([...(await story("process"))]).to.deep.equal(["nn"]);
    expect([...(await story("power"))]).to.have.members(["nn", "no", "on", "oo"]);
  });

  it("forgets what a failed sync has dropped when the power is gone, also where another sync had brought the bytes through", () => {
    for (let seed = 1; seed <= 8; seed += 1) {
      const file = new PagedFile();
      file.write(Buffer.alloc(100, 1), 0);
      const failed = file.beginSync();
      const other = file.beginSync();
      file.failSync(failed, new SeededRandom(seed));
      file.finishSync(other);
      file.losePower(new SeededRandom(seed));
      file.write(Buffer.alloc(50, 2), 100);
      file.finishSync(file.beginSync());
      expect(file.isSynced(0, 150), `seed ${seed}`).to.equal(true);
    }
  });

  it("leaves nothing out of a sync, whatever was written, cut, synced, turned over and lost before", () => {
    const PAGES = 6;
    const place = fc.nat({ max: PAGES * 4096 - 1 });
    const step = fc.oneof(
      fc.record({ kind: fc.constant("write" as const), at: place, length: fc.integer({ min: 1, max: 5_000 }) }),
      fc.record({ kind: fc.constantFrom("truncate" as const, "flip" as const), at: place }),
      fc.record({ kind: fc.constantFrom("begin" as const, "power" as const) }),
      fc.record({ kind: fc.constant("finish" as const), slot: fc.nat({ max: 3 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.nat(), (steps, seed) => {
        const file = new PagedFile();
        const random = new SeededRandom(seed);
        let syncs: ReturnType<PagedFile["beginSync"]>[] = [];
        for (const each of steps) {
          if (each.kind === "write") file.write(Buffer.alloc(each.length, random.between(1, 255)), each.at);
          else if (each.kind === "truncate") file.truncate(Math.min(each.at, file.sizeBytes));
          else if (each.kind === "flip" && each.at < file.sizeBytes) file.flipBit(each.at, 3);
          else if (each.kind === "begin") syncs.push(file.beginSync());
          else if (each.kind === "finish") for (const sync of syncs.splice(each.slot, 1)) file.finishSync(sync);
          else if (each.kind === "power") {
            file.losePower(random);
            syncs = [];
          }
        }
        for (const sync of syncs) file.finishSync(sync);
        file.finishSync(file.beginSync());
        expect(file.isSettled).to.equal(true);
      }),
      { numRuns: 300 },
    );
  });

  it("makes bytes of a failed sync durable again in another file or once they were cut off, not by writing over them", async () => {
    const story = (heal: (machine: Machine, file: File) => File) =>
      outcomes(30, async (seed) => {
        const machine = new Machine(seed);
        await machine.putSynced("/data/a", "old");
        const failed = machine.disk.open("/data/a", "write");
        failed.writevSync([bytes("new")], 0);
        machine.medium.faults.add({ operation: "datasync", effect: "EIO" });
        await machine.datasync(failed);
        const file = heal(machine, failed);
        file.writevSync([bytes("new")], 0);
        expect(await machine.datasync(file)).to.equal(null);
        if (file !== failed) machine.disk.rename("/data/b", "/data/a");
        await machine.syncDirectory("/data");
        machine.crash("power");
        return machine.content("/data/a") ?? "";
      });
    expect([...(await story((_, failed) => failed))]).to.have.members(["old", "new"]);
    expect([...(await story((machine) => machine.disk.open("/data/b", "create")))]).to.deep.equal(["new"]);
    const cut = (_: Machine, failed: File): File => {
      failed.truncateSync(0);
      return failed;
    };
    expect([...(await story(cut))]).to.deep.equal(["new"]);
  });

  it("is full at its capacity: what fits is written, then ENOSPC, until room is made", () => {
    const machine = new Machine(5);
    machine.medium.capacityBytes = 10;
    const file = machine.disk.open("/data/a", "create");
    expect(file.writevSync([bytes("12345678")], 0)).to.equal(8);
    expect(file.writevSync([bytes("abcd")], 8)).to.equal(2);
    expectFault("ENOSPC", () => file.writevSync([bytes("c")], 10));
    expect(machine.disk.freeBytes("/data")).to.equal(0);
    expect(file.writevSync([bytes("over")], 0)).to.equal(4);
    file.truncateSync(4);
    expect(file.writevSync([bytes("c")], 4)).to.equal(1);
  });

  it("writes and reads short", () => {
    const machine = new Machine(6);
    const file = machine.disk.open("/data/a", "create");
    file.writevSync([bytes("x".repeat(100))], 0);
    machine.medium.faults.add({ operation: "write", effect: "short" });
    machine.medium.faults.add({ operation: "read", effect: "short" });
    expect(file.writevSync([bytes("y".repeat(100))], 100)).to.be.within(1, 99);
    expect(file.readSync(new Uint8Array(100), 0)).to.be.within(1, 99);
    expect(file.readSync(new Uint8Array(100), 0)).to.equal(100);
  });

  it("runs out of descriptors", () => {
    const random = new SeededRandom(1);
    const world = new SimWorld(random);
    const disk = new SimDisk({ random, mode: "strict", openFilesMax: 2 }).mount(world.startProcess());
    const first = disk.open("/a", "create");
    disk.open("/b", "create");
    expectFault("EMFILE", () => disk.open("/a", "read"));
    first.closeSync();
    disk.open("/a", "read").closeSync();
  });

  it("stalls an operation and nothing else", async () => {
    const machine = new Machine(8);
    const file = machine.disk.open("/data/a", "create");
    machine.medium.faults.add({ operation: "datasync", effect: "stall", stallMs: 30_000 });
    const ended: string[] = [];
    file.datasync(() => ended.push("stalled"));
    file.writev([bytes("x")], 0, () => ended.push("write"));
    await machine.world.runFor(29_999);
    expect(ended).to.deep.equal(["write"]);
    await machine.world.runFor(100);
    expect(ended).to.deep.equal(["write", "stalled"]);
  });

  it("lies about a sync when told to", async () => {
    const found = await outcomes(40, async (seed) => {
      const machine = new Machine(seed);
      await machine.putSynced("/data/a", "old");
      const file = machine.disk.open("/data/a", "write");
      file.writevSync([bytes("new")], 0);
      machine.medium.faults.add({ operation: "datasync", effect: "lie" });
      expect(await machine.datasync(file)).to.equal(null);
      machine.crash("power");
      return machine.content("/data/a");
    });
    expect(found).to.include("old");
  });

  it("keeps what an honest sync has brought to the medium, also while one that began before it lies", async () => {
    for (const stallMs of [0, 100]) {
      const found = await outcomes(40, async (seed) => {
        const machine = new Machine(seed);
        await machine.putSynced("/data/a", "first");
        const file = machine.disk.open("/data/a", "write");
        file.writevSync([bytes("a lie")], 0);
        machine.medium.faults.add({ operation: "datasync", effect: "lie" });
        file.datasync(() => undefined);
        await machine.world.runFor(stallMs);
        file.writevSync([bytes("truth")], 0);
        await machine.datasync(file);
        machine.crash("power");
        return machine.content("/data/a");
      });
      expect([...found]).to.deep.equal(["truth"]);
    }
  });

  it("turns a bit over at rest, in the page cache and on the medium", async () => {
    const machine = new Machine(9);
    await machine.putSynced("/data/a", "abc");
    machine.medium.fileAt("/data/a")?.flipBit(1, 0);
    expect(machine.content("/data/a")).to.equal("acc");
    machine.crash("power");
    expect(machine.content("/data/a")).to.equal("acc");
  });
});

describe("SimDisk crash at an operation", () => {
  it("ends the life inside the n-th change, done, done in part or not done", async () => {
    const found = await outcomes(100, (seed) => {
      const machine = new Machine(seed);
      const file = machine.disk.open("/data/a", "create");
      file.writevSync([bytes("1")], 0);
      machine.medium.crashAfterOperations(2);
      file.readSync(new Uint8Array(1), 0);
      file.writevSync([bytes("2")], 1);
      expect(() => file.writevSync([bytes("345")], 2)).to.throw(SimulatedCrash);
      expect(machine.medium.isDown).to.equal(true);
      expect(() => machine.disk.list("/data")).to.throw(SimulatedCrash);
      machine.crash("process");
      return Promise.resolve(machine.content("/data/a"));
    });
    expect([...found]).to.have.members(["12", "123", "1234", "12345"]);
  });

  it("counts a sync when it ends, and then does not call back", async () => {
    const machine = new Machine(11);
    const file = machine.disk.open("/data/a", "create");
    machine.medium.crashAfterOperations(1);
    let callbacks = 0;
    file.datasync(() => callbacks++);
    await machine.world.runUntilIdle();
    expect(machine.medium.isDown).to.equal(true);
    expect(callbacks).to.equal(0);
  });

  it("does a rename or not, nothing between", async () => {
    const found = await outcomes(40, async (seed) => {
      const machine = new Machine(seed);
      await machine.putSynced("/data/t", "new");
      machine.medium.crashAfterOperations(1);
      expect(() => {
        machine.disk.rename("/data/t", "/data/a");
      }).to.throw(SimulatedCrash);
      machine.crash("process");
      return machine.disk.list("/data").join();
    });
    expect([...found]).to.have.members(["a", "t"]);
  });
});
