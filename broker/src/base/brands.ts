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

/** Apart from the checks, so that a message is made only when it is needed: they run for every batch. */
function refuse(message: string): never {
  assert(false, message);
}

export function asOffset(value: number): Offset {
  if (!(Number.isSafeInteger(value) && value >= 0)) refuse(`not an offset: ${value}`);
  return value as Offset;
}

export function asPosition(value: number): Position {
  if (!(Number.isSafeInteger(value) && value >= 0)) refuse(`not a file position: ${value}`);
  return value as Position;
}

export function asLeaderEpoch(value: number): LeaderEpoch {
  if (!((value | 0) === value && value >= -1)) refuse(`not a leader epoch: ${value}`);
  return value as LeaderEpoch;
}

export function asBrokerId(value: number): BrokerId {
  if (!((value | 0) === value && value >= -1)) refuse(`not a broker id: ${value}`);
  return value as BrokerId;
}

/** The same list, looked through: brokers of a partition are kept as long as it lives. */
export function asBrokerIds(values: readonly number[]): readonly BrokerId[] {
  for (const value of values) asBrokerId(value);
  return values as readonly BrokerId[];
}

export function asPartitionId(value: number): PartitionId {
  if (!((value | 0) === value && value >= 0)) refuse(`not a partition: ${value}`);
  return value as PartitionId;
}

export function asMs(value: number): Ms {
  if (!Number.isFinite(value)) refuse(`not milliseconds: ${value}`);
  return value as Ms;
}
