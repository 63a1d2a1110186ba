/**
 * Real small file systems for tests, in a mount namespace of their own: when the process that asked for it ends, however
 * it ends, the kernel takes the mounts with it and the loop devices behind them (autoclear).
 *
 * A tmpfs can be mounted by root and in a user namespace; ext4 on a loop device needs root. What a machine cannot do is said
 * aloud by whoever skips (`whyNot`).
 */
import { type ChildProcessByStdio, execFileSync, spawn, spawnSync } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, statfsSync, truncateSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";

const MEBIBYTE = 1024 * 1024;
const isRoot = process.getuid?.() === 0;
/** Of processes too: with the first one all others end, and nobody holds a mount. */
const NAMESPACE = [
  "unshare",
  ...(isRoot ? [] : ["--user", "--map-root-user"]),
  "--mount",
  "--pid",
  "--fork",
  "--kill-child",
  "--mount-proc",
] as const;

export type Need = "tmpfs" | "ext4" | "ext4 shutdown";

/** Why this machine has no file system of that kind for tests; null: it has. */
export function whyNot(need: Need): string | null {
  if (process.platform !== "linux") return "only Linux has mount namespaces";
  if (!succeeds([...NAMESPACE, "mount", "-t", "tmpfs", "none", "/mnt"]))
    return "neither root nor `unshare -Urm` may mount a tmpfs here";
  if (need === "tmpfs") return null;
  if (!isRoot) return "a loop device needs root";
  if (!existsSync("/dev/loop-control")) return "there are no loop devices";
  if (!succeeds(["mkfs.ext4", "-V"])) return "mkfs.ext4 is missing";
  if (need === "ext4 shutdown" && !succeeds(["perl", "-e", "1"])) return "perl, which calls the ioctl, is missing";
  return null;
}

function succeeds([file = "", ...args]: readonly string[]): boolean {
  return spawnSync(file, args, { stdio: "ignore", timeout: 10_000 }).status === 0;
}

/** A node program in a mount namespace of its own, which answers each line with a line. */
export class NamespaceProgram {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #ended: Promise<string>;
  readonly #scratch = mkdtempSync(join(tmpdir(), "tidemark-mounts-"));
  readonly #lines: AsyncIterator<string>;

  constructor(program: string) {
    const [file, ...flags] = NAMESPACE;
    this.#child = spawn(file, [...flags, process.execPath, program], {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, TMPDIR: this.#scratch },
    });
    this.#child.stdin.on("error", () => undefined);
    let said = "";
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    this.#lines = createInterface(this.#child.stdout)[Symbol.asyncIterator]();
    this.#ended = new Promise((resolve) => {
      this.#child.once("close", (code, signal) => resolve(`it ended with ${code ?? signal}:\n${said}`));
    });
  }

  /** Rejects with what it said when it ends instead of answering; after `timeoutMs` it is ended. */
  async ask(line: string, timeoutMs: number): Promise<string> {
    const limit = setTimeout(() => this.#child.kill("SIGKILL"), timeoutMs);
    this.#child.stdin.write(`${line}\n`);
    const { value, done } = await this.#lines.next();
    clearTimeout(limit);
    if (done === true) throw new Error(await this.#ended);
    return value;
  }

  /** Resolves when it is gone, and its mounts with it. */
  async end(): Promise<void> {
    this.#child.stdin.end();
    await this.#ended;
    // Out here nothing was ever mounted in it.
    rmSync(this.#scratch, { recursive: true, force: true });
  }
}

/** A file system that is there for as long as this process. */
export class SmallDisk {
  readonly path = mkdtempSync(join(tmpdir(), "disk-"));

  /** In memory. */
  static tmpfs(mebibytes: number): SmallDisk {
    const disk = new SmallDisk();
    mount(["-t", "tmpfs", "-o", `size=${mebibytes}m`, "none", disk.path]);
    return disk;
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.path);
    return bavail * bsize;
  }

  /** Takes all free space but `leftBytes`, as a stranger does. */
  fill(leftBytes = 0): void {
    fillFile(join(this.path, "stranger"), leftBytes);
  }

  unfill(): void {
    rmSync(join(this.path, "stranger"));
  }

  remountReadOnly(): void {
    mount(["-o", "remount,bind,ro", this.path]);
  }

  umount(): void {
    execFileSync("umount", [this.path]);
  }
}

/** ext4 on a loop device whose image lies, with holes, on a tmpfs: a medium that fails as its image is treated. */
export class FailingDisk {
  readonly #tmpfs: SmallDisk;
  readonly #image: string;
  readonly #disk = new SmallDisk();

  constructor(options: { readonly mebibytes: number; readonly backedMebibytes: number }) {
    this.#tmpfs = SmallDisk.tmpfs(options.backedMebibytes);
    this.#image = join(this.#tmpfs.path, "image");
    closeSync(openSync(this.#image, "w"));
    truncateSync(this.#image, options.mebibytes * MEBIBYTE);
    // A journal that meets the failing medium, by its timer or by a sync, would make all of it read-only.
    execFileSync("mkfs.ext4", ["-q", "-O", "^has_journal", "-E", "lazy_itable_init=0", this.#image]);
    this.mount();
  }

  get path(): string {
    return this.#disk.path;
  }

  mount(): void {
    mount(["-o", "loop", this.#image, this.path]);
  }

  umount(): void {
    this.#disk.umount();
  }

  /** Takes all free space but `leftBytes`, as a stranger does. */
  fill(leftBytes = 0): void {
    this.#disk.fill(leftBytes);
  }

  unfill(): void {
    this.#disk.unfill();
  }

  /** Forgets what is only in memory. */
  remount(): void {
    this.umount();
    this.mount();
  }

  /** What is written back from now on finds no place: the page cache takes it, and the sync fails. */
  refuseWriteBack(): void {
    // Where something stood that is deleted, a write would find the place that it had.
    execFileSync("fstrim", [this.path]);
    this.#tmpfs.fill();
  }

  acceptWriteBack(): void {
    this.#tmpfs.unfill();
  }

  /** Reads of what is not in memory end with EIO, but for the first `keptMebibytes` of the medium. */
  loseImage(keptMebibytes: number): void {
    truncateSync(this.#image, keptMebibytes * MEBIBYTE);
  }

  /** Every operation ends with EIO from now on, and what was not synced is gone (EXT4_IOC_SHUTDOWN without a log flush). */
  die(): void {
    const call = 'open F, "<", $ARGV[0] or die $!; my $f = pack("L", 2); ioctl(F, 0x8004587d, $f) or die $!';
    execFileSync("perl", ["-e", call, this.path]);
  }
}

function mount(args: readonly string[]): void {
  execFileSync("mount", args);
}

function fillFile(path: string, leftBytes: number): void {
  const file = openSync(path, "w");
  try {
    const chunk = Buffer.alloc(64 * 1024, 1);
    for (let size = chunk.length; size >= 512; ) {
      const { bavail, bsize } = statfsSync(path);
      if (bavail * bsize - leftBytes < size) {
        size = Math.floor(size / 2);
        if (leftBytes > 0) continue;
      }
      try {
        if (writeSync(file, chunk, 0, size) < size) size = Math.floor(size / 2);
      } catch (error: unknown) {
        if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error;
        size = Math.floor(size / 2);
      }
    }
  } finally {
    closeSync(file);
  }
}
