import { expect } from "chai";
import { asOffset, SeededRandom } from "../../src/base/index.ts";
import { SystemTimers } from "../../src/platform/index.ts";
import { OverlayDisk, rehearseStart, surveyDirectory, verifyDirectory } from "../../src/tools.ts";
import type { DiskChange, Rehearsal } from "../../src/tools.ts";
import { append, DATA, makeBatch, OTHER_ID, StorageMachine, TINY } from "./support/storage-machine.ts";

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

describe("crashes, looked at from outside", () => {
  /** A life that ends at some operation of the disk, by `kind`; without the last one a clean stop. */
  async function live(machine: StorageMachine, random: SeededRandom, isFirst: boolean): Promise<void> {
    const { directory, log } = isFirst ? await machine.fresh() : await machine.again();
    let sequence = Math.max(0, (log.producer(6)?.lastSequence ?? -1) + 1);
    const batches = random.below(60);
    for (let i = 0; i < batches; i += 1) {
      const records = 1 + random.below(3);
      const epoch = Math.max(0, log.latestEpoch) + (random.below(20) === 0 ? 1 : 0);
      append(log, makeBatch({ records, valueBytes: random.below(90), producerId: 6, baseSequence: sequence }), epoch);
      sequence += records;
      if (random.below(8) === 0) log.sync();
      if (random.below(6) === 0) await machine.world.step();
      if (random.below(25) === 0)
        await machine.run(log.truncateTo(asOffset(Math.max(0, log.logEndOffset - random.below(4)))));
      sequence = (log.producer(6)?.lastSequence ?? -1) + 1;
    }
    if (random.below(4) === 0) await machine.run(directory.close(1));
  }

  for (let seed = 1; seed <= 15; seed += 1) {
    it(`verify finds no damage, and the rehearsal foretells the start (seed ${seed})`, async () => {
      const random = new SeededRandom(seed);
      const machine = new StorageMachine({ seed });
      machine.put(`${DATA}/meta.properties`, `version=1\nnode.id=1\ndirectory.id=${OTHER_ID}\n`);
      for (let life = 0; life < 3; life += 1) {
        await live(machine, random, life === 0);
        machine.restart(random.below(2) === 0 ? "power" : "process");
        if (machine.disk.list(DATA).every((name) => name !== "t-0")) return;
        const timers = new SystemTimers();
        const survey = surveyDirectory(machine.disk, DATA, { isLive: false });
        if (survey === null) throw new Error("no data directory");
        const host = { disk: machine.disk, timers, onBytes: () => undefined };
        const findings = [...survey.findings];
        for await (const verdict of verifyDirectory(host, survey, { isDeep: true, isLive: false }))
          findings.push(...verdict.findings);
        expect(findings.filter(({ severity }) => severity === "damage")).to.deep.equal([]);

        const disk = new OverlayDisk(machine.disk, DATA);
        const silent = (): undefined => undefined;
        const logger = { debug: silent, info: silent, warn: silent, error: silent, child: () => logger };
        const clock = machine.process;
        const rehearsal = await rehearseStart({
          path: DATA,
          disk,
          clock,
          timers,
          logger,
          config: TINY,
          onBytes: silent,
        });
        const sizes = (): Record<string, number | null> =>
          Object.fromEntries(
            machine.disk
              .list(T)
              .sort()
              .map((name) => [name, machine.disk.sizeOf(`${T}/${name}`)]),
          );
        const foretold = Object.fromEntries(
          disk
            .list(T)
            .sort()
            .map((name) => [name, disk.sizeOf(`${T}/${name}`)]),
        );
        const [ahead] = rehearsal.logs;
        await rehearsal.release();
        const { directory, log } = await machine.again();
        expect(sizes()).to.deep.equal(foretold);
        expect([log.logEndOffset, log.latestEpoch, log.isDamaged]).to.deep.equal([
          ahead?.endOffset,
          ahead?.latestEpoch,
          false,
        ]);
        await machine.run(directory.close(1));
        machine.restart("power");
      }
    });
  }
});
