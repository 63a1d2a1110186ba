/**
 * The real disk for one life of a broker: when its process dies, whatever it still holds throws SimulatedCrash on any use, and its
 * callbacks never run. What it had written stays, as the page cache does; what was under way is done before `bury` resolves, and then
 * every file is closed.
 *
 * While the process stands still its callbacks wait with the rest of its work.
 */
import type { Disk, DiskFault, File, OpenMode } from "../ports/index.ts";
import { type SimProcess, SimulatedCrash } from "../sim/index.ts";
import type { RealWork } from "./real-work.ts";

export class MortalDisk implements Disk {
  readonly #disk: Disk;
  readonly #process: SimProcess;
  readonly #work: RealWork;
  readonly #files = new Set<MortalFile>();

  constructor(disk: Disk, process: SimProcess, work: RealWork) {
    this.#disk = disk;
    this.#process = process;
    this.#work = work;
  }

  /** Files that are open for real. */
  get openFilesCount(): number {
    return this.#files.size;
  }

  /** The process is dead: resolves when nothing of it is under way, and all is closed. */
  async bury(): Promise<void> {
    await Promise.all([...this.#files].map((file) => file.bury()));
  }

  open(path: string, mode: OpenMode): File {
    const file = new MortalFile(this.#alive("open").open(path, mode), this, () => this.#files.delete(file));
    this.#files.add(file);
    return file;
  }

  list(path: string): string[] {
    return this.#alive("list").list(path);
  }

  sizeOf(path: string): number | null {
    return this.#alive("sizeOf").sizeOf(path);
  }

  isDirectory(path: string): boolean {
    return this.#alive("isDirectory").isDirectory(path);
  }

  rename(from: string, to: string): void {
    this.#alive("rename").rename(from, to);
  }

  unlink(path: string): void {
    this.#alive("unlink").unlink(path);
  }

  mkdir(path: string): void {
    this.#alive("mkdir").mkdir(path);
  }

  rmdir(path: string): void {
    this.#alive("rmdir").rmdir(path);
  }

  syncDirectory(path: string, done: (fault: DiskFault | null) => void): void {
    let finish: (tell: () => void) => void = () => undefined;
    this.#alive("syncDirectory").syncDirectory(path, (fault) => finish(() => done(fault)));
    finish = this.begin();
  }

  freeBytes(path: string): number {
    return this.#alive("freeBytes").freeBytes(path);
  }

  totalBytes(path: string): number {
    return this.#alive("totalBytes").totalBytes(path);
  }

  assertAlive(during: string): void {
    if (!this.#process.isAlive) throw new SimulatedCrash(during);
  }

  /** An operation off the loop has begun; what it answers with reaches the living alone, as an event of theirs. */
  begin(): (tell: () => void) => void {
    this.#work.begin();
    return (tell) => {
      this.#process.after(0, tell);
      this.#work.end();
    };
  }

  #alive(during: string): Disk {
    this.assertAlive(during);
    return this.#disk;
  }
}

class MortalFile implements File {
  readonly #file: File;
  readonly #disk: MortalDisk;
  readonly #onClosed: () => void;
  /** Operations whose end was not told yet. */
  #untoldCount = 0;
  /** Resolves `bury` when the real file has nothing under way. */
  #onIdle: (() => void) | null = null;

  constructor(file: File, disk: MortalDisk, onClosed: () => void) {
    this.#file = file;
    this.#disk = disk;
    this.#onClosed = onClosed;
  }

  get path(): string {
    return this.#file.path;
  }

  get size(): number {
    return this.#file.size;
  }

  get pendingCount(): number {
    return this.#untoldCount;
  }

  async bury(): Promise<void> {
    if (this.#file.pendingCount > 0)
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    this.#file.closeSync();
    this.#onClosed();
  }

  readSync(into: Uint8Array, at: number): number {
    this.#disk.assertAlive("read");
    return this.#file.readSync(into, at);
  }

  read(into: Uint8Array, at: number, done: (fault: DiskFault | null, bytesRead: number) => void): void {
    this.#disk.assertAlive("read");
    this.#begin((told) => this.#file.read(into, at, told), done);
  }

  writevSync(buffers: readonly Uint8Array[], at: number): number {
    this.#disk.assertAlive("write");
    return this.#file.writevSync(buffers, at);
  }

  writev(
    buffers: readonly Uint8Array[],
    at: number,
    done: (fault: DiskFault | null, bytesWritten: number) => void,
  ): void {
    this.#disk.assertAlive("write");
    this.#begin((told) => this.#file.writev(buffers, at, told), done);
  }

  datasync(done: (fault: DiskFault | null) => void): void {
    this.#disk.assertAlive("datasync");
    this.#begin((told) => this.#file.datasync(told), done);
  }

  truncateSync(size: number): void {
    this.#disk.assertAlive("truncate");
    this.#file.truncateSync(size);
  }

  closeSync(): void {
    this.#disk.assertAlive("close");
    this.#file.closeSync();
    this.#onClosed();
  }

  /** Not counted where `start` refuses it. */
  #begin<T extends readonly unknown[]>(
    start: (told: (...answer: T) => void) => void,
    done: (...answer: T) => void,
  ): void {
    let finish: (tell: () => void) => void = () => undefined;
    start((...answer) => {
      finish(() => {
        this.#untoldCount -= 1;
        done(...answer);
      });
      if (this.#file.pendingCount === 0) this.#onIdle?.();
    });
    this.#untoldCount += 1;
    finish = this.#disk.begin();
  }
}
