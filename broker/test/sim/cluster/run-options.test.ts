import { expect } from "chai";
import { SeededRandom } from "../../../src/base/index.ts";
import { type ClusterOptions, drawClusterOptions } from "../../../src/sim/cluster/run-options.ts";
import { MUST_FIRE } from "../../../src/sim/cluster/must-fire.ts";

describe("what is drawn for a run", () => {
  const drawn = (seed: number, given?: Partial<ClusterOptions>): ClusterOptions =>
    drawClusterOptions(new SeededRandom(seed), given);
  const lasting = Array.from({ length: 200 }, (_, seed) => seed).filter((seed) => drawn(seed).chaosMs > 100_000);

  it("is few faults a second of a run that lasts, and as many as ever of one that is told how long it takes", () => {
    expect(lasting).not.to.deep.equal([]);
    for (const seed of lasting) {
      const { faults, recordIntervalMs } = drawn(seed);
      const short = drawn(seed, { chaosMs: 5_000 });
      expect(short).to.include({ chaosMs: 5_000, recordIntervalMs: recordIntervalMs / 40 });
      for (const [name, chance] of Object.entries(faults))
        expect(short.faults[name as keyof typeof faults]).to.be.closeTo(chance * 40, 1e-9);
    }
  });

  it("is a small shape most times, and now and then the whole range of it", () => {
    const all = Array.from({ length: 2_000 }, (_, seed) => drawn(seed));
    const isSmall = ({ topics, producers, moreReaders }: ClusterOptions): boolean =>
      topics.every(({ partitions }) => partitions <= 4) && producers.length <= 4 && moreReaders === 0;
    expect(all.filter(isSmall).length).to.be.within(1_700, 1_900);
    const clients = new Set(all.map(({ producers, moreReaders }) => producers.length + moreReaders));
    expect(clients).to.deep.equal(new Set(Array.from({ length: 16 }, (_, more) => 1 + more)));
    const partitions = new Set(all.flatMap(({ topics }) => topics.map((topic) => topic.partitions)));
    expect(partitions).to.deep.equal(new Set([1, 2, 3, 4, 5, 6, 7, 8]));
    for (const { producers } of all) expect(producers[0]).to.include({ acks: "all", isIdempotent: true });
  });

  it("is left for what is given", () => {
    for (const seed of lasting)
      expect(drawn(seed, { faults: { crash: 1 } as ClusterOptions["faults"] }).faults).to.deep.equal({ crash: 1 });
  });

  it("has to come to every fault that there is", () => {
    expect(MUST_FIRE).to.include.members(["fault misdirect", "fault misfit"]);
  });
});
