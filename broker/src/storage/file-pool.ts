/**
 * The open log files of a data directory: opened when needed, closed when too many are. A pooled file stands for its path
 * for as long as its owner wants; the descriptor behind it comes and goes.
 *
 * Invariant (3.6): a descriptor is closed only when no operation on it is queued or running. The thread pool would run
 * such an operation on the next file that gets the number.
 */
import { assert } from "../base/index.ts";
import { DiskFault } from "../ports/index.ts";
import type { Disk, File } from "../ports/index.ts";

/**
 * Where the system has more to give. A log that is written and finds its file closed opens it and reads its indexes again, which is
 * more work than a small batch; only logs with traffic have open files.
 */
const OPEN_FILES_MAX = 4096;
/**
 * Memory that goes with open files, their indexes (up to 5 MiB of a segment of 1 GiB), beyond which fewer stay open, whatever descriptors
 * there are; as many as this do.
 */
const HELD_BYTES_MAX = 256 * 1024 * 1024;
const HEAVY_FILES_MAX = 512;
/** After so many openings it is summed up again. */
const LOOK_EVERY = 32;

export class FilePool {
  readonly disk: Disk;
  readonly #openMax: number;
  /** In the order of opening, which a file that was used since goes through once more. */
  readonly #open = new Set<PooledFile>();
  /** As many as memory allows, at most `openMax`. */
  #room: number;
  #openedSinceLook = 0;

  constructor(disk: Disk, openMax = OPEN_FILES_MAX) {
    this.disk = disk;
    this.#openMax = Math.min(openMax, OPEN_FILES_MAX);
    this.#room = this.#openMax;
  }

  get openCount(): number {
    return this.#open.size;
  }

