/**
 * One open file of one life on the simulated disk. Work off the loop is done when its time has come, not when it was asked
 * for: a read sees what stands there then, a queued write is not there before.
 */
import { assert } from "../base/index.ts";
import { DiskFault } from "../ports/index.ts";
import type { File } from "../ports/index.ts";
import type { PagedFile } from "./paged-file.ts";
import type { QueuedWrite, SimDisk } from "./sim-disk.ts";
import { isKind } from "./sim-faults.ts";
import type { DiskOperation, FaultRule } from "./sim-faults.ts";
import type { SimProcess } from "./sim-world.ts";

export interface SimFileOptions {
  readonly disk: SimDisk;
  readonly process: SimProcess;
  readonly file: PagedFile;
  readonly path: string;
  readonly isWritable: boolean;
}

export class SimFile implements File {
  readonly path: string;
  readonly #disk: SimDisk;
  readonly #process: SimProcess;
  readonly #file: PagedFile;
  readonly #isWritable: boolean;
  #sizeBytes: number;
  #pendingCount = 0;
  #isWriteQueued = false;
  #isOpen = true;

  constructor(options: SimFileOptions) {
    this.path = options.path;
    this.#disk = options.disk;
    this.#process = options.process;
    this.#file = options.file;
    this.#isWritable = options.isWritable;
    this.#sizeBytes = options.file.sizeBytes;
  }

  /** As with a real descriptor, what another one has written since this was opened does not show here. */
  get size(): number {
    return this.#sizeBytes;
  }

  get pendingCount(): number {
    return this.#pendingCount;
  }

  readSync(into: Uint8Array, at: number): number {
    return this.#readNow(into, at, this.#enter("read"));
  }

  read(into: Uint8Array, at: number, done: (fault: DiskFault | null, bytesRead: number) => void): void {
    const rule = this.#enter("read");
    this.#later("read", rule, done, () => this.#readNow(into, at, rule));
  }

  writevSync(buffers: readonly Uint8Array[], at: number): number {
    const rule = this.#enter("write");
    this.#assertWritable("written");
    this.#process.world.block(this.#disk.blockingMs(rule));
    return this.#writeNow({ file: this.#file, path: this.path, buffers, at }, rule);
  }

  writev(
    buffers: readonly Uint8Array[],
    at: number,
    done: (fault: DiskFault | null, bytesWritten: number) => void,
  ): void {
    const rule = this.#enter("write");
    this.#assertWritable("written");
    const write: QueuedWrite = { file: this.#file, path: this.path, buffers, at };
    if (rule?.effect === "lie") return this.#writeLate(write, rule, done);
    this.#isWriteQueued = true;
    this.#disk.queueWrite(write);
    this.#later("write", rule, done, () => {
      this.#isWriteQueued = false;
      return this.#writeNow(write, rule);
    });
  }

  datasync(done: (fault: DiskFault | null) => void): void {
    const rule = this.#enter("datasync");
    const sync = this.#file.beginSync();
    const order = this.#disk.tree.order;
    this.#later("datasync", rule, done, () => {
      this.#disk.finishSync(this.#file, sync, this.path, order, rule);
      return 0;
    });
  }

  truncateSync(size: number): void {
    const rule = this.#enter("truncate");
    this.#assertWritable("truncated");
    assert(size <= this.#sizeBytes, `truncated to ${size} of ${this.#sizeBytes}: ${this.path}`);
    if (isKind(rule?.effect)) throw new DiskFault(rule.effect, "truncate", this.path);
    this.#disk.perform("truncate", this.path, size, this.#sizeBytes, () => {
      this.#file.truncate(size);
    });
    this.#sizeBytes = size;
  }

  closeSync(): void {
    this.#disk.assertAlive(this.#process, "close");
    assert(this.#isOpen, `closed twice: ${this.path}`);
    assert(this.#pendingCount === 0, `closed with ${this.#pendingCount} operations pending: ${this.path}`);
    this.#isOpen = false;
    this.#disk.closed();
  }

  #enter(operation: DiskOperation): FaultRule | undefined {
    const rule = this.#disk.enter(this.#process, operation, this.path);
    assert(this.#isOpen, `used after close: ${this.path}`);
    return rule;
  }

  #assertWritable(what: string): void {
    assert(this.#isWritable, `${what}, but open for reading only: ${this.path}`);
    assert(!this.#isWriteQueued, `${what} under a queued write: ${this.path}`);
  }

  #readNow(into: Uint8Array, at: number, rule: FaultRule | undefined): number {
    if (isKind(rule?.effect)) throw new DiskFault(rule.effect, "read", this.path);
    if (rule?.effect !== "short") return this.#file.read(into, at);
    const count = Math.min(into.length, Math.max(0, this.#file.sizeBytes - at));
    return this.#file.read(into.subarray(0, this.#disk.shorten(count)), at);
  }

  /** Says at once that it is written, and writes when its time has come. */
  #writeLate(write: QueuedWrite, rule: FaultRule, done: (fault: DiskFault | null, bytesWritten: number) => void): void {
    const bytes = endOf(write) - write.at;
    this.#sizeBytes = Math.max(this.#sizeBytes, endOf(write));
    this.#disk.queueWrite(write);
    this.#process.after(this.#disk.delayOf("write", rule), () => this.#writeNow(write, rule));
    this.#process.after(0, () => done(null, bytes));
  }

  #writeNow(write: QueuedWrite, rule: FaultRule | undefined): number {
    try {
      return this.#disk.write(write, rule);
    } finally {
      // After a fault some of it may be there.
      this.#sizeBytes = Math.max(this.#sizeBytes, Math.min(this.#file.sizeBytes, endOf(write)));
    }
  }

  /** Does `work` when its time has come, and hands its outcome to `done`. A crash in it ends the process instead. */
  #later(
    operation: "read" | "write" | "datasync",
    rule: FaultRule | undefined,
    done: (fault: DiskFault | null, count: number) => void,
    work: () => number,
  ): void {
    this.#pendingCount += 1;
    this.#disk.begun();
    this.#process.after(this.#disk.delayOf(operation, rule), () => {
      let fault: DiskFault | null = null;
      let count = 0;
      try {
        count = work();
      } catch (error: unknown) {
        if (!(error instanceof DiskFault)) throw error;
        fault = error;
      }
      this.#pendingCount -= 1;
      this.#disk.ended();
      done(fault, count);
    });
  }
}

function endOf(write: QueuedWrite): number {
  return write.buffers.reduce((end, buffer) => end + buffer.length, write.at);
}
