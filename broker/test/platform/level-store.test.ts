import fs from "node:fs";
import path from "node:path";
import { expect } from "chai";
import { SeededRandom } from "../../src/base/index.ts";
import { LevelStore } from "../../src/platform/index.ts";
import { findTableDamage } from "../../src/platform/level-tables.ts";
import { DiskFault } from "../../src/ports/index.ts";
import { kvSuite } from "../suites/kv-suite.ts";
import { makeTempDirectory, removeDirectory } from "./temp-directory.ts";

kvSuite("LevelStore", { isDurable: true }, async () => {
  const directory = makeTempDirectory();
  let store = await LevelStore.open(directory, { createIfMissing: true });
  return {
    store,
    reopen: async () => {
      await store.close();
      store = await LevelStore.open(directory, { createIfMissing: false });
      return store;
    },
    cleanUp: async () => {
      await store.close();
      removeDirectory(directory);
    },
  };
});

describe("LevelStore", () => {
  let directory: string;

  beforeEach(() => {
    directory = makeTempDirectory();
  });
  afterEach(() => removeDirectory(directory));

  async function faultOf(opened: Promise<LevelStore>): Promise<DiskFault> {
    try {
      await (await opened).close();
    } catch (error: unknown) {
      if (error instanceof DiskFault) return error;
      throw error;
    }
    throw new Error("no fault");
  }

  it("makes no store where none may be made, and says that it is missing", async () => {
    const place = path.join(directory, "store");
    const fault = await faultOf(LevelStore.open(place, { createIfMissing: false }));
    expect([fault.kind, fault.operation, fault.path]).to.deep.equal(["ENOENT", "open", place]);
    expect(fs.existsSync(place)).to.equal(false);
  });

  it("rejects with a fault of the disk when the store cannot be opened", async () => {
    fs.writeFileSync(path.join(directory, "file"), "");
    const fault = await faultOf(LevelStore.open(path.join(directory, "file"), { createIfMissing: true }));
    expect(fault).to.be.instanceOf(DiskFault);
  });

  it("rejects a batch after it was closed, instead of losing it", async () => {
    const store = await LevelStore.open(directory, { createIfMissing: true });
    await store.close();
    const operation = { type: "put", key: Buffer.from("k"), value: Buffer.from("v") } as const;
    const outcome = await store.batch([operation], { sync: true }).then(
      () => null,
      (error: unknown) => error,
    );
    expect(outcome).to.be.instanceOf(DiskFault);
  });

  it("refuses a store whose manifest or tables were altered anywhere, before LevelDB can trip over them (P43)", async () => {
    let store = await LevelStore.open(directory, { createIfMissing: true });
    const random = new SeededRandom(4);
    for (let i = 0; i < 60; i += 1) {
      const value = random.bytes(new Uint8Array(random.below(900)));
      await store.batch([{ type: "put", key: Buffer.from(`key ${i}`), value }], { sync: true });
    }
    await store.close();
    // Opening makes the log a table.
    store = await LevelStore.open(directory, { createIfMissing: false });
    const whole = await store.range(Buffer.alloc(0), Buffer.alloc(9, 0xff));
    await store.close();
    expect(findTableDamage(directory)).to.equal(null);
    const files = fs.readdirSync(directory).filter((name) => /^(MANIFEST-\d+|CURRENT|\d+\.ldb)$/u.test(name));
    expect(files.some((name) => name.endsWith(".ldb"))).to.equal(true);
    let unseen = 0;
    for (const name of files) {
      const file = path.join(directory, name);
      const bytes = fs.readFileSync(file);
      const step = Math.max(1, Math.floor(bytes.length / 400));
      for (let at = 0; at < bytes.length; at += step) {
        const altered = Buffer.from(bytes);
        altered[at] = (altered[at] ?? 0) ^ (1 << random.below(8));
        fs.writeFileSync(file, altered);
        if (findTableDamage(directory) === null) unseen += 1;
        else if (at % (40 * step) === 0) {
          const fault = await faultOf(LevelStore.open(directory, { createIfMissing: false }));
          expect([fault.kind, String(fault.cause)]).to.satisfy(
            ([kind, cause]: [string, string]) => kind === "other" && cause.includes("Corruption"),
          );
        }
        fs.writeFileSync(file, bytes);
      }
      // What pads the footer means nothing; a step of a table's many bytes rarely meets it.
      expect(unseen, name).to.be.lessThan(4);
    }
    for (const name of files.filter((each) => each !== "CURRENT")) {
      const file = path.join(directory, name);
      const bytes = fs.readFileSync(file);
      fs.rmSync(file);
      expect(findTableDamage(directory), `without ${name}`).to.contain("is missing");
      fs.writeFileSync(file, bytes.subarray(0, bytes.length - 1));
      if (name.endsWith(".ldb")) expect(findTableDamage(directory), `${name} cut`).to.contain(name);
      fs.writeFileSync(file, bytes);
    }
    store = await LevelStore.open(directory, { createIfMissing: false });
    expect(await store.range(Buffer.alloc(0), Buffer.alloc(9, 0xff))).to.deep.equal(whole);
    await store.close();
  });

  it("takes the store of any history, compacted and opened often, for whole (property)", async () => {
    const random = new SeededRandom(8);
    for (let life = 0; life < 12; life += 1) {
      const store = await LevelStore.open(directory, { createIfMissing: true });
      for (let i = 0; i < 12; i += 1) {
        const value = random.bytes(new Uint8Array(random.chance(0.2) ? 120_000 : random.below(3000)));
        const key = Buffer.from(`key ${random.below(40)}`);
        await store.batch([random.chance(0.3) ? { type: "del", key } : { type: "put", key, value }], { sync: true });
      }
      await store.close();
      expect(findTableDamage(directory)).to.equal(null);
    }
  });
});
