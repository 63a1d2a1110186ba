import { expect } from "chai";
import fc from "fast-check";
import {
  BATCH_HEADER_BYTES,
  batchSizeAt,
  baseOffsetAt,
  crc32c,
  decodeRecords,
  isBatchIntact,
  MAX_SEQUENCE,
  patchBatch,
  RecordBatchBuilder,
  readBatchHeader,
  readInt64,
  sequenceAfter,
  setLogAppendTime,
  writeInt64,
} from "../src/index.ts";

/** One batch worked out by hand from the layout: three records of producer 4242, epoch 7, from sequence 2^31 - 2. */
const GOLDEN = [
  "00 00 00 00 00 00 00 00", // baseOffset 0
  "00 00 00 57", // batchLength 87
  "ff ff ff ff", // partitionLeaderEpoch -1
  "02", // magic
  "53 0b 89 0a", // crc of everything below
  "00 00", // attributes
  "00 00 00 02", // lastOffsetDelta 2
  "00 00 01 8b cf e5 68 00", // baseTimestamp 1700000000000
  "00 00 01 8b cf e6 79 70", // maxTimestamp 1700000070000
  "00 00 00 00 00 00 10 92", // producerId 4242
  "00 07", // producerEpoch 7
  "7f ff ff fe", // baseSequence 2147483646
  "00 00 00 03", // recordsCount 3
  "22 00 00 00 02 6b 06 61 62 63 04 02 68 02 31 02 6e 01", // 17 bytes: k = abc, headers h = 1, n = null
  "0e 00 d7 04 02 01 00 00", // 7 bytes: 300 ms earlier, key null, value empty
  "16 00 e0 c5 08 04 06 78 78 78 01 00", // 11 bytes: 70000 ms later, xxx = null
].join(" ");

const golden = (): Buffer => Buffer.from(GOLDEN.replaceAll(" ", ""), "hex");

function goldenBuilder(): RecordBatchBuilder {
  const builder = new RecordBatchBuilder();
  builder.append(1_700_000_000_000, "k", Buffer.from("abc"), [
    ["h", "1"],
    ["n", null],
  ]);
  builder.append(1_699_999_999_700, null, "");
  builder.append(1_700_000_070_000, Buffer.from("xxx"), null);
  return builder;
}

describe("record batch, format v2", () => {
  it("is built to the byte", () => {
    const batch = goldenBuilder().build({ producerId: 4242, producerEpoch: 7, baseSequence: 2 ** 31 - 2 });
    expect(batch.toString("hex")).to.equal(golden().toString("hex"));
  });

  it("has every header field where the format puts it", () => {
    const header = readBatchHeader(golden(), 0);
    expect(header).to.include({
      baseOffset: 0,
      sizeBytes: 99,
      partitionLeaderEpoch: -1,
      magic: 2,
      crc: 0x530b890a,
      attributes: 0,
      lastOffsetDelta: 2,
      baseTimestamp: 1_700_000_000_000,
      maxTimestamp: 1_700_000_070_000,
      producerId: 4242,
      producerEpoch: 7,
      baseSequence: 2 ** 31 - 2,
      recordsCount: 3,
    });
    expect(header.lastOffset).to.equal(2);
    expect(header.nextOffset).to.equal(3);
    expect(header.codec).to.equal(0);
    expect(header.hasProducerId).to.equal(true);
  });

  it("lets the sequence wrap: 0 follows 2^31 - 1", () => {
    expect(readBatchHeader(golden(), 0).lastSequence).to.equal(0);
    expect(sequenceAfter(MAX_SEQUENCE, 1)).to.equal(0);
    expect(sequenceAfter(5, 3)).to.equal(8);
    expect(readBatchHeader(goldenBuilder().build(), 0).lastSequence).to.equal(-1);
  });

  it("reads the attribute bits", () => {
    const batch = golden();
    const flags = (attributes: number): object => {
      batch.writeInt16BE(attributes, 21);
      const { codec, isLogAppendTime, isTransactional, isControl, hasDeleteHorizon } = readBatchHeader(batch, 0);
      return { codec, isLogAppendTime, isTransactional, isControl, hasDeleteHorizon };
    };
    const none = {
      codec: 0,
      isLogAppendTime: false,
      isTransactional: false,
      isControl: false,
      hasDeleteHorizon: false,
    };
    expect(flags(4)).to.deep.equal({ ...none, codec: 4 });
    expect(flags(0x08)).to.deep.equal({ ...none, isLogAppendTime: true });
    expect(flags(0x10)).to.deep.equal({ ...none, isTransactional: true });
    expect(flags(0x20)).to.deep.equal({ ...none, isControl: true });
    expect(flags(0x40)).to.deep.equal({ ...none, hasDeleteHorizon: true });
  });

  it("is patched in place by the leader, outside the CRC", () => {
    const bytes = Buffer.concat([Buffer.alloc(5, 1), golden()]);
    patchBatch(bytes, 5, 2 ** 40 + 17, 9);
    expect(isBatchIntact(bytes, 5, bytes.length)).to.equal(true);
    const header = readBatchHeader(bytes, 5);
    expect(header.baseOffset).to.equal(2 ** 40 + 17);
    expect(baseOffsetAt(bytes, 5)).to.equal(2 ** 40 + 17);
    expect(header.partitionLeaderEpoch).to.equal(9);
    expect(bytes.subarray(13, 17)).to.deep.equal(golden().subarray(8, 12));
    expect(bytes.subarray(21)).to.deep.equal(golden().subarray(16));
  });

  it("takes the time of the append, with a new CRC", () => {
    const batch = golden();
    setLogAppendTime(batch, 0, 1_800_000_000_000);
    expect(isBatchIntact(batch, 0, batch.length)).to.equal(true);
    expect(readBatchHeader(batch, 0).isLogAppendTime).to.equal(true);
    expect(decodeRecords(batch).map((record) => record.timestamp)).to.deep.equal(Array(3).fill(1_800_000_000_000));
  });

  it("claims its size in the prefix, and its CRC covers bytes 21 to the end", () => {
    expect(batchSizeAt(golden(), 0)).to.equal(golden().length);
    expect(crc32c(golden(), 21)).to.equal(0x530b890a);
  });

  it("carries 64-bit values as safe integers, and shows others as unsafe", () => {
    const bytes = Buffer.alloc(8);
    fc.assert(
      fc.property(fc.maxSafeInteger(), (value) => {
        writeInt64(bytes, 0, value);
        expect(bytes.readBigInt64BE(0)).to.equal(BigInt(value));
        expect(readInt64(bytes, 0)).to.equal(value);
      }),
      { examples: [[-1], [2 ** 32], [-(2 ** 32)], [2 ** 31], [Number.MIN_SAFE_INTEGER]] },
    );
    fc.assert(
      fc.property(fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n }), fc.boolean(), (magnitude, isNegative) => {
        bytes.writeBigInt64BE(isNegative ? -magnitude : magnitude);
        expect(Number.isSafeInteger(readInt64(bytes, 0))).to.equal(false);
      }),
    );
  });
});

