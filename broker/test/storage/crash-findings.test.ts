/** Faults that the crash runner (npm run crash) has found, each as the short story it comes down to. */
import { expect } from "chai";
import {
  append,
  asLeaderEpoch,
  asOffset,
  asPartitionId,
  DATA,
  specOf,
  StorageMachine,
} from "./support/storage-machine.ts";

const P = `${DATA}/t-0`;

describe("what the crash runner has found", () => {
  it("a marker that a power failure cut short names no broker epoch", async () => {
    const machine = new StorageMachine();
    // 865 was written.
    machine.put(`${DATA}/.kafka_cleanshutdown`, '{"version":0,"brokerEpoch":86');
    const directory = await machine.open();
    expect(directory.report.previousBrokerEpoch).to.equal(-1);
  });

  it("a truncation lowers the recovery point before the epoch file loses what that has passed", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh({ durability: "group-commit", segmentBytes: 100_000 });
    for (const epoch of [0, 1, 2]) {
      log.startEpoch(asLeaderEpoch(epoch));
      for (let i = 0; i < 5; i += 1) append(log, undefined, epoch);
    }
    await machine.synced(log);
    await machine.letPass(20_000);
    expect(machine.text(`${DATA}/recovery-point-offset-checkpoint`)).to.match(/t 0 1[0-5]\n$/);
    expect(machine.text(`${P}/leader-epoch-checkpoint`)).to.equal("0\n3\n0 0\n1 5\n2 10\n");

    // A raised log start leaves the first entry of the file behind the cache; the truncation must not make up for it.
    log.highWatermark = asOffset(3);
    await machine.run(log.raiseLogStart(asOffset(3)));
    const replaced: string[] = [];
    machine.medium.observer = {
      onAsked: () => undefined,
      onChange: (operation, path) => {
        if (operation === "rename") replaced.push(path.split(" ")[1] ?? "");
      },
    };
    await machine.run(log.truncateTo(asOffset(7)));
    const lowered = replaced.indexOf(`${DATA}/recovery-point-offset-checkpoint`);
    const shortened = replaced.indexOf(`${P}/leader-epoch-checkpoint`);
    expect(lowered).to.be.at.least(0);
    expect(shortened === -1 || shortened > lowered, replaced.join(", ")).to.equal(true);
  });

  it("a directory that is offline checkpoints nothing more: a broken truncation may have left a log half changed", async () => {
    const machine = new StorageMachine();
    const { log } = await machine.fresh({ durability: "group-commit", segmentBytes: 100_000 });
    for (let i = 0; i < 10; i += 1) append(log);
    await machine.synced(log);
    log.highWatermark = asOffset(5);
    await machine.letPass(20_000);
    const before = machine.text(`${DATA}/replication-offset-checkpoint`);

    machine.medium.faults.add({ operation: "truncate", effect: "EIO", path: /\.log$/u });
    await machine.failure(log.truncateTo(asOffset(7)));
    log.highWatermark = asOffset(6);
    await machine.letPass(20_000);
    expect(machine.offline).to.not.equal(null);
    expect(machine.text(`${DATA}/replication-offset-checkpoint`)).to.equal(before);
  });

  it("a clean stop does not let damage below the recovery point be forgotten", async () => {
    const machine = new StorageMachine();
    const config = { durability: "group-commit" as const, segmentBytes: 100_000 };
    const { directory, log } = await machine.fresh(config);
    for (let i = 0; i < 10; i += 1) append(log);
    await machine.synced(log);
    await machine.letPass(20_000);
    await machine.run(directory.close(1));
    machine.restart("process");
    machine.disk.unlink(`${DATA}/.kafka_cleanshutdown`);
    machine.medium.fileAt(`${P}/00000000000000000000.log`)?.flipBit(3 * 89 + 70, 0);

    for (let life = 0; life < 3; life += 1) {
      const again = await machine.open(specOf(config));
      const damaged = again.log("t", asPartitionId(0));
      expect(damaged?.isDamaged, `life ${life}`).to.equal(true);
      expect(damaged?.logEndOffset).to.be.lessThan(10);
      await machine.run(again.close(2 + life));
      expect(machine.medium.openFilesCount).to.equal(0);
      machine.restart("power");
    }
  });

  it("a stop does not call a log clean whose failed write is not cut off yet", async () => {
    const machine = new StorageMachine();
    const { directory, log } = await machine.fresh({ segmentBytes: 100_000 });
    append(log);
    const wholeBytes = machine.bytes(`${P}/00000000000000000000.log`).length;
    machine.medium.faults.add({ operation: "write", effect: "short", path: /\.log$/ });
    machine.medium.faults.add({ operation: "write", effect: "EMFILE", path: /\.log$/ });
    machine.medium.faults.add({ operation: "open", effect: "EMFILE", path: /\.cut-pending$/ });
    expect(() => append(log)).to.throw();
    expect(machine.bytes(`${P}/00000000000000000000.log`).length, "the fault left a tail").to.be.greaterThan(
      wholeBytes,
    );

    await machine.run(directory.close(1));
    const isClean = machine.disk.sizeOf(`${DATA}/.kafka_cleanshutdown`) !== null;
    const isCut = machine.bytes(`${P}/00000000000000000000.log`).length === wholeBytes;
    expect(isCut || !isClean).to.equal(true);
  });
});
