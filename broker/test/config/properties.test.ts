import { expect } from "chai";
import fc from "fast-check";
import { formatProperty, parseProperties } from "../../src/config/index.ts";

const pairs = (text: string): [string, string][] => parseProperties(text).map(({ key, value }) => [key, value]);

describe("parseProperties", () => {
  it("takes =, : and blanks as separators, and only the first one", () => {
    expect(pairs("a=1\nb : 2\nc 3\nd = = 4\n  e\t=\t5 \nf")).to.deep.equal([
      ["a", "1"],
      ["b", "2"],
      ["c", "3"],
      ["d", "= 4"],
      ["e", "5 "],
      ["f", ""],
    ]);
  });

  it("skips comments and empty lines, but not # behind a value", () => {
    expect(pairs("# one\n\n  ! two\na=1 # three\n")).to.deep.equal([["a", "1 # three"]]);
  });

  it("joins continued lines without the blanks that open them, and keeps an escaped backslash", () => {
    expect(pairs("a=1,\\\n   2,\\\r\n\t3\nb=x\\\\\nc=y\\")).to.deep.equal([
      ["a", "1,2,3"],
      ["b", "x\\"],
      ["c", "y"],
    ]);
  });

  it("reads escapes, and names the line of a bad one", () => {
    expect(pairs("a\\=b\\ c=\\t\\u00e9\\q")).to.deep.equal([["a=b c", "\té" + "q"]]);
    expect(() => parseProperties("a=1\nb=\\u12")).to.throw(SyntaxError, "line 2");
  });

  it("lists a doubled key twice, with the lines they begin on", () => {
    expect(parseProperties("a=1\\\n2\na=3").map(({ line, value }) => [line, value])).to.deep.equal([
      [1, "12"],
      [3, "3"],
    ]);
  });

  it("reads back whatever formatProperty writes", () => {
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.string({ unit: fc.constantFrom("\\", " ", "=", ":", "#", "!", "\t", "\n", "\r", "u", "0") }),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(text, text)), (properties) => {
        const lines = properties.map(([key, value]) => formatProperty(key, value));
        expect(pairs(lines.join("\n"))).to.deep.equal(properties);
      }),
    );
  });
});
