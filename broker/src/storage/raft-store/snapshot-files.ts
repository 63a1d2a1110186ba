/**
 * Snapshots of the metadata: `raft-I-T.snapshot` in the data directory, I = index in 20 digits, T = term (semantics 2.2,
 * 10.2). Big-endian:
 *
 *     magic u32 | version u16 = 1 | index u64 | term u64 | size u64 | crc u32 (CRC-32C of the content)
 *     voters (entry-codec.ts) | crc u32 (of the header so far) | content
 *
 * Written as `.part`, fsynced, renamed, directory fsynced: a file with the final name is whole. One that arrives from a
 * leader grows piece by piece as `.part`, and does not outlive the process. The newest by index is the one that counts:
 * snapshots hold committed state only, so that a higher index contains a lower one.
 */
import { crc32c } from "@tidemark/proto";
import { assert, ByteReader, ByteWriter } from "../../base/index.ts";
import type { File } from "../../ports/index.ts";
import { isSameSnapshot, type LogIndex, type Snapshot } from "../../raft/index.ts";
import { offsetName } from "../directory-names.ts";
import { readFully, readWholeFile, removeFile, syncDirectory, syncPath, writeFully } from "../file-io.ts";
import { type SafeWriteHost, synced } from "../safe-write.ts";
import { readVoters, writeVoters } from "./entry-codec.ts";

export type SnapshotPoint = Pick<Snapshot, "index" | "term" | "voters">;

export interface LoadedSnapshot {
  readonly snapshot: Snapshot;
  readonly bytes: Uint8Array;
}

const MAGIC = 0x544d5253; // "TMRS"
const VERSION = 1;
const PART_SUFFIX = ".part";
const NAME = /^raft-(\d{20})-(\d{1,16})\.snapshot$/u;

/** The snapshot that arrives. */
interface Part {
  readonly snapshot: Snapshot;
  readonly file: File;
  readonly headerBytes: number;
  position: number;
}

export class SnapshotFiles {
  readonly #host: SafeWriteHost;
  readonly #directory: string;
  #part: Part | null = null;

  constructor(host: SafeWriteHost, directory: string) {
    this.#host = host;
    this.#directory = directory;
  }

  /** The name of the newest; null = there is none. Throws DiskFault. */
  newestName(): string | null {
    return this.#names().at(-1) ?? null;
  }

