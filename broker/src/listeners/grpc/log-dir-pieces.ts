/**
 * The answer to DescribeLogDirs, piece by piece: a directory may hold thousands of replicas, and they stand in a message of their own, which
 * has its length in front.
 */
import { errorCode } from "@tidemark/proto";
import type { AdminCalls, LogDir } from "@tidemark/proto";
import type { LogDirDescription } from "../../api/index.ts";

type Encode = (piece: Partial<AdminCalls["describeLogDirs"]["response"]>) => Buffer;

const NOTHING = Buffer.alloc(0);
/** Field 2 of DescribeLogDirsResponse, with a length. */
const LOG_DIR_TAG = Buffer.from([(2 << 3) | 2]);

/** Each directory comes whole, behind as many empty pieces as there was to do for it. */
export function* logDirPieces(dirs: readonly LogDirDescription[], encode: Encode): Generator<Buffer> {
  for (const { path, code, message: errorMessage, totalBytes, freeBytes, replicas } of dirs) {
    const dir = { path, errorCode: errorCode(code), errorMessage, totalBytes, freeBytes };
    const within = [contentOf(encode({ dirs: [dir as LogDir] }))];
    for (const replica of replicas) {
      within.push(contentOf(encode({ dirs: [{ replicas: [{ ...replica, lag: 0 }] } as unknown as LogDir] })));
      yield NOTHING;
    }
    const sizeBytes = within.reduce((sum, { length }) => sum + length, 0);
    yield Buffer.concat([LOG_DIR_TAG, varintOf(sizeBytes), ...within]);
  }
}

/** Of the one message that `bytes` holds, behind a tag of one byte. */
function contentOf(bytes: Buffer): Buffer {
  const lengthEnd = bytes.findIndex((byte, at) => at > 0 && byte < 0x80);
  return bytes.subarray(lengthEnd + 1);
}

function varintOf(value: number): Buffer {
  const bytes: number[] = [];
  for (let left = value; ; left = Math.floor(left / 128)) {
    bytes.push(left < 128 ? left : (left % 128) + 128);
    if (left < 128) return Buffer.from(bytes);
  }
}
