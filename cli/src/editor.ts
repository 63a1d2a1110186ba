/** A text in the person's own editor: $VISUAL, $EDITOR, else vi. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { CommandContext } from "./command-context.ts";
import { CliFailure } from "./failure.ts";

/** The command line to come; for who has something to prepare first. @throws CliFailure EDITOR_FAILED where there is none */
export function requireEditor(context: CommandContext): string {
  const { VISUAL: visual = "", EDITOR: editor = "" } = context.env;
  const command = visual !== "" ? visual : editor;
  if (command === "" && context.stdin.isTTY !== true) {
    throw new CliFailure("EDITOR_FAILED", "there is no terminal for an editor", {
      hint: "set EDITOR, or use `configs set` and `profile add`",
    });
  }
  return command === "" ? "vi" : command;
}

/** @throws CliFailure EDITOR_FAILED when it could not be started, or ended badly */
export async function openEditor(context: CommandContext, path: string): Promise<void> {
  const shown = requireEditor(context);
  // Through a shell, since both may hold flags ("code --wait"); the path is an argument of it, never part of its text.
  const child = spawn("/bin/sh", ["-c", `${shown} "$1"`, "sh", path], { stdio: "inherit" });
  const [code] = await once(child, "exit");
  if (code !== 0) throw new CliFailure("EDITOR_FAILED", `${shown} ended with ${String(code)}; nothing was changed`);
}
