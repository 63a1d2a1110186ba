/** The job that reads closed segments back: its pace, its stop, what it finds and what it leaves alone. */
import { expect } from "chai";
import { patchBatch, readBatchHeader } from "@tidemark/proto";
import { ScrubJob } from "../../src/runtime/scrub-job.ts";
import type { LogDamage, PartitionLog } from "../../src/storage/index.ts";
import { append, asMs, asOffset, makeBatch, specOf, StorageMachine } from "../storage/support/storage-machine.ts";
import { quietLogger } from "./support/partition-bench.ts";

const DAY = 86_400_000;
const RATE = 1_000;

async function bench({ intervalMs = DAY, partitions = 3 } = {}) {
  const machine = new StorageMachine();
  const directory = await machine.open();
  const logs: PartitionLog[] = [];
  for (let partition = 0; partition < partitions; partition += 1) {
    const log = await machine.run(directory.createLog(specOf({}, "t", partition)));
    for (let count = 0; count < 40; count += 1) append(log, makeBatch({}), 0, 1_000);
    log.highWatermark = log.logEndOffset;
    await machine.synced(log);
    logs.push(log);
  }
  const found: [number, LogDamage][] = [];
  const job = new ScrubJob({
    timers: machine.process,
    logger: quietLogger,
    intervalMs,
    bytesPerSecond: () => RATE,
    logs: () => directory.logs(),
    onFound: (log, damage) => found.push([log.partition, damage]),
  });
  const flip = (log: PartitionLog, slot: number): void => {
    const path = log.segments().at(slot)?.path ?? "";
    const bytes = machine.bytes(path);
    bytes[80] = (bytes[80] ?? 0) ^ 1;
    machine.put(path, bytes);
  };
  return { machine, directory, logs, found, job, flip };
}

describe("ScrubJob", () => {
  it("finds what has rotted in closed segments within a pass, and leaves the active one to its readers", async () => {
    const { machine, logs, found, job, flip } = await bench();
    const [first, second, third] = logs as [PartitionLog, PartitionLog, PartitionLog];
    expect(first.segmentCount).to.be.greaterThan(2);
    flip(second, 1);
    flip(third, -1);
    job.start();
    await machine.letPass(3_600_000 - 1);
    expect(found).to.deep.equal([]);
    const closed = logs.reduce(
      (sum, log) =>
        sum +
        log
          .segments()
          .slice(0, -1)
          .reduce((all, { sizeBytes }) => all + sizeBytes, 0),
      0,
    );
    await machine.letPass((closed / RATE) * 1_000 + 1_000);
    expect(found.map(([partition, { offset }]) => [partition, offset])).to.deep.equal([
      [1, second.segments()[1]?.baseOffset],
    ]);
    // Known by now; the next pass finds no more.
    await machine.letPass(2 * DAY);
    expect(found).to.have.length(1);
    await machine.run(job.stop());
  });

  it("reads no faster than it may, and stops in the middle of a log", async () => {
    const { machine, directory, logs, found, job, flip } = await bench();
    flip(logs[2] as PartitionLog, 0);
    job.start();
    await machine.letPass(3_600_000 + 500);
    expect(found, "two whole logs come before it").to.deep.equal([]);
    await machine.run(job.stop());
    await machine.letPass(3 * DAY);
    expect(found).to.deep.equal([]);
    await machine.run(directory.close(1));
  });

  /** The disk gives nothing of the segment any more. */
  const lose = ({ medium }: StorageMachine, log: PartitionLog, slot: number): void => {
    const path = new RegExp(`^${(log.segments()[slot]?.path ?? "").replaceAll(".", "\\.")}$`, "u");
    medium.faults.add({ operation: "read", effect: "EIO", path, times: 1_000_000 });
  };

  it("finds what the disk does not give of closed segments, and the directory stays in use (decision 0034)", async () => {
    const { machine, logs, found, job } = await bench();
    for (const log of logs) lose(machine, log, 1);
    job.start();
    await machine.letPass(2 * DAY);
    expect(found.map(([partition, { offset, reason }]) => [partition, offset, reason])).to.deep.equal(
      logs.map((log) => [log.partition, log.segments()[1]?.baseOffset, "unreadable"]),
    );
    expect(machine.offline).to.equal(null);
    await machine.run(job.stop());
  });

  it("takes a disk that refuses many of them for one that fails (3.8(1))", async () => {
    const { machine, directory, logs, found, job } = await bench({ partitions: 5 });
    for (const log of logs) lose(machine, log, 0);
    job.start();
    await machine.letPass(2 * DAY);
    expect(found).to.have.length(3);
    expect([machine.offline?.kind, directory.isOffline]).to.deep.equal(["EIO", true]);
    await machine.run(job.stop());
  });

  it("counts a segment again that was filled anew under its name, and refused once more", async () => {
    const { machine, directory, logs } = await bench();
    const refill = async (log: PartitionLog): Promise<PartitionLog> => {
      const offset = log.segments()[1]?.baseOffset ?? 0;
      const { records } = await machine.run(log.read(asOffset(0), 100, log.writtenEndOffset));
      lose(machine, log, 1);
      const lost = await machine.run(log.verify({ from: log.logStartOffset, to: log.logEndOffset }));
      expect([lost?.reason, lost?.offset]).to.deep.equal(["unreadable", offset]);
      const cut = await machine.run(directory.repairLog(log.topic, log.partition));
      const first = readBatchHeader(records, 0);
      while (cut.segmentCount < 4) {
        const batch = Buffer.from(records.subarray(0, first.sizeBytes));
        patchBatch(batch, 0, cut.logEndOffset, first.partitionLeaderEpoch);
        cut.appendFetched(batch, readBatchHeader(batch, 0), asMs(1000));
        cut.writeAppended();
      }
      machine.medium.faults.removeAll();
      return cut;
    };
    let [log] = logs as [PartitionLog];
    for (let time = 1; time <= 3; time += 1) log = await refill(log);
    expect(directory.isOffline).to.equal(false);
    await refill(log).catch(() => undefined);
    expect(directory.isOffline, "the fourth").to.equal(true);
  });

  it("takes the directory offline where the active segment cannot be read: it is written to as well", async () => {
    const { machine, logs } = await bench();
    const [log] = logs as [PartitionLog];
    lose(machine, log, log.segmentCount - 1);
    await machine.failure(log.verify({ from: log.logStartOffset, to: log.logEndOffset }));
    await machine.letPass(1);
    expect(machine.offline?.kind).to.equal("EIO");
  });

  it("is made by nobody who does not want it", async () => {
    const { machine, logs, found, job, flip } = await bench({ intervalMs: 0 });
    flip(logs[0] as PartitionLog, 0);
    job.start();
    await machine.letPass(30 * DAY);
    expect(found).to.deep.equal([]);
    await machine.run(job.stop());
  });
});
