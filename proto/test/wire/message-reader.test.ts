/** Messages out of chunks: however the bytes are cut, the same messages come out; what breaks the framing is refused. */
import { expect } from "chai";
import fc from "fast-check";
import { CHUNK_OBJECT_BYTES, MessageReader, type MessageSlabs } from "../../src/index.ts";
import { keptBytes } from "../support/garbage.ts";

/** Fresh memory each time. */
class Slabs implements MessageSlabs {
  take(bytes: number): Buffer {
    return Buffer.allocUnsafeSlow(bytes + 100);
  }
}

function framed(message: Uint8Array, compressed = 0): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt8(compressed, 0);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** Cuts a stream into frames of these sizes, in turn, with 9 bytes of header before each, and lays them into reads as a socket does. */
function* inReads(stream: Buffer, frameSizes: readonly number[], readBytes: number): Generator<Buffer[]> {
  const wire: { bytes: Buffer; isData: boolean }[] = [];
  for (let at = 0, turn = 0; at < stream.length; turn++) {
    const size = frameSizes[turn % frameSizes.length] ?? 1;
    wire.push({ bytes: Buffer.alloc(9), isData: false }, { bytes: stream.subarray(at, at + size), isData: true });
    at += size;
  }
  while (wire.length > 0) {
    const read = Buffer.allocUnsafeSlow(readBytes);
    const chunks: Buffer[] = [];
    for (let at = 0; at < readBytes; ) {
      const next = wire.shift();
      if (next === undefined) break;
      const length = next.bytes.copy(read, at);
      if (next.isData) chunks.push(read.subarray(at, at + length));
      if (length < next.bytes.length) wire.unshift({ bytes: next.bytes.subarray(length), isData: next.isData });
      at += length;
    }
    yield chunks;
  }
}

