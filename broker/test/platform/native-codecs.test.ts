/** The native parts and the JavaScript ones are two implementations of one thing: each reads the other, both judge alike. */
import {
  type Codec,
  crc32c,
  crc32cJs,
  lz4Codec,
  lz4UncompressedBound,
  ProtoError,
  snappyCodec,
  snappyUncompressedBound,
  zstdCodec,
  zstdUncompressedBound,
} from "@tidemark/proto";
import { expect } from "chai";
import fc from "fast-check";

import {
  createNativeCodecs,
  type LoadModule,
  probeNativeParts,
  registerNativeCrc32c,
} from "../../src/platform/native-codecs.ts";
import { SeededRandom } from "../../src/base/index.ts";

const MAX_BYTES = 1 << 20;
const loadNothing: LoadModule = (specifier) => {
  throw new Error(`no binary of ${specifier} for this platform`);
};

/** Text that repeats, noise and runs, up to several 64 KiB blocks. */
const payloads = fc
  .array(
    fc.oneof(
      fc
        .tuple(fc.string({ minLength: 1, maxLength: 40 }), fc.nat(3000))
        .map(([word, times]) => Buffer.from(word.repeat(times))),
      fc.tuple(fc.nat(255), fc.nat(150_000)).map(([byte, count]) => Buffer.alloc(count, byte)),
      fc.tuple(fc.nat(), fc.nat(100_000)).map(([seed, count]) => new SeededRandom(seed).bytes(Buffer.alloc(count))),
    ),
    { maxLength: 3 },
  )
  .map((parts) => Buffer.concat(parts));

function nativeCodec(name: string): Codec | undefined {
  return createNativeCodecs().find((codec) => codec.name === name);
}

/** The output, or the error code. Anything else that is thrown fails the test. */
function verdict(codec: Codec, bytes: Uint8Array): Buffer | string {
  try {
    return codec.decompress(bytes, MAX_BYTES);
  } catch (error: unknown) {
    if (error instanceof ProtoError) return error.code;
    throw error;
  }
}

