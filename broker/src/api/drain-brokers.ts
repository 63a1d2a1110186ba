/** Brokers are taken out of service, and forgotten when they are gone for good. The controller decides. */
import type { ErrorName } from "@tidemark/proto";
import { MAX_PARTITIONS_PER_REQUEST } from "@tidemark/proto";
import { ApiError } from "./api-error.ts";
import { askController } from "./ask-controller.ts";
import type { BrokerContext } from "./broker-context.ts";

export interface BrokerOutcome {
  readonly brokerId: number;
  readonly code: ErrorName;
  readonly message: string;
}

/** One outcome per broker, in order. */
export async function handleDrainBrokers(
  context: BrokerContext,
  brokerIds: readonly number[],
  isDraining: boolean,
): Promise<readonly BrokerOutcome[]> {
  if (brokerIds.length > MAX_PARTITIONS_PER_REQUEST) {
    throw new ApiError("INVALID_REQUEST", `a request names at most ${MAX_PARTITIONS_PER_REQUEST} brokers`);
  }
  const { results } = await askController(
    brokerIds,
    context.commands.drainBrokers({ brokerIds, isDraining }),
    (brokerId, error, message) => ({ brokerId, error, message }),
  );
  return results.map(({ brokerId, error, message }) => ({ brokerId, code: error, message }));
}

export async function handleUnregisterBroker(context: BrokerContext, brokerId: number): Promise<BrokerOutcome> {
  const { results } = await askController(
    [brokerId],
    context.commands.unregisterBroker({ brokerId }),
    (_, error, message) => ({ brokerId, error, message }),
  );
  const [result] = results;
  return { brokerId, code: result?.error ?? "UNKNOWN_SERVER_ERROR", message: result?.message ?? "" };
}
