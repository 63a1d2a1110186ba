/** The reader core of one partition, from its first record on and without end, for shells that are not the SDK's own. */
import { ReadBuffer } from "./read-buffer.ts";
import { ReadPosition } from "./read-position.ts";

export function createReaderCore<S>(partition: number): { position: ReadPosition; buffer: ReadBuffer<S> } {
  const unbounded = Number.POSITIVE_INFINITY;
  const position = new ReadPosition({ partition, from: 0, to: unbounded, untilTimestamp: unbounded, follow: true });
  return { position, buffer: new ReadBuffer<S>(unbounded) };
}
