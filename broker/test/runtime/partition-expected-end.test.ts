/** Compare-and-append (semantics 15.5): a batch that names the log's end is written there or nowhere. */
import { expect } from "chai";
import fc from "fast-check";
import { PartitionBench } from "./support/partition-bench.ts";

const ANY = -1;

describe("Partition: compare-and-append (15.5)", () => {
  it("writes at the expected end, and nothing elsewhere; the answer says where the log ends", async () => {
    const bench = await PartitionBench.open();
    const first = bench.append({ values: ["a", "b"], expectedEnd: { offset: 0, leaderEpoch: 0 } });
    await bench.turnEnds();
    expect(first.answer).to.deep.include({ code: "NONE", baseOffset: 0, logEnd: null });
    for (const offset of [0, 1, 3]) {
      const missed = bench.append({ values: ["never"], expectedEnd: { offset, leaderEpoch: ANY } });
      await bench.turnEnds();
      expect(missed.isTaken).to.equal(true);
      expect(missed.answer).to.deep.include({
        code: "EXPECTED_OFFSET_MISMATCH",
        message: `the log ends at 2 and not at ${offset}: nothing was written`,
        logEnd: { offset: 2, leaderEpoch: 0 },
      });
    }
    const next = bench.append({ values: ["c"], expectedEnd: { offset: 2, leaderEpoch: ANY } });
    await bench.turnEnds();
    expect(next.answer).to.deep.include({ code: "NONE", baseOffset: 2 });
    expect(await bench.written()).to.deep.equal(["a", "b", "c"]);
  });

  it("lets exactly one of two writers win who race in one turn, with what is not written yet in the count", async () => {
    const bench = await PartitionBench.open();
    const outcomes = ["mine", "yours"].map((value) =>
      bench.append({ values: [value], expectedEnd: { offset: 0, leaderEpoch: ANY } }),
    );
    await bench.turnEnds();
    expect(outcomes.map(({ answer }) => answer?.code)).to.deep.equal(["NONE", "EXPECTED_OFFSET_MISMATCH"]);
    expect(outcomes[1]?.answer?.logEnd).to.deep.equal({ offset: 1, leaderEpoch: 0 });
    expect(await bench.written()).to.deep.equal(["mine"]);
  });

  it("answers a retry with its own batch though the log has moved on, and after a restart too", async () => {
    const bench = await PartitionBench.open();
    const batch = { values: ["mine"], producerId: 7, sequence: 0, expectedEnd: { offset: 0, leaderEpoch: 0 } };
    bench.append(batch);
    bench.append({ values: ["another's"] });
    await bench.turnEnds();
    const retry = bench.append(batch);
    await bench.turnEnds();
    expect(retry.answer).to.deep.include({ code: "NONE", baseOffset: 0, isDuplicate: true });
    await bench.kill();
    const later = bench.append(batch);
    await bench.turnEnds();
    expect(later.answer).to.deep.include({ code: "NONE", baseOffset: 0, isDuplicate: true });
    expect(await bench.written()).to.deep.equal(["mine", "another's"]);
  });

  it("takes no sequence number with what it refuses", async () => {
    const bench = await PartitionBench.open();
    const batch = { values: ["x"], producerId: 7, sequence: 0 };
    bench.append({ ...batch, expectedEnd: { offset: 5, leaderEpoch: ANY } });
    const again = bench.append({ ...batch, expectedEnd: { offset: 0, leaderEpoch: ANY } });
    await bench.turnEnds();
    expect(again.answer).to.deep.include({ code: "NONE", baseOffset: 0, isDuplicate: false });
  });

  it("refuses another leader's epoch, whatever the offset: 74 an older one, 75 a newer one", async () => {
    const bench = await PartitionBench.open();
    await bench.kill();
    const codes = [0, 1, 2].map((leaderEpoch) => bench.append({ expectedEnd: { offset: 0, leaderEpoch } }));
    await bench.turnEnds();
    expect(codes.map(({ answer }) => answer?.code)).to.deep.equal([
      "FENCED_LEADER_EPOCH",
      "NONE",
      "UNKNOWN_LEADER_EPOCH",
    ]);
    expect(codes[0]?.answer).to.deep.include({ message: "the leader epoch is 1 and not 0", logEnd: null });
  });

  it("any writers, in any turns: each batch that is taken lies where its writer expected it", async () => {
    const write = fc.record({ offset: fc.nat(6), count: fc.integer({ min: 1, max: 2 }), endsTurn: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(fc.array(write, { maxLength: 20 }), async (writes) => {
        const bench = await PartitionBench.open();
        let end = 0;
        const told = [];
        for (const { offset, count, endsTurn } of writes) {
          const values = Array.from({ length: count }, () => "v");
          const outcome = bench.append({ values, expectedEnd: { offset, leaderEpoch: ANY } });
          told.push({ outcome, isTaken: offset === end, end });
          if (offset === end) end += count;
          if (endsTurn) await bench.turnEnds();
        }
        await bench.turnEnds();
        for (const { outcome, isTaken, end: offset } of told) {
          if (isTaken) expect(outcome.answer).to.deep.include({ code: "NONE", baseOffset: offset });
          else expect(outcome.answer?.logEnd).to.deep.equal({ offset, leaderEpoch: 0 });
        }
        expect(await bench.written()).to.have.length(end);
      }),
      { numRuns: 25 },
    );
  });
});
