/**
 * Assertions for programmer errors. They stay on in production: a crash turns a wrong answer into a late one.
 * Nobody catches an AssertionError; the composition root logs it and ends the process.
 */
import nodeAssert from "node:assert";

/** Ends the caller with an AssertionError when `condition` is false. The message says which invariant broke. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new nodeAssert.AssertionError({ message, actual: condition, expected: true });
}
