/**
 * Settings of the process that a broker runs best in. For a process that is nothing but a broker; whoever embeds one decides by
 * himself.
 *
 * A broker's heap is small (10 MB) and what flows through it lies outside: each read of a socket is 64 KiB of external memory.
 * V8 counts that against a limit that follows the heap, and marked the whole heap every 30 MB of traffic, a third of the CPU
 * at full load. With a limit of five times the heap the young generation's collections free it all. The collections of an
 * idle process, and so its resident size, are not affected.
 *
 * A start, or the death of another broker, does the same for each of a thousand partitions, once. V8 took a thousand times for hot and
 * had its threads compile what was over before they were done: half of the CPU of a failover, and megabytes that the allocator kept.
 * What is hot in earnest reaches four times the budget within a second.
 */
import v8 from "node:v8";

/** How far the heap with what hangs on it may grow before it is marked, in percent of what survived the last time. */
const HEAP_GROWING_PERCENT = 400;
/** Bytes of bytecode between two looks at whether a function is hot; four times V8's own. */
const INTERRUPT_BUDGET_BYTES = 4 * 67_584;

export function tuneProcess(): void {
  v8.setFlagsFromString(`--heap-growing-percent=${HEAP_GROWING_PERCENT}`);
  v8.setFlagsFromString(`--interrupt-budget=${INTERRUPT_BUDGET_BYTES}`);
}
