import { expect } from "chai";
import { noFailpoint } from "../../src/ports/index.ts";
import { SeededRandom } from "../../src/base/index.ts";
import { SimulatedCrash } from "../../src/sim/index.ts";
import { safeWrite } from "../../src/storage/safe-write.ts";
import type { StorageError } from "../../src/storage/index.ts";
import {
  append,
  asOffset,
  asPartitionId,
  DATA,
  makeBatch,
  OTHER_ID,
  readAll,
  specOf,
  StorageMachine,
  TOPIC_ID,
} from "./support/storage-machine.ts";

const P = `${DATA}/t-0`;
const HEX = Buffer.from(TOPIC_ID, "base64url").toString("hex");

describe("data directory: replicas come and go", () => {
  it("makes a replica durable before createLog resolves (3.1(2))", async () => {
    const machine = new StorageMachine({ mode: "strict" });
    await machine.fresh();
    machine.restart("power");
    const { log } = await machine.again();
    expect(log.topicId).to.equal(TOPIC_ID);
    expect(log.logEndOffset).to.equal(0);
  });

  it("renames a deleted one at once, and removes its files after the delay (3.6)", async () => {
    const machine = new StorageMachine();
    const { directory, log } = await machine.fresh({ fileDeleteDelayMs: 1000 });
    append(log);
    await machine.run(directory.deleteLog("t", asPartitionId(0)));
    expect(directory.log("t", asPartitionId(0))).to.equal(undefined);
    expect(machine.disk.list(DATA)).to.include(`t-0.${HEX}-delete`);
    expect(machine.disk.sizeOf(P)).to.equal(null);
    await machine.letPass(900);
    expect(machine.disk.list(DATA)).to.include(`t-0.${HEX}-delete`);
    await machine.letPass(200);
    expect(machine.disk.list(DATA)).to.not.include(`t-0.${HEX}-delete`);
  });

  it("removes them at once on a full disk, and those that wait when it becomes full (3.8(2))", async () => {
    const machine = new StorageMachine();
    const { directory } = await machine.fresh({ fileDeleteDelayMs: 60_000 });
    const left = (): string[] => machine.disk.list(DATA).filter((name) => name.endsWith("-delete"));
    await machine.run(directory.deleteLog("t", asPartitionId(0)));
    await machine.letPass(100);
    expect([left().length, machine.removals]).to.deep.equal([1, 0]);
    machine.isFull = true;
    directory.hurryRemovals();
    expect(left().length, "not in the turn that met the end of the disk").to.equal(1);
    await machine.letPass(10);
    expect([left().length, machine.removals]).to.deep.equal([0, 1]);

    await machine.run(directory.createLog(specOf({ fileDeleteDelayMs: 60_000 })));
    await machine.run(directory.deleteLog("t", asPartitionId(0)));
    await machine.letPass(10);
    expect([left().length, machine.removals]).to.deep.equal([0, 2]);
    await machine.letPass(120_000);
    expect(machine.removals, "each once").to.equal(2);
  });

  it("removes at start what a deletion left", async () => {
    const machine = new StorageMachine();
    const { directory } = await machine.fresh();
    await machine.run(directory.deleteLog("t", asPartitionId(0)));
    machine.restart("process");
    await machine.open();
    await machine.letPass(10);
    expect(machine.disk.list(DATA).filter((name) => name.includes("delete"))).to.deep.equal([]);
  });

  for (const isUnderWay of [false, true]) {
    const when = isUnderWay ? "under way" : "still to come";
    it(`removes nothing after a stop (${when}), leaves no timer, and the next start takes it up (4.3)`, async () => {
      const machine = new StorageMachine();
      const { directory, log } = await machine.fresh({ fileDeleteDelayMs: 60_000 });
      for (let i = 0; i < 100; i += 1) append(log);
      await machine.run(directory.deleteLog("t", asPartitionId(0)));
      const left = (): string[] => machine.disk.list(`${DATA}/t-0.${HEX}-delete`);
      const files = left();
      if (isUnderWay) {
        // There are more than go in one turn: the stop comes between two of them.
        directory.hurryRemovals();
        while (left().length === files.length) await machine.world.step();
        expect(left()).to.not.deep.equal([]);
      }
      const leftAtStop = left();
      await machine.run(directory.close(1));
      expect(await machine.world.step(), "nothing is left to happen").to.equal(false);
      expect(left()).to.deep.equal(leftAtStop);

      await machine.open();
      await machine.letPass(100);
      expect(machine.disk.list(DATA).filter((name) => name.endsWith("-delete"))).to.deep.equal([]);
    });
  }

  it("gives a recreated topic nothing of the old one: no log start, recovery point or high watermark (P47)", async () => {
    for (const kind of ["process", "power"] as const) {
      const machine = new StorageMachine();
      const { directory, log } = await machine.fresh();
      for (let i = 0; i < 20; i += 1) append(log);
      log.highWatermark = asOffset(10);
      await machine.run(log.raiseLogStart(asOffset(10)));
      await machine.synced(log);
      await machine.letPass(6000);
      await machine.run(directory.deleteLog("t", asPartitionId(0)));
      const again = await machine.run(directory.createLog(specOf({}, "t", 0, OTHER_ID)));
      append(again);
      machine.restart(kind);
      const reopened = (await machine.open(specOf({}, "t", 0, OTHER_ID))).log("t", asPartitionId(0));
      expect([reopened?.logStartOffset, reopened?.highWatermark, reopened?.isDamaged]).to.deep.equal([0, 0, false]);
    }
  });

  it("renames a log of another topic id -stray, and starts a fresh one in its place (2.1(4))", async () => {
    const machine = new StorageMachine();
    const { directory, log } = await machine.fresh();
    append(log);
    await machine.run(directory.close(1));
    machine.restart("process");
    const other = specOf({}, "t", 0, OTHER_ID);
    const reopened = await machine.open(other);
    expect(reopened.log("t", asPartitionId(0))).to.equal(undefined);
    expect(machine.disk.list(DATA)).to.include(`t-0.${HEX}-stray`);
    const fresh = await machine.run(reopened.createLog(other));
    expect(fresh.logEndOffset).to.equal(0);
    expect(machine.text(`${P}/partition.metadata`)).to.include(OTHER_ID);
  });

  it("keeps what metadata does not place here, with its checkpoint entries, until it is asked for", async () => {
    const machine = new StorageMachine();
    const { directory, log } = await machine.fresh();
    for (let i = 0; i < 30; i += 1) append(log);
    log.highWatermark = asOffset(20);
    await machine.run(directory.close(1));
    for (let start = 0; start < 2; start += 1) {
      machine.restart("process");
      const unplaced = await machine.open();
      expect(unplaced.log("t", asPartitionId(0))).to.equal(undefined);
      expect([...unplaced.logs()]).to.have.length(0);
      await machine.run(unplaced.close(1));
    }
    machine.restart("process");
    const again = await machine.open();
    const placed = await machine.run(again.createLog(specOf()));
    expect([placed.logEndOffset, placed.highWatermark]).to.deep.equal([30, 20]);
  });

  it("removes what a crash left of a replica in the making that metadata does not place here any more", async () => {
    const machine = new StorageMachine();
    const { directory } = await machine.fresh();
    await machine.run(directory.close(1));
    const [halfMade, nameless] = [`${DATA}/half-1`, `${DATA}/nameless-2`];
    for (const path of [halfMade, nameless]) {
      machine.disk.mkdir(path);
      machine.put(`${path}/00000000000000000000.log`, path === nameless ? "bytes of nobody" : "");
      machine.put(`${path}/00000000000000000000.index`, "");
      machine.put(`${path}/partition.metadata.tmp`, "version: 0");
    }
    machine.restart("process");
    await machine.open(specOf());
    await machine.letPass(10);
    expect(machine.disk.list(DATA).filter((name) => name.startsWith("half-1"))).to.deep.equal([]);
    expect(machine.disk.sizeOf(nameless), "it may be somebody's").to.not.equal(null);
  });

  it("makes what a crash left of a replica in the making that metadata places here", async () => {
    const machine = new StorageMachine();
    const { directory } = await machine.fresh();
    await machine.run(directory.close(1));
    machine.disk.mkdir(`${DATA}/t-1`);
    machine.put(`${DATA}/t-1/00000000000000000000.log`, "");
    machine.restart("process");
    const reopened = await machine.open(specOf({}, "t", 1));
    expect(reopened.log("t", asPartitionId(1))?.topicId).to.equal(TOPIC_ID);
    expect(machine.text(`${DATA}/t-1/partition.metadata`)).to.include(TOPIC_ID);
  });

  it("refuses a start over a directory whose name is no replica's, naming it", async () => {
    const machine = new StorageMachine();
    machine.disk.mkdir(`${DATA}/holiday-pictures`);
    const error = (await machine.failure(machine.open())) as StorageError;
    expect(error.code).to.equal("FOREIGN_DIRECTORY");
    expect(error.message).to.include("holiday-pictures");
  });

  it("leaves files, hidden directories and lost+found alone", async () => {
    const machine = new StorageMachine();
    for (const name of ["lost+found", ".snapshots", "tidemark-metadata"]) machine.disk.mkdir(`${DATA}/${name}`);
    const files = [`${DATA}/notes.txt`, `${DATA}/named-like-a-replica-0`];
    for (const path of files) machine.put(path, "mine");
    await machine.open();
    for (const path of files) expect(machine.text(path)).to.equal("mine");
  });
});

