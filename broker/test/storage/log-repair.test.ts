/** Damage found while a log is in use, and its repair from a peer (15.7(1)-(3)): found, cut with nothing thrown away, filled again, forgotten. */
import { expect } from "chai";
import { readBatchHeader } from "@tidemark/proto";
import { asLeaderEpoch } from "../../src/base/index.ts";
import { EpochCache } from "../../src/storage/epoch-cache.ts";
import { FilePool } from "../../src/storage/file-pool.ts";
import type { DiskFault, Logger } from "../../src/ports/index.ts";
import { BadBytesError, type LogDirectory, type PartitionLog } from "../../src/storage/index.ts";
import { LogState } from "../../src/storage/log-state.ts";
import { findDamage } from "../../src/storage/log-verification.ts";
import { Segment } from "../../src/storage/segment.ts";
import type { FoundDamage } from "../../src/storage/types.ts";
import { crashEverywhere } from "./support/crash-everywhere.ts";
import {
  append,
  asMs,
  asOffset,
  asPartitionId,
  DATA,
  fileBytes,
  makeBatch,
  OTHER_ID,
  readAll,
  specOf,
  StorageMachine,
} from "./support/storage-machine.ts";

const P = `${DATA}/t-0`;
const T0 = ["t", asPartitionId(0)] as const;
const EVERYTHING = { from: asOffset(0), to: asOffset(Number.MAX_SAFE_INTEGER) };

const quiet: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => quiet };

interface Filled {
  readonly directory: LogDirectory;
  readonly log: PartitionLog;
  /** What its leader has. */
  readonly good: Buffer;
  /** Byte positions of the whole. */
  readonly end: number;
}

/** 40 batches in several segments, all committed and synced. */
async function filled(machine: StorageMachine): Promise<Filled> {
  const { directory, log } = await machine.fresh();
  for (let i = 0; i < 40; i += 1) append(log, makeBatch({ producerId: 3, baseSequence: i }), Math.floor(i / 10));
  log.highWatermark = log.logEndOffset;
  await machine.synced(log);
  return { directory, log, good: fileBytes(machine, log), end: log.logEndOffset };
}

function flip(machine: StorageMachine, path: string, position: number, bit = 0): void {
  const bytes = machine.bytes(path);
  bytes[position] = (bytes[position] ?? 0) ^ (1 << bit);
  machine.put(path, bytes);
}

/** Appends from the leader's bytes what the log lacks. */
function fetchAgain(log: PartitionLog, good: Buffer, to = Number.MAX_SAFE_INTEGER): void {
  for (let at = 0; at < good.length; ) {
    const header = readBatchHeader(good, at);
    const bytes = Buffer.from(good.subarray(at, at + header.sizeBytes));
    at += header.sizeBytes;
    if (header.baseOffset < log.logEndOffset || header.lastOffset >= to) continue;
    expect(log.appendFetched(bytes, header, asMs(2000))).to.include({ code: "OK" });
    expect(log.writeAppended()).to.equal(null);
  }
  log.highWatermark = log.logEndOffset;
}

/** A look with fresh eyes: what a log has found once it does not look for again. */
function look(machine: StorageMachine, log: PartitionLog): Promise<FoundDamage | null> {
  const files = new FilePool(machine.disk);
  const known = log.segments();
  const segments = known.map(({ baseOffset, sizeBytes }, slot) => {
    const options = { files, directory: P, baseOffset, indexIntervalBytes: 200, createdAt: asMs(0), logger: quiet };
    const segment = new Segment(options);
    segment.adopt(sizeBytes, known[slot + 1]?.baseOffset ?? log.logEndOffset);
    return segment;
  });
  const state = new LogState({
    segments,
    logStartOffset: asOffset(0),
    durableBase: 0,
    highWatermark: 0,
    isTouched: true,
    isGapless: true,
  });
  const epochs = new EpochCache([0, 1, 2, 3].map((epoch) => ({ epoch, startOffset: epoch * 10 })));
  const onUnreadable = (fault: DiskFault): void => expect.fail(fault.message);
  return machine.run(findDamage({ state, epochs, onUnreadable }, { ...EVERYTHING, pace: () => null }));
}

