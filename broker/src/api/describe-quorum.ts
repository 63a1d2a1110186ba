/** The replicated log of the metadata as this broker knows it; how far the other nodes are only its leader does. */
import type { QuorumStatus } from "../runtime/index.ts";
import { ApiError } from "./api-error.ts";
import type { BrokerContext } from "./broker-context.ts";

export type { QuorumNode, QuorumStatus } from "../runtime/index.ts";

export function handleDescribeQuorum(context: BrokerContext): QuorumStatus {
  const quorum = context.quorum();
  if (quorum === null) throw new ApiError("LEADER_NOT_AVAILABLE", "the metadata log is not open yet");
  return quorum;
}