describe("data directory: checkpoints", () => {
  it("are written on their timer, and only when something moved", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh();
    const path = `${DATA}/replication-offset-checkpoint`;
    await machine.letPass(20_000);
    expect(machine.disk.sizeOf(path)).to.equal(null);
    append(log);
    log.highWatermark = asOffset(1);
    await machine.letPass(4900);
    expect(machine.disk.sizeOf(path)).to.equal(null);
    await machine.letPass(200);
    expect(machine.text(path)).to.equal("0\n1\nt 0 1\n");
    const before = machine.medium.operationsCount;
    await machine.letPass(60_000);
    expect(machine.medium.operationsCount).to.equal(before);
  });

  it("wait for a full disk to have room", async () => {
    const machine = new StorageMachine();
    const { directory, log } = await machine.fresh();
    append(log);
    machine.medium.capacityBytes = machine.medium.usedBytes();
    log.highWatermark = asOffset(1);
    await machine.letPass(6000);
    expect(directory.isOffline).to.equal(false);
    machine.medium.capacityBytes = Number.POSITIVE_INFINITY;
    await machine.letPass(6000);
    expect(machine.text(`${DATA}/replication-offset-checkpoint`)).to.equal("0\n1\nt 0 1\n");
  });

  it("come with nothing in the directory of a log that was led and got no batch", async () => {
    const machine = new StorageMachine();
    const first = await machine.fresh();
    first.log.startEpoch(1 as never);
    append(first.log, makeBatch(), 1);
    await machine.run(first.directory.close(1));
    machine.restart("process");

    const idle = await machine.again();
    const changed: string[] = [];
    machine.medium.observer = {
      onAsked: () => undefined,
      onChange: (_operation, path) => {
        if (path.startsWith(P)) changed.push(path);
      },
    };
    idle.log.startEpoch(2 as never);
    await machine.run(idle.directory.close(2));
    expect(changed).to.deep.equal([]);
    machine.medium.observer = null;
    machine.restart("power");

    const again = await machine.again();
    expect(again.directory.report.clean).to.equal(true);
    expect([again.log.latestEpoch, again.log.logEndOffset]).to.deep.equal([1, 1]);
    again.log.startEpoch(3 as never);
    append(again.log, makeBatch(), 3);
    await machine.run(again.directory.close(3));
    expect(machine.text(`${P}/leader-epoch-checkpoint`)).to.equal("0\n2\n1 0\n3 1\n");
  });

  it("do not pass an epoch entry whose file is not durable (P61)", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh({ durability: "group-commit", segmentBytes: 100_000 });
    for (let epoch = 1; epoch <= 3; epoch += 1) {
      log.startEpoch(epoch as never);
      append(log, makeBatch(), epoch);
      append(log, makeBatch(), epoch);
    }
    expect(machine.disk.sizeOf(`${P}/leader-epoch-checkpoint`), "nothing is fsynced when a leader is chosen").to.equal(
      null,
    );
    await machine.synced(log);
    await machine.letPass(6000);
    expect(machine.text(`${P}/leader-epoch-checkpoint`)).to.equal("0\n3\n1 0\n2 2\n3 4\n");
    await machine.run(log.truncateTo(asOffset(3)));
    append(log, makeBatch(), 2);
    await machine.synced(log);
    machine.restart("power");
    const again = (await machine.again({ durability: "group-commit", segmentBytes: 100_000 })).log;
    expect([again.latestEpoch, again.logEndOffset]).to.deep.equal([2, 4]);
  });

  it("are written for a log that is cut without the epoch files of others, whose recovery points wait for them (5.5(3))", async () => {
    const machine = new StorageMachine();
    const config = { durability: "group-commit", segmentBytes: 100_000 } as const;
    const { directory, log } = await machine.fresh(config);
    const other = await machine.run(directory.createLog(specOf(config, "t", 1)));
    for (const one of [log, other]) {
      append(one, makeBatch(), 0);
      append(one, makeBatch(), 0);
      await machine.synced(one);
    }
    await machine.letPass(6000);
    const epochs = `${DATA}/t-1/leader-epoch-checkpoint`;
    const points = `${DATA}/recovery-point-offset-checkpoint`;
    expect([machine.text(epochs), machine.text(points)]).to.deep.equal(["0\n1\n0 0\n", "0\n2\nt 0 1\nt 1 1\n"]);

    other.startEpoch(1 as never);
    append(other, makeBatch(), 1);
    append(other, makeBatch(), 1);
    await machine.synced(other);
    await machine.run(log.truncateTo(asOffset(1)));
    expect(other.recoveryPoint).to.equal(3);
    expect([machine.text(epochs), machine.text(points)]).to.deep.equal(["0\n1\n0 0\n", "0\n2\nt 0 0\nt 1 2\n"]);

    await machine.letPass(6000);
    expect([machine.text(epochs), machine.text(points)]).to.deep.equal(["0\n2\n0 0\n1 2\n", "0\n2\nt 0 0\nt 1 3\n"]);
  });

  it("of a safe write show the old content or the new one, wherever it is cut off (ST6)", async () => {
    const random = new SeededRandom(9);
    for (let round = 0; round < 60; round += 1) {
      const machine = new StorageMachine({ seed: round, mode: round % 2 === 0 ? "strict" : "journal" });
      const host = { disk: machine.disk, failpoint: noFailpoint, onSyncFailed: () => undefined };
      await machine.run(safeWrite(host, DATA, "file", "old content"));
      machine.medium.crashAfterOperations(random.between(1, 7));
      let isDone = false;
      const write = safeWrite(host, DATA, "file", "new content, longer").then(
        () => {
          isDone = true;
        },
        (error: unknown) => {
          if (!(error instanceof SimulatedCrash)) throw error;
        },
      );
      void write;
      await machine.letPass(100);
      machine.restart(round % 3 === 0 ? "process" : "power");
      expect(machine.text(`${DATA}/file`)).to.be.oneOf(
        isDone ? ["new content, longer"] : ["old content", "new content, longer"],
      );
    }
  });
});