describe("damage found in a log that is in use (15.7)", () => {
  it("is any bit of any batch, in closed segments and in the active one", async () => {
    const machine = new StorageMachine();
    const { log } = await filled(machine);
    expect(await look(machine, log)).to.equal(null);
    const segments = log.segments();
    for (const { path, sizeBytes } of [segments[1], segments.at(-1)].flatMap((segment) => segment ?? [])) {
      const bytes = machine.bytes(path);
      let batchAt = 0;
      for (let position = 0; position < sizeBytes; position += 1) {
        if (position === batchAt + readBatchHeader(bytes, batchAt).sizeBytes) batchAt = position;
        flip(machine, path, position, position % 8);
        const { baseOffset } = readBatchHeader(bytes, batchAt);
        const found = await look(machine, log);
        expect(found, `byte ${position} of ${path}`).to.include({ path, offset: baseOffset, position: batchAt });
        machine.put(path, bytes);
      }
    }
  });

  it("is handed out no longer; what lies before and behind it is", async () => {
    const machine = new StorageMachine();
    const { log, good } = await filled(machine);
    const [, second, third] = log.segments();
    if (second === undefined || third === undefined) throw new Error("too few segments");
    flip(machine, second.path, 70);
    const found = await machine.run(log.verify(EVERYTHING));
    const { baseOffset } = second;
    expect(found).to.include({ offset: baseOffset, until: baseOffset + 1, reason: "crc", path: second.path });
    expect(log.rot).to.equal(found);
    const read = (offset: number) => machine.run(log.read(asOffset(offset), 10_000, log.logEndOffset));
    expect((await read(baseOffset)).records.length).to.equal(0);
    expect((await read(baseOffset - 1)).nextOffset).to.equal(baseOffset);
    expect((await read(baseOffset + 1)).nextOffset).to.equal(third.baseOffset);
    expect(append(log, makeBatch(), 3), "its only copy goes on (15.7(4))").to.equal(40);
    expect(good.length).to.be.greaterThan(0);
  });

  it("is no damage where retention or a truncation was faster", async () => {
    const machine = new StorageMachine();
    const { log } = await filled(machine);
    const path = log.segments().at(-1)?.path ?? "";
    flip(machine, path, 70);
    const cut = log.truncateTo(asOffset(5));
    expect(await machine.run(log.verify(EVERYTHING))).to.equal(null);
    await machine.run(cut);
    expect(log.rot).to.equal(null);
  });

  it("leaves the log as it was when a cut runs into it: behind bad bytes it would have bytes and no end", async () => {
    const machine = new StorageMachine();
    const { directory, log } = await filled(machine);
    const closed = log.segments()[1];
    const { path, baseOffset } = closed ?? expect.fail("several segments");
    await machine.run(directory.close(1));
    // As of a disk that lied about its syncs: zeros, and fewer of them than there were bytes.
    machine.put(path, Buffer.alloc(257));
    machine.disk.unlink(path.replace(".log", ".index"));
    machine.restart("power");
    const { log: again } = await machine.again();
    const end = again.logEndOffset;
    const failure = await machine.run(again.truncateTo(asOffset(baseOffset + 3)).catch((error: unknown) => error));
    expect(failure).to.be.instanceOf(BadBytesError).and.include({ code: "LOG_DAMAGED", offset: baseOffset });
    expect([again.logEndOffset, append(again)]).to.deep.equal([end, end]);
    expect(await machine.run(again.verify({ from: asOffset(baseOffset), to: asOffset(baseOffset + 1) }))).to.include({
      offset: baseOffset,
      path,
    });
  });

  it("may be the index alone: a cut that it leads astray is refused, and goes well with one made anew", async () => {
    // One byte into a batch, at the next entry's, at the last one's; and the first alone at the last one's.
    for (const astray of [
      (positions: readonly number[], slot: number) => (positions[slot] ?? 0) + 1,
      (positions: readonly number[], slot: number) => positions[slot + 1] ?? positions[slot] ?? 0,
      (positions: readonly number[]) => positions.at(-1) ?? 0,
      (positions: readonly number[], slot: number) => positions.at(slot === 0 ? -1 : slot) ?? 0,
    ]) {
      const machine = new StorageMachine();
      const { directory, log, good } = await filled(machine);
      const closed = log.segments()[1];
      const { path, baseOffset } = closed ?? expect.fail("several segments");
      await machine.run(directory.close(1));
      const entries = machine.bytes(path.replace(".log", ".index"));
      const positions: number[] = [];
      for (let at = 4; at < entries.length; at += 8) positions.push(entries.readUInt32BE(at));
      for (let slot = 0; slot < positions.length; slot++) entries.writeUInt32BE(astray(positions, slot), 8 * slot + 4);
      machine.put(path.replace(".log", ".index"), entries);
      machine.restart("process");
      const { log: again } = await machine.again();
      const end = again.logEndOffset;
      const cut = again.truncateTo(asOffset(baseOffset + 4));
      const settled = again.whenSettled();
      const failure = await machine.run(cut.catch((error: unknown) => error));
      expect(failure).to.be.instanceOf(BadBytesError).and.include({ offset: baseOffset });
      await machine.run(settled ?? expect.fail("it is being cut"));
      expect([again.logEndOffset, again.whenSettled()]).to.deep.equal([end, null]);
      const all = { from: asOffset(baseOffset), to: asOffset(baseOffset + 1) };
      expect(await machine.run(again.verify(all)), "the log is whole").to.equal(null);
      await machine.run(again.rebuildIndexes(asOffset(baseOffset)));
      await machine.run(again.truncateTo(asOffset(baseOffset + 4)));
      expect(again.logEndOffset).to.equal(baseOffset + 4);
      const bytes = fileBytes(machine, again);
      expect(bytes.equals(good.subarray(0, bytes.length))).to.equal(true);
    }
  });

  it("may be an index that leads behind the log: it is made anew, and the cut goes well", async () => {
    const machine = new StorageMachine();
    const { directory, log, good } = await filled(machine);
    const { path, baseOffset } = log.segments()[1] ?? expect.fail("several segments");
    await machine.run(directory.close(1));
    const entries = machine.bytes(path.replace(".log", ".index"));
    entries.writeUInt32BE(0x10_0000, 4);
    machine.put(path.replace(".log", ".index"), entries);
    machine.restart("process");
    const { log: again } = await machine.again();
    await machine.run(again.truncateTo(asOffset(baseOffset + 4)));
    expect(again.logEndOffset).to.equal(baseOffset + 4);
    const bytes = fileBytes(machine, again);
    expect(bytes.equals(good.subarray(0, bytes.length))).to.equal(true);
  });

  it("is cut, kept aside, filled again and forgotten", async () => {
    const machine = new StorageMachine();
    const { directory, log, good } = await filled(machine);
    const segments = log.segments();
    const second = segments[1]?.path ?? "";
    flip(machine, second, 300);
    const bad = machine.bytes(second);
    const found = await machine.run(log.verify(EVERYTHING));
    const cut = await machine.run(directory.repairLog(...T0));
    expect(cut).to.equal(directory.log(...T0));
    expect([cut.logEndOffset, cut.highWatermark, cut.syncedEndOffset]).to.deep.equal(Array(3).fill(found?.offset));
    expect([cut.isRepairing, cut.isDamaged, cut.rot]).to.deep.equal([true, false, null]);
    expect(cut.producer(3)?.lastSequence).to.equal(cut.logEndOffset - 1);
    expect(machine.bytes(`${second}.damaged`)).to.deep.equal(bad);
    for (const { path } of segments.slice(2)) expect(machine.disk.sizeOf(`${path}.damaged`), path).to.be.greaterThan(0);
    fetchAgain(cut, good);
    expect(fileBytes(machine, cut)).to.deep.equal(good);
    await machine.synced(cut);
    await machine.run(directory.endRepair(...T0));
    expect(cut.isRepairing).to.equal(false);
    expect(machine.names().filter((name) => name.endsWith(".damaged") || name === ".repair")).to.deep.equal([]);
    await machine.run(directory.close(1));
    machine.restart("power");
    const again = await machine.again();
    expect([again.directory.report.clean, again.directory.report.damaged]).to.deep.equal([true, []]);
    expect(await readAll(machine, again.log)).to.deep.equal(good);
  });

  it("is filled again in a file that no failed sync has spoiled (3.4(3))", async () => {
    // What a failed sync leaves on the medium is chance.
    for (let seed = 1; seed <= 12; seed += 1) {
      const machine = new StorageMachine({ seed });
      const config = { segmentBytes: 100_000, durability: "group-commit" } as const;
      const { directory, log } = await machine.fresh(config);
      for (let i = 0; i < 10; i += 1) append(log);
      log.highWatermark = log.logEndOffset;
      await machine.synced(log);
      await machine.letPass(2 * machine.checkpointMs);
      const good = fileBytes(machine, log);
      flip(machine, log.segments()[0]?.path ?? "", 3 * makeBatch().length + 70);
      append(log);
      machine.medium.faults.add({ operation: "datasync", effect: "EIO", path: /\.log$/, times: 1 });
      log.sync();
      await machine.letPass(100);
      expect(machine.offline?.kind).to.equal("EIO");
      await machine.run(directory.close(1));
      machine.restart("process");
      const { directory: next, log: damaged } = await machine.again(config);
      expect(damaged.damage).to.include({ offset: 3, reason: "crc" });
      const cut = await machine.run(next.repairLog(...T0));
      fetchAgain(cut, good);
      await machine.synced(cut);
      await machine.run(next.endRepair(...T0));
      machine.restart("power");
      const { log: last } = await machine.again(config);
      expect([last.damage, last.logEndOffset]).to.deep.equal([null, 10]);
      expect(await readAll(machine, last)).to.deep.equal(good);
    }
  });

  it("leaves the leader epochs below it as they were, also those that no file knows yet (5.1(2), (5))", async () => {
    const machine = new StorageMachine();
    const { directory, log } = await filled(machine);
    const last = log.segments().at(-1);
    flip(machine, last?.path ?? "", 70);
    await machine.run(log.verify(EVERYTHING));
    const ends = (of: PartitionLog) => [0, 1, 2].map((epoch) => of.endOffsetFor(asLeaderEpoch(epoch)));
    const before = ends(log);
    expect(before[0]).to.deep.equal({ epoch: 0, endOffset: 10 });
    expect(machine.names(), "no checkpoint has asked for it").to.not.include("leader-epoch-checkpoint");
    expect(ends(await machine.run(directory.repairLog(...T0)))).to.deep.equal(before);
  });

  it("stays damage over clean and unclean starts until the log is whole", async () => {
    const machine = new StorageMachine();
    const { directory, log, good } = await filled(machine);
    flip(machine, log.segments()[1]?.path ?? "", 300);
    await machine.run(log.verify(EVERYTHING));
    const cut = await machine.run(directory.repairLog(...T0));
    fetchAgain(cut, good, 30);
    const reached = cut.logEndOffset;
    await machine.run(directory.close(1));
    const lost = [{ topicId: log.topicId, partitions: [0] }];
    machine.restart("process");
    const second = await machine.again();
    expect([second.directory.report.clean, second.directory.report.damaged]).to.deep.equal([true, lost]);
    expect([second.log.logEndOffset, second.log.isRepairing]).to.deep.equal([reached, true]);
    machine.restart("process");
    const third = await machine.again();
    expect([third.directory.report.clean, third.directory.report.damaged]).to.deep.equal([false, lost]);
    fetchAgain(third.log, good);
    expect(fileBytes(machine, third.log)).to.deep.equal(good);
    await machine.run(third.directory.endRepair(...T0));
    expect(third.log.isRepairing).to.equal(false);
  });

  it("loses nothing below it and believes nothing behind it, wherever its repair is cut off", async () => {
    let end = 0;
    let good: Buffer = Buffer.alloc(0);
    await crashEverywhere(
      async (machine) => {
        const before = await filled(machine);
        good = before.good;
        flip(machine, before.log.segments()[1]?.path ?? "", 300);
        end = (await machine.run(before.log.verify(EVERYTHING)))?.offset ?? -1;
        return () => before.directory.repairLog(...T0);
      },
      async (machine) => {
        const isBegun = machine.names().includes(".repair");
        const { directory, log } = await machine.again();
        if (!isBegun) return;
        expect(directory.report.damaged).to.deep.equal([{ topicId: log.topicId, partitions: [0] }]);
        expect([log.logEndOffset, log.isRepairing, log.isDamaged]).to.deep.equal([end, true, false]);
        expect(machine.names().filter((name) => name.endsWith(".damaged")).length).to.be.greaterThan(1);
        fetchAgain(log, good);
        expect(fileBytes(machine, log)).to.deep.equal(good);
      },
      3,
    );
  });

  it("takes away what it has kept aside itself, and nothing that lay there before", async () => {
    const machine = new StorageMachine();
    const { directory, log, good } = await filled(machine);
    const operators = "00000000000000000099.log.damaged";
    machine.put(`${P}/${operators}`, Buffer.from("of an operator"));
    flip(machine, log.segments()[1]?.path ?? "", 300);
    await machine.run(log.verify(EVERYTHING));
    const cut = await machine.run(directory.repairLog(...T0));
    fetchAgain(cut, good);
    await machine.synced(cut);
    await machine.run(directory.endRepair(...T0));
    const left = machine.names().filter((name) => name.endsWith(".damaged") || name.startsWith("."));
    expect(left).to.deep.equal([operators]);
  });

  it("is suspected until somebody finds it whole", async () => {
    const machine = new StorageMachine();
    const { directory, log } = await filled(machine);
    const { path = "" } = log.segments()[1] ?? {};
    flip(machine, path, 300);
    const found = await machine.run(log.verify(EVERYTHING));
    await machine.run(directory.close(1));
    machine.restart("power");
    const again = await machine.again();
    expect([again.log.rot, again.log.suspectedAt]).to.deep.equal([null, found?.offset]);
    flip(machine, path, 300);
    expect(await machine.run(again.log.verify(EVERYTHING))).to.equal(null);
    expect(again.log.suspectedAt).to.equal(null);
    expect(machine.names()).to.not.include(".suspect");
  });

  it("keeps searches by time from saying that there is nothing behind it, until retention has passed it", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh();
    for (let i = 0; i < 40; i += 1) append(log, makeBatch({ timestamps: [1_000 + i], valueBytes: 40 }), 0);
    log.highWatermark = log.logEndOffset;
    await machine.synced(log);
    const { logEndOffset: end } = log;
    const newest = { offset: asOffset(39), timestamp: 1_039 };
    expect(await machine.run(log.findMaxTimestamp(end))).to.deep.equal(newest);
    const segment = log.segments()[1];
    flip(machine, segment?.path ?? "", 61);
    const found = await machine.run(log.verify(EVERYTHING));
    expect(found?.offset).to.equal(segment?.baseOffset);
    const refused = (search: Promise<unknown>): Promise<unknown> =>
      machine.run(search.catch((cause: unknown) => (cause as { code?: string }).code));
    for (let again = 0; again < 2; again += 1) {
      expect(await refused(log.findMaxTimestamp(end))).to.equal("LOG_UNAVAILABLE");
      expect(await refused(log.findByTimestamp(1_039, end))).to.equal("LOG_UNAVAILABLE");
    }
    expect(await machine.run(log.findByTimestamp(1_001, end))).to.deep.equal({ offset: asOffset(1), timestamp: 1_001 });
    await machine.run(log.raiseLogStart(asOffset(found?.until ?? 0)));
    expect(log.rot).to.equal(null);
    expect(await machine.run(log.findMaxTimestamp(end))).to.deep.equal(newest);
    expect(await machine.run(log.findByTimestamp(1_039, end))).to.deep.equal(newest);
    expect(await machine.run(log.verify(EVERYTHING))).to.equal(null);
  });

  it("is suspected still when the look at it was overtaken by a cut of what lies behind, and found all the same", async () => {
    const machine = new StorageMachine();
    const { directory, log } = await filled(machine);
    flip(machine, log.segments()[1]?.path ?? "", 300);
    const found = await machine.run(log.verify(EVERYTHING));
    await machine.run(directory.close(1));
    machine.restart("power");
    const { log: again } = await machine.again();
    expect(again.suspectedAt).to.equal(found?.offset);
    let cuts = 0;
    const pace = (): Promise<void> | null => (cuts++ === 0 ? again.truncateTo(asOffset(35)) : null);
    expect(await machine.run(again.verify({ ...EVERYTHING, pace }))).to.deep.equal(found);
    expect([again.suspectedAt, again.rot?.offset]).to.deep.equal([found?.offset, found?.offset]);
    expect(machine.names()).to.include(".suspect");
  });

  it("is suspected at one place, and the disk goes on, when two that look find something bad at once", async () => {
    const machine = new StorageMachine();
    const { directory, log } = await filled(machine);
    const [, first, second] = log.segments();
    for (const { path = "" } of [first ?? {}, second ?? {}] as { path?: string }[]) flip(machine, path, 300);
    const until = asOffset(second?.baseOffset ?? 0);
    const looks = [log.verify({ ...EVERYTHING, to: until }), log.verify({ ...EVERYTHING, from: until })];
    const found = (await machine.run(Promise.all(looks))).map((rot) => rot?.offset);
    await machine.run(directory.close(1));
    machine.restart("power");
    const { log: again } = await machine.again();
    expect(found).to.include(again.suspectedAt as never);
  });

  it("is suspected on disk, and no file is open, when the log has been closed right behind the look", async () => {
    const machine = new StorageMachine();
    const { directory, log } = await filled(machine);
    flip(machine, log.segments()[1]?.path ?? "", 300);
    machine.medium.faults.add({ operation: "datasync", effect: "stall", path: /suspect/u, stallMs: 1_000 });
    const look = log.verify(EVERYTHING);
    while (log.suspectedAt === null) await machine.letPass(1);
    await machine.run(directory.close(1));
    expect(machine.medium.openFilesCount).to.equal(0);
    await machine.run(look);
    expect(machine.names()).to.include(".suspect");
  });

  it("is suspected still when the log was closed before the look came to it", async () => {
    const machine = new StorageMachine();
    const { directory, log } = await filled(machine);
    flip(machine, log.segments()[1]?.path ?? "", 300);
    const found = await machine.run(log.verify(EVERYTHING));
    await machine.run(directory.close(1));
    machine.restart("power");
    const { directory: later, log: again } = await machine.again();
    const pace = (): Promise<void> => later.close(2);
    await machine.run(again.verify({ ...EVERYTHING, pace }));
    expect(again.suspectedAt).to.equal(found?.offset);
    expect(machine.names()).to.include(".suspect");
  });

  it("is forgotten by a start that finds the end of a repair cut off", async () => {
    await crashEverywhere(
      async (machine) => {
        const { directory, log, good } = await filled(machine);
        flip(machine, log.segments()[1]?.path ?? "", 300);
        await machine.run(log.verify(EVERYTHING));
        const cut = await machine.run(directory.repairLog(...T0));
        fetchAgain(cut, good);
        await machine.synced(cut);
        return () => directory.endRepair(...T0);
      },
      async (machine) => {
        const { directory, log } = await machine.again();
        expect(log.logEndOffset).to.equal(40);
        await machine.run(directory.endRepair(...T0));
        expect(log.isRepairing).to.equal(false);
      },
    );
  });
});

