import { expect } from "chai";
import { createLineRenderer } from "../../src/output/record-line.ts";
import type { ByteRecord } from "../../src/records/record-filter.ts";

const text = (value: string): Buffer => Buffer.from(value);

function record(
  value: Uint8Array | null,
  key: Uint8Array | null = null,
  headers: [string, Buffer | null][] = [],
): ByteRecord {
  const own = { topic: "orders", partition: 3, offset: 42, timestamp: 1_772_366_400_000, key, value, headers };
  return own as unknown as ByteRecord;
}

describe("a record as a line", () => {
  const plain = createLineRenderer({ hasColor: false, hasTopic: false });

  it("has time, place, key, value and headers", () => {
    const line = plain(
      record(text("v"), text("k"), [
        ["source", text("shop")],
        ["none", null],
      ]),
    );
    expect(line).to.equal("2026-03-01T12:00:00.000Z  3:42  k  v  [source=shop none=]");
    expect(createLineRenderer({ hasColor: false, hasTopic: true })(record(text("v")))).to.include(
      "  orders 3:42  -  v",
    );
    expect(plain(record(null, text("k")))).to.include("k  tombstone");
  });

  it("lets no record move the cursor, colour the terminal or turn the text around", () => {
    const line = plain(
      record(text("a\u001b[2J\r\n\tb\u0007\u202ec\u009b"), text("\u001b]0;title\u0007"), [["\u001b", text("\b")]]),
    );
    expect(line).to.not.match(/[\p{Cc}\p{Cf}]/u);
    expect(line).to.include("a\\u001b[2J\\u000d\\n\\tb\\u0007\\u202ec\\u009b");
  });

  it("writes bytes that are no text as base64, and a date that is none as a number", () => {
    expect(plain(record(Buffer.from([0xff, 0])))).to.include("base64:/wA=");
    const late = { ...record(text("v")), timestamp: 9e15 } as ByteRecord;
    expect(plain(late)).to.include("9000000000000000  3:42");
  });

  it("is coloured only where that is wanted", () => {
    expect(createLineRenderer({ hasColor: true, hasTopic: false })(record(text("v")))).to.include("\u001b[");
  });
});
