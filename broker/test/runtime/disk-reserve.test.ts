import { expect } from "chai";
import { DiskFault } from "../../src/ports/index.ts";
import { DiskReserve } from "../../src/runtime/index.ts";
import { SeededRandom } from "../../src/base/index.ts";
import { SimWorld } from "../../src/sim/index.ts";
import { quietLogger } from "./support/partition-bench.ts";

const MIB = 1024 * 1024;

/** What the reserve says on a disk of `totalBytes`, asked as often as `freeBytes` has numbers, a second apart. */
async function saysOf(totalBytes: number, freeBytes: readonly (number | DiskFault)[]): Promise<boolean[]> {
  const world = new SimWorld(new SeededRandom(1));
  let free: number | DiskFault = 0;
  const disk = {
    totalBytes: () => totalBytes,
    freeBytes: () => {
      if (free instanceof DiskFault) throw free;
      return free;
    },
  };
  const reserve = new DiskReserve({ disk, path: "/", clock: world.startProcess(), logger: quietLogger });
  const says: boolean[] = [];
  for (free of freeBytes) {
    says.push(reserve.hasRoom(1_000));
    await world.runFor(1_000);
  }
  return says;
}

describe("DiskReserve (3.8(2))", () => {
  it("keeps 5 % of a small disk free, and goes on at twice that", async () => {
    const free = [MIB, MIB - 1, 2 * MIB - 1, 2 * MIB, MIB];
    expect(await saysOf(20 * MIB, free)).to.deep.equal([true, false, false, true, true]);
  });

  it("keeps 256 MiB of a large one", async () => {
    const free = [256 * MIB, 256 * MIB - 1, 512 * MIB - 1, 512 * MIB];
    expect(await saysOf(2 ** 40, free)).to.deep.equal([true, false, false, true]);
  });

  it("stays with what it knew while the disk does not say", async () => {
    const silence = new DiskFault("EIO", "freeBytes", "/");
    expect(await saysOf(20 * MIB, [silence, 0, silence, 20 * MIB])).to.deep.equal([true, false, false, true]);
  });
});
