/** What `send` is told of the log's end that its record expects (semantics 15.5). */
import type { LogEnd } from "@tidemark/proto";
import { invalidArgument } from "../errors.ts";
import type { SendOptions } from "../types.ts";

const ANY_EPOCH = -1;

/** Null: anywhere. Throws INVALID_ARGUMENT where nobody could compare, or nobody would hear of it. */
export function expectedEndOf(
  options: SendOptions | undefined,
  record: { readonly partition?: number },
  acks: "all" | "leader" | "none",
): LogEnd | null {
  const offset = options?.expectedOffset;
  const leaderEpoch = options?.expectedLeaderEpoch;
  if (offset === undefined) {
    if (leaderEpoch !== undefined) throw invalidArgument("expectedLeaderEpoch goes with expectedOffset");
    return null;
  }
  assertWhole("expectedOffset", offset, Number.MAX_SAFE_INTEGER);
  if (leaderEpoch !== undefined) assertWhole("expectedLeaderEpoch", leaderEpoch, 2 ** 31 - 1);
  if (record.partition === undefined)
    throw invalidArgument("a record with expectedOffset names its partition: each has offsets of its own");
  if (acks === "none") throw invalidArgument('with acks "none" nobody would be told that expectedOffset was missed');
  return { offset, leaderEpoch: leaderEpoch ?? ANY_EPOCH };
}

function assertWhole(name: string, value: number, max: number): void {
  if (Number.isSafeInteger(value) && value >= 0 && value <= max) return;
  throw invalidArgument(`${name} is a whole number from 0 to ${max}, not ${value}`);
}
