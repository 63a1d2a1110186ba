import { expect } from "chai";
import { BatchField, sealBatch } from "@tidemark/proto";
import fc from "fast-check";
import { SeededRandom } from "../../src/base/index.ts";
import { RecordCursor } from "@tidemark/proto";
import type { LogDirectory, PartitionLog } from "../../src/storage/index.ts";
import {
  append,
  asMs,
  asOffset,
  DATA,
  fileBytes,
  makeBatch,
  queue,
  readAll,
  StorageMachine,
} from "./support/storage-machine.ts";

const P = `${DATA}/t-0`;
const base = (offset: number): string => String(offset).padStart(20, "0");

describe("log: append", () => {
  it("gives offsets without gaps and patches them, with the leader epoch, into the batches", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh();
    log.startEpoch(3 as never);
    expect(append(log, makeBatch({ records: 3 }), 3)).to.equal(0);
    expect(append(log, makeBatch({ records: 2 }), 3)).to.equal(3);
    const bytes = fileBytes(machine, log);
    const second = makeBatch({ records: 3 }).length;
    expect(bytes.readBigInt64BE(second)).to.equal(3n);
    expect(bytes.readInt32BE(12)).to.equal(3);
    const cursor = new RecordCursor(bytes, { verifyCrc: true });
    const offsets: number[] = [];
    while (cursor.next()) offsets.push(cursor.offset);
    expect(offsets).to.deep.equal([0, 1, 2, 3, 4]);
  });

  it("moves the log end at once, the written end with the write", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh();
    queue(log, makeBatch({ records: 2 }));
    expect([log.logEndOffset, log.writtenEndOffset]).to.deep.equal([2, 0]);
    expect((await machine.run(log.read(asOffset(0), 1000, log.logEndOffset))).records).to.have.length(0);
    expect(log.writeAppended()).to.equal(null);
    expect(log.writtenEndOffset).to.equal(2);
  });

  it("refuses a batch above segment.bytes, and takes one of exactly that", async () => {
    const machine = new StorageMachine();
    const size = makeBatch({ valueBytes: 500 }).length;
    const { log } = await machine.fresh({ segmentBytes: size });
    expect(queue(log, makeBatch({ valueBytes: 501 }))).to.include({ ok: false, code: "RECORD_LIST_TOO_LARGE" });
    append(log, makeBatch({ valueBytes: 500 }));
    append(log, makeBatch({ valueBytes: 500 }));
    expect(log.segmentCount).to.equal(2);
  });

  it("writes one turn with one call per segment", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh({ segmentBytes: 100_000 });
    const before = machine.medium.operationsCount;
    for (let i = 0; i < 10; i += 1) queue(log);
    log.writeAppended();
    expect(machine.medium.operationsCount - before).to.equal(1);
  });
});