  /** Called by a file that is about to be opened. */
  makeRoom(): void {
    this.#openedSinceLook += 1;
    if (this.#openedSinceLook >= LOOK_EVERY) this.#look();
    // Every file gets one second chance, so two rounds see all of them.
    for (let left = this.#open.size * 2; left > 0 && this.#open.size >= this.#room; left -= 1) {
      const [oldest] = this.#open;
      if (oldest === undefined) return;
      this.#open.delete(oldest);
      if (oldest.isBusy || oldest.takeSecondChance()) this.#open.add(oldest);
      else oldest.evict();
    }
  }

  /** A little at a time: nobody waits for hundreds of files to be closed. */
  #look(): void {
    this.#openedSinceLook = 0;
    this.#room = this.#openMax;
    if (this.#open.size <= HEAVY_FILES_MAX) return;
    let heldBytes = 0;
    for (const file of this.#open) heldBytes += file.heldBytes;
    if (heldBytes > HELD_BYTES_MAX) this.#room = Math.max(HEAVY_FILES_MAX, this.#open.size - LOOK_EVERY);
  }

  opened(file: PooledFile): void {
    this.#open.add(file);
  }

  closed(file: PooledFile): void {
    this.#open.delete(file);
  }
}

/** Whoever has memory for the sake of an open file. */
export interface FileOwner {
  readonly heldBytes: number;
  /** The pool closed the descriptor for want of use. */
  onEvicted(): void;
}

export class PooledFile {
  readonly #directory: string;
  #name: string;
  readonly #owner: FileOwner | null;
  readonly #pool: FilePool;
  #file: File | null = null;
  #pendingCount = 0;
  #wasUsed = false;
  #isRetired = false;
  #idleWaiters: (() => void)[] | null = null;

  constructor(pool: FilePool, directory: string, name: string, owner: FileOwner | null = null) {
    this.#pool = pool;
    this.#directory = directory;
    this.#name = name;
    this.#owner = owner;
  }

  /** Put together when it is asked for: there may be thousands, most of them closed. */
  get path(): string {
    return `${this.#directory}/${this.#name}`;
  }

  /** Of memory, for the sake of the open file. */
  get heldBytes(): number {
    return this.#owner?.heldBytes ?? 0;
  }

  get isBusy(): boolean {
    return this.#pendingCount > 0;
  }

  get isOpen(): boolean {
    return this.#file !== null;
  }

  /** Makes the file if it is absent. */
  create(): void {
    assert(this.#file === null, `${this.path} is open`);
    this.#openAs("create");
  }

  get sizeBytes(): number {
    return this.#used().size;
  }

  readSync(into: Uint8Array, at: number): number {
    return this.#used().readSync(into, at);
  }

  read(into: Uint8Array, at: number, done: (fault: DiskFault | null, bytesRead: number) => void): void {
    const file = this.#used();
    this.#pendingCount += 1;
    file.read(into, at, (fault, bytesRead) => {
      this.#ended();
      done(fault, bytesRead);
    });
  }

  writevSync(buffers: readonly Uint8Array[], at: number): number {
    return this.#used().writevSync(buffers, at);
  }

  writev(
    buffers: readonly Uint8Array[],
    at: number,
    done: (fault: DiskFault | null, bytesWritten: number) => void,
  ): void {
    const file = this.#used();
    this.#pendingCount += 1;
    file.writev(buffers, at, (fault, bytesWritten) => {
      this.#ended();
      done(fault, bytesWritten);
    });
  }

  datasync(done: (fault: DiskFault | null) => void): void {
    const file = this.#used();
    this.#pendingCount += 1;
    file.datasync((fault) => {
      this.#ended();
      done(fault);
    });
  }

  truncateSync(sizeBytes: number): void {
    this.#used().truncateSync(sizeBytes);
  }

  /** Closes the descriptor, if there is one. Nothing may be pending; the next use opens the path again. */
  closeSync(): void {
    if (this.#file === null) return;
    assert(this.#pendingCount === 0, `${this.path} is in use`);
    const file = this.#file;
    this.#file = null;
    this.#pool.closed(this);
    file.closeSync();
  }

  /** Resolves when nothing is pending. The caller has seen to it that nothing new begins. */
  whenIdle(): Promise<void> {
    if (this.#pendingCount === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#idleWaiters ??= [];
      this.#idleWaiters.push(resolve);
    });
  }

  /**
   * Resolves when the descriptor is closed for good, before the file is removed or renamed. Whoever is still on the way
   * through it meets ENOENT with the next step; opened again, the path could be another file.
   */
  async retire(): Promise<void> {
    this.#isRetired = true;
    await this.whenIdle();
    this.closeSync();
  }

  /**
   * Closes the descriptor when nothing is pending and renames the file in its directory; whoever is on the way through it goes on
   * under the new name (3.6). Nothing happens where it has that name. Rejects with DiskFault; then it keeps its name.
   */
  async moveTo(name: string): Promise<void> {
    // Between the end of one operation and this step a reader may have begun its next.
    while (this.#pendingCount > 0) await this.whenIdle();
    if (name === this.#name) return;
    this.closeSync();
    this.#pool.disk.rename(this.path, `${this.#directory}/${name}`);
    this.#name = name;
  }

  /** For the pool: whether the file was used since it was last asked. */
  takeSecondChance(): boolean {
    const wasUsed = this.#wasUsed;
    this.#wasUsed = false;
    return wasUsed;
  }

  /** For the pool. */
  evict(): void {
    this.closeSync();
    this.#owner?.onEvicted();
  }

  #used(): File {
    if (this.#isRetired) throw new DiskFault("ENOENT", "open", this.path);
    this.#wasUsed = true;
    return this.#file ?? this.#openAs("write");
  }

  #openAs(mode: "write" | "create"): File {
    this.#pool.makeRoom();
    const file = this.#pool.disk.open(this.path, mode);
    this.#file = file;
    this.#pool.opened(this);
    return file;
  }

  #ended(): void {
    this.#pendingCount -= 1;
    if (this.#pendingCount > 0 || this.#idleWaiters === null) return;
    const waiters = this.#idleWaiters;
    this.#idleWaiters = null;
    for (const resolve of waiters) resolve();
  }
}
