import { expect } from "chai";
import fc from "fast-check";
import { readFileSync } from "node:fs";
import { CliFailure } from "../../src/failure.ts";
import { type ConsumedRecord, parseEnvelope, toEnvelope } from "../../src/records/envelope.ts";

/** Beside the sources: golden files are not compiled. */
const golden = new URL("../../../test/golden/envelope.json", import.meta.url);

const record: ConsumedRecord = {
  topic: "orders",
  partition: 3,
  offset: 42,
  timestamp: 1_772_366_400_000,
  timestampType: "create",
  key: Buffer.from("schlüssel"),
  value: Buffer.from([0xff, 0x00, 0x0a]),
  headers: [
    ["trace", Buffer.from("abc")],
    ["trace", null],
    ["binary", Buffer.from([0x80])],
  ],
};

function parse(text: string): ReturnType<typeof parseEnvelope> {
  return parseEnvelope(Buffer.from(text));
}

describe("record envelope", () => {
  it("has the keys of the golden file, in their order", () => {
    expect(JSON.stringify(toEnvelope(record))).to.equal(readFileSync(golden, "utf8").trim());
  });

  it("keeps null apart from empty", () => {
    const empty = toEnvelope({ ...record, key: null, value: Buffer.alloc(0) });
    expect(empty).to.include({ key: null, keyEncoding: null, value: "", valueEncoding: "utf8" });
    const back = parse(JSON.stringify(empty));
    expect(back.key).to.equal(null);
    expect(back.value).to.deep.equal(Buffer.alloc(0));
  });

  it("brings every record back to the byte", () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.string({ unit: "binary", maxLength: 20 }).map((text) => new TextEncoder().encode(text)),
    );
    const maybe = fc.option(bytes, { nil: null });
    const headers = fc.array(fc.tuple(fc.string({ unit: "binary" }), maybe), { maxLength: 3 });
    fc.assert(
      fc.property(maybe, maybe, headers, fc.nat(), fc.nat(), (key, value, list, partition, timestamp) => {
        const line = JSON.stringify(toEnvelope({ ...record, key, value, headers: list, partition, timestamp }));
        expect(line).to.not.include("\n");
        const back = parse(line);
        expect(back.key).to.deep.equal(key === null ? null : Buffer.from(key));
        expect(back.value).to.deep.equal(value === null ? null : Buffer.from(value));
        expect(back.headers ?? []).to.deep.equal(
          list.map(([name, header]) => [name, header === null ? null : Buffer.from(header)]),
        );
        expect(back).to.include({ partition, timestamp });
      }),
    );
  });

  it("needs a value only", () => {
    expect(parse('{"value":"x"}')).to.deep.equal({ key: null, value: Buffer.from("x") });
    expect(parse('{"key":"k","value":null}').value).to.equal(null);
  });

  it("refuses what would lose or change data", () => {
    const lines = [
      "",
      "null",
      "[]",
      "{",
      "{}",
      '{"value":{"a":1}}',
      '{"value":1}',
      '{"value":"x","Key":"k"}',
      '{"value":"%%","valueEncoding":"base64"}',
      '{"value":"eA","valueEncoding":"base64"}',
      '{"value":"x","valueEncoding":"hex"}',
      '{"value":"\\ud800"}',
      '{"value":"x","partition":-1}',
      '{"value":"x","timestamp":1.5}',
      '{"value":"x","headers":{"a":"b"}}',
      '{"value":"x","headers":[{"value":"b"}]}',
      '{"value":"x","headers":[{"name":"a","vlaue":"b"}]}',
    ];
    for (const line of lines)
      expect(() => parse(line), line)
        .to.throw(CliFailure)
        .with.property("code", "USAGE");
    expect(() => parseEnvelope(Buffer.from([0x22, 0xff, 0x22]))).to.throw(CliFailure, /UTF-8/);
  });
});
