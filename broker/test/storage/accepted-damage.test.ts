/** A damaged log waits until an operator gives up what is damaged (15.7(4)); then it goes on, and nothing of it is thrown away. */
import { expect } from "chai";
import { crashEverywhere } from "./support/crash-everywhere.ts";
import { append, DATA, fileBytes, makeBatch, readAll, StorageMachine } from "./support/storage-machine.ts";

const P = `${DATA}/t-0`;
const CONFIG = { indexIntervalBytes: 200 };

/** A stopped log whose recovery point lies far behind a bad batch, with whole segments behind that. */
async function damaged(machine: StorageMachine): Promise<{ path: string; bad: Buffer; names: string[]; end: number }> {
  const { directory, log } = await machine.fresh(CONFIG);
  for (let i = 0; i < 60; i += 1) append(log, makeBatch({ producerId: 3, baseSequence: i }));
  log.highWatermark = log.logEndOffset;
  await machine.run(directory.close(1));
  const segments = log.segments();
  const path = segments[1]?.path ?? "";
  const bytes = machine.bytes(path);
  bytes[250] = (bytes[250] ?? 0) ^ 1;
  machine.put(path, bytes);
  // A start looks at what is not known to be whole: here an operator's verify has found more than it would.
  machine.disk.unlink(`${DATA}/.kafka_cleanshutdown`);
  machine.put(`${P}/${path.slice(-24, -4)}.txnindex`, Buffer.alloc(1));
  machine.settle();
  return { path, bad: bytes, names: segments.slice(2).map((segment) => segment.path), end: log.logEndOffset };
}

describe("damage that an operator accepts", () => {
  it("waits while nobody does, start after start", async () => {
    const machine = new StorageMachine();
    const { path } = await damaged(machine);
    for (let start = 0; start < 2; start += 1) {
      machine.restart("process");
      const { directory, log } = await machine.again(CONFIG);
      expect(log.damage).to.include({ path, reason: "crc", recoveryPoint: 60 });
      await machine.run(directory.close(1));
    }
  });

  it("is cut, with the bytes kept aside, and the log goes on from there", async () => {
    const machine = new StorageMachine();
    const { path, bad, names } = await damaged(machine);
    machine.put(`${P}/.accept-damage`, "");
    machine.restart("process");
    const { directory, log } = await machine.again(CONFIG);
    expect(log.damage).to.equal(null);
    const lost = [{ topicId: log.topicId, partitions: [log.partition] }];
    expect(directory.report.damaged, "its cluster counts on it no more").to.deep.equal(lost);
    expect(machine.bytes(`${path}.damaged`)).to.deep.equal(bad);
    for (const name of names) expect(machine.disk.sizeOf(`${name}.damaged`), name).to.be.greaterThan(0);
    expect(machine.names()).to.not.include(".accept-damage");
    const end = log.logEndOffset;
    expect(end).to.be.within(13, 26);
    expect([log.highWatermark, log.producer(3)?.lastSequence]).to.deep.equal([end, end - 1]);
    expect(append(log, makeBatch({ producerId: 3, baseSequence: end }))).to.equal(end);
    await machine.run(directory.close(1));
    machine.restart("power");
    const again = await machine.again(CONFIG);
    expect([again.directory.report.clean, again.log.logEndOffset]).to.deep.equal([true, end + 1]);
    expect(again.directory.report.damaged).to.deep.equal([]);
    expect(await readAll(machine, again.log)).to.deep.equal(fileBytes(machine, again.log));
  });

  it("is given up once: a start that is cut off anywhere goes on with it", async () => {
    await crashEverywhere(
      async (machine) => {
        const { bad, path } = await damaged(machine);
        machine.put(`${P}/.accept-damage`, "");
        machine.restart("process");
        expect(machine.bytes(path)).to.deep.equal(bad);
        return () => machine.again(CONFIG);
      },
      async (machine) => {
        const { log } = await machine.again(CONFIG);
        expect(log.damage).to.equal(null);
        expect(log.logEndOffset).to.be.within(13, 26);
        expect(machine.names().filter((name) => name.endsWith(".damaged")).length).to.be.greaterThan(2);
        expect(append(log)).to.equal(log.logEndOffset - 1);
      },
      3,
    );
  });
});
