/** ElectLeaders (semantics 9(8)): the preferred replicas, or whoever lives where nobody leads. The controller decides. */
import type { ErrorName } from "@tidemark/proto";
import { MAX_PARTITIONS_PER_REQUEST } from "@tidemark/proto";
import type { ElectionTarget, ElectionType } from "../metadata/index.ts";
import { ApiError } from "./api-error.ts";
import { askController } from "./ask-controller.ts";
import type { BrokerContext } from "./broker-context.ts";

export interface ElectedPartition extends ElectionTarget {
  readonly code: ErrorName;
  readonly message: string;
}

/** One result per target, in order; of all partitions (null) those that needed it. */
export async function handleElectLeaders(
  context: BrokerContext,
  type: ElectionType,
  targets: readonly ElectionTarget[] | null,
): Promise<readonly ElectedPartition[]> {
  if ((targets?.length ?? 0) > MAX_PARTITIONS_PER_REQUEST) {
    throw new ApiError("INVALID_REQUEST", `a request names at most ${MAX_PARTITIONS_PER_REQUEST} partitions`);
  }
  const { results } = await askController(
    targets ?? [],
    context.commands.electLeaders({ type, targets }),
    ({ topic, partition }, error, message) => ({ topic, partition, error, message }),
  );
  return results.map(({ topic, partition, error, message }) => ({ topic, partition, code: error, message }));
}
