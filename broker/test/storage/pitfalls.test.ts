/** The storage rows of semantics 16 that are not told elsewhere in this folder, each by its id. */
import { expect } from "chai";
import type { ProducerBatch } from "../../src/storage/index.ts";
import { crashEverywhere } from "./support/crash-everywhere.ts";
import {
  append,
  asOffset,
  asPartitionId,
  DATA,
  fileBytes,
  makeBatch,
  OTHER_ID,
  queue,
  readAll,
  specOf,
  StorageMachine,
} from "./support/storage-machine.ts";

const P = `${DATA}/t-0`;
const GROUP = { durability: "group-commit" as const, segmentBytes: 100_000 };

describe("pitfalls of storage", () => {
  it("P07: an append waits for no sync", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh();
    machine.medium.faults.add({ operation: "datasync", effect: "stall", stallMs: 10_000, times: 100 });
    for (let i = 0; i < 100; i += 1) append(log);
    expect(log.writtenEndOffset).to.equal(100);
    expect(log.segmentCount).to.be.greaterThan(5);
  });

  it("P41: a newer segment's sync counts only behind the older ones'", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh({ durability: "group-commit" });
    const ends: number[] = [];
    log.events = {
      onWritten: () => undefined,
      onSynced: (end) => ends.push(end),
      onLogStart: () => undefined,
      onSyncFailed: () => undefined,
    };
    machine.medium.faults.add({ operation: "datasync", effect: "stall", stallMs: 300, path: /00000\.log$/, times: 1 });
    while (log.segmentCount < 3) append(log);
    log.sync();
    await machine.letPass(200);
    expect(ends).to.deep.equal([]);
    await machine.letPass(300);
    expect(log.syncedEndOffset).to.equal(log.writtenEndOffset);
  });

  it("P41: a sync that began before a truncation counts for nothing after it", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh(GROUP);
    for (let i = 0; i < 10; i += 1) append(log);
    machine.medium.faults.add({ operation: "datasync", effect: "stall", stallMs: 200, path: /\.log$/, times: 1 });
    log.sync();
    await machine.run(log.truncateTo(asOffset(4)));
    for (let i = 0; i < 6; i += 1) append(log);
    await machine.letPass(500);
    expect(log.syncedEndOffset).to.equal(4);
    machine.restart("power");
    const again = (await machine.again(GROUP)).log;
    expect(again.logEndOffset).to.be.at.least(4);
  });

  it("P42: a truncated batch is no duplicate, and is not served", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh();
    for (let i = 0; i < 30; i += 1) append(log, makeBatch({ producerId: 8, baseSequence: i }));
    await machine.run(log.truncateTo(asOffset(20)));
    expect(log.producer(8)?.lastSequence).to.equal(19);
    expect(await machine.run(log.findProducerBatch(8, 0, 25, 25))).to.equal(null);
    expect(log.readTail(asOffset(20), 1000, asOffset(30))?.records).to.have.length(0);
    expect((await machine.run(log.read(asOffset(22), 1000, asOffset(30)))).records).to.have.length(0);
  });

  it("P62: the batches before the last one are found in the log after a load, and none that never was", async () => {
    for (const stop of ["clean", "kill"] as const) {
      const machine = new StorageMachine();
      const { directory, log } = await machine.fresh();
      for (let i = 0; i < 80; i += 1)
        append(log, makeBatch({ records: 2, producerId: 1 + (i % 3), baseSequence: 2 * Math.floor(i / 3) }));
      if (stop === "clean") await machine.run(directory.close(1));
      machine.restart("process");
      const again = (await machine.again()).log;
      const entry = again.producer(1);
      expect(entry?.olderInLog, "more than five, or a load").to.equal(true);
      const sought = (first: number, last: number, epoch = 0) =>
        machine.run(again.findProducerBatch(1, epoch, first, last));
      for (const sequence of [0, 2, 20, 44, 46, 48]) {
        expect((await sought(sequence, sequence + 1))?.baseOffset, `sequence ${sequence}`).to.equal(sequence * 3);
      }
      expect(await sought(46, 48), "other bounds").to.equal(null);
      expect(await sought(46, 47, 1), "another epoch").to.equal(null);
      expect(await sought(60, 61), "not written yet").to.equal(null);
    }
  });

  it("P62: the look-up reads only between the snapshots around the sequence", async () => {
    const machine = new StorageMachine();
    const { directory, log } = await machine.fresh();
    for (let i = 0; i < 200; i += 1) append(log, makeBatch({ producerId: 1, baseSequence: i }));
    await machine.run(directory.close(1));
    machine.restart("process");
    const { log: again } = await machine.again();
    const segments = again.segments();
    const first = segments[0]?.path ?? "";
    machine.medium.faults.add({ operation: "read", effect: "EIO", path: new RegExp(first.replaceAll(".", "\\.")) });
    expect((await machine.run(again.findProducerBatch(1, 0, 190, 190)))?.baseOffset).to.equal(190);
  });

  it("P62: the look-up says that it cannot know, where something bad stands in the way, and reads it once", async () => {
    for (const how of ["no batch", "EIO"] as const) {
      const machine = new StorageMachine();
      const { directory, log } = await machine.fresh();
      for (let i = 0; i < 200; i += 1) append(log, makeBatch({ producerId: 1, baseSequence: i }));
      await machine.run(directory.close(1));
      const [, second, third] = log.segments();
      const path = second?.path ?? "";
      const bytes = machine.bytes(path);
      // The size of its second batch.
      bytes[12 + bytes.readInt32BE(8) + 8] = 0x40;
      if (how === "no batch") machine.put(path, bytes);
      machine.restart("process");
      const { log: again } = await machine.again();
      const rule = machine.medium.faults.add({
        operation: "read",
        effect: how === "EIO" ? "EIO" : "stall",
        path: new RegExp(path.replaceAll(".", "\\.")),
        times: Number.POSITIVE_INFINITY,
      });
      const found = (sequence: number): Promise<ProducerBatch | null> =>
        machine.run(again.findProducerBatch(1, 0, sequence, sequence));
      const last = (third?.baseOffset ?? 0) - 1;
      for (let attempt = 0; attempt < 3; attempt += 1) {
        const failure = (await machine.failure(again.findProducerBatch(1, 0, last, last))) as Error;
        expect(failure.message, how).to.match(attempt === 0 && how === "EIO" ? /EIO/u : /damaged/u);
        expect(again.rot).to.not.equal(null);
      }
      expect(rule.firedCount, how).to.be.at.most(how === "EIO" ? 1 : 10);
      const first = second?.baseOffset ?? 0;
      if (how === "no batch") expect((await found(first))?.baseOffset).to.equal(first);
      for (const sequence of [first - 1, last + 1, 199]) expect((await found(sequence))?.baseOffset).to.equal(sequence);
    }
  });

  it("P62: the look-up is not misled by what a snapshot knows from below the log start", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh();
    for (let i = 0; i < 3; i += 1) append(log, makeBatch({ producerId: 1, producerEpoch: 1, baseSequence: i }));
    log.highWatermark = log.logEndOffset;
    await machine.run(log.raiseLogStart(asOffset(3)));
    while (log.segmentCount === 1) append(log, makeBatch({}));
    // Nobody knows the later epoch any more; the snapshot at the roll does.
    const from = log.logEndOffset;
    for (let i = 0; i < 60; i += 1) append(log, makeBatch({ producerId: 1, producerEpoch: 0, baseSequence: i }));
    expect(log.segmentCount).to.be.greaterThan(3);
    for (const sequence of [0, 1, 30, 59]) {
      const found = await machine.run(log.findProducerBatch(1, 0, sequence, sequence));
      expect(found?.baseOffset, `sequence ${sequence}`).to.equal(from + sequence);
    }
  });

  it("P66: a raised log start that a kill interrupted is lost for good or there for good", async () => {
    await crashEverywhere(
      async (machine) => {
        const { log } = await machine.fresh(GROUP);
        for (let i = 0; i < 10; i += 1) append(log);
        await machine.synced(log);
        log.highWatermark = asOffset(10);
        return () => log.raiseLogStart(asOffset(6));
      },
      async (machine) => {
        // What a start has seen, and acted upon, no later power failure may take back.
        const seen = (await machine.again(GROUP)).log.logStartOffset;
        machine.restart("power");
        expect((await machine.again(GROUP)).log.logStartOffset).to.equal(seen);
      },
    );
  });

  it("P69: no snapshot is left of batches that were cut, so a retry of them is no duplicate", async () => {
    const machine = new StorageMachine();
    const { directory, log } = await machine.fresh({ segmentBytes: 100_000 });
    for (let i = 0; i < 10; i += 1) append(log, makeBatch({ producerId: 3, baseSequence: i }));
    await machine.run(directory.close(1));
    machine.disk.unlink(`${DATA}/.kafka_cleanshutdown`);
    machine.disk.unlink(`${DATA}/recovery-point-offset-checkpoint`);
    const path = `${P}/00000000000000000000.log`;
    machine.put(path, machine.bytes(path).subarray(0, 5 * makeBatch().length));
    machine.restart("process");
    const { log: again } = await machine.again({ segmentBytes: 100_000 });
    expect(again.logEndOffset).to.equal(5);
    expect(again.producer(3)?.lastSequence).to.equal(4);
    expect(machine.names()).to.not.include("00000000000000000010.snapshot");
    for (let i = 5; i < 12; i += 1) append(again, makeBatch({ producerId: 4, baseSequence: i }));
    machine.restart("power");
    const last = (await machine.again({ segmentBytes: 100_000 })).log;
    expect(last.producer(3)?.lastSequence).to.equal(4);
  });

  it("P70: a truncation that a crash interrupts leaves a whole prefix, and no old tail behind new batches", async () => {
    await crashEverywhere(
      async (machine) => {
        const { log } = await machine.fresh({ durability: "group-commit" });
        for (let i = 0; i < 40; i += 1) append(log, makeBatch({ valueBytes: 30 }), 1);
        await machine.synced(log);
        return async () => {
          await log.truncateTo(asOffset(7));
          for (let i = 0; i < 20; i += 1) append(log, makeBatch({ valueBytes: 40 }), 2);
          await new Promise<void>((resolve) => {
            log.events = {
              onWritten: () => undefined,
              onSynced: () => resolve(),
              onLogStart: () => undefined,
              onSyncFailed: () => resolve(),
            };
            log.sync();
          });
        };
      },
      async (machine) => {
        const { log } = await machine.again({ durability: "group-commit" });
        expect(log.isDamaged).to.equal(false);
        expect(log.logEndOffset).to.be.at.least(7);
        const bytes = fileBytes(machine, log);
        expect(await readAll(machine, log)).to.deep.equal(bytes);
        let end = 0;
        let epoch = 1;
        for (let at = 0; at < bytes.length; at += 12 + bytes.readInt32BE(at + 8)) {
          expect(Number(bytes.readBigInt64BE(at))).to.equal(end);
          expect(bytes.readInt32BE(at + 12)).to.be.at.least(epoch);
          if (end >= 7 && epoch === 2) expect(bytes.readInt32BE(at + 12)).to.equal(2);
          epoch = bytes.readInt32BE(at + 12);
          end = Number(bytes.readBigInt64BE(at)) + bytes.readInt32BE(at + 23) + 1;
        }
      },
      3,
    );
  });

  it("P75: malformed recovery points stop nothing, and keep aside what recovery cuts", async () => {
    const machine = new StorageMachine();
    const { directory, log } = await machine.fresh();
    for (let i = 0; i < 60; i += 1) append(log);
    await machine.run(directory.close(1));
    const segments = log.segments();
    const second = segments[1]?.path ?? "";
    const bytes = machine.bytes(second);
    bytes[150] = (bytes[150] ?? 0) ^ 1;
    machine.put(second, bytes);
    machine.put(`${DATA}/recovery-point-offset-checkpoint`, "0\n1\nt 0");
    machine.disk.unlink(`${DATA}/.kafka_cleanshutdown`);
    machine.restart("process");
    const { log: again } = await machine.again();
    expect(again.logEndOffset).to.equal((segments[1]?.baseOffset ?? 0) + 1);
    const aside = machine.names().filter((name) => name.endsWith(".damaged"));
    expect(aside).to.deep.equal(segments.slice(2).map(({ path }) => `${path.slice(P.length + 1)}.damaged`));
    expect(machine.lines.some((line) => line.includes("malformed checkpoint"))).to.equal(true);
  });

  it("P76: after a truncation the next append waits until the shortened file is synced", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh({ segmentBytes: 100_000 });
    for (let i = 0; i < 10; i += 1) append(log);
    machine.medium.faults.add({ operation: "datasync", effect: "stall", stallMs: 300, path: /\.log$/, times: 1 });
    let isDone = false;
    const cut = log.truncateTo(asOffset(5)).then(() => {
      isDone = true;
    });
    await machine.letPass(200);
    expect(isDone).to.equal(false);
    expect(queue(log).ok).to.equal(false);
    await machine.run(cut);
    expect(append(log)).to.equal(5);
  });

  it("P76: a cut that a kill interrupted is synced by the next start, before it is appended to", async () => {
    let unsyncedCount = 0;
    // A sync that a kill interrupts may be done all the same.
    for (let seed = 1; seed <= 8; seed += 1) {
      const machine = new StorageMachine({ seed });
      const { log } = await machine.fresh({ segmentBytes: 100_000 });
      for (let i = 0; i < 10; i += 1) append(log, makeBatch({ valueBytes: 30 }), 1);
      machine.settle();
      machine.medium.faults.add({ operation: "datasync", effect: "stall", stallMs: 10_000, path: /\.log$/, times: 1 });
      void log.truncateTo(asOffset(5)).catch(() => undefined);
      await machine.letPass(500);
      machine.restart("process");
      const isSettled = (): boolean | undefined => machine.medium.fileAt(`${P}/00000000000000000000.log`)?.isSettled;
      if (isSettled() === false) unsyncedCount += 1;
      const { log: again } = await machine.again({ segmentBytes: 100_000 });
      expect(again.logEndOffset).to.equal(5);
      expect(isSettled()).to.equal(true);
    }
    expect(unsyncedCount).to.be.greaterThan(0);
  });

  it("P47: nor do they when its topic was made anew while nobody had the directory, wherever a crash of the start comes", async () => {
    const other = specOf(GROUP, "t", 0, OTHER_ID);
    await crashEverywhere(
      async (machine) => {
        const { log } = await machine.fresh(GROUP);
        for (let i = 0; i < 10; i += 1) append(log);
        log.highWatermark = asOffset(8);
        await machine.synced(log);
        await machine.letPass(6000);
        machine.restart("process");
        return async () => {
          const directory = await machine.opening(other);
          await directory.createLog(other);
        };
      },
      async (machine) => {
        const directory = await machine.open(other);
        const log = directory.log("t", asPartitionId(0)) ?? (await machine.run(directory.createLog(other)));
        expect([log.logEndOffset, log.highWatermark, log.isDamaged, log.isRepairing]).to.deep.equal([
          0,
          0,
          false,
          false,
        ]);
      },
    );
  });

  it("P47: nor when it is set aside while the broker runs, since metadata has another topic of that name by now", async () => {
    const other = specOf(GROUP, "t", 0, OTHER_ID);
    await crashEverywhere(
      async (machine) => {
        const { log } = await machine.fresh(GROUP);
        for (let i = 0; i < 10; i += 1) append(log);
        log.highWatermark = asOffset(8);
        await machine.synced(log);
        await machine.letPass(6000);
        machine.restart("process");
        // Nobody has told this start of the topic.
        const directory = await machine.open();
        return () => directory.createLog(other);
      },
      async (machine) => {
        const directory = await machine.open(other);
        expect(directory.report.damaged).to.deep.equal([]);
        const log = directory.log("t", asPartitionId(0)) ?? (await machine.run(directory.createLog(other)));
        expect([log.logEndOffset, log.highWatermark, log.isRepairing]).to.deep.equal([0, 0, false]);
      },
    );
  });

  for (const [what, topic, isFull] of [
    ["of a topic whose name leaves no room for more", "t".repeat(249), false],
    ["on a full disk, where only what it removes makes room", "t", true],
  ] as const) {
    it(`P47: nor when its topic is deleted and made anew, ${what}`, async () => {
      const made = specOf(GROUP, topic);
      const other = specOf(GROUP, topic, 0, OTHER_ID);
      await crashEverywhere(
        async (machine) => {
          const directory = await machine.open();
          const log = await machine.run(directory.createLog(made));
          for (let i = 0; i < 10; i += 1) append(log);
          log.highWatermark = asOffset(8);
          await machine.synced(log);
          await machine.letPass(6000);
          const times = 1;
          if (isFull)
            machine.medium.faults.add({ operation: "write", effect: "ENOSPC", path: /checkpoint\.tmp$/u, times });
          return async () => {
            await directory.deleteLog(topic, asPartitionId(0));
            await directory.createLog(other);
          };
        },
        async (machine) => {
          const directory = await machine.open(other);
          expect(directory.report.damaged).to.deep.equal([]);
          const log = directory.log(topic, asPartitionId(0)) ?? (await machine.run(directory.createLog(other)));
          expect([log.logEndOffset, log.highWatermark, log.isRepairing]).to.deep.equal([0, 0, false]);
        },
        2,
      );
    });
  }

  it("P47: a replica's checkpoint entries do not outlive it, wherever a crash comes", async () => {
    await crashEverywhere(
      async (machine) => {
        const { directory, log } = await machine.fresh(GROUP);
        for (let i = 0; i < 10; i += 1) append(log);
        log.highWatermark = asOffset(8);
        await machine.run(log.raiseLogStart(asOffset(8)));
        await machine.synced(log);
        await machine.letPass(6000);
        return async () => {
          await directory.deleteLog("t", asPartitionId(0));
          await directory.createLog(specOf(GROUP, "t", 0, OTHER_ID));
        };
      },
      async (machine) => {
        const directory = await machine.open(specOf(GROUP, "t", 0, OTHER_ID));
        const log =
          directory.log("t", asPartitionId(0)) ??
          (await machine.run(directory.createLog(specOf(GROUP, "t", 0, OTHER_ID))));
        expect([log.logStartOffset, log.logEndOffset, log.highWatermark, log.isDamaged]).to.deep.equal([
          0,
          0,
          0,
          false,
        ]);
      },
    );
  });
});
