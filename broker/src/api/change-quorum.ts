/** What an operator may do to the metadata quorum: move its lead, give and take seats, have a snapshot written. */
import type { LeaderTransfer, SeatedVoters } from "../runtime/index.ts";
import { type BrokerContext, timeoutOf } from "./broker-context.ts";

/** Answered when `nodeId` leads. */
export function handleTransferQuorumLeader({ commands }: BrokerContext, nodeId: number): Promise<LeaderTransfer> {
  return commands.transferLeadership({ nodeId });
}

/** Answered when the seat is given or taken; asked again it changes nothing. */
export function handleChangeQuorumVoter(
  { commands }: BrokerContext,
  { nodeId, isVoter, timeoutMs }: { readonly nodeId: number; readonly isVoter: boolean; readonly timeoutMs: number },
): Promise<SeatedVoters> {
  return commands.changeVoter({ nodeId, isVoter, timeoutMs: timeoutOf(timeoutMs) });
}

/** Of this broker's own copy, on its own disk. */
export function handleWriteQuorumSnapshot({
  controller,
}: BrokerContext): ReturnType<BrokerContext["controller"]["takeSnapshot"]> {
  return controller.takeSnapshot();
}
