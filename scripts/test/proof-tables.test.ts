/** The tables of docs/testing.md that name a test for every row of bad input, disk trouble and pitfalls: each title is a test's. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";

const root = new URL("../../..", import.meta.url).pathname;

interface Row {
  readonly row: string;
  readonly title: string;
  readonly file: string;
}

function rowsOf(heading: string): Row[] {
  const page = readFileSync(join(root, "docs/testing.md"), "utf8");
  const section = page.split(`\n### ${heading}\n`)[1]?.split(/\n##+ /u)[0] ?? "";
  return [...section.matchAll(/^\| (?!row \|)(.+?) \| (.+) \| `(.+)` \|$/gmu)].map(
    ([, row = "", title = "", file = ""]) => ({
      row,
      title,
      file,
    }),
  );
}

/** Titles as a test file writes them: of `it`, or keys of a table that `it` goes through. */
function hasTitle(source: string, title: string): boolean {
  const quoted = `"${title}"`;
  return source.includes(`it(${quoted}`) || new RegExp(`${escaped(quoted)}:\\s*\\{`, "u").test(source);
}

function escaped(text: string): string {
  return text.replaceAll(/[$()*+.?[\\\]^{|}]/gu, "\\$&");
}

describe("the tables of proofs in docs/testing.md", () => {
  for (const [heading, rowsMin] of [
    ["Bad input", 29],
    ["Disk trouble", 29],
    ["Pitfalls", 86],
  ] as const) {
    it(`${heading}: every row names a test that exists`, () => {
      const rows = rowsOf(heading);
      expect(rows.length).to.be.at.least(rowsMin);
      const missing = rows.filter(({ title, file }) => !hasTitle(readFileSync(join(root, file), "utf8"), title));
      expect(missing).to.deep.equal([]);
      expect(new Set(rows.map(({ row }) => row)).size, "a row stands once").to.equal(rows.length);
    });
  }

  it("would notice a title that is gone", () => {
    expect(hasTitle('it("a", () => {', "a")).to.equal(true);
    expect(hasTitle('  "a (b)":\n    {', "a (b)")).to.equal(true);
    expect(hasTitle('it("ab", () => {', "a")).to.equal(false);
  });
});
