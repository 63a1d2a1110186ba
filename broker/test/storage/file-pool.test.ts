import { expect } from "chai";
import { FilePool, PooledFile } from "../../src/storage/file-pool.ts";
import { DATA, StorageMachine } from "./support/storage-machine.ts";

describe("file pool", () => {
  function poolOf(openMax: number): { machine: StorageMachine; files: PooledFile[] } {
    const machine = new StorageMachine();
    const pool = new FilePool(machine.disk, openMax);
    const files = Array.from({ length: 6 }, (_, slot) => new PooledFile(pool, `${DATA}/${slot}`));
    for (const [slot, file] of files.entries()) {
      file.create();
      file.writevSync([Buffer.from(`file ${slot}`)], 0);
    }
    return { machine, files };
  }

  const textOf = (file: PooledFile): string => {
    const bytes = Buffer.alloc(6);
    file.readSync(bytes, 0);
    return bytes.toString();
  };

  it("has no more files open than it may, and opens again what is asked for", () => {
    const { machine, files } = poolOf(3);
    expect(machine.medium.openFilesCount).to.equal(3);
    for (const [slot, file] of files.entries()) expect(textOf(file)).to.equal(`file ${slot}`);
    expect(machine.medium.openFilesCount).to.equal(3);
  });

  it("closes none with an operation pending (P67)", async () => {
    const { machine, files } = poolOf(3);
    const synced: number[] = [];
    for (const [slot, file] of files.entries()) file.datasync(() => synced.push(slot));
    expect(machine.medium.openFilesCount, "all six are busy").to.equal(6);
    expect(() => files[0]?.closeSync()).to.throw("in use");
    await machine.letPass(100);
    expect(synced.sort((left, right) => left - right)).to.deep.equal([0, 1, 2, 3, 4, 5]);
    files[0]?.closeSync();
    expect(textOf(files[0] as PooledFile)).to.equal("file 0");
    expect(machine.medium.openFilesCount).to.be.at.most(3);
  });

  it("lets whoever wants to close wait until nothing is pending", async () => {
    const { machine, files } = poolOf(6);
    const [file] = files;
    let isIdle = false;
    file?.datasync(() => undefined);
    void file?.whenIdle().then(() => {
      isIdle = true;
    });
    expect(isIdle).to.equal(false);
    await machine.letPass(100);
    expect(isIdle).to.equal(true);
    await file?.whenIdle();
  });
});
