/** Retention (3.5): the decision alone, then a log that does what was decided, through crashes and a full disk. */
import { readBatchHeader, readInt64, writeInt64 } from "@tidemark/proto";
import { expect } from "chai";
import fc from "fast-check";
import { asMs, asOffset } from "../../src/base/index.ts";
import { decideRetention } from "../../src/storage/retention.ts";
import type { RetainedSegment, RetentionLimits } from "../../src/storage/retention.ts";
import type { LogDirectory, PartitionLog } from "../../src/storage/index.ts";
import { crashEverywhere } from "./support/crash-everywhere.ts";
import { append, DATA, makeBatch, queue, readAll, specOf, StorageMachine } from "./support/storage-machine.ts";

const P = `${DATA}/t-0`;
const DAY = 86_400_000;

const limits = (changes: Partial<RetentionLimits> = {}): RetentionLimits => ({
  cleanupPolicy: ["delete"],
  retentionMs: -1,
  retentionBytes: -1,
  ...changes,
});

/** Segments of ten offsets and 100 bytes each, the last one active. */
const segmentsOf = (...timestamps: (number | null)[]): RetainedSegment[] =>
  timestamps.map((largestTimestamp, slot) => ({
    endOffset: asOffset(10 * (slot + 1)),
    sizeBytes: 100,
    largestTimestamp,
    isTimestampSure: true,
    isBrokenOff: false,
    createdAt: asMs(0),
  }));

const at = (now: number, highWatermark = 1000, logStartOffset = 0): Parameters<typeof decideRetention>[2] => ({
  now: asMs(now),
  highWatermark: asOffset(highWatermark),
  logStartOffset: asOffset(logStartOffset),
});

