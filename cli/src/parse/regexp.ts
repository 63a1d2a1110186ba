/** A regular expression as JavaScript has them, with its Unicode rules. */
import { usageFailure } from "../failure.ts";

/** @throws CliFailure USAGE */
export function parseRegExp(text: string): RegExp {
  try {
    return new RegExp(text, "u");
  } catch (error: unknown) {
    const reason = error instanceof Error ? error.message : String(error);
    throw usageFailure(`expected a regular expression: ${reason.replace(/^Invalid regular expression: /, "")}`);
  }
}
