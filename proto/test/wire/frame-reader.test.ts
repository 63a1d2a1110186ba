/** Frames out of bytes: however they are cut and wherever they are read to, the same frames come out; lengths are judged first. */
import { expect } from "chai";
import fc from "fast-check";
import { FrameReader, type OnFrame, peerFrameHead } from "../../src/index.ts";

/** Dirty memory of which it keeps count. */
class Slabs {
  takenBytes = 0;
  readonly out = new Set<Buffer>();

  take(bytes: number): Buffer {
    const slab = Buffer.alloc(bytes + 7, 0xee);
    this.takenBytes += slab.length;
    this.out.add(slab);
    return slab;
  }

  give(slab: Buffer): void {
    expect(this.out.delete(slab), "a slab that was taken, and is given back once").to.equal(true);
    slab.fill(0xdd);
  }
}

const MAX_BYTES = 8 * 1024 * 1024;

function readerOf(slabs: Slabs, onFrame: OnFrame): FrameReader {
  return new FrameReader({ maxBytes: MAX_BYTES, slabs, onFrame });
}

function frame(kind: number, payload: Buffer): Buffer {
  return Buffer.concat([peerFrameHead(kind, payload.length), payload]);
}

/** As a socket does that reads to `room`: what there is, and never more than fits. */
function readInto(reader: FrameReader, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) {
    const room = reader.room();
    if (room.length === 0) throw new Error("no room");
    const read = bytes.copy(room, 0, at);
    at += read;
    reader.filled(read);
  }
}

function pattern(length: number, seed: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + seed) & 0xff;
  return bytes;
}

describe("FrameReader", () => {
  const lengths = fc.array(
    fc.oneof(
      fc.integer({ min: 0, max: 40 }),
      fc.integer({ min: 16_370, max: 16_400 }),
      fc.integer({ min: 0, max: 60_000 }),
    ),
    { maxLength: 8 },
  );
  const cuts = fc.array(fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 70_000 })), {
    minLength: 1,
    maxLength: 20,
  });

  for (const way of ["read to where they stay", "read elsewhere"] as const)
    it(`finds the same frames however the bytes are cut, ${way}`, () => {
      fc.assert(
        fc.property(lengths, cuts, fc.boolean(), (sizes, pieces, givesBack) => {
          const slabs = new Slabs();
          const sent = sizes.map((length, i) => pattern(length, i));
          const received: { kind: number; payload: Buffer }[] = [];
          const kept: Buffer[] = [];
          const reader = readerOf(slabs, (kind, payload, slab) => {
            received.push({ kind, payload: Buffer.from(payload) });
            if (slab !== null && givesBack) slabs.give(slab);
            else kept.push(payload);
          });
          const stream = Buffer.concat(sent.map((payload, i) => frame(i + 1, payload)));
          for (let at = 0, turn = 0; at < stream.length; turn++) {
            const piece = stream.subarray(at, at + (pieces[turn % pieces.length] ?? 1));
            if (way === "read elsewhere") reader.push(piece);
            else readInto(reader, piece);
            at += piece.length;
          }
          expect(received.length).to.equal(sent.length);
          for (const [i, { kind, payload }] of received.entries()) {
            expect(kind).to.equal(i + 1);
            expect(payload.equals(sent[i] as Buffer), `frame ${i} of ${sizes.join()}`).to.equal(true);
          }
          // What is kept is not written to again.
          if (!givesBack)
            for (const [i, payload] of kept.entries()) expect(payload.equals(sent[i] as Buffer)).to.equal(true);
          expect(reader.framesCount).to.equal(sent.length);
          expect(reader.isInside).to.equal(false);
          expect(reader.unfinishedBytes).to.equal(0);
        }),
        { numRuns: 60 },
      );
    });

  it("puts together a frame beyond any slab, and lets none of its memory lie about", () => {
    const slabs = new Slabs();
    const payload = pattern(5_000_000, 3);
    let received: Buffer | null = null;
    const reader = readerOf(slabs, (_, whole) => (received = whole));
    readInto(reader, frame(3, payload));
    expect((received as Buffer | null)?.equals(payload)).to.equal(true);
    expect(slabs.out.size).to.equal(1);
  });

  it("reads the rest of a large frame straight to where it stays", () => {
    const slabs = new Slabs();
    const payload = pattern(1_000_000, 1);
    let memory: Buffer | null = null;
    const reader = readerOf(slabs, (_, whole, slab) => {
      memory = slab;
      expect(whole.buffer).to.equal(slab?.buffer);
    });
    const bytes = frame(3, payload);
    readInto(reader, bytes.subarray(0, 100));
    const [slab] = slabs.out;
    expect(reader.room().buffer).to.equal(slab?.buffer);
    readInto(reader, bytes.subarray(100));
    expect(memory).to.equal(slab);
  });

  it("refuses a length before it takes anything for it", () => {
    for (const length of [MAX_BYTES + 1, 2 ** 31, 2 ** 32 - 2]) {
      const slabs = new Slabs();
      const reader = readerOf(slabs, () => expect.fail("a frame"));
      const head = peerFrameHead(3, length);
      reader.push(head.subarray(0, 4));
      expect(() => reader.push(head.subarray(4)), String(length)).to.throw("are taken");
      expect(slabs.takenBytes).to.equal(0);
    }
  });

  it("takes memory as bytes arrive, not on the word of a length", () => {
    const slabs = new Slabs();
    const reader = readerOf(slabs, () => expect.fail("a frame"));
    reader.push(peerFrameHead(3, MAX_BYTES));
    reader.push(Buffer.alloc(1_000));
    expect(slabs.takenBytes).to.be.below(1.5 * 1024 * 1024);
    reader.push(Buffer.alloc(2_000_000));
    expect(reader.unfinishedBytes).to.be.below(3 * 1024 * 1024);
    expect(reader.isInside).to.equal(true);
  });

  it("takes larger frames from then on when it is told so by the first", () => {
    const received: number[] = [];
    const reader = new FrameReader({
      maxBytes: 10,
      slabs: new Slabs(),
      onFrame: (_, { length }) => {
        received.push(length);
        reader.maxBytes = 100_000;
      },
    });
    reader.push(Buffer.concat([frame(1, Buffer.alloc(10)), frame(3, Buffer.alloc(50_000))]));
    expect(received).to.deep.equal([10, 50_000]);
  });

  it("hands out nothing after it was dropped, also from inside", () => {
    const received: number[] = [];
    const slabs = new Slabs();
    const reader = readerOf(slabs, (kind) => {
      received.push(kind);
      reader.drop();
    });
    reader.push(Buffer.concat([frame(1, Buffer.alloc(10)), frame(2, Buffer.alloc(50_000)), frame(3, Buffer.alloc(5))]));
    reader.push(frame(4, Buffer.alloc(10)));
    expect(received).to.deep.equal([1]);
    expect([reader.isInside, reader.unfinishedBytes]).to.deep.equal([false, 0]);
  });
});
