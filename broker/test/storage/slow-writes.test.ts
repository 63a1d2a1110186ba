/** One log on a disk whose writes take long: they are made off the loop, one at a time, and nothing happens beside them. */
import { expect } from "chai";
import fc from "fast-check";
import type { DiskFault } from "../../src/ports/index.ts";
import type { PartitionLog } from "../../src/storage/index.ts";
import {
  append,
  asOffset,
  DATA,
  fileBytes,
  makeBatch,
  queue,
  readAll,
  specOf,
  StorageMachine,
} from "./support/storage-machine.ts";

const LOG_FILE = /\.log$/u;
const WIDE = { segmentBytes: 1_000_000 };

/** What the log told of its writes off the loop. */
function follow(log: PartitionLog): (DiskFault | null)[] {
  const told: (DiskFault | null)[] = [];
  log.events = {
    onWritten: (fault) => told.push(fault),
    onSynced: () => undefined,
    onLogStart: () => undefined,
    onSyncFailed: () => undefined,
  };
  return told;
}

/** A log that has met one write of 100 ms, which the next ones of `stallMs` follow. */
async function slowLog(
  config: Parameters<StorageMachine["fresh"]>[0] = WIDE,
  stallMs = 100,
): Promise<{ machine: StorageMachine; log: PartitionLog; told: (DiskFault | null)[] }> {
  const machine = new StorageMachine();
  const { log } = await machine.fresh(config);
  machine.medium.faults.add({ operation: "write", effect: "stall", stallMs: 100, path: LOG_FILE });
  append(log);
  machine.medium.faults.add({ operation: "write", effect: "stall", stallMs, path: LOG_FILE, times: 1000 });
  return { machine, log, told: follow(log) };
}

