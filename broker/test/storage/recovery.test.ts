import { expect } from "chai";
import { SeededRandom } from "../../src/base/index.ts";
import { crashEverywhere } from "./support/crash-everywhere.ts";
import {
  append,
  asLeaderEpoch,
  asMs,
  asOffset,
  DATA,
  fileBytes,
  makeBatch,
  readAll,
  specOf,
  StorageMachine,
} from "./support/storage-machine.ts";
import type { StorageError } from "../../src/storage/index.ts";

const P = `${DATA}/t-0`;
const log0 = `${P}/00000000000000000000.log`;

/** A log of `count` batches in a directory that nobody stopped; every byte counts as synced, the recovery point is 0. */
async function dead(count: number, config = {}): Promise<{ machine: StorageMachine; ends: number[] }> {
  const machine = new StorageMachine();
  const { log } = await machine.fresh(config);
  const ends = [0];
  for (let i = 0; i < count; i += 1) {
    append(log, makeBatch({ records: 1 + (i % 3), producerId: 5, baseSequence: i * 3 }), 1);
    ends.push(log.logEndOffset);
  }
  machine.settle();
  machine.restart("process");
  return { machine, ends };
}

function flip(machine: StorageMachine, path: string, at: number): void {
  const bytes = machine.bytes(path);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  machine.put(path, bytes);
}

