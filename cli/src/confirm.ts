/**
 * Destructive commands ask: on a terminal the name has to be typed, elsewhere only --yes will do. The question goes to
 * stderr, for stdout carries data only.
 */
import { createInterface } from "node:readline/promises";
import type { CommandContext } from "./command-context.ts";
import { ExitCode } from "./exit-codes.ts";
import { CliFailure } from "./failure.ts";

export interface Question {
  /** What has to be typed. */
  readonly name: string;
  /** "Delete orders with all its records?" */
  readonly text: string;
  /** What is said behind it; "Type its name". */
  readonly prompt?: string;
  /** How it is said that nothing happened: "orders was not deleted". */
  readonly declined: string;
}

/** Where a command has a dry run. */
const DRY_RUN_HINT = "--dry-run shows what it would do";

/**
 * Resolves when all were answered well.
 * @param what for the refusal where nobody can be asked: "deleting orders"
 * @param hint for that refusal
 * @throws CliFailure NEEDS_CONFIRMATION, DECLINED
 */
export async function confirm(
  context: CommandContext,
  what: string,
  questions: readonly Question[],
  hint = DRY_RUN_HINT,
): Promise<void> {
  if (context.flags.isYes || context.flags.isDryRun) return;
  if (context.stdin.isTTY !== true) {
    throw new CliFailure("NEEDS_CONFIRMATION", `${what} needs --yes where nobody can be asked`, {
      hint,
    });
  }
  const terminal = createInterface({ input: context.stdin, output: context.stderr });
  try {
    for (const question of questions) {
      const answer = await terminal
        .question(`${question.text} ${question.prompt ?? "Type its name"}: `, { signal: context.signal })
        .catch((error: unknown) => leftUnanswered(context, question, error));
      if (answer.trim() !== question.name) throw new CliFailure("DECLINED", question.declined);
    }
  } finally {
    terminal.close();
  }
}

/** Ctrl-C at the question is no signal but a key, and Ctrl-D is its end. */
function leftUnanswered(context: CommandContext, question: Question, cause: unknown): never {
  context.stderr.write("\n");
  throw new CliFailure("DECLINED", question.declined, { exitCode: ExitCode.INTERRUPTED, cause });
}
