/**
 * The real file system, on raw descriptors: `fs.writevSync` and `fs.readSync` on the event loop, `fs.read`, `fs.writev` and
 * `fs.fdatasync` with callbacks off it. No FileHandle: its promises cost five times as much.
 *
 * One descriptor per open file and one more for the length of a directory sync; how many files are open at a time is the
 * log's business. New files get mode 0600, new directories 0700.
 *
 * Operations under way are counted. A descriptor closed under one would hand it to the next file that gets the number, so
 * `closeSync` asserts that there is none (semantics 3.6).
 */
import fs from "node:fs";
import { assert } from "../base/index.ts";
import { DiskFault } from "../ports/index.ts";
import type { Disk, DiskFaultKind, File, OpenMode } from "../ports/index.ts";
import { SyncRoom, syncsAtATime } from "./threads.ts";

const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;

const OPEN_FLAGS: Readonly<Record<OpenMode, number>> = {
  read: fs.constants.O_RDONLY,
  write: fs.constants.O_RDWR,
  create: fs.constants.O_RDWR | fs.constants.O_CREAT,
};

const FAULT_KINDS: ReadonlyMap<string, DiskFaultKind> = new Map([
  ["EIO", "EIO"],
  ["ENOSPC", "ENOSPC"],
  ["EDQUOT", "ENOSPC"],
  ["EMFILE", "EMFILE"],
  ["ENFILE", "EMFILE"],
  ["ENOENT", "ENOENT"],
  ["EEXIST", "EEXIST"],
  ["EACCES", "EACCES"],
  ["EROFS", "EROFS"],
  ["ENAMETOOLONG", "ENAMETOOLONG"],
]);

const SYNCS_AT_A_TIME = syncsAtATime(process.env["UV_THREADPOOL_SIZE"]);
const syncRoom = new SyncRoom(SYNCS_AT_A_TIME);

export class FileDisk implements Disk {
  readonly syncsAtATime = SYNCS_AT_A_TIME;

  open(path: string, mode: OpenMode): File {
    return attempt("open", path, () => {
      const descriptor = fs.openSync(path, OPEN_FLAGS[mode], FILE_MODE);
      const stat = fs.fstatSync(descriptor);
      if (stat.isFile()) return new RealFile(path, descriptor, stat.size, mode !== "read");
      fs.closeSync(descriptor);
      throw new DiskFault("other", "open", path);
    });
  }

  list(path: string): string[] {
    return attempt("list", path, () => fs.readdirSync(path));
  }

  sizeOf(path: string): number | null {
    const stat = statOrNull("sizeOf", path);
    if (stat === null) return null;
    return stat.isDirectory() ? 0 : stat.size;
  }

  isDirectory(path: string): boolean {
    return statOrNull("isDirectory", path)?.isDirectory() ?? false;
  }

  rename(from: string, to: string): void {
    attempt("rename", from, () => {
      fs.renameSync(from, to);
    });
  }

  unlink(path: string): void {
    attempt("unlink", path, () => {
      fs.unlinkSync(path);
    });
  }

  mkdir(path: string): void {
    attempt("mkdir", path, () => {
      fs.mkdirSync(path, { mode: DIRECTORY_MODE });
    });
  }

  rmdir(path: string): void {
    attempt("rmdir", path, () => {
      fs.rmdirSync(path);
    });
  }

  syncDirectory(path: string, done: (fault: DiskFault | null) => void): void {
    fs.open(path, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY, (openError, descriptor) => {
      if (openError !== null) {
        done(toFault("syncDirectory", path, openError));
        return;
      }
      fs.fsync(descriptor, (syncError) => {
        fs.close(descriptor, (closeError) => {
          const error = syncError ?? closeError ?? null;
          done(error === null ? null : toFault("syncDirectory", path, error));
        });
      });
    });
  }

  freeBytes(path: string): number {
    return attempt("freeBytes", path, () => {
      const { bavail, bsize } = fs.statfsSync(path);
      return bavail * bsize;
    });
  }

  totalBytes(path: string): number {
    return attempt("totalBytes", path, () => {
      const { blocks, bsize } = fs.statfsSync(path);
      return blocks * bsize;
    });
  }
}

class RealFile implements File {
  readonly path: string;
  readonly #descriptor: number;
  readonly #isWritable: boolean;
  #sizeBytes: number;
  #pendingCount = 0;
  #isWriteQueued = false;
  #isOpen = true;

  constructor(path: string, descriptor: number, sizeBytes: number, isWritable: boolean) {
    this.path = path;
    this.#descriptor = descriptor;
    this.#sizeBytes = sizeBytes;
    this.#isWritable = isWritable;
  }

  get size(): number {
    return this.#sizeBytes;
  }

