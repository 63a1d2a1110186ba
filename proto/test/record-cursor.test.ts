import { expect } from "chai";
import fc from "fast-check";
import {
  type CodecId,
  decodeRecords,
  type ErrorName,
  patchBatch,
  ProtoError,
  RecordBatchBuilder,
  RecordCursor,
  sealBatch,
} from "../src/index.ts";
import { writeVarint } from "../src/varint.ts";

const REFUSALS: readonly ErrorName[] = ["CORRUPT_MESSAGE", "INVALID_RECORD", "UNSUPPORTED_COMPRESSION_TYPE"];
const CODECS: readonly CodecId[] = [0, 1, 2, 3];

interface Sample {
  readonly timestamp: number;
  readonly key: Uint8Array | string | null;
  readonly value: Uint8Array | string | null;
  readonly headers: readonly (readonly [string, Uint8Array | string | null])[];
}

const text = fc.oneof(fc.string({ maxLength: 80 }), fc.string({ unit: "grapheme", maxLength: 80 }));
const bytes = fc.option(fc.oneof(fc.uint8Array({ maxLength: 200 }), text));
const sample: fc.Arbitrary<Sample> = fc.record({
  timestamp: fc.oneof(
    fc.integer({ min: 0, max: 2 ** 42 }),
    fc.integer({ min: 1.7e12, max: 1.7e12 + 5 }),
    fc.maxSafeNat(),
  ),
  key: bytes,
  value: bytes,
  headers: fc.array(fc.tuple(text, bytes), { maxLength: 3 }),
});

const plain = (value: Uint8Array | string | null): Buffer | null =>
  value === null ? null : Buffer.from(value as string);

function build(samples: readonly Sample[], codec: CodecId = 0, baseOffset = 0): Buffer {
  const builder = new RecordBatchBuilder({ initialBytes: 64 });
  for (const { timestamp, key, value, headers } of samples) builder.append(timestamp, key, value, headers);
  const batch = builder.build({ codec });
  patchBatch(batch, 0, baseOffset, 3);
  return batch;
}

function values(cursor: RecordCursor): (string | null)[] {
  const found: (string | null)[] = [];
  while (cursor.next()) found.push(cursor.valueText);
  return found;
}

const lines = (...all: string[]): Sample[] => all.map((value) => ({ timestamp: 1000, key: null, value, headers: [] }));

/** The code of the ProtoError that `run` throws; anything else that it throws fails the test. */
function refusal(run: () => unknown): ErrorName {
  try {
    run();
  } catch (error: unknown) {
    if (error instanceof ProtoError) return error.code;
    throw error;
  }
  return "NONE";
}

/** Any change of a good batch's bytes, under a CRC that is right. */
function resealed(batch: Buffer, change: (batch: Buffer) => void): Buffer {
  const copy = Buffer.from(batch);
  change(copy);
  sealBatch(copy, 0, copy.length);
  return copy;
}

