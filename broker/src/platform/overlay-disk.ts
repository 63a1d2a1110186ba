/**
 * A disk over another one that is never changed: what is written, cut, renamed and removed below `root` stays in memory, and
 * can be told afterwards. For rehearsals: the real code of a start runs on the real files, and nothing happens to them.
 *
 * A directory is a node that knows which directory below it stands for, so a rename moves the node and all under it. A file
 * keeps the pages that differ from the file below; writing the same bytes again costs nothing.
 */
import { assert } from "../base/index.ts";
import { DiskFault } from "../ports/index.ts";
import type { Disk, File, OpenMode } from "../ports/index.ts";

const PAGE_BYTES = 64 * 1024;

/** What became of one file or directory; `path` is where it stands now, or stood. */
export type DiskChange =
  | { readonly kind: "created" | "removed"; readonly path: string; readonly bytes: number }
  | { readonly kind: "renamed"; readonly path: string; readonly from: string }
  | {
      readonly kind: "cut" | "rewritten";
      readonly path: string;
      readonly bytesBefore: number;
      readonly bytesAfter: number;
    };

export class OverlayDisk implements Disk {
  readonly #below: Disk;
  readonly #rootPath: string;
  readonly #root: DirectoryNode;

  constructor(below: Disk, root: string) {
    this.#below = below;
    this.#rootPath = root;
    this.#root = new DirectoryNode(below, root);
  }

