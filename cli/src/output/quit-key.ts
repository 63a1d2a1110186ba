/**
 * `q` leaves a page that is drawn anew, as in other programs of its kind. While it is listened for the terminal hands over
 * single keys; Ctrl-C is one of them then, and stays what it is elsewhere.
 */
import type { CommandContext } from "../command-context.ts";

const CTRL_C = "\u0003";

type Keyboard = CommandContext["stdin"] & { setRawMode?(isRaw: boolean): unknown };

/** @param interrupt what Ctrl-C does; returns how to stop listening, which gives the terminal back as it was */
export function onQuitKey(stdin: Keyboard, quit: () => void, interrupt: () => void): () => void {
  if (stdin.isTTY !== true || stdin.setRawMode === undefined) return () => undefined;
  const onKeys = (keys: Buffer | string): void => {
    const text = keys.toString();
    if (text.includes(CTRL_C)) interrupt();
    else if (text === "q" || text === "Q") quit();
  };
  stdin.setRawMode(true);
  stdin.on("data", onKeys);
  stdin.resume();
  return () => {
    stdin.removeListener("data", onKeys);
    stdin.pause();
    stdin.setRawMode?.(false);
  };
}