describe("recovery (4.2)", () => {
  it("leaves no file open, nor does a creation or a clean start", async () => {
    const { machine } = await dead(12, { segmentBytes: 100_000 });
    const { directory } = await machine.again({ segmentBytes: 100_000 });
    expect(machine.medium.openFilesCount).to.equal(0);
    await machine.run(directory.createLog({ ...specOf({}), topic: "u" }));
    expect(machine.medium.openFilesCount).to.equal(0);
    await machine.run(directory.close(1));
    machine.restart("process");
    await machine.again({ segmentBytes: 100_000 });
    expect(machine.medium.openFilesCount).to.equal(0);
  });

  it("tells from the first how many bytes it will look at, and at last that it has looked at them", async () => {
    const { machine } = await dead(60, { segmentBytes: 500 });
    machine.progress.length = 0;
    const { log, directory } = await machine.again({ segmentBytes: 500 });
    expect(log.segmentCount).to.be.greaterThan(3);
    const { bytesScanned } = directory.report;
    expect(bytesScanned).to.be.greaterThan(0);
    expect(new Set(machine.progress.map(({ bytesTotal }) => bytesTotal))).to.deep.equal(new Set([bytesScanned]));
    expect(machine.progress.at(-1)).to.deep.equal({
      logsDone: 1,
      logsTotal: 1,
      bytesScanned,
      bytesTotal: bytesScanned,
    });

    await machine.run(directory.close(1));
    machine.restart("process");
    machine.progress.length = 0;
    await machine.again({ segmentBytes: 500 });
    expect(machine.progress.at(-1)?.bytesTotal).to.equal(0);
  });

  it("of any prefix of bytes ends behind the last batch that is whole in it", async () => {
    const random = new SeededRandom(3);
    const size = [1, 2, 3].map((records) => makeBatch({ records, producerId: 5 }).length);
    for (let round = 0; round < 30; round += 1) {
      const { machine, ends } = await dead(12, { segmentBytes: 100_000 });
      const whole = machine.bytes(log0);
      const keep = random.below(whole.length + 1);
      machine.put(log0, whole.subarray(0, keep));
      const { directory, log } = await machine.again({ segmentBytes: 100_000 });
      let expected = 0;
      for (let i = 0, at = 0; i < 12; i += 1) if ((at += size[i % 3] ?? 0) <= keep) expected = ends[i + 1] ?? 0;
      expect(log.logEndOffset).to.equal(expected);
      expect(directory.report.clean).to.equal(false);
      expect(fileBytes(machine, log).equals(whole.subarray(0, fileBytes(machine, log).length))).to.equal(true);
      append(log, makeBatch(), 2);
      expect(await readAll(machine, log)).to.deep.equal(fileBytes(machine, log));
    }
  });

  it("finds every flipped bit, and cuts there", async () => {
    const random = new SeededRandom(4);
    for (let round = 0; round < 40; round += 1) {
      const { machine, ends } = await dead(6, { segmentBytes: 100_000 });
      const bytes = machine.bytes(log0);
      const at = random.below(bytes.length);
      let start = 0;
      for (let next = 0; next <= at; ) {
        start = next;
        next += 12 + bytes.readInt32BE(next + 8);
      }
      flip(machine, log0, at);
      // The metadata knows of no later epoch than that of all its batches.
      const { log } = await machine.reopened({ ...specOf({ segmentBytes: 100_000 }), leaderEpoch: 1 });
      const batch = ends.findIndex((end) => end > bytes.readInt32BE(start + 4)) - 1;
      expect(log.logEndOffset, `byte ${at - start} of batch ${batch}`).to.equal(ends[batch]);
    }
  });

  it("believes no base offset of the last batch that leaves a gap, but where the log may have been compacted", async () => {
    for (const cleanupPolicy of [["delete"], ["compact"]] as const) {
      const config = { segmentBytes: 100_000, cleanupPolicy };
      const { machine, ends } = await dead(6, config);
      const bytes = machine.bytes(log0);
      let last = 0;
      for (let next = 0; next < bytes.length; next += 12 + bytes.readInt32BE(next + 8)) last = next;
      bytes[last + 5] = 0x40;
      machine.put(log0, bytes);
      const { log } = await machine.again(config);
      const isCut = cleanupPolicy[0] === "delete";
      expect(log.logEndOffset, cleanupPolicy[0]).to.equal(isCut ? ends[5] : (ends[6] ?? 0) + 0x40_0000);
    }
  });

  it("believes a gap for ever where the topic was compacted once, whatever its settings say now", async () => {
    for (const kind of ["process", "power"] as const) {
      for (const isMadeSo of [true, false]) {
        const machine = new StorageMachine();
        const { log } = await machine.fresh(isMadeSo ? { cleanupPolicy: ["compact"] } : {});
        append(log);
        log.reconfigure({ ...log.config, cleanupPolicy: ["compact"] });
        log.reconfigure({ ...log.config, cleanupPolicy: ["delete"] });
        append(log);
        await machine.synced(log);
        machine.restart(kind);
        // As a cleaner leaves it: the first of two batches is gone.
        const bytes = machine.bytes(log0);
        machine.put(log0, bytes.subarray(12 + bytes.readInt32BE(8)));
        const { log: again } = await machine.again();
        expect([again.logStartOffset, again.logEndOffset, again.isDamaged], kind).to.deep.equal([0, 2, false]);
      }
    }
  });

  it("keeps what it does not believe, where only its place is in doubt and its sum is right", async () => {
    for (const patch of ["epoch", "offset", "bytes"] as const) {
      const { machine, ends } = await dead(60);
      const bytes = machine.bytes(log0);
      if (patch === "epoch") bytes[12] = 0x40;
      else if (patch === "offset") bytes[5] = 0x40;
      else bytes[80] = 0x40;
      machine.put(log0, bytes);
      const { log } = await machine.reopened({ ...specOf(), leaderEpoch: 3 });
      expect([log.logEndOffset, log.isDamaged], patch).to.deep.equal([0, false]);
      const kept = machine.names().filter((name) => name.endsWith(".damaged"));
      if (patch === "bytes") expect(kept).to.deep.equal([]);
      else expect(kept.length, `${patch} of ${ends.length} batches`).to.be.greaterThan(5);
      if (patch !== "bytes") expect(machine.bytes(`${log0}.damaged`)).to.deep.equal(bytes);
    }
  });

  it("has an epoch file that is exact below the recovery point, wherever a crash comes: no good batch is doubted", async () => {
    for (const durability of ["page-cache", "group-commit"] as const) {
      const config = { durability, segmentBytes: 700 };
      const spec = { ...specOf(config), leaderEpoch: 9 };
      await crashEverywhere(
        async (machine) => {
          machine.checkpointMs = 20;
          const { log } = await machine.fresh(config);
          return async () => {
            let epoch = 0;
            for (const [batches, cut] of [
              [6, 0],
              [5, 3],
              [4, 6],
              [7, 2],
            ] as const) {
              for (let i = 0; i < batches; i += 1) append(log, makeBatch(), epoch + (i > 2 ? 1 : 0));
              epoch += 2;
              log.sync();
              await new Promise<void>((resolve) => machine.process.after(25, resolve));
              if (cut > 0) await log.truncateTo(asOffset(log.logEndOffset - cut));
              log.startEpoch(asLeaderEpoch(epoch));
            }
          };
        },
        async (machine) => {
          const { log } = await machine.reopened(spec);
          expect([log.isDamaged, log.isRepairing]).to.deep.equal([false, false]);
          expect(machine.names().filter((name) => name.endsWith(".damaged"))).to.deep.equal([]);
        },
        8,
      );
    }
  });

  it("believes no offset that reaches into the next segment, and cuts there", async () => {
    const config = { cleanupPolicy: ["compact"] };
    const { machine, ends } = await dead(60, config);
    const bytes = machine.bytes(log0);
    let last = 0;
    for (let next = 0; next < bytes.length; next += 12 + bytes.readInt32BE(next + 8)) last = next;
    const base = bytes.readInt32BE(last + 4);
    bytes[last + 5] = 0x40;
    machine.put(log0, bytes);
    const { log } = await machine.again(config);
    expect([log.segmentCount, log.logEndOffset]).to.deep.equal([1, base]);
    expect(ends).to.include(base);
  });

  it("believes no leader epoch that metadata, the next batch, or the epoch file contradicts", async () => {
    const config = { segmentBytes: 100_000 };
    const withEpoch = (bytes: Buffer, batch: number, epoch: number): void => {
      let at = 0;
      for (let i = 0; i < batch; i += 1) at += 12 + bytes.readInt32BE(at + 8);
      bytes.writeInt32BE(epoch, at + 12);
    };
    // The last batch: nobody but the metadata knows better.
    const { machine, ends } = await dead(6, config);
    const whole = machine.bytes(log0);
    const rotten = Buffer.from(whole);
    withEpoch(rotten, 5, 0x10_0001);
    machine.put(log0, rotten);
    const known = await machine.reopened({ ...specOf(config), leaderEpoch: 3 });
    expect([known.log.logEndOffset, known.log.latestEpoch]).to.deep.equal([ends[5], 1]);
    // One in the middle, within what the metadata knows: the batch that leaps is the one that is not believed.
    machine.restart("process");
    const middle = Buffer.from(whole);
    withEpoch(middle, 2, 3);
    machine.put(log0, middle);
    const { log } = await machine.reopened({ ...specOf(config), leaderEpoch: 3 });
    expect([log.logEndOffset, log.latestEpoch]).to.deep.equal([ends[2], 1]);

    // Below the recovery point the file says better, and it is damage.
    const other = new StorageMachine();
    const stopped = await other.fresh(config);
    for (let i = 0; i < 6; i += 1) append(stopped.log, makeBatch(), 1);
    await other.run(stopped.directory.close(1));
    other.disk.unlink(`${DATA}/.kafka_cleanshutdown`);
    const bytes = other.bytes(log0);
    withEpoch(bytes, 5, 3);
    other.put(log0, bytes);
    other.restart("process");
    const damaged = await other.reopened({ ...specOf(config), leaderEpoch: 3 });
    expect([damaged.log.logEndOffset, damaged.log.isDamaged, damaged.log.latestEpoch]).to.deep.equal([5, true, 1]);
  });

  it("doubts no good batch for the epoch of the next one, where the epoch file knows which of them is right", async () => {
    const config = { segmentBytes: 100_000 };
    for (const [isStopped, rotten, to] of [
      [true, 1, 2],
      [true, 5, 2],
      [false, 3, 2],
    ] as const) {
      const machine = new StorageMachine();
      const { directory, log } = await machine.fresh(config);
      for (let i = 0; i < 6; i += 1) append(log, makeBatch(), 3);
      await machine.run(directory.close(1));
      machine.disk.unlink(`${DATA}/.kafka_cleanshutdown`);
      // Not stopped: the recovery point lies in the middle, and the scan finds the leap at its first batch.
      if (!isStopped) machine.put(`${DATA}/recovery-point-offset-checkpoint`, "0\n1\nt 0 2\n");
      const bytes = machine.bytes(log0);
      let at = 0;
      for (let i = 0; i < rotten; i += 1) at += 12 + bytes.readInt32BE(at + 8);
      bytes.writeInt32BE(to, at + 12);
      machine.put(log0, bytes);
      machine.restart("process");
      const { log: again } = await machine.reopened({ ...specOf(config), leaderEpoch: 9 });
      expect([again.logEndOffset, again.isDamaged], `batch ${rotten}`).to.deep.equal([rotten, isStopped]);
    }
  });

  it("doubts no good batch behind the recovery point for the next one, where it is of the epoch of what lies before", async () => {
    const config = { segmentBytes: 250 };
    const machine = new StorageMachine();
    const { directory, log } = await machine.fresh(config);
    for (let i = 0; i < 8; i += 1) append(log, makeBatch(), 3);
    const [, second] = log.segments();
    await machine.run(directory.close(1));
    machine.disk.unlink(`${DATA}/.kafka_cleanshutdown`);
    const base = second?.baseOffset ?? 0;
    machine.put(`${DATA}/recovery-point-offset-checkpoint`, `0\n1\nt 0 ${base}\n`);
    const path = second?.path ?? "";
    const bytes = machine.bytes(path);
    bytes.writeInt32BE(2, 12 + bytes.readInt32BE(8) + 12);
    machine.put(path, bytes);
    machine.restart("process");
    const { log: again } = await machine.reopened({ ...specOf(config), leaderEpoch: 9 });
    expect([again.logEndOffset, again.isDamaged]).to.deep.equal([base + 1, false]);
  });

  it("refuses an epoch file that names an epoch which the metadata has not reached, naming it (2.6(2))", async () => {
    const machine = new StorageMachine();
    const { directory, log } = await machine.fresh();
    for (let i = 0; i < 6; i += 1) append(log, makeBatch(), 1);
    await machine.run(directory.close(1));
    machine.put(`${P}/leader-epoch-checkpoint`, "0\n1\n7 0\n");
    machine.restart("process");
    const failure = (await machine.failure(machine.opening({ ...specOf(), leaderEpoch: 3 }))) as StorageError;
    expect(failure.code).to.equal("MALFORMED_CHECKPOINT");
    expect(failure.message).to.include("leader-epoch-checkpoint").and.include("epoch 7");
  });

  it("cuts a zero tail", async () => {
    const { machine, ends } = await dead(4, { segmentBytes: 100_000 });
    machine.put(log0, Buffer.concat([machine.bytes(log0), Buffer.alloc(5000)]));
    const { directory, log } = await machine.again({ segmentBytes: 100_000 });
    expect(log.logEndOffset).to.equal(ends.at(-1));
    expect(directory.report.bytesCut).to.equal(5000);
  });

  it("cuts a torn tail whatever follows it, later segments too (P53)", async () => {
    const { machine, ends } = await dead(60);
    flip(machine, log0, 200);
    const { log } = await machine.again();
    expect(log.segmentCount).to.equal(1);
    expect(log.logEndOffset).to.be.lessThan(4);
    expect(ends).to.include(log.logEndOffset);
    expect(machine.names().filter((name) => name.endsWith(".log"))).to.have.length(1);
  });

  it("is not taken in by a batch whose offset leaps over those behind it, wherever it lies in what is read at once", async () => {
    const small = await dead(5, { segmentBytes: 100_000 });
    const large = new StorageMachine();
    const { log: filled } = await large.fresh({ segmentBytes: 100_000_000 });
    const ends = [0];
    for (let i = 0; i < 24; i += 1) {
      append(filled, makeBatch({ records: 1, valueBytes: 100_000, producerId: 5, baseSequence: i }), 1);
      ends.push(filled.logEndOffset);
    }
    large.settle();
    large.restart("process");
    const cases = [
      { machine: small.machine, known: small.ends, hits: [0, 1, 3] },
      { machine: large, known: ends, hits: [0, 8, 9, 10, 11, 20] },
    ];
    for (const { machine, known, hits } of cases) {
      const whole = machine.bytes(log0);
      for (const hit of hits) {
        const bytes = Buffer.from(whole);
        let at = 0;
        for (let i = 0; i < hit; i += 1) at += 12 + bytes.readInt32BE(at + 8);
        // A bit that is far up: the CRC does not cover it.
        bytes[at + 5] = (bytes[at + 5] ?? 0) ^ 0x40;
        machine.put(log0, bytes);
        const { log } = await machine.again({ segmentBytes: 100_000_000 });
        expect(log.logEndOffset, `batch ${hit}`).to.equal(known[hit]);
        machine.restart("process");
      }
    }
  });

  it("takes a batch of an older epoch, or below the end so far, for the end of the log", async () => {
    for (const patch of ["epoch", "offset"] as const) {
      const { machine, ends } = await dead(5, { segmentBytes: 100_000 });
      const bytes = machine.bytes(log0);
      let at = 0;
      for (let i = 0; i < 3; i += 1) at += 12 + bytes.readInt32BE(at + 8);
      if (patch === "epoch") bytes.writeInt32BE(0, at + 12);
      else bytes.writeInt32BE(0, at + 4);
      machine.put(log0, bytes);
      const { log } = await machine.again({ segmentBytes: 100_000 });
      expect(log.logEndOffset, patch).to.equal(ends[3]);
    }
  });

  it("does not pass over a gap between segments (P68)", async () => {
    const { machine } = await dead(60);
    const second = machine.names().filter((name) => name.endsWith(".log"))[1] ?? "";
    const base = Number(second.slice(0, 20));
    machine.disk.unlink(`${P}/${second}`);
    machine.settle();
    const { log } = await machine.again();
    expect(log.logEndOffset).to.equal(base);
    expect(machine.lines.some((line) => line.includes("does not begin where"))).to.equal(true);
  });

  it("rebuilds indexes, epochs and producers from the batches (ST8)", async () => {
    const { machine } = await dead(60);
    for (const name of machine.names())
      if (!name.endsWith(".log") && name !== "partition.metadata") machine.disk.unlink(`${P}/${name}`);
    const { log } = await machine.again();
    expect(log.producer(5)?.lastSequence).to.equal(59 * 3 + 2);
    expect(log.latestEpoch).to.equal(1);
    expect(await machine.run(log.findProducerBatch(5, 0, 3, 4))).to.deep.include({ baseOffset: 1, lastOffset: 2 });
    expect(await readAll(machine, log)).to.deep.equal(fileBytes(machine, log));
  });

  it("takes a bad batch below the recovery point for damage: the log ends there, its bytes stay (15.7)", async () => {
    const machine = new StorageMachine();
    const { directory, log } = await machine.fresh();
    for (let i = 0; i < 60; i += 1) append(log);
    const end = log.logEndOffset;
    await machine.run(directory.close(1));
    machine.disk.unlink(`${DATA}/.kafka_cleanshutdown`);
    const last = log.segments().at(-1);
    flip(machine, last?.path ?? "", 150);
    const names = machine.names();
    for (let start = 0; start < 3; start += 1) {
      machine.restart("process");
      const { directory: reopened, log: damaged } = await machine.again();
      expect(damaged.isDamaged).to.equal(true);
      expect(reopened.report.damaged).to.deep.equal([{ topicId: damaged.topicId, partitions: [damaged.partition] }]);
      expect(damaged.logEndOffset).to.be.within(last?.baseOffset ?? 0, end - 1);
      expect(damaged.damage).to.include({
        offset: damaged.logEndOffset,
        recoveryPoint: end,
        path: last?.path,
        reason: "crc",
      });
      expect(damaged.retain(asMs(10 ** 13)), "nothing is removed while the partition waits").to.equal(null);
      expect(() => append(damaged)).to.throw("KAFKA_STORAGE_ERROR");
      expect((await readAll(machine, damaged)).length).to.be.greaterThan(0);
      expect(machine.disk.sizeOf(last?.path ?? "")).to.equal(last?.sizeBytes);
      // A clean stop of a damaged log does not make the next start forget it.
      await machine.run(reopened.close(1));
    }
    expect(machine.names()).to.include.members(names.filter((name) => name.endsWith(".log")));
  });

  it("takes a log that ends below its recovery point for damage, too", async () => {
    const machine = new StorageMachine();
    const { directory, log } = await machine.fresh();
    for (let i = 0; i < 5; i += 1) append(log);
    await machine.run(directory.close(1));
    machine.put(log0, machine.bytes(log0).subarray(0, makeBatch().length * 3));
    machine.restart("process");
    const again = (await machine.again()).log;
    expect([again.isDamaged, again.logEndOffset]).to.deep.equal([true, 3]);
  });

  it("starts empty at a checkpointed log start that lies behind the end (4.2(7))", async () => {
    const { machine } = await dead(5);
    machine.put(`${DATA}/log-start-offset-checkpoint`, "0\n1\nt 0 500\n");
    const { log } = await machine.again();
    expect([log.logStartOffset, log.logEndOffset, log.highWatermark]).to.deep.equal([500, 500, 500]);
    expect(append(log)).to.equal(500);
  });

  it("reports what it scanned and cut, and says how far it is", async () => {
    const { machine } = await dead(60);
    const { directory, log } = await machine.again();
    expect(directory.report).to.include({ clean: false, logsRecovered: 1, bytesCut: 0, previousBrokerEpoch: -1 });
    expect(directory.report.bytesScanned).to.equal(log.sizeBytes);
  });

  it("takes batches of up to 32 MiB", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh({ segmentBytes: 2 ** 27 });
    const large = makeBatch({ valueBytes: 32 * 1024 * 1024 - 100 });
    append(log);
    append(log, large);
    append(log);
    machine.restart("process");
    const again = (await machine.again({ segmentBytes: 2 ** 27 })).log;
    expect(again.logEndOffset).to.equal(3);
    const { records } = await machine.run(again.read(asOffset(1), 1000, again.writtenEndOffset));
    expect(records.length).to.equal(large.length);
  });
});

