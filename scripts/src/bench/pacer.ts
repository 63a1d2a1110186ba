/**
 * Calls something at a fixed rate, each time with the moment that was meant for it. A call that comes late keeps its moment,
 * and what was missed is made up at once: the time that a slow answer costs all who come behind it is counted as theirs
 * (no coordinated omission).
 *
 * A timer of Node is a millisecond or more too late, many times what is to be measured. So the last stretch before each
 * moment is waited for in the event loop, turn by turn; at a thousand a second and more that takes a core of its own.
 */
import { setTimeout as pause } from "node:timers/promises";

const TIMER_SLACK_MS = 2.5;

/** Resolves when the last call was made. Moments are of `performance.now()`, ms. */
export async function atRate(perSecond: number, count: number, call: (intendedAt: number) => void): Promise<void> {
  const startedAt = performance.now() + 1;
  const stepMs = 1000 / perSecond;
  for (let done = 0; done < count; ) {
    const now = performance.now();
    while (done < count && startedAt + done * stepMs <= now) {
      call(startedAt + done * stepMs);
      done += 1;
    }
    if (done === count) return;
    const leftMs = startedAt + done * stepMs - performance.now();
    if (leftMs > TIMER_SLACK_MS) await pause(leftMs - TIMER_SLACK_MS);
    else await new Promise((resolve) => setImmediate(resolve));
  }
}