describe("MessageReader", () => {
  it("finds the same messages however the bytes are cut", () => {
    const messages = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 });
    const cuts = fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(messages, cuts, (sent, sizes) => {
        const slabs = new Slabs();
        const received: string[] = [];
        const reader = new MessageReader({
          maxBytes: 1_000,
          slabs,
          onMessage: (message) => void received.push(message.toString("hex")),
        });
        const stream = Buffer.concat(sent.map((message) => framed(message)));
        for (let at = 0, turn = 0; at < stream.length; turn++) {
          const size = sizes[turn % sizes.length] ?? 1;
          reader.push(Buffer.from(stream.subarray(at, at + size)));
          at += size;
        }
        expect(received).to.deep.equal(sent.map((message) => Buffer.from(message).toString("hex")));
        expect(reader.isInside).to.equal(false);
      }),
    );
  });

  it("finds the same messages whatever share of a read is theirs", () => {
    const messages = fc.array(fc.uint8Array({ maxLength: 4_000, size: "max" }), { maxLength: 6 });
    const frames = fc.array(fc.integer({ min: 1, max: 1_500 }), { minLength: 1, maxLength: 10 });
    fc.assert(
      fc.property(messages, frames, fc.integer({ min: 10, max: 6_000 }), (sent, frameSizes, readBytes) => {
        const received: string[] = [];
        const onMessage = (message: Buffer): void => void received.push(message.toString("hex"));
        const reader = new MessageReader({ maxBytes: 10_000, slabs: new Slabs(), onMessage });
        const stream = Buffer.concat(sent.map((message) => framed(message)));
        for (const chunks of inReads(stream, frameSizes, readBytes))
          for (const chunk of chunks) {
            reader.push(chunk);
            expect(reader.unfinishedBytes > 0).to.equal(reader.isInside);
          }
        expect(received).to.deep.equal(sent.map((message) => Buffer.from(message).toString("hex")));
        expect(reader.isInside).to.equal(false);
      }),
    );
  });

  it("leaves frames where they were read when most of the read is one message's", () => {
    const [messagesCount, messageBytes] = [64, 64 * 1024];
    const stream = Buffer.concat(Array.from({ length: messagesCount }, () => framed(Buffer.alloc(messageBytes))));
    // Every byte names its read. A read that is over is overwritten: who looks at it sees that, who has a copy does not.
    const overwritten = 255;
    let readNumber = 0;
    const bytes = { fromLastRead: 0, seenOverwritten: 0, copied: 0 };
    const onMessage = (message: Buffer): void => {
      for (const byte of message) {
        if (byte === readNumber) bytes.fromLastRead++;
        else if (byte === overwritten) bytes.seenOverwritten++;
        else bytes.copied++;
      }
    };
    const reader = new MessageReader({ maxBytes: messageBytes, slabs: new Slabs(), onMessage });
    let streamAt = 0;
    const markAs = (chunk: Buffer, mark: number, from: number): void => {
      for (let i = 0; i < chunk.length; i++) if ((from + i) % (messageBytes + 5) >= 5) chunk[i] = mark;
    };
    let last: { chunk: Buffer; from: number }[] = [];
    for (const chunks of inReads(stream, [16 * 1024], 64 * 1024)) {
      readNumber++;
      const placed = chunks.map((chunk) => {
        const from = streamAt;
        streamAt += chunk.length;
        markAs(chunk, readNumber, from);
        return { chunk, from };
      });
      for (const [i, { chunk }] of placed.entries()) {
        reader.push(chunk);
        if (i === 0) for (const { chunk: over, from } of last) markAs(over, overwritten, from);
      }
      last = placed;
    }
    expect(bytes.fromLastRead + bytes.seenOverwritten + bytes.copied).to.equal(messagesCount * messageBytes);
    expect(bytes.seenOverwritten).to.be.above(bytes.fromLastRead / 2);
    expect(bytes.copied / (messagesCount * messageBytes)).to.be.below(0.05);
  });

  it("counts a read as kept while more of its message may come from it, and what is kept of it behind that", () => {
    const reader = new MessageReader({ maxBytes: 1_000_000, slabs: new Slabs(), onMessage: () => undefined });
    const [readBytes, objectBytes] = [64 * 1024, CHUNK_OBJECT_BYTES];
    const first = Buffer.alloc(readBytes);
    framed(Buffer.alloc(1_000_000)).copy(first);
    reader.push(first.subarray(0, 100));
    expect(reader.unfinishedBytes).to.equal(readBytes + objectBytes);
    reader.push(first.subarray(200, 300));
    expect(reader.unfinishedBytes).to.equal(readBytes + 2 * objectBytes);
    reader.push(Buffer.alloc(readBytes).subarray(0, 50));
    // Two pieces are one copy now.
    expect(reader.unfinishedBytes).to.equal(200 + readBytes + 2 * objectBytes);
    reader.drop();
    expect(reader.unfinishedBytes).to.equal(0);
  });

  it("copies nothing when a message lies in one chunk", () => {
    const chunk = framed(Buffer.from("whole"));
    let seen: Buffer | null = null;
    new MessageReader({ maxBytes: 100, slabs: new Slabs(), onMessage: (message) => (seen = message) }).push(chunk);
    expect(seen).to.have.property("buffer", chunk.buffer);
  });

  it("refuses a message above its bound by the prefix alone, before anything of it is kept", () => {
    const reader = new MessageReader({ maxBytes: 100, slabs: new Slabs(), onMessage: () => undefined });
    const prefix = Buffer.from([0, 0xff, 0xff, 0xff, 0xff]);
    expect(() => reader.push(prefix))
      .to.throw(/4294967295 bytes/)
      .with.property("code", "MESSAGE_TOO_LARGE");
  });

  it("refuses a compressed message", () => {
    const reader = new MessageReader({ maxBytes: 100, slabs: new Slabs(), onMessage: () => undefined });
    expect(() => reader.push(framed(Buffer.from("x"), 1)))
      .to.throw(/compressed/)
      .with.property("code", "UNSUPPORTED_VERSION");
  });

  it("takes no memory on the word of a length", () => {
    const slabs = new Slabs();
    let taken = 0;
    const counting = { take: (bytes: number) => ((taken += bytes), slabs.take(bytes)) };
    const reader = new MessageReader({
      maxBytes: 40 * 1024 * 1024,
      slabs: counting,
      onMessage: () => undefined,
    });
    reader.push(Buffer.from([0, 0x02, 0x00, 0x00, 0x00, 1, 2, 3]));
    expect(taken).to.equal(0);
  });

  it("keeps nothing of a read but the piece that is its own", async () => {
    const bytes = framed(Buffer.from(Array.from({ length: 3_000_000 }, (_, i) => i % 256)));
    let received: Buffer = Buffer.alloc(0);
    const onMessage = (message: Buffer): void => void (received = Buffer.from(message));
    const reader = new MessageReader({ maxBytes: bytes.length, slabs: new Slabs(), onMessage });
    const before = await keptBytes();
    // The last byte comes when the others were looked at.
    const last = bytes.length - 1;
    for (let at = 0; at < last; at += 1_100) {
      const read = Buffer.allocUnsafeSlow(64 * 1024);
      const length = bytes.copy(read, 100, at, Math.min(at + 1_100, last));
      reader.push(read.subarray(100, 100 + length));
      expect(reader.unfinishedBytes).to.be.below(4_000_000);
    }
    // 2,728 reads are 170 MiB.
    expect((await keptBytes()) - before).to.be.below(16 * 1024 * 1024);
    reader.push(bytes.subarray(last));
    expect(received.equals(bytes.subarray(5))).to.equal(true);
  });

  it("keeps no object for every byte of a message that comes byte by byte", async () => {
    const bytes = framed(Buffer.alloc(1_000_000));
    let received = 0;
    const onMessage = (message: Buffer): void => void (received = message.length);
    const reader = new MessageReader({ maxBytes: bytes.length, slabs: new Slabs(), onMessage });
    const before = await keptBytes();
    for (let at = 0; at < bytes.length - 1; at++) reader.push(bytes.subarray(at, at + 1));
    // A view takes about 100 bytes.
    expect((await keptBytes()) - before).to.be.below(16 * 1024 * 1024);
    reader.push(bytes.subarray(-1));
    expect(received).to.equal(1_000_000);
  });
});
