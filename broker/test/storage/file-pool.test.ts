import { expect } from "chai";
import { FilePool, PooledFile } from "../../src/storage/file-pool.ts";
import { append, asOffset, DATA, makeBatch, StorageMachine } from "./support/storage-machine.ts";

describe("file pool", () => {
  function poolOf(openMax: number): { machine: StorageMachine; files: PooledFile[] } {
    const machine = new StorageMachine();
    const pool = new FilePool(machine.disk, openMax);
    const files = Array.from({ length: 6 }, (_, slot) => new PooledFile(pool, DATA, `${slot}`));
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

  it("keeps fewer open whose indexes are large: reading thousands of full segments takes no memory without bound", () => {
    for (const [heldBytes, least, most] of [
      [5 * 1024 * 1024, 512, 544],
      [10_000, 2_000, 2_000],
    ] as const) {
      const machine = new StorageMachine();
      const pool = new FilePool(machine.disk);
      const evicted = new Set<number>();
      for (let slot = 0; slot < 2_000; slot++) {
        const onEvicted = (): unknown => evicted.add(slot);
        const file = new PooledFile(pool, DATA, `${slot}`, { heldBytes, onEvicted: () => void onEvicted() });
        file.create();
      }
      expect(pool.openCount).to.be.within(least, most);
      expect(evicted.size).to.equal(2_000 - pool.openCount);
    }
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

  it("serves 2,000 segments through eight descriptors, with reads and syncs in flight", async () => {
    const machine = new StorageMachine();
    machine.openFilesMax = 8;
    const { directory, log } = await machine.fresh({ segmentBytes: 100 });
    for (let i = 0; i < 2000; i += 1) append(log, makeBatch({ timestamps: [i] }));
    expect(log.segmentCount).to.equal(2000);
    await machine.synced(log);
    await machine.run(directory.close(1));
    machine.restart("power");
    const { directory: next, log: again } = await machine.again({ segmentBytes: 100 });
    expect(machine.medium.openFilesCount, "a start opens none of the closed ones").to.equal(0);
    let openMax = 0;
    const reader = async (offset: number): Promise<void> => {
      const { records } = await again.read(asOffset(offset), 1000, again.writtenEndOffset);
      openMax = Math.max(openMax, machine.medium.openFilesCount);
      expect(records.readBigInt64BE(0)).to.equal(BigInt(offset));
    };
    for (let from = 0; from < 2000; from += 200) {
      append(again, makeBatch({ timestamps: [5000 + from] }));
      again.sync();
      await machine.run(Promise.all(Array.from({ length: 4 }, (_, i) => reader(from + 37 * i))));
    }
    // Two more while a safe write or a sync of an index opens a file of its own.
    expect(openMax).to.be.within(2, 8 + 3);
    expect(await machine.run(again.findByTimestamp(1234, again.writtenEndOffset))).to.deep.equal({
      offset: 1234,
      timestamp: 1234,
    });
    await machine.run(next.close(2));
    expect(machine.medium.openFilesCount).to.equal(0);
  });
});
