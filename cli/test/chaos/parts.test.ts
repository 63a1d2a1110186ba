import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RecordBatchBuilder } from "@tidemark/proto";
import { expect } from "chai";
import { FAULTS } from "./faults.ts";
import { makePlan } from "./plan.ts";
import { compareReplicas } from "./replicas.ts";

const TOPIC = "t";

function batchAt(offset: number, value: string): Buffer {
  const builder = new RecordBatchBuilder();
  builder.append(1, null, value, null);
  const bytes = Buffer.from(builder.build({ codec: 0 }));
  bytes.writeBigInt64BE(BigInt(offset), 0);
  return bytes;
}

describe("the parts of a chaos run", () => {
  describe("a plan", () => {
    const names = FAULTS.map(({ name }) => name);

    it("is the same for a seed, and another one for another", () => {
      expect(makePlan(7, names, 60)).to.deep.equal(makePlan(7, names, 60));
      expect(makePlan(7, names, 60)).to.not.deep.equal(makePlan(8, names, 60));
    });

    it("holds every fault once before any comes again", () => {
      const plan = makePlan(3, names, 2 * names.length).map(({ fault }) => fault);
      expect(plan.slice(0, names.length).sort()).to.deep.equal([...names].sort());
      expect(plan.slice(names.length).sort()).to.deep.equal([...names].sort());
    });
  });

  describe("replicas held against one another", () => {
    let root: string;
    beforeEach(() => {
      root = mkdtempSync(join(tmpdir(), "tidemark-replicas-"));
    });
    afterEach(() => rmSync(root, { recursive: true, force: true }));

    function replica(name: string, batches: readonly Buffer[], highWatermark: number): string {
      const directory = join(root, name);
      mkdirSync(join(directory, `${TOPIC}-0`), { recursive: true });
      writeFileSync(join(directory, `${TOPIC}-0`, "00000000000000000000.log"), Buffer.concat(batches));
      writeFileSync(join(directory, "replication-offset-checkpoint"), `0\n1\n${TOPIC} 0 ${highWatermark}\n`);
      return directory;
    }

    const one = batchAt(0, "one");
    const two = batchAt(1, "two");

    it("are the same up to the lowest high watermark, whatever stands behind it", () => {
      const directories = [replica("a", [one, two], 2), replica("b", [one], 1)];
      expect(compareReplicas(directories, TOPIC, 1))
        .to.include({ replicas: 2 })
        .and.have.deep.property("differences", []);
    });

    it("differ in bytes, in a batch that is missing, and in a replica that is missing", () => {
      const a = replica("a", [one, two], 2);
      const differing = compareReplicas([a, replica("b", [one, batchAt(1, "six")], 2)], TOPIC, 1).differences;
      expect(differing).to.have.length(1);
      expect(differing[0]).to.include("the batches at 1").and.include("differ");
      const missing = compareReplicas([a, replica("c", [two], 2)], TOPIC, 1).differences;
      expect(missing[0]).to.include("the batch at 0 is only in");
      mkdirSync(join(root, "d"));
      expect(compareReplicas([a, join(root, "d")], TOPIC, 1).differences[0]).to.include("1 of 2 replicas");
    });

    it("may not end below their own high watermark", () => {
      const { differences } = compareReplicas([replica("a", [one], 2)], TOPIC, 1);
      expect(differences[0]).to.include("below its high watermark 2");
    });
  });
});
