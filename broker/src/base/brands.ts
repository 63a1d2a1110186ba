/**
 * Numbers with meaning. A branded number is a plain number at run time; the brand stops an offset from being used where a
 * file position is meant. Only codecs and the configuration parser brand; everybody else receives branded values and
 * adds to them through the `as…` functions, which assert the range.
 */
import { assert } from "./assert.ts";

declare const brand: unique symbol;
type Brand<Name extends string> = number & { readonly [brand]: Name };

/** Place of a record in a partition: a safe integer >= 0. int64 exists only on the wire. */
export type Offset = Brand<"Offset">;
/** Byte place in a file: a safe integer >= 0. */
export type Position = Brand<"Position">;
/** Leader epoch of a partition: an int32, -1 = none. */
export type LeaderEpoch = Brand<"LeaderEpoch">;
/** Broker id: an int32 >= 0, or -1 = none. */
export type BrokerId = Brand<"BrokerId">;
/** Partition number: an int32 >= 0. */
export type PartitionId = Brand<"PartitionId">;
/** Milliseconds: a span, or a point on the clock that the value came from. */
export type Ms = Brand<"Ms">;

export function asOffset(value: number): Offset {
  assert(Number.isSafeInteger(value) && value >= 0, `not an offset: ${value}`);
  return value as Offset;
}

export function asPosition(value: number): Position {
  assert(Number.isSafeInteger(value) && value >= 0, `not a file position: ${value}`);
  return value as Position;
}

export function asLeaderEpoch(value: number): LeaderEpoch {
  assert((value | 0) === value && value >= -1, `not a leader epoch: ${value}`);
  return value as LeaderEpoch;
}

export function asBrokerId(value: number): BrokerId {
  assert((value | 0) === value && value >= -1, `not a broker id: ${value}`);
  return value as BrokerId;
}

export function asPartitionId(value: number): PartitionId {
  assert((value | 0) === value && value >= 0, `not a partition: ${value}`);
  return value as PartitionId;
}

export function asMs(value: number): Ms {
  assert(Number.isFinite(value), `not milliseconds: ${value}`);
  return value as Ms;
}
