/**
 * A regular expression as JavaScript has them, with its Unicode rules where it keeps them. They refuse a lone `}` and needless
 * backslashes, which every other tool takes; such an expression is read by the older rules.
 */
import { usageFailure } from "../failure.ts";

/** @throws CliFailure USAGE */
export function parseRegExp(text: string): RegExp {
  const strict = compile(text, "u");
  const expression = strict instanceof RegExp ? strict : compile(text, "");
  if (expression instanceof RegExp) return expression;
  const reason = expression.message.replace(/^Invalid regular expression: /, "");
  throw usageFailure(`expected a regular expression: ${reason}`);
}

function compile(text: string, flags: string): RegExp | Error {
  try {
    return new RegExp(text, flags);
  } catch (error: unknown) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
