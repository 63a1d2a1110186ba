import { expect } from "chai";
import { OverlayDisk, SystemTimers } from "../../src/platform/index.ts";
import type { DiskChange } from "../../src/platform/index.ts";
import { rehearseStart } from "../../src/storage/index.ts";
import type { Rehearsal } from "../../src/storage/index.ts";
import { append, DATA, makeBatch, StorageMachine, TINY } from "./support/storage-machine.ts";

const T = `${DATA}/t-0`;

describe("the rehearsal of a start", () => {
  async function rehearse(
    machine: StorageMachine,
  ): Promise<{ rehearsal: Rehearsal; changes: DiskChange[]; warnings: string[] }> {
    const disk = new OverlayDisk(machine.disk, DATA);
    const warnings: string[] = [];
    const say = (message: string): void => void warnings.push(message);
    const logger = { debug: () => undefined, info: () => undefined, warn: say, error: say, child: () => logger };
    const operations = machine.medium.operationsCount;
    const rehearsal = await rehearseStart({
      path: DATA,
      disk,
      clock: machine.process,
      timers: new SystemTimers(),
      logger,
      config: TINY,
      onBytes: () => undefined,
    });
    const changes = disk.changes();
    await rehearsal.release();
    expect(machine.medium.operationsCount).to.equal(operations);
    expect(machine.medium.openFilesCount).to.equal(0);
    return { rehearsal, changes, warnings };
  }

  async function crashed(): Promise<StorageMachine> {
    const machine = new StorageMachine();
    const { log } = await machine.fresh();
    for (let i = 0; i < 40; i += 1) append(log, makeBatch({ records: 2 }));
    machine.restart("process");
    return machine;
  }

  /** What a start left: bytes of every file but those that say when it was. */
  const filesOf = (machine: StorageMachine): Map<string, string> =>
    new Map(
      machine.disk
        .list(T)
        .sort()
        .map((name) => [name, machine.bytes(`${T}/${name}`).toString("base64")]),
    );

  it("says that a start after a clean stop changes nothing but the marker", async () => {
    const machine = new StorageMachine();
    const { directory, log } = await machine.fresh();
    for (let i = 0; i < 40; i += 1) append(log, makeBatch({ records: 2 }));
    await machine.run(directory.close(1));
    const { rehearsal, changes } = await rehearse(machine);
    expect(rehearsal.report).to.include({ clean: true, bytesScanned: 0, bytesCut: 0 });
    expect(changes).to.deep.equal([{ kind: "removed", path: `${DATA}/.kafka_cleanshutdown`, bytes: 29 }]);
    expect(rehearsal.logs[0]).to.include({ name: "t-0", endOffset: 80, isDamaged: false });
  });

  it("says what the start then does: what is cut, and where the log ends", async () => {
    const machine = await crashed();
    const last = machine.disk
      .list(T)
      .filter((name) => name.endsWith(".log"))
      .sort()
      .at(-1);
    const torn = Buffer.concat([machine.bytes(`${T}/${last}`), Buffer.alloc(33, 5)]);
    machine.put(`${T}/${last}`, torn);
    const { rehearsal, changes, warnings } = await rehearse(machine);
    expect(changes).to.deep.include({
      kind: "cut",
      path: `${T}/${last}`,
      bytesBefore: torn.length,
      bytesAfter: torn.length - 33,
    });
    expect(warnings.join("\n")).to.include("a batch is bad");
    expect(rehearsal.report).to.include({ clean: false, bytesCut: 33, logsRecovered: 1 });

    const before = filesOf(machine);
    const { directory, log } = await machine.again();
    expect(log.logEndOffset).to.equal(rehearsal.logs[0]?.endOffset);
    expect(directory.report.bytesCut).to.equal(33);
    // Every file of the log that the start made different was foretold, and no other.
    const after = filesOf(machine);
    const different = [...new Set([...before.keys(), ...after.keys()])].filter(
      (name) => before.get(name) !== after.get(name),
    );
    const foretold = changes.filter(({ path }) => path.startsWith(`${T}/`)).map(({ path }) => path.slice(T.length + 1));
    expect(foretold.sort()).to.deep.equal(different.sort());
  });

  it("refuses what a start would refuse", async () => {
    const machine = await crashed();
    machine.put(`${DATA}/log-start-offset-checkpoint`, "nonsense");
    const disk = new OverlayDisk(machine.disk, DATA);
    const logger = {
      debug: () => undefined,
      info: () => undefined,
      warn: () => undefined,
      error: () => undefined,
      child: () => logger,
    };
    const options = { path: DATA, disk, clock: machine.process, timers: machine.process, logger, config: TINY };
    const failure = await machine.failure(rehearseStart({ ...options, onBytes: () => undefined }));
    expect(failure).to.include({ code: "MALFORMED_CHECKPOINT" });
  });
});