async function healsAfterFailedSync(machine: StorageMachine): Promise<void> {
  const { directory, log } = await machine.fresh({ segmentBytes: 100_000 });
  for (let i = 0; i < 5; i += 1) append(log);
  machine.medium.faults.add({ operation: "datasync", effect: "EIO", path: /\.log$/, times: 1 });
  let told: unknown = null;
  log.events = {
    onWritten: () => undefined,
    onSynced: () => undefined,
    onLogStart: () => undefined,
    onSyncFailed: (fault) => (told = fault),
  };
  log.sync();
  await machine.letPass(100);
  expect(told).to.not.equal(null);
  expect(machine.offline?.kind).to.equal("EIO");
  expect(log.syncedEndOffset, "a failed sync counts for nothing, and is not tried again").to.equal(0);
  log.sync();
  await machine.letPass(100);
  expect(log.syncedEndOffset).to.equal(0);
  await machine.run(directory.close(1));
  expect(machine.disk.sizeOf(`${DATA}/.kafka_cleanshutdown`)).to.equal(null);
  expect(machine.disk.sizeOf(`${DATA}/.sync-failed`)).to.equal(0);
  // The page cache still shows everything; the next start must not believe it.
  machine.restart("process");
  const { log: again } = await machine.again({ segmentBytes: 100_000 });
  expect(again.logEndOffset).to.equal(5);
  expect(machine.disk.sizeOf(`${DATA}/.sync-failed`)).to.equal(null);
  machine.restart("power");
  const { log: last } = await machine.again({ segmentBytes: 100_000 });
  expect(last.logEndOffset).to.equal(5);
  expect(await readAll(machine, last)).to.have.length(5 * makeBatch().length);
}

