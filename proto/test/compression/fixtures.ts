/** What the tests of this folder share: payloads of several kinds, and one assertion about coded errors. */
import { expect } from "chai";
import fc from "fast-check";

import { type ErrorName, ProtoError } from "../../src/errors.ts";

/** The text behind every golden frame of this folder. */
export const TIDE_TEXT: Buffer = Buffer.from("the tide comes in, the tide goes out; ".repeat(8));

export const LIMIT_BYTES = 64 * 1024 * 1024;

/** Payloads as batches carry them: text that repeats, noise, runs, and mixtures; some cross several 64 KiB blocks. */
export const payloads: fc.Arbitrary<Buffer> = fc
  .array(
    fc.oneof(
      fc
        .tuple(fc.string({ minLength: 1, maxLength: 40 }), fc.nat(4000))
        .map(([word, times]) => Buffer.from(word.repeat(times))),
      fc.uint8Array({ maxLength: 2000 }).map((bytes) => Buffer.from(bytes)),
      fc.tuple(fc.nat(255), fc.nat(200_000)).map(([byte, count]) => Buffer.alloc(count, byte)),
      fc.tuple(fc.integer(), fc.nat(100_000)).map(([seed, count]) => noise(seed, count)),
    ),
    { maxLength: 4 },
  )
  .map((parts) => Buffer.concat(parts));

/** Bytes that do not compress, from a seed. */
export function noise(seed: number, count: number): Buffer {
  const bytes = Buffer.allocUnsafe(count);
  let state = seed | 1;
  for (let i = 0; i < count; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** Runs `task` and returns what it throws, which has to be a ProtoError of one of `codes`. */
export function expectProtoError(task: () => unknown, ...codes: ErrorName[]): ProtoError {
  try {
    task();
  } catch (error: unknown) {
    expect(error).to.be.instanceOf(ProtoError);
    if (error instanceof ProtoError) {
      expect(error.code).to.be.oneOf(codes);
      return error;
    }
  }
  throw new Error(`expected a ProtoError of ${codes.join(" or ")}`);
}