describe("decideRetention", () => {
  it("removes by time what is older than the limit, and not what has exactly its age", () => {
    const segments = segmentsOf(100, 200, 300);
    expect(decideRetention(segments, limits({ retentionMs: 1000 }), at(1200))).to.deep.equal({
      kind: "remove",
      count: 1,
    });
    expect(decideRetention(segments, limits({ retentionMs: 1000 }), at(1201))).to.deep.equal({
      kind: "remove",
      count: 2,
    });
  });

  it("stops at the first segment that is kept, whatever lies behind it", () => {
    expect(decideRetention(segmentsOf(900, 100, 100), limits({ retentionMs: 500 }), at(1000))).to.deep.equal({
      kind: "keep",
    });
  });

  it("leaves at least the limit by size", () => {
    const segments = segmentsOf(1, 1, 1, 1);
    expect(decideRetention(segments, limits({ retentionBytes: 400 }), at(0))).to.deep.equal({ kind: "keep" });
    expect(decideRetention(segments, limits({ retentionBytes: 301 }), at(0))).to.deep.equal({ kind: "keep" });
    expect(decideRetention(segments, limits({ retentionBytes: 300 }), at(0))).to.deep.equal({
      kind: "remove",
      count: 1,
    });
    expect(decideRetention(segments, limits({ retentionBytes: 150 }), at(0))).to.deep.equal({
      kind: "remove",
      count: 2,
    });
  });

  it("never passes the high watermark (P09)", () => {
    const all = limits({ retentionMs: 0, retentionBytes: 0 });
    expect(decideRetention(segmentsOf(1, 1, 1), all, at(DAY, 29))).to.deep.equal({ kind: "remove", count: 2 });
    expect(decideRetention(segmentsOf(1, 1, 1), all, at(DAY, 19))).to.deep.equal({ kind: "remove", count: 1 });
    expect(decideRetention(segmentsOf(1, 1, 1), all, at(DAY, 9, 9))).to.deep.equal({ kind: "keep" });
  });

  it("takes the active segment too when all are due, but never an empty one", () => {
    const all = limits({ retentionMs: 0 });
    expect(decideRetention(segmentsOf(1, 1), all, at(DAY))).to.deep.equal({ kind: "remove", count: 2 });
    const [first, active] = segmentsOf(1, -1);
    const withEmpty = [first, { ...active, sizeBytes: 0 }] as RetainedSegment[];
    expect(decideRetention(withEmpty, all, at(DAY))).to.deep.equal({ kind: "remove", count: 1 });
  });

  it("removes below the log start under any policy, and by age only with delete", () => {
    const compact = limits({ cleanupPolicy: ["compact"], retentionMs: 0, retentionBytes: 0 });
    expect(decideRetention(segmentsOf(1, 1, 1), compact, at(DAY))).to.deep.equal({ kind: "keep" });
    expect(decideRetention(segmentsOf(1, 1, 1), compact, at(DAY, 1000, 25))).to.deep.equal({
      kind: "remove",
      count: 2,
    });
  });

  it("keeps everything when the clock jumps back an hour, and removes again when it is right", () => {
    const segments = segmentsOf(DAY, DAY + 1);
    const hour = limits({ retentionMs: 3_600_000 });
    expect(decideRetention(segments, hour, at(DAY - 3_600_000))).to.deep.equal({ kind: "keep" });
    expect(decideRetention(segments, hour, at(DAY + 3_600_001))).to.deep.equal({ kind: "remove", count: 1 });
  });

  it("asks for a timestamp that it needs, and for none that it does not", () => {
    expect(decideRetention(segmentsOf(null, null), limits({ retentionMs: 10 }), at(DAY))).to.deep.equal({
      kind: "look",
      slot: 0,
    });
    expect(decideRetention(segmentsOf(null, null), limits(), at(DAY))).to.deep.equal({ kind: "keep" });
    expect(decideRetention(segmentsOf(null, null), limits({ retentionMs: 10 }), at(DAY, 5))).to.deep.equal({
      kind: "keep",
    });
  });

  it("takes what breaks off for no older than the begin of the next, since nobody knows what stands behind", () => {
    const kinds = (age: number): string[] =>
      [700, 800].map((now) => {
        const [first, second, ...others] = segmentsOf(100, 900, 900);
        if (first === undefined || second === undefined) throw new Error("three segments");
        const segments = [
          { ...first, isBrokenOff: true, createdAt: asMs(50) },
          { ...second, createdAt: asMs(age) },
          ...others,
        ];
        return decideRetention(segments, limits({ retentionMs: 499 }), at(now)).kind;
      });
    expect(kinds(300)).to.deep.equal(["keep", "remove"]);
    expect(kinds(0), "what can be read tells more").to.deep.equal(["remove", "remove"]);
  });

  it("keeps its promises for any segments, limits and marks", () => {
    const segment = fc.record({ size: fc.nat(200), newest: fc.integer({ min: -1, max: 2000 }) });
    fc.assert(
      fc.property(
        fc.array(segment, { minLength: 1, maxLength: 8 }),
        fc.record({
          ms: fc.integer({ min: -1, max: 1500 }),
          bytes: fc.integer({ min: -1, max: 800 }),
          deletes: fc.boolean(),
        }),
        fc.record({ now: fc.nat(2500), hw: fc.nat(80), start: fc.nat(80) }),
        (drawn, limit, marks) => {
          const segments = drawn.map(({ size, newest }, slot) => ({
            endOffset: asOffset(10 * (slot + 1)),
            sizeBytes: size,
            largestTimestamp: newest,
            isTimestampSure: true,
            isBrokenOff: false,
            createdAt: asMs(500),
          }));
          const start = Math.min(marks.start, marks.hw);
          const verdict = decideRetention(
            segments,
            {
              cleanupPolicy: limit.deletes ? ["delete"] : ["compact"],
              retentionMs: limit.ms,
              retentionBytes: limit.bytes,
            },
            at(marks.now, marks.hw, start),
          );
          const count = verdict.kind === "remove" ? verdict.count : 0;
          const gone = segments.slice(0, count);
          const kept = segments.slice(count);
          expect(verdict.kind).to.not.equal("look");
          for (const { endOffset } of gone) expect(endOffset).to.be.at.most(marks.hw);
          expect(kept.length > 0 || (gone.at(-1)?.sizeBytes ?? 0) > 0, "an empty last segment stays").to.equal(true);
          const bytesOf = (some: RetainedSegment[]): number => some.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
          const isOld = ({ largestTimestamp, createdAt }: RetainedSegment): boolean =>
            limit.deletes &&
            limit.ms >= 0 &&
            marks.now - ((largestTimestamp ?? 0) < 0 ? createdAt : (largestTimestamp ?? 0)) > limit.ms;
          const isExcess = (slot: number): boolean =>
            limit.deletes && limit.bytes >= 0 && bytesOf(segments.slice(slot + 1)) >= limit.bytes;
          // Each that went had a reason; the first that stays has none.
          gone.forEach((one, slot) => {
            expect(one.endOffset <= start || isOld(one) || isExcess(slot), `segment ${slot} was due`).to.equal(true);
          });
          const [next] = kept;
          if (next === undefined || next.endOffset > marks.hw) return;
          const isActive = kept.length === 1;
          if (isActive && next.sizeBytes === 0) return;
          expect(!isActive && next.endOffset <= start, "below the log start").to.equal(false);
          expect(isOld(next), "old").to.equal(false);
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe("retention of a log", () => {
  const OLD = { retentionMs: DAY, indexIntervalBytes: 200 };

  /** A log with a segment per ten batches; batch i has timestamp `firstAt` + i * 1000. */
  async function filled(
    machine: StorageMachine,
    config: Parameters<StorageMachine["fresh"]>[0] = OLD,
    batches = 40,
    firstAt = 0,
  ): Promise<{ directory: LogDirectory; log: PartitionLog }> {
    const opened = await machine.fresh(config);
    for (let i = 0; i < batches; i += 1) append(opened.log, makeBatch({ timestamps: [firstAt + i * 1000] }));
    opened.log.highWatermark = opened.log.logEndOffset;
    await machine.letPass(100);
    return opened;
  }

  const bases = (log: PartitionLog): number[] => log.segments().map(({ baseOffset }) => baseOffset);

  it("removes old segments: log start, map, then files, which are unlinked after the delay (3.6)", async () => {
    const machine = new StorageMachine();
    const { log } = await filled(machine);
    const before = bases(log);
    const second = before[1] ?? 0;
    const now = DAY + second * 1000;
    expect(log.retain(asMs(now - 1000)), "nothing is due").to.equal(null);
    await machine.run(log.retain(asMs(now)) ?? Promise.reject(new Error("nothing is due")));
    expect(log.logStartOffset).to.equal(second);
    expect(bases(log)).to.deep.equal(before.slice(1));
    const aside = machine.names().filter((name) => name.endsWith(".deleted"));
    expect(aside).to.deep.equal(
      [".index", ".log", ".timeindex"].map((suffix) => `00000000000000000000${suffix}.deleted`),
    );
    expect(machine.text(`${DATA}/log-start-offset-checkpoint`)).to.equal(`0\n1\nt 0 ${second}\n`);
    await machine.letPass(1100);
    expect(machine.names().filter((name) => name.includes("00000000000000000000."))).to.deep.equal([]);
    expect((await readAll(machine, log)).length).to.be.greaterThan(0);
    expect(log.retain(asMs(now))).to.equal(null);
  });

  it("unlinks segments that wait for the delay when the disk becomes full, and later ones at once (3.8(2))", async () => {
    const machine = new StorageMachine();
    const { directory, log } = await filled(machine, { ...OLD, fileDeleteDelayMs: 60_000 });
    const aside = (): string[] => machine.names().filter((name) => name.endsWith(".deleted"));
    const second = bases(log)[1] ?? 0;
    await machine.run(log.retain(asMs(DAY + second * 1000)) ?? Promise.reject(new Error("nothing is due")));
    await machine.letPass(1100);
    expect(aside()).to.have.lengthOf(3);
    machine.isFull = true;
    directory.hurryRemovals();
    await machine.letPass(10);
    expect([aside(), machine.removals]).to.deep.equal([[], 1]);
    await machine.run(log.retain(asMs(DAY * 3)) ?? Promise.reject(new Error("nothing is due")));
    await machine.letPass(10);
    expect([aside(), machine.removals]).to.deep.equal([[], 2]);
    expect(append(log)).to.equal(40);
  });

  it("rolls first when all are due, goes on behind the old end, and comes back there", async () => {
    const machine = new StorageMachine();
    const { directory, log } = await filled(machine);
    await machine.run(log.retain(asMs(DAY * 3)) ?? Promise.reject(new Error("nothing is due")));
    expect([log.logStartOffset, log.logEndOffset, log.segmentCount]).to.deep.equal([40, 40, 1]);
    expect(append(log)).to.equal(40);
    await machine.run(directory.close(1));
    machine.restart("power");
    const { log: again } = await machine.again(OLD);
    expect([again.logStartOffset, again.logEndOffset]).to.deep.equal([40, 41]);
    expect(
      machine.names().filter((name) => name.endsWith(".deleted")),
      "a start removes what the delay left",
    ).to.deep.equal([]);
  });

  it("keeps a log that is due when the high watermark holds it back (P09)", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh(OLD);
    for (let i = 0; i < 40; i += 1) append(log, makeBatch({ timestamps: [i] }));
    expect(log.retain(asMs(DAY * 3))).to.equal(null);
    log.highWatermark = asOffset(15);
    await machine.run(log.retain(asMs(DAY * 3)) ?? Promise.reject(new Error("nothing is due")));
    expect(log.logStartOffset).to.be.within(1, 15);
    expect(log.logEndOffset).to.equal(40);
  });

  it("knows the age of closed segments after a start by one entry each, and by the log where the index is wrong", async () => {
    const machine = new StorageMachine();
    const { directory, log } = await filled(machine);
    const [, second = 0, third = 0] = bases(log);
    await machine.run(directory.close(1));
    // The first has no time index any more, the second one of a wrong size.
    machine.disk.unlink(`${P}/00000000000000000000.timeindex`);
    machine.put(`${P}/${String(second).padStart(20, "0")}.timeindex`, Buffer.alloc(13));
    machine.restart("process");
    const { log: again } = await machine.again(OLD);
    await machine.run(again.retain(asMs(DAY + 1000 * (third - 1))) ?? Promise.resolve());
    expect(again.logStartOffset, "the newest of the second has exactly the limit's age").to.equal(second);
    await machine.run(again.retain(asMs(DAY + 1000 * third)) ?? Promise.resolve());
    expect(again.logStartOffset).to.equal(third);
  });

  it("takes zeros, which are left of a time index when its page is lost, for no age: the log tells it, read before or not", async () => {
    for (const isRead of [false, true]) {
      const machine = new StorageMachine();
      const { directory, log } = await filled(machine);
      const [, second = 0] = bases(log);
      await machine.run(directory.close(1));
      machine.put(`${P}/00000000000000000000.timeindex`, Buffer.alloc(12));
      machine.restart("process");
      const { log: again } = await machine.again(OLD);
      if (isRead) await machine.run(again.read(asOffset(1), 200, again.highWatermark));
      await machine.run(again.retain(asMs(DAY + 1000 * (second - 1))) ?? Promise.resolve());
      expect(again.logStartOffset, "the newest of the first has exactly the limit's age").to.equal(0);
      await machine.run(again.retain(asMs(DAY + 1000 * second)) ?? Promise.resolve());
      expect(again.logStartOffset).to.equal(second);
    }
  });

  it("asks the log before a segment goes for its age: one bit of a time index, or its tail that is lost, makes none older", async () => {
    // One bit, more than a day of milliseconds.
    const FIRST = 2 ** 28;
    const wrong: readonly ((entries: Buffer) => Buffer)[] = [
      (entries) => {
        const at = entries.length - 12;
        writeInt64(entries, at, readInt64(entries, at) - FIRST);
        return entries;
      },
      (entries) => entries.subarray(0, 12),
      (entries) => Buffer.concat([entries.subarray(0, 12), Buffer.alloc(entries.length - 12)]),
    ];
    for (const spoil of wrong) {
      const machine = new StorageMachine();
      const { directory, log } = await filled(machine, { retentionMs: -1, indexIntervalBytes: 60 }, 40, FIRST);
      const [, second = 0] = bases(log);
      await machine.run(directory.close(1));
      const path = `${P}/00000000000000000000.timeindex`;
      machine.put(path, spoil(machine.bytes(path)));
      machine.restart("process");
      const { log: again } = await machine.again(OLD);
      await machine.run(again.retain(asMs(FIRST + DAY + 1000 * (second - 1))) ?? Promise.resolve());
      expect(again.logStartOffset, "the newest of the first has exactly the limit's age").to.equal(0);
      await machine.run(again.retain(asMs(FIRST + DAY + 1000 * second)) ?? Promise.resolve());
      expect(again.logStartOffset).to.equal(second);
    }
  });

  it("lets no segment go by the age of what can be read of it, when the log breaks off, but in time it goes", async () => {
    for (const isIndexed of [false, true]) {
      const machine = new StorageMachine();
      const { directory, log } = await filled(machine, { retentionMs: -1, indexIntervalBytes: 200 });
      const [, second = 0] = bases(log);
      await machine.run(directory.close(1));
      // Of the first, only the first three batches are left, zeros behind; its index names one of those, or is gone.
      const path = `${P}/00000000000000000000.log`;
      const bytes = machine.bytes(path);
      let keptBytes = 0;
      for (let batch = 0; batch < 3; batch += 1) keptBytes += readBatchHeader(bytes, keptBytes).sizeBytes;
      machine.put(path, Buffer.concat([bytes.subarray(0, keptBytes), Buffer.alloc(bytes.length - keptBytes)]));
      machine.put(`${P}/00000000000000000000.index`, Buffer.alloc(0));
      if (isIndexed) {
        const entry = Buffer.alloc(12);
        writeInt64(entry, 0, 2000);
        entry.writeUInt32BE(2, 8);
        machine.put(`${P}/00000000000000000000.timeindex`, entry);
      } else machine.disk.unlink(`${P}/00000000000000000000.timeindex`);
      machine.restart("process");
      const { log: again } = await machine.again(OLD);
      const startedAt = machine.process.wallNow();
      await machine.run(again.retain(asMs(DAY + 1000 * (second - 1))) ?? Promise.resolve());
      expect(again.logStartOffset, "its newest has exactly the limit's age").to.equal(0);
      await machine.run(again.retain(asMs(startedAt + DAY)) ?? Promise.resolve());
      expect(again.logStartOffset).to.equal(0);
      await machine.run(again.retain(asMs(startedAt + DAY + 1)) ?? Promise.resolve());
      expect(again.logStartOffset).to.be.at.least(second);
    }
  });

  it("asks the log for its age while batches arrive that are not written yet, before it is read or meanwhile, and in time it goes", async () => {
    for (const isBeingRead of [false, true]) {
      const machine = new StorageMachine();
      const config = { ...OLD, indexIntervalBytes: 0, segmentBytes: 1_000_000 };
      const { directory } = await filled(machine, config, 4);
      await machine.run(directory.close(1));
      machine.restart("process");
      const { log } = await machine.again(config);
      log.highWatermark = log.logEndOffset;
      const retained = log.retain(asMs(2 * DAY)) ?? Promise.resolve();
      if (isBeingRead) await new Promise((resolve) => setImmediate(resolve));
      for (let batch = 0; batch < 3; batch += 1) expect(queue(log).ok).to.equal(true);
      await machine.run(retained);
      expect(log.logStartOffset).to.equal(0);
      expect(log.writeAppended()).to.equal(null);
      log.highWatermark = log.logEndOffset;
      await machine.run(log.retain(asMs(2 * DAY)) ?? Promise.resolve());
      expect(log.logStartOffset).to.equal(7);
    }
  });

  it("follows new settings at once", async () => {
    const machine = new StorageMachine();
    const { log } = await filled(machine, { retentionMs: -1 });
    expect(log.retain(asMs(DAY * 3))).to.equal(null);
    log.reconfigure({ ...log.config, retentionBytes: 1000 });
    await machine.run(log.retain(asMs(0)) ?? Promise.reject(new Error("nothing is due")));
    expect(log.sizeBytes).to.be.within(1000, 2200);
    log.reconfigure({ ...log.config, cleanupPolicy: ["compact"], retentionBytes: 0 });
    expect(log.retain(asMs(0))).to.equal(null);
  });

  it("lets readers under way finish, and leaves none of the files open (P20)", async () => {
    const machine = new StorageMachine();
    const { log } = await filled(machine, { ...OLD, indexIntervalBytes: 100_000 });
    machine.medium.faults.add({ operation: "read", effect: "stall", stallMs: 500, times: 2 });
    const reading = log.read(asOffset(3), 200, log.highWatermark);
    await machine.run(log.retain(asMs(DAY * 3)) ?? Promise.reject(new Error("nothing is due")));
    const { records, nextOffset } = await machine.run(reading);
    expect(records.length).to.be.greaterThan(0);
    expect(nextOffset).to.be.greaterThan(3);
    expect(machine.offline).to.equal(null);
    await machine.letPass(5000);
    expect(machine.medium.openFilesCount, "no file of a removed segment is open").to.be.at.most(1);
  });

  it("tries a rename and an unlink that failed again by timer, in order", async () => {
    for (const operation of ["rename", "unlink"] as const) {
      const machine = new StorageMachine();
      const { log } = await filled(machine);
      machine.medium.faults.add({ operation, effect: "other", path: /\d{20}\./u, skipCount: 4, times: 2 });
      await machine.run(log.retain(asMs(DAY * 3)) ?? Promise.reject(new Error("nothing is due")));
      expect([log.logStartOffset, machine.offline]).to.deep.equal([40, null]);
      await machine.letPass(10_000);
      const left = machine.names().filter((name) => /^\d{20}\.(?:log|index|timeindex)/u.test(name));
      expect(left, operation).to.deep.equal(
        [".index", ".log", ".timeindex"]
          .map((suffix) => `${"40".padStart(20, "0")}${suffix}`)
          .filter((name) => left.includes(name)),
      );
      expect(append(log)).to.equal(40);
    }
  });

  for (const [where, begin] of [
    ["where", 0],
    ["between where", 5],
  ] as const) {
    it(`lets the log begin anew ${where} segments lay whose files could not be renamed yet, and keep what is deleted then`, async () => {
      const machine = new StorageMachine();
      const { log } = await filled(machine);
      const second = bases(log)[1] ?? 0;
      machine.medium.faults.add({ operation: "rename", effect: "other", path: /\d{20}\.log/u });
      await machine.run(log.retain(asMs(DAY + second * 1000)) ?? Promise.reject(new Error("nothing is due")));
      expect([bases(log)[0], machine.names().includes(`${"0".repeat(20)}.log`)]).to.deep.equal([second, true]);
      await machine.run(log.truncateTo(asOffset(begin)));
      for (let i = 0; i < 7; i += 1) append(log, makeBatch({ timestamps: [i * 1000] }), 9);
      log.highWatermark = log.logEndOffset;
      // What was let go is tried again by now.
      await machine.letPass(3000);
      await machine.run(log.raiseLogStart(asOffset(begin + 2)));
      expect((await readAll(machine, log)).length).to.be.greaterThan(0);
      const left = machine.names().filter((name) => name.endsWith(".log"));
      expect(left).to.deep.equal([`${String(begin).padStart(20, "0")}.log`]);
      machine.restart("process");
      const { log: again } = await machine.again();
      expect([again.logStartOffset, again.logEndOffset]).to.deep.equal([begin + 2, begin + 7]);
    });
  }

  it("keeps what is deleted, though the oldest segment cannot be renamed and younger ones are due", async () => {
    const machine = new StorageMachine();
    const { log, directory } = await filled(machine);
    const [, second = 0, , fourth = 0] = bases(log);
    machine.medium.faults.add({ operation: "rename", effect: "other", path: /\/0{20}\.log/u, times: 1000 });
    for (const base of [second, fourth])
      await machine.run(log.retain(asMs(DAY + base * 1000)) ?? Promise.reject(new Error("nothing is due")));
    const told = machine.lines.length;
    await machine.letPass(10_000);
    expect(machine.lines.length - told, "one tries for all").to.be.within(9, 13);
    // Any other log has the checkpoint written.
    const other = await machine.run(directory.createLog(specOf({}, "other")));
    append(other);
    other.highWatermark = other.logEndOffset;
    await machine.run(other.raiseLogStart(asOffset(1)));
    const end = log.logEndOffset;
    machine.restart("process");
    const { log: again } = await machine.again();
    expect([again.logStartOffset, again.logEndOffset]).to.deep.equal([fourth, end]);
  });

  it("lets the log begin anew where a segment lay that goes for want of room, and is still read", async () => {
    const machine = new StorageMachine();
    const { log } = await filled(machine, { ...OLD, indexIntervalBytes: 100_000 });
    const [, second = 0] = bases(log);
    machine.medium.faults.add({ operation: "read", effect: "stall", path: /\/0{20}\.log$/u, stallMs: 60_000 });
    const reading = log.read(asOffset(3), 200, log.highWatermark).catch((error: unknown) => error);
    machine.medium.faults.add({ operation: "write", effect: "ENOSPC", path: /log-start-offset-checkpoint/u });
    const retained = log.retain(asMs(DAY + second * 1000)) ?? Promise.reject(new Error("nothing is due"));
    await machine.letPass(2000);
    expect([bases(log)[0], machine.names().includes(`${"0".repeat(20)}.log`)]).to.deep.equal([second, true]);
    await machine.run(log.truncateTo(asOffset(0)));
    await machine.run(Promise.all([retained, reading]));
    append(log, makeBatch({ timestamps: [0] }), 9);
    machine.restart("process");
    const { log: again } = await machine.again();
    expect([again.logStartOffset, again.logEndOffset]).to.deep.equal([0, 1]);
  });

  it("goes on where an unlink failed of a segment that goes for want of room", async () => {
    const machine = new StorageMachine();
    const { log } = await filled(machine);
    const [, second = 0, , fourth = 0] = bases(log);
    machine.medium.faults.add({ operation: "write", effect: "ENOSPC", path: /log-start-offset-checkpoint/u });
    machine.medium.faults.add({ operation: "unlink", effect: "ENOSPC", path: /\/0{20}\.(?:time)?index/u });
    await machine.run(log.retain(asMs(DAY + second * 1000)) ?? Promise.reject(new Error("nothing is due")));
    const left = (): boolean => machine.names().some((name) => name.startsWith("0".repeat(20)));
    expect(left()).to.equal(true);
    await machine.run(log.retain(asMs(DAY + fourth * 1000)) ?? Promise.reject(new Error("nothing is due")));
    await machine.letPass(5000);
    expect([log.logStartOffset, left(), machine.offline]).to.deep.equal([fourth, false, null]);
    expect(machine.names().filter((name) => name.endsWith(".deleted"))).to.deep.equal([]);
  });

  it("makes room on a disk so full that no checkpoint finds any", async () => {
    const machine = new StorageMachine();
    const { log } = await filled(machine);
    machine.medium.faults.add({ operation: "write", effect: "ENOSPC", path: /checkpoint/u, times: 1000 });
    const last = bases(log).at(-1) ?? 0;
    await machine.run(log.retain(asMs(DAY + last * 1000)) ?? Promise.reject(new Error("nothing is due")));
    expect([log.logStartOffset, log.segmentCount, machine.offline]).to.deep.equal([last, 1, null]);
    machine.restart("power");
    expect((await machine.again(OLD)).log.logStartOffset).to.equal(last);
  });

  it("leaves a whole log wherever a crash comes, also where a power failure undoes some of the renames (P63, P66)", async () => {
    await crashEverywhere(
      async (machine) => {
        const { log } = await filled(machine, OLD, 60);
        await machine.synced(log);
        return async () => {
          await log.retain(asMs(DAY + 35_000));
          await log.raiseLogStart(asOffset(45));
        };
      },
      async (machine) => {
        const { log } = await machine.again(OLD);
        expect([log.logEndOffset, log.isDamaged]).to.deep.equal([60, false]);
        expect(log.logStartOffset).to.satisfy((start: number) => start === 45 || start <= 35);
        const first = log.logStartOffset;
        await readAll(machine, log);
        machine.restart("power");
        const { log: again } = await machine.again(OLD);
        expect([again.logStartOffset, again.logEndOffset, again.isDamaged]).to.deep.equal([first, 60, false]);
      },
    );
  });

  it("takes no segment out for a log start that is still on its way to the checkpoint, be it raised beside retention", async () => {
    const whole = makeBatch({ timestamps: [60_000] });
    await crashEverywhere(
      async (machine) => {
        const { log } = await filled(machine, OLD, 60);
        await machine.synced(log);
        return async () => {
          // Retention waits for the sync of this one before it takes segments out.
          append(log, Buffer.from(whole));
          machine.medium.faults.add({ operation: "datasync", effect: "stall", stallMs: 10, path: /\.log$/u });
          const removing = log.retain(asMs(DAY + 25_000));
          while (log.logStartOffset === 0) await machine.process.sleep(1);
          await machine.process.sleep(5);
          machine.medium.faults.add({ operation: "datasync", effect: "stall", stallMs: 40, path: /log-start/u });
          await Promise.all([removing, log.raiseLogStart(asOffset(45))]);
        };
      },
      async (machine) => {
        const { log } = await machine.again(OLD);
        expect([log.logEndOffset >= 60, log.isDamaged]).to.deep.equal([true, false]);
        await readAll(machine, log);
      },
    );
  });

  it("removes below a raised log start at once, also inside a batch, and keeps the segment that holds it", async () => {
    const machine = new StorageMachine();
    const { directory, log } = await machine.fresh({ segmentBytes: 400 });
    for (let i = 0; i < 10; i += 1) append(log, makeBatch({ records: 4, producerId: 7, baseSequence: 4 * i }));
    log.highWatermark = log.logEndOffset;
    await machine.run(log.raiseLogStart(asOffset(18)));
    await machine.letPass(100);
    const [base = 0] = bases(log);
    expect(base).to.be.within(1, 18);
    expect(log.logStartOffset).to.equal(18);
    const { records, nextOffset } = await machine.run(log.read(asOffset(18), 1, log.highWatermark));
    expect([records.readBigInt64BE(0), nextOffset]).to.deep.equal([16n, 20]);
    await machine.run(directory.close(1));
    machine.restart("power");
    const { log: again } = await machine.again({ segmentBytes: 400 });
    expect([again.logStartOffset, again.logEndOffset, again.producer(7)?.lastSequence]).to.deep.equal([18, 40, 39]);
  });

  it("empties the log when everything to the high watermark is deleted, and starts there again", async () => {
    const machine = new StorageMachine();
    const { directory, log } = await filled(machine);
    await machine.run(log.raiseLogStart(asOffset(40)));
    await machine.letPass(2000);
    expect(log.segmentCount, "the active segment stays, as Kafka keeps it").to.equal(1);
    await machine.run(directory.close(1));
    machine.restart("power");
    const { log: again } = await machine.again(OLD);
    expect([again.logStartOffset, again.logEndOffset, again.highWatermark]).to.deep.equal([40, 40, 40]);
  });

  it("shares one write among log starts that are raised in one turn (13(4))", async () => {
    const machine = new StorageMachine();
    const directory = await machine.open();
    const logs: PartitionLog[] = [];
    for (let partition = 0; partition < 20; partition += 1) {
      const log = await machine.run(directory.createLog(specOf({}, "t", partition)));
      append(log);
      log.highWatermark = log.logEndOffset;
      logs.push(log);
    }
    let renames = 0;
    machine.medium.observer = {
      onAsked: () => undefined,
      onChange: (operation, path) => {
        if (operation === "rename" && path.includes("log-start")) renames += 1;
      },
    };
    await machine.run(Promise.all(logs.map((log) => log.raiseLogStart(asOffset(1)))));
    expect(renames).to.be.at.most(2);
    expect(machine.text(`${DATA}/log-start-offset-checkpoint`).split("\n")[1]).to.equal("20");
  });

  it("is stopped cleanly during the delay, and a removal under way ends before the files are closed", async () => {
    const machine = new StorageMachine();
    const { directory, log } = await filled(machine);
    const removing = log.retain(asMs(DAY * 3));
    await machine.run(Promise.all([removing, directory.close(5)]));
    expect(machine.medium.openFilesCount).to.equal(0);
    expect(machine.disk.sizeOf(`${DATA}/.kafka_cleanshutdown`)).to.not.equal(null);
    await machine.letPass(60_000);
    machine.restart("power");
    const { directory: next, log: again } = await machine.again(OLD);
    expect([next.report.clean, again.logEndOffset, again.isDamaged]).to.deep.equal([true, 40, false]);
  });

  it("goes with the directory when the topic is deleted meanwhile, and appends go on under it", async () => {
    const machine = new StorageMachine();
    const { directory, log } = await filled(machine);
    const removing = log.retain(asMs(DAY * 3));
    queue(log);
    expect(log.writeAppended()).to.equal(null);
    await machine.run(Promise.all([removing, directory.deleteLog("t", log.partition)]));
    await machine.letPass(10_000);
    expect(machine.disk.list(DATA).filter((name) => name.startsWith("t-"))).to.deep.equal([]);
    expect(machine.medium.openFilesCount).to.equal(0);
  });

  it("does not wait for an end that a truncation takes away, nor does a stop (seed 4000146)", async () => {
    const machine = new StorageMachine();
    const { directory, log } = await machine.fresh(OLD);
    for (let i = 0; i < 30; i += 1) append(log);
    log.highWatermark = asOffset(20);
    machine.medium.faults.add({ operation: "datasync", effect: "stall", stallMs: 500, times: 20 });
    const raised = log.raiseLogStart(asOffset(15));
    const cut = raised.then(() => log.truncateTo(asOffset(25)));
    await machine.run(cut);
    await machine.run(directory.close(1));
    machine.restart("power");
    const { log: again } = await machine.again(OLD);
    expect([again.logStartOffset, again.logEndOffset]).to.deep.equal([15, 25]);
  });
});
