/** The simulated LevelDB against the contract of the port, and against the real one's log. */
import fs from "node:fs";
import path from "node:path";
import { expect } from "chai";
import fc from "fast-check";
import { SeededRandom } from "../../src/base/index.ts";
import { LevelStore, MemoryDisk } from "../../src/platform/index.ts";
import { SimStore } from "../../src/sim/index.ts";
import { encodeRecords, readBatches } from "../../src/sim/sim-store.ts";
import { inspectLevelLog } from "../../src/storage/raft-store/level-log.ts";
import { makeTempDirectory, removeDirectory } from "../platform/temp-directory.ts";
import { kvSuite } from "../suites/kv-suite.ts";

kvSuite("SimStore", { isDurable: true }, async () => {
  const disk = new MemoryDisk();
  let store = await SimStore.open(disk, "/store", { createIfMissing: true });
  return {
    store,
    reopen: async () => {
      await store.close();
      store = await SimStore.open(disk, "/store", { createIfMissing: false });
      return store;
    },
    cleanUp: () => store.close(),
  };
});

describe("SimStore", () => {
  /** The log that LevelDB writes for values of these lengths, as it is, and as it is laid out here. */
  async function logsOf(lengths: readonly number[]): Promise<{ readonly real: Buffer; readonly ours: Buffer }> {
    const directory = makeTempDirectory();
    const store = await LevelStore.open(directory, { createIfMissing: true });
    const random = new SeededRandom(3);
    for (const length of lengths) {
      const value = random.bytes(new Uint8Array(length));
      await store.batch([{ type: "put", key: Buffer.from(`k${length}`), value }], { sync: true });
    }
    await store.close();
    const name = fs.readdirSync(directory).find((each) => each.endsWith(".log")) ?? "";
    const real = fs.readFileSync(path.join(directory, name));
    removeDirectory(directory);
    const batches = readBatches(real);
    expect(batches).to.have.length(lengths.length);
    let ours = Buffer.alloc(0);
    for (const batch of batches) ours = Buffer.concat([ours, encodeRecords(ours.length, batch)]);
    return { real, ours };
  }

  it("lays its log out as LevelDB does, over any number of blocks", async () => {
    // Lengths that end in, at and just before the end of a block.
    const { real, ours } = await logsOf([10, 32_700, 20, 70_000, 1, 32_768, 100_000]);
    expect(ours.equals(real)).to.equal(true);
  });

  it("begins a batch as LevelDB does where a block has room for a header alone", async () => {
    const { real, ours } = await logsOf([32_731, 20]);
    const header = 32_768 - 7;
    expect([real.readUInt16LE(header + 4), real[header + 6]], "no data, and the type of a first record").to.deep.equal([
      0, 2,
    ]);
    expect(ours.equals(real)).to.equal(true);
    expect(inspectLevelLog(ours)).to.deep.equal({ kind: "whole" });
  });

  it("reads back what it lays out (property)", () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 70_000 }), { maxLength: 8 }), (lengths) => {
        let log = Buffer.alloc(0);
        for (const length of lengths) log = Buffer.concat([log, encodeRecords(log.length, Buffer.alloc(length, 7))]);
        expect(readBatches(log).map(({ length }) => length)).to.deep.equal(lengths);
      }),
      { numRuns: 30 },
    );
  });
});
