/**
 * The Disk that one life of a simulated process holds: names and directories. It stops working with its process.
 */
import { DiskFault } from "../ports/index.ts";
import type { Disk, File, OpenMode } from "../ports/index.ts";
import { PagedFile } from "./paged-file.ts";
import type { SimDisk } from "./sim-disk.ts";
import { isKind } from "./sim-faults.ts";
import type { DiskOperation, FaultRule } from "./sim-faults.ts";
import { SimFile } from "./sim-file.ts";
import type { Directory } from "./sim-tree.ts";
import type { SimProcess } from "./sim-world.ts";

export class SimMount implements Disk {
  readonly #disk: SimDisk;
  readonly #process: SimProcess;

  constructor(disk: SimDisk, process: SimProcess) {
    this.#disk = disk;
    this.#process = process;
  }

  open(path: string, mode: OpenMode): File {
    this.#enter("open", path);
    if (this.#disk.openFilesCount >= this.#disk.openFilesMax) throw new DiskFault("EMFILE", "open", path);
    const { parent, name, node } = this.#disk.tree.place("open", path);
    if (node?.kind === "directory") throw new DiskFault("other", "open", path);
    let file = node;
    if (file === undefined) {
      if (mode !== "create") throw new DiskFault("ENOENT", "open", path);
      file = new PagedFile();
      this.#disk.change("open", path, [{ directory: parent, name, node: file }]);
    }
    this.#disk.opened();
    return new SimFile({ disk: this.#disk, process: this.#process, file, path, isWritable: mode !== "read" });
  }

  list(path: string): string[] {
    this.#enter("list", path);
    return [...this.#directory("list", path).written.keys()];
  }

  sizeOf(path: string): number | null {
    this.#disk.assertAlive(this.#process, "sizeOf");
    const node = this.#disk.tree.find(path);
    if (node === undefined) return null;
    return node.kind === "file" ? node.sizeBytes : 0;
  }

  isDirectory(path: string): boolean {
    this.#disk.assertAlive(this.#process, "isDirectory");
    return this.#disk.tree.find(path)?.kind === "directory";
  }

  rename(from: string, to: string): void {
    if (this.#enter("rename", from)?.effect === "lie") return;
    const source = this.#disk.tree.place("rename", from);
    const target = this.#disk.tree.place("rename", to);
    if (source.node === undefined) throw new DiskFault("ENOENT", "rename", from);
    if (target.node === source.node) return;
    const isLegal =
      target.node === undefined ||
      (source.node.kind === "file"
        ? target.node.kind === "file"
        : target.node.kind === "directory" && target.node.written.size === 0);
    if (!isLegal) throw new DiskFault("other", "rename", to);
    this.#disk.change("rename", `${from} ${to}`, [
      { directory: source.parent, name: source.name, node: null },
      { directory: target.parent, name: target.name, node: source.node },
    ]);
  }

  unlink(path: string): void {
    if (this.#enter("unlink", path)?.effect === "lie") return;
    const { parent, name, node } = this.#disk.tree.place("unlink", path);
    if (node === undefined) throw new DiskFault("ENOENT", "unlink", path);
    if (node.kind === "directory") throw new DiskFault("other", "unlink", path);
    this.#disk.change("unlink", path, [{ directory: parent, name, node: null }]);
  }

  mkdir(path: string): void {
    this.#enter("mkdir", path);
    const { parent, name, node } = this.#disk.tree.place("mkdir", path);
    if (node !== undefined) throw new DiskFault("EEXIST", "mkdir", path);
    this.#disk.change("mkdir", path, [{ directory: parent, name, node: this.#disk.tree.newDirectory() }]);
  }

  rmdir(path: string): void {
    this.#enter("rmdir", path);
    const { parent, name, node } = this.#disk.tree.place("rmdir", path);
    if (node === undefined) throw new DiskFault("ENOENT", "rmdir", path);
    if (node.kind === "file" || node.written.size > 0) throw new DiskFault("other", "rmdir", path);
    this.#disk.change("rmdir", path, [{ directory: parent, name, node: null }]);
  }

  syncDirectory(path: string, done: (fault: DiskFault | null) => void): void {
    const disk = this.#disk;
    const rule = disk.enter(this.#process, "syncDirectory", path);
    const order = disk.tree.order;
    // A directory that is renamed while its sync is under way is still the one that was opened.
    const found = disk.tree.find(path);
    disk.begun();
    this.#process.after(disk.delayOf("syncDirectory", rule), () => {
      disk.ended();
      if (found?.kind !== "directory") {
        done(new DiskFault(found === undefined ? "ENOENT" : "other", "syncDirectory", path));
      } else if (isKind(rule?.effect)) {
        done(new DiskFault(rule.effect, "syncDirectory", path));
      } else {
        disk.perform("syncDirectory", path, order, 0, () => {
          if (rule?.effect !== "lie") disk.tree.commitDirectory(found, order);
        });
        done(null);
      }
    });
  }

  freeBytes(_path: string): number {
    this.#disk.assertAlive(this.#process, "freeBytes");
    return this.#disk.freeBytes();
  }

  totalBytes(_path: string): number {
    this.#disk.assertAlive(this.#process, "totalBytes");
    return this.#disk.totalBytes();
  }

  #enter(operation: DiskOperation, path: string): FaultRule | undefined {
    const rule = this.#disk.enter(this.#process, operation, path);
    if (isKind(rule?.effect)) throw new DiskFault(rule.effect, operation, path);
    return rule;
  }

  #directory(operation: string, path: string): Directory {
    const node = this.#disk.tree.place(operation, path).node;
    if (node === undefined) throw new DiskFault("ENOENT", operation, path);
    if (node.kind === "file") throw new DiskFault("other", operation, path);
    return node;
  }
}
