import { expect } from "chai";
import fc from "fast-check";
import { decodeProducerSnapshot, encodeProducerSnapshot, sequenceBefore } from "../../src/storage/producer-snapshot.ts";
import { ProducerState } from "../../src/storage/producer-state.ts";

const mark = (producerId: number, baseSequence: number, records = 1, producerEpoch = 0) => ({
  producerId,
  producerEpoch,
  baseSequence,
  isTransactional: false,
  isControl: false,
  lastOffsetDelta: records - 1,
  maxTimestamp: 77,
});

describe("producer state", () => {
  it("remembers the last five batches of an epoch", () => {
    const state = new ProducerState();
    for (let batch = 0; batch < 7; batch += 1) {
      state.update(mark(9, batch * 2, 2), 100 + batch * 2, 0);
      expect(state.get(9)?.olderInLog, `after ${batch + 1}`).to.equal(batch >= 5);
    }
    const entry = state.get(9);
    expect(entry?.batches.map(({ firstSequence }) => firstSequence)).to.deep.equal([4, 6, 8, 10, 12]);
    expect(entry?.lastSequence).to.equal(13);
    expect(entry?.lastOffset).to.equal(113);
    state.update(mark(9, 0, 1, 1), 114, 0);
    expect(state.get(9)?.batches).to.have.length(1);
    expect(state.get(9)?.olderInLog).to.equal(false);
  });

  it("lets sequences wrap behind 2^31 - 1", () => {
    const state = new ProducerState();
    state.update(mark(9, 2 ** 31 - 2, 4), 0, 0);
    expect(state.get(9)?.lastSequence).to.equal(1);
    expect(sequenceBefore(1, 3)).to.equal(2 ** 31 - 2);
  });

  it("forgets producers by their last write, not by their records' timestamps (P15)", () => {
    const state = new ProducerState();
    state.update(mark(1, 0), 0, 1000);
    state.update(mark(2, 0), 1, 5000);
    state.expire(2000);
    expect(state.get(1)).to.equal(undefined);
    expect(state.get(2)).to.not.equal(undefined);
  });
});

describe("producer snapshot", () => {
  it("has Kafka's bytes", () => {
    const state = new ProducerState();
    state.update({ ...mark(4000, 10, 5, 3), maxTimestamp: 1_700_000_000_123 }, 200, 0);
    const bytes = encodeProducerSnapshot(state);
    expect(bytes.subarray(0, 2).toString("hex")).to.equal("0001");
    expect(bytes.subarray(6).toString("hex")).to.equal(
      "00000001" +
        "0000000000000fa0" +
        "0003" +
        "0000000e" +
        "00000000000000cc" +
        "00000004" +
        "0000018bcfe5687b" +
        "ffffffff" +
        "ffffffffffffffff",
    );
    expect(bytes).to.have.length(10 + 46);
  });

  it("brings back the last batch, and says that older ones may lie in the log", () => {
    const state = new ProducerState();
    state.update(mark(5, 0, 3), 10, 0);
    state.update(mark(5, 3, 2), 13, 0);
    const loaded = decodeProducerSnapshot(encodeProducerSnapshot(state), 50)?.get(5);
    expect(loaded?.olderInLog).to.equal(true);
    expect(loaded?.batches).to.deep.equal([
      { firstSequence: 3, lastSequence: 4, baseOffset: 13, lastOffset: 14, timestamp: 77 },
    ]);
    expect(loaded?.writtenAtMs).to.equal(50);
  });

  it("refuses every single flipped bit and every shortened file", () => {
    const state = new ProducerState();
    state.update(mark(5, 0, 3), 10, 0);
    const bytes = encodeProducerSnapshot(state);
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const damaged = Buffer.from(bytes);
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(decodeProducerSnapshot(damaged, 0), `bit ${bit}`).to.equal(null);
    }
    for (let length = 0; length < bytes.length; length += 1) {
      expect(decodeProducerSnapshot(bytes.subarray(0, length), 0)).to.equal(null);
    }
  });

  it("ends in a value whatever the bytes are", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        decodeProducerSnapshot(Buffer.from(bytes), 0);
      }),
    );
  });
});
