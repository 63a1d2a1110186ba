/** The topic through which `tidemark dev` proves a produce and a consume before it says that it is ready. */
import { createTopicsReady } from "./api/index.ts";
import type { BrokerContext } from "./api/index.ts";
import { BrokerStartError } from "./start-error.ts";

const READY_TOPIC = "__tidemark_ready";

/** Rejects with BrokerStartError when the topic is not there in the end. */
export async function createReadyTopic(context: BrokerContext): Promise<void> {
  if (context.image().topics.has(READY_TOPIC)) return;
  const replicationFactor = Math.min(3, context.config.base.controllerQuorumVoters?.length ?? 1);
  const spec = { name: READY_TOPIC, partitions: 1, replicationFactor, assignment: [], config: {}, internal: true };
  const [outcome] = await createTopicsReady(context, [spec], { timeoutMs: 0, isValidateOnly: false });
  // Of several brokers the last to come finds enough of them, or that another one was quicker.
  const passing = replicationFactor === 1 ? [] : ["INVALID_REPLICATION_FACTOR", "TOPIC_ALREADY_EXISTS"];
  if (outcome !== undefined && outcome.code !== "NONE" && !passing.includes(outcome.code))
    throw new BrokerStartError(
      outcome.code,
      `the topic ${READY_TOPIC} could not be made: ${outcome.message}`,
      undefined,
    );
}
