/** Producer ids are handed out in blocks, so that a broker asks the controller once per thousand producers (11.1(1)). */
import type { Decision } from "./decision.ts";
import type { ClusterImage } from "./image.ts";

/** Ids per block. A block that its broker did not use up before it stopped is lost. */
export const PRODUCER_ID_BLOCK = 1000;

export interface ProducerIdBlock {
  readonly firstId: number;
  readonly count: number;
}

export function allocateProducerIds(working: ClusterImage, brokerId: number): Decision<ProducerIdBlock> {
  const block = { firstId: working.nextProducerId, count: PRODUCER_ID_BLOCK };
  const brokerEpoch = working.brokers.get(brokerId)?.brokerEpoch ?? -1;
  return { records: [{ type: "producerIdsAllocated", brokerId, brokerEpoch, ...block }], response: block };
}