describe("log: roll (3.3)", () => {
  it("begins each segment where the one before ends (ST1)", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh();
    for (let i = 0; i < 100; i += 1) append(log, makeBatch({ records: 1 + (i % 4) }));
    const segments = log.segments();
    expect(segments.length).to.be.greaterThan(4);
    for (const { sizeBytes } of segments) expect(sizeBytes).to.be.at.most(1200);
    expect(await readAll(machine, log)).to.deep.equal(fileBytes(machine, log));
  });

  it("rolls by the age of the arriving timestamp, not by a timer, and never an empty segment", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh({ segmentMs: 1000 });
    append(log, makeBatch({ timestamps: [5000] }));
    await machine.letPass(100_000);
    expect(log.segmentCount).to.equal(1);
    append(log, makeBatch({ timestamps: [6000] }));
    expect(log.segmentCount).to.equal(1);
    append(log, makeBatch({ timestamps: [6001] }));
    expect(log.segmentCount).to.equal(2);
  });

  it("takes the wall clock where the first batch has no timestamp, and a clock that jumps back rolls nothing", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh({ segmentMs: 1000 });
    const created = machine.process.wallNow();
    append(log, makeBatch({ timestamps: [-1] }), 0, created);
    append(log, makeBatch({ timestamps: [-1] }), 0, created - 3_600_000);
    expect(log.segmentCount).to.equal(1);
    append(log, makeBatch({ timestamps: [-1] }), 0, created + 1001);
    expect(log.segmentCount).to.equal(2);
  });

  it("spreads rolls by the jitter, the same for the same segment", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh({ segmentMs: 1000, segmentJitterMs: 1000 });
    append(log, makeBatch({ timestamps: [0] }));
    let age = 0;
    while (log.segmentCount === 1) append(log, makeBatch({ timestamps: [(age += 10)] }));
    expect(age).to.be.within(1, 1010);
  });

  it("rolls when an index is full, also with room for no entry at all", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh({ segmentIndexBytes: 4, segmentBytes: 100_000 });
    for (let i = 0; i < 5; i += 1) append(log);
    expect(log.segmentCount).to.equal(5);
  });

  it("rolls before an offset that is too far from the base for an index (3.3(1), P16), and comes back over a crash", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh({ segmentBytes: 100_000, indexIntervalBytes: 0 });
    const far = 2 ** 30;
    const wide = (): Buffer => {
      const batch = makeBatch();
      batch.writeInt32BE(far - 1, BatchField.LAST_OFFSET_DELTA);
      sealBatch(batch, 0, batch.length);
      return batch;
    };
    for (let i = 0; i < 5; i += 1) append(log, wide());
    const expected = [0, 2 * far, 4 * far];
    expect(log.segments().map(({ baseOffset }) => baseOffset)).to.deep.equal(expected);
    await machine.synced(log);
    machine.restart("power");
    const again = (await machine.again({ segmentBytes: 100_000, indexIntervalBytes: 0 })).log;
    expect(again.segments().map(({ baseOffset }) => baseOffset)).to.deep.equal(expected);
    expect([again.logEndOffset, again.isDamaged]).to.deep.equal([5 * far, false]);
    for (const [slot, offset] of [0, far, 2 * far, 3 * far + 7, 5 * far - 1].entries()) {
      const { records } = await machine.run(again.read(asOffset(offset), 1, again.writtenEndOffset));
      expect(Number(records.readBigInt64BE(0)), `read ${slot}`).to.equal(Math.floor(offset / far) * far);
    }
  });

  it("moves the recovery point past a roll only when file, indexes, snapshot and directory are synced (P41, P68)", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh();
    machine.medium.faults.add({ operation: "datasync", effect: "stall", stallMs: 500, path: /timeindex$/ });
    while (log.segmentCount === 1) append(log);
    await machine.letPass(400);
    expect(log.recoveryPoint).to.equal(0);
    await machine.letPass(400);
    expect(log.recoveryPoint).to.equal(log.segments()[1]?.baseOffset);
  });
});

describe("log: files are Kafka's", () => {
  it("adds an index entry before an append when more than the interval was written since the last", async () => {
    const machine = new StorageMachine();
    const { directory, log } = await machine.fresh({ indexIntervalBytes: 200, segmentBytes: 100_000 });
    const size = makeBatch().length;
    for (let i = 0; i < 12; i += 1) append(log, makeBatch({ timestamps: [1000 + i] }));
    await machine.run(directory.close(1));
    const perEntry = Math.floor(200 / size) + 1;
    const offsets: number[][] = [];
    const index = machine.bytes(`${P}/${base(0)}.index`);
    for (let at = 0; at < index.length; at += 8) offsets.push([index.readInt32BE(at), index.readInt32BE(at + 4)]);
    const expected: number[][] = [];
    for (let batch = perEntry; batch < 12; batch += perEntry) expected.push([batch, batch * size]);
    expect(offsets).to.deep.equal(expected);
    const times = machine.bytes(`${P}/${base(0)}.timeindex`);
    expect([Number(times.readBigInt64BE(times.length - 12)), times.readInt32BE(times.length - 4)]).to.deep.equal([
      1011, 11,
    ]);
  });

  it("leaves partition.metadata, a snapshot at the end, and the epochs", async () => {
    const machine = new StorageMachine();
    const { directory, log } = await machine.fresh();
    log.startEpoch(4 as never);
    append(log, makeBatch({ producerId: 7 }), 4);
    await machine.run(directory.close(9));
    expect(machine.text(`${P}/partition.metadata`)).to.equal("version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA");
    expect(machine.text(`${P}/leader-epoch-checkpoint`)).to.equal("0\n1\n4 0\n");
    expect(machine.text(`${DATA}/recovery-point-offset-checkpoint`)).to.equal("0\n1\nt 0 1\n");
    expect(machine.text(`${DATA}/replication-offset-checkpoint`)).to.equal("0\n1\nt 0 0\n");
    expect(machine.text(`${DATA}/.kafka_cleanshutdown`)).to.equal('{"version":0,"brokerEpoch":9}');
    expect(machine.names()).to.include(`${base(1)}.snapshot`);
  });
});

