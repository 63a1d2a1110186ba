/**
 * Segments that a log has let go (3.6): their files are renamed `.deleted` and unlinked after a delay
 * (removal-delay.ts), so that whoever reads them can finish. A file is closed before it is renamed, and before it is unlinked; who still reads opens it again under
 * its new name (P20).
 *
 * They are renamed oldest first and stop at the first that cannot be: what a crash leaves is a log without a hole but for
 * one that the durable log start covers. What cannot be renamed or unlinked now is tried again by timer; a start removes
 * what is left.
 */
import { DiskFault } from "../ports/index.ts";
import type { TimerHandle, Timers } from "../ports/index.ts";
import type { LogHost } from "./log-host.ts";
import type { Segment } from "./segment.ts";

/** Until a rename or an unlink that failed is tried again. */
const RETRY_MS = 1_000;

/** Segments that are renamed or unlinked in one turn. */
const SEGMENTS_PER_TURN = 8;

interface Late {
  readonly segments: readonly Segment[];
  readonly delayMs: number;
  readonly onRenamed: () => void;
}

export class DeletedSegments {
  readonly #host: LogHost;
  /** Everything that is not unlinked yet, oldest first. */
  readonly #segments = new Set<Segment>();
  readonly #renamed = new WeakSet<Segment>();
  /** Some of their files may be gone: they are renamed no more. */
  readonly #removing = new WeakSet<Segment>();
  /** Could not be renamed yet, or were let go behind one that could not. */
  readonly #late: Late[] = [];
  readonly #timers = new Set<TimerHandle>();
  #step: Promise<unknown> = Promise.resolve();
  #isReleased = false;

  constructor(host: LogHost) {
    this.#host = host;
  }

  /** Files still on disk; for tests and metrics. */
  get count(): number {
    return this.#segments.size;
  }

  /**
   * Renames the files now and unlinks them after `delayMs`. True: all are renamed, and what was let go before. False: one could
   * not be; it and those behind it are tried again later, and `onRenamed` is called then.
   */
  async discard(segments: readonly Segment[], delayMs: number, onRenamed: () => void): Promise<boolean> {
    for (const segment of segments) this.#segments.add(segment);
    const isDone = await this.#inOrder(() => this.#renameAll());
    if (isDone) this.#unlinkLater(segments, delayMs);
    else {
      this.#late.push({ segments, delayMs, onRenamed });
      if (this.#late.length === 1) this.#renameLater();
    }
    return isDone;
  }

  /** Whoever hears that some are gone takes it that nothing older has its name. */
  #renameAll(): Promise<boolean> {
    return this.#each(this.#unrenamed(), async (segment) => {
      if (this.#removing.has(segment)) return this.#remove(segment);
      await segment.moveAside();
      this.#renamed.add(segment);
      this.#host.failpoint("storage.retain.afterRename");
    });
  }

  /** One timer for all that is late: one file may hold up many. */
  #renameLater(): void {
    this.#after(this.#host.timers, RETRY_MS, async () => {
      const renamed = await this.#inOrder(async () => ((await this.#renameAll()) ? this.#late.splice(0) : null));
      if (renamed === null) return this.#renameLater();
      for (const { segments, delayMs, onRenamed } of renamed) {
        this.#unlinkLater(segments, delayMs);
        onRenamed();
      }
    });
  }

  #unlinkLater(segments: readonly Segment[], delayMs: number): void {
    this.#after(this.#host.removals, delayMs, () => this.#unlink(segments));
  }

  /** Without a delay, and what was let go before and has its name still. Rejects with DiskFault. */
  remove(segment: Segment): Promise<void> {
    this.#segments.add(segment);
    return this.removeUnrenamed();
  }

  /** What still has its name goes at once: a segment may come that is called the same. Rejects with DiskFault. */
  removeUnrenamed(): Promise<void> {
    return this.#inOrder(async () => {
      for (const segment of this.#unrenamed()) await this.#remove(segment);
    });
  }

  async #remove(segment: Segment): Promise<void> {
    this.#removing.add(segment);
    await segment.removeAside();
    segment.remove();
    this.#segments.delete(segment);
  }

  #unrenamed(): readonly Segment[] {
    return [...this.#segments].filter((segment) => !this.#renamed.has(segment));
  }

  async #unlink(segments: readonly Segment[]): Promise<void> {
    const remove = async (segment: Segment): Promise<void> => {
      await segment.removeAside();
      this.#segments.delete(segment);
    };
    const isDone = await this.#inOrder(() => this.#each(segments, remove));
    if (isDone) this.#host.removals.removed();
    else this.#after(this.#host.timers, RETRY_MS, () => this.#unlink(segments));
  }

  /** False: one could not be worked on, for another reason than an I/O error, which is final (3.8(1)). */
  async #each(segments: readonly Segment[], work: (segment: Segment) => Promise<void>): Promise<boolean> {
    let leftInTurn = SEGMENTS_PER_TURN;
    for (const segment of segments) {
      if (this.#isReleased || !this.#segments.has(segment)) continue;
      try {
        await work(segment);
      } catch (error: unknown) {
        if (!(error instanceof DiskFault) || error.kind === "EIO") throw error;
        this.#host.logger.warn("files of a removed segment could not be renamed or removed", {
          path: error.path,
          err: error,
        });
        return false;
      }
      leftInTurn -= 1;
      if (leftInTurn > 0) continue;
      leftInTurn = SEGMENTS_PER_TURN;
      await this.#host.timers.yieldTurn();
    }
    return true;
  }

  #inOrder<T>(work: () => Promise<T>): Promise<T> {
    const step = this.#step.then(work);
    this.#step = step.catch(() => undefined);
    return step;
  }

  #after(timers: Pick<Timers, "after">, delayMs: number, work: () => Promise<void>): void {
    if (this.#isReleased) return;
    const timer = timers.after(delayMs, () => {
      this.#timers.delete(timer);
      if (!this.#isReleased) this.#host.supervise(work());
    });
    this.#timers.add(timer);
  }

  /** Closes the files; what is not unlinked yet stays for the next start, or goes with the directory. */
  async release(): Promise<void> {
    this.#isReleased = true;
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
    await this.#step;
    for (const segment of this.#segments) await segment.log.retire();
  }
}
