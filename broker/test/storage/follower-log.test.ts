import { expect } from "chai";
import { patchBatch, readBatchHeader } from "@tidemark/proto";
import type { PartitionLog } from "../../src/storage/index.ts";
import { crashEverywhere } from "./support/crash-everywhere.ts";
import {
  append,
  asMs,
  asOffset,
  DATA,
  fileBytes,
  makeBatch,
  makeMarker,
  readAll,
  StorageMachine,
} from "./support/storage-machine.ts";
import type { BatchOptions } from "./support/storage-machine.ts";

const P = `${DATA}/t-0`;
const base = (offset: number): string => String(offset).padStart(20, "0");

/** A batch as the leader of `epoch` has it at `offset`. */
function fetched(offset: number, epoch = 0, options: BatchOptions = {}): Buffer {
  const batch = makeBatch(options);
  patchBatch(batch, 0, offset, epoch);
  return batch;
}

function follow(log: PartitionLog, batch: Buffer): ReturnType<PartitionLog["appendFetched"]> {
  const result = log.appendFetched(batch, readBatchHeader(batch, 0), asMs(1000));
  const fault = log.writeAppended();
  if (fault !== null) throw fault;
  return result;
}

describe("log: append as a follower (3.2)", () => {
  it("keeps the bytes, offsets and epochs of the leader, over rolls", async () => {
    const machine = new StorageMachine();
    const { directory, log: leader } = await machine.fresh();
    for (let i = 0; i < 60; i += 1) append(leader, makeBatch({ records: 1 + (i % 3) }), Math.floor(i / 20));
    const bytes = await readAll(machine, leader, 300);
    await machine.run(directory.close(1));

    const other = new StorageMachine({ seed: 2 });
    const { log } = await other.fresh();
    for (let at = 0; at < bytes.length; ) {
      const { sizeBytes } = readBatchHeader(bytes, at);
      const batch = Buffer.from(bytes.subarray(at, at + sizeBytes));
      expect(follow(log, batch).code).to.equal("OK");
      at += sizeBytes;
    }
    expect(log.logEndOffset).to.equal(leader.logEndOffset);
    expect(fileBytes(other, log)).to.deep.equal(bytes);
    expect(log.segments().map(({ baseOffset }) => baseOffset)).to.deep.equal(
      leader.segments().map(({ baseOffset }) => baseOffset),
    );
    for (const epoch of [0, 1, 2]) {
      expect(log.endOffsetFor(epoch as never)).to.deep.equal(leader.endOffsetFor(epoch as never));
    }
  });

  it("takes the gaps that compaction leaves, and reads across them (P50)", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh();
    follow(log, fetched(40, 2, { records: 2 }));
    follow(log, fetched(100, 3));
    expect([log.logStartOffset, log.logEndOffset, log.latestEpoch]).to.deep.equal([0, 101, 3]);
    const { records, nextOffset } = await machine.run(log.read(asOffset(0), 1000, log.writtenEndOffset));
    expect(readBatchHeader(records, 0).baseOffset).to.equal(40);
    expect(nextOffset).to.equal(101);
    await machine.synced(log);
    for (const kind of ["process", "power"] as const) {
      machine.restart(kind);
      const { log: again } = await machine.again();
      expect([again.logEndOffset, again.latestEpoch, again.isDamaged], kind).to.deep.equal([101, 3, false]);
    }
  });

  it("begins a segment for a batch that lies more than a segment's span beyond the end", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh();
    follow(log, fetched(0));
    const far = 2 ** 31 + 500;
    expect(follow(log, fetched(far)).code).to.equal("GAP");
    const isWanted = (): boolean => false;
    expect(await machine.run(log.skipTo(asOffset(far), isWanted)), "whoever asked is gone").to.equal(false);
    expect(log.logEndOffset).to.equal(1);
    expect(await machine.run(log.skipTo(asOffset(far)))).to.equal(true);
    expect(follow(log, fetched(far)).code).to.equal("OK");
    expect(log.segments().map(({ baseOffset }) => baseOffset)).to.deep.equal([0, far]);
    await machine.synced(log);
    expect(log.syncedEndOffset).to.equal(far + 1);
    machine.restart("power");
    const { log: again } = await machine.again();
    expect([again.logEndOffset, again.isDamaged]).to.deep.equal([far + 1, false]);
  });

  it("that segment does not come when there is no room to mark the gap, and comes once when there is", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh();
    follow(log, fetched(0));
    const far = asOffset(2 ** 31 + 500);
    machine.medium.faults.add({ operation: "open", effect: "ENOSPC", path: /\.gaps$/ });
    expect(await machine.run(log.skipTo(far))).to.equal(false);
    const bases = (): number[] => log.segments().map(({ baseOffset }) => baseOffset);
    expect([log.logEndOffset, ...bases()]).to.deep.equal([1, 0]);
    machine.medium.faults.removeAll();
    expect(await machine.run(log.skipTo(far))).to.equal(true);
    expect(follow(log, fetched(far)).code).to.equal("OK");
    expect([log.logEndOffset, ...bases()]).to.deep.equal([far + 1, 0, far]);
  });

  it("has the mark for its gaps on stable storage before anything behind it counts, whichever start has made it", async () => {
    const config = { cleanupPolicy: ["compact"], durability: "group-commit" } as const;
    const machine = new StorageMachine();
    const { directory, log } = await machine.fresh({ durability: "group-commit" });
    follow(log, fetched(0));
    await machine.run(directory.close(1));
    machine.restart("process");
    const { log: compacted } = await machine.again(config);
    follow(compacted, fetched(100));
    await machine.synced(compacted);
    machine.restart("power");
    const { log: again } = await machine.again({ durability: "group-commit" });
    expect([again.logEndOffset, again.isDamaged]).to.deep.equal([101, false]);
  });

  it("counts what is synced, though the mark for its gaps came while that was synced, behind a cut or not", async () => {
    for (const isCut of [false, true]) {
      const machine = new StorageMachine();
      const { log } = await machine.fresh({ durability: "group-commit" });
      append(log);
      await machine.synced(log);
      append(log);
      append(log);
      machine.medium.faults.add({ operation: "datasync", effect: "stall", path: /\.log$/u, stallMs: 100 });
      const cut = isCut ? log.truncateTo(asOffset(2)) : null;
      log.sync();
      await machine.letPass(50);
      expect(log.syncedEndOffset).to.equal(1);
      log.reconfigure({ ...log.config, cleanupPolicy: ["compact"] });
      if (cut !== null) await machine.run(cut);
      await machine.letPass(1000);
      expect(log.syncedEndOffset, "nobody asks again").to.equal(log.writtenEndOffset);
    }
  });

  it("takes appends as soon as whoever waited for a cut goes on", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh();
    for (let i = 0; i < 3; i += 1) append(log);
    const cut = log.truncateTo(asOffset(2));
    const settled = log.whenSettled() ?? expect.fail("it is being cut");
    const appended = settled.then(() => append(log, makeBatch(), 1));
    await machine.run(cut);
    expect(await machine.run(appended)).to.equal(2);
  });

  it("follows the producers unasked: what it would refuse from a client too", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh();
    follow(log, fetched(0, 0, { producerId: 7, producerEpoch: 3, baseSequence: 40, records: 2 }));
    follow(log, fetched(2, 0, { producerId: 7, producerEpoch: 3, baseSequence: 90 }));
    expect(log.producer(7)?.batches.map(({ firstSequence, baseOffset }) => [firstSequence, baseOffset])).to.deep.equal([
      [40, 0],
      [90, 2],
    ]);
    follow(log, fetched(3, 0, { producerId: 8, isTransactional: true }));
    expect(log.firstOpenTransactionOffset).to.equal(3);
    const marker = makeMarker({ producerId: 8, type: "abort" });
    patchBatch(marker, 0, 4, 0);
    follow(log, marker);
    expect(log.firstOpenTransactionOffset).to.equal(null);
    expect(log.abortedTransactions(asOffset(0), asOffset(5)).map(({ firstOffset }) => firstOffset)).to.deep.equal([3]);
  });

  it("loses the epoch that came with a batch whose write failed (3.1(12))", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh();
    follow(log, fetched(0, 1));
    machine.medium.faults.add({ operation: "write", effect: "ENOSPC", path: /\.log$/ });
    const batch = fetched(1, 2);
    log.appendFetched(batch, readBatchHeader(batch, 0), asMs(1000));
    expect(log.writeAppended()).to.not.equal(null);
    expect([log.logEndOffset, log.latestEpoch]).to.deep.equal([1, 1]);
  });

  it("counts only the durable log start as such", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh();
    for (let i = 0; i < 5; i += 1) follow(log, fetched(i));
    log.highWatermark = asOffset(4);
    const raised = log.raiseLogStart(asOffset(3));
    expect([log.logStartOffset, log.durableLogStartOffset]).to.deep.equal([3, 0]);
    await machine.run(raised);
    expect(log.durableLogStartOffset).to.equal(3);
  });
});

