/**
 * A progress bar on stderr: only on a terminal that is not a dumb one, only when the work takes longer than half a second, never with -q. The
 * library is loaded at that moment, so that short commands do not pay for it.
 */
import type { SingleBar } from "cli-progress";
import { canRedraw, type CommandContext, type TerminalStream } from "../command-context.ts";
import { formatBytes, formatCount } from "./units.ts";

const SHOW_AFTER_MS = 500;
const REDRAWS_PER_SECOND = 8;
const SAVE_CURSOR = "\u001b7";

export interface ProgressState {
  readonly doneBytes: number;
  /** null: unknown, as with a pipe; the bar then shows rates without an end. */
  readonly totalBytes: number | null;
  /** null: bytes alone are counted. */
  readonly records: number | null;
  /** Of `total`, where something else than bytes is counted. */
  readonly done?: number;
  readonly total?: number | null;
}

export class Progress {
  readonly #stream: TerminalStream;
  readonly #read: () => ProgressState;
  readonly #timer: NodeJS.Timeout | null = null;
  readonly #startedAtMs = performance.now();
  #redraw: NodeJS.Timeout | null = null;
  #bar: SingleBar | null = null;
  #isOver = false;

  /** `read` is asked for the state at every redraw. Nothing is shown over what is typed on the same terminal. */
  constructor(context: CommandContext, read: () => ProgressState, options: { readonly isTyped: boolean }) {
    this.#stream = context.stderr;
    this.#read = read;
    if (!canRedraw(context) || context.flags.isQuiet || options.isTyped) return;
    this.#timer = setTimeout(() => void this.#show(context), SHOW_AFTER_MS);
  }

  /** Takes the bar off the screen. */
  stop(): void {
    this.#isOver = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#redraw !== null) clearInterval(this.#redraw);
    if (this.#bar === null) return;
    // At its end the bar goes back to where the cursor was saved when it began. A warning may have been written since,
    // and the bar stands a line further down: that is the place.
    this.#stream.write(SAVE_CURSOR);
    this.#bar.stop();
    this.#bar = null;
  }

  async #show(context: CommandContext): Promise<void> {
    const { default: cliProgress } = await import("cli-progress");
    if (this.#isOver) return;
    const state = this.#read();
    this.#bar = new cliProgress.SingleBar({
      stream: context.stderr,
      format: formatOf(state),
      // With its figures it fits 80 columns.
      barsize: 24,
      barCompleteChar: "█",
      barIncompleteChar: "░",
      clearOnComplete: true,
      hideCursor: true,
      // It cuts itself to the width; what is written beside it must not be cut.
      linewrap: true,
    });
    this.#bar.start(totalOf(state) ?? 0, doneOf(state), this.#payload(state));
    this.#redraw = setInterval(() => this.#update(), 1_000 / REDRAWS_PER_SECOND);
  }

  #update(): void {
    const state = this.#read();
    this.#bar?.update(doneOf(state), this.#payload(state));
  }

  #payload(state: ProgressState): object {
    const seconds = (performance.now() - this.#startedAtMs) / 1_000;
    return {
      bytes: formatBytes(state.doneBytes),
      records: formatCount(state.records ?? 0),
      rate: state.records === null ? formatBytes(state.doneBytes / seconds) : formatCount(state.records / seconds),
    };
  }
}

function totalOf(state: ProgressState): number | null {
  return state.total ?? state.totalBytes;
}

function doneOf(state: ProgressState): number {
  return state.done ?? state.doneBytes;
}

function formatOf(state: ProgressState): string {
  const unit = state.records === null ? "" : " records";
  if (totalOf(state) !== null) return `{bar} {percentage}%  {bytes}  {rate}${unit}/s  {eta_formatted} left`;
  return `{bytes}${state.records === null ? "" : "  {records} records"}  {rate}${unit}/s`;
}
