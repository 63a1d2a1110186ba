/** The data directory when the disk refuses at a bad moment: what is made or removed then can be made or removed later. */
import { expect } from "chai";
import {
  append,
  asMs,
  asOffset,
  asPartitionId,
  DATA,
  makeBatch,
  OTHER_ID,
  queue,
  readAll,
  specOf,
  StorageMachine,
} from "./support/storage-machine.ts";

const P0 = asPartitionId(0);
const LOG_FILE = /\.log$/u;
/** Segments that one read does not see to the end, and that no index shortens. */
const LONG = { segmentBytes: 30_000, indexIntervalBytes: 1_000_000 };

describe("DataDirectory on a disk that refuses", () => {
  for (const operation of ["open", "write", "rename"] as const) {
    for (let skipCount = 0; skipCount < 3; skipCount += 1) {
      it(`makes a log that could not be made before, for want of room (${operation} ${skipCount + 1})`, async () => {
        const machine = new StorageMachine();
        const directory = await machine.open();
        machine.medium.faults.add({ operation, effect: "ENOSPC", path: /\/t-0\//u, skipCount });
        const first = await machine.run(
          directory.createLog(specOf()).then(
            () => "made",
            () => "refused",
          ),
        );
        machine.medium.faults.removeAll();
        if (first === "refused") await machine.run(directory.createLog(specOf()));
        expect(machine.offline).to.equal(null);
        const log = directory.log("t", P0);
        if (log === undefined) throw new Error("no log");
        append(log);
        expect((await readAll(machine, log)).length).to.be.greaterThan(0);
      });
    }
  }

  it("frees the name of a log that could not be renamed before", async () => {
    const machine = new StorageMachine();
    const { directory, log } = await machine.fresh();
    append(log);
    machine.medium.faults.add({ operation: "rename", effect: "ENOSPC", path: /t-0 |t-0$/u });
    await machine.failure(directory.deleteLog("t", P0));
    expect(directory.log("t", P0), "no longer served").to.equal(undefined);
    const fresh = await machine.run(directory.createLog(specOf({}, "t", 0, OTHER_ID)));
    expect(fresh.logEndOffset).to.equal(0);
    append(fresh);
    await machine.run(directory.close(1));
    const again = await machine.open(specOf({}, "t", 0, OTHER_ID));
    expect(again.log("t", P0)?.logEndOffset).to.equal(1);
  });

  it("does not take back a log that is closed, where its replica is wanted again before its name could be freed", async () => {
    const machine = new StorageMachine();
    const { directory, log } = await machine.fresh();
    append(log);
    machine.medium.faults.add({ operation: "rename", effect: "ENOSPC", path: /t-0 |t-0$/u });
    await machine.failure(directory.deleteLog("t", P0));
    const fresh = await machine.run(directory.createLog(specOf()));
    expect([fresh.logEndOffset, append(fresh), append(fresh)]).to.deep.equal([0, 0, 1]);
    await machine.letPass(60_000);
    expect(machine.disk.list(DATA).filter((name) => name.startsWith("t-"))).to.deep.equal(["t-0"]);
    machine.restart("process");
    expect((await machine.again()).log.logEndOffset).to.equal(2);
  });

  it("tries a deletion whose rename failed again by timer, and leaves alone who has the name by then", async () => {
    for (const isTaken of [false, true]) {
      const machine = new StorageMachine();
      const { directory, log } = await machine.fresh();
      append(log);
      machine.medium.faults.add({ operation: "rename", effect: "other", path: /t-0 |t-0$/u, times: 2 });
      await machine.failure(directory.deleteLog("t", P0));
      if (isTaken) {
        machine.medium.faults.removeAll();
        const fresh = await machine.run(directory.createLog(specOf({}, "t", 0, OTHER_ID)));
        append(fresh);
      }
      await machine.letPass(60_000);
      const names = machine.disk.list(DATA).filter((name) => name.startsWith("t-"));
      if (isTaken) {
        expect(names).to.include("t-0");
        expect(directory.log("t", P0)?.logEndOffset).to.equal(1);
      } else expect(names).to.deep.equal([]);
      expect([machine.offline, machine.medium.openFilesCount]).to.deep.equal([null, isTaken ? 1 : 0]);
      await machine.run(directory.close(1));
    }
  });

  it("tries files of a deleted topic that could not be removed again by timer, and a stop leaves them to the next start", async () => {
    for (const isStopped of [false, true]) {
      const machine = new StorageMachine();
      const { directory, log } = await machine.fresh();
      for (let i = 0; i < 40; i += 1) append(log);
      machine.medium.faults.add({ operation: "unlink", effect: "other", path: /-delete/u, skipCount: 3, times: 2 });
      await machine.run(directory.deleteLog("t", P0));
      await machine.letPass(2000);
      if (isStopped) {
        await machine.run(directory.close(1));
        machine.restart("power");
        await machine.open();
      }
      await machine.letPass(60_000);
      expect(machine.disk.list(DATA).filter((name) => name.startsWith("t-"))).to.deep.equal([]);
    }
  });

  it("lets a new topic inherit no checkpoint of the old one, although the disk was full when that went", async () => {
    const machine = new StorageMachine();
    const { directory, log } = await machine.fresh({ durability: "group-commit" });
    for (let i = 0; i < 20; i += 1) append(log);
    await machine.synced(log);
    log.highWatermark = log.logEndOffset;
    await machine.run(log.raiseLogStart(asOffset(15)));
    await machine.letPass(10_000);
    machine.medium.faults.add({ operation: "write", effect: "ENOSPC", path: /checkpoint\.tmp$/u, times: 2 });
    await machine.failure(directory.deleteLog("t", P0));
    const spec = specOf({ durability: "group-commit" }, "t", 0, OTHER_ID);
    const fresh = await machine.run(directory.createLog(spec));
    append(fresh);
    await machine.synced(fresh);
    machine.restart("power");
    const again = (await machine.open(spec)).log("t", P0);
    expect(again).to.include({ logStartOffset: 0, logEndOffset: 1, isDamaged: false });
  });

  it("stays online when there is no room for the mark of a cut, and appends once there is (3.8(2))", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh();
    append(log);
    machine.medium.faults.add({ operation: "write", effect: "ENOSPC", path: LOG_FILE });
    machine.medium.faults.add({ operation: "open", effect: "ENOSPC", path: /\.cut-pending$/u });
    queue(log);
    expect(log.writeAppended()?.kind).to.equal("ENOSPC");
    await machine.letPass(60_000);
    expect(machine.offline).to.equal(null);
    expect(append(log)).to.equal(1);
    expect((await readAll(machine, log)).length).to.equal(2 * makeBatch().length);
  });

  it("stays online when the file of a cut cannot be opened again, and appends once it can", async () => {
    const machine = new StorageMachine();
    machine.openFilesMax = 1;
    const { directory, log } = await machine.fresh();
    const other = await machine.run(directory.createLog(specOf({}, "t", 1)));
    append(log);
    machine.medium.faults.add({ operation: "write", effect: "ENOSPC", path: LOG_FILE });
    machine.medium.faults.add({ operation: "open", effect: "ENOSPC", path: /\.cut-pending$/u });
    queue(log);
    expect(log.writeAppended()?.kind).to.equal("ENOSPC");
    // Takes the place of the file that is to be cut.
    append(other);
    machine.medium.faults.add({ operation: "open", effect: "EMFILE", path: /t-0\/.*\.log$/u, times: 2 });
    await machine.letPass(60_000);
    expect(machine.offline).to.equal(null);
    expect(machine.names(DATA)).to.not.include(".cut-pending");
    expect(append(log)).to.equal(1);
    expect((await readAll(machine, log)).length).to.equal(2 * makeBatch().length);
  });

  for (const step of ["recovery-point", "cut-pending", ".log"] as const) {
    it(`deletes a log whose truncation waits for room, and goes on (${step})`, async () => {
      const machine = new StorageMachine();
      machine.openFilesMax = 1;
      const { directory, log } = await machine.fresh();
      const other = await machine.run(directory.createLog(specOf({}, "t", 1)));
      for (let i = 0; i < 30; i += 1) append(log);
      await machine.letPass(10_000);
      append(other);
      const effect = step === ".log" ? "EMFILE" : "ENOSPC";
      const path = step === ".log" ? /t-0\/0*\.log$/u : new RegExp(step, "u");
      // The first opening is that of the search for the place to cut at.
      const skipCount = step === ".log" ? 1 : 0;
      const fault = machine.medium.faults.add({ operation: "open", effect, path, skipCount, times: 1000 });
      const cut = log.truncateTo(asOffset(3)).catch(() => undefined);
      await machine.letPass(100);
      // While there is no room for its checkpoints either, the name is not free; that is told, and tried again.
      const deleted = directory.deleteLog("t", P0).catch(() => undefined);
      await machine.letPass(1500);
      fault.remove();
      await machine.run(Promise.all([cut, deleted]));
      expect(machine.offline).to.equal(null);
      expect(append(other)).to.equal(1);
    });
  }

  it("leaves no clean marker when it is stopped while a truncation waits for room, and cuts nothing half", async () => {
    const machine = new StorageMachine();
    const { directory, log } = await machine.fresh();
    for (let i = 0; i < 30; i += 1) append(log);
    await machine.synced(log);
    const fault = machine.medium.faults.add({
      operation: "open",
      effect: "ENOSPC",
      path: /\.cut-pending$/u,
      times: 1000,
    });
    const cut = log.truncateTo(asOffset(3)).catch((error: unknown) => error);
    await machine.letPass(100);
    const closed = directory.close(1);
    await machine.letPass(1500);
    fault.remove();
    await machine.run(Promise.all([cut, closed]));
    const isCut = (await cut) === undefined;
    expect(machine.disk.sizeOf(`${DATA}/.kafka_cleanshutdown`) !== null).to.equal(isCut);
    machine.restart("power");
    const { log: again } = await machine.again();
    expect([again.logEndOffset, again.isDamaged]).to.deep.equal([isCut ? 3 : 30, false]);
  });

  for (const [what, path] of [
    ["the last checkpoint", /recovery-point-offset-checkpoint/u],
    ["the clean marker", /\.kafka_cleanshutdown/u],
  ] as const) {
    for (const effect of ["ENOSPC", "EMFILE", "EIO"] as const) {
      it(`ends without a clean marker, and says so once, when ${what} cannot be written (${effect})`, async () => {
        const machine = new StorageMachine();
        const { directory, log } = await machine.fresh();
        for (let i = 0; i < 5; i += 1) append(log);
        const operation = effect === "EMFILE" ? "open" : "write";
        machine.medium.faults.add({ operation, effect, path, times: 1000 });
        const linesBefore = machine.lines.length;
        await machine.run(directory.close(1));
        const said = machine.lines.slice(linesBefore);
        expect(said).to.deep.equal(["no clean marker: the next start recovers"]);
        expect(machine.disk.sizeOf(`${DATA}/.kafka_cleanshutdown`)).to.equal(null);
        machine.medium.faults.removeAll();
        machine.restart("process");
        const { log: again, directory: next } = await machine.again();
        expect([again.logEndOffset, again.isDamaged, next.report.clean]).to.deep.equal([5, false, false]);
      });
    }
  }

  it("is not taken offline by retention that looked at what a truncation removes", async () => {
    const machine = new StorageMachine();
    const config = { segmentBytes: 20_000, indexIntervalBytes: 100, retentionMs: 1 };
    const { directory, log } = await machine.fresh(config);
    for (let i = 0; i < 60; i += 1) append(log, makeBatch({ valueBytes: 1000 }));
    await machine.run(directory.close(1));
    for (const name of machine.names()) if (name.endsWith(".timeindex")) machine.put(`${DATA}/t-0/${name}`, "torn");
    machine.restart("process");
    const { log: again } = await machine.again(config);
    again.highWatermark = again.logEndOffset;
    const second = again.segments()[1]?.path ?? "";
    machine.medium.faults.add({
      operation: "read",
      effect: "stall",
      stallMs: 500,
      path: new RegExp(`${second}$`, "u"),
    });
    const looked = again.retain(asMs(86_400_000));
    await machine.letPass(100);
    await machine.run(Promise.all([looked, again.truncateTo(asOffset(2))]));
    expect([machine.offline, again.logEndOffset]).to.deep.equal([null, 2]);
    expect(append(again)).to.equal(2);
  });

  it("takes a want of file descriptors at a sync for no failed sync", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh();
    append(log);
    machine.medium.faults.add({
      operation: "open",
      effect: "EMFILE",
      path: /index$|snapshot$|checkpoint(\.tmp)?$/u,
      times: 3,
    });
    while (log.segmentCount < 3) append(log);
    await machine.letPass(60_000);
    expect(machine.offline).to.equal(null);
    expect(machine.names(DATA)).to.not.include(".sync-failed");
    while (log.segmentCount < 4) append(log);
    await machine.letPass(60_000);
    expect(log.recoveryPoint).to.be.greaterThan(0);
  });

  it("syncs later what it had no file descriptor to sync with, and acknowledges only then (15.1(6))", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh({ durability: "group-commit" });
    machine.medium.faults.add({ operation: "syncDirectory", effect: "EMFILE", path: /\/t-0$/u, times: 2 });
    machine.medium.faults.add({ operation: "datasync", effect: "EMFILE", path: LOG_FILE, times: 2 });
    while (log.segmentCount < 3) append(log);
    log.sync();
    await machine.letPass(100);
    expect(log.syncedEndOffset).to.be.lessThan(log.logEndOffset);
    await machine.letPass(60_000);
    expect(machine.offline).to.equal(null);
    expect(log.syncedEndOffset).to.equal(log.logEndOffset);
  });

  it("does not take a read that a truncation overtook for a broken disk (5.5(2))", async () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const machine = new StorageMachine({ seed });
      const { log } = await machine.fresh(LONG);
      while (log.segmentCount < 4) append(log);
      await machine.letPass(1_000);
      // The first step through the last segment ends behind the removal of the file.
      machine.medium.faults.add({
        operation: "read",
        effect: "stall",
        path: LOG_FILE,
        times: 4,
        skipCount: seed,
        stallMs: 300,
      });
      const reads = [
        ...Array.from({ length: 20 }, () => log.read(asOffset(log.logEndOffset - 20), 10_000, log.writtenEndOffset)),
        ...Array.from({ length: 5 }, () => log.findByTimestamp(5_000, log.writtenEndOffset)),
        ...Array.from({ length: 5 }, () => log.findMaxTimestamp(log.writtenEndOffset)),
        ...Array.from({ length: 5 }, () => log.findProducerBatch(5, 0, 0, 0)),
      ].map((read) =>
        read.then(
          () => undefined,
          () => undefined,
        ),
      );
      const cut = log.truncateTo(asOffset(3));
      await machine.run(Promise.all([cut, ...reads]));
      expect(machine.offline, `seed ${seed}`).to.equal(null);
      expect(append(log)).to.equal(3);
    }
  });

  it("counts everything as synced that is left after a truncation, whatever sync it overtook (5.5(2))", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh({ durability: "group-commit" });
    for (let i = 0; i < 6; i += 1) append(log);
    machine.medium.faults.add({ operation: "datasync", effect: "stall", path: LOG_FILE, stallMs: 500 });
    log.sync();
    await machine.run(log.truncateTo(asOffset(4)));
    expect(log.logEndOffset).to.equal(4);
    await machine.letPass(1_000);
    expect(log.syncedEndOffset).to.equal(4);
  });

  it("closes cleanly under a truncation", async () => {
    const machine = new StorageMachine();
    const { directory, log } = await machine.fresh();
    while (log.segmentCount < 3) append(log);
    const cut = log.truncateTo(asOffset(2)).catch(() => undefined);
    await machine.run(Promise.all([directory.close(1), cut]));
    const again = await machine.again();
    expect(again.log.logEndOffset).to.equal(2);
  });

  it("closes the files of a log only when nobody reads it any more (3.6)", async () => {
    for (let seed = 1; seed <= 10; seed += 1) {
      const machine = new StorageMachine({ seed });
      const { directory, log } = await machine.fresh(LONG);
      while (log.segmentCount < 4) append(log);
      await machine.letPass(1_000);
      const reads = Array.from({ length: 10 }, (_, i) =>
        log.read(asOffset(i * 100), 10_000, log.writtenEndOffset).catch(() => undefined),
      );
      const searches = Array.from({ length: 3 }, () => log.findProducerBatch(5, 0, 0, 0).catch(() => undefined));
      await machine.run(Promise.all([directory.deleteLog("t", P0), ...reads, ...searches]));
      await machine.letPass(10);
      expect(machine.medium.openFilesCount, `seed ${seed}`).to.equal(0);
      expect(machine.offline).to.equal(null);
    }
  });
});
