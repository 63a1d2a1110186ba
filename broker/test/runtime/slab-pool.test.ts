import { expect } from "chai";
import fc from "fast-check";
import { SLAB_BYTES, SlabPool } from "../../src/runtime/index.ts";

describe("SlabPool", () => {
  it("gives at least what was asked for, and never one slab to two", () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.integer({ min: 1, max: 3 * SLAB_BYTES }), fc.constant("give" as const)), {
          maxLength: 60,
        }),
        (steps) => {
          const pool = new SlabPool();
          const out: Buffer[] = [];
          for (const step of steps) {
            if (step === "give") {
              const slab = out.pop();
              if (slab !== undefined) pool.give(slab);
              continue;
            }
            const slab = pool.take(step);
            expect(slab.length).to.be.at.least(step);
            expect(out.includes(slab)).to.equal(false);
            out.push(slab);
          }
        },
      ),
    );
  });

  it("takes the same memory again, for a message of 64 or 128 KiB and what is around it too", () => {
    const pool = new SlabPool();
    for (const bytes of [100, 64 * 1024 + 100, 128 * 1024 + 100, SLAB_BYTES]) {
      const slab = pool.take(bytes);
      pool.give(slab);
      expect(pool.take(bytes)).to.equal(slab);
    }
  });

  it("keeps 8 MiB at most, and nothing beyond its largest class", () => {
    const pool = new SlabPool();
    const slabs = Array.from({ length: 40 }, () => pool.take(SLAB_BYTES));
    for (const slab of slabs) pool.give(slab);
    expect(pool.keptBytes)
      .to.be.at.most(8 * 1024 * 1024)
      .and.at.least(4 * 1024 * 1024);
    const kept = pool.keptBytes;
    pool.give(pool.take(4 * SLAB_BYTES));
    expect(pool.keptBytes).to.equal(kept);
  });
});
