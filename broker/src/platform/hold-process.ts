/** Keeps the process: the timers of the port keep none alive (clock.ts). */

/** Node does not end the process by itself until the returned function is called; `onLate` is called every `lateMs` until then. */
export function holdProcess(lateMs: number, onLate: () => void): () => void {
  const held = setInterval(onLate, lateMs);
  return () => clearInterval(held);
}
