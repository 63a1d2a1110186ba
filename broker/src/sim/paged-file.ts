/**
 * The bytes of one simulated file: 4 KiB pages, each with a *written* image (the page cache, which readers see) and a
 * *synced* image (the medium, which a power failure leaves). The size has the same split.
 *
 * A page is a plain Uint8Array that is never changed once somebody else holds it: a sync takes references, and the next
 * write to such a page copies it first. So a sync costs no copy, and what a sync in flight covers is exactly what stood
 * there when it began. An absent page is zeros.
 *
 * A failed sync leaves pages the kernel no longer calls dirty though the medium lacks them: readers still see them, a
 * later sync succeeds without them, and a power failure takes them (semantics 3.4(3)). Writing such a page again does not
 * help: ext4 keeps its block marked as never written (decision 0009). Only cutting it off, or another file, does.
 *
 * Not here: names (sim-tree.ts), who may call (sim-file.ts), which operation fails (sim-faults.ts).
 */
import { assert } from "../base/index.ts";
import type { SeededRandom } from "../base/index.ts";

export const PAGE_BYTES = 4096;
/** What a disk writes atomically. */
export const SECTOR_BYTES = 512;
/** Sizes remembered between two syncs; a power failure may leave any of them. */
const REMEMBERED_SIZES = 16;

type Page = Uint8Array;

/** A sync that has begun: the image it will leave on the medium when it succeeds. */
export interface SyncInFlight {
  readonly order: number;
  readonly sizeBytes: number;
  readonly pages: ReadonlyMap<number, Page | undefined>;
  /** Sizes the file took after this sync began. */
  readonly sizesSince: number[];
  /** Whoever waited for it was told that it had succeeded, and it has not. */
  isLie: boolean;
}

export class PagedFile {
  readonly kind = "file";
  #written: (Page | undefined)[] = [];
  #synced: (Page | undefined)[] = [];
  /** Pages of the written image that nobody else holds and that may be changed in place. */
  #owned: boolean[] = [];
  /** Pages below it are the same in both images; which of those above it are not, is looked up. */
  #settledCount = 0;
  /** Pages that no later sync will bring to the medium, after a failed one. */
  readonly #dropped = new Set<number>();
  readonly #inFlight = new Set<SyncInFlight>();
  #writtenBytes = 0;
  #syncedBytes = 0;
  #sizesSinceSync: number[] = [];
  #syncOrder = 0;
  #lastSyncDone = 0;
  #rewritesCount = 0;

  /** Size that readers see. */
  get sizeBytes(): number {
    return this.#writtenBytes;
  }

  /** Size that a power failure leaves at least as one of the possible ones. */
  get syncedBytes(): number {
    return this.#syncedBytes;
  }

  /** Changes of bytes that readers could see already: while it is the same, the file has only grown. */
  get rewritesCount(): number {
    return this.#rewritesCount;
  }

