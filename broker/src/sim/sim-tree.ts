/**
 * The names of the simulated disk: directories, each a map of entries with a *written* and a *synced* image, and the entry
 * operations not yet synced, in the order they were made.
 *
 * An operation may change several entries and is atomic (a rename takes one name away and gives another). A power failure
 * keeps or loses each unsynced one; those on one name go in order: what follows a lost one is lost. In mode `journal` the
 * operations of the whole disk go in order, and a sync of any file or directory commits all earlier ones, as ext4 does. In
 * mode `strict` only a sync of the directory itself commits its operations, as the standard promises.
 */
import type { SeededRandom } from "../base/index.ts";
import { DiskFault } from "../ports/index.ts";
import { PagedFile } from "./paged-file.ts";

export type DirectoryMode = "strict" | "journal";

export type TreeNode = Directory | PagedFile;

export class Directory {
  readonly kind = "directory";
  readonly id: number;
  readonly written = new Map<string, TreeNode>();
  synced = new Map<string, TreeNode>();

  constructor(id: number) {
    this.id = id;
  }
}

/** One entry that changes: `node` null takes the name away. */
export interface EntryChange {
  readonly directory: Directory;
  readonly name: string;
  readonly node: TreeNode | null;
}

interface EntryOperation {
  readonly order: number;
  readonly changes: readonly EntryChange[];
}

/** Where a path leads: the directory that holds its last name, and what stands there. */
export interface Place {
  readonly parent: Directory;
  readonly name: string;
  readonly node: TreeNode | undefined;
}

export class SimTree {
  readonly mode: DirectoryMode;
  readonly root = new Directory(0);
  #directoryCount = 1;
  #pending: EntryOperation[] = [];
  #order = 0;
  /** Paths taken apart; a log names the same few over and over. */
  readonly #names = new Map<string, readonly string[]>();

  constructor(mode: DirectoryMode) {
    this.mode = mode;
  }

  /** Another tree with the names and bytes that readers see, all of them synced. */
  copy(): SimTree {
    const tree = new SimTree(this.mode);
    const fill = (target: Directory, source: Directory): void => {
      for (const [name, node] of source.written) {
        const copy = node.kind === "file" ? node.copy() : tree.newDirectory();
        target.written.set(name, copy);
        target.synced.set(name, copy);
        if (node.kind === "directory" && copy.kind === "directory") fill(copy, node);
      }
    };
    fill(tree.root, this.root);
    return tree;
  }

  /** Number of the newest entry operation: what a sync that begins now covers. */
  get order(): number {
    return this.#order;
  }

  newDirectory(): Directory {
    return new Directory(this.#directoryCount++);
  }

  /** Resolves `path`; ENOENT when a directory on the way is absent, `other` when it is a file. */
  place(operation: string, path: string): Place {
    const names = this.#namesOf(path);
    let directory = this.root;
    for (let depth = 0; depth < names.length - 1; depth++) {
      const next = directory.written.get(names[depth] ?? "");
      if (next === undefined) throw new DiskFault("ENOENT", operation, path);
      if (next.kind === "file") throw new DiskFault("other", operation, path);
      directory = next;
    }
    const name = names.at(-1);
    if (name === undefined) return { parent: this.root, name: ".", node: this.root };
    return { parent: directory, name, node: directory.written.get(name) };
  }

  /** What stands at `path`, or undefined: never a fault. */
  find(path: string): TreeNode | undefined {
    let node: TreeNode | undefined = this.root;
    for (const name of this.#namesOf(path)) {
      if (node === undefined || node.kind === "file") return undefined;
      node = node.written.get(name);
    }
    return node;
  }

  /** True when every entry on the way to `path` would survive a power failure, as what it is now. */
  isEntrySynced(path: string): boolean {
    let node: TreeNode | undefined = this.root;
    for (const name of this.#namesOf(path)) {
      if (node === undefined || node.kind === "file") return false;
      const next: TreeNode | undefined = node.written.get(name);
      if (next === undefined || node.synced.get(name) !== next || this.#isPending(node, name)) return false;
      node = next;
    }
    return true;
  }

  change(changes: readonly EntryChange[]): void {
    for (const { directory, name, node } of changes) {
      if (node === null) directory.written.delete(name);
      else directory.written.set(name, node);
    }
    this.#pending.push({ order: ++this.#order, changes });
  }

  /** A sync of `directory`, begun when `order` was newest, has succeeded. */
  commitDirectory(directory: Directory, order: number): void {
    if (this.mode === "journal") {
      this.commitAll(order);
      return;
    }
    // Backwards, to take along earlier operations on the other name of a rename between directories.
    const names = new Set<string>();
    const committed = new Set<EntryOperation>();
    for (const operation of this.#pending.toReversed()) {
      const isHere = operation.order <= order && operation.changes.some((change) => change.directory === directory);
      if (!isHere && !operation.changes.some((change) => names.has(entryKey(change)))) continue;
      committed.add(operation);
      for (const change of operation.changes) names.add(entryKey(change));
    }
    this.#commit((operation) => committed.has(operation));
  }

  commitAll(order: number): void {
    this.#commit((operation) => operation.order <= order);
  }

  losePower(random: SeededRandom): void {
    const keep = random.pick([0, 0.2, 0.5, 0.8, 1]);
    const lost = new Set<string>();
    let isCut = false;
    const touched = new Set<Directory>();
    for (const { changes } of this.#pending) {
      for (const change of changes) touched.add(change.directory);
      const followsLost = this.mode === "journal" ? isCut : changes.some((change) => lost.has(entryKey(change)));
      if (random.chance(keep) && !followsLost) {
        settle(changes);
        continue;
      }
      isCut = true;
      for (const change of changes) lost.add(entryKey(change));
    }
    this.#pending = [];
    for (const directory of touched) {
      directory.written.clear();
      for (const [name, node] of directory.synced) directory.written.set(name, node);
    }
  }

  /** Every file that a name leads to, now or after a power failure. */
  files(): Set<PagedFile> {
    const files = new Set<PagedFile>();
    const seen = new Set<Directory>();
    const visit = (node: TreeNode): void => {
      if (node.kind === "file") {
        files.add(node);
        return;
      }
      if (seen.has(node)) return;
      seen.add(node);
      for (const child of node.written.values()) visit(child);
      for (const child of node.synced.values()) visit(child);
    };
    visit(this.root);
    for (const { changes } of this.#pending) for (const { node } of changes) if (node !== null) visit(node);
    return files;
  }

  #namesOf(path: string): readonly string[] {
    const known = this.#names.get(path);
    if (known !== undefined) return known;
    const names = path.split("/").filter((name) => name !== "" && name !== ".");
    this.#names.set(path, names);
    return names;
  }

  #isPending(directory: Directory, name: string): boolean {
    return this.#pending.some(({ changes }) =>
      changes.some((change) => change.directory === directory && change.name === name),
    );
  }

  #commit(isCommitted: (operation: EntryOperation) => boolean): void {
    const left: EntryOperation[] = [];
    for (const operation of this.#pending) {
      if (isCommitted(operation)) settle(operation.changes);
      else left.push(operation);
    }
    this.#pending = left;
  }
}

function settle(changes: readonly EntryChange[]): void {
  for (const { directory, name, node } of changes) {
    if (node === null) directory.synced.delete(name);
    else directory.synced.set(name, node);
  }
}

function entryKey(change: EntryChange): string {
  return `${change.directory.id}/${change.name}`;
}
