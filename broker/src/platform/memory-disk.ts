/**
 * A disk in memory, for `dev --memory` and tests: bounded, gone with the process, syncs that have nothing to do. When its
 * capacity is used up it answers as a full disk does: a short write, then ENOSPC.
 *
 * A file is a list of slabs. The first one starts small and doubles, so that the many little files of a log cost little;
 * from 1 MiB on slabs are added and nothing is copied any more. What counts against the capacity is what the slabs take,
 * since that is what the process pays.
 */
import { assert } from "../base/index.ts";
import { DiskFault } from "../ports/index.ts";
import type { Disk, File, OpenMode } from "../ports/index.ts";

export const MEMORY_DISK_DEFAULT_BYTES = 512 * 1024 * 1024;
const SLAB_BYTES = 1024 * 1024;
const FIRST_SLAB_BYTES = 4096;

/** Room shared by all files of one disk. */
interface Budget {
  readonly capacityBytes: number;
  leftBytes: number;
}

type Node = MemoryDirectory | MemoryContent;

export class MemoryDisk implements Disk {
  readonly #budget: Budget;
  readonly #root = new MemoryDirectory();

  constructor(options: { readonly capacityBytes?: number } = {}) {
    const capacityBytes = options.capacityBytes ?? MEMORY_DISK_DEFAULT_BYTES;
    this.#budget = { capacityBytes, leftBytes: capacityBytes };
  }

  open(path: string, mode: OpenMode): File {
    const { parent, name, node } = this.#place("open", path);
    if (node instanceof MemoryDirectory) throw new DiskFault("other", "open", path);
    let content = node;
    if (content === undefined) {
      if (mode !== "create") throw new DiskFault("ENOENT", "open", path);
      content = new MemoryContent(this.#budget);
      parent.entries.set(name, content);
    }
    content.openCount += 1;
    return new MemoryFile(path, content, mode !== "read");
  }

  list(path: string): string[] {
    const { node } = this.#place("list", path);
    if (node === undefined) throw new DiskFault("ENOENT", "list", path);
    if (node instanceof MemoryContent) throw new DiskFault("other", "list", path);
    return [...node.entries.keys()];
  }

  sizeOf(path: string): number | null {
    const node = this.#find(path);
    if (node === undefined) return null;
    return node instanceof MemoryContent ? node.sizeBytes : 0;
  }

  isDirectory(path: string): boolean {
    return this.#find(path) instanceof MemoryDirectory;
  }

  rename(from: string, to: string): void {
    const source = this.#place("rename", from);
    const target = this.#place("rename", to);
    if (source.node === undefined) throw new DiskFault("ENOENT", "rename", from);
    if (target.node === source.node) return;
    if (!mayReplace(source.node, target.node)) throw new DiskFault("other", "rename", to);
    source.parent.entries.delete(source.name);
    target.parent.entries.set(target.name, source.node);
    if (target.node instanceof MemoryContent) target.node.unlinked();
  }

  unlink(path: string): void {
    const { parent, name, node } = this.#place("unlink", path);
    if (node === undefined) throw new DiskFault("ENOENT", "unlink", path);
    if (node instanceof MemoryDirectory) throw new DiskFault("other", "unlink", path);
    parent.entries.delete(name);
    node.unlinked();
  }

  mkdir(path: string): void {
    const { parent, name, node } = this.#place("mkdir", path);
    if (node !== undefined) throw new DiskFault("EEXIST", "mkdir", path);
    parent.entries.set(name, new MemoryDirectory());
  }

  rmdir(path: string): void {
    const { parent, name, node } = this.#place("rmdir", path);
    if (node === undefined) throw new DiskFault("ENOENT", "rmdir", path);
    if (node instanceof MemoryContent || node.entries.size > 0) throw new DiskFault("other", "rmdir", path);
    parent.entries.delete(name);
  }

  syncDirectory(path: string, done: (fault: DiskFault | null) => void): void {
    const node = this.#find(path);
    const kind = node === undefined ? "ENOENT" : node instanceof MemoryContent ? "other" : null;
    setImmediate(done, kind === null ? null : new DiskFault(kind, "syncDirectory", path));
  }

  freeBytes(_path: string): number {
    return this.#budget.leftBytes;
  }

  totalBytes(_path: string): number {
    return this.#budget.capacityBytes;
  }

  #place(operation: string, path: string): { parent: MemoryDirectory; name: string; node: Node | undefined } {
    const names = namesOf(path);
    let parent = this.#root;
    for (const name of names.slice(0, -1)) {
      const next = parent.entries.get(name);
      if (next === undefined) throw new DiskFault("ENOENT", operation, path);
      if (next instanceof MemoryContent) throw new DiskFault("other", operation, path);
      parent = next;
    }
    const name = names.at(-1);
    if (name === undefined) return { parent: this.#root, name: ".", node: this.#root };
    return { parent, name, node: parent.entries.get(name) };
  }

  #find(path: string): Node | undefined {
    let node: Node | undefined = this.#root;
    for (const name of namesOf(path)) {
      if (!(node instanceof MemoryDirectory)) return undefined;
      node = node.entries.get(name);
    }
    return node;
  }
}