describe("log: begun anew (5.3(5), 5.3(8))", () => {
  const filled = async (machine: StorageMachine): Promise<PartitionLog> => {
    const { log } = await machine.fresh();
    for (let i = 0; i < 40; i += 1) follow(log, fetched(i, Math.floor(i / 15), { producerId: 5, baseSequence: i }));
    log.highWatermark = asOffset(30);
    await machine.run(log.raiseLogStart(asOffset(12)));
    await machine.synced(log);
    return log;
  };

  for (const [what, offset] of [
    ["above its end", 500],
    ["below its start", 7],
    ["at its first segment's base, below its start", 0],
  ] as const) {
    it(`${what}: nothing is left, and it goes on from there`, async () => {
      const machine = new StorageMachine();
      const log = await filled(machine);
      await machine.run(offset < 12 ? log.truncateTo(asOffset(offset)) : log.restartAt(asOffset(offset)));
      const ends = [log.logStartOffset, log.logEndOffset, log.writtenEndOffset, log.syncedEndOffset, log.highWatermark];
      expect(ends).to.deep.equal([offset, offset, offset, offset, offset]);
      expect([log.latestEpoch, log.producer(5), log.durableLogStartOffset]).to.deep.equal([-1, undefined, offset]);
      expect(machine.names(P).filter((name) => name.endsWith(".log"))).to.deep.equal([`${base(offset)}.log`]);
      for (let i = 0; i < 30; i += 1) follow(log, fetched(offset + i, 4));
      await machine.synced(log);
      machine.restart("power");
      const { log: again } = await machine.again();
      expect([again.logStartOffset, again.logEndOffset, again.latestEpoch, again.isDamaged]).to.deep.equal([
        offset,
        offset + 30,
        4,
        false,
      ]);
      expect((await readAll(machine, again)).length).to.equal(fileBytes(machine, again).length);
    });

    it(`${what}: whatever a crash leaves is whole, undamaged, and goes on to the same end (P70)`, async () => {
      await crashEverywhere(
        async (machine) => {
          const log = await filled(machine);
          return async () => {
            await (offset < 12 ? log.truncateTo(asOffset(offset)) : log.restartAt(asOffset(offset)));
            for (let i = 0; i < 5; i += 1) follow(log, fetched(offset + i, 4));
            log.sync();
          };
        },
        async (machine, kind) => {
          const { log } = await machine.again();
          expect(log.isDamaged, kind).to.equal(false);
          expect(log.highWatermark).to.be.within(log.logStartOffset, log.logEndOffset);
          await readAll(machine, log);
          const isNew = log.latestEpoch === 4;
          if (isNew) expect(log.logStartOffset).to.equal(offset);
          if (log.logEndOffset === log.logStartOffset) expect(log.latestEpoch).to.be.oneOf([-1, 4]);
          if (log.logEndOffset !== offset || log.logStartOffset !== offset)
            await machine.run(log.restartAt(asOffset(offset)));
          follow(log, fetched(offset, 6));
          await machine.synced(log);
          machine.restart("power");
          const { log: again } = await machine.again();
          const seen = [again.logStartOffset, again.logEndOffset, again.latestEpoch, again.isDamaged];
          expect(seen, kind).to.deep.equal([offset, offset + 1, 6, false]);
        },
      );
    });
  }

  it("at its start, which is its end: what was deleted in a later epoch is no reason to cut what comes, at the next start", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh();
    follow(log, fetched(0, 4));
    log.highWatermark = asOffset(1);
    await machine.run(log.raiseLogStart(asOffset(1)));
    await machine.run(log.restartAt(asOffset(1)));
    follow(log, fetched(1, 2));
    await machine.synced(log);
    machine.restart("power");
    const { log: again } = await machine.again();
    const seen = [again.logStartOffset, again.logEndOffset, again.latestEpoch, again.isDamaged];
    expect(seen).to.deep.equal([1, 2, 2, false]);
  });

  it("where it is empty: an epoch in which nobody wrote goes too", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh();
    await machine.run(log.restartAt(asOffset(100)));
    log.startEpoch(4 as never);
    await machine.run(log.restartAt(asOffset(100)));
    expect([log.logStartOffset, log.logEndOffset, log.latestEpoch]).to.deep.equal([100, 100, -1]);
  });

  it("is what a cut inside the batch leaves in which the log starts, and the log start stays", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh();
    follow(log, fetched(0, 1, { records: 4 }));
    follow(log, fetched(4, 2, { records: 6 }));
    log.highWatermark = asOffset(10);
    await machine.run(log.raiseLogStart(asOffset(6)));
    await machine.run(log.truncateTo(asOffset(8)));
    expect([log.logStartOffset, log.logEndOffset, log.highWatermark, log.latestEpoch]).to.deep.equal([6, 6, 6, -1]);
    machine.restart("power");
    const { log: again } = await machine.again();
    expect([again.logStartOffset, again.logEndOffset, again.isDamaged]).to.deep.equal([6, 6, false]);
  });

  it("is what a crash in the middle of such a cut leaves, or the log as it was (P70)", async () => {
    await crashEverywhere(
      async (machine) => {
        const { log } = await machine.fresh();
        follow(log, fetched(0, 1, { records: 4 }));
        follow(log, fetched(4, 2, { records: 6 }));
        log.highWatermark = asOffset(10);
        await machine.run(log.raiseLogStart(asOffset(6)));
        await machine.synced(log);
        return () => log.truncateTo(asOffset(8));
      },
      async (machine, kind) => {
        const { log } = await machine.again();
        expect([log.logStartOffset, log.isDamaged], kind).to.deep.equal([6, false]);
        expect(log.logEndOffset).to.be.oneOf([6, 10]);
        expect(log.highWatermark).to.be.within(6, log.logEndOffset);
        if (log.logEndOffset === 10) await machine.run(log.truncateTo(asOffset(8)));
        follow(log, fetched(6, 3));
        await machine.synced(log);
        machine.restart("power");
        const { log: again } = await machine.again();
        expect([again.logStartOffset, again.logEndOffset, again.latestEpoch]).to.deep.equal([6, 7, 3]);
      },
    );
  });

  for (const [what, before] of [
    ["the batch before", [fetched(0, 0, { records: 4 }), fetched(4, 0, { records: 2 })]],
    ["its segment's base", []],
  ] as const) {
    it(`ends behind ${what} when the batch that a cut falls into has a base offset that rotted`, async () => {
      const machine = new StorageMachine();
      const { log } = await machine.fresh();
      for (const batch of before) follow(log, batch);
      const end = log.logEndOffset;
      // Of three records: another bit of the base offset than the leader sent, outside the CRC.
      follow(log, fetched(end + 2, 0, { records: 3 }));
      await machine.run(log.truncateTo(asOffset(end + 3)));
      expect([log.logEndOffset, log.highWatermark]).to.deep.equal([end, Math.min(end, log.highWatermark)]);
      expect(follow(log, fetched(end, 0, { records: 3 })).code).to.equal("OK");
      machine.restart("process");
      const { log: again } = await machine.again();
      expect([again.logEndOffset, again.isDamaged]).to.deep.equal([end + 3, false]);
    });
  }

  it("has no hole where the cut falls into the gap that a rotted base offset has made", async () => {
    for (const cut of [5, 7, 64]) {
      const machine = new StorageMachine();
      const { log } = await machine.fresh();
      follow(log, fetched(0, 0, { records: 2 }));
      // Of [2..4], and one bit of its base offset.
      follow(log, fetched(66, 0, { records: 3 }));
      await machine.run(log.truncateTo(asOffset(cut)));
      expect(log.logEndOffset, `cut to ${cut}`).to.equal(2);
      expect(follow(log, fetched(2, 0, { records: 3 })).code).to.equal("OK");
    }
  });

  it("is not cut below its high watermark by a gap that its leader confirms, and ends there over every start", async () => {
    for (const kind of ["process", "power", "stop"] as const) {
      const machine = new StorageMachine();
      const { directory, log } = await machine.fresh();
      follow(log, fetched(0, 1, { records: 4 }));
      follow(log, fetched(20, 1, { records: 2 }));
      log.highWatermark = asOffset(20);
      await machine.run(log.truncateTo(asOffset(20)));
      const ends = (it: PartitionLog): number[] => [it.logEndOffset, it.syncedEndOffset, it.highWatermark];
      expect(ends(log)).to.deep.equal([20, 20, 20]);
      expect(await machine.run(log.verify({ from: asOffset(0), to: asOffset(20), pace: () => null }))).to.equal(null);
      if (kind === "stop") await machine.run(directory.close(1));
      machine.restart(kind === "power" ? "power" : "process");
      const { log: again } = await machine.again();
      expect([again.logEndOffset, again.isDamaged], kind).to.deep.equal([20, false]);
      expect(follow(again, fetched(20, 2)).code).to.equal("OK");
      await machine.synced(again);
      machine.restart("power");
      const { log: last } = await machine.again();
      expect([last.logEndOffset, last.latestEpoch, last.isDamaged], kind).to.deep.equal([21, 2, false]);
      expect((await readAll(machine, last)).length).to.equal(fileBytes(machine, last).length);
    }
  });

  it("ends where its last batch ends when it is cut in a gap before a segment, or at its high watermark there", async () => {
    for (const highWatermark of [1, 600]) {
      for (const kind of ["process", "stop"] as const) {
        const machine = new StorageMachine();
        const { directory, log } = await machine.fresh();
        follow(log, fetched(0));
        const far = 2 ** 31 + 500;
        expect(await machine.run(log.skipTo(asOffset(far)))).to.equal(true);
        follow(log, fetched(far));
        await machine.synced(log);
        log.highWatermark = asOffset(highWatermark);
        await machine.run(log.truncateTo(asOffset(600)));
        expect([log.logEndOffset, log.highWatermark]).to.deep.equal([highWatermark, highWatermark]);
        await machine.synced(log);
        if (kind === "stop") await machine.run(directory.close(1));
        else await machine.letPass(20_000);
        machine.restart("process");
        const { log: again } = await machine.again();
        expect([again.logEndOffset, again.isDamaged], kind).to.deep.equal([highWatermark, false]);
      }
    }
  });

  it("is whole whatever a crash leaves of a cut at a gap (P70)", async () => {
    await crashEverywhere(
      async (machine) => {
        const { log } = await machine.fresh();
        follow(log, fetched(0, 1, { records: 4 }));
        follow(log, fetched(20, 1, { records: 2 }));
        log.highWatermark = asOffset(20);
        await machine.synced(log);
        return () => log.truncateTo(asOffset(20));
      },
      async (machine, kind) => {
        const { log } = await machine.again();
        expect(log.isDamaged, kind).to.equal(false);
        expect(log.logEndOffset).to.be.oneOf([4, 20, 22]);
        if (log.logEndOffset === 22) await machine.run(log.truncateTo(asOffset(20)));
        follow(log, fetched(20, 2));
        await machine.synced(log);
        machine.restart("power");
        const { log: again } = await machine.again();
        expect([again.logEndOffset, again.isDamaged], kind).to.deep.equal([21, false]);
      },
    );
  });

  it("is cut to no less than what it keeps deleted, though it began below", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh();
    await machine.run(log.restartAt(asOffset(100)));
    await machine.run(log.restartAt(asOffset(97), asOffset(100)));
    follow(log, fetched(97, 4, { records: 6 }));
    log.highWatermark = asOffset(99);
    await machine.run(log.raiseLogStart(asOffset(98)));
    await machine.run(log.truncateTo(asOffset(101)));
    const ends = (it: PartitionLog): number[] => [it.logStartOffset, it.logEndOffset, it.durableLogStartOffset];
    expect(ends(log)).to.deep.equal([100, 100, 100]);
    machine.restart("power");
    expect(ends((await machine.again()).log)).to.deep.equal([100, 100, 100]);
  });

  for (const what of ["never comes", "finds no room"] as const) {
    it(`begins where it keeps deleted again when the batch below it ${what}, over any crash (5.3(8))`, async () => {
      await crashEverywhere(
        async (machine) => {
          const { log } = await machine.fresh();
          await machine.run(log.restartAt(asOffset(100)));
          await machine.run(log.restartAt(asOffset(97), asOffset(100)));
          if (what === "finds no room") {
            machine.medium.faults.add({ operation: "write", effect: "ENOSPC", path: /\.log$/ });
            const batch = fetched(97, 4, { records: 6 });
            log.appendFetched(batch, readBatchHeader(batch, 0), asMs(1000));
            expect(log.writeAppended()).to.not.equal(null);
            machine.medium.faults.removeAll();
          }
          expect([log.logStartOffset, log.logEndOffset]).to.deep.equal([97, 97]);
          return async () => {
            for (let busy = log.whenSettled(); busy; busy = log.whenSettled()) await busy;
            expect([log.logStartOffset, log.logEndOffset, log.highWatermark]).to.deep.equal([100, 100, 100]);
            follow(log, fetched(100, 5));
            log.sync();
          };
        },
        async (machine, kind) => {
          const { log } = await machine.again();
          expect([log.logStartOffset, log.isDamaged], kind).to.deep.equal([100, false]);
          expect(log.logEndOffset).to.be.oneOf([100, 101]);
        },
      );
    });
  }

  it("keeps what was promised to be deleted over a crash, though it begins below", async () => {
    await crashEverywhere(
      async (machine) => {
        const log = await filled(machine);
        await machine.run(log.restartAt(asOffset(100)));
        return async () => {
          await log.restartAt(asOffset(97), asOffset(100));
          follow(log, fetched(97, 4, { records: 6 }));
          log.highWatermark = asOffset(103);
          await log.raiseLogStart(asOffset(100));
        };
      },
      async (machine, kind) => {
        const { log } = await machine.again();
        expect([log.logStartOffset, log.isDamaged], kind).to.deep.equal([100, false]);
        expect(log.logEndOffset).to.be.oneOf([100, 103]);
      },
    );
  });

  it("further back, it forgets a log start that was on its way to the checkpoint", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh();
    for (let i = 0; i < 40; i += 1) follow(log, fetched(i, 2));
    log.highWatermark = asOffset(30);
    const raised = log.raiseLogStart(asOffset(25));
    const restarted = log.restartAt(asOffset(5));
    await machine.run(Promise.all([raised, restarted]));
    follow(log, fetched(5, 3));
    expect([log.logStartOffset, log.durableLogStartOffset]).to.deep.equal([5, 5]);
    expect(log.endOffsetFor(2 as never)).to.deep.equal({ epoch: 2, endOffset: 5 });
  });
});
