/** The two ways in which compressed bytes are refused; every codec says them in the same words. */
import { ProtoError } from "../errors.ts";
import type { CodecName } from "./codec.ts";

/** The bytes are not what the codec's format allows. */
export function malformed(codec: CodecName, what: string): ProtoError {
  return new ProtoError("CORRUPT_MESSAGE", `malformed ${codec} data: ${what}`);
}

/** The bytes would inflate beyond what the caller allows (security 2, "inflate"). */
export function tooLarge(codec: CodecName, maxBytes: number): ProtoError {
  return new ProtoError("INVALID_RECORD", `${codec} data inflates to more than ${maxBytes} bytes`);
}
