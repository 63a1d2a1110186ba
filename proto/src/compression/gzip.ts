/**
 * gzip (RFC 1952) on node:zlib. The format states no size in front, so the bound is the decoder's own: zlib stops as
 * soon as the output passes `maxOutputLength`. Members may follow one another; anything else after a member is refused.
 */
import * as zlib from "node:zlib";

import { malformed, tooLarge } from "./faults.ts";
import type { Codec } from "./codec.ts";

/** What node:zlib returns with `info: true`; its types know only the plain Buffer. */
interface InflatedWithInfo {
  readonly buffer: Buffer;
  /** `bytesWritten` is what the decoder consumed of its input. */
  readonly engine: { readonly bytesWritten: number };
}

export const gzipCodec: Codec = {
  name: "gzip",
  compress: (bytes) => zlib.gzipSync(bytes),
  decompress(bytes, maxBytes) {
    const inflated = inflate(bytes, maxBytes);
    if (inflated.buffer.length > maxBytes) throw tooLarge("gzip", maxBytes);
    // zlib takes zero bytes behind the last member for padding and stops there.
    const consumed = inflated.engine.bytesWritten;
    if (consumed !== bytes.length) throw malformed("gzip", `${bytes.length - consumed} bytes follow the last member`);
    return inflated.buffer;
  },
};

function inflate(bytes: Uint8Array, maxBytes: number): InflatedWithInfo {
  try {
    // node:zlib refuses a limit of 0; the caller checks the true one.
    const options = { maxOutputLength: Math.max(1, maxBytes), info: true };
    return zlib.gunzipSync(bytes, options) as unknown as InflatedWithInfo;
  } catch (error: unknown) {
    if (error instanceof RangeError) throw tooLarge("gzip", maxBytes);
    throw malformed("gzip", error instanceof Error ? error.message : "undecodable");
  }
}
