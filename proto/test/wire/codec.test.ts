import { expect } from "chai";
import fc from "fast-check";
import {
  Acks,
  type FetchedPartition,
  MAX_ELEMENTS,
  type MessageCodec,
  type ProduceRequest,
  ProtoError,
  wire,
} from "../../src/index.ts";
import { messages, pairs } from "./descriptors.ts";

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");

/** Decodes, and returns null for a refusal; any other exception fails the test. */
function decoded<T>(codec: MessageCodec<T>, bytes: Buffer): T | null {
  try {
    return codec.decode(bytes);
  } catch (error: unknown) {
    if (error instanceof ProtoError && error.code === "INVALID_REQUEST") return null;
    throw error;
  }
}

const request: ProduceRequest = {
  correlationId: 300,
  acks: Acks.ALL,
  timeoutMs: 0,
  inParts: false,
  partitions: [{ topic: "t", partition: 1, topicId: Buffer.alloc(0), records: Buffer.from("abc"), expectedEnd: null }],
};

const partition: FetchedPartition = {
  subscriptionId: 7,
  errorCode: -1,
  errorMessage: "",
  fetchOffset: 2 ** 40,
  highWatermark: 5,
  lastStableOffset: 5,
  logStartOffset: 0,
  leaderEpoch: 3,
  leader: { leaderId: 0, leaderEpoch: 3, host: "", port: 0 },
  records: Buffer.alloc(300, 9),
};