  open(path: string, mode: OpenMode): File {
    const place = this.#place("open", path);
    let { node } = place;
    if (node instanceof DirectoryNode) throw new DiskFault("other", "open", path);
    if (node === undefined) {
      if (mode !== "create") throw new DiskFault("ENOENT", "open", path);
      node = new FileNode(this.#below, null);
      place.parent.set(place.name, node);
    }
    return new OverlayFile(path, node, mode !== "read");
  }

  list(path: string): string[] {
    const { node } = this.#place("list", path);
    if (node === undefined) throw new DiskFault("ENOENT", "list", path);
    if (node instanceof FileNode) throw new DiskFault("other", "list", path);
    return node.names();
  }

  sizeOf(path: string): number | null {
    const node = this.#find(path);
    if (node === undefined) return null;
    return node instanceof FileNode ? node.sizeBytes : 0;
  }

  isDirectory(path: string): boolean {
    return this.#find(path) instanceof DirectoryNode;
  }

  rename(from: string, to: string): void {
    const source = this.#place("rename", from);
    const target = this.#place("rename", to);
    if (source.node === undefined) throw new DiskFault("ENOENT", "rename", from);
    const isBlocked =
      target.node instanceof DirectoryNode
        ? source.node instanceof FileNode || target.node.names().length > 0
        : target.node !== undefined && source.node instanceof DirectoryNode;
    if (isBlocked) throw new DiskFault("other", "rename", from);
    source.parent.set(source.name, null);
    target.parent.set(target.name, source.node);
  }

  unlink(path: string): void {
    const { parent, name, node } = this.#place("unlink", path);
    if (node === undefined) throw new DiskFault("ENOENT", "unlink", path);
    if (node instanceof DirectoryNode) throw new DiskFault("other", "unlink", path);
    parent.set(name, null);
  }

  mkdir(path: string): void {
    const { parent, name, node } = this.#place("mkdir", path);
    if (node !== undefined) throw new DiskFault("EEXIST", "mkdir", path);
    parent.set(name, new DirectoryNode(this.#below, null));
  }

  rmdir(path: string): void {
    const { parent, name, node } = this.#place("rmdir", path);
    if (node === undefined) throw new DiskFault("ENOENT", "rmdir", path);
    if (node instanceof FileNode || node.names().length > 0) throw new DiskFault("other", "rmdir", path);
    parent.set(name, null);
  }

  syncDirectory(path: string, done: (fault: DiskFault | null) => void): void {
    const isThere = this.isDirectory(path);
    setImmediate(() => done(isThere ? null : new DiskFault("ENOENT", "syncDirectory", path)));
  }

  freeBytes(_path: string): number {
    return this.#below.freeBytes(this.#rootPath);
  }

  totalBytes(_path: string): number {
    return this.#below.totalBytes(this.#rootPath);
  }

  /** What is not as it is below, in order of the paths. */
  changes(): DiskChange[] {
    const changes: DiskChange[] = [];
    const moved = new Map<string, string>();
    this.#root.collectMoves(this.#rootPath, moved);
    this.#root.collect(this.#rootPath, moved, changes);
    return changes.sort((left, right) => (left.path < right.path ? -1 : left.path > right.path ? 1 : 0));
  }

  #find(path: string): Node | undefined {
    if (path === this.#rootPath) return this.#root;
    const place = this.#walk(path);
    return place === null || place === "under a file" ? undefined : place.node;
  }

  #place(operation: string, path: string): Place {
    if (path === this.#rootPath) return { parent: this.#root, name: "", node: this.#root };
    const place = this.#walk(path);
    if (place === null || place === "under a file")
      throw new DiskFault(place === null ? "ENOENT" : "other", operation, path);
    return place;
  }

  /** Null: outside of the root, or a directory on the way is missing. */
  #walk(path: string): Place | "under a file" | null {
    if (!path.startsWith(`${this.#rootPath}/`)) return null;
    const names = path.slice(this.#rootPath.length + 1).split("/");
    const name = names.pop() ?? "";
    let parent = this.#root;
    for (const step of names) {
      const next = parent.get(step);
      if (next instanceof FileNode) return "under a file";
      if (next === undefined) return null;
      parent = next;
    }
    return { parent, name, node: parent.get(name) };
  }
}

type Node = DirectoryNode | FileNode;

interface Place {
  readonly parent: DirectoryNode;
  readonly name: string;
  readonly node: Node | undefined;
}

class DirectoryNode {
  readonly #below: Disk;
  /** The directory below that this one stands for; null = made here. */
  readonly origin: string | null;
  /** Looked at or changed; null = gone. */
  readonly #entries = new Map<string, Node | null>();

  constructor(below: Disk, origin: string | null) {
    this.#below = below;
    this.origin = origin;
  }

  get(name: string): Node | undefined {
    const known = this.#entries.get(name);
    if (known !== undefined) return known ?? undefined;
    const found = this.#foundBelow(name);
    if (found !== undefined) this.#entries.set(name, found);
    return found;
  }

  set(name: string, node: Node | null): void {
    this.#entries.set(name, node);
  }

  names(): string[] {
    const names = new Set(this.origin === null ? [] : this.#below.list(this.origin));
    for (const [name, node] of this.#entries) {
      if (node === null) names.delete(name);
      else names.add(name);
    }
    return [...names];
  }

  #foundBelow(name: string): Node | undefined {
    if (this.origin === null) return undefined;
    const path = `${this.origin}/${name}`;
    if (this.#below.isDirectory(path)) return new DirectoryNode(this.#below, path);
    return this.#below.sizeOf(path) === null ? undefined : new FileNode(this.#below, path);
  }

  /** Where everything stands now that stood elsewhere. */
  collectMoves(path: string, moved: Map<string, string>): void {
    for (const [name, node] of this.#entries) {
      if (node === null) continue;
      const place = `${path}/${name}`;
      if (node.origin !== null && node.origin !== place) moved.set(node.origin, place);
      if (node instanceof DirectoryNode) node.collectMoves(place, moved);
    }
  }

  collect(path: string, moved: ReadonlyMap<string, string>, changes: DiskChange[]): void {
    for (const [name, node] of this.#entries) {
      const place = `${path}/${name}`;
      const origin = this.origin === null ? null : `${this.origin}/${name}`;
      const bytesBelow = origin === null ? null : this.#below.sizeOf(origin);
      if (node === null) {
        if (origin !== null && bytesBelow !== null && !moved.has(origin))
          changes.push({ kind: "removed", path: place, bytes: bytesBelow });
        continue;
      }
      // Under a directory that was moved as a whole only what changed besides is told.
      if (node.origin !== null && node.origin !== origin)
        changes.push({ kind: "renamed", path: place, from: node.origin });
      if (node instanceof DirectoryNode) {
        if (node.origin === null && bytesBelow === null) changes.push({ kind: "created", path: place, bytes: 0 });
        node.collect(place, moved, changes);
      } else {
        const change = node.change(place, node.origin ?? (bytesBelow === null ? null : origin));
        if (change !== null) changes.push(change);
      }
    }
  }
}

class FileNode {
  readonly #below: Disk;
  readonly origin: string | null;
  sizeBytes: number;
  /** Bytes of the file below that still count. */
  #belowBytes: number;
  readonly #pages = new Map<number, Buffer>();
  #file: File | null = null;
  #openCount = 0;

  constructor(below: Disk, origin: string | null) {
    this.#below = below;
    this.origin = origin;
    this.sizeBytes = origin === null ? 0 : (below.sizeOf(origin) ?? 0);
    this.#belowBytes = this.sizeBytes;
  }

  acquire(): void {
    this.#openCount += 1;
    if (this.origin !== null) this.#file ??= this.#below.open(this.origin, "read");
  }

  release(): void {
    this.#openCount -= 1;
    if (this.#openCount > 0) return;
    this.#file?.closeSync();
    this.#file = null;
  }

  read(into: Uint8Array, at: number): number {
    const length = Math.max(0, Math.min(into.length, this.sizeBytes - at));
    for (let done = 0; done < length; ) {
      const from = at + done;
      const page = this.#pages.get(Math.floor(from / PAGE_BYTES));
      const inPage = from % PAGE_BYTES;
      const part = into.subarray(done, Math.min(length, done + PAGE_BYTES - inPage));
      if (page === undefined) this.#readBelow(part, from);
      else part.set(page.subarray(inPage, inPage + part.length));
      done += part.length;
    }
    return length;
  }

  write(bytes: Uint8Array, at: number): void {
    for (let done = 0; done < bytes.length; ) {
      const from = at + done;
      const inPage = from % PAGE_BYTES;
      const part = bytes.subarray(done, Math.min(bytes.length, done + PAGE_BYTES - inPage));
      this.#writePart(part, from, inPage);
      done += part.length;
    }
    if (bytes.length > 0) this.sizeBytes = Math.max(this.sizeBytes, at + bytes.length);
  }

  truncate(size: number): void {
    this.sizeBytes = size;
    this.#belowBytes = Math.min(this.#belowBytes, size);
    for (const [slot, page] of this.#pages) {
      if (slot * PAGE_BYTES >= size) this.#pages.delete(slot);
      else if ((slot + 1) * PAGE_BYTES > size) page.fill(0, size - slot * PAGE_BYTES);
    }
  }

  /** Against the file at `before` below; null = as it was. */
  change(path: string, before: string | null): DiskChange | null {
    if (before === null) return { kind: "created", path, bytes: this.sizeBytes };
    const bytesBefore = this.#below.sizeOf(before) ?? 0;
    if (this.origin !== before) {
      if (this.#isSameAs(before, bytesBefore)) return null;
      return { kind: "rewritten", path, bytesBefore, bytesAfter: this.sizeBytes };
    }
    if (this.#pages.size > 0) {
      if (this.#isSameAs(before, bytesBefore)) return null;
      return { kind: "rewritten", path, bytesBefore, bytesAfter: this.sizeBytes };
    }
    return this.sizeBytes === bytesBefore ? null : { kind: "cut", path, bytesBefore, bytesAfter: this.sizeBytes };
  }

  #isSameAs(path: string, size: number): boolean {
    if (size !== this.sizeBytes) return false;
    const file = this.#below.open(path, "read");
    this.acquire();
    try {
      const own = Buffer.alloc(PAGE_BYTES);
      const other = Buffer.alloc(PAGE_BYTES);
      for (let at = 0; at < size; at += PAGE_BYTES) {
        const length = Math.min(PAGE_BYTES, size - at);
        this.read(own.subarray(0, length), at);
        readAll(file, other.subarray(0, length), at);
        if (!own.subarray(0, length).equals(other.subarray(0, length))) return false;
      }
      return true;
    } finally {
      this.release();
      file.closeSync();
    }
  }

  #writePart(part: Uint8Array, from: number, inPage: number): void {
    const slot = Math.floor(from / PAGE_BYTES);
    let page = this.#pages.get(slot);
    if (page === undefined) {
      if (from + part.length <= this.#belowBytes && this.#isBelow(part, from)) return;
      page = Buffer.alloc(PAGE_BYTES);
      this.#readBelow(page, slot * PAGE_BYTES);
      this.#pages.set(slot, page);
    }
    page.set(part, inPage);
  }

  #isBelow(bytes: Uint8Array, at: number): boolean {
    const there = Buffer.allocUnsafe(bytes.length);
    this.#readBelow(there, at);
    return there.equals(bytes);
  }

  /** Fills `into`, with zeros behind what counts of the file below. */
  #readBelow(into: Uint8Array, at: number): void {
    const length = Math.max(0, Math.min(into.length, this.#belowBytes - at));
    const read = this.#file === null ? 0 : readAll(this.#file, into.subarray(0, length), at);
    into.fill(0, read);
  }
}

function readAll(file: File, into: Uint8Array, at: number): number {
  let done = 0;
  while (done < into.length) {
    const read = file.readSync(into.subarray(done), at + done);
    if (read === 0) break;
    done += read;
  }
  return done;
}

class OverlayFile implements File {
  readonly path: string;
  readonly #node: FileNode;
  readonly #isWritable: boolean;
  #pendingCount = 0;
  #isWriteQueued = false;
  #isOpen = true;

  constructor(path: string, node: FileNode, isWritable: boolean) {
    this.path = path;
    this.#node = node;
    this.#isWritable = isWritable;
    node.acquire();
  }

  get size(): number {
    return this.#node.sizeBytes;
  }

  get pendingCount(): number {
    return this.#pendingCount;
  }

  readSync(into: Uint8Array, at: number): number {
    assert(this.#isOpen, `${this.path} is used after close`);
    return this.#node.read(into, at);
  }

  read(into: Uint8Array, at: number, done: (fault: DiskFault | null, bytesRead: number) => void): void {
    assert(this.#isOpen, `${this.path} is used after close`);
    this.#later(() => done(null, this.#node.read(into, at)));
  }

  writevSync(buffers: readonly Uint8Array[], at: number): number {
    this.#assertWritable();
    return this.#write(buffers, at);
  }

  writev(buffers: readonly Uint8Array[], at: number, done: (fault: DiskFault | null, bytes: number) => void): void {
    this.#assertWritable();
    this.#isWriteQueued = true;
    this.#later(() => {
      this.#isWriteQueued = false;
      done(null, this.#write(buffers, at));
    });
  }

  datasync(done: (fault: DiskFault | null) => void): void {
    assert(this.#isOpen, `${this.path} is used after close`);
    this.#later(() => done(null));
  }

  truncateSync(size: number): void {
    this.#assertWritable();
    assert(size <= this.#node.sizeBytes, `${this.path} is cut to more than it has`);
    this.#node.truncate(size);
  }

  closeSync(): void {
    assert(this.#isOpen, `${this.path} is used after close`);
    assert(this.#pendingCount === 0, `${this.path} is closed while an operation is pending`);
    this.#isOpen = false;
    this.#node.release();
  }

  #write(buffers: readonly Uint8Array[], at: number): number {
    let done = 0;
    for (const bytes of buffers) {
      this.#node.write(bytes, at + done);
      done += bytes.length;
    }
    return done;
  }

  #later(work: () => void): void {
    this.#pendingCount += 1;
    setImmediate(() => {
      this.#pendingCount -= 1;
      work();
    });
  }

  #assertWritable(): void {
    assert(this.#isOpen, `${this.path} is used after close`);
    assert(this.#isWritable, `${this.path} is open for reading only`);
    assert(!this.#isWriteQueued, `${this.path} has a queued write`);
  }
}
