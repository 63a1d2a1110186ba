/**
 * The reserve of the disk (3.8(2)): below min(256 MiB, 5 %) of free space nothing is appended, so that metadata, checkpoints
 * and deletion still find room; from twice that on all goes on.
 *
 * The disk is asked when somebody wants to append, and not again for a while, or until an eighth of the reserve was written,
 * and when files were removed: no timer runs. Who meets the end of the disk all the same is answered by the write itself (3.1(12)).
 */
import type { Clock, Disk, Logger } from "../ports/index.ts";

export interface DiskReserveDeps {
  readonly disk: Pick<Disk, "freeBytes" | "totalBytes">;
  readonly path: string;
  /** What is full when it is: a disk, or the memory that stands for one. */
  readonly medium: "disk" | "memory";
  readonly clock: Clock;
  readonly logger: Logger;
  /** There is no room any more; called once, until there is again. */
  readonly onFull?: () => void;
}

const RESERVE_BYTES_MAX = 256 * 1024 * 1024;
const RESERVE_SHARE = 0.05;
const LOOK_INTERVAL_MS = 100;

export class DiskReserve {
  readonly #deps: DiskReserveDeps;
  #lookAgainAtMs = Number.NEGATIVE_INFINITY;
  /** Asked for since the last look, and how much may be before the next one. */
  #askedBytes = 0;
  #askedBytesMax = 0;
  #hasRoom = true;
  /** Of the last look. */
  #freeBytes = 0;
  #reserveBytes = 0;

  constructor(deps: DiskReserveDeps) {
    this.#deps = deps;
  }

  /** Whether a batch of `bytes` may be appended. Cheap: runs once per batch. */
  hasRoom(bytes: number): boolean {
    const now = this.#deps.clock.monotonicNow();
    this.#askedBytes += bytes;
    if (now >= this.#lookAgainAtMs || this.#askedBytes > this.#askedBytesMax) {
      this.#lookAgainAtMs = now + LOOK_INTERVAL_MS;
      this.#askedBytes = 0;
      this.#look();
    }
    return this.#hasRoom;
  }

  /** For people and metrics: whether appends are refused now. */
  get isFull(): boolean {
    return !this.hasRoom(0);
  }

  /** Files went: room that they made is seen, and told of, without waiting for somebody who wants to append. */
  onRemoved(): void {
    if (!this.#hasRoom) this.#look();
  }

  /** What a producer is told while there is no room. */
  get fullMessage(): string {
    const { medium, path } = this.#deps;
    const numbers = `${inMebibytes(this.#freeBytes)} free, the reserve is ${inMebibytes(this.#reserveBytes)}`;
    return medium === "memory"
      ? `memory is full (${numbers}): delete a topic, or run the broker with a data directory`
      : `the disk is full (${path}: ${numbers}); appends go on by themselves at twice the reserve`;
  }

  #look(): void {
    const { disk, path, medium, logger } = this.#deps;
    try {
      this.#freeBytes = disk.freeBytes(path);
      this.#reserveBytes = Math.min(RESERVE_BYTES_MAX, disk.totalBytes(path) * RESERVE_SHARE);
    } catch {
      // A disk that does not say how full it is says so when it is written.
      return;
    }
    this.#askedBytesMax = this.#reserveBytes / 8;
    const hasRoom = this.#freeBytes >= (this.#hasRoom ? this.#reserveBytes : 2 * this.#reserveBytes);
    if (hasRoom === this.#hasRoom) return;
    this.#hasRoom = hasRoom;
    const told = { path, medium, freeBytes: this.#freeBytes, reserveBytes: Math.round(this.#reserveBytes) };
    if (hasRoom) logger.info("there is room again: appends go on", told);
    else {
      logger.error("no room but the reserve: appends are refused", told);
      this.#deps.onFull?.();
    }
  }
}

function inMebibytes(bytes: number): string {
  return `${(bytes / (1024 * 1024)).toFixed(1)} MiB`;
}
