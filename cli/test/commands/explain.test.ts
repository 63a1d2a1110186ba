import { expect } from "chai";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { findExplanations } from "../../src/commands/explain.ts";
import { OWN_CODES } from "../../src/own-codes.ts";

const sources = resolve(import.meta.dirname, "../../../src");

describe("explain", () => {
  it("knows every code that the command line throws", () => {
    const files = readdirSync(sources, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".ts"));
    const thrown = files.flatMap((path) =>
      [...readFileSync(join(sources, path), "utf8").matchAll(/new CliFailure\(\s*"([A-Z_]+)"/g)].map(
        (match) => match[1] ?? "",
      ),
    );
    expect(thrown.length).to.be.above(10);
    expect(thrown.filter((code) => findExplanations(code).length === 0)).to.deep.equal([]);
  });

  it("has each of its own codes once, with a sentence", () => {
    const codes = OWN_CODES.map((row) => row.code);
    expect(new Set(codes).size).to.equal(codes.length);
    for (const row of OWN_CODES) expect(row.text, row.code).to.match(/\.$/);
  });

  it("finds a code by name in any case, by number, and by the SDK's name", () => {
    expect(findExplanations("request_timed_out").map((row) => row.number)).to.deep.equal([7]);
    expect(findExplanations("7").map((row) => row.code)).to.deep.equal(["REQUEST_TIMED_OUT"]);
    expect(findExplanations("TIMEOUT").map((row) => row.code)).to.deep.equal(["TIMEOUT", "REQUEST_TIMED_OUT"]);
    expect(findExplanations("-1").map((row) => row.code)).to.deep.equal(["UNKNOWN_SERVER_ERROR"]);
    expect(findExplanations("NONSENSE")).to.deep.equal([]);
  });
});