describe("the wire codec", () => {
  it("writes plain protobuf, to the byte", () => {
    // 1: varint 300; 2: varint 3; 4: message of 10 bytes { 1: "t", 2: varint 1, 4: "abc" }.
    expect(wire.produceRequest.encode(request).toString("hex")).to.equal("08ac021003220a0a0174100122" + "03616263");
  });

  it("writes a negative int32 in ten bytes and a negative sint32 in one", () => {
    const bytes = wire.partitionMetadata.encode({
      partition: 0,
      errorCode: -1,
      leaderId: -1,
      leaderEpoch: 0,
      replicas: [],
      isr: [],
    });
    expect(bytes.toString("hex")).to.equal("10ffffffffffffffffff011801");
  });

  it("hands out payloads as views of the message", () => {
    const bytes = wire.produceRequest.encode(request);
    const records = wire.produceRequest.decode(bytes).partitions[0]?.records;
    expect(records?.buffer).to.equal(bytes.buffer);
    expect(records?.toString()).to.equal("abc");
  });

  it("refuses to write a number that its field cannot hold", () => {
    for (const correlationId of [-1, 1.5, 2 ** 53, Number.NaN]) {
      expect(() => wire.produceRequest.encode({ ...request, correlationId })).to.throw(RangeError, "uint64");
    }
    expect(() => wire.produceRequest.encode({ ...request, timeoutMs: 2 ** 32 })).to.throw(RangeError, "uint32");
    expect(() => wire.produceRequest.encode({ ...request, acks: 2 ** 31 })).to.throw(RangeError, "int32");
  });

  describe("reading", () => {
    it("takes fields in any order, and the last value of a repeated singular field", () => {
      const bytes = hex("10 01  08 05  08 ac02  10 03");
      expect(decoded(wire.produceRequest, bytes)).to.deep.include({ correlationId: 300, acks: 3 });
    });

    it("takes scalars packed, unpacked and mixed", () => {
      expect(decoded(wire.fetchRequest, hex("12 03 01 ac02  10 07  12 00  12 01 08"))?.unsubscribe).to.deep.equal([
        1, 300, 7, 8,
      ]);
    });

    it("passes over unknown fields and unexpected wire types of every kind", () => {
      const unknown = hex("78 ff01  7d 01020304  79 0102030405060708  7a 02 ffff");
      expect(decoded(wire.produceRequest, Buffer.concat([unknown, hex("08 05")]))?.correlationId).to.equal(5);
      const misfit = hex("0a 01 ff  0d 01020304  09 0102030405060708  20 07  08 05");
      expect(decoded(wire.produceRequest, misfit)).to.deep.include({ correlationId: 5, partitions: [] });
    });

    it("refuses truncated varints, field numbers 0 and beyond 2^29, group and unassigned wire types", () => {
      for (const bad of [
        "08",
        "08 80",
        "88",
        "00",
        "05",
        "0b",
        "0c",
        "7b",
        "7c",
        "0e",
        "0f",
        "8880808010 05",
        "08 ffffffffffffffffffff01",
      ]) {
        expect(decoded(wire.produceRequest, hex(bad)), bad).to.equal(null);
      }
    });

    it("refuses lengths beyond the buffer, and beyond the message they lie in", () => {
      for (const bad of [
        "22 05",
        "22 ffffffff0f",
        "22 80808080808080808001",
        "22 02 0a 02",
        "22 03 0a 02 41 41",
        "7a 01",
        "7d 010203",
        "79 01",
      ]) {
        expect(decoded(wire.produceRequest, hex(bad)), bad).to.equal(null);
      }
      expect(decoded(wire.fetchRequest, hex("12 05 01")), "packed").to.equal(null);
      expect(decoded(wire.fetchRequest, hex("12 01 80 01")), "packed varint across its end").to.equal(null);
    });

    it("refuses 64-bit numbers beyond 2^53", () => {
      expect(decoded(wire.produceRequest, hex("08 ffffffffffffff0f"))?.correlationId).to.equal(Number.MAX_SAFE_INTEGER);
      expect(decoded(wire.produceRequest, hex("08 8080808080808010"))).to.equal(null);
      expect(decoded(wire.produceRequest, hex("08 ffffffffffffffffff01"))).to.equal(null);
    });

    it("bounds the elements of a message, nested and packed ones together", () => {
      const packed = (count: number): Buffer => {
        const bytes = Buffer.alloc(count + 4);
        bytes.set([0x12, (count & 0x7f) | 0x80, ((count >> 7) & 0x7f) | 0x80, count >> 14]);
        return bytes;
      };
      expect(decoded(wire.fetchRequest, packed(MAX_ELEMENTS))?.unsubscribe.length).to.equal(MAX_ELEMENTS);
      expect(decoded(wire.fetchRequest, packed(MAX_ELEMENTS + 1))).to.equal(null);
      const empties = Buffer.alloc(2 * (MAX_ELEMENTS + 1));
      for (let at = 0; at < empties.length; at += 2) empties[at] = 0x22;
      expect(decoded(wire.produceRequest, empties)).to.equal(null);
    });

    it("ends in a message or in INVALID_REQUEST for every cut and damage of every message", () => {
      const damage = fc.array(fc.record({ at: fc.nat(), byte: fc.nat(255) }), { maxLength: 5 });
      for (const { name, ours } of pairs()) {
        fc.assert(
          fc.property(messages(name), damage, fc.option(fc.nat()), (message, changes, cut) => {
            const good = ours.encode(message);
            const bytes = good.subarray(0, cut === null ? good.length : cut % (good.length + 1));
            for (const { at, byte } of changes) if (bytes.length > 0) bytes.writeUInt8(byte, at % bytes.length);
            decoded(ours, bytes);
          }),
          { numRuns: 200 },
        );
      }
    });

    it("ends in a message or in INVALID_REQUEST for any bytes", () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 200 }), (garbage) => {
          for (const { ours } of pairs()) decoded(ours, Buffer.from(garbage));
        }),
        { numRuns: 300 },
      );
    });
  });

  describe("fetchResponse.reserve", () => {
    it("makes the same bytes as encode, with room for the records inside", () => {
      fc.assert(
        fc.property(messages("FetchedPartition"), (any) => {
          const whole = any as FetchedPartition;
          const reserved = wire.fetchResponse.reserve(whole, whole.records.length);
          reserved.records.set(whole.records);
          expect(reserved.message).to.deep.equal(wire.fetchResponse.encode({ partitions: [whole] }));
        }),
        {
          examples: [
            [partition],
            [{ ...partition, records: Buffer.alloc(0) }],
            [{ ...partition, records: Buffer.alloc(70_000, 1) }],
          ],
        },
      );
    });

    it("gives a room of exactly the asked size, a view of the message", () => {
      const reserved = wire.fetchResponse.reserve(partition, 12_345);
      expect(reserved.records.length).to.equal(12_345);
      expect(reserved.records.buffer).to.equal(reserved.message.buffer);
    });
  });
});
