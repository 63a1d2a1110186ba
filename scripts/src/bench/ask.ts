import type { ChildProcess } from "node:child_process";
import { once } from "node:events";

/** Sends a message to a forked process and resolves with the next that comes back; rejects when the process ends instead. */
export async function ask<T>(child: ChildProcess, message: string | object): Promise<T> {
  const isOver = new AbortController();
  const onExit = (): void => isOver.abort();
  child.once("exit", onExit);
  try {
    const answer = once(child, "message", { signal: isOver.signal });
    child.send(message);
    return ((await answer) as [T])[0];
  } finally {
    child.off("exit", onExit);
  }
}