describe("log: reads", () => {
  it("returns whole batches from the one that contains the offset on (P26)", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh({ segmentBytes: 100_000 });
    for (let i = 0; i < 5; i += 1) append(log, makeBatch({ records: 3 }));
    const size = makeBatch({ records: 3 }).length;
    const inside = await machine.run(log.read(asOffset(4), 2 * size, log.writtenEndOffset));
    expect(inside.records.readBigInt64BE(0)).to.equal(3n);
    expect(inside.records).to.have.length(2 * size);
    expect(inside.nextOffset).to.equal(9);
    const one = await machine.run(log.read(asOffset(4), 1, log.writtenEndOffset));
    expect(one.records, "the first batch is whole, whatever the limit").to.have.length(size);
    const limited = await machine.run(log.read(asOffset(0), 10_000, asOffset(5)));
    expect(limited.nextOffset, "a batch that reaches the limit is not shown").to.equal(3);
  });

  it("serves the same off the loop, at the tail, and into memory of the caller", async () => {
    const random = new SeededRandom(5);
    const machine = new StorageMachine();
    const { directory, log } = await machine.fresh();
    for (let i = 0; i < 120; i += 1)
      append(log, makeBatch({ records: 1 + random.below(4), valueBytes: random.below(150) }));
    await machine.run(directory.close(1));
    machine.restart("process");
    const again = (await machine.again()).log;
    const all = fileBytes(machine, again);
    const starts: { offset: number; at: number; next: number }[] = [];
    for (let at = 0; at < all.length; ) {
      const offset = Number(all.readBigInt64BE(at));
      starts.push({ offset, at, next: offset + all.readInt32BE(at + 23) + 1 });
      at += 12 + all.readInt32BE(at + 8);
    }
    for (let round = 0; round < 300; round += 1) {
      const offset = asOffset(random.below(again.writtenEndOffset));
      const maxBytes = random.between(1, 1500);
      const { records, nextOffset } = await machine.run(again.read(offset, maxBytes, again.writtenEndOffset));
      const first = starts.find(({ next }) => next > offset);
      expect(records.equals(all.subarray(first?.at ?? 0, (first?.at ?? 0) + records.length))).to.equal(true);
      expect(starts.some(({ next, at }) => next === nextOffset && at >= (first?.at ?? 0))).to.equal(true);
      const tail = again.readTail(offset, maxBytes, again.writtenEndOffset);
      if (tail !== null) expect(tail.records.equals(records)).to.equal(true);
      const into = Buffer.alloc(20 + maxBytes);
      const span = await machine.run(again.readInto(into, 20, offset, again.writtenEndOffset));
      if (span.bytes > 0) expect(into.subarray(20, 20 + span.bytes).equals(records)).to.equal(true);
      else expect(span.firstBatchBytes).to.be.greaterThan(maxBytes);
    }
  });

  it("finds records by time as a scan does (12.4, P27)", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 4 }), {
          minLength: 1,
          maxLength: 60,
        }),
        fc.array(fc.integer({ min: -1, max: 410 }), { minLength: 1, maxLength: 8 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        async (batches, asked, part) => {
          const machine = new StorageMachine();
          const { log } = await machine.fresh();
          for (const timestamps of batches) append(log, makeBatch({ timestamps, valueBytes: 1 }));
          const records = batches.flat().map((timestamp, offset) => ({ offset, timestamp }));
          const limit = asOffset(Math.ceil(part * records.length));
          const readable = records.slice(0, limit);
          for (const timestamp of asked) {
            const expected = readable.find((record) => record.timestamp >= timestamp) ?? null;
            expect(await machine.run(log.findByTimestamp(timestamp, limit))).to.deep.equal(expected);
          }
          const largest = Math.max(...readable.map(({ timestamp }) => timestamp));
          const expected = readable.find(({ timestamp }) => timestamp === largest) ?? null;
          expect(await machine.run(log.findMaxTimestamp(limit))).to.deep.equal(expected);
        },
      ),
      { numRuns: 40 },
    );
  });

  it("makes an index anew that is missing or corrupt (P21)", async () => {
    const machine = new StorageMachine();
    const { directory, log } = await machine.fresh();
    for (let i = 0; i < 60; i += 1) append(log);
    await machine.run(directory.close(1));
    machine.disk.unlink(`${P}/${base(0)}.index`);
    const second = log.segments()[1]?.path.replace(/log$/, "timeindex") ?? "";
    machine.put(second, "torn");
    machine.restart("process");
    const again = (await machine.again()).log;
    expect(await readAll(machine, again, 100)).to.deep.equal(fileBytes(machine, again));
    expect(machine.lines.filter((line) => line.includes("made anew"))).to.have.length(2);
  });

  it("makes an index anew that names what lies behind the log, and accepts a tail of zeros (2.5(1))", async () => {
    for (const [suffix, tail, isBad] of [
      ["index", "0000000100ffffff", true],
      ["index", "00ffffff00000500", true],
      ["timeindex", "000000000000ffff00ffffff", true],
      ["index", "00".repeat(80), false],
      ["timeindex", "00".repeat(120), false],
    ] as const) {
      const machine = new StorageMachine();
      const { directory, log } = await machine.fresh();
      for (let i = 0; i < 60; i += 1) append(log, makeBatch({ timestamps: [i] }));
      await machine.run(directory.close(1));
      const path = log.segments()[1]?.path.replace(/log$/, suffix) ?? "";
      machine.put(path, Buffer.concat([machine.bytes(path), Buffer.from(tail, "hex")]));
      machine.restart("process");
      const again = (await machine.again()).log;
      expect(await readAll(machine, again, 100)).to.deep.equal(fileBytes(machine, again));
      expect(await machine.run(again.findByTimestamp(15, again.writtenEndOffset))).to.deep.equal({
        offset: 15,
        timestamp: 15,
      });
      expect(machine.lines.filter((line) => line.includes("made anew")).length > 0, `${suffix} ${tail}`).to.equal(
        isBad,
      );
    }
  });

  it("ends in an answer whatever byte of a closed segment has rotted since the start (15.7(4))", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh();
    for (let i = 0; i < 40; i += 1) append(log, makeBatch({ timestamps: [i], producerId: 4, baseSequence: i }));
    const whole = log.segments()[1];
    const path = whole?.path ?? "";
    const file = machine.medium.fileAt(path);
    const from = whole?.baseOffset ?? 0;
    for (let byte = 0; byte < (whole?.sizeBytes ?? 0); byte += 3) {
      file?.flipBit(byte, 7);
      const asked = [
        log.read(asOffset(from), 10_000, log.writtenEndOffset),
        log.read(asOffset(from + 5), 1, log.writtenEndOffset),
        log.findByTimestamp(from + 3, log.writtenEndOffset),
        log.findMaxTimestamp(log.writtenEndOffset),
        log.findProducerBatch(4, 0, from + 2, from + 2),
      ];
      for (const question of asked) {
        const error = await machine.run(
          question.then(
            () => null,
            (thrown: unknown) => thrown,
          ),
        );
        if (error !== null) expect(error, `byte ${byte}`).to.have.property("code");
      }
      file?.flipBit(byte, 7);
    }
    expect(machine.offline, "rot is no I/O error").to.equal(null);
    expect(append(log)).to.equal(40);
  });
});