describe("start after a clean stop (4.1)", () => {
  it("scans nothing and opens nothing that is idle", async () => {
    const machine = new StorageMachine();
    const { directory, log } = await machine.fresh();
    for (let i = 0; i < 60; i += 1) append(log, makeBatch({ producerId: 5, baseSequence: i }));
    const end = log.logEndOffset;
    await machine.run(directory.close(7));
    machine.restart("power");
    const { directory: again, log: reopened } = await machine.again();
    expect(again.report).to.deep.equal({
      clean: true,
      previousBrokerEpoch: 7,
      bytesScanned: 0,
      bytesCut: 0,
      logsRecovered: 0,
      damaged: [],
    });
    expect([reopened.logEndOffset, reopened.syncedEndOffset, reopened.recoveryPoint]).to.deep.equal([end, end, end]);
    expect(machine.medium.openFilesCount).to.equal(0);
    expect(reopened.producer(5)?.lastSequence).to.equal(59);
    expect(machine.disk.sizeOf(`${DATA}/.kafka_cleanshutdown`)).to.equal(null);
  });

  it("recovers all the same where an index of the active segment is bad", async () => {
    const machine = new StorageMachine();
    const { directory, log } = await machine.fresh();
    for (let i = 0; i < 8; i += 1) append(log);
    await machine.run(directory.close(7));
    machine.put(log0.replace(/log$/, "index"), "bad");
    machine.restart("process");
    const { directory: again, log: reopened } = await machine.again();
    expect(again.report.logsRecovered).to.equal(1);
    expect(reopened.logEndOffset).to.equal(8);
  });

  it("deletes producer snapshots that are not whole, and comes to the same state from an older one or from none (2.5(4))", async () => {
    for (const damages of ["newest", "all"]) {
      const machine = new StorageMachine();
      const { directory, log } = await machine.fresh({ segmentBytes: 1500 });
      for (let i = 0; i < 60; i += 1) append(log, makeBatch({ producerId: 5, baseSequence: i }));
      await machine.run(directory.close(7));
      const snapshots = machine.names().filter((name) => name.endsWith(".snapshot"));
      expect(snapshots).to.have.length.above(2);
      const damaged = damages === "all" ? snapshots : snapshots.slice(-1);
      for (const name of damaged) flip(machine, `${P}/${name}`, 20);
      machine.restart("process");
      const { directory: again, log: reopened } = await machine.again({ segmentBytes: 1500 });
      expect(again.report.clean).to.equal(true);
      expect(reopened.producer(5)?.lastSequence, damages).to.equal(59);
      expect(machine.lines.filter((line) => line.includes("producer snapshot is not whole"))).to.have.length(
        damaged.length,
      );
    }
  });

  it("reads a directory that Kafka stopped: preallocated indexes have a tail of zeros", async () => {
    const machine = new StorageMachine();
    const { directory, log } = await machine.fresh();
    for (let i = 0; i < 60; i += 1) append(log);
    await machine.run(directory.close(7));
    for (const name of machine.names().filter((candidate) => candidate.endsWith("index"))) {
      machine.put(
        `${P}/${name}`,
        Buffer.concat([machine.bytes(`${P}/${name}`), Buffer.alloc(name.endsWith(".index") ? 800 : 1200)]),
      );
    }
    machine.restart("process");
    const reopened = (await machine.again()).log;
    for (let i = 0; i < 30; i += 1) append(reopened, makeBatch(), 1);
    expect(await readAll(machine, reopened)).to.deep.equal(fileBytes(machine, reopened));
  });
});

