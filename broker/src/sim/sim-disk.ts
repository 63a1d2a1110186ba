/**
 * The simulated disk: one medium that outlives the processes that use it. A life of the broker mounts it and gets a Disk;
 * when that life crashes, whatever it still holds (the Disk, open files) throws SimulatedCrash on any use, its callbacks
 * never run, and `restart` decides what the next life finds:
 *
 * - a process crash leaves the written image: the page cache survives a kill; a write that was under way off the loop is
 *   done, half done or not done;
 * - a power failure leaves of everything unsynced an arbitrary part (paged-file.ts, sim-tree.ts).
 *
 * An operation that changes something counts one. `crashAfterOperations(n)` ends the life inside the n-th, which is then
 * done, done in part (a write) or not done. Reads do not count: a crash at a read is one just before the next change.
 *
 * Invariant: all chance comes from the random source handed in, all delay goes through the world's queue.
 */
import { assert } from "../base/index.ts";
import type { SeededRandom } from "../base/index.ts";
import { DiskFault } from "../ports/index.ts";
import type { Disk } from "../ports/index.ts";
import { PagedFile } from "./paged-file.ts";
import type { SyncInFlight } from "./paged-file.ts";
import { isKind, SimFaults } from "./sim-faults.ts";
import type { DiskOperation, FaultRule } from "./sim-faults.ts";
import { SimMount } from "./sim-mount.ts";
import { SimTree } from "./sim-tree.ts";
import type { Directory, DirectoryMode, EntryChange } from "./sim-tree.ts";
import type { SimProcess } from "./sim-world.ts";
import { SimulatedCrash } from "./simulated-crash.ts";

/** What `freeBytes` and `totalBytes` answer on a disk without a capacity. */
const UNBOUNDED_BYTES = 2 ** 40;

export interface SimDiskOptions {
  readonly random: SeededRandom;
  readonly mode: DirectoryMode;
  readonly openFilesMax?: number;
  /** What is on it; default: nothing. It is the disk's from here on. */
  readonly tree?: SimTree;
}

/** A write handed to the thread pool: at a crash of the process the kernel may have done any part of it. */
export interface QueuedWrite {
  readonly file: PagedFile;
  readonly path: string;
  readonly buffers: readonly Uint8Array[];
  readonly at: number;
}

/** Sees every operation of the living process before it takes effect: for invariants about the order of things. */
export interface DiskObserver {
  /** An operation is asked for, one that only reads included. */
  onAsked(operation: DiskOperation, path: string): void;
  /** A change is about to be made. A rename names both paths, a space between them. */
  onChange(operation: DiskOperation, path: string): void;
  /** A sync has failed; who asked for it hears of it later in this stretch, unless the process dies before. */
  onSyncFailed?(): void;
}

export class SimDisk {
  observer: DiskObserver | null = null;
  readonly tree: SimTree;
  readonly faults: SimFaults;
  readonly openFilesMax: number;
  /** What a write takes, on the loop or off it, beyond what the page cache does; a multiple of it between 0 and 2. */
  slowWriteMs = 0;
  /** Bytes that fit, all files together. May be changed at any time. */
  capacityBytes = Number.POSITIVE_INFINITY;
  readonly #chance: SeededRandom;
  readonly #latency: SeededRandom;
  readonly #queuedWrites = new Set<QueuedWrite>();
  #process: SimProcess | null = null;
  #operationsCount = 0;
  #operationsToCrash = Number.POSITIVE_INFINITY;
  #openFilesCount = 0;
  #pendingCount = 0;

  constructor(options: SimDiskOptions) {
    this.tree = options.tree ?? new SimTree(options.mode);
    this.faults = new SimFaults(options.random.fork("disk faults"));
    this.openFilesMax = options.openFilesMax ?? Number.POSITIVE_INFINITY;
    this.#chance = options.random.fork("disk crash");
    this.#latency = options.random.fork("disk latency");
  }

  /** True while no living process has it mounted. */
  get isDown(): boolean {
    return this.#process?.isAlive !== true;
  }

  /** Changing operations since the disk was made, over all lives. */
  get operationsCount(): number {
    return this.#operationsCount;
  }

  /** Files the living process has open. */
  get openFilesCount(): number {
    return this.#openFilesCount;
  }

  /** Operations off the loop that are under way. What becomes of each was settled when it began: a fault removed since heals none of them. */
  get pendingCount(): number {
    return this.#pendingCount;
  }

