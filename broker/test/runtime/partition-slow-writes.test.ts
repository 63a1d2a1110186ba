/** One partition on a disk whose writes take long: who is answered when, and whose memory is given back when. */
import { expect } from "chai";
import { PartitionBench } from "./support/partition-bench.ts";
import type { BenchOptions, Outcome } from "./support/partition-bench.ts";

const LOG_FILE = /\.log$/u;

/** Batch 0 is written, by a write that was slow; each write from now on takes 100 ms. */
async function slowBench(options: BenchOptions = {}): Promise<PartitionBench> {
  const bench = await PartitionBench.open(options);
  bench.disk.faults.add({ operation: "write", effect: "stall", stallMs: 100, path: LOG_FILE, times: 1000 });
  bench.append({ values: ["first"] });
  await bench.turnEnds();
  return bench;
}

function codes(outcomes: readonly Outcome[]): unknown[] {
  return outcomes.map(({ answer }) => answer?.code);
}

describe("Partition on a disk that is slow", () => {
  it("answers when the write has ended, in order, and takes in the next turns meanwhile", async () => {
    const bench = await slowBench();
    const startMs = bench.world.nowMs;
    const early = bench.append({ values: ["a"] }, "leader");
    await bench.turnEnds();
    const late = [bench.append({ values: ["b"] }), bench.append({ values: ["c"] }, "none")];
    await bench.turnEnds();
    expect(codes([early, ...late])).to.deep.equal([undefined, undefined, undefined]);
    expect([bench.partition.highWatermark, bench.log.logEndOffset]).to.deep.equal([1, 4]);
    await bench.world.runFor(150);
    expect(early.answer).to.deep.include({ code: "NONE", baseOffset: 1 });
    expect(early.answer?.atMs).to.be.greaterThan(startMs + 99);
    expect(codes(late)).to.deep.equal([undefined, undefined]);
    await bench.world.runFor(100);
    expect(codes(late)).to.deep.equal(["NONE", "NONE"]);
    expect(await bench.visible()).to.deep.equal(["first", "a", "b", "c"]);
    expect(bench.purgatory.count).to.equal(0);
  });

  it("keeps the memory of a batch until its write has ended, whatever was answered before (P34)", async () => {
    const bench = await slowBench();
    bench.disk.faults.removeAll();
    bench.disk.faults.add({ operation: "write", effect: "stall", stallMs: 2_000, path: LOG_FILE });
    const outcome = bench.append({ values: ["a"] }, "all", 500);
    await bench.world.runFor(1_000);
    expect(outcome.answer?.code).to.equal("REQUEST_TIMED_OUT");
    expect(outcome.isTaken).to.equal(false);
    expect(bench.partition.isQuiet).to.equal(false);
    await bench.world.runFor(1_500);
    expect(outcome.isTaken).to.equal(true);
    expect(bench.partition.isQuiet).to.equal(true);
    expect(await bench.visible()).to.deep.equal(["first", "a"]);
  });

  it("answers who waits for a write in the stretch that ends the leadership, and lets go of the memory behind it (8.2)", async () => {
    const bench = await slowBench();
    const outcomes = [bench.append({ values: ["a"] })];
    await bench.turnEnds();
    outcomes.push(bench.append({ values: ["b"] }));
    await bench.turnEnds();
    bench.partition.close("NOT_LEADER_OR_FOLLOWER");
    expect(codes(outcomes)).to.deep.equal(["NOT_LEADER_OR_FOLLOWER", "NOT_LEADER_OR_FOLLOWER"]);
    expect(outcomes.map(({ isTaken }) => isTaken)).to.deep.equal([false, false]);
    expect([bench.partition.isQuiet, bench.purgatory.count]).to.deep.equal([true, 0]);
    await bench.world.runFor(250);
    expect(outcomes.map(({ isTaken }) => isTaken)).to.deep.equal([true, true]);
    expect(await bench.written()).to.deep.equal(["first", "a", "b"]);
  });

  it("answers a duplicate of what is being written with the write, also when that fails (P73)", async () => {
    const bench = await slowBench();
    const original = { producerId: 5, sequence: 0, values: ["a"] };
    const outcomes = [bench.append(original, "leader")];
    await bench.turnEnds();
    outcomes.push(bench.append(original, "leader"));
    await bench.turnEnds();
    expect(codes(outcomes)).to.deep.equal([undefined, undefined]);
    await bench.world.runFor(150);
    expect(outcomes[0]?.answer).to.deep.include({ code: "NONE", baseOffset: 1, isDuplicate: false });
    expect(outcomes[1]?.answer).to.deep.include({ code: "NONE", baseOffset: 1, isDuplicate: true });

    bench.disk.faults.removeAll();
    bench.disk.faults.add({ operation: "write", effect: "ENOSPC", path: LOG_FILE });
    const next = { producerId: 5, sequence: 1, values: ["b"] };
    const failing = [bench.append(next, "leader")];
    await bench.turnEnds();
    failing.push(bench.append(next, "leader"), bench.append({ values: ["behind"] }));
    await bench.world.runFor(200);
    expect(codes(failing)).to.deep.equal(Array.from({ length: 3 }, () => "KAFKA_STORAGE_ERROR"));
    const again = bench.append(next, "leader");
    await bench.world.runFor(200);
    expect(again.answer).to.deep.include({ code: "NONE", baseOffset: 2, isDuplicate: false });
    expect(await bench.visible()).to.deep.equal(["first", "a", "b"]);
  });

  it("holds back what needs a roll until the write has ended, in order, and no longer than its time", async () => {
    const bench = await slowBench({ log: { segmentBytes: 300 } });
    const value = "x".repeat(100);
    bench.append({ values: [`1${value}`] });
    await bench.turnEnds();
    const held = [bench.append({ values: [`2${value}`] }), bench.append({ values: ["3"] }, "all", 20)];
    await bench.turnEnds();
    expect(bench.log.logEndOffset).to.equal(2);
    const last = bench.append({ values: ["4"] });
    await bench.turnEnds();
    expect(bench.log.logEndOffset).to.equal(2);
    await bench.world.runFor(1_000);
    expect(codes([...held, last])).to.deep.equal(["NONE", "REQUEST_TIMED_OUT", "NONE"]);
    expect(await bench.visible()).to.deep.equal(["first", `1${value}`, `2${value}`, "4"]);
    expect([bench.partition.isQuiet, bench.purgatory.count]).to.deep.equal([true, 0]);
  });

  it("counts in a synced mode only what was written and then synced", async () => {
    const bench = await slowBench({ durability: "group-commit" });
    await bench.world.runFor(50);
    const outcome = bench.append({ values: ["a"] });
    await bench.world.runFor(90);
    expect([bench.partition.highWatermark, outcome.answer]).to.deep.equal([1, null]);
    await bench.world.runFor(60);
    expect(outcome.answer).to.deep.include({ code: "NONE", baseOffset: 1 });
  });

  it("answers everybody when the disk fails under the write (3.8(1))", async () => {
    const bench = await slowBench({ closesOnFault: true });
    bench.disk.faults.removeAll();
    bench.disk.faults.add({ operation: "write", effect: "EIO", path: LOG_FILE });
    const outcomes = [bench.append({ values: ["a"] })];
    await bench.turnEnds();
    outcomes.push(bench.append({ values: ["b"] }));
    await bench.world.runFor(100);
    expect(codes(outcomes)).to.deep.equal(["KAFKA_STORAGE_ERROR", "KAFKA_STORAGE_ERROR"]);
    expect(outcomes.every(({ isTaken }) => isTaken)).to.equal(true);
    expect(bench.diskFaults[0]?.kind).to.equal("EIO");
    expect(bench.partition.isQuiet).to.equal(true);
  });
});