describe("checkpoint files at start (2.6(2))", () => {
  it("a malformed log-start or epoch file refuses the start and is named", async () => {
    for (const path of [`${DATA}/log-start-offset-checkpoint`, `${P}/leader-epoch-checkpoint`]) {
      const { machine } = await dead(3);
      machine.put(path, "0\nnonsense\n");
      const error = (await machine.failure(machine.open(specOf()))) as StorageError;
      expect(error.code).to.equal("MALFORMED_CHECKPOINT");
      expect(error.message).to.include(path);
      expect(machine.medium.openFilesCount).to.equal(0);
    }
  });

  it("malformed high watermarks load as empty, with an error line", async () => {
    const { machine } = await dead(3);
    machine.put(`${DATA}/replication-offset-checkpoint`, "0\n1\n");
    const { log } = await machine.again();
    expect(log.highWatermark).to.equal(0);
    expect(machine.lines.some((line) => line.includes("malformed checkpoint"))).to.equal(true);
  });

  it("a malformed partition.metadata refuses the start and is named", async () => {
    const { machine } = await dead(3);
    machine.put(`${P}/partition.metadata`, "\0\0\0\0");
    const error = (await machine.failure(machine.open(specOf()))) as StorageError;
    expect(error.code).to.equal("MALFORMED_PARTITION_METADATA");
    expect(error.path).to.equal(`${P}/partition.metadata`);
  });
});
