import { expect } from "chai";
import fc from "fast-check";
import { ProtoError } from "../../src/index.ts";
import {
  decodeDataFrame,
  decodeReportFrame,
  encodeDataFrame,
  encodeReportFrame,
  type OutgoingData,
  type ReportFrame,
} from "../../src/wire/replication.ts";

const offset = fc.maxSafeNat();
const epoch = fc.integer({ min: 0, max: 2 ** 31 - 1 });
const slot = fc.integer({ min: 0, max: 2 ** 32 - 1 });

const reportFrames: fc.Arbitrary<ReportFrame> = fc.record({
  brokerEpoch: fc.integer({ min: -1, max: Number.MAX_SAFE_INTEGER }),
  creditBytes: offset,
  reports: fc.array(
    fc.record({
      slot,
      topicId: fc.string({ maxLength: 22 }),
      partition: slot,
      leaderEpoch: epoch,
      generation: offset,
      asks: fc.boolean(),
      readFrom: offset,
      epochBefore: fc.integer({ min: -1, max: 2 ** 31 - 1 }),
      appendedTo: offset,
      isSynced: fc.boolean(),
      durableLogStart: offset,
      isSuspect: fc.boolean(),
    }),
  ),
  removed: fc.array(slot),
});

const data: fc.Arbitrary<OutgoingData> = fc.record({
  slot,
  leaderEpoch: epoch,
  generation: offset,
  errorCode: fc.integer({ min: -1, max: 200 }),
  askedFrom: offset,
  diverging: fc.option(fc.record({ epoch: fc.integer({ min: -1, max: 9 }), endOffset: offset })),
  highWatermark: offset,
  logStartOffset: offset,
  logEndOffset: offset,
  records: fc.array(
    fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
    { maxLength: 3 },
  ),
});

/** Null for a refusal; any other exception fails the test. */
function decoded<T>(decode: (bytes: Buffer) => T, bytes: Buffer): T | null {
  try {
    return decode(bytes);
  } catch (error: unknown) {
    if (error instanceof ProtoError && error.code === "INVALID_REQUEST") return null;
    throw error;
  }
}

describe("the frames of replication", () => {
  it("come back as they were, records without a copy", () => {
    fc.assert(
      fc.property(reportFrames, (frame) => {
        expect(decodeReportFrame(encodeReportFrame(frame))).to.deep.equal(frame);
      }),
    );
    fc.assert(
      fc.property(fc.array(data), (items) => {
        const bytes = Buffer.concat(encodeDataFrame(items));
        const back = decodeDataFrame(bytes).items;
        expect(back).to.deep.equal(items.map((item) => ({ ...item, records: Buffer.concat(item.records) })));
        for (const { records } of back) if (records.length > 0) expect(records.buffer).to.equal(bytes.buffer);
      }),
    );
  });

  it("carry their records where they lie", () => {
    const pieces = [Buffer.from("one"), Buffer.from("two")];
    const frame = encodeDataFrame([{ ...anItem(), records: pieces }]);
    expect(frame.slice(1)).to.deep.equal(pieces);
    expect(frame[1]).to.equal(pieces[0]);
  });

  it("are small while nothing happens: a report of one partition fits in 32 bytes", () => {
    const report = {
      slot: 7,
      topicId: "",
      partition: 0,
      leaderEpoch: 12,
      generation: 3,
      asks: false,
      readFrom: 0,
      epochBefore: 0,
      appendedTo: 1_000_000,
      isSynced: true,
      durableLogStart: 900_000,
      isSuspect: false,
    };
    const bytes = encodeReportFrame({ brokerEpoch: 4711, creditBytes: 0, reports: [report], removed: [] });
    expect(bytes.length).to.be.at.most(32);
  });

  it("are refused, whatever bytes come, and never half read", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        decoded(decodeReportFrame, Buffer.from(bytes));
        decoded(decodeDataFrame, Buffer.from(bytes));
      }),
      { numRuns: 2000 },
    );
    fc.assert(
      fc.property(fc.array(data, { minLength: 1 }), fc.nat(), fc.nat(255), (items, at, byte) => {
        const bytes = Buffer.concat(encodeDataFrame(items));
        expect(decoded(decodeDataFrame, bytes.subarray(0, at % bytes.length))).to.equal(null);
        expect(decoded(decodeDataFrame, Buffer.concat([bytes, Buffer.from([byte])]))).to.equal(null);
        bytes[at % bytes.length] = byte;
        decoded(decodeDataFrame, bytes);
      }),
    );
  });
});

function anItem(): Omit<OutgoingData, "records"> {
  return {
    slot: 1,
    leaderEpoch: 1,
    generation: 1,
    errorCode: 0,
    askedFrom: 0,
    diverging: null,
    highWatermark: 0,
    logStartOffset: 0,
    logEndOffset: 0,
  };
}
