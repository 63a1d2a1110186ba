/**
 * base: what every room may stand on: assertions, branded numbers, the seeded random source, histograms and rates.
 *
 * Inputs: none. Outputs: pure helpers. Invariants: nothing here touches the outside world, keeps module state, or knows
 * any other room. Not here: anything that speaks of logs, brokers or bytes on the wire.
 */
export { assert } from "./assert.ts";
export { BackOff, type BackOffOptions } from "./back-off.ts";
export type { BrokerId, LeaderEpoch, Ms, Offset, PartitionId, Position } from "./brands.ts";
export { asBrokerId, asBrokerIds, asLeaderEpoch, asMs, asOffset, asPartitionId, asPosition } from "./brands.ts";
export { ByteReader, ByteWriter } from "./bytes.ts";
export { BYTES_BOUNDS, Histogram, SECONDS_BOUNDS } from "./histogram.ts";
export { Keepalive } from "./keepalive.ts";
export { SeededRandom } from "./seeded-random.ts";
export { SharedMemory } from "./shared-memory.ts";
export type { TokenBucketOptions } from "./token-bucket.ts";
export { TokenBucket } from "./token-bucket.ts";
