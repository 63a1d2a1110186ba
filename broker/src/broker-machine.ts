/** What this process knows of itself and of the machine under it, for `tidemark doctor`. Loaded when somebody asks. */
import type { Machine } from "./api/index.ts";
import { descriptorsMax, probeNativeParts, processNumbers } from "./platform/index.ts";

export function machine(): Machine {
  const max = descriptorsMax();
  return {
    openFilesMax: max === Number.MAX_SAFE_INTEGER ? Number.POSITIVE_INFINITY : max,
    missingNativeParts: probeNativeParts()
      .filter(({ isNative }) => !isNative)
      .map(({ name }) => name),
    loopDelayMs: worstLoopDelayMs(),
  };
}

/** Of 99 of 100 timers; the upper bound of the histogram's bucket. */
function worstLoopDelayMs(): number | null {
  const delays = processNumbers().loopDelays();
  const counts = delays.cumulativeCounts();
  const all = counts.at(-1) ?? 0;
  if (all === 0) return null;
  const slot = counts.findIndex((count) => count >= all * 0.99);
  return (delays.bounds[slot] ?? delays.bounds.at(-1) ?? 0) * 1000;
}
