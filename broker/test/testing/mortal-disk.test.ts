import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { expect } from "chai";
import { SeededRandom } from "../../src/base/index.ts";
import { FileDisk } from "../../src/platform/index.ts";
import { SimProcess, SimulatedCrash, SimWorld } from "../../src/sim/index.ts";
import { MortalDisk } from "../../src/testing/mortal-disk.ts";
import { RealWork } from "../../src/testing/real-work.ts";
import { WorldPump } from "../../src/testing/world-pump.ts";
import { diskSuite } from "../suites/disk-suite.ts";

interface Rig {
  readonly root: string;
  readonly world: SimWorld;
  readonly work: RealWork;
  readonly process: SimProcess;
  readonly disk: MortalDisk;
}

function rig(): Rig {
  const world = new SimWorld(new SeededRandom(1));
  const work = new RealWork();
  const process = world.startProcess();
  const root = fs.mkdtempSync(path.join(os.tmpdir(), "tidemark-disk-"));
  return { root, world, work, process, disk: new MortalDisk(new FileDisk(), process, work) };
}

async function settle({ work, world }: Rig): Promise<void> {
  await work.idle();
  await world.runUntilIdle();
}

diskSuite("MortalDisk", () => {
  const { disk, root, world, work } = rig();
  const pump = new WorldPump(world, work);
  return {
    disk,
    root,
    advance: null,
    cleanUp: () => {
      void pump.close();
      fs.rmSync(root, { recursive: true, force: true });
    },
  };
});

describe("MortalDisk", () => {
  let made: Rig;
  beforeEach(() => {
    made = rig();
  });
  afterEach(() => fs.rmSync(made.root, { recursive: true, force: true }));

  it("refuses the dead whatever they ask for", () => {
    const { disk, process, root } = made;
    const file = disk.open(`${root}/f`, "create");
    process.kill();
    const asked = [
      () => disk.open(`${root}/g`, "create"),
      () => disk.list(root),
      () => disk.rename(`${root}/f`, `${root}/g`),
      () => disk.syncDirectory(root, () => undefined),
      () => file.writevSync([Buffer.from("x")], 0),
      () => file.datasync(() => undefined),
      () => file.closeSync(),
    ];
    for (const ask of asked) expect(ask).to.throw(SimulatedCrash);
    expect(fs.readdirSync(root)).to.deep.equal(["f"]);
  });

  it("does what the dead had begun, tells them nothing of it, and closes all that they had open", async () => {
    const { disk, process, root } = made;
    const written = disk.open(`${root}/written`, "create");
    disk.open(`${root}/idle`, "create");
    let isTold = false;
    written.writev([Buffer.from("begun")], 0, () => (isTold = true));
    process.kill();
    await disk.bury();
    await settle(made);
    expect(isTold).to.equal(false);
    expect(fs.readFileSync(`${root}/written`, "utf8")).to.equal("begun");
    expect(disk.openFilesCount).to.equal(0);
  });

  it("keeps what came meanwhile for a process that stands still", async () => {
    const { disk, process, root } = made;
    const file = disk.open(`${root}/f`, "create");
    const told: number[] = [];
    file.writev([Buffer.from("abc")], 0, (_, bytes) => told.push(bytes));
    process.pause();
    await settle(made);
    expect(told).to.deep.equal([]);
    expect(file.pendingCount).to.equal(1);
    process.resume();
    await settle(made);
    expect(told).to.deep.equal([3]);
    file.closeSync();
  });
});
