/** The job that looks for old segments: its pace, its stop, a clock that jumps, and what it costs where nothing is due. */
import { expect } from "chai";
import { asMs } from "../../src/base/index.ts";
import type { Ms } from "../../src/base/index.ts";
import type { Clock } from "../../src/ports/index.ts";
import { RetentionJob } from "../../src/runtime/retention-job.ts";
import type { LogDirectory, PartitionLog } from "../../src/storage/index.ts";
import { append, makeBatch, specOf, StorageMachine } from "../storage/support/storage-machine.ts";

const HOUR = 3_600_000;
const CONFIG = { retentionMs: HOUR };

class JumpingClock implements Clock {
  jumpMs = 0;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  wallNow(): Ms {
    return asMs(this.#clock.wallNow() + this.jumpMs);
  }

  monotonicNow(): Ms {
    return this.#clock.monotonicNow();
  }
}

describe("RetentionJob", () => {
  async function bench(partitions: number): Promise<{
    machine: StorageMachine;
    clock: JumpingClock;
    directory: LogDirectory;
    logs: PartitionLog[];
    job: RetentionJob;
  }> {
    const machine = new StorageMachine();
    const directory = await machine.open();
    const logs: PartitionLog[] = [];
    for (let partition = 0; partition < partitions; partition += 1)
      logs.push(await machine.run(directory.createLog(specOf(CONFIG, "t", partition))));
    const clock = new JumpingClock(machine.process);
    const job = new RetentionJob({ clock, timers: machine.process, intervalMs: 60_000, logs: () => directory.logs() });
    return { machine, clock, directory, logs, job };
  }

  function fill(log: PartitionLog, now: number, batches = 40): void {
    for (let i = 0; i < batches; i += 1) append(log, makeBatch({ timestamps: [now] }), 0, now);
    log.highWatermark = log.logEndOffset;
  }

  it("removes by the wall clock, every interval, and not after its stop", async () => {
    const { machine, clock, logs, job } = await bench(3);
    for (const log of logs) fill(log, clock.wallNow());
    job.start();
    await machine.letPass(HOUR - 60_000);
    expect(logs.map(({ logStartOffset }) => logStartOffset)).to.deep.equal([0, 0, 0]);
    await machine.letPass(180_000);
    expect(logs.map(({ logStartOffset }) => logStartOffset)).to.deep.equal([40, 40, 40]);
    for (const log of logs) fill(log, clock.wallNow());
    await machine.run(job.stop());
    await machine.letPass(3 * HOUR);
    expect(logs.map(({ logStartOffset }) => logStartOffset)).to.deep.equal([40, 40, 40]);
  });

  it("loses nothing when the clock jumps back an hour, and nothing early: appends, rolls and retention go on", async () => {
    const { machine, clock, logs, job } = await bench(1);
    const log = logs[0] as PartitionLog;
    fill(log, clock.wallNow());
    job.start();
    await machine.letPass(HOUR / 2);
    clock.jumpMs = -HOUR;
    fill(log, clock.wallNow());
    await machine.letPass(HOUR / 2 + 180_000);
    expect(log.logStartOffset, "by the clock of now the oldest records are young").to.equal(0);
    // The first records are an hour old by this clock an hour later than without the jump; those behind were stamped by it.
    await machine.letPass(HOUR);
    expect([log.logStartOffset, log.logEndOffset]).to.deep.equal([80, 80]);
    expect(append(log, makeBatch({ timestamps: [clock.wallNow()] }))).to.equal(80);
  });

  it("looks soon when settings changed, once for many changes, also while it looks", async () => {
    const { machine, clock, logs, job } = await bench(2);
    for (const log of logs) fill(log, clock.wallNow() - HOUR / 2);
    job.start();
    await machine.letPass(70_000);
    for (let i = 0; i < 3; i += 1) job.hurry();
    for (const log of logs) log.reconfigure({ ...log.config, retentionMs: 1000 });
    await machine.letPass(1500);
    expect(logs.map(({ logStartOffset }) => logStartOffset)).to.deep.equal([40, 40]);
    // What a long series of changes puts off by a second each time still comes.
    for (const log of logs) fill(log, clock.wallNow() - HOUR / 2);
    await machine.letPass(62_000);
    expect(logs.map(({ logStartOffset }) => logStartOffset)).to.deep.equal([80, 80]);
  });

  it("touches no disk where nothing is due, and leaves the loop its turns", async () => {
    const { machine, clock, logs, job } = await bench(300);
    for (const log of logs) fill(log, clock.wallNow(), 3);
    let asked = 0;
    machine.medium.observer = { onAsked: () => void (asked += 1), onChange: () => void (asked += 1) };
    await machine.run(job.look());
    expect(asked).to.equal(0);
  });

  it("survives logs that are deleted while it looks", async () => {
    const { machine, clock, directory, logs, job } = await bench(5);
    for (const log of logs) fill(log, clock.wallNow());
    clock.jumpMs = 2 * HOUR;
    const deletions = logs.slice(0, 3).map((log) => directory.deleteLog("t", log.partition));
    await machine.run(Promise.all([job.look(), ...deletions]));
    await machine.run(job.look());
    expect([...directory.logs()].map(({ logStartOffset }) => logStartOffset)).to.deep.equal([40, 40]);
    expect(machine.offline).to.equal(null);
  });
});