describe("log: writes off the loop", () => {
  it("begins with the write after a slow one; log end moves at once, written end with the write's end", async () => {
    const { machine, log, told } = await slowLog();
    const before = machine.world.nowMs;
    append(log);
    expect(machine.world.nowMs).to.equal(before);
    expect([log.writtenEndOffset, log.logEndOffset]).to.deep.equal([1, 2]);
    await machine.letPass(200);
    expect([log.writtenEndOffset, log.logEndOffset]).to.deep.equal([2, 2]);
    expect(told).to.deep.equal([null]);
    expect(await readAll(machine, log)).to.deep.equal(fileBytes(machine, log));
  });

  it("has one write in flight, and the next takes in all that came meanwhile", async () => {
    const { machine, log, told } = await slowLog();
    for (let i = 0; i < 10; i += 1) append(log);
    expect(log.logEndOffset).to.equal(11);
    await machine.letPass(150);
    expect(log.writtenEndOffset).to.equal(2);
    await machine.letPass(100);
    expect(log.writtenEndOffset).to.equal(11);
    expect(told).to.deep.equal([null, null]);
  });

  it("returns to the loop when writes are fast again", async () => {
    const { machine, log, told } = await slowLog();
    append(log);
    await machine.letPass(200);
    machine.medium.faults.removeAll();
    for (let i = 0; i < 40; i += 1) {
      append(log);
      await machine.letPass(5);
    }
    const writesOffLoop = told.length;
    append(log);
    expect(log.writtenEndOffset).to.equal(log.logEndOffset);
    await machine.letPass(100);
    expect(told.length).to.equal(writesOffLoop);
  });

  it("serves nothing beyond the written end, by offset or by time (3.1(9))", async () => {
    const { machine, log } = await slowLog({ ...WIDE, indexIntervalBytes: 0 });
    for (let i = 0; i < 5; i += 1) append(log, makeBatch({ timestamps: [5000 + i] }));
    const limit = log.logEndOffset;
    expect(log.readTail(asOffset(1), 1000, limit)?.records.length).to.equal(0);
    expect((await machine.run(log.read(asOffset(1), 1000, limit))).records.length).to.equal(0);
    const { log: other, machine: otherMachine } = await slowLog({ ...WIDE, indexIntervalBytes: 0 });
    for (let i = 0; i < 5; i += 1) append(other, makeBatch({ timestamps: [5000 + i] }));
    expect(await otherMachine.run(other.findByTimestamp(5003, limit))).to.equal(null);
    expect(await otherMachine.run(other.findByTimestamp(9999, limit))).to.equal(null);
    expect(await otherMachine.run(other.findMaxTimestamp(limit))).to.deep.equal({ offset: 0, timestamp: 1000 });
  });

  it("puts off a batch that needs a roll until the write has ended, and does nothing for it meanwhile", async () => {
    const { machine, log } = await slowLog({ segmentBytes: 250 });
    append(log);
    const result = queue(log);
    expect(result).to.deep.include({ ok: false, code: "LATER" });
    expect([log.logEndOffset, log.segmentCount]).to.deep.equal([2, 1]);
    await machine.run(log.whenWritten());
    expect(queue(log).ok).to.equal(true);
    expect(log.segmentCount).to.equal(2);
    expect(log.writeAppended()).to.equal(null);
    await machine.run(log.whenWritten());
    expect(log.writtenEndOffset).to.equal(3);
  });

  it("is cut back when the write fails: what was in flight and all that is queued behind, producers with it (P40, P42)", async () => {
    const { machine, log, told } = await slowLog();
    machine.medium.faults.removeAll();
    machine.medium.faults.add({ operation: "write", effect: "ENOSPC", path: LOG_FILE });
    append(log, makeBatch({ producerId: 7, baseSequence: 0 }));
    append(log, makeBatch({ producerId: 7, baseSequence: 1 }));
    append(log, makeBatch({ producerId: 8, baseSequence: 0 }));
    expect(log.producer(7)?.lastSequence).to.equal(1);
    await machine.letPass(100);
    expect(told.map((fault) => fault?.kind)).to.deep.equal(["ENOSPC"]);
    expect([log.writtenEndOffset, log.logEndOffset]).to.deep.equal([1, 1]);
    expect([log.producer(7), log.producer(8)]).to.deep.equal([undefined, undefined]);
    await machine.letPass(100);
    expect(append(log)).to.equal(1);
    await machine.run(log.whenWritten());
    expect(await readAll(machine, log)).to.deep.equal(fileBytes(machine, log));
  });

  it("keeps what is whole when the write falls short and cannot be completed", async () => {
    const { machine, log } = await slowLog();
    append(log);
    for (let i = 0; i < 20; i += 1) append(log);
    await machine.letPass(150);
    expect(log.writtenEndOffset).to.equal(2);
    // The rest, which is in flight: a part of it, then nothing more.
    machine.medium.faults.removeAll();
    await machine.letPass(200);
    machine.medium.faults.add({ operation: "write", effect: "stall", stallMs: 50, path: LOG_FILE });
    append(log);
    for (let i = 0; i < 20; i += 1) append(log);
    machine.medium.faults.add({ operation: "write", effect: "short", path: LOG_FILE });
    machine.medium.faults.add({ operation: "write", effect: "ENOSPC", path: LOG_FILE });
    await machine.letPass(300);
    expect(log.writtenEndOffset).to.equal(log.logEndOffset);
    expect(log.logEndOffset).to.be.within(23, 43);
    expect(await readAll(machine, log)).to.deep.equal(fileBytes(machine, log));
  });

  it("keeps the recovery point below the end that a failed write would leave it with (3.3(3))", async () => {
    const { machine, log } = await slowLog({ ...WIDE, durability: "group-commit" });
    append(log);
    log.sync();
    await machine.letPass(20);
    expect(log.syncedEndOffset).to.equal(1);
    expect(log.recoveryPoint).to.equal(0);
    await machine.run(log.whenWritten());
  });

  it("forgets index entries of queued batches that were on file already", async () => {
    const { machine, log } = await slowLog({ ...WIDE, indexIntervalBytes: 0 });
    append(log);
    // So many that the end of the first write writes the index, theirs included.
    for (let i = 0; i < 600; i += 1) append(log);
    await machine.letPass(110);
    expect(log.writtenEndOffset).to.equal(2);
    expect(machine.disk.sizeOf(`${DATA}/t-0/00000000000000000000.index`)).to.be.greaterThan(4000);
    machine.medium.faults.removeAll();
    machine.medium.capacityBytes = machine.medium.usedBytes();
    await machine.letPass(200);
    expect(log.logEndOffset).to.equal(2);
    machine.medium.capacityBytes = Number.POSITIVE_INFINITY;
    await machine.letPass(2000);
    for (let i = 0; i < 5; i += 1) append(log, makeBatch({ valueBytes: 300 }));
    await machine.run(log.whenWritten());
    const expected = fileBytes(machine, log);
    machine.restart("process");
    const again = await machine.again({ ...WIDE, indexIntervalBytes: 0 });
    await machine.run(again.directory.close(1));
    machine.restart("process");
    const { log: reopened } = await machine.again({ ...WIDE, indexIntervalBytes: 0 });
    expect(await readAll(machine, reopened)).to.deep.equal(expected);
  });

  it("lets the write end before a truncation, a stop and a deletion (5.5, 3.6, P67)", async () => {
    const cut = await slowLog();
    append(cut.log);
    append(cut.log);
    const before = cut.machine.world.nowMs;
    await cut.machine.run(cut.log.truncateTo(asOffset(1)));
    expect(cut.machine.world.nowMs - before).to.be.greaterThan(190);
    expect(cut.log.logEndOffset).to.equal(1);
    expect(cut.told.length).to.equal(2);

    const machine = new StorageMachine();
    const { directory, log } = await machine.fresh(WIDE);
    machine.medium.faults.add({ operation: "write", effect: "stall", stallMs: 100, path: LOG_FILE, times: 3 });
    append(log);
    append(log);
    append(log);
    await machine.run(directory.close(4));
    machine.restart("power");
    const { directory: again, log: reopened } = await machine.again(WIDE);
    expect(again.report.clean).to.equal(true);
    expect(reopened.logEndOffset).to.equal(3);

    machine.medium.faults.add({ operation: "write", effect: "stall", stallMs: 100, path: LOG_FILE, times: 2 });
    append(reopened);
    append(reopened);
    await machine.run(again.deleteLog("t", specOf().partition));
    expect(machine.names(DATA).some((name) => name.startsWith("t-0") && !name.endsWith("-delete"))).to.equal(false);
  });

  it("writes no more once the directory is offline, and says so to who waits", async () => {
    const { machine, log, told } = await slowLog();
    append(log);
    append(log);
    machine.medium.faults.add({ operation: "datasync", effect: "EIO" });
    log.sync();
    append(log);
    await machine.letPass(300);
    expect(machine.offline?.kind).to.equal("EIO");
    expect(log.logEndOffset).to.equal(log.writtenEndOffset);
    expect(told.at(-1)?.kind).to.equal("EIO");
  });

  it("holds the same as a log that writes on the loop, after the same operations", async () => {
    const step = fc.oneof(
      { weight: 8, arbitrary: fc.record({ kind: fc.constant("append" as const), valueBytes: fc.nat(400) }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant("sync" as const) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("truncate" as const), back: fc.nat(6) }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant("pass" as const), ms: fc.nat(80) }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async (steps) => {
        const outcomes: { bytes: string; end: number; producer: number | undefined; times: unknown }[] = [];
        for (const slowWriteMs of [0, 20]) {
          const machine = new StorageMachine();
          machine.medium.slowWriteMs = slowWriteMs;
          const { log } = await machine.fresh({ segmentBytes: 2000, durability: "group-commit" });
          follow(log);
          let sequence = 0;
          for (const todo of steps) {
            if (todo.kind === "append") {
              const batch = makeBatch({ valueBytes: todo.valueBytes, producerId: 3, baseSequence: sequence });
              let result = queue(log, batch);
              if (!result.ok && result.code === "LATER") {
                await machine.run(log.whenWritten());
                result = queue(log, batch);
              }
              expect(result).to.deep.include({ ok: true, baseOffset: sequence });
              expect(log.writeAppended()).to.equal(null);
              sequence += 1;
            } else if (todo.kind === "sync") log.sync();
            else if (todo.kind === "pass") await machine.letPass(todo.ms);
            else {
              const offset = Math.max(0, sequence - todo.back);
              await machine.run(log.truncateTo(asOffset(offset)));
              sequence = offset;
            }
          }
          await machine.run(log.whenWritten());
          expect(log.writtenEndOffset).to.equal(sequence);
          outcomes.push({
            bytes: (await readAll(machine, log)).toString("latin1"),
            end: log.logEndOffset,
            producer: log.producer(3)?.lastSequence,
            times: await machine.run(log.findMaxTimestamp(log.writtenEndOffset)),
          });
        }
        expect(outcomes[1]).to.deep.equal(outcomes[0]);
      }),
      { numRuns: 60 },
    );
  });
});