describe("native codecs", () => {
  it("are all there on the platforms that have prebuilt binaries", () => {
    expect(probeNativeParts().filter((part) => !part.isNative)).to.deep.equal([]);
    expect(probeNativeParts().map((part) => part.name)).to.deep.equal(["crc32c", "snappy", "lz4", "zstd"]);
  });

  it("load nothing before they are used", () => {
    const loaded: string[] = [];
    const [snappy] = createNativeCodecs((specifier) => {
      loaded.push(specifier);
      return loadNothing(specifier);
    });
    expect(loaded).to.deep.equal([]);
    snappy?.compress(Buffer.from("tide"));
    snappy?.compress(Buffer.from("tide"));
    expect(loaded).to.deep.equal(["snappy"]);
  });

  it("leave the work to JavaScript where they do not load, and say why", () => {
    for (const codec of createNativeCodecs(loadNothing).filter(({ name }) => name !== "zstd")) {
      const bytes = Buffer.from("the tide comes in ".repeat(100));
      expect(codec.decompress(codec.compress(bytes), MAX_BYTES).equals(bytes)).to.equal(true);
    }
    for (const part of probeNativeParts(loadNothing).filter(({ package: name }) => name !== "node:zlib")) {
      expect(part.isNative).to.equal(false);
      expect(part.reason).to.match(/^no binary of /);
    }
  });

  for (const javascript of [snappyCodec, lz4Codec]) {
    const { name } = javascript;

    it(`${name}: each reads what the other wrote`, () => {
      const native = nativeCodec(name);
      if (native === undefined) throw new Error(`no native ${name}`);
      fc.assert(
        fc.property(payloads, (bytes) => {
          expect(javascript.decompress(native.compress(bytes), bytes.length).equals(bytes)).to.equal(true);
          expect(native.decompress(javascript.compress(bytes), bytes.length).equals(bytes)).to.equal(true);
          expect(native.decompress(native.compress(bytes), bytes.length).equals(bytes)).to.equal(true);
        }),
        { numRuns: 80 },
      );
    });

    it(`${name}: both give the same verdict on damaged frames`, () => {
      const native = nativeCodec(name);
      if (native === undefined) throw new Error(`no native ${name}`);
      const sources = [Buffer.from("the tide comes in, the tide goes out; ".repeat(30)), Buffer.alloc(70_000, 1)];
      const frames = sources.flatMap((bytes) => [native.compress(bytes), javascript.compress(bytes)]);
      const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 });
      fc.assert(
        fc.property(fc.constantFrom(...frames), damage, fc.nat(40), (frame, changes, cut) => {
          const bytes = Buffer.from(frame.subarray(0, cut < 30 ? frame.length : frame.length - cut));
          for (const [at, value] of changes) bytes[at % bytes.length] = value;
          const expected = verdict(javascript, bytes);
          const actual = verdict(native, bytes);
          if (typeof expected === "string" || typeof actual === "string") expect(actual).to.equal(expected);
          else expect(actual.equals(expected)).to.equal(true);
        }),
        { numRuns: 1500 },
      );
    });
  }

  it("zstd: gives back what it was given, and stops within its bound", () => {
    const native = nativeCodec("zstd") ?? zstdCodec;
    fc.assert(
      fc.property(payloads, (bytes) => {
        const frame = native.compress(bytes);
        expect(zstdUncompressedBound(frame, bytes.length)).to.equal(bytes.length);
        expect(native.decompress(frame, bytes.length).equals(bytes)).to.equal(true);
        expect(native.decompress(Buffer.concat([frame, frame]), 2 * bytes.length).length).to.equal(2 * bytes.length);
      }),
      { numRuns: 60 },
    );
  });

  it("zstd: ends in a coded error whatever the bytes", () => {
    const native = nativeCodec("zstd") ?? zstdCodec;
    const frame = native.compress(Buffer.from("the tide comes in, the tide goes out; ".repeat(30)));
    for (let bit = 0; bit < frame.length * 8; bit++) {
      const damaged = Buffer.from(frame);
      damaged[bit >>> 3] = (damaged[bit >>> 3] ?? 0) ^ (1 << (bit & 7));
      verdict(native, damaged);
    }
    for (let end = 0; end < frame.length; end++)
      expect(verdict(native, frame.subarray(0, end))).to.equal("CORRUPT_MESSAGE");
    expect(verdict(native, Buffer.concat([frame, Buffer.from("tail")]))).to.equal("CORRUPT_MESSAGE");
  });

  it("refuse bombs before the native decoder runs", () => {
    const zstdRun = Buffer.from([3, 0, 16, 0]); // the last block: 128 KiB of one zero byte
    const middle = Buffer.from(zstdRun);
    middle[0] = 2;
    const bombs = new Map<string, Buffer>([
      ["snappy", Buffer.from("ffffffff0f00", "hex")],
      ["lz4", lz4Codec.compress(Buffer.alloc(MAX_BYTES + 1))],
      [
        "zstd",
        Buffer.concat([Buffer.from("28b52ffd0058", "hex"), ...Array.from({ length: 2047 }, () => middle), zstdRun]),
      ],
    ]);
    for (const codec of createNativeCodecs()) {
      const bomb = bombs.get(codec.name) ?? Buffer.alloc(0);
      expect(verdict(codec, bomb)).to.equal("INVALID_RECORD");
      // The same through a module that would note any call of its decoder.
      const [watched] = createNativeCodecs(
        () => new Proxy({}, { get: () => () => expect.fail("the decoder ran") }),
      ).filter(({ name }) => name === codec.name);
      if (watched !== undefined) expect(verdict(watched, bomb)).to.equal("INVALID_RECORD");
    }
  });

  it("bound from the headers what is then written, never less", () => {
    const bounds = new Map([
      ["snappy", snappyUncompressedBound],
      ["lz4", lz4UncompressedBound],
      ["zstd", zstdUncompressedBound],
    ]);
    fc.assert(
      fc.property(payloads, (bytes) => {
        for (const codec of createNativeCodecs()) {
          const bound = bounds.get(codec.name);
          expect(bound?.(codec.compress(bytes), Infinity)).to.be.at.least(bytes.length);
        }
      }),
      { numRuns: 30 },
    );
  });
});

describe("native CRC-32C", () => {
  it("agrees with the JavaScript one on random spans", () => {
    const arena = new SeededRandom(7).bytes(Buffer.alloc(300_000));
    const spans: [from: number, to: number][] = [];
    const random = new SeededRandom(8);
    for (let i = 0; i < 300; i++) {
      const from = random.below(arena.length);
      spans.push([
        from,
        random.chance(0.5) ? Math.min(arena.length, from + random.below(300)) : random.between(from, arena.length),
      ]);
    }
    // Spans below about 100 bytes are not handed to a native implementation, so both lengths are among these.
    const expected = spans.map(([from, to]) => bitwiseCrc32c(arena, from, to));
    expect(spans.map(([from, to]) => crc32cJs(arena, from, to))).to.deep.equal(expected);
    expect(registerNativeCrc32c().isNative).to.equal(true);
    expect(spans.map(([from, to]) => crc32c(arena, from, to))).to.deep.equal(expected);
  });

  it("is not put in place when it computes wrongly or does not load", () => {
    expect(registerNativeCrc32c(() => ({ crc32c: () => 1 })).reason).to.equal("it computes wrong checksums");
    expect(registerNativeCrc32c(loadNothing).isNative).to.equal(false);
    expect(crc32c(Buffer.from("123456789".repeat(100)))).to.equal(
      bitwiseCrc32c(Buffer.from("123456789".repeat(100)), 0, 900),
    );
  });
});

/** CRC-32C by its definition (RFC 3720, reflected polynomial 82F63B78), with no table: slow and plain. */
function bitwiseCrc32c(bytes: Uint8Array, from: number, to: number): number {
  let crc = -1;
  for (let i = from; i < to; i++) {
    crc ^= bytes[i] ?? 0;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (0x82f63b78 & -(crc & 1));
  }
  return ~crc >>> 0;
}
