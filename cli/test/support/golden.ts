/** Texts that are interface, kept as files: `REWRITE=1` writes them anew, and the diff is for the reviewer. */
import { expect } from "chai";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";

const directory = resolve(import.meta.dirname, "../../../test/golden");

export function expectGolden(name: string, text: string): void {
  const path = resolve(directory, name);
  if (process.env["REWRITE"] === "1") {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  expect(text, `${name}; REWRITE=1 writes it anew`).to.equal(readFileSync(path, "utf8"));
}
