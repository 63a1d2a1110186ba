/**
 * Small steps on the Disk port that several parts of the log need: whole reads and writes over calls that may fall short,
 * and promises for the calls with a callback.
 */
import { DiskFault } from "../ports/index.ts";
import type { Disk, File } from "../ports/index.ts";

/** What is read from; a File, or a file of the pool. */
export interface Readable {
  readSync(into: Uint8Array, at: number): number;
  read(into: Uint8Array, at: number, done: (fault: DiskFault | null, bytesRead: number) => void): void;
}

/** What is written to. */
export interface Writable {
  readonly path: string;
  writevSync(buffers: readonly Uint8Array[], at: number): number;
}

/** The same off the event loop; one write at a time. */
export interface WritableOffLoop {
  readonly path: string;
  writev(
    buffers: readonly Uint8Array[],
    at: number,
    done: (fault: DiskFault | null, bytesWritten: number) => void,
  ): void;
}

/** Fills `into` from `at` as far as the file goes; answers the bytes read. */
export function readFullySync(file: Readable, into: Uint8Array, at: number): number {
  let filled = file.readSync(into, at);
  while (filled < into.length) {
    const more = file.readSync(into.subarray(filled), at + filled);
    if (more === 0) break;
    filled += more;
  }
  return filled;
}

/** As readFullySync, off the event loop. Rejects with DiskFault. */
export function readFully(file: Readable, into: Uint8Array, at: number): Promise<number> {
  return new Promise((resolve, reject) => {
    let filled = 0;
    const step = (fault: DiskFault | null, bytesRead: number): void => {
      if (fault !== null) {
        reject(fault);
        return;
      }
      filled += bytesRead;
      if (bytesRead === 0 || filled === into.length) resolve(filled);
      else read();
    };
    const read = (): void => {
      try {
        file.read(filled === 0 ? into : into.subarray(filled), at + filled, step);
      } catch (error: unknown) {
        reject(error);
      }
    };
    read();
  });
}

/** Writes all of `bytes` at `at`. Throws DiskFault; then any part of it may be there. */
export function writeFullySync(file: Writable, bytes: Uint8Array, at: number): void {
  let done = 0;
  while (done < bytes.length) {
    const written = file.writevSync([done === 0 ? bytes : bytes.subarray(done)], at + done);
    if (written === 0) throw new DiskFault("ENOSPC", "write", file.path);
    done += written;
  }
}

/** As writeFullySync, off the event loop. Rejects with DiskFault; then any part of it may be there. */
export function writeFully(file: WritableOffLoop, bytes: Uint8Array, at: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let done = 0;
    const write = (): void => {
      try {
        file.writev([done === 0 ? bytes : bytes.subarray(done)], at + done, step);
      } catch (error: unknown) {
        reject(error);
      }
    };
    const step = (fault: DiskFault | null, bytesWritten: number): void => {
      done += bytesWritten;
      if (fault !== null) reject(fault);
      else if (done >= bytes.length) resolve();
      else if (bytesWritten === 0) reject(new DiskFault("ENOSPC", "write", file.path));
      else write();
    };
    write();
  });
}

/** The bytes of a file, or null when there is none. */
export function readWholeFile(disk: Disk, path: string): Buffer | null {
  const file = openIfThere(disk, path);
  if (file === null) return null;
  try {
    const bytes = Buffer.allocUnsafeSlow(file.size);
    return bytes.subarray(0, readFullySync(file, bytes, 0));
  } finally {
    file.closeSync();
  }
}

function openIfThere(disk: Disk, path: string): File | null {
  try {
    return disk.open(path, "read");
  } catch (error: unknown) {
    if (error instanceof DiskFault && error.kind === "ENOENT") return null;
    throw error;
  }
}

/** Makes `bytes` the whole content of the file, in place and unsynced. */
export function writeWholeFile(disk: Disk, path: string, bytes: Uint8Array): void {
  const file = disk.open(path, "create");
  try {
    writeFullySync(file, bytes, 0);
    if (file.size > bytes.length) file.truncateSync(bytes.length);
  } finally {
    file.closeSync();
  }
}

/** Makes `bytes` the end of the file, from `at` on. */
export function writeTail(disk: Disk, path: string, bytes: Buffer, at: number): void {
  const file = disk.open(path, "create");
  try {
    if (bytes.length > 0) writeFullySync(file, bytes, at);
    if (file.size > at + bytes.length) file.truncateSync(at + bytes.length);
  } finally {
    file.closeSync();
  }
}

/** Syncs the file at `path`: whatever was written to it, through whichever descriptor. */
export function syncPath(disk: Disk, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const file: File = disk.open(path, "write");
    file.datasync((fault) => {
      file.closeSync();
      if (fault === null) resolve();
      else reject(fault);
    });
  });
}

export function syncDirectory(disk: Disk, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    disk.syncDirectory(path, (fault) => {
      if (fault === null) resolve();
      else reject(fault);
    });
  });
}

/** Whether a fault concerns only the operation that met it (3.8(2)), and not the disk. */
export function isPassing(fault: DiskFault): boolean {
  return fault.kind === "ENOSPC" || fault.kind === "EMFILE";
}

/** The same of whatever was thrown. */
export function isPassingFault(error: unknown): error is DiskFault {
  return error instanceof DiskFault && isPassing(error);
}

/** Whether a sync that ended with `fault` never began: nothing was synced, and nothing failed to be (3.4(3)). */
export function isNotBegun(fault: DiskFault): boolean {
  return fault.operation === "open" || fault.kind === "EMFILE";
}

/** Removes a file that may be absent. */
export function removeFile(disk: Disk, path: string): boolean {
  if (disk.sizeOf(path) === null) return false;
  disk.unlink(path);
  return true;
}
