/**
 * A word to whoever forgot to end a cluster: its doors keep the process alive, so that a runner hangs when its tests are done, and does
 * not say why. It is said once, when nothing has happened for a while: no request came, and the test has asked for nothing.
 */
const AFTER_MS = 10_000;
/** Lines of a stack that are the kit's own. */
const OWN = /[\\/](broker|cli|tidemark)[\\/](dist[\\/])?src[\\/]testing[\\/]/u;

export interface IdleNoteOptions {
  readonly afterMs?: number;
  readonly write?: (text: string) => void;
}

export class IdleNote {
  readonly #timer: NodeJS.Timeout;
  #isOver = false;
  /** What a test waits for. */
  #waitsCount = 0;

  /** @param started made where the cluster was started: its stack says where that is */
  constructor(started: Error, { afterMs = AFTER_MS, write = say }: IdleNoteOptions = {}) {
    this.#timer = setTimeout(() => {
      if (this.#waitsCount > 0) return;
      this.#isOver = true;
      write(textOf(started, afterMs));
    }, afterMs).unref();
  }

  /** Somebody uses it. */
  touch(): void {
    if (!this.#isOver) this.#timer.refresh();
  }

  /** Whoever waits for something of it uses it, however long that takes. */
  async during<T>(waited: Promise<T>): Promise<T> {
    this.#waitsCount += 1;
    try {
      return await waited;
    } finally {
      this.#waitsCount -= 1;
      this.touch();
    }
  }

  close(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
  }
}

function textOf({ stack = "" }: Error, afterMs: number): string {
  const frame = stack.split("\n").find((line) => /^\s+at /u.test(line) && !OWN.test(line));
  const where = frame === undefined ? "" : ` that was started ${frame.trim()}`;
  return (
    `tidemark/testing: the test cluster${where} was not used for ${afterMs / 1000} s, and keeps this process alive. ` +
    'When the tests are done, stop() ends it (in an "after" hook), and so does "await using".\n'
  );
}

function say(text: string): void {
  process.stderr.write(text);
}
