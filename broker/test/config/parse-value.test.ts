/** The one text of a value: what is stored, shown and compared. */
import { expect } from "chai";
import fc from "fast-check";
import { configTable } from "../../src/config/index.ts";
import { canonicalText, parseValue } from "../../src/config/parse-value.ts";

const rows = fc.constantFrom(...configTable);
const texts = fc.oneof(
  fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }).map(String),
  fc
    .tuple(fc.nat(5_000), fc.constantFrom("ms", "s", "m", "min", "h", "d", "B", "kB", "MB", "KiB", "MiB", "GiB", "x"))
    .map(([n, unit]) => `${n} ${unit}`),
  fc.double({ noDefaultInfinity: true, noNaN: true }).map(String),
  fc.constantFrom(
    "true",
    "FALSE",
    " info ",
    "delete,compact",
    "compact, delete",
    "",
    ",",
    "0x10",
    "1e3",
    "9223372036854775807",
  ),
  fc.string({ maxLength: 12 }),
);

describe("parseValue", () => {
  it("shows a unit to who writes one that is none, and the range alone to who leaves it", () => {
    const refusal = (key: string, text: string): string => {
      const row = configTable.find(({ brokerKey }) => brokerKey === key);
      if (row === undefined) throw new Error(`no key ${key}`);
      const parsed = parseValue(row, text, "server");
      return parsed.ok ? "" : parsed.message;
    };
    expect(refusal("log.segment.bytes", "64 apples")).to.match(/\(bytes\), or with a unit, as in 64MiB$/u);
    expect(refusal("log.retention.ms", "7days")).to.match(/\(milliseconds\), or with a unit, as in 12h or 7d$/u);
    expect(refusal("log.segment.bytes", "5GB")).to.match(/\(bytes\)$/u);
    expect(refusal("num.partitions", "2MiB")).to.match(/expected a whole number from 1 to \d+$/u);
  });
});

describe("canonicalText", () => {
  it("is a text of the same value, and its own canonical text", () => {
    let taken = 0;
    fc.assert(
      fc.property(rows, texts, (row, text) => {
        for (const profile of ["server", "dev"] as const) {
          const canonical = canonicalText(row, text, profile);
          const parsed = parseValue(row, text, profile);
          expect(canonical === null).to.equal(!parsed.ok);
          if (canonical === null) continue;
          taken++;
          expect(parseValue(row, canonical, profile)).to.deep.equal(parsed);
          expect(canonicalText(row, canonical, profile)).to.equal(canonical);
        }
      }),
      { numRuns: 3_000 },
    );
    expect(taken).to.be.above(500);
  });

  it("holds no unit, so that clients that know none can read it", () => {
    const numbers = configTable.filter(({ type }) => type === "int" || type === "long");
    for (const row of numbers) {
      for (const unit of row.unit === "bytes" ? ["1MiB", "2GB"] : ["1h", "2d"]) {
        const canonical = canonicalText(row, unit, "server");
        if (canonical !== null) expect(canonical, row.key).to.match(/^\d+$/u);
      }
    }
    expect(numbers.filter((row) => canonicalText(row, "1MiB", "server") !== null).length).to.be.above(5);
    expect(numbers.filter((row) => canonicalText(row, "1h", "server") !== null).length).to.be.above(20);
  });
});
