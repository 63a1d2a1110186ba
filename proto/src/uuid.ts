/** Topic ids and directory ids: 16 bytes on the wire, 22 characters of base64url (RFC 4648 section 5, no padding) in text. */
import { ProtoError } from "./errors.ts";

export const UUID_BYTES = 16;
export const UUID_CHARACTERS = 22;

/** The last of the 22 characters carries two bits only; four of them are canonical. */
const CANONICAL = /^[A-Za-z0-9_-]{21}[AQgw]$/u;

/** Text of 16 bytes. Throws ProtoError INVALID_REQUEST for any other length. */
export function uuidToText(bytes: Uint8Array): string {
  if (bytes.length !== UUID_BYTES)
    throw new ProtoError("INVALID_REQUEST", `a UUID has ${UUID_BYTES} bytes, not ${bytes.length}`);
  return Buffer.from(bytes.buffer, bytes.byteOffset, UUID_BYTES).toString("base64url");
}

/** The 16 bytes of a text. Throws ProtoError INVALID_REQUEST for anything that uuidToText would not have written. */
export function uuidFromText(text: string): Buffer {
  if (!CANONICAL.test(text)) {
    throw new ProtoError(
      "INVALID_REQUEST",
      `not a UUID of ${UUID_CHARACTERS} base64url characters: ${JSON.stringify(text.slice(0, 40))}`,
    );
  }
  return Buffer.from(text, "base64url");
}
