/**
 * The reserve of the disk (3.8(2)): below min(256 MiB, 5 %) of free space nothing is appended, so that metadata, checkpoints
 * and deletion still find room; from twice that on all goes on.
 *
 * The disk is asked when somebody wants to append, and not again for a while, or until an eighth of the reserve was written:
 * no timer runs. Who meets the end of the disk all the same is answered by the write itself (3.1(12)).
 */
import type { Clock, Disk, Logger } from "../ports/index.ts";

export interface DiskReserveDeps {
  readonly disk: Pick<Disk, "freeBytes" | "totalBytes">;
  readonly path: string;
  readonly clock: Clock;
  readonly logger: Logger;
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

  #look(): void {
    const { disk, path, logger } = this.#deps;
    let freeBytes: number;
    let reserveBytes: number;
    try {
      freeBytes = disk.freeBytes(path);
      reserveBytes = Math.min(RESERVE_BYTES_MAX, disk.totalBytes(path) * RESERVE_SHARE);
    } catch {
      // A disk that does not say how full it is says so when it is written.
      return;
    }
    this.#askedBytesMax = reserveBytes / 8;
    const hasRoom = freeBytes >= (this.#hasRoom ? reserveBytes : 2 * reserveBytes);
    if (hasRoom === this.#hasRoom) return;
    this.#hasRoom = hasRoom;
    const told = { path, freeBytes, reserveBytes: Math.round(reserveBytes) };
    if (hasRoom) logger.info("the disk has room again: appends go on", told);
    else logger.error("the disk is full but for its reserve: appends are refused", told);
  }
}
