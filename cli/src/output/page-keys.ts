/**
 * `q` leaves a page that is drawn anew, as in other programs of its kind. While it is listened for the terminal hands over
 * single keys; Ctrl-C and Ctrl-Z are among them then, and stay what they are elsewhere.
 */
import type { CommandContext } from "../command-context.ts";

const CTRL_C = "\u0003";
const CTRL_Z = "\u001a";

type Keyboard = CommandContext["stdin"] & { setRawMode?(isRaw: boolean): unknown };

export interface PageKeys {
  readonly quit: () => void;
  /** Ctrl-C. */
  readonly interrupt: () => void;
  /** Ctrl-Z. */
  readonly suspend: () => void;
}

/** Returns how to stop listening, which gives the terminal back as it was. */
export function onPageKeys(stdin: Keyboard, { quit, interrupt, suspend }: PageKeys): () => void {
  if (stdin.isTTY !== true || stdin.setRawMode === undefined) return () => undefined;
  const onKeys = (keys: Buffer | string): void => {
    const text = keys.toString();
    if (text.includes(CTRL_C)) interrupt();
    else if (text.includes(CTRL_Z)) suspend();
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
