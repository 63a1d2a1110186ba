import { expect } from "chai";
import { DiskFault } from "../../src/ports/index.ts";
import { DiskReserve } from "../../src/runtime/index.ts";
import { SeededRandom } from "../../src/base/index.ts";
import { SimWorld } from "../../src/sim/index.ts";
import { quietLogger } from "./support/partition-bench.ts";

const MIB = 1024 * 1024;

interface Told {
  readonly says: boolean[];
  readonly messages: string[];
  readonly logged: string[];
}

/** What the reserve says on a disk of `totalBytes`, asked as often as `freeBytes` has numbers, a second apart. */
async function saysOf(totalBytes: number, freeBytes: readonly (number | DiskFault)[]): Promise<boolean[]> {
  return (await toldOf(totalBytes, freeBytes)).says;
}

async function toldOf(
  totalBytes: number,
  freeBytes: readonly (number | DiskFault)[],
  medium: "disk" | "memory" = "disk",
): Promise<Told> {
  const logged: string[] = [];
  const logger = {
    ...quietLogger,
    info: (line: string) => void logged.push(line),
    error: (line: string) => void logged.push(line),
  };
  const messages: string[] = [];
  const world = new SimWorld(new SeededRandom(1));
  let free: number | DiskFault = 0;
  const disk = {
    totalBytes: () => totalBytes,
    freeBytes: () => {
      if (free instanceof DiskFault) throw free;
      return free;
    },
  };
  const reserve = new DiskReserve({ disk, path: "/data", medium, clock: world.startProcess(), logger });
  const says: boolean[] = [];
  for (free of freeBytes) {
    says.push(reserve.hasRoom(1_000));
    messages.push(reserve.isFull ? reserve.fullMessage : "");
    await world.runFor(1_000);
  }
  return { says, messages, logged };
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

  it("logs each change of state once, and tells producers what is full and by how much", async () => {
    const disk = await toldOf(20 * MIB, [MIB, MIB / 2, MIB / 4, 2 * MIB, 3 * MIB]);
    expect(disk.logged).to.deep.equal([
      "no room but the reserve: appends are refused",
      "there is room again: appends go on",
    ]);
    expect(disk.messages[1]).to.equal(
      "the disk is full (/data: 0.5 MiB free, the reserve is 1.0 MiB); appends go on by themselves at twice the reserve",
    );
    expect(disk.messages[4]).to.equal("");
    const memory = await toldOf(20 * MIB, [0], "memory");
    expect(memory.messages[0]).to.match(/^memory is full \(0\.0 MiB free/u);
    expect(memory.logged).to.deep.equal(["no room but the reserve: appends are refused"]);
  });

  it("stays with what it knew while the disk does not say", async () => {
    const silence = new DiskFault("EIO", "freeBytes", "/");
    expect(await saysOf(20 * MIB, [silence, 0, silence, 20 * MIB])).to.deep.equal([true, false, false, true]);
  });
});
