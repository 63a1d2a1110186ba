/**
 * What a start shows that takes its time, because there are many logs or much to recover: on a terminal a line of its own
 * after half a second, elsewhere (a log, a container) a line every few seconds. On stderr; -q silences both.
 */
import { canRedraw, type CommandContext, isJson, note } from "../command-context.ts";
import { formatBytes, formatCount } from "./units.ts";

const SHOW_AFTER_MS = 500;
const REDRAW_MS = 125;
const LINE_EVERY_MS = 3_000;
const CLEAR_LINE = "\r\u001b[2K";

/** As the broker tells it. */
export interface RecoveryState {
  readonly logsDone: number;
  readonly logsTotal: number;
  readonly bytesScanned: number;
  /** 0: the last stop was clean, there is nothing to recover. */
  readonly bytesTotal: number;
}

export class RecoveryProgress {
  readonly #context: CommandContext;
  readonly #isDrawn: boolean;
  #timer: NodeJS.Timeout | null = null;
  #startedAtMs = 0;
  #state: RecoveryState | null = null;
  #hasDrawn = false;
  #isOver = false;

  constructor(context: CommandContext) {
    this.#context = context;
    this.#isDrawn = canRedraw(context);
  }

  /** For the broker. Logs of a clean start come by the thousand: it keeps the state and no more. */
  readonly onProgress = (state: RecoveryState): void => {
    this.#state = state;
    if (this.#timer !== null || this.#isOver || this.#context.flags.isQuiet) return;
    this.#startedAtMs = performance.now();
    this.#showIn(this.#isDrawn ? SHOW_AFTER_MS : LINE_EVERY_MS);
  };

  /** Takes the line off the screen. */
  stop(): void {
    this.#isOver = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#hasDrawn) this.#context.stderr.write(CLEAR_LINE);
    this.#hasDrawn = false;
  }

  #showIn(delayMs: number): void {
    this.#timer = setTimeout(() => {
      if (this.#state !== null) this.#show(this.#state);
      this.#showIn(this.#isDrawn ? REDRAW_MS : LINE_EVERY_MS);
    }, delayMs).unref();
  }

  #show(state: RecoveryState): void {
    const elapsedMs = performance.now() - this.#startedAtMs;
    if (this.#isDrawn) {
      this.#context.stderr.write(CLEAR_LINE + recoveryLine(state, elapsedMs));
      this.#hasDrawn = true;
    } else if (isJson(this.#context.flags)) {
      note(this.#context, JSON.stringify({ event: "recovery", ...state, elapsedMs: Math.round(elapsedMs) }));
    } else note(this.#context, recoveryLine(state, elapsedMs));
  }
}

/** `recovering: 1.2 GiB of 4.0 GiB, 3 of 12 logs, 812.0 MiB/s, 4 s left`. */
export function recoveryLine(state: RecoveryState, elapsedMs: number): string {
  const { logsDone, logsTotal, bytesScanned, bytesTotal } = state;
  const logs = `${formatCount(logsDone)} of ${formatCount(logsTotal)} logs`;
  if (bytesTotal === 0) return `opening logs: ${logs}${timeLeft(logsDone, logsTotal, elapsedMs)}`;
  const rate = `${formatBytes(Math.round((bytesScanned / Math.max(1, elapsedMs)) * 1_000))}/s`;
  const bytes = `${formatBytes(bytesScanned)} of ${formatBytes(bytesTotal)}`;
  return `recovering: ${bytes}, ${logs}, ${rate}${timeLeft(bytesScanned, bytesTotal, elapsedMs)}`;
}

/** Nothing while nothing is known of the rate. */
function timeLeft(done: number, total: number, elapsedMs: number): string {
  if (done === 0 || done >= total) return "";
  return `, ${Math.ceil(((total - done) / done) * (elapsedMs / 1_000))} s left`;
}
