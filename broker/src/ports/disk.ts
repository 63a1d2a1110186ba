/**
 * The disk, as small as the log needs it. Three adapters pass one suite: real files, the simulated disk, the capped
 * memory disk.
 *
 * Paths are absolute or relative to the process, with `/` between names. Every failure is a DiskFault: thrown by the
 * methods that end in `Sync` and by those without a callback, handed to `done` by the others. A callback never runs
 * inside the call that took it.
 *
 * Rules that every adapter asserts (semantics 3.6, 5.5): a file is closed only when no operation on it is queued or
 * running; a file is neither truncated nor written while a write of it is queued. `writevSync` may fall short: it
 * returns the bytes written and the caller decides.
 */
export type DiskFaultKind =
  | "EIO"
  | "ENOSPC"
  | "EMFILE"
  | "ENOENT"
  | "EEXIST"
  | "EACCES"
  | "EROFS"
  | "ENAMETOOLONG"
  | "other";

/** A disk operation failed. `kind` is what the log decides on; `operation` and `path` are for people. */
export class DiskFault extends Error {
  readonly kind: DiskFaultKind;
  readonly operation: string;
  readonly path: string;

  constructor(kind: DiskFaultKind, operation: string, path: string, options?: { cause?: unknown }) {
    super(`${operation} ${path}: ${kind}`, options);
    this.name = "DiskFault";
    this.kind = kind;
    this.operation = operation;
    this.path = path;
  }
}

/**
 * `read`: must exist, reads only. `write`: must exist, reads and writes. `create`: reads and writes, made empty if
 * absent, kept as it is if present. New files get mode 0600.
 */
export type OpenMode = "read" | "write" | "create";

export interface File {
  readonly path: string;
  /** Written size in bytes, kept by the adapter; no system call. */
  readonly size: number;
  /** Operations queued or running. `closeSync` asserts 0. */
  readonly pendingCount: number;
  /** Reads up to `into.length` bytes from `at`; fewer at the end of the file, 0 beyond it. For tails and indexes. */
  readSync(into: Uint8Array, at: number): number;
  /** As readSync, off the event loop. */
  read(into: Uint8Array, at: number, done: (fault: DiskFault | null, bytesRead: number) => void): void;
  /** Writes the buffers back to back from `at`. Returns the bytes written, which may be fewer than asked. */
  writevSync(buffers: readonly Uint8Array[], at: number): number;
  /** As writevSync, off the event loop; one in flight per file. */
  writev(
    buffers: readonly Uint8Array[],
    at: number,
    done: (fault: DiskFault | null, bytesWritten: number) => void,
  ): void;
  /** Makes everything that was written before the call survive a power failure: data and size, not the directory entry. */
  datasync(done: (fault: DiskFault | null) => void): void;
  /** Shortens the file to `size` bytes. */
  truncateSync(size: number): void;
  closeSync(): void;
}

export interface Disk {
  /** Syncs under way at a time that it gains by, whoever they are for; absent: few. */
  readonly syncsAtATime?: number;
  open(path: string, mode: OpenMode): File;
  /** Names in a directory, in no order; ENOENT if it is absent. */
  list(path: string): string[];
  /** Size in bytes, or null when nothing stands there. Directories answer 0. */
  sizeOf(path: string): number | null;
  isDirectory(path: string): boolean;
  /** Atomic; replaces a file of the target name. */
  rename(from: string, to: string): void;
  unlink(path: string): void;
  /** Makes one directory, mode 0700; EEXIST if it is there. */
  mkdir(path: string): void;
  /** Removes one empty directory. */
  rmdir(path: string): void;
  /** Makes entries created, renamed or removed in the directory before the call survive a power failure. */
  syncDirectory(path: string, done: (fault: DiskFault | null) => void): void;
  /** What may still be written where `path` lies. Throws DiskFault. */
  freeBytes(path: string): number;
  /** Size of the disk where `path` lies, full or not. Throws DiskFault. */
  totalBytes(path: string): number;
}
