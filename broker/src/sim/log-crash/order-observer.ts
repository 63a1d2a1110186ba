/**
 * Invariants about the order of things, seen at the moment of each operation: ST6 (checkpoints change by temp file, sync,
 * rename only) and ST7 (the clean marker appears only when everything is synced, and is durably gone before a log is read).
 */
import type { DiskObserver } from "../sim-disk.ts";
import type { DiskOperation } from "../sim-faults.ts";
import { CLEAN_MARKER, checkSynced, RECOVERY_POINTS, SYNC_FAILED } from "./medium-checks.ts";
import { DATA_PATH, pathOf } from "./run-state.ts";
import type { RunState } from "./run-state.ts";
import { ensure } from "../violation.ts";

/** Files of 2.2 that are written `safe`. */
const SAFE_FILES = /\/(?:[a-z-]*-checkpoint|partition\.metadata|meta\.properties)$/;

export class OrderObserver implements DiskObserver {
  readonly #state: RunState;
  readonly #report: (check: () => void) => void;
  /** The recovery points on disk have changed since the owner last looked. */
  haveRecoveryPointsChanged = false;
  /** The log has tried to mark a failed sync. */
  hasTriedToMark = false;
  /** Virtual time of the last sync that failed; -1: none has. */
  syncFailedAtMs = -1;

  constructor(state: RunState, report: (check: () => void) => void) {
    this.#state = state;
    this.#report = report;
  }

  onAsked(operation: DiskOperation, path: string): void {
    if (operation !== "open" && operation !== "read") return;
    if (path === SYNC_FAILED) this.hasTriedToMark = true;
    if (!path.endsWith(".log")) return;
    this.#report(() => {
      this.#checkMarkerIsGone(path);
    });
  }

  onChange(operation: DiskOperation, path: string): void {
    const target = operation === "rename" ? (path.split(" ")[1] ?? "") : path;
    if (SAFE_FILES.test(target)) {
      this.#report(() => {
        this.#checkSafe(operation, path, target);
      });
    }
    if (target === RECOVERY_POINTS) this.haveRecoveryPointsChanged = true;
    if (target === CLEAN_MARKER && (operation === "open" || operation === "rename")) {
      this.#report(() => {
        this.#checkAllSynced();
      });
    }
  }

  onSyncFailed(): void {
    this.syncFailedAtMs = this.#state.world.nowMs;
  }

  #checkMarkerIsGone(path: string): void {
    const data = this.#state.medium.tree.find(DATA_PATH);
    const isThere = data?.kind === "directory" && data.synced.has(CLEAN_MARKER.slice(DATA_PATH.length + 1));
    ensure(!isThere, "ST7", () => `${path} is read while a power failure would bring the clean marker back`);
  }

  #checkSafe(operation: DiskOperation, path: string, target: string): void {
    ensure(
      operation === "rename" || operation === "unlink" || operation === "datasync",
      "ST6",
      () => `${operation} of ${path} in place`,
    );
    if (operation !== "rename") return;
    const source = path.split(" ")[0] ?? "";
    ensure(
      this.#state.medium.fileAt(source)?.isSettled === true,
      "ST6",
      () => `${target} is replaced by a file that is not synced`,
    );
  }

  #checkAllSynced(): void {
    for (const shadow of this.#state.shadows.values()) {
      if (!shadow.isCreated || shadow.damagedAt !== null) continue;
      checkSynced(this.#state, shadow, shadow.endOffset, "ST7");
      const directory = this.#state.medium.tree.find(pathOf(shadow));
      if (directory?.kind !== "directory") continue;
      for (const [name, node] of directory.written) {
        if (node.kind !== "file" || !/\.(?:log|index|timeindex|txnindex|snapshot)$|-checkpoint$/.test(name)) continue;
        const isSafe = node.isSettled && this.#state.medium.tree.isEntrySynced(`${pathOf(shadow)}/${name}`);
        ensure(isSafe, "ST7", () => `the clean marker is made while ${pathOf(shadow)}/${name} is not synced`);
      }
    }
  }
}
