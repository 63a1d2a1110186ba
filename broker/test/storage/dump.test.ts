import { expect } from "chai";
import { ProtoError } from "@tidemark/proto";
import { dumpFile, dumpSegment } from "../../src/tools.ts";
import { append, DATA, makeBatch, StorageMachine } from "./support/storage-machine.ts";

const P = `${DATA}/t-0/00000000000000000000`;

describe("dump", () => {
  async function stopped(): Promise<StorageMachine> {
    const machine = new StorageMachine();
    const { directory, log } = await machine.fresh({ segmentBytes: 100_000 });
    for (let i = 0; i < 12; i += 1)
      append(log, makeBatch({ records: 2, producerId: 6, baseSequence: 2 * i, timestamps: [500 + i, 400] }));
    await machine.run(directory.close(1));
    return machine;
  }

  it("shows every batch with its place, and its records when asked", async () => {
    const machine = await stopped();
    const seen = [...dumpSegment(machine.disk, `${P}.log`)];
    expect(seen).to.have.length(12);
    let position = 0;
    for (const [slot, entry] of seen.entries()) {
      if (entry.kind !== "batch") throw new Error("a batch is bad");
      expect([entry.position, entry.header.baseOffset, entry.header.baseSequence]).to.deep.equal([
        position,
        2 * slot,
        2 * slot,
      ]);
      expect(entry.records().map(({ offset, timestamp }) => [offset, timestamp])).to.deep.equal([
        [2 * slot, 500 + slot],
        [2 * slot + 1, 400],
      ]);
      position += entry.header.sizeBytes;
    }
  });

  it("ends at the first thing that is no good batch, and says what is wrong", async () => {
    const machine = await stopped();
    const bytes = machine.bytes(`${P}.log`);
    const size = bytes.length / 12;
    for (const [reason, damage] of [
      ["crc", () => bytes.writeUInt8(1, 3 * size + 70)],
      ["magic", () => bytes.writeUInt8(1, 3 * size + 16)],
      ["short", () => bytes.writeInt32BE(size * 20, 3 * size + 8)],
      ["size", () => bytes.writeInt32BE(5, 3 * size + 8)],
    ] as const) {
      machine.put(`${P}.log`, (damage(), bytes));
      const seen = [...dumpSegment(machine.disk, `${P}.log`)];
      expect(seen).to.have.length(4);
      if (reason === "crc" || reason === "magic") {
        expect(seen.at(-1)).to.deep.equal({ kind: "bad", position: 3 * size, reason, bytesLeft: 9 * size });
      } else expect(seen.at(-1)).to.include({ kind: "bad", position: 3 * size });
    }
    machine.put(`${P}.log`, bytes.subarray(0, 2 * size + 30));
    expect([...dumpSegment(machine.disk, `${P}.log`)].at(-1)).to.deep.equal({
      kind: "bad",
      position: 2 * size,
      reason: "short",
      bytesLeft: 30,
    });
    expect(machine.medium.openFilesCount).to.equal(0);
  });

  it("shows indexes and producer snapshots", async () => {
    const machine = await stopped();
    const index = dumpFile(machine.disk, `${P}.index`);
    expect(index.kind).to.equal("offset-index");
    expect(index.entries).to.have.length.greaterThan(1);
    const times = dumpFile(machine.disk, `${P}.timeindex`);
    expect(times.entries.at(-1)).to.deep.equal({ timestamp: 511, offset: 23 });
    const snapshot = dumpFile(machine.disk, `${DATA}/t-0/00000000000000000024.snapshot`);
    expect(snapshot.entries).to.deep.equal([
      {
        producerId: 6,
        producerEpoch: 0,
        lastSequence: 23,
        lastOffset: 23,
        offsetDelta: 1,
        lastTimestamp: 511,
        coordinatorEpoch: -1,
        currentTxnFirstOffset: -1,
      },
    ]);
    expect(() => dumpFile(machine.disk, `${DATA}/t-0/partition.metadata`)).to.throw(ProtoError);
    machine.put(`${P}.index`, "abc");
    expect(() => dumpFile(machine.disk, `${P}.index`)).to.throw(ProtoError, "not whole");
  });
});
