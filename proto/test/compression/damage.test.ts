/**
 * Whatever bytes come: a codec answers with an output within the limit or with a coded error, never with a RangeError, a
 * TypeError, an endless loop or bytes of another buffer.
 */
import { expect } from "chai";
import fc from "fast-check";

import { CODEC_NAMES, codecByName, type CodecName } from "../../src/compression/index.ts";
import { ProtoError } from "../../src/errors.ts";
import { noise, TIDE_TEXT } from "./fixtures.ts";

const MAX_BYTES = 1 << 20;
const samples = [
  TIDE_TEXT,
  Buffer.concat([noise(5, 70_000), TIDE_TEXT, Buffer.alloc(70_000)]),
  Buffer.from("x"),
  Buffer.alloc(0),
];

function survives(name: CodecName, bytes: Buffer): void {
  try {
    expect(codecByName(name).decompress(bytes, MAX_BYTES).length).to.be.at.most(MAX_BYTES);
  } catch (error: unknown) {
    if (!(error instanceof ProtoError)) throw error;
    expect(error.code).to.be.oneOf(["CORRUPT_MESSAGE", "INVALID_RECORD", "UNSUPPORTED_COMPRESSION_TYPE"]);
  }
}

function framesOf(name: CodecName): Buffer[] {
  try {
    return samples.map((sample) => codecByName(name).compress(sample));
  } catch (error: unknown) {
    if (error instanceof ProtoError && error.code === "UNSUPPORTED_COMPRESSION_TYPE") return [];
    throw error;
  }
}

for (const name of CODEC_NAMES.filter((codec) => codec !== "none")) {
  describe(`${name}, damaged`, () => {
    const frames = framesOf(name);

    it("survives every single flipped bit of a small frame", () => {
      const [frame = Buffer.alloc(0)] = frames;
      for (let bit = 0; bit < frame.length * 8; bit++) {
        const damaged = Buffer.from(frame);
        damaged[bit >>> 3] = (damaged[bit >>> 3] ?? 0) ^ (1 << (bit & 7));
        survives(name, damaged);
      }
    });

    it("survives bytes replaced, cut off and put in between", () => {
      const frame = frames.length === 0 ? fc.constant(Buffer.alloc(8)) : fc.constantFrom(...frames);
      const edit = fc.record({ at: fc.nat(), remove: fc.nat(20), insert: fc.uint8Array({ maxLength: 12 }) });
      fc.assert(
        fc.property(frame, fc.array(edit, { minLength: 1, maxLength: 6 }), (whole, edits) => {
          let bytes = whole;
          for (const { at, remove, insert } of edits) {
            const place = at % (bytes.length + 1);
            bytes = Buffer.concat([bytes.subarray(0, place), insert, bytes.subarray(place + remove)]);
          }
          survives(name, bytes);
        }),
        { numRuns: 1500 },
      );
    });

    it("survives noise, with and without the magic in front", () => {
      const magics = {
        gzip: "1f8b0800",
        snappy: "82534e41505059000000000100000001",
        lz4: "04224d18604082",
        zstd: "28b52ffd0058",
      };
      const magic = fc.constantFrom("", magics[name]);
      fc.assert(
        fc.property(magic, fc.uint8Array({ maxLength: 300 }), (front, bytes) => {
          survives(name, Buffer.concat([Buffer.from(front, "hex"), bytes]));
        }),
        { numRuns: 1500 },
      );
    });

    it("takes an input that is a view into a larger buffer for what it is", () => {
      for (const [i, frame] of frames.entries()) {
        const arena = Buffer.concat([noise(9, 33), frame, noise(10, 31)]);
        const view = new Uint8Array(arena.buffer, arena.byteOffset + 33, frame.length);
        expect(
          codecByName(name)
            .decompress(view, MAX_BYTES)
            .equals(samples[i] ?? Buffer.alloc(1)),
        ).to.equal(true);
      }
    });
  });
}
