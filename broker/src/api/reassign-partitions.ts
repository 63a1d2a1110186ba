/**
 * Other replicas for partitions (semantics 13(6)): the controller decides, what is under way is read from the metadata that is applied
 * here, and plans are made of it.
 */
import type { ErrorName } from "@tidemark/proto";
import { MAX_PARTITIONS_PER_REQUEST } from "@tidemark/proto";
import {
  isReassigning,
  type PartitionImage,
  type ReassignmentChange,
  type ReassignmentResult,
  type TopicImage,
} from "../metadata/index.ts";
import { type MovePlan, planMoves, type PlanRequest } from "../metadata/moves/index.ts";
import { ApiError } from "./api-error.ts";
import { askController } from "./ask-controller.ts";
import type { BrokerContext } from "./broker-context.ts";

export interface ReassignmentOutcome {
  readonly topic: string;
  readonly partition: number;
  readonly code: ErrorName;
  readonly message: string;
}

/** One outcome per change, in order. */
export async function handleAlterReassignments(
  context: BrokerContext,
  changes: readonly ReassignmentChange[],
  isValidateOnly: boolean,
): Promise<readonly ReassignmentOutcome[]> {
  checkCount(changes);
  const { results } = await askController(
    changes,
    context.commands.alterReassignments({ changes, isValidateOnly }),
    ({ topic, partition }, error, message): ReassignmentResult => ({ topic, partition, error, message }),
  );
  return results.map(({ topic, partition, error, message }) => ({ topic, partition, code: error, message }));
}

export interface Reassignment
  extends Pick<PartitionImage, "partition" | "replicas" | "addingReplicas" | "removingReplicas" | "isr" | "leaderId"> {
  readonly topic: string;
}

/** What is under way: of the named partitions those that are being reassigned, null = of all. */
export function handleListReassignments(
  context: BrokerContext,
  named: readonly { readonly topic: string; readonly partition: number }[] | null,
): Reassignment[] {
  const { topics } = context.image();
  if (named === null) {
    return [...topics.values()].flatMap((topic) =>
      topic.partitions.filter(isReassigning).map((image) => described(topic, image)),
    );
  }
  checkCount(named);
  return named.flatMap(({ topic: name, partition }) => {
    const topic = topics.get(name);
    const image = topic?.partitions[partition];
    return topic !== undefined && image !== undefined && isReassigning(image) ? [described(topic, image)] : [];
  });
}

/** A plan of the metadata that is applied here; nothing is changed. */
export function handlePlanReassignments(context: BrokerContext, request: PlanRequest): MovePlan {
  return planMoves(context.image(), request);
}

function described({ name: topic }: TopicImage, image: PartitionImage): Reassignment {
  const { partition, replicas, addingReplicas, removingReplicas, isr, leaderId } = image;
  return { topic, partition, replicas, addingReplicas, removingReplicas, isr, leaderId };
}

function checkCount(items: readonly unknown[]): void {
  if (items.length <= MAX_PARTITIONS_PER_REQUEST) return;
  throw new ApiError("INVALID_REQUEST", `a request names at most ${MAX_PARTITIONS_PER_REQUEST} partitions`);
}
