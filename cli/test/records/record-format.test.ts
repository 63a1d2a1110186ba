import { expect } from "chai";
import type { RecordToProduce } from "../../src/records/envelope.ts";
import { createRecordReader, type InputFormat, type RecordSettings } from "../../src/records/record-format.ts";

const plain: RecordSettings = {
  key: null,
  headers: [],
  partition: null,
  keySeparator: null,
  isTombstone: false,
  keepsPartition: true,
};

function read(
  format: InputFormat,
  input: string,
  settings: Partial<RecordSettings> = {},
): Pick<RecordToProduce, "key" | "value"> & object {
  const record = createRecordReader(format, { ...plain, ...settings })(Buffer.from(input));
  if (record === null) throw new Error("no record");
  return { ...record, key: record.key === null ? null : record.key, value: record.value };
}

const text = (bytes: Uint8Array | null): string | null => (bytes === null ? null : Buffer.from(bytes).toString());

describe("record formats", () => {
  it("lines: the line is the value, with the key and headers of the run", () => {
    const record = read("lines", "a\r", { key: Buffer.from("k"), headers: [["h", Buffer.from("x")]], partition: 2 });
    expect(text(record.key)).to.equal("k");
    expect(text(record.value)).to.equal("a\r");
    expect(record).to.deep.include({ partition: 2, headers: [["h", Buffer.from("x")]] });
  });

  it("lines: the key stands before the first separator; without one there is no key", () => {
    const keySeparator = Buffer.from("::");
    const keyed = read("lines", "k::v::w", { keySeparator });
    expect([text(keyed.key), text(keyed.value)]).to.deep.equal(["k", "v::w"]);
    const empty = read("lines", "::v", { keySeparator });
    expect([text(empty.key), text(empty.value)]).to.deep.equal(["", "v"]);
    const bare = read("lines", "v:w", { keySeparator });
    expect([text(bare.key), text(bare.value)]).to.deep.equal([null, "v:w"]);
  });

  it("lines: a tombstone takes the line as its key", () => {
    const record = read("lines", "customer-7", { isTombstone: true });
    expect([text(record.key), record.value]).to.deep.equal(["customer-7", null]);
  });

  it("ndjson: flags win over the envelope, and --no-partition leaves its partition aside", () => {
    const line = '{"key":"k","value":"v","partition":4,"headers":[{"name":"a","value":"1"}]}';
    expect(read("ndjson", line)).to.include({ partition: 4 });
    expect(read("ndjson", line, { keepsPartition: false })).to.not.have.property("partition");
    const overridden = read("ndjson", line, { key: Buffer.from("K"), partition: 1, headers: [["b", null]] });
    expect(text(overridden.key)).to.equal("K");
    expect(overridden).to.deep.include({
      partition: 1,
      headers: [
        ["a", Buffer.from("1")],
        ["b", null],
      ],
    });
  });

  it("ndjson: blank lines hold no record", () => {
    const reader = createRecordReader("ndjson", plain);
    expect(reader(Buffer.from(""))).to.equal(null);
    expect(reader(Buffer.from(" \t\r"))).to.equal(null);
  });

  it("bytes: the whole input is the value", () => {
    expect(text(read("bytes", "a\nb\n").value)).to.equal("a\nb\n");
  });
});