  mount(process: SimProcess): Disk {
    assert(this.isDown, "one process at a time has the disk");
    assert(this.#queuedWrites.size === 0, "restart settles what the last life left");
    this.#process = process;
    this.#openFilesCount = 0;
    this.#pendingCount = 0;
    return new SimMount(this, process);
  }

  /** Ends the life inside its `count`-th changing operation from now on. */
  crashAfterOperations(count: number): void {
    assert(count >= 1, "the first operation is number 1");
    this.#operationsToCrash = count;
  }

  /** Ends the life between two operations. */
  crash(): void {
    this.#operationsToCrash = Number.POSITIVE_INFINITY;
    this.#process?.kill();
  }

  /** Settles what the dead life left, as after a kill of the process or a loss of power. */
  restart(kind: "process" | "power"): void {
    this.crash();
    for (const write of this.#queuedWrites) this.#writePart(write);
    this.#queuedWrites.clear();
    for (const file of this.tree.files()) {
      if (kind === "power") file.losePower(this.#chance);
      else file.abandonSyncs(this.#chance);
    }
    if (kind === "power") this.tree.losePower(this.#chance);
    this.#process = null;
  }

  /** The file at `path` as it stands, for those who check. */
  fileAt(path: string): PagedFile | undefined {
    const node = this.tree.find(path);
    return node?.kind === "file" ? node : undefined;
  }

  usedBytes(): number {
    let bytes = 0;
    const visit = (directory: Directory): void => {
      for (const node of directory.written.values()) {
        if (node.kind === "file") bytes += node.sizeBytes;
        else visit(node);
      }
    };
    visit(this.tree.root);
    return bytes;
  }

  freeBytes(): number {
    // Asked for often, and what is used is the size of every file.
    if (this.capacityBytes === Number.POSITIVE_INFINITY) return UNBOUNDED_BYTES;
    return Math.max(0, Math.min(UNBOUNDED_BYTES, this.capacityBytes - this.usedBytes()));
  }

  totalBytes(): number {
    return Math.min(UNBOUNDED_BYTES, this.capacityBytes);
  }

  // What follows is for the mount and its files (sim-mount.ts, sim-file.ts).

  /** Every operation begins here: it throws for a dead life, and for a fault that a rule asks for. */
  enter(process: SimProcess, operation: DiskOperation, path: string): FaultRule | undefined {
    this.assertAlive(process, operation);
    this.observer?.onAsked(operation, path);
    return this.faults.strike(operation, path);
  }

  assertAlive(process: SimProcess, during: string): void {
    if (!process.isAlive || process !== this.#process) throw new SimulatedCrash(during);
  }

  /** Carries out one indivisible change, unless the life ends here. */
  perform(operation: DiskOperation, path: string, first: number, second: number, apply: () => void): void {
    if (this.#isLastOperation(operation, path, first, second)) {
      if (this.#chance.chance(0.5)) apply();
      this.#die(operation);
    }
    apply();
  }

  /** Changes entries of directories, as one operation. */
  change(operation: DiskOperation, path: string, changes: readonly EntryChange[]): void {
    this.perform(operation, path, 0, 0, () => {
      this.tree.change(changes);
    });
  }

  queueWrite(write: QueuedWrite): void {
    this.#queuedWrites.add(write);
  }

  /** Writes, as far as `rule` and the room left allow; answers the bytes written. */
  write(write: QueuedWrite, rule: FaultRule | undefined): number {
    this.#queuedWrites.delete(write);
    const { file, path, buffers, at } = write;
    const askedBytes = buffers.reduce((sum, buffer) => sum + buffer.length, 0);
    let bytes = Math.min(askedBytes, this.#roomFor(file, at, askedBytes));
    let fault = bytes === 0 && askedBytes > 0 ? new DiskFault("ENOSPC", "write", path) : null;
    if (fault !== null || bytes < askedBytes) this.faults.countFull();
    if (rule?.effect === "short" && bytes > 1) bytes = this.#chance.between(1, bytes - 1);
    else if (isKind(rule?.effect)) {
      // Part of it may be there all the same.
      bytes = this.#chance.below(bytes + 1);
      const fallsShort = rule.effect === "ENOSPC" && bytes > 0 && bytes < askedBytes && this.#chance.chance(0.5);
      if (!fallsShort) fault = new DiskFault(rule.effect, "write", path);
      else this.faults.add({ operation: "write", effect: "ENOSPC", path: new RegExp(`^${escapeForRegExp(path)}$`) });
    }
    if (this.#isLastOperation("write", path, at, bytes)) {
      writeBytes(file, buffers, at, this.#part(bytes));
      this.#die("write");
    }
    writeBytes(file, buffers, at, bytes);
    if (fault !== null) throw fault;
    return bytes;
  }

  finishSync(file: PagedFile, sync: SyncInFlight, path: string, order: number, rule: FaultRule | undefined): void {
    if (isKind(rule?.effect)) {
      file.failSync(sync, this.#chance);
      this.#process?.world.note("datasync failed", path);
      this.observer?.onSyncFailed?.();
      throw new DiskFault(rule.effect, "datasync", path);
    }
    this.perform("datasync", path, sync.sizeBytes, sync.pages.size, () => {
      if (rule?.effect === "lie") return file.lieAboutSync(sync);
      file.finishSync(sync);
      if (this.tree.mode === "journal") this.tree.commitAll(order);
    });
  }

  opened(): void {
    this.#openFilesCount += 1;
  }

  closed(): void {
    this.#openFilesCount -= 1;
  }

  /** An operation off the loop. */
  begun(): void {
    this.#pendingCount += 1;
  }

  ended(): void {
    this.#pendingCount -= 1;
  }

  /** How long an operation off the loop takes, in ms. */
  delayOf(operation: "read" | "write" | "datasync" | "syncDirectory", rule: FaultRule | undefined): number {
    const isSync = operation === "datasync" || operation === "syncDirectory";
    const ownMs = isSync ? 0.05 + 4 * this.#latency.float() ** 2 : 0.02 + 0.3 * this.#latency.float();
    const writeMs = operation === "write" ? this.#drawSlowWrite() : 0;
    return rule?.effect === "stall" ? ownMs + writeMs + (rule.stallMs ?? 1000) : ownMs + writeMs;
  }

  /** How long a write on the loop holds it up, in ms. */
  blockingMs(rule: FaultRule | undefined): number {
    return this.#drawSlowWrite() + (rule?.effect === "stall" ? (rule.stallMs ?? 1000) : 0);
  }

  #drawSlowWrite(): number {
    return this.slowWriteMs === 0 ? 0 : 2 * this.slowWriteMs * this.#latency.float();
  }

  /** How many of `count` bytes an interrupted or short operation deals with. */
  shorten(count: number): number {
    return count > 1 ? this.#chance.between(1, count - 1) : count;
  }

  #isLastOperation(operation: DiskOperation, path: string, first: number, second: number): boolean {
    this.#operationsCount += 1;
    this.observer?.onChange(operation, path);
    this.#process?.world.note(operation, path, first, second);
    this.#operationsToCrash -= 1;
    return this.#operationsToCrash === 0;
  }

  #die(during: string): never {
    this.crash();
    throw new SimulatedCrash(during);
  }

  /** None, all or some of `bytes`. */
  #part(bytes: number): number {
    return this.#chance.pick([0, bytes, this.#chance.below(bytes + 1)]);
  }

  #writePart(write: QueuedWrite): void {
    const askedBytes = write.buffers.reduce((sum, buffer) => sum + buffer.length, 0);
    const bytes = Math.min(this.#part(askedBytes), this.#roomFor(write.file, write.at, askedBytes));
    writeBytes(write.file, write.buffers, write.at, bytes);
  }

  /** Bytes of a write of `askedBytes` at `at` that fit. */
  #roomFor(file: PagedFile, at: number, askedBytes: number): number {
    if (this.capacityBytes === Number.POSITIVE_INFINITY) return askedBytes;
    const growthBytes = Math.max(0, at + askedBytes - file.sizeBytes);
    return Math.max(0, askedBytes - Math.max(0, growthBytes - this.freeBytes()));
  }
}

function writeBytes(file: PagedFile, buffers: readonly Uint8Array[], at: number, bytes: number): void {
  let done = 0;
  for (const buffer of buffers) {
    const count = Math.min(buffer.length, bytes - done);
    if (count === 0) continue;
    file.write(count === buffer.length ? buffer : buffer.subarray(0, count), at + done);
    done += count;
  }
}

function escapeForRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
