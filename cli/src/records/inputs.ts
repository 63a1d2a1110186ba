/**
 * Where `produce` reads from: standard input or files, one after the other. All files are looked at before the first
 * record is sent, so a misspelt name costs nothing.
 */
import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";
import { requireFile } from "../platform/text-file.ts";

const READ_CHUNK_BYTES = 256 * 1024;

export interface Input {
  /** As typed, for messages; standard input is `-`. */
  readonly name: string;
  /** Null when it cannot be known, as with a pipe. */
  readonly sizeBytes: number | null;
  open(): Readable;
}

/** @throws CliFailure FILE_NOT_FOUND, or EISDIR for a directory */
export function findInputs(paths: readonly string[], stdin: Readable): Input[] {
  return paths.map((path) => (path === "-" ? { name: "-", sizeBytes: null, open: () => stdin } : fileInput(path)));
}

/** Null as soon as one size is unknown. */
export function totalBytesOf(inputs: readonly Input[]): number | null {
  let total = 0;
  for (const input of inputs) {
    if (input.sizeBytes === null) return null;
    total += input.sizeBytes;
  }
  return total;
}

function fileInput(path: string): Input {
  const stat = requireFile(path);
  return {
    name: path,
    sizeBytes: stat.isFile() ? stat.size : null,
    open: () => createReadStream(path, { highWaterMark: READ_CHUNK_BYTES }),
  };
}
