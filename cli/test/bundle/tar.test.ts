import { expect } from "chai";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { tarOf } from "../../src/bundle/tar.ts";
import { ScratchDirectory } from "../support/tidemark.ts";

describe("an archive", () => {
  it("is one that tar reads: names, sizes and bytes, empty and at the edge of a block", () => {
    const files = ["", "x".repeat(512), "y".repeat(513), "ä\n"].map((text, slot) => ({
      name: `d/${slot}.json`,
      bytes: Buffer.from(text),
    }));
    const scratch = new ScratchDirectory();
    try {
      writeFileSync(scratch.join("a.tar"), tarOf(files, 1_700_000_000));
      const tar = (...flags: string[]): Buffer => execFileSync("tar", ["-f", scratch.join("a.tar"), ...flags]);
      expect(tar("-t").toString()).to.equal("d/0.json\nd/1.json\nd/2.json\nd/3.json\n");
      for (const { name, bytes } of files) expect(tar("-xO", name).equals(bytes), name).to.equal(true);
    } finally {
      scratch.remove();
    }
  });

  it("takes no name that it has no room for", () => {
    for (const name of ["", "x".repeat(101), "a\nb"])
      expect(() => tarOf([{ name, bytes: Buffer.alloc(0) }], 0)).to.throw(RangeError);
  });
});