describe("log: a write that fails (3.1(12), P40)", () => {
  it("is cut back to the last whole batch, with everything handed over behind it", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh({ segmentBytes: 100_000 });
    append(log, makeBatch({ producerId: 7, baseSequence: 0 }));
    const size = makeBatch({ producerId: 7 }).length;
    machine.medium.capacityBytes = machine.medium.usedBytes() + size + 10;
    for (const baseSequence of [1, 2, 3]) queue(log, makeBatch({ producerId: 7, baseSequence }));
    const fault = log.writeAppended();
    expect(fault?.kind).to.equal("ENOSPC");
    expect([log.logEndOffset, log.writtenEndOffset]).to.deep.equal([2, 2]);
    expect(log.producer(7)?.lastSequence).to.equal(1);
    expect(machine.disk.sizeOf(`${P}/${base(0)}.log`)).to.equal(2 * size);
    expect(machine.offline, "a full disk takes nothing offline (P55)").to.equal(null);
    expect(queue(log), "not before the shortened file is synced (P76)").to.include({ ok: false });
    machine.medium.capacityBytes = Number.POSITIVE_INFINITY;
    await machine.letPass(100);
    expect(append(log, makeBatch({ producerId: 7, baseSequence: 2 }))).to.equal(2);
    expect(await readAll(machine, log)).to.deep.equal(fileBytes(machine, log));
  });

  it("refuses what comes in the same turn behind a write that failed in a roll", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh();
    machine.medium.faults.add({ operation: "write", effect: "ENOSPC", path: /\.log$/, times: 1 });
    let refused = 0;
    for (let i = 0; i < 40; i += 1) if (!queue(log).ok) refused += 1;
    const fault = log.writeAppended();
    expect(fault?.kind).to.equal("ENOSPC");
    expect(refused).to.be.greaterThan(0);
    expect(log.logEndOffset).to.equal(log.writtenEndOffset);
    await machine.letPass(100);
    append(log);
    expect(await readAll(machine, log)).to.deep.equal(fileBytes(machine, log));
  });

  it("completes a write that only fell short", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh({ segmentBytes: 100_000 });
    machine.medium.faults.add({ operation: "write", effect: "short", path: /\.log$/, times: 3 });
    for (let i = 0; i < 6; i += 1) queue(log, makeBatch({ valueBytes: 100 + i }));
    expect(log.writeAppended()).to.equal(null);
    expect(log.writtenEndOffset).to.equal(6);
    expect(await readAll(machine, log)).to.deep.equal(fileBytes(machine, log));
  });

  it("takes the directory offline for anything but a full disk (3.8(1))", async () => {
    const machine = new StorageMachine();
    const { directory, log } = await machine.fresh();
    machine.medium.faults.add({ operation: "write", effect: "EIO", path: /\.log$/ });
    queue(log);
    expect(log.writeAppended()?.kind).to.equal("EIO");
    await machine.letPass(10);
    expect(directory.isOffline).to.equal(true);
    expect(machine.offline?.kind).to.equal("EIO");
    expect(queue(log)).to.include({ ok: false, code: "KAFKA_STORAGE_ERROR" });
  });
});