  /** Null when the file is not what was written. Throws DiskFault. */
  load(name: string): LoadedSnapshot | null {
    const file = readWholeFile(this.#host.disk, `${this.#directory}/${name}`);
    const loaded = file === null ? null : decodeSnapshotFile(file);
    return loaded !== null && nameOf(loaded.snapshot) === name ? loaded : null;
  }

  /** Is it there as it was written? Throws DiskFault. */
  isWhole(snapshot: Snapshot): boolean {
    const loaded = this.load(nameOf(snapshot));
    return loaded !== null && isSameSnapshot(loaded.snapshot, snapshot);
  }

  /** A snapshot of one's own, safe when it resolves. Rejects with DiskFault; then nothing is left of it. */
  async write(point: SnapshotPoint, bytes: Uint8Array): Promise<Snapshot> {
    const snapshot = { ...point, sizeBytes: bytes.byteLength, crc: crc32c(bytes) };
    const { disk } = this.#host;
    const partPath = this.#partPath(snapshot);
    // Never into the file that a failed write left (3.4(3)).
    removeFile(disk, partPath);
    try {
      const file = disk.open(partPath, "create");
      try {
        const header = encodeHeader(snapshot);
        await writeFully(file, header, 0);
        await writeFully(file, bytes, header.length);
      } finally {
        file.closeSync();
      }
      await synced(this.#host, syncPath(disk, partPath));
      await this.#publish(snapshot);
    } catch (error: unknown) {
      removeFile(disk, partPath);
      throw error;
    }
    return snapshot;
  }

  /** A piece of one that arrives: position 0 begins anew, the others follow without a gap. Unsynced. Rejects with DiskFault. */
  async append(snapshot: Snapshot, position: number, bytes: Uint8Array): Promise<void> {
    if (position === 0) await this.#beginPart(snapshot);
    const part = this.#part;
    assert(part !== null && isSameSnapshot(part.snapshot, snapshot), "a piece of another snapshot");
    assert(part.position === position, "a piece with a gap before it");
    await writeFully(part.file, bytes, part.headerBytes + position);
    part.position += bytes.byteLength;
  }

  /**
   * What has arrived whole becomes the newest, safe when it resolves with its content. Null: the bytes are not those of
   * the description, and nothing has changed but that the part is gone. Rejects with DiskFault.
   */
  async install(snapshot: Snapshot): Promise<Uint8Array | null> {
    const part = this.#part;
    assert(part !== null && isSameSnapshot(part.snapshot, snapshot), "a snapshot is installed that did not arrive");
    assert(part.position === snapshot.sizeBytes, "a snapshot is installed that did not arrive whole");
    this.#closePart();
    const path = this.#partPath(snapshot);
    await synced(this.#host, syncPath(this.#host.disk, path));
    const file = readWholeFile(this.#host.disk, path);
    const loaded = file === null ? null : decodeSnapshotFile(file);
    if (loaded === null) {
      removeFile(this.#host.disk, path);
      return null;
    }
    await this.#publish(snapshot);
    return loaded.bytes;
  }

  /** At most `bytesMax` of the content from `position` on; null when the file is not there. Rejects with DiskFault. */
  async readPiece(snapshot: Snapshot, position: number, bytesMax: number): Promise<Uint8Array | null> {
    const path = `${this.#directory}/${nameOf(snapshot)}`;
    const { disk } = this.#host;
    if (disk.sizeOf(path) === null) return null;
    const file = disk.open(path, "read");
    try {
      const bytes = new Uint8Array(Math.max(0, Math.min(bytesMax, snapshot.sizeBytes - position)));
      const read = bytes.length === 0 ? 0 : await readFully(file, bytes, encodeHeader(snapshot).length + position);
      return bytes.subarray(0, read);
    } finally {
      file.closeSync();
    }
  }

  /** Those that a newer one stands in for. Throws DiskFault. */
  removeBelow(index: LogIndex): void {
    for (const name of this.#names()) {
      if (indexOfName(name) < index) removeFile(this.#host.disk, `${this.#directory}/${name}`);
    }
  }

  /** What was under way in an earlier life. Throws DiskFault. */
  removeParts(): void {
    for (const name of this.#host.disk.list(this.#directory)) {
      const isPart = name.endsWith(PART_SUFFIX) && NAME.test(name.slice(0, -PART_SUFFIX.length));
      if (isPart) removeFile(this.#host.disk, `${this.#directory}/${name}`);
    }
  }

  removeAll(): void {
    this.removeParts();
    this.removeBelow(Number.POSITIVE_INFINITY);
  }

  close(): void {
    if (this.#part !== null) this.#closePart();
  }

  async #beginPart(snapshot: Snapshot): Promise<void> {
    if (this.#part !== null) {
      const path = this.#partPath(this.#part.snapshot);
      this.#closePart();
      removeFile(this.#host.disk, path);
    }
    const path = this.#partPath(snapshot);
    removeFile(this.#host.disk, path);
    const header = encodeHeader(snapshot);
    const file = this.#host.disk.open(path, "create");
    this.#part = { snapshot, file, headerBytes: header.length, position: 0 };
    await writeFully(file, header, 0);
  }

  #closePart(): void {
    this.#part?.file.closeSync();
    this.#part = null;
  }

  async #publish(snapshot: Snapshot): Promise<void> {
    const { disk } = this.#host;
    disk.rename(this.#partPath(snapshot), `${this.#directory}/${nameOf(snapshot)}`);
    await synced(this.#host, syncDirectory(disk, this.#directory));
  }

  #partPath(snapshot: Snapshot): string {
    return `${this.#directory}/${nameOf(snapshot)}${PART_SUFFIX}`;
  }

  /** Ascending by index. */
  #names(): string[] {
    const names = this.#host.disk.list(this.#directory).filter((name) => NAME.test(name));
    return names.sort((left, right) => indexOfName(left) - indexOfName(right));
  }
}

function nameOf({ index, term }: Pick<Snapshot, "index" | "term">): string {
  return `raft-${offsetName(index)}-${term}.snapshot`;
}

function indexOfName(name: string): LogIndex {
  return Number(NAME.exec(name)?.[1]);
}

function encodeHeader({ index, term, voters, sizeBytes, crc }: Snapshot): Uint8Array {
  const writer = new ByteWriter().u32(MAGIC).u16(VERSION).u64(index).u64(term).u64(sizeBytes).u32(crc);
  writeVoters(writer, voters);
  return writer.u32(crc32c(writer.written)).finish();
}

/** Null when header or content is not what was written. */
function decodeSnapshotFile(file: Uint8Array): LoadedSnapshot | null {
  try {
    const reader = new ByteReader(file);
    if (reader.u32() !== MAGIC || reader.u16() !== VERSION) return null;
    const index = reader.u64();
    const term = reader.u64();
    const sizeBytes = reader.u64();
    const crc = reader.u32();
    const voters = readVoters(reader);
    if (crc32c(file, 0, reader.position) !== reader.u32()) return null;
    const bytes = reader.bytes(reader.left);
    if (bytes.length !== sizeBytes || crc32c(bytes) !== crc) return null;
    return { snapshot: { index, term, voters, sizeBytes, crc }, bytes };
  } catch (error: unknown) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}
