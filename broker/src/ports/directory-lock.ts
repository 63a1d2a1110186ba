/** Exclusive possession of a data directory, across processes and within one (semantics 2.7). */
export interface DirectoryLock {
  release(): Promise<void>;
}

export interface DirectoryLocks {
  /**
   * Takes the lock of `directory`, which exists. Answers null when somebody holds it: another process, or another broker
   * of this one; `ownerPid` then tells whom `.pid` names, if it can be read.
   */
  acquire(directory: string): Promise<{ ok: true; lock: DirectoryLock } | { ok: false; ownerPid: number | null }>;
}