describe("log: truncation (5.5)", () => {
  it("leaves exactly the batches below, whatever the place (ST8)", async () => {
    for (let seed = 0; seed < 25; seed += 1) {
      const random = new SeededRandom(seed);
      const machine = new StorageMachine({ seed });
      const { log } = await machine.fresh();
      const ends: number[] = [0];
      for (let i = 0; i < 40; i += 1) {
        append(
          log,
          makeBatch({ records: 1 + random.below(3), producerId: 1 + random.below(2), baseSequence: i }),
          Math.floor(i / 10),
        );
        ends.push(log.logEndOffset);
      }
      const before = fileBytes(machine, log);
      const to = random.below(log.logEndOffset + 1);
      await machine.run(log.truncateTo(asOffset(to)));
      const end = ends.filter((candidate) => candidate <= to).at(-1);
      expect(log.logEndOffset).to.equal(end);
      expect(log.recoveryPoint).to.be.at.most(end ?? 0);
      const after = fileBytes(machine, log);
      expect(after.equals(before.subarray(0, after.length))).to.equal(true);
      append(log, makeBatch(), 9);
      expect(await readAll(machine, log)).to.deep.equal(fileBytes(machine, log));
    }
  });

  it("refuses appends until the cut is on stable storage (P67)", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh();
    for (let i = 0; i < 40; i += 1) append(log);
    const cut = log.truncateTo(asOffset(10));
    expect(queue(log)).to.include({ ok: false });
    await machine.run(cut);
    expect(append(log)).to.equal(10);
  });
});

