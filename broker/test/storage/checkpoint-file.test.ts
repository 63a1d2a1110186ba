import { expect } from "chai";
import fc from "fast-check";
import { formatEpochs, formatOffsets, logKey, parseEpochs, parseOffsets } from "../../src/storage/checkpoint-file.ts";

describe("checkpoint file", () => {
  it("has Kafka's bytes", () => {
    const text = formatOffsets([
      { topic: "orders", partition: 0, offset: 12 },
      { topic: "a-b", partition: 10, offset: 9007199254740991 },
    ]);
    expect(text).to.equal("0\n2\norders 0 12\na-b 10 9007199254740991\n");
    expect(formatEpochs([{ epoch: 3, startOffset: 17 }])).to.equal("0\n1\n3 17\n");
    expect(formatOffsets([])).to.equal("0\n0\n");
  });

  it("takes a missing or empty file for one without entries", () => {
    expect(parseOffsets("")).to.deep.equal({ ok: true, entries: new Map() });
    expect(parseEpochs("")).to.deep.equal({ ok: true, entries: [] });
  });

  for (const [what, text] of [
    ["another version", "1\n0\n"],
    ["no count", "0\n"],
    ["a count that is no number", "0\nx\n"],
    ["fewer entries than announced", "0\n2\nt 0 1\n"],
    ["more entries than announced", "0\n1\nt 0 1\nt 1 1\n"],
    ["a missing column", "0\n1\nt 0\n"],
    ["one column too many", "0\n1\nt 0 1 2\n"],
    ["a negative offset", "0\n1\nt 0 -1\n"],
    ["an offset beyond the safe integers", "0\n1\nt 0 9007199254740993\n"],
    ["zeros, as a torn write leaves them", "\0\0\0\0"],
  ] as const) {
    it(`refuses ${what}`, () => {
      expect(parseOffsets(text).ok).to.equal(false);
    });
  }

  it("refuses epochs and start offsets that do not ascend (ST4)", () => {
    expect(parseEpochs("0\n2\n1 5\n1 6\n").ok).to.equal(false);
    expect(parseEpochs("0\n2\n1 5\n2 5\n").ok).to.equal(false);
    expect(parseEpochs("0\n2\n1 5\n2 6\n").ok).to.equal(true);
  });

  it("reads back whatever it wrote", () => {
    const entry = fc.record({
      topic: fc.stringMatching(/^[a-zA-Z0-9._-]{1,20}$/),
      partition: fc.nat(1000),
      offset: fc.maxSafeNat(),
    });
    fc.assert(
      fc.property(fc.uniqueArray(entry, { selector: (e) => logKey(e.topic, e.partition) }), (entries) => {
        const parsed = parseOffsets(formatOffsets(entries));
        const expected = new Map(entries.map((e) => [logKey(e.topic, e.partition), e.offset]));
        expect(parsed).to.deep.equal({ ok: true, entries: expected });
      }),
    );
  });

  it("ends in a value whatever the bytes are", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        parseOffsets(text);
        parseEpochs(text);
      }),
    );
  });
});
