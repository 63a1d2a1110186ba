import { BatchField, patchBatch } from "@tidemark/proto";
import { expect } from "chai";
import { SeededRandom } from "../../src/base/index.ts";
import { type PagedFile, SimDisk, SimWorld } from "../../src/sim/index.ts";
import { batchesOf, type ParsedSegments } from "../../src/sim/cluster/replica-files.ts";
import { makeBatch } from "../runtime/support/partition-bench.ts";

const DIRECTORY = "/topic-0";

function textsOf(batches: ReturnType<typeof batchesOf>): string[] {
  return batches.map(({ baseOffset, nextOffset, bytes }) => `${baseOffset}..${nextOffset} ${bytes.toString("latin1")}`);
}

describe("the batches of a replica's files", () => {
  it("are the same to who remembers what was read before, whatever becomes of the files", () => {
    for (let seed = 0; seed < 12; seed++) {
      const random = new SeededRandom(seed);
      const disk = new SimDisk({ random, mode: "strict" });
      const mount = disk.mount(new SimWorld(random).startProcess());
      mount.mkdir(DIRECTORY);
      const segmentAt = (base: number): PagedFile => {
        const path = `${DIRECTORY}/${String(base).padStart(20, "0")}.log`;
        mount.open(path, "create").closeSync();
        return disk.fileAt(path) as PagedFile;
      };
      let [base, end, most] = [0, 0, 0];
      let file = segmentAt(base);
      const changes: Readonly<Record<string, () => void>> = {
        append: () => {
          const values = Array.from({ length: random.between(1, 4) }, () => "x".repeat(random.below(3_000)));
          const batch = makeBatch({ values });
          patchBatch(batch, 0, end, 0);
          const isTorn = random.chance(0.2);
          file.write(isTorn ? batch.subarray(0, random.below(batch.length)) : batch, file.sizeBytes);
          if (!isTorn) end += values.length;
        },
        cut: () => file.truncate(random.below(file.sizeBytes + 1)),
        rot: () => file.sizeBytes > 0 && file.flipBit(random.below(file.sizeBytes), random.below(8)),
        overwrite: () => file.write(random.bytes(new Uint8Array(30)), random.below(file.sizeBytes + 1)),
        power: () => file.losePower(random),
        roll: () => {
          base = Math.max(base + 1, end);
          end = base;
          file = segmentAt(base);
        },
      };
      const kinds = [...Object.keys(changes), "append", "append", "append", "append", "append"];
      const parsed: ParsedSegments = new WeakMap();
      for (let step = 0; step < 60; step++) {
        const kind = random.pick(kinds);
        changes[kind]?.();
        const from = random.pick([0, end, random.below(end + 1)]);
        const fresh = textsOf(batchesOf(disk, DIRECTORY, from));
        const known = textsOf(batchesOf(disk, DIRECTORY, from, parsed));
        expect(known, `seed ${seed}, step ${step}: ${kind}`).to.deep.equal(fresh);
        most = Math.max(most, fresh.length);
      }
      expect(most, `seed ${seed}`).to.be.above(2);
    }
  });

  it("are all there behind `from`, also before one whose header says that it ends nowhere", () => {
    const random = new SeededRandom(1);
    const disk = new SimDisk({ random, mode: "strict" });
    const mount = disk.mount(new SimWorld(random).startProcess());
    mount.mkdir(DIRECTORY);
    const path = `${DIRECTORY}/${"0".repeat(20)}.log`;
    mount.open(path, "create").closeSync();
    const file = disk.fileAt(path) as PagedFile;
    const positions: number[] = [];
    for (let offset = 0; offset < 4; offset++) {
      const batch = makeBatch({ values: ["x"] });
      patchBatch(batch, 0, offset, 0);
      positions.push(file.sizeBytes);
      file.write(batch, file.sizeBytes);
    }
    file.flipBit((positions[2] ?? 0) + BatchField.LAST_OFFSET_DELTA, 7);
    const bases = (from: number) => batchesOf(disk, DIRECTORY, from).map(({ baseOffset }) => baseOffset);
    expect([bases(0), bases(1), bases(3)]).to.deep.equal([[0, 1, 2, 3], [1, 2, 3], [3]]);
  });
});
