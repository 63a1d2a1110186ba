import { expect } from "chai";
import fc from "fast-check";
import { CliFailure } from "../../src/failure.ts";
import { parseWhere, type RecordView } from "../../src/parse/where.ts";

const record: RecordView = {
  topic: "orders",
  partition: 2,
  offset: 40,
  timestamp: 1_772_366_400_000,
  key: () => "customer-7",
  value: () => '{"amount":120,"state":"open","items":[{"sku":"a b"}],"none":null,"x-y":1}',
  header: (name) => (name === "source" ? "shop" : null),
};

const holds = (text: string): boolean => parseWhere(text)(record);

describe("--where", () => {
  it("compares fields, parts of a JSON value and headers", () => {
    for (const text of [
      "value.amount > 100",
      "value.amount >= 120 && value.amount <= 120 && value.amount != 121",
      'key == "customer-7"',
      "key =~ '^customer-\\\\d$'",
      "value.items[0].sku == 'a b'",
      "headers.source == 'shop' && headers.other == null",
      "topic == 'orders' && partition == 2 && offset < 41 && timestamp > 1700000000000",
      "value.state in ['open', 'new']",
      "value.none == null && value.nothing.at.all == null",
      "value =~ '\"open\"'",
      "value.x-y == 1",
      "value.amount > -1",
      "value.amount",
      "!(value.amount < 100) && (partition == 1 || partition == 2)",
    ])
      expect(holds(text), text).to.equal(true);
  });

  it("holds for nothing where kinds differ or the value is no JSON", () => {
    for (const text of ["value.state > 1", "value.amount == '120'", "key.a == 1", "value.none > 0", "!offset"])
      expect(holds(text), text).to.equal(false);
    expect(parseWhere("value.a == null")({ ...record, value: () => null })).to.equal(true);
    expect(parseWhere("value.a > 1")({ ...record, value: () => "{broken" })).to.equal(false);
  });

  it("binds && before ||", () => {
    expect(holds("partition == 2 || partition == 1 && offset == 0")).to.equal(true);
    expect(holds("(partition == 2 || partition == 1) && offset == 0")).to.equal(false);
  });

  it("reaches nothing but the data", () => {
    for (const text of ["value.constructor", "value.__proto__", "value.items.length == 'x'", "value.toString"])
      expect(holds(text), text).to.equal(false);
    expect(() => parseWhere("process.exit")).to.throw(CliFailure, "process is none of");
    expect(() => parseWhere("value.a(1)")).to.throw(CliFailure);
  });

  it("says where it stops making sense", () => {
    expect(() => parseWhere("value.amount >")).to.throw(CliFailure, "at its end");
    expect(() => parseWhere("value.amount > 1 )")).to.throw(CliFailure, "at `)`");
    expect(() => parseWhere("key =~ '('")).to.throw(CliFailure, "no regular expression");
    expect(() => parseWhere("")).to.throw(CliFailure);
    expect(() => parseWhere("key = 1")).to.throw(CliFailure, "something unexpected");
    expect(() => parseWhere("offset.x == 1")).to.throw(CliFailure, "offset has no parts");
  });

  it("parses, or refuses as wrong usage, whatever it is given", () => {
    const piece = fc.constantFrom(
      "value",
      "key",
      ".",
      "a",
      "[",
      "]",
      "0",
      "==",
      "in",
      "&&",
      "||",
      "!",
      "(",
      ")",
      '"x"',
      "-",
      " ",
    );
    const text = fc.oneof(
      fc.string(),
      fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join("")),
    );
    fc.assert(
      fc.property(text, (expression) => {
        try {
          expect(parseWhere(expression)(record)).to.be.a("boolean");
        } catch (error: unknown) {
          expect(error).to.be.instanceOf(CliFailure);
        }
      }),
    );
  });
});
