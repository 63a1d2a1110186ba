/** Where a reader stands: against a log of random batches with gaps, read from anywhere to anywhere. */
import { patchBatch, RecordBatchBuilder } from "@tidemark/proto";
import { expect } from "chai";
import fc from "fast-check";
import { ReadBuffer } from "../../src/core/read-buffer.ts";
import { ReadPosition } from "../../src/core/read-position.ts";

/** A batch of `count` records from `baseOffset` on; record values are their offsets. */
function batchAt(baseOffset: number, count: number): Buffer {
  const builder = new RecordBatchBuilder();
  for (let index = 0; index < count; index += 1)
    builder.append(1_000 + baseOffset + index, null, String(baseOffset + index));
  const batch = builder.build();
  patchBatch(batch, 0, baseOffset, 3);
  return batch;
}

/** Batches with gaps of offsets between them, as compaction leaves them. */
const logs = fc
  .array(fc.record({ gap: fc.nat(3), count: fc.integer({ min: 1, max: 5 }) }), { maxLength: 12 })
  .map((shape) => {
    let next = 0;
    return shape.map(({ gap, count }) => {
      const base = next + gap;
      next = base + count;
      return { base, count, batch: batchAt(base, count) };
    });
  });

describe("read position", () => {
  it("hands out exactly the records between its bounds, in order, however the log is cut into answers", () => {
    fc.assert(
      fc.property(logs, fc.nat(40), fc.nat(50), fc.integer({ min: 1, max: 4 }), (log, from, to, perAnswer) => {
        const end = log.reduce((_, { base, count }) => base + count, 0);
        fc.pre(from <= end);
        const position = new ReadPosition({
          partition: 0,
          from,
          to,
          untilTimestamp: Number.POSITIVE_INFINITY,
          follow: false,
        });
        const buffer = new ReadBuffer<string>(Number.MAX_SAFE_INTEGER);
        const read: number[] = [];
        for (let answers = 0; !position.isDone && answers < 50; answers += 1) {
          const chunks = log.filter(({ base, count }) => base + count > position.fetchOffset).slice(0, perAnswer);
          const records = Buffer.concat(chunks.map(({ batch }) => batch));
          const taken = position.onFetched({ fetchOffset: position.fetchOffset, visibleEnd: end, records });
          expect(taken?.bytes).to.equal(records.length);
          if (records.length > 0) buffer.push({ source: "broker", position, records, recordsCount: 0, leaderEpoch: 3 });
          while (buffer.next()) read.push(buffer.cursor.offset);
        }
        const all = log.flatMap(({ base, count }) => Array.from({ length: count }, (_, index) => base + index));
        expect(read).to.deep.equal(all.filter((offset) => offset >= from && offset < Math.min(to, end)));
        expect(position.isDone).to.equal(true);
      }),
      { numRuns: 300 },
    );
  });

  it("takes nothing that was read at another place", () => {
    const position = new ReadPosition({
      partition: 0,
      from: 5,
      to: 9,
      untilTimestamp: Number.POSITIVE_INFINITY,
      follow: true,
    });
    expect(position.onFetched({ fetchOffset: 4, visibleEnd: 10, records: batchAt(4, 3) })).to.equal(null);
    expect(position.fetchOffset).to.equal(5);
  });

  it("takes the batches before bytes that are none, that have a wrong sum, or do not go forward", () => {
    const batch = batchAt(0, 3);
    const flipped = Buffer.from(batch);
    flipped[70] = (flipped[70] ?? 0) ^ 1;
    const bad = [batch.subarray(0, 40), batch.subarray(0, batch.length - 1), flipped, Buffer.alloc(100)];
    for (const rest of [...bad, batch]) {
      const position = new ReadPosition({
        partition: 0,
        from: 0,
        to: 9,
        untilTimestamp: Number.POSITIVE_INFINITY,
        follow: true,
      });
      const records = Buffer.concat([batch, rest]);
      const taken = position.onFetched({ fetchOffset: 0, visibleEnd: 10, records });
      expect(taken).to.deep.equal({ bytes: batch.length, recordsCount: 3 });
      expect(position.fetchOffset).to.equal(3);
      if (rest === batch) continue;
      expect(position.onFetched({ fetchOffset: 3, visibleEnd: 10, records: rest })).to.include({ bytes: 0 });
    }
  });

  it("ends at the first record of its time, when it follows", () => {
    const position = new ReadPosition({
      partition: 0,
      from: 0,
      to: Number.POSITIVE_INFINITY,
      untilTimestamp: 1_004,
      follow: true,
    });
    const buffer = new ReadBuffer<string>(Number.MAX_SAFE_INTEGER);
    const records = batchAt(0, 8);
    position.onFetched({ fetchOffset: 0, visibleEnd: 8, records });
    buffer.push({ source: "broker", position, records, recordsCount: 8, leaderEpoch: 0 });
    const read: number[] = [];
    while (buffer.next()) read.push(buffer.cursor.offset);
    expect(read).to.deep.equal([0, 1, 2, 3]);
    expect(position.isDone).to.equal(true);
  });

  it("gives the bytes of a chunk back when it is used up, and stops at its limit", () => {
    const position = new ReadPosition({
      partition: 0,
      from: 0,
      to: 99,
      untilTimestamp: Number.POSITIVE_INFINITY,
      follow: true,
    });
    const buffer = new ReadBuffer<string>(4);
    for (const records of [batchAt(0, 3), batchAt(3, 3)]) {
      position.onFetched({ fetchOffset: position.fetchOffset, visibleEnd: 6, records });
      buffer.push({ source: "broker", position, records, recordsCount: 3, leaderEpoch: 0 });
    }
    for (let record = 0; record < 3; record += 1) expect(buffer.next()).to.equal(true);
    expect(buffer.takeFreed()).to.deep.equal([]);
    expect(buffer.next()).to.equal(true);
    expect(buffer.takeFreed()).to.deep.equal([{ source: "broker", bytes: batchAt(0, 3).length }]);
    expect(buffer.next()).to.equal(false);
    expect(buffer.isExhausted).to.equal(true);
  });
});