describe("RecordBatchBuilder", () => {
  it("grows over any size, and tells it", () => {
    const builder = new RecordBatchBuilder({ initialBytes: 64 });
    expect(builder.sizeBytes).to.equal(BATCH_HEADER_BYTES);
    for (let index = 0; index < 1000; index += 1)
      expect(builder.append(index, null, Buffer.alloc(index))).to.equal(index);
    const size = builder.sizeBytes;
    const batch = builder.build();
    expect(batch.length).to.equal(size);
    expect(decodeRecords(batch).map((record) => record.value?.length)).to.deep.equal(
      Array.from({ length: 1000 }, (_, at) => at),
    );
  });

  it("is empty and usable again after build, and the batch it gave away stays as it is", () => {
    const builder = new RecordBatchBuilder({ initialBytes: 4096 });
    const fill = (byte: number, count: number): Buffer => {
      for (let index = 0; index < count; index += 1) builder.append(5, null, Buffer.alloc(100, byte));
      return builder.build();
    };
    const handedOver = fill(1, 36);
    const copied = fill(2, 3);
    const copies = [Buffer.from(handedOver), Buffer.from(copied)];
    fill(3, 36);
    fill(4, 3);
    expect(handedOver).to.deep.equal(copies[0]);
    expect(copied).to.deep.equal(copies[1]);
    expect(builder.recordsCount).to.equal(0);
    expect(builder.sizeBytes).to.equal(BATCH_HEADER_BYTES);
  });

  it("keeps a small batch from holding a large buffer", () => {
    const builder = new RecordBatchBuilder({ initialBytes: 1024 * 1024 });
    builder.append(0, null, Buffer.alloc(5000));
    expect(builder.build().buffer.byteLength).to.be.lessThan(64 * 1024);
  });

  it("estimates at least what a record takes", () => {
    const bytes = fc.option(fc.uint8Array({ maxLength: 300 }));
    const headers = fc.array(fc.tuple(fc.string(), bytes), { maxLength: 4 });
    fc.assert(
      fc.property(bytes, bytes, headers, fc.maxSafeInteger(), (key, value, pairs, timestamp) => {
        const builder = new RecordBatchBuilder();
        builder.append(0, null, null);
        const before = builder.sizeBytes;
        builder.append(timestamp, key, value, pairs);
        expect(builder.sizeBytes - before).to.be.at.most(
          builder.estimate(key?.length ?? -1, value?.length ?? -1, pairs),
        );
      }),
    );
  });

  it("refuses an empty batch, and timestamps that are none", () => {
    const builder = new RecordBatchBuilder();
    expect(() => builder.build()).to.throw(RangeError);
    for (const timestamp of [Number.NaN, 1.5, 2 ** 53, Number.POSITIVE_INFINITY]) {
      expect(() => builder.append(timestamp, null, null)).to.throw(RangeError, "timestamp");
    }
    expect(builder.recordsCount).to.equal(0);
    builder.append(-5, null, null);
    expect(() => builder.append(Number.MAX_SAFE_INTEGER, null, null)).to.throw(RangeError, "too far");
    expect(decodeRecords(builder.build())).to.have.length(1);
  });

  it("forgets its records on reset", () => {
    const builder = goldenBuilder();
    builder.reset();
    builder.append(7, "a", "b");
    const [only, ...others] = decodeRecords(builder.build());
    expect(others).to.deep.equal([]);
    expect(only).to.deep.equal({
      offset: 0,
      timestamp: 7,
      key: Buffer.from("a"),
      value: Buffer.from("b"),
      headers: [],
    });
  });
});