describe("data directory: the way it ends", () => {
  it("leaves no marker when a sync failed, and rewrites what only looks written (P32, P44)", async () => {
    // What a failed sync leaves on the medium is chance.
    for (let seed = 1; seed <= 12; seed += 1) await healsAfterFailedSync(new StorageMachine({ seed }));
  });

  it("removes the marker durably before anything is opened (P06, P49)", async () => {
    const machine = new StorageMachine({ mode: "strict" });
    const { directory, log } = await machine.fresh();
    append(log);
    await machine.run(directory.close(1));
    machine.restart("process");
    const { log: again } = await machine.again();
    append(again);
    machine.restart("power");
    const { directory: last } = await machine.again();
    expect(last.report.clean).to.equal(false);
  });

  it("reports a clean stop to the next start, and to no other", async () => {
    const machine = new StorageMachine();
    const { directory } = await machine.fresh();
    await machine.run(directory.close(5));
    machine.restart("power");
    const { directory: again } = await machine.again();
    expect(again.report).to.include({ clean: true, previousBrokerEpoch: 5 });
    machine.restart("process");
    const { directory: third } = await machine.again();
    expect(third.report).to.include({ clean: false, previousBrokerEpoch: -1 });
  });

  it("fails the start with the fault of the disk, and leaves no file open", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh();
    for (let i = 0; i < 30; i += 1) append(log);
    machine.restart("process");
    machine.medium.faults.add({ operation: "read", effect: "EIO", path: /\.log$/ });
    const error = await machine.failure(machine.open(specOf()));
    expect((error as { kind: string }).kind).to.equal("EIO");
    expect(machine.medium.openFilesCount).to.equal(0);
  });
});
