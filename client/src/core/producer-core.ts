/** The producer core as the SDK makes it where its options say nothing, for shells that are not the SDK's own. */
import { Accumulator } from "./accumulator.ts";
import type { QueueOptions } from "./partition-queue.ts";

const RETRY = { initialMs: 100, maxMs: 1_000, jitter: 0.2 };

export function createProducerCore<C>(options: Omit<QueueOptions, "retry">): Accumulator<C> {
  return new Accumulator<C>({ ...options, retry: RETRY }, "default");
}
