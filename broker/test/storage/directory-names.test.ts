import { expect } from "chai";
import { asideName, offsetName, offsetOfName, parseDirectoryName } from "../../src/storage/directory-names.ts";

const HEX = "0123456789abcdef0123456789abcdef";

describe("names in the data directory (2.1)", () => {
  it("parts topic and partition at the last dash", () => {
    expect(parseDirectoryName("a-b-12")).to.deep.equal({ kind: "replica", topic: "a-b", partition: 12 });
    expect(parseDirectoryName("x.y_z-0")).to.deep.equal({ kind: "replica", topic: "x.y_z", partition: 0 });
  });

  it("knows what is deleted, aside or foreign", () => {
    expect(parseDirectoryName(`t-0.${HEX}-delete`).kind).to.equal("deleted");
    expect(parseDirectoryName(`t-0.${HEX}-stray`).kind).to.equal("aside");
    expect(parseDirectoryName(`t-0.${HEX}-future`).kind).to.equal("aside");
    for (const name of [".hidden", "lost+found", "tidemark-lock", "tidemark-metadata"])
      expect(parseDirectoryName(name).kind).to.equal("aside");
    for (const name of ["t", "t-", "t-x", "-0", "t-00", "t-01", "t-99999999999", "a b-0"])
      expect(parseDirectoryName(name).kind, name).to.equal("foreign");
  });

  it("caps a renamed directory at 255 characters by cutting the topic", () => {
    const name = asideName("t".repeat(249), 12345, HEX, "delete");
    expect(name).to.have.length(255);
    expect(name.endsWith(`-12345.${HEX}-delete`)).to.equal(true);
  });

  it("writes base offsets in 20 digits", () => {
    expect(offsetName(42)).to.equal("00000000000000000042");
    expect(offsetOfName("00000000000000000042.log", ".log")).to.equal(42);
    for (const name of [
      "42.log",
      "00000000000000000042.index",
      "0000000000000000004x.log",
      "99999999999999999999.log",
    ]) {
      expect(offsetOfName(name, ".log"), name).to.equal(null);
    }
  });
});
