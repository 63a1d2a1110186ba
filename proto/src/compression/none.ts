/** The codec of batches that are not compressed: hands the bytes on as they are. */
import { tooLarge } from "./faults.ts";
import type { Codec } from "./codec.ts";

export const noneCodec: Codec = {
  name: "none",
  compress: view,
  decompress(bytes, maxBytes) {
    if (bytes.length > maxBytes) throw tooLarge("none", maxBytes);
    return view(bytes);
  },
};

/** The same memory as a Buffer. */
function view(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
