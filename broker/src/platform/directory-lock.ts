/**
 * The exclusive lock of a data directory (semantics 2.7). Node has no file locks, LevelDB has one: `tidemark-lock/` is an
 * empty store of its own, and its `LOCK` is the lock. It is a POSIX lock: the process loses it as soon as it closes any
 * descriptor of that file, even one it only read. So a table of real paths refuses a second open in this process before
 * the store is touched, and nothing else ever opens `LOCK`.
 *
 * Beside it `.pid` names the holder, as a hint for people. A store that does not open, though nobody holds it, is emptied
 * but for `LOCK` and opened again: there is nothing in it to lose.
 */
import fs from "node:fs";
import path from "node:path";
import type { DirectoryLock, DirectoryLocks } from "../ports/index.ts";
import { toFault } from "./file-disk.ts";
import { isHeld, openLevel } from "./level-store.ts";

/** LevelDB's own lock: nobody else opens it. */
export const LOCK_FILE = "LOCK";

const STORE_NAME = "tidemark-lock";
const PID_NAME = ".pid";

export class FileDirectoryLocks implements DirectoryLocks {
  async acquire(
    directory: string,
  ): Promise<{ ok: true; lock: DirectoryLock } | { ok: false; ownerPid: number | null }> {
    const realPath = fs.realpathSync(directory);
    const held = heldPaths();
    if (held.has(realPath)) return { ok: false, ownerPid: process.pid };
    held.add(realPath);
    try {
      const store = await openOrHeal(path.join(realPath, STORE_NAME));
      hint(() => fs.writeFileSync(path.join(realPath, PID_NAME), `${process.pid}\n`, { mode: 0o600 }));
      return { ok: true, lock: new HeldLock(realPath, store) };
    } catch (error: unknown) {
      held.delete(realPath);
      if (isHeld(error)) return { ok: false, ownerPid: readPid(realPath) };
      throw toFault("lock", realPath, error);
    }
  }
}

/** For data that lives in memory: whoever has the disk has the only one there is. */
export class MemoryDirectoryLocks implements DirectoryLocks {
  readonly #held = new Set<string>();

  async acquire(
    directory: string,
  ): Promise<{ ok: true; lock: DirectoryLock } | { ok: false; ownerPid: number | null }> {
    if (this.#held.has(directory)) return { ok: false, ownerPid: process.pid };
    this.#held.add(directory);
    const release = async (): Promise<void> => {
      this.#held.delete(directory);
    };
    return { ok: true, lock: { release } };
  }
}

class HeldLock implements DirectoryLock {
  readonly #realPath: string;
  readonly #store: LockStore;
  #isHeld = true;

  constructor(realPath: string, store: LockStore) {
    this.#realPath = realPath;
    this.#store = store;
  }

  async release(): Promise<void> {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    // First the hint, while it is still ours to remove.
    hint(() => fs.rmSync(path.join(this.#realPath, PID_NAME), { force: true }));
    await this.#store.close();
    heldPaths().delete(this.#realPath);
  }
}

interface LockStore {
  close(): Promise<void>;
}

/** What concerns `.pid` only, on a full disk say, keeps nobody from the lock, nor the lock from the next. */
function hint(work: () => void): void {
  try {
    work();
  } catch {
    // Then a refusal names nobody, or somebody who is gone.
  }
}

async function openOrHeal(storePath: string): Promise<LockStore> {
  try {
    return await openLevel(storePath, { createIfMissing: true });
  } catch (error: unknown) {
    if (isHeld(error) || !fs.existsSync(storePath)) throw error;
  }
  for (const name of fs.readdirSync(storePath)) {
    if (name !== LOCK_FILE) fs.rmSync(path.join(storePath, name), { force: true, recursive: true });
  }
  return openLevel(storePath, { createIfMissing: true });
}

function readPid(realPath: string): number | null {
  try {
    const pid = Number(fs.readFileSync(path.join(realPath, PID_NAME), "utf8").trim());
    return Number.isSafeInteger(pid) && pid > 0 ? pid : null;
  } catch {
    return null;
  }
}

const HELD_PATHS = Symbol.for("tidemark.heldDirectories");

/**
 * Real paths that this process holds. On globalThis, because a process may load two copies of this package, and the
 * second one's open would take the lock from the first.
 */
function heldPaths(): Set<string> {
  const existing: unknown = Reflect.get(globalThis, HELD_PATHS);
  if (existing instanceof Set) return existing;
  const paths = new Set<string>();
  Reflect.set(globalThis, HELD_PATHS, paths);
  return paths;
}