describe("log: epochs and sync", () => {
  it("answers where epochs end, over restarts", async () => {
    const machine = new StorageMachine();
    const { directory, log } = await machine.fresh();
    for (const epoch of [1, 1, 2, 5]) {
      log.startEpoch(epoch as never);
      append(log, makeBatch({ records: 2 }), epoch);
    }
    expect(log.endOffsetFor(1 as never)).to.deep.equal({ epoch: 1, endOffset: 4 });
    expect(log.endOffsetFor(3 as never)).to.deep.equal({ epoch: 2, endOffset: 6 });
    await machine.run(directory.close(1));
    machine.restart("power");
    const again = (await machine.again()).log;
    expect(again.endOffsetFor(2 as never)).to.deep.equal({ epoch: 2, endOffset: 6 });
    expect(again.latestEpoch).to.equal(5);
  });

  it("has one sync in flight per file, and those who ask meanwhile share the next (15.1(3))", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh({ durability: "group-commit", segmentBytes: 100_000 });
    const ends: number[] = [];
    log.events = {
      onWritten: () => undefined,
      onSynced: (end) => ends.push(end),
      onLogStart: () => undefined,
      onSyncFailed: () => undefined,
    };
    append(log);
    log.sync();
    for (let i = 0; i < 10; i += 1) {
      append(log);
      log.sync();
    }
    await machine.letPass(100);
    expect(ends).to.deep.equal([1, 11]);
  });

  describe("a group commit with tidemark.flush.window.ms", () => {
    const gathering = { durability: "group-commit", flushWindowMs: 500 } as const;

    interface Gathering {
      readonly machine: StorageMachine;
      readonly directory: LogDirectory;
      readonly log: PartitionLog;
      readonly syncs: () => number;
    }

    async function gatheringLog(): Promise<Gathering> {
      const machine = new StorageMachine();
      const { directory, log } = await machine.fresh(gathering);
      append(log);
      await machine.synced(log);
      let count = 0;
      machine.medium.observer = {
        onAsked: (operation, path) => (operation === "datasync" && path.endsWith(".log") ? count++ : count),
        onChange: () => undefined,
      };
      return { machine, directory, log, syncs: () => count };
    }

    it("gathers writes that long from the first on, and syncs them at once", async () => {
      const { machine, log, syncs } = await gatheringLog();
      for (let i = 0; i < 4; i += 1) {
        append(log);
        log.sync();
        await machine.letPass(100);
      }
      expect([log.syncedEndOffset, syncs()]).to.deep.equal([1, 0]);
      await machine.letPass(200);
      expect([log.syncedEndOffset, syncs()]).to.deep.equal([5, 1]);
    });

    it("does not let a stop wait", async () => {
      const { machine, directory, log } = await gatheringLog();
      append(log);
      log.sync();
      const { nowMs } = machine.world;
      await machine.run(directory.close(1));
      expect(log.syncedEndOffset).to.equal(2);
      expect(machine.world.nowMs - nowMs).to.be.below(gathering.flushWindowMs);
    });

    it("ends with a truncation, which waits for nothing", async () => {
      const { machine, log } = await gatheringLog();
      append(log);
      log.sync();
      const cut = log.truncateTo(asOffset(1));
      await machine.letPass(100);
      await cut;
      expect([log.logEndOffset, log.syncedEndOffset]).to.deep.equal([1, 1]);
    });

    it("does not gather in fsync-each", async () => {
      const machine = new StorageMachine();
      const { log } = await machine.fresh({ ...gathering, durability: "fsync-each" });
      append(log);
      log.sync();
      await machine.letPass(100);
      expect(log.syncedEndOffset).to.equal(1);
    });
  });

  it("syncs by itself after flush.messages and flush.ms", async () => {
    const machine = new StorageMachine();
    const byCount = (await machine.fresh({ flushMessages: 3 })).log;
    append(byCount);
    append(byCount);
    await machine.letPass(1000);
    expect(byCount.syncedEndOffset).to.equal(0);
    append(byCount);
    await machine.letPass(100);
    expect(byCount.syncedEndOffset).to.equal(3);

    const other = new StorageMachine();
    const byTime = (await other.fresh({ flushMs: 50 })).log;
    append(byTime);
    await other.letPass(40);
    expect(byTime.syncedEndOffset).to.equal(0);
    await other.letPass(40);
    expect(byTime.syncedEndOffset).to.equal(1);
  });

  it("expires producers on the monotonic clock", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh({ producerIdExpirationMs: 1_000_000, segmentBytes: 100_000 });
    append(log, makeBatch({ producerId: 1 }));
    await machine.letPass(700_000);
    append(log, makeBatch({ producerId: 2 }), 0, asMs(0));
    expect(log.producer(1)).to.not.equal(undefined);
    await machine.letPass(700_000);
    append(log);
    expect(log.producer(1)).to.equal(undefined);
    expect(log.producer(2)).to.not.equal(undefined);
  });
});
