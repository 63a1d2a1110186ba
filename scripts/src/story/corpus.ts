/**
 * The lines of the story: every text file under a folder, and files made here for what real ones rarely have (no last
 * LF, CR, empty lines, half-megabyte lines, bytes that are no UTF-8, nothing at all).
 *
 * A file is text when it holds no NUL byte. The rule of a line is restated here on its own (what stands before an LF; a
 * last line without LF counts), so that the command line's splitter is judged by something else than itself.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const LF = 0x0a;
const HALF_MEGABYTE = 512 * 1024;

export interface TextFile {
  readonly path: string;
  readonly bytes: number;
  readonly lines: number;
}

/** The files of one partition, in the order they go in, and what must come out. */
export interface PartitionText {
  readonly partition: number;
  readonly files: readonly TextFile[];
  readonly lines: number;
  /** With an LF behind every line. */
  readonly bytes: number;
  /** SHA-256 of all lines, each with its LF. */
  readonly sha256: string;
}

/** Writes the edge files into `folder`; they come first, so that a short story has them too. */
export function writeEdgeFiles(folder: string): string[] {
  mkdirSync(folder, { recursive: true });
  const files: Readonly<Record<string, Buffer>> = {
    "empty.txt": Buffer.alloc(0),
    "no-last-lf.txt": Buffer.from("first\nlast without LF"),
    "one-byte.txt": Buffer.from("x"),
    "only-lf.txt": Buffer.from("\n"),
    "empty-lines.txt": Buffer.from("\n\n\nmiddle\n\n\n"),
    "crlf.txt": Buffer.from("dos\r\nlines\r\n\r\n"),
    "lone-cr.txt": Buffer.from("mac\rlines\rare one\n\r\r\n\r"),
    "not-utf8.txt": Buffer.from([0xff, 0xfe, LF, 0xe4, 0xf6, 0xfc, LF, 0x80, LF, 0xc3]),
    "bom.txt": Buffer.from("\ufeffwith a byte order mark\n"),
    "half-megabyte.txt": Buffer.concat([line("a", HALF_MEGABYTE), line("b", HALF_MEGABYTE), Buffer.from("short\n")]),
    "half-megabyte-no-lf.txt": line("c", HALF_MEGABYTE).subarray(0, -1),
    "chunk-borders.txt": Buffer.concat([65_535, 65_536, 65_537, 262_143, 262_144].map((size) => line("d", size))),
  };
  return Object.entries(files).map(([name, bytes]) => {
    const path = join(folder, name);
    writeFileSync(path, bytes);
    return path;
  });
}

/** Text files under `root`, by name; symbolic links are not followed. Stops when `linesMax` lines are reached. */
export function collectText(edgeFiles: readonly string[], root: string, linesMax: number): TextFile[] {
  const files: TextFile[] = [];
  let lines = 0;
  for (const path of [...edgeFiles, ...filesUnder(root)]) {
    if (lines >= linesMax) break;
    const bytes = readFileSync(path);
    if (bytes.includes(0)) continue;
    const count = countLines(bytes);
    files.push({ path, bytes: bytes.length, lines: count });
    lines += count;
  }
  return files;
}

/** Deals the files out to the partitions in turn. */
export function dealOut(files: readonly TextFile[], partitionsCount: number): PartitionText[] {
  return Array.from({ length: partitionsCount }, (_, partition) => {
    const own = files.filter((_file, slot) => slot % partitionsCount === partition);
    const hash = createHash("sha256");
    let bytes = 0;
    for (const file of own) {
      const text = withLastLf(readFileSync(file.path));
      hash.update(text);
      bytes += text.length;
    }
    const lines = own.reduce((sum, file) => sum + file.lines, 0);
    return { partition, files: own, lines, bytes, sha256: hash.digest("hex") };
  });
}

/** The file as it comes out of `consume -o raw`: an LF behind every line, the last one too. */
export function withLastLf(text: Buffer): Buffer {
  return text.length === 0 || text.at(-1) === LF ? text : Buffer.concat([text, Buffer.of(LF)]);
}

/** The lines of a file as bytes, without their LF. */
export function* linesOf(text: Buffer): Generator<Buffer> {
  let at = 0;
  while (at < text.length) {
    const end = text.indexOf(LF, at);
    yield end < 0 ? text.subarray(at) : text.subarray(at, end);
    if (end < 0) return;
    at = end + 1;
  }
}

function countLines(text: Buffer): number {
  let count = 0;
  for (const _ of linesOf(text)) count += 1;
  return count;
}

function* filesUnder(folder: string): Generator<string> {
  const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesUnder(path);
    else if (entry.isFile()) yield path;
  }
}

function line(letter: string, bytes: number): Buffer {
  return Buffer.concat([Buffer.alloc(bytes, letter), Buffer.of(LF)]);
}
