import { expect } from "chai";
import fc from "fast-check";
import {
  CODEC_NAMES,
  type ErrorName,
  RecordBatchBuilder,
  sealBatch,
  validateProducedBatch,
  validateStoredBatch,
} from "../src/index.ts";

const LIMITS = { maxBytes: 1_048_588 };

function batchOf(count = 3): Buffer {
  const builder = new RecordBatchBuilder();
  for (let index = 0; index < count; index += 1)
    builder.append(1_700_000_000_000 + index, `key-${index}`, `value ${index}`);
  return builder.build({ producerId: 5, producerEpoch: 0, baseSequence: 10 });
}

/** A good batch with one thing changed, under a CRC that is right. */
function altered(change: (batch: Buffer) => void): Buffer {
  const batch = batchOf();
  change(batch);
  sealBatch(batch, 0, batch.length);
  return batch;
}

function refusal(bytes: Buffer, limits = LIMITS): ErrorName {
  const verdict = validateProducedBatch(bytes, limits);
  return verdict.ok ? "NONE" : verdict.error;
}

describe("validateProducedBatch", () => {
  it("accepts what the builder makes, with every codec's id", () => {
    const verdict = validateProducedBatch(batchOf(), LIMITS);
    expect(verdict.ok && verdict.header.recordsCount).to.equal(3);
    for (const codec of CODEC_NAMES.keys())
      expect(refusal(altered((batch) => batch.writeInt16BE(codec, 21)))).to.equal("NONE");
    const plain = new RecordBatchBuilder();
    plain.append(-1, null, null);
    expect(refusal(plain.build())).to.equal("NONE");
  });

  describe("bad input: CRC mismatch", () => {
    it("is CORRUPT_MESSAGE for a flip of any bit that the CRC covers, and of the CRC itself", () => {
      const good = batchOf();
      for (let bit = 17 * 8; bit < good.length * 8; bit += 1) {
        const bad = Buffer.from(good);
        bad.writeUInt8(bad.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
        expect(refusal(bad), `bit ${bit}`).to.equal("CORRUPT_MESSAGE");
      }
    });
  });

  describe("bad input: truncated or oversize batch", () => {
    it("is CORRUPT_MESSAGE when cut off anywhere", () => {
      const good = batchOf();
      for (let size = 0; size < good.length; size += 1) {
        expect(refusal(good.subarray(0, size)), `${size} bytes`).to.equal("CORRUPT_MESSAGE");
      }
    });

    it("is CORRUPT_MESSAGE when the size is smaller than the header, negative or larger than what came", () => {
      for (const length of [0, 48, -1, -(2 ** 31), 2 ** 31 - 1]) {
        expect(refusal(altered((batch) => batch.writeInt32BE(length, 8))), `${length}`).to.equal("CORRUPT_MESSAGE");
      }
    });

    it("is INVALID_RECORD when anything follows the one batch", () => {
      expect(refusal(Buffer.concat([batchOf(), Buffer.alloc(1)]))).to.equal("INVALID_RECORD");
      expect(refusal(Buffer.concat([batchOf(), batchOf()]))).to.equal("INVALID_RECORD");
    });
  });

  describe("bad input: wrong magic", () => {
    it("is INVALID_RECORD for the older formats, however short, and for newer ones", () => {
      for (const magic of [0, 1, 3, -1]) {
        expect(refusal(altered((batch) => batch.writeInt8(magic, 16))), `magic ${magic}`).to.equal("INVALID_RECORD");
      }
      const smallMessage = Buffer.alloc(26);
      expect(refusal(smallMessage)).to.equal("INVALID_RECORD");
    });
  });

  describe("bad input: counts and offsets that disagree", () => {
    const cases: Record<string, (batch: Buffer) => void> = {
      "no records": (batch) => void (batch.writeInt32BE(0, 57), batch.writeInt32BE(-1, 23)),
      "fewer records than offsets": (batch) => void batch.writeInt32BE(2, 57),
      "more records than offsets": (batch) => void batch.writeInt32BE(4, 57),
      "a negative count": (batch) => void batch.writeInt32BE(-3, 57),
      "a negative last offset delta": (batch) => void batch.writeInt32BE(-2, 23),
      "a count that wraps": (batch) => void (batch.writeInt32BE(-(2 ** 31), 57), batch.writeInt32BE(2 ** 31 - 1, 23)),
      "more records than bytes": (batch) => void (batch.writeInt32BE(1000, 57), batch.writeInt32BE(999, 23)),
      "a base offset": (batch) => void batch.writeInt32BE(1, 4),
      "a negative base offset": (batch) => void batch.writeInt32BE(-1, 0),
    };
    for (const [name, change] of Object.entries(cases)) {
      it(`is INVALID_RECORD for ${name}`, () => expect(refusal(altered(change))).to.equal("INVALID_RECORD"));
    }
  });

  describe("bad input: batch above max.message.bytes", () => {
    it("is MESSAGE_TOO_LARGE from one byte over the limit on", () => {
      const batch = batchOf();
      expect(refusal(batch, { maxBytes: batch.length })).to.equal("NONE");
      expect(refusal(batch, { maxBytes: batch.length - 1 })).to.equal("MESSAGE_TOO_LARGE");
    });
  });

  describe("bad input: control batches from a client", () => {
    it("is INVALID_RECORD", () => {
      expect(refusal(altered((batch) => batch.writeInt16BE(0x20, 21)))).to.equal("INVALID_RECORD");
      expect(refusal(altered((batch) => batch.writeInt16BE(0x30, 21)))).to.equal("INVALID_RECORD");
      expect(refusal(altered((batch) => batch.writeInt16BE(0x40, 21)))).to.equal("INVALID_RECORD");
    });
  });

  describe("bad input: unknown codec", () => {
    it("is UNSUPPORTED_COMPRESSION_TYPE for the ids that are not assigned", () => {
      for (const codec of [5, 6, 7]) {
        expect(refusal(altered((batch) => batch.writeInt16BE(codec, 21)))).to.equal("UNSUPPORTED_COMPRESSION_TYPE");
      }
    });
  });

  describe("bad input: timestamps", () => {
    it("is INVALID_TIMESTAMP for the append time, and for milliseconds beyond 2^53", () => {
      expect(refusal(altered((batch) => batch.writeInt16BE(0x08, 21)))).to.equal("INVALID_TIMESTAMP");
      expect(refusal(altered((batch) => batch.writeBigInt64BE(2n ** 62n, 27)))).to.equal("INVALID_TIMESTAMP");
      expect(refusal(altered((batch) => batch.writeBigInt64BE(-(2n ** 62n), 35)))).to.equal("INVALID_TIMESTAMP");
    });
  });

  describe("bad input: producers", () => {
    it("is INVALID_RECORD without sequence or epoch, with an impossible id, or transactional without one", () => {
      expect(refusal(altered((batch) => batch.writeInt32BE(-1, 53)))).to.equal("INVALID_RECORD");
      expect(refusal(altered((batch) => batch.writeInt16BE(-1, 51)))).to.equal("INVALID_RECORD");
      expect(refusal(altered((batch) => batch.writeBigInt64BE(-2n, 43)))).to.equal("INVALID_RECORD");
      expect(refusal(altered((batch) => batch.writeBigInt64BE(2n ** 60n, 43)))).to.equal("INVALID_RECORD");
      const foreign = altered((batch) => void (batch.writeBigInt64BE(-1n, 43), batch.writeInt16BE(0x10, 21)));
      expect(refusal(foreign)).to.equal("INVALID_RECORD");
    });
  });

  it("answers any bytes with a verdict, never with an exception", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void validateProducedBatch(Buffer.from(bytes), LIMITS)),
    );
  });
});

