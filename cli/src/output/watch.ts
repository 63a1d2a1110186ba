/**
 * --watch: a command again and again until a signal. On a terminal each look replaces the one before, drawn in one write;
 * elsewhere they follow each other. The first failure ends it, unless `isOver` says otherwise.
 */
import { Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { canDraw, type CommandContext } from "../command-context.ts";
import { ExitCode } from "../exit-codes.ts";

const HOME_AND_CLEAR = "\u001b[H\u001b[J";
const CLEAR_SCREEN = "\u001b[2J";

export async function watch(
  context: CommandContext,
  look: (context: CommandContext) => Promise<ExitCode>,
  isOver: (exitCode: ExitCode) => boolean = (exitCode) => exitCode !== ExitCode.OK,
): Promise<ExitCode> {
  const isDrawn = canDraw(context);
  if (isDrawn) context.stdout.write(CLEAR_SCREEN);
  for (;;) {
    const screen = new Screen(context.stdout.isTTY === true);
    const exitCode = await look({ ...context, stdout: screen });
    context.stdout.write(isDrawn ? HOME_AND_CLEAR + screen.text : screen.text);
    if (isOver(exitCode) || context.signal.aborted) return exitCode;
    await sleep(context.flags.watchMs ?? 0, undefined, { signal: context.signal });
  }
}

/** Gathers what one look writes. */
class Screen extends Writable {
  readonly isTTY: boolean;
  text = "";

  constructor(isTTY: boolean) {
    super({ decodeStrings: false });
    this.isTTY = isTTY;
  }

  override _write(chunk: string | Buffer, _encoding: string, done: () => void): void {
    this.text += typeof chunk === "string" ? chunk : chunk.toString("utf8");
    done();
  }
}
