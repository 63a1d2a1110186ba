/** BO1 of Raft's pipeline: what a leader has on its way to each peer is within its window. */
import type { InflightMessage, RaftOptions } from "../raft/index.ts";
import { InvariantViolation } from "./violation.ts";

export type InflightBounds = Pick<RaftOptions, "inflightMessagesMax" | "inflightBytesMax">;

/** For each event, so it is cheap. */
export function ensureInflightBounded(
  name: string,
  inflight: readonly (readonly InflightMessage[])[],
  { inflightMessagesMax, inflightBytesMax }: InflightBounds,
): void {
  for (const messages of inflight) {
    let bytes = 0;
    // The newest may go beyond, since an entry is not cut in two; but it leaves only where there was room.
    for (const [slot, message] of messages.entries()) if (slot < messages.length - 1) bytes += message.bytes;
    if (messages.length <= inflightMessagesMax && (messages.length < 2 || bytes < inflightBytesMax)) continue;
    throw new InvariantViolation(
      "BO1",
      `${name} has ${messages.length} append messages on their way to a peer, ${bytes} bytes before the newest, and may ${inflightMessagesMax} with ${inflightBytesMax}`,
    );
  }
}