describe("validateStoredBatch", () => {
  it("accepts a batch between others, and says where it ends", () => {
    const [first, second] = [batchOf(2), batchOf(5)];
    const file = Buffer.concat([first, second, Buffer.alloc(30)]);
    const step = validateStoredBatch(file, first.length, file.length);
    expect(step.ok && step.header.sizeBytes).to.equal(second.length);
    expect(step.ok && step.header.recordsCount).to.equal(5);
  });

  it("accepts what compaction leaves: fewer records than offsets, down to none", () => {
    for (const count of [0, 1, 2]) {
      const batch = altered((bytes) => void bytes.writeInt32BE(count, 57));
      expect(validateStoredBatch(batch, 0, batch.length).ok).to.equal(true);
    }
  });

  it("names what is wrong: short, size, magic, crc, counts", () => {
    const reason = (bytes: Buffer, end = bytes.length): string => {
      const step = validateStoredBatch(bytes, 0, end);
      return step.ok ? "ok" : step.reason;
    };
    const good = batchOf();
    expect(reason(good, 60)).to.equal("short");
    expect(reason(good, good.length - 1)).to.equal("short");
    expect(reason(altered((batch) => batch.writeInt32BE(48, 8)))).to.equal("size");
    expect(reason(altered((batch) => batch.writeInt32BE(-5, 8)))).to.equal("size");
    expect(reason(Buffer.alloc(100))).to.equal("magic");
    const flipped = batchOf();
    flipped.writeUInt8(flipped.readUInt8(70) ^ 1, 70);
    expect(reason(flipped)).to.equal("crc");
    expect(reason(altered((batch) => batch.writeInt32BE(4, 57)))).to.equal("counts");
    expect(reason(altered((batch) => batch.writeInt32BE(-1, 57)))).to.equal("counts");
    expect(reason(altered((batch) => batch.writeInt32BE(-1, 0)))).to.equal("counts");
    expect(reason(altered((batch) => batch.writeInt32BE(0x7fffffff, 0)))).to.equal("counts");
  });

  it("leaves the CRC to the caller where asked to", () => {
    const flipped = batchOf();
    flipped.writeUInt8(flipped.readUInt8(70) ^ 1, 70);
    expect(validateStoredBatch(flipped, 0, flipped.length, { verifyCrc: false }).ok).to.equal(true);
  });

  it("answers any bytes with a step, never with an exception", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(200), (bytes, at) => {
        validateStoredBatch(Buffer.from(bytes), Math.min(at, bytes.length), bytes.length);
      }),
    );
  });
});
