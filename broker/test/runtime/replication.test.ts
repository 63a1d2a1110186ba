/** Replication between replica managers over simulated disks and streams, with metadata written by the test. */
import { expect } from "chai";
import { ReplicationBench } from "./support/replication-bench.ts";

const SYNCED = { "tidemark.durability": "group-commit" };
const PAGE_CACHE = { "tidemark.durability": "page-cache" };

async function sameBytes(bench: ReplicationBench, partition = 0): Promise<void> {
  const [first, ...others] = bench.nodes
    .filter(({ life }) => life !== null)
    .map(({ id }) => bench.bytes(id, partition));
  expect(first?.length).to.be.greaterThan(0);
  for (const other of others) expect(other.equals(first as Buffer), "byte for byte the same").to.equal(true);
}

describe("replication", () => {
  for (const [mode, overrides] of [
    ["page-cache", PAGE_CACHE],
    ["group-commit", SYNCED],
  ] as const) {
    it(`answers acks=all when every in-sync replica has it (${mode}), byte for byte`, async () => {
      const bench = await ReplicationBench.open({ overrides });
      const outcome = bench.append(1, { values: ["a", "b"] });
      await bench.world.runFor(0);
      expect(outcome.answer).to.equal(null);
      await bench.until("answered", () => outcome.answer !== null, 1_000);
      expect(outcome.answer).to.deep.include({ code: "NONE", baseOffset: 0 });
      for (let i = 0; i < 50; i++) bench.append(1, { values: [`r${i}`, "x".repeat(i * 40)] });
      const last = bench.append(1, { values: ["last"] });
      await bench.until("answered", () => last.answer !== null, 1_000);
      await bench.world.runFor(100);
      await sameBytes(bench);
      const leader = bench.node(1).led();
      expect(leader.highWatermark).to.equal(103);
      for (const id of [2, 3]) expect(bench.node(id).log().highWatermark, "5 ms later").to.equal(103);
      for (const id of [2, 3]) expect(bench.node(id).log().latestEpoch).to.equal(bench.node(1).log().latestEpoch);
    });
  }
});
