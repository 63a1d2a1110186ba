/** Raft's store under a process that is killed while it writes, on the real disk and LevelDB. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { SeededRandom } from "../../../src/base/index.ts";
import { FileDisk, LevelStore } from "../../../src/platform/index.ts";
import { createRaftStore, openRaftStore, type RaftStoreOptions } from "../../../src/storage/index.ts";
import { makeTempDirectory, removeDirectory } from "../../platform/temp-directory.ts";

const WRITER = fileURLToPath(new URL("./store-writer.js", import.meta.url));

describe("Raft's store under kill -9", () => {
  it("has everything that was announced, opens, and goes on, life after life", async () => {
    const directory = makeTempDirectory();
    const options: RaftStoreOptions = {
      directory,
      disk: new FileDisk(),
      openStore: (path, mode) => LevelStore.open(path, mode),
    };
    const voters = [{ nodeId: 1, directoryId: "d" }];
    const { store } = await createRaftStore(options, {
      point: { index: 0, term: 0, voters },
      bytes: Buffer.from("birth"),
    });
    await store.close();
    const random = new SeededRandom(Math.floor(Math.random() * 2 ** 31));
    let announced = { index: 0, term: 0 };
    for (let life = 0; life < 3; life += 1) {
      const child = spawn(process.execPath, [WRITER, directory], { stdio: ["ignore", "pipe", "inherit"] });
      let lines = "";
      let wanted = random.between(5, 25);
      child.stdout.on("data", (data: Buffer) => {
        lines += data.toString();
        // In the middle of a write, most likely of the next one.
        if (wanted > 0 && lines.split("\n").length > wanted) {
          wanted = 0;
          child.kill("SIGKILL");
        }
      });
      // oxlint-disable-next-line no-await-in-loop
      await once(child, "close");
      const [index, term] = (lines.trimEnd().split("\n").at(-1) ?? "").split(" ").map(Number);
      if (lines.endsWith("\n") && index !== undefined && term !== undefined) announced = { index, term };
      // oxlint-disable-next-line no-await-in-loop
      const opened = await openRaftStore(options);
      expect(opened.store.lastIndex).to.be.at.least(announced.index);
      expect(opened.stored.hardState.term).to.be.at.least(announced.term);
      const at = opened.stored.entries.find((entry) => entry.index === announced.index);
      if (at !== undefined) expect(at.term).to.equal(announced.term);
      // oxlint-disable-next-line no-await-in-loop
      await opened.store.close();
    }
    expect(announced.index).to.be.greaterThan(10);
    removeDirectory(directory);
  });
});