describe("RecordCursor", () => {
  for (const codec of CODECS) {
    it(`gives back what the builder was given (codec ${codec})`, () => {
      fc.assert(
        fc.property(fc.array(sample, { minLength: 1, maxLength: 12 }), fc.nat(2 ** 40), (samples, baseOffset) => {
          const expected = samples.map(({ timestamp, key, value, headers }, index) => ({
            offset: baseOffset + index,
            timestamp,
            key: plain(key),
            value: plain(value),
            headers: headers.map(([name, header]) => [Buffer.from(name).toString(), plain(header)]),
          }));
          expect(decodeRecords(build(samples, codec, baseOffset))).to.deep.equal(expected);
        }),
        { numRuns: 60 },
      );
    });
  }

  it("walks batches back to back, over gaps, empty batches and mixed codecs", () => {
    const emptied = resealed(build(lines("gone", "gone"), 0, 20), (batch) => batch.writeInt32BE(0, 57));
    const bytes = Buffer.concat([
      build(lines("a", "b"), 1, 5),
      emptied,
      build(lines("c"), 3, 40),
      build(lines("d", "e"), 0, 41),
    ]);
    const cursor = new RecordCursor(bytes);
    const found: [number, string | null][] = [];
    while (cursor.next()) found.push([cursor.offset, cursor.valueText]);
    expect(found).to.deep.equal([
      [5, "a"],
      [6, "b"],
      [40, "c"],
      [41, "d"],
      [42, "e"],
    ]);
    expect(cursor.nextOffset).to.equal(43);
    expect(cursor.next()).to.equal(false);
    expect(new RecordCursor(Buffer.alloc(0)).next()).to.equal(false);
  });

  it("shows text, lengths, headers and the batch of the record it stands on", () => {
    const cursor = new RecordCursor(
      build(
        [
          {
            timestamp: 9,
            key: "ключ",
            value: null,
            headers: [
              ["h", "v"],
              ["h", null],
            ],
          },
        ],
        0,
        7,
      ),
    );
    expect(() => cursor.batch).to.throw(RangeError);
    cursor.next();
    expect([cursor.keyText, cursor.valueText, cursor.keyBytes, cursor.valueBytes]).to.deep.equal(["ключ", null, 8, -1]);
    expect(cursor.headersCount).to.equal(2);
    expect(cursor.headers).to.deep.equal([
      ["h", Buffer.from("v")],
      ["h", null],
    ]);
    expect(cursor.headers).to.deep.equal(cursor.headers);
    expect([cursor.batch.baseOffset, cursor.batch.partitionLeaderEpoch]).to.deep.equal([7, 3]);
  });

  it("hands out views of the batch, not copies, where nothing is compressed", () => {
    const batch = build(lines("before"));
    const cursor = new RecordCursor(batch);
    cursor.next();
    expect(cursor.value?.buffer).to.equal(batch.buffer);
  });

  it("passes over control batches, but shows them to who asks", () => {
    const control = resealed(build(lines("marker"), 0, 1), (batch) => batch.writeInt16BE(0x30, 21));
    const bytes = Buffer.concat([build(lines("a"), 0, 0), control, build(lines("b"), 0, 2)]);
    expect(values(new RecordCursor(bytes))).to.deep.equal(["a", "b"]);
    expect(values(new RecordCursor(bytes, { includeControl: true }))).to.deep.equal(["a", "marker", "b"]);
    const last = new RecordCursor(control);
    expect(last.next()).to.equal(false);
    expect(last.nextOffset).to.equal(2);
  });

  it("gives all records the append time where the topic keeps that", () => {
    const batch = resealed(
      build(lines("a", "b")),
      (bytes) => void (bytes.writeInt16BE(0x08, 21), bytes.writeBigInt64BE(77n, 35)),
    );
    expect(decodeRecords(batch).map((record) => record.timestamp)).to.deep.equal([77, 77]);
  });

  it("keeps offsets that compaction has thinned out", () => {
    const batch = build(lines("a", "b", "c"), 0, 10);
    const bodyOf = (index: number): Buffer => batch.subarray(61 + index * 8, 61 + (index + 1) * 8);
    const thinned = resealed(Buffer.concat([batch.subarray(0, 61), bodyOf(0), bodyOf(2)]), (bytes) => {
      bytes.writeInt32BE(bytes.length - 12, 8);
      bytes.writeInt32BE(2, 57);
    });
    expect(decodeRecords(thinned).map((record) => [record.offset, record.value?.toString()])).to.deep.equal([
      [10, "a"],
      [12, "c"],
    ]);
  });

  describe("bad input", () => {
    const good = build(lines("first", "second", "third"));
    const walk = (batch: Buffer, options = {}): ErrorName => refusal(() => values(new RecordCursor(batch, options)));

    it("CRC mismatch: CORRUPT_MESSAGE, unless the caller has checked it", () => {
      const bad = Buffer.from(good);
      bad.write("F", bad.indexOf("first"));
      expect(walk(bad)).to.equal("CORRUPT_MESSAGE");
      expect(values(new RecordCursor(bad, { verifyCrc: false }))).to.deep.equal(["First", "second", "third"]);
    });

    it("truncated batch: CORRUPT_MESSAGE at any byte, and also behind a whole one", () => {
      for (let size = 1; size < good.length; size += 1) {
        expect(walk(good.subarray(0, size)), `${size}`).to.equal("CORRUPT_MESSAGE");
        expect(walk(Buffer.concat([good, good.subarray(0, size)])), `${size}`).to.be.oneOf([
          "CORRUPT_MESSAGE",
          "INVALID_RECORD",
        ]);
      }
    });

    it("counts and offsets that disagree: INVALID_RECORD", () => {
      expect(walk(resealed(good, (batch) => batch.writeInt32BE(2, 57))), "bytes left").to.equal("INVALID_RECORD");
      const tooMany = resealed(good, (batch) => void (batch.writeInt32BE(4, 57), batch.writeInt32BE(3, 23)));
      expect(walk(tooMany), "records missing").to.equal("INVALID_RECORD");
      const short = resealed(good, (batch) => void (batch.writeInt32BE(1, 57), batch.writeInt32BE(0, 23)));
      expect(walk(short)).to.equal("INVALID_RECORD");
      const most = resealed(
        good,
        (batch) => void (batch.writeInt32BE(2 ** 31 - 1, 57), batch.writeInt32BE(2 ** 31 - 2, 23)),
      );
      expect(walk(most), "2^31 - 1 records").to.equal("INVALID_RECORD");
      expect(walk(Buffer.concat([build(lines("a"), 0, 5), build(lines("b"), 0, 5)])), "an offset twice").to.equal(
        "INVALID_RECORD",
      );
      const sameDelta = resealed(good, (batch) => batch.writeUInt8(0, 61 + 12 + 3));
      expect(walk(sameDelta), "a delta twice").to.equal("INVALID_RECORD");
    });

    it("lengths that point outside: INVALID_RECORD for each of them", () => {
      // The one record: length, attributes, timestamp delta, offset delta, key length, value length, five bytes, header count.
      const one = build([{ timestamp: 1, key: null, value: "value", headers: [] }]);
      for (const at of [0, 4, 5, 11]) {
        for (const length of [-2, -100, 63, -64]) {
          const bad = resealed(one, (batch) => void writeVarint(batch, 61 + at, length));
          expect(walk(bad), `length ${length} at ${at}`).to.equal("INVALID_RECORD");
        }
      }
      const huge = resealed(one, (batch) => void writeVarint(batch, 61 + 5, 2 ** 31 - 1));
      expect(walk(huge)).to.equal("INVALID_RECORD");
    });

    it("unknown codec: UNSUPPORTED_COMPRESSION_TYPE", () => {
      for (const codec of [5, 6, 7]) {
        expect(walk(resealed(good, (batch) => batch.writeInt16BE(codec, 21)))).to.equal("UNSUPPORTED_COMPRESSION_TYPE");
      }
    });

    it("records that are not what the codec says: CORRUPT_MESSAGE", () => {
      for (const codec of [1, 2, 3]) {
        expect(walk(resealed(good, (batch) => batch.writeInt16BE(codec, 21))), `codec ${codec}`).to.equal(
          "CORRUPT_MESSAGE",
        );
      }
    });

    for (const codec of [1, 2, 3] as const) {
      it(`decompression bomb: INVALID_RECORD before it is inflated (codec ${codec})`, () => {
        const builder = new RecordBatchBuilder();
        builder.append(0, null, Buffer.alloc(8 * 1024 * 1024));
        const bomb = builder.build({ codec });
        expect(bomb.length).to.be.lessThan(600_000);
        expect(walk(bomb, { maxDecompressedBytes: 1024 * 1024 })).to.equal("INVALID_RECORD");
        expect(decodeRecords(bomb)[0]?.value?.length).to.equal(8 * 1024 * 1024);
      });
    }

    it("any damage under a right CRC ends in a coded error or in records, and in bounded time and memory", () => {
      const before = process.memoryUsage().rss;
      const damage = fc.array(fc.record({ at: fc.nat(), byte: fc.nat(255) }), { minLength: 1, maxLength: 6 });
      fc.assert(
        fc.property(fc.constantFrom(...CODECS), damage, fc.option(fc.nat()), (codec, changes, cut) => {
          const batch = build(
            [...lines("one", "two"), { timestamp: 5, key: "k", value: "v".repeat(90), headers: [["h", "x"]] }],
            codec,
          );
          const size = cut === null ? batch.length : 62 + (cut % (batch.length - 62));
          const bad = resealed(batch.subarray(0, size), (bytes) => {
            bytes.writeInt32BE(bytes.length - 12, 8);
            for (const { at, byte } of changes) bytes.writeUInt8(byte, 21 + (at % (bytes.length - 21)));
          });
          const code = refusal(() => {
            const cursor = new RecordCursor(bad, { includeControl: true, maxDecompressedBytes: 100_000 });
            while (cursor.next()) void [cursor.key, cursor.value, cursor.headers];
          });
          if (code !== "NONE") expect(REFUSALS).to.include(code);
        }),
        { numRuns: 2000 },
      );
      expect(process.memoryUsage().rss - before).to.be.lessThan(200 * 1024 * 1024);
    });

    it("any bytes at all end in a coded error", () => {
      fc.assert(
        fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), (garbage) => {
          expect(refusal(() => values(new RecordCursor(Buffer.from(garbage), { verifyCrc: false })))).to.be.oneOf([
            "NONE",
            ...REFUSALS,
          ]);
        }),
      );
    });
  });
});