  read(into: Uint8Array, at: number): number {
    return readImage(this.#written, this.#writtenBytes, into, at);
  }

  /** As `read`, of what the medium surely holds. */
  readSynced(into: Uint8Array, at: number): number {
    return readImage(this.#synced, this.#syncedBytes, into, at);
  }

  /** Another file with the bytes that readers see, all of them synced. Pages are shared until either side writes to them. */
  copy(): PagedFile {
    const copy = new PagedFile();
    this.#owned = [];
    copy.#written = [...this.#written];
    copy.#synced = [...this.#written];
    copy.#settledCount = copy.#written.length;
    copy.#writtenBytes = this.#writtenBytes;
    copy.#syncedBytes = this.#writtenBytes;
    return copy;
  }

  /** True when a power failure leaves the bytes [from, to) as readers see them now, whatever else it does. */
  isSynced(from: number, to: number): boolean {
    if (to > this.#syncedBytes || to > this.#writtenBytes) return false;
    // A size cut but not yet synced may be kept; one grown again since may not be.
    for (const size of this.#sizesSinceSync) if (size < to) return false;
    for (let number = Math.floor(from / PAGE_BYTES); number * PAGE_BYTES < to; number++) {
      const start = Math.max(from, number * PAGE_BYTES);
      const end = Math.min(to, (number + 1) * PAGE_BYTES);
      const written = this.#written[number];
      if (!pagesAgree(written, this.#synced[number], start % PAGE_BYTES, end - number * PAGE_BYTES)) return false;
      for (const sync of this.#inFlight) {
        if (!sync.pages.has(number)) continue;
        if (!pagesAgree(written, sync.pages.get(number), start % PAGE_BYTES, end - number * PAGE_BYTES)) return false;
      }
    }
    return true;
  }

  /** True when nothing is left to sync and nothing was lost to a failed sync. */
  get isSettled(): boolean {
    return this.#writtenBytes === this.#syncedBytes && this.isSynced(0, this.#writtenBytes);
  }

  write(bytes: Uint8Array, at: number): void {
    if (at < this.#writtenBytes) this.#rewritesCount += 1;
    let done = 0;
    while (done < bytes.length) {
      const number = Math.floor((at + done) / PAGE_BYTES);
      const start = (at + done) % PAGE_BYTES;
      const count = Math.min(PAGE_BYTES - start, bytes.length - done);
      this.#ownPage(number).set(count === bytes.length ? bytes : bytes.subarray(done, done + count), start);
      done += count;
    }
    if (at + bytes.length > this.#writtenBytes) this.#setSize(at + bytes.length);
  }

  truncate(sizeBytes: number): void {
    if (sizeBytes < this.#writtenBytes) {
      this.#rewritesCount += 1;
      const pageCount = Math.ceil(sizeBytes / PAGE_BYTES);
      this.#unsettle(pageCount);
      this.#written.length = Math.min(this.#written.length, pageCount);
      this.#owned.length = this.#written.length;
      for (const number of this.#dropped) if (number >= pageCount) this.#dropped.delete(number);
      const inLastPage = sizeBytes % PAGE_BYTES;
      if (inLastPage > 0 && this.#written[pageCount - 1] !== undefined) {
        this.#ownPage(pageCount - 1).fill(0, inLastPage);
      }
    }
    this.#setSize(sizeBytes);
  }

  /** Begins a sync of what is written now. It counts from `finishSync` on. */
  beginSync(): SyncInFlight {
    const pages = new Map<number, Page | undefined>();
    const pageCount = Math.max(this.#written.length, this.#synced.length);
    for (let number = this.#settledCount; number < pageCount; number++) {
      const page = this.#written[number];
      if (page === this.#synced[number] || this.#dropped.has(number)) continue;
      pages.set(number, page);
      this.#owned[number] = false;
    }
    const sync: SyncInFlight = {
      order: ++this.#syncOrder,
      sizeBytes: this.#writtenBytes,
      pages,
      sizesSince: [],
      isLie: false,
    };
    this.#inFlight.add(sync);
    return sync;
  }

  finishSync(sync: SyncInFlight): void {
    assert(this.#inFlight.delete(sync), "a sync ends once");
    // A sync that began later has already put newer pages there.
    if (sync.order < this.#lastSyncDone) return;
    this.#lastSyncDone = sync.order;
    for (const earlier of this.#inFlight)
      if (earlier.isLie && earlier.order < sync.order) this.#inFlight.delete(earlier);
    for (const [number, page] of sync.pages) this.#putSynced(number, page);
    this.#synced.length = Math.min(this.#synced.length, Math.ceil(sync.sizeBytes / PAGE_BYTES));
    this.#unsettle(this.#synced.length);
    this.#syncedBytes = sync.sizeBytes;
    this.#sizesSinceSync = sync.sizesSince;
    const pageCount = Math.min(this.#written.length, this.#synced.length);
    while (this.#settledCount < pageCount && this.#written[this.#settledCount] === this.#synced[this.#settledCount])
      this.#settledCount += 1;
  }

  /** It is said to have succeeded: what it covers may reach the medium or not, until a later one has ended that tells the truth. */
  lieAboutSync(sync: SyncInFlight): void {
    if (sync.order < this.#lastSyncDone) this.#inFlight.delete(sync);
    else sync.isLie = true;
  }

  /** The sync failed: each page it covered may have come through; the others are never tried again. */
  failSync(sync: SyncInFlight, random: SeededRandom): void {
    assert(this.#inFlight.delete(sync), "a sync ends once");
    for (const [number, page] of sync.pages) {
      if (random.chance(0.25)) this.#putSynced(number, page);
      else this.#dropped.add(number);
    }
  }

  /** The process that waited for them is dead; whether the medium was reached in time shows at the next power failure. */
  abandonSyncs(random: SeededRandom): void {
    for (const sync of this.#inFlight) {
      if (random.chance(0.5)) this.finishSync(sync);
      else this.#inFlight.delete(sync);
    }
  }

  /**
   * Each unsynced page is kept, lost or torn at a sector, independently; the size is one it had since the last sync; a gap
   * is zeros. What is left is written and synced alike.
   */
  losePower(random: SeededRandom): void {
    if (this.#isUntouched) return;
    this.#rewritesCount += 1;
    const keep = random.pick([0, 0.1, 0.5, 0.9, 1]);
    const sizeBytes = random.pick([this.#syncedBytes, ...this.#sizesSinceSync]);
    const pageCount = Math.max(this.#written.length, this.#synced.length);
    const left: (Page | undefined)[] = [];
    for (let number = 0; number < pageCount; number++) left.push(this.#pageAfterPowerLoss(number, keep, random));
    this.#inFlight.clear();
    this.#dropped.clear();
    this.#synced = cutPages(left, sizeBytes);
    this.#written = [...this.#synced];
    this.#settledCount = this.#written.length;
    this.#owned = [];
    this.#syncedBytes = sizeBytes;
    this.#writtenBytes = sizeBytes;
    this.#sizesSinceSync = [];
  }

  /** Turns one bit over, in the page cache and on the medium: rot at rest. */
  flipBit(at: number, bit: number): void {
    assert(at < this.#writtenBytes, `no byte at ${at}`);
    this.#rot(Math.floor(at / PAGE_BYTES), (page) => {
      const index = at % PAGE_BYTES;
      page[index] = (page[index] ?? 0) ^ (1 << bit);
    });
  }

  /** Puts other bytes in the place of what was there, in the page cache and on the medium: a write of others that went astray. */
  overwriteAtRest(at: number, bytes: Uint8Array): void {
    assert(at + bytes.length <= this.#writtenBytes, `no bytes at ${at}`);
    for (let done = 0; done < bytes.length; ) {
      const start = (at + done) % PAGE_BYTES;
      const part = bytes.subarray(done, done + PAGE_BYTES - start);
      this.#rot(Math.floor((at + done) / PAGE_BYTES), (page) => page.set(part, start));
      done += part.length;
    }
  }

  #rot(number: number, change: (page: Page) => void): void {
    this.#rewritesCount += 1;
    const isShared = this.#written[number] === this.#synced[number];
    const written = this.#ownPage(number);
    change(written);
    if (isShared) {
      this.#synced[number] = written;
      this.#owned[number] = false;
    } else if (this.#synced[number] !== undefined) {
      const synced = Uint8Array.from(this.#synced[number]);
      change(synced);
      this.#synced[number] = synced;
    }
  }

  /** Nothing written, cut, failed or in flight since the images were the same. */
  get #isUntouched(): boolean {
    if (this.#writtenBytes !== this.#syncedBytes || this.#sizesSinceSync.length > 0) return false;
    if (this.#inFlight.size > 0 || this.#dropped.size > 0) return false;
    return this.#written.every((page, number) => page === this.#synced[number]);
  }

  /** The page of that number, or one above it, is about to differ between the images. */
  #unsettle(number: number): void {
    if (number < this.#settledCount) this.#settledCount = number;
  }

  #putSynced(number: number, page: Page | undefined): void {
    this.#unsettle(number);
    this.#synced[number] = page;
  }

  #pageAfterPowerLoss(number: number, keep: number, random: SeededRandom): Page | undefined {
    const old = this.#synced[number];
    const candidates: (Page | undefined)[] = [];
    for (const sync of this.#inFlight) if (sync.pages.has(number)) candidates.push(sync.pages.get(number));
    const written = this.#written[number];
    if (written !== old && !this.#dropped.has(number)) candidates.push(written);
    if (candidates.length === 0) return old;
    const fresh = random.pick(candidates);
    if (random.chance(0.2)) return tornPage(old, fresh, random);
    return random.chance(keep) ? fresh : old;
  }

  #ownPage(number: number): Page {
    const page = this.#written[number];
    if (page !== undefined && this.#owned[number] === true) return page;
    this.#unsettle(number);
    const own = page === undefined ? new Uint8Array(PAGE_BYTES) : page.slice();
    while (this.#written.length < number) this.#written.push(undefined);
    this.#written[number] = own;
    this.#owned[number] = true;
    return own;
  }

  #setSize(sizeBytes: number): void {
    if (sizeBytes === this.#writtenBytes) return;
    this.#writtenBytes = sizeBytes;
    rememberSize(this.#sizesSinceSync, sizeBytes);
    for (const sync of this.#inFlight) rememberSize(sync.sizesSince, sizeBytes);
  }
}

/** The smallest size is never forgotten: it is the one that may take the most with it. */
function rememberSize(sizes: number[], sizeBytes: number): void {
  if (sizes.length >= REMEMBERED_SIZES) sizes.splice(sizes.indexOf(Math.min(...sizes)) === 0 ? 1 : 0, 1);
  sizes.push(sizeBytes);
}

function readImage(pages: readonly (Page | undefined)[], sizeBytes: number, into: Uint8Array, at: number): number {
  const count = Math.max(0, Math.min(into.length, sizeBytes - at));
  let done = 0;
  while (done < count) {
    const page = pages[Math.floor((at + done) / PAGE_BYTES)];
    const start = (at + done) % PAGE_BYTES;
    const part = Math.min(PAGE_BYTES - start, count - done);
    if (page === undefined) into.fill(0, done, done + part);
    else into.set(page.subarray(start, start + part), done);
    done += part;
  }
  return count;
}

function tornPage(old: Page | undefined, fresh: Page | undefined, random: SeededRandom): Page {
  const torn = old === undefined ? new Uint8Array(PAGE_BYTES) : old.slice();
  for (let at = 0; at < PAGE_BYTES; at += SECTOR_BYTES) {
    if (random.chance(0.5)) continue;
    if (fresh === undefined) torn.fill(0, at, at + SECTOR_BYTES);
    else torn.set(fresh.subarray(at, at + SECTOR_BYTES), at);
  }
  return torn;
}

function pagesAgree(a: Page | undefined, b: Page | undefined, from: number, to: number): boolean {
  if (a === b) return true;
  for (let i = from; i < to; i++) if ((a?.[i] ?? 0) !== (b?.[i] ?? 0)) return false;
  return true;
}

/** Nothing stands beyond the end of a file: should it grow again, the gap is zeros. */
function cutPages(pages: (Page | undefined)[], sizeBytes: number): (Page | undefined)[] {
  const pageCount = Math.ceil(sizeBytes / PAGE_BYTES);
  const cut = pages.slice(0, pageCount);
  const last = cut[pageCount - 1];
  if (sizeBytes % PAGE_BYTES > 0 && last !== undefined) {
    cut[pageCount - 1] = last.slice().fill(0, sizeBytes % PAGE_BYTES);
  }
  return cut;
}
