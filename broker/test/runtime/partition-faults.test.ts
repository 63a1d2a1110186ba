/** One partition on a disk that refuses in the middle of a turn: nobody is answered falsely, late or never. */
import { expect } from "chai";
import { PartitionBench } from "./support/partition-bench.ts";

const LOG_FILE = /\.log$/u;
const CODES_56 = ["KAFKA_STORAGE_ERROR", "KAFKA_STORAGE_ERROR", "KAFKA_STORAGE_ERROR"];

describe("Partition on a disk that refuses", () => {
  it("acknowledges nothing of a turn whose roll failed, though offsets came twice in it (3.1(12), P40)", async () => {
    const bench = await PartitionBench.open({ log: { segmentBytes: 200 } });
    const value = "x".repeat(100);
    bench.disk.faults.add({ operation: "write", effect: "ENOSPC", path: LOG_FILE });
    const outcomes = ["a", "b", "c"].map((name) => bench.append({ values: [name + value] }));
    await bench.turnEnds();
    expect(outcomes.map(({ answer }) => answer?.code)).to.deep.equal(CODES_56);
    await bench.world.runFor(1_000);
    const next = bench.append({ values: ["d"] });
    await bench.turnEnds();
    expect(next.answer).to.deep.include({ code: "NONE", baseOffset: 0 });
    expect(await bench.visible()).to.deep.equal(["d"]);
  });

  it("answers in the same stretch what a fault left waiting in a partition that it closed (8.2)", async () => {
    const bench = await PartitionBench.open({ durability: "group-commit", closesOnFault: true });
    const outcomes = Array.from({ length: 8 }, (_, i) => bench.append({ values: [`${i}`] }));
    bench.disk.faults.add({ operation: "write", effect: "short", path: LOG_FILE });
    bench.disk.faults.add({ operation: "write", effect: "EIO", path: LOG_FILE });
    await bench.turnEnds();
    expect(outcomes.map(({ answer }) => answer?.code)).to.deep.equal(
      Array.from({ length: 8 }, () => "KAFKA_STORAGE_ERROR"),
    );
    expect(bench.partition.isQuiet).to.equal(true);
    expect(bench.purgatory.count).to.equal(0);
  });

  it("answers in the same stretch what stands behind a roll that a fault ended (8.2)", async () => {
    const bench = await PartitionBench.open({
      durability: "group-commit",
      closesOnFault: true,
      log: { segmentBytes: 200 },
    });
    const value = "x".repeat(100);
    bench.disk.faults.add({ operation: "open", effect: "EIO", path: LOG_FILE });
    const outcomes = ["a", "b", "c"].map((name) => bench.append({ values: [name + value] }));
    await bench.turnEnds();
    expect(outcomes.map(({ answer }) => answer?.code)).to.deep.equal(CODES_56);
    expect(bench.partition.isQuiet).to.equal(true);
    expect(bench.purgatory.count).to.equal(0);
  });

  it("refuses, as certainly unwritten, until a cut file is synced, and takes the next at that very moment (5.5(3))", async () => {
    const bench = await PartitionBench.open();
    bench.disk.faults.add({ operation: "write", effect: "ENOSPC", path: LOG_FILE });
    bench.disk.faults.add({ operation: "datasync", effect: "stall", path: LOG_FILE, stallMs: 200 });
    const failed = bench.append({ values: ["a"] });
    await bench.turnEnds();
    expect(failed.answer).to.deep.include({ code: "KAFKA_STORAGE_ERROR", isUnwritten: false });
    // What is under way is not healed by a disk that takes the next thing it is given.
    bench.disk.faults.removeAll();
    await bench.world.runFor(190);
    const early = bench.append({ values: ["b"] });
    await bench.turnEnds();
    expect(early.answer).to.deep.include({ code: "KAFKA_STORAGE_ERROR", isUnwritten: true });
    await bench.world.runFor(15);
    const next = bench.append({ values: ["c"] });
    await bench.turnEnds();
    expect(next.answer).to.deep.include({ code: "NONE", baseOffset: 0 });
    expect(await bench.visible()).to.deep.equal(["c"]);
  });

  it("takes a want of file descriptors for a passing fault, as the log does (3.8(2))", async () => {
    const bench = await PartitionBench.open({ log: { segmentBytes: 200 } });
    const value = "x".repeat(100);
    bench.append({ values: [value] });
    await bench.turnEnds();
    bench.disk.faults.add({ operation: "open", effect: "EMFILE", path: LOG_FILE });
    const refused = bench.append({ values: [value] });
    await bench.world.runFor(1_000);
    expect(refused.answer?.code).to.equal("KAFKA_STORAGE_ERROR");
    expect(bench.diskFaults).to.deep.equal([]);
    const next = bench.append({ values: [value] });
    await bench.turnEnds();
    expect(next.answer?.code).to.equal("NONE");
  });
});
