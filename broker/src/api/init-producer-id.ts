/** InitProducerId without transactional id (semantics 11.1(1)): a fresh id, epoch 0. */
import type { BrokerContext } from "./broker-context.ts";

export async function handleInitProducerId(
  context: BrokerContext,
): Promise<{ producerId: number; producerEpoch: number }> {
  return { producerId: await context.producerIds.next(), producerEpoch: 0 };
}
