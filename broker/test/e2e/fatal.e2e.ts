/** A disk that fails for good: whoever waits is told, the owner hears the reason and the exit code, and no marker is written. */
import { expect } from "chai";
import type { FatalFault } from "../../src/index.ts";
import { MemoryDisk } from "../../src/platform/index.ts";
import { DiskFault } from "../../src/ports/index.ts";
import { batch } from "./support/batches.ts";
import { overriding } from "./support/held-syncs.ts";
import { RawClient } from "./support/raw-client.ts";
import { startBroker } from "./support/test-broker.ts";

describe("a disk that fails", () => {
  for (const [operation, durability] of [
    ["write", "page-cache"],
    ["datasync", "group-commit"],
  ] as const) {
    it(`EIO on a ${operation}: 56 to who waits, the owner is told once, readiness ends`, async () => {
      const memory = new MemoryDisk();
      let isBroken = false;
      const disk = overriding(memory, {
        open: (path, mode) => {
          const file = memory.open(path, mode);
          if (!path.endsWith(".log")) return file;
          return overriding(file, {
            writevSync: (buffers, at) => {
              if (isBroken && operation === "write") throw new DiskFault("EIO", "write", path);
              return file.writevSync(buffers, at);
            },
            datasync: (done) => {
              if (isBroken && operation === "datasync")
                setImmediate(() => done(new DiskFault("EIO", "datasync", path)));
              else file.datasync(done);
            },
          });
        },
      });
      const faults: FatalFault[] = [];
      let tell: () => void = () => undefined;
      const told = new Promise<void>((resolve) => {
        tell = resolve;
      });
      const broker = await startBroker(
        {},
        { memory: true, world: { disk }, onFatal: (fault) => (faults.push(fault), tell()) },
      );
      const client = new RawClient(broker.grpcAddress);
      await client.createTopic("doomed", { config: { "tidemark.durability": durability } });
      const producer = client.produceStream();
      await producer.opened();
      expect((await producer.produce("doomed", batch())).errorCode).to.equal(0);
      isBroken = true;
      expect((await producer.produce("doomed", batch())).errorCode).to.equal(56);
      await told;
      expect((await producer.produce("doomed", batch())).errorCode).to.equal(56);
      expect(broker.isReady).to.equal(false);
      expect(faults).to.have.length(1);
      expect(faults[0]).to.deep.include({ code: "DISK_FAULT", exitCode: 74 });
      expect(faults[0]?.message).to.include("EIO");
      client.close();
      await broker.stop();
      expect(memory.sizeOf("/memory/.kafka_cleanshutdown"), "no clean marker").to.equal(null);
    });
  }

  it("a disk that is full but for its reserve takes no records, but topics, and goes on when there is room (3.8(2))", async () => {
    const disk = new MemoryDisk({ capacityBytes: 64 * 1024 * 1024 });
    const broker = await startBroker({}, { memory: true, world: { disk } });
    const client = new RawClient(broker.grpcAddress);
    await client.createTopic("full", { config: { "file.delete.delay.ms": "0" } });
    const producer = client.produceStream();
    await producer.opened();
    const record = batch({ values: ["x".repeat(1_000_000)] });
    const code = async (topic: string): Promise<number> => (await producer.produce(topic, record)).errorCode;
    let written = 0;
    while ((await code("full")) === 0) written += 1;
    expect(written).to.be.above(50);
    expect((await producer.produce("full", record)).errorMessage).to.match(/^memory is full \(\d\.\d MiB free/u);
    expect(disk.freeBytes("/")).to.be.within(1_000_000, 0.05 * 64 * 1024 * 1024);
    await client.createTopic("small");
    expect(await code("small")).to.equal(56);
    await client.deleteTopics(["full"]);
    while ((await code("small")) !== 0);
    client.close();
    await broker.stop();
  });

  it("a full disk fails what it must and nothing else (3.8(2))", async () => {
    const disk = new MemoryDisk({ capacityBytes: 3 * 1024 * 1024 });
    const broker = await startBroker({}, { memory: true, world: { disk } });
    const client = new RawClient(broker.grpcAddress);
    await client.createTopic("full");
    const producer = client.produceStream();
    await producer.opened();
    const codes: number[] = [];
    for (let i = 0; i < 8; i++)
      codes.push((await producer.produce("full", batch({ values: ["x".repeat(700_000)] }))).errorCode);
    expect(codes).to.include(56).and.include(0);
    expect(broker.isReady).to.equal(true);
    const end = (await client.listOffset("full", -1)).offset;
    expect(end).to.equal(codes.filter((code) => code === 0).length);
    client.close();
    await broker.stop();
  });
});
