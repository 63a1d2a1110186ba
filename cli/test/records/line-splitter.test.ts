import { expect } from "chai";
import fc from "fast-check";
import { CliFailure } from "../../src/failure.ts";
import { LineSplitter } from "../../src/records/line-splitter.ts";

function split(chunks: readonly Buffer[], lineBytesMax = 1_000): string[] {
  const splitter = new LineSplitter({ lineBytesMax });
  const lines: string[] = [];
  for (const chunk of chunks) {
    splitter.feed(chunk);
    for (let line = splitter.next(); line !== null; line = splitter.next()) lines.push(line.toString("latin1"));
  }
  const last = splitter.finish();
  if (last !== null) lines.push(last.toString("latin1"));
  return lines;
}

/** The rule in its slowest form: byte by byte. */
function oracle(text: Buffer): string[] {
  const lines: string[] = [];
  let line = "";
  for (const byte of text) {
    if (byte === 0x0a) {
      lines.push(line);
      line = "";
    } else {
      line += String.fromCharCode(byte);
    }
  }
  return line === "" ? lines : [...lines, line];
}

describe("LineSplitter", () => {
  it("keeps CR, empty lines and a last line without LF; nothing is no line", () => {
    expect(split([Buffer.from("a\r\n\n\r\nlast")])).to.deep.equal(["a\r", "", "\r", "last"]);
    expect(split([Buffer.from("a\n")])).to.deep.equal(["a"]);
    expect(split([Buffer.from("\n")])).to.deep.equal([""]);
    expect(split([])).to.deep.equal([]);
    expect(split([Buffer.alloc(0)])).to.deep.equal([]);
  });

  it("splits alike however the bytes are cut into chunks", () => {
    const bytes = fc
      .uint8Array({ maxLength: 60 })
      .map((array) => Buffer.from(array.map((byte) => (byte % 5 === 0 ? 0x0a : byte))));
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 8 }), (chunks) => {
        expect(split(chunks)).to.deep.equal(oracle(Buffer.concat(chunks)));
      }),
    );
  });

  it("joins a line that spans many chunks", () => {
    const parts = Array.from({ length: 50 }, (_, slot) => Buffer.alloc(10_000, 0x61 + (slot % 26)));
    const [line, ...rest] = split([...parts, Buffer.from("\n")], 1_000_000);
    expect(rest).to.deep.equal([]);
    expect(line).to.equal(Buffer.concat(parts).toString("latin1"));
  });

  it("refuses a line that no broker takes instead of holding it", () => {
    expect(() => split([Buffer.alloc(600, 0x61), Buffer.alloc(600, 0x61)]))
      .to.throw(CliFailure)
      .with.property("code", "RECORD_TOO_LARGE");
  });
});