  get pendingCount(): number {
    return this.#pendingCount;
  }

  readSync(into: Uint8Array, at: number): number {
    this.#assertOpen();
    try {
      return fs.readSync(this.#descriptor, into, 0, into.length, at);
    } catch (error: unknown) {
      throw toFault("read", this.path, error);
    }
  }

  read(into: Uint8Array, at: number, done: (fault: DiskFault | null, bytesRead: number) => void): void {
    this.#assertOpen();
    this.#pendingCount += 1;
    fs.read(this.#descriptor, into, 0, into.length, at, (error, bytesRead) => {
      this.#pendingCount -= 1;
      if (error === null) done(null, bytesRead);
      else done(toFault("read", this.path, error), 0);
    });
  }

  writevSync(buffers: readonly Uint8Array[], at: number): number {
    this.#assertWritable("written");
    try {
      // The kernel refuses an empty vector.
      const bytesWritten = buffers.length === 0 ? 0 : fs.writevSync(this.#descriptor, buffers, at);
      this.#grewTo(at, bytesWritten);
      return bytesWritten;
    } catch (error: unknown) {
      this.#lookAtSize();
      throw toFault("write", this.path, error);
    }
  }

  writev(
    buffers: readonly Uint8Array[],
    at: number,
    done: (fault: DiskFault | null, bytesWritten: number) => void,
  ): void {
    this.#assertWritable("written");
    this.#pendingCount += 1;
    this.#isWriteQueued = true;
    fs.writev(this.#descriptor, buffers.length === 0 ? [new Uint8Array(0)] : buffers, at, (error, bytesWritten) => {
      this.#pendingCount -= 1;
      this.#isWriteQueued = false;
      if (error === null) {
        this.#grewTo(at, bytesWritten);
        done(null, bytesWritten);
      } else {
        this.#lookAtSize();
        done(toFault("write", this.path, error), 0);
      }
    });
  }

  datasync(done: (fault: DiskFault | null) => void): void {
    this.#assertOpen();
    this.#pendingCount += 1;
    syncRoom.enter((leave) =>
      fs.fdatasync(this.#descriptor, (error) => {
        this.#pendingCount -= 1;
        leave();
        done(error === null ? null : toFault("datasync", this.path, error));
      }),
    );
  }

  truncateSync(size: number): void {
    this.#assertWritable("truncated");
    assert(size <= this.#sizeBytes, `truncated to ${size} of ${this.#sizeBytes}: ${this.path}`);
    try {
      fs.ftruncateSync(this.#descriptor, size);
      this.#sizeBytes = size;
    } catch (error: unknown) {
      throw toFault("truncate", this.path, error);
    }
  }

  closeSync(): void {
    this.#assertOpen();
    assert(this.#pendingCount === 0, `closed with ${this.#pendingCount} operations pending: ${this.path}`);
    this.#isOpen = false;
    try {
      fs.closeSync(this.#descriptor);
    } catch (error: unknown) {
      throw toFault("close", this.path, error);
    }
  }

  #grewTo(at: number, bytesWritten: number): void {
    // Nothing written beyond the end leaves no gap behind.
    if (bytesWritten > 0) this.#sizeBytes = Math.max(this.#sizeBytes, at + bytesWritten);
  }

  /** After a failed write some of it may be there. */
  #lookAtSize(): void {
    try {
      this.#sizeBytes = fs.fstatSync(this.#descriptor).size;
    } catch {
      // The fault of the write itself is the one to tell.
    }
  }

  #assertOpen(): void {
    assert(this.#isOpen, `used after close: ${this.path}`);
  }

  #assertWritable(what: string): void {
    this.#assertOpen();
    assert(this.#isWritable, `${what}, but open for reading only: ${this.path}`);
    assert(!this.#isWriteQueued, `${what} under a queued write: ${this.path}`);
  }
}

function statOrNull(operation: string, path: string): fs.Stats | null {
  try {
    return fs.statSync(path, { throwIfNoEntry: false }) ?? null;
  } catch (error: unknown) {
    if (errorCode(error) === "ENOTDIR") return null;
    throw toFault(operation, path, error);
  }
}

function attempt<T>(operation: string, path: string, work: () => T): T {
  try {
    return work();
  } catch (error: unknown) {
    throw toFault(operation, path, error);
  }
}

/** Whatever node:fs threw, as a fault of `path`. */
export function toFault(operation: string, path: string, error: unknown): DiskFault {
  if (error instanceof DiskFault) return error;
  const code = errorCode(error);
  return new DiskFault((code === null ? undefined : FAULT_KINDS.get(code)) ?? "other", operation, path, {
    cause: error,
  });
}

function errorCode(error: unknown): string | null {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : null;
}
