/**
 * LevelDB's own log before it is opened (semantics 10.1(9), P43, P64, P65): a torn tail passes, damage does not, on files
 * that LevelDB wrote.
 */
import fs from "node:fs";
import path from "node:path";
import { expect } from "chai";
import fc from "fast-check";
import { SeededRandom } from "../../../src/base/index.ts";
import { FileDisk, LevelStore } from "../../../src/platform/index.ts";
import { encodeRecords } from "../../../src/sim/sim-store.ts";
import { findLevelLogDamage, inspectLevelLog } from "../../../src/storage/index.ts";
import { makeTempDirectory, removeDirectory } from "../../platform/temp-directory.ts";

/** The log of a store that took these batches, as LevelDB wrote it. */
async function levelLog(lengths: readonly number[]): Promise<Buffer> {
  const directory = makeTempDirectory();
  try {
    const store = await LevelStore.open(directory, { createIfMissing: true });
    const random = new SeededRandom(lengths.length);
    for (const [slot, length] of lengths.entries()) {
      const value = random.bytes(new Uint8Array(length));
      await store.batch([{ type: "put", key: Buffer.from(`key ${slot}`), value }], { sync: true });
    }
    await store.close();
    const name = fs.readdirSync(directory).find((each) => each.endsWith(".log")) ?? "";
    return fs.readFileSync(path.join(directory, name));
  } finally {
    removeDirectory(directory);
  }
}

function flipped(log: Buffer, at: number, bit: number): Buffer {
  const damaged = Buffer.from(log);
  damaged[at] = (damaged[at] ?? 0) ^ (1 << bit);
  return damaged;
}

function zeroed(log: Buffer, from: number, to: number): Buffer {
  const damaged = Buffer.from(log);
  damaged.fill(0, from, to);
  return damaged;
}

describe("LevelDB's log", () => {
  let log: Buffer;
  /** Of the last batch. */
  let lastStart: number;

  before(async () => {
    const lengths = [100, 2000, 5, 40_000, 30_000, 700];
    log = await levelLog(lengths);
    lastStart = (await levelLog(lengths.slice(0, -1))).length;
  });

  it("is whole as LevelDB leaves it, empty too", () => {
    expect(inspectLevelLog(log)).to.deep.equal({ kind: "whole" });
    expect(inspectLevelLog(Buffer.alloc(0))).to.deep.equal({ kind: "whole" });
  });

  it("cut short anywhere is torn, or whole where a batch ends (property)", () => {
    const ends = new Set<number>();
    fc.assert(
      fc.property(fc.integer({ min: 0, max: log.length - 1 }), (length) => {
        const { kind } = inspectLevelLog(log.subarray(0, length));
        expect(kind).to.be.oneOf(["whole", "torn"]);
        if (kind === "whole") ends.add(length);
      }),
      { numRuns: 500, examples: [[lastStart], [lastStart + 1], [lastStart + 6], [lastStart + 7], [log.length - 1]] },
    );
    expect(inspectLevelLog(log.subarray(0, lastStart)).kind).to.equal("whole");
    expect([...ends].every((end) => end <= lastStart)).to.equal(true);
  });

  it("with any bit flipped is damaged, the last batch included (property)", () => {
    const check = (at: number, bit: number): void => {
      expect(inspectLevelLog(flipped(log, at, bit)).kind, `bit ${bit} of byte ${at}`).to.equal("damaged");
    };
    fc.assert(fc.property(fc.nat({ max: log.length - 1 }), fc.nat({ max: 7 }), check), { numRuns: 400 });
    // The header of the last batch: a length that is altered must not make it look cut short.
    for (let at = lastStart; at < lastStart + 20; at += 1) for (let bit = 0; bit < 8; bit += 1) check(at, bit);
  });

  it("whose last batch lacks sectors, or is zeros from its start, is torn (P64)", () => {
    const sector = (at: number): number => Math.ceil(at / 512) * 512;
    expect(inspectLevelLog(zeroed(log, lastStart, log.length)).kind).to.equal("torn");
    expect(inspectLevelLog(zeroed(log, lastStart, sector(lastStart + 1))).kind).to.equal("torn");
    expect(
      inspectLevelLog(zeroed(log, sector(lastStart), Math.min(log.length, sector(lastStart) + 512))).kind,
    ).to.equal("torn");
    // Zeros that no sector explains.
    expect(inspectLevelLog(zeroed(log, lastStart + 20, lastStart + 30)).kind).to.equal("damaged");
  });

  it("with a hole before a batch that is readable is damaged", () => {
    for (const from of [0, 512, 4096, 32_768]) {
      const state = inspectLevelLog(zeroed(log, from, from + 512));
      expect(state.kind, `zeros at ${from}`).to.equal("damaged");
    }
  });

  it("that ends with a FIRST at the end of a block is torn", () => {
    const batch = Buffer.alloc(40_000, 1);
    const whole = Buffer.from(encodeRecords(0, batch));
    expect(inspectLevelLog(whole.subarray(0, 32_768))).to.deep.equal({ kind: "torn", position: 0 });
    expect(
      inspectLevelLog(Buffer.concat([whole.subarray(0, 32_768), encodeRecords(32_768, Buffer.from("next"))])).kind,
    ).to.equal("damaged");
  });

  it("is never torn by what fits another write: any unsynced last batch that lost any sectors passes (property)", () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 40_000 }),
        fc.integer({ min: 600, max: 80_000 }),
        fc.integer(),
        (before, length, seed) => {
          const random = new SeededRandom(seed >>> 0);
          const content = random.bytes(new Uint8Array(length)).map((byte) => byte | 1);
          const first = Buffer.from(encodeRecords(0, Buffer.alloc(before, 3)));
          const torn = Buffer.concat([first, encodeRecords(first.length, content)]);
          let lost = 0;
          for (let at = Math.ceil(first.length / 512) * 512; at < torn.length; at += 512) {
            if (!random.chance(0.4)) continue;
            torn.fill(0, at, Math.min(at + 512, torn.length));
            lost += 1;
          }
          expect(inspectLevelLog(torn).kind).to.equal(lost === 0 ? "whole" : "torn");
        },
      ),
      { numRuns: 200 },
    );
  });

  describe("of a store", () => {
    let directory: string;
    const find = (mayBeTorn: boolean): string | null => findLevelLogDamage(new FileDisk(), directory, { mayBeTorn });
    const put = (name: string, bytes: Uint8Array): void => fs.writeFileSync(path.join(directory, name), bytes);

    beforeEach(() => {
      directory = makeTempDirectory();
    });
    afterEach(() => removeDirectory(directory));

    it("may be torn after an unclean stop only", () => {
      put("000007.log", log.subarray(0, log.length - 3));
      expect(find(true)).to.equal(null);
      expect(find(false)).to.match(/000007\.log .*closed cleanly/u);
    });

    it("may be torn in the newest file only; empty ones do not count", () => {
      put("000007.log", log.subarray(0, log.length - 3));
      put("000009.log", new Uint8Array(0));
      expect(find(true)).to.equal(null);
      put("000010.log", log);
      expect(find(true)).to.match(/000007\.log .*newer log follows/u);
    });

    it("is read in the order of numbers, and names what is wrong", () => {
      put("1000000.log", log.subarray(0, log.length - 3));
      put("999999.log", log);
      expect(find(true)).to.equal(null);
      put("999999.log", flipped(log, 50, 3));
      expect(find(true)).to.match(/^999999\.log at byte 0: a bad record/u);
    });
  });
});