describe("damage found at a start (4.2(6), 15.7)", () => {
  async function stopped(machine: StorageMachine): Promise<Filled> {
    const before = await filled(machine);
    await machine.run(before.directory.close(7));
    return before;
  }

  it("is cut and filled from a peer as well", async () => {
    const machine = new StorageMachine();
    const { log, good } = await stopped(machine);
    const last = log.segments().at(-1);
    flip(machine, last?.path ?? "", 11);
    machine.restart("process");
    const { directory, log: damaged } = await machine.again();
    expect(damaged.isDamaged).to.equal(true);
    const cut = await machine.run(directory.repairLog(...T0));
    expect(cut.logEndOffset).to.equal(damaged.damage?.offset);
    fetchAgain(cut, good);
    expect(fileBytes(machine, cut)).to.deep.equal(good);
  });

  it("is an end beyond the one of a clean stop: the base offset lies outside the CRC", async () => {
    const machine = new StorageMachine();
    const { log, good } = await stopped(machine);
    const last = log.segments().at(-1);
    const bytes = machine.bytes(last?.path ?? "");
    let at = 0;
    for (let next = 0; next < bytes.length; next += readBatchHeader(bytes, next).sizeBytes) at = next;
    flip(machine, last?.path ?? "", at + 5, 3);
    machine.restart("process");
    const { log: damaged } = await machine.again();
    expect(damaged.damage).to.include({ offset: 39, recoveryPoint: 40, reason: "offset" });
    expect(good.length).to.be.greaterThan(0);
  });

  it("is a directory that is gone, after a clean stop and after any other", async () => {
    for (const isClean of [true, false]) {
      const machine = new StorageMachine();
      const before = await filled(machine);
      await machine.run(before.directory.close(7));
      for (const name of machine.names()) machine.disk.unlink(`${P}/${name}`);
      machine.disk.rmdir(P);
      if (!isClean) machine.disk.unlink(`${DATA}/.kafka_cleanshutdown`);
      machine.settle();
      machine.restart("process");
      const { directory, log } = await machine.again();
      expect(directory.report.damaged).to.deep.equal([{ topicId: log.topicId, partitions: [0] }]);
      expect([log.logEndOffset, log.highWatermark, log.isRepairing]).to.deep.equal([0, 0, true]);
      machine.restart("power");
      const again = await machine.again();
      expect(again.directory.report.damaged, "it stays so").to.have.length(1);
      fetchAgain(again.log, before.good);
      expect(await readAll(machine, again.log)).to.deep.equal(before.good);
      await machine.run(again.directory.endRepair(...T0));
    }
  });

  it("is no directory of a replica that never was here, nor of another topic's name", async () => {
    const machine = new StorageMachine();
    const { directory } = await stopped(machine);
    void directory;
    machine.restart("process");
    const opened = await machine.open(specOf({}, "t", 0, OTHER_ID), specOf({}, "new"));
    expect(opened.report.damaged).to.deep.equal([]);
  });
});