class MemoryDirectory {
  readonly entries = new Map<string, Node>();
}

/** The bytes of one file, whoever has it open and whatever it is called. Given back when nobody can reach it any more. */
class MemoryContent {
  readonly #budget: Budget;
  readonly #slabs: Uint8Array[] = [];
  #sizeBytes = 0;
  #isLinked = true;
  openCount = 0;

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  read(into: Uint8Array, at: number): number {
    const count = Math.max(0, Math.min(into.length, this.#sizeBytes - at));
    let done = 0;
    while (done < count) {
      const slab = this.#slabs[Math.floor((at + done) / SLAB_BYTES)];
      assert(slab !== undefined, "every byte below the size has a slab");
      const start = (at + done) % SLAB_BYTES;
      const part = Math.min(SLAB_BYTES - start, count - done);
      into.set(slab.subarray(start, start + part), done);
      done += part;
    }
    return count;
  }

  /** Writes as much as there is room for; answers the bytes written. */
  write(buffers: readonly Uint8Array[], at: number): number {
    const askedBytes = buffers.reduce((sum, buffer) => sum + buffer.length, 0);
    const endBytes = Math.min(at + askedBytes, this.#reserve(at + askedBytes));
    let position = at;
    for (const buffer of buffers) {
      let done = 0;
      while (done < buffer.length && position < endBytes) {
        const start = position % SLAB_BYTES;
        const count = Math.min(SLAB_BYTES - start, buffer.length - done, endBytes - position);
        this.#slabs[Math.floor(position / SLAB_BYTES)]?.set(buffer.subarray(done, done + count), start);
        done += count;
        position += count;
      }
    }
    if (position > at) this.#sizeBytes = Math.max(this.#sizeBytes, position);
    return position - at;
  }

  truncate(sizeBytes: number): void {
    const slabCount = Math.ceil(sizeBytes / SLAB_BYTES);
    for (const slab of this.#slabs.splice(slabCount)) this.#budget.leftBytes += slab.length;
    // Should the file grow again, what was cut reads as zeros.
    this.#slabs.at(-1)?.fill(0, sizeBytes - (slabCount - 1) * SLAB_BYTES);
    this.#sizeBytes = sizeBytes;
  }

  closed(): void {
    this.openCount -= 1;
    this.#maybeRelease();
  }

  unlinked(): void {
    this.#isLinked = false;
    this.#maybeRelease();
  }

  #maybeRelease(): void {
    if (!this.#isLinked && this.openCount === 0) this.truncate(0);
  }

  /** Makes slabs up to `sizeBytes` if the budget allows; answers how many bytes from the start there are slabs for. */
  #reserve(sizeBytes: number): number {
    for (;;) {
      const last = this.#slabs.at(-1);
      const reservedBytes = Math.max(0, this.#slabs.length - 1) * SLAB_BYTES + (last?.length ?? 0);
      if (reservedBytes >= sizeBytes) return reservedBytes;
      const grows = last !== undefined && last.length < SLAB_BYTES;
      const first = Math.min(SLAB_BYTES, Math.max(FIRST_SLAB_BYTES, powerOfTwoFrom(sizeBytes)));
      const wantedBytes = grows || last === undefined ? first : SLAB_BYTES;
      const addedBytes = Math.min(wantedBytes - (grows ? last.length : 0), this.#budget.leftBytes);
      if (addedBytes <= 0) return reservedBytes;
      const slab = new Uint8Array((grows ? last.length : 0) + addedBytes);
      if (grows) {
        slab.set(last);
        this.#slabs[this.#slabs.length - 1] = slab;
      } else {
        this.#slabs.push(slab);
      }
      this.#budget.leftBytes -= addedBytes;
    }
  }
}

class MemoryFile implements File {
  readonly path: string;
  readonly #content: MemoryContent;
  readonly #isWritable: boolean;
  #sizeBytes: number;
  #pendingCount = 0;
  #isWriteQueued = false;
  #isOpen = true;

  constructor(path: string, content: MemoryContent, isWritable: boolean) {
    this.path = path;
    this.#content = content;
    this.#isWritable = isWritable;
    this.#sizeBytes = content.sizeBytes;
  }

  /** As with a real descriptor, what another one has written since this was opened does not show here. */
  get size(): number {
    return this.#sizeBytes;
  }

  get pendingCount(): number {
    return this.#pendingCount;
  }

  readSync(into: Uint8Array, at: number): number {
    this.#assertOpen();
    return this.#content.read(into, at);
  }

  read(into: Uint8Array, at: number, done: (fault: DiskFault | null, bytesRead: number) => void): void {
    this.#assertOpen();
    this.#later(() => {
      done(null, this.#content.read(into, at));
    });
  }

  writevSync(buffers: readonly Uint8Array[], at: number): number {
    this.#assertWritable("written");
    const bytes = this.#content.write(buffers, at);
    if (bytes === 0 && buffers.some((buffer) => buffer.length > 0)) throw new DiskFault("ENOSPC", "write", this.path);
    // Nothing written beyond the end leaves no gap behind.
    if (bytes > 0) this.#sizeBytes = Math.max(this.#sizeBytes, at + bytes);
    return bytes;
  }

  writev(
    buffers: readonly Uint8Array[],
    at: number,
    done: (fault: DiskFault | null, bytesWritten: number) => void,
  ): void {
    this.#assertWritable("written");
    this.#isWriteQueued = true;
    this.#later(() => {
      this.#isWriteQueued = false;
      let bytes: number;
      try {
        bytes = this.writevSync(buffers, at);
      } catch (error: unknown) {
        if (!(error instanceof DiskFault)) throw error;
        done(error, 0);
        return;
      }
      done(null, bytes);
    });
  }

  datasync(done: (fault: DiskFault | null) => void): void {
    this.#assertOpen();
    this.#later(() => {
      done(null);
    });
  }

  truncateSync(size: number): void {
    this.#assertWritable("truncated");
    assert(size <= this.#sizeBytes, `truncated to ${size} of ${this.#sizeBytes}: ${this.path}`);
    this.#content.truncate(size);
    this.#sizeBytes = size;
  }

  closeSync(): void {
    this.#assertOpen();
    assert(this.#pendingCount === 0, `closed with ${this.#pendingCount} operations pending: ${this.path}`);
    this.#isOpen = false;
    this.#content.closed();
  }

  /** In a later phase of the loop, so that a chain of reads does not starve everything else. */
  #later(work: () => void): void {
    this.#pendingCount += 1;
    setImmediate(() => {
      this.#pendingCount -= 1;
      work();
    });
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

function namesOf(path: string): string[] {
  return path.split("/").filter((name) => name !== "" && name !== ".");
}

function mayReplace(source: Node, target: Node | undefined): boolean {
  if (target === undefined) return true;
  if (source instanceof MemoryContent) return target instanceof MemoryContent;
  return target instanceof MemoryDirectory && target.entries.size === 0;
}

function powerOfTwoFrom(bytes: number): number {
  let power = 1;
  while (power < bytes) power *= 2;
  return power;
}
