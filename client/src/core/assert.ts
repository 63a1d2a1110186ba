/** Assertions for programmer errors of this package: they stay on in production, and nobody catches them. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}
