import fs from "node:fs";
import path from "node:path";
import { expect } from "chai";
import { LevelStore } from "../../src/platform/index.ts";
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
});
