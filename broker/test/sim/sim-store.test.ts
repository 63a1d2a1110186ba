/** The simulated LevelDB against the contract of the port, and against the real one's log. */
import fs from "node:fs";
import path from "node:path";
import { expect } from "chai";
import fc from "fast-check";
import { SeededRandom } from "../../src/base/index.ts";
import { LevelStore, MemoryDisk } from "../../src/platform/index.ts";
import { SimStore } from "../../src/sim/index.ts";
import { encodeRecords, readBatches } from "../../src/sim/sim-store.ts";
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
  it("lays its log out as LevelDB does, over any number of blocks", async () => {
    const directory = makeTempDirectory();
    const store = await LevelStore.open(directory, { createIfMissing: true });
    const random = new SeededRandom(3);
    // Lengths that end in, at and just before the end of a block.
    for (const length of [10, 32_700, 20, 70_000, 1, 32_768, 100_000]) {
      const value = random.bytes(new Uint8Array(length));
      await store.batch([{ type: "put", key: Buffer.from(`k${length}`), value }], { sync: true });
    }
    await store.close();
    const name = fs.readdirSync(directory).find((each) => each.endsWith(".log")) ?? "";
    const log = fs.readFileSync(path.join(directory, name));
    removeDirectory(directory);
    const batches = readBatches(log);
    expect(batches).to.have.length(7);
    let rebuilt = Buffer.alloc(0);
    for (const batch of batches) rebuilt = Buffer.concat([rebuilt, encodeRecords(rebuilt.length, batch)]);
    expect(rebuilt.equals(log)).to.equal(true);
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
