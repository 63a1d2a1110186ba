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

  it("is left for what is given", () => {
    for (const seed of lasting)
      expect(drawn(seed, { faults: { crash: 1 } as ClusterOptions["faults"] }).faults).to.deep.equal({ crash: 1 });
  });

  it("has to come to every fault that there is", () => {
    expect(MUST_FIRE).to.include.members(["fault misdirect", "fault misfit"]);
  });
});
