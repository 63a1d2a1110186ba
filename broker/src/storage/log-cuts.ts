/**
 * The end of a log is cut, or all of it, to begin anew (5.5): one cut at a time, behind the write that is in flight, with nothing
 * queued and nothing served meanwhile. The steps on disk are log-truncation.ts's.
 */
import { assert } from "../base/index.ts";
import type { Offset } from "../base/index.ts";
import { DiskFault } from "../ports/index.ts";
import type { EpochCache } from "./epoch-cache.ts";
import { isPassingFault } from "./file-io.ts";
import type { LogHost } from "./log-host.ts";
import type { LogState } from "./log-state.ts";
import type { LogTruncation } from "./log-truncation.ts";
import type { LogWriter } from "./log-writer.ts";
import type { Segment } from "./segment.ts";
import { BadBytesError } from "./storage-error.ts";

export interface LogCutsDeps {
  readonly host: LogHost;
  readonly state: LogState;
  readonly epochs: EpochCache;
  readonly writer: LogWriter;
  readonly truncation: LogTruncation;
  /** What is damaged stays as it is. */
  readonly isDamaged: boolean;
  /** What lay from `offset` on is gone. */
  onCut(offset: number): void;
}

export class LogCuts {
  readonly #deps: LogCutsDeps;
  readonly #state: LogState;
  /** The newest one: files are not closed under it. */
  #newest: Promise<void> | null = null;
  #isHalfCut = false;

  constructor(deps: LogCutsDeps) {
    this.#deps = deps;
    this.#state = deps.state;
  }

  /** The newest cut; null: there was none. */
  get newest(): Promise<void> | null {
    return this.#newest;
  }

  /** A cut failed, or was given up for want of room. */
  get isHalfCut(): boolean {
    return this.#isHalfCut;
  }

  /** Segments that are taken out and not yet removed. */
  get doomed(): readonly Segment[] {
    return this.#deps.truncation.doomed;
  }

  /** The log, below `offset` only, which lies at the log start or above. */
  truncateTo(offset: Offset): Promise<void> {
    return this.#cutting(() => this.#truncateTo(offset));
  }

  /** The log is empty, and starts at `offset`; after a crash it starts at `promisedLogStart` if that is above. */
  restartAt(offset: Offset, promisedLogStart: Offset): Promise<void> {
    assert(promisedLogStart >= offset, "a log starts at its first offset or later");
    return this.#cutting(() => this.#restartAt(offset, promisedLogStart));
  }

  #cutting(cut: () => Promise<void>): Promise<void> {
    const run = this.#run(cut);
    // For whoever else waits for it, one that has changed nothing is just over.
    this.#newest = run.catch((error: unknown) => {
      if (!(error instanceof BadBytesError)) throw error;
    });
    this.#newest.catch(() => undefined);
    return run;
  }

  async #run(cut: () => Promise<void>): Promise<void> {
    const { host, writer, isDamaged } = this.#deps;
    assert(!this.#state.isTruncating && !this.#state.isClosed && !isDamaged, "the log can be truncated");
    writer.write();
    this.#state.isTruncating = true;
    this.#state.isTouched = true;
    try {
      // The write in flight ends first, and nothing new is queued.
      await writer.settled().then(cut);
    } catch (error: unknown) {
      if (error instanceof BadBytesError) throw error;
      // Half cut, the log is nothing that may be appended to: the directory goes offline, a start will mend it. It need not
      // when the log was closed, maybe with its topic deleted, while the truncation waited for room.
      this.#isHalfCut = true;
      const isGivenUp = this.#state.isClosed && isPassingFault(error);
      if (error instanceof DiskFault && !isGivenUp) host.onIoFault(error);
      throw error;
    } finally {
      this.#state.isTruncating = false;
    }
  }

  async #truncateTo(offset: Offset): Promise<void> {
    const { epochs, truncation } = this.#deps;
    if (offset >= this.#state.logEndOffset) {
      epochs.truncateEnd(offset);
      return;
    }
    await truncation.run(offset);
    this.#deps.onCut(this.#state.logEndOffset);
  }

  async #restartAt(offset: Offset, promisedLogStart: Offset): Promise<void> {
    const { logStartOffset, logEndOffset, segments } = this.#state;
    const isThere = offset === logStartOffset && offset === logEndOffset && segments[0]?.baseOffset === offset;
    if (isThere && promisedLogStart === offset) {
      // One in which nobody wrote.
      this.#deps.epochs.clear();
      return;
    }
    await this.#deps.truncation.restart(offset, promisedLogStart);
    // Nothing is left of what there was, on either side.
    this.#deps.onCut(0);
  }
}
