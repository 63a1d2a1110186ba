/**
 * What a measurement has made and takes away itself, unless it is ended in the middle: then brokers go with the process that
 * started them, and folders with their data.
 */
import type { ChildProcess } from "node:child_process";
import { rmSync } from "node:fs";

const children = new Set<ChildProcess>();
const folders = new Set<string>();

export function ownProcess<Child extends ChildProcess>(child: Child): Child {
  children.add(child);
  child.once("exit", () => children.delete(child));
  return child;
}

/** Answers the function that takes it away. */
export function ownFolder(path: string): () => void {
  folders.add(path);
  return () => {
    folders.delete(path);
    rmSync(path, { recursive: true, force: true });
  };
}

/** For the whole run: a signal ends it with the exit code of that signal. */
export function leaveNothingBehind(): void {
  process.once("SIGINT", () => process.exit(130));
  process.once("SIGTERM", () => process.exit(143));
  process.once("exit", () => {
    for (const child of children) child.kill("SIGKILL");
    for (const path of folders) rmSync(path, { recursive: true, force: true, maxRetries: 5 });
  });
}
