/** From what a request names to the partition that is led here, or the code that says why not. */
import type { ErrorName } from "@tidemark/proto";
import { uuidToText } from "@tidemark/proto";
import { validateTopicName } from "@tidemark/proto";
import type { Partition } from "../runtime/index.ts";
import type { BrokerContext } from "./broker-context.ts";

export type PartitionLookUp =
  | { readonly ok: true; readonly partition: Partition }
  | { readonly ok: false; readonly code: ErrorName; readonly message: string };

/** Bytes of a topic id on the wire; a request may leave it out and go by name alone. */
const TOPIC_ID_BYTES = 16;

export function findPartition(
  context: BrokerContext,
  topic: string,
  number: number,
  topicId: Uint8Array | null,
): PartitionLookUp {
  const partition = context.replicas.find(topic, number);
  if (partition === undefined) return absent(context, topic, number);
  if (topicId !== null && topicId.length > 0) {
    if (topicId.length !== TOPIC_ID_BYTES)
      return refuse("INVALID_REQUEST", `a topic id has ${TOPIC_ID_BYTES} bytes, not ${topicId.length}`);
    const asked = uuidToText(topicId);
    if (asked !== partition.topicId) {
      return context.image().topicsById.has(asked)
        ? refuse("INCONSISTENT_TOPIC_ID", `topic "${topic}" has another id`)
        : refuse("UNKNOWN_TOPIC_ID", `topic "${topic}" was deleted, or made anew`);
    }
  }
  return { ok: true, partition };
}

function absent(context: BrokerContext, topic: string, number: number): PartitionLookUp {
  const illegal = validateTopicName(topic);
  if (illegal !== null) return refuse("INVALID_TOPIC_EXCEPTION", `the topic name ${illegal}`);
  const image = context.image().topics.get(topic);
  if (image === undefined) return refuse("UNKNOWN_TOPIC_OR_PARTITION", `there is no topic "${topic}"`);
  if (image.partitions[number] === undefined) {
    return refuse(
      "UNKNOWN_TOPIC_OR_PARTITION",
      `topic "${topic}" has partitions 0 to ${image.partitions.length - 1}, not ${number}`,
    );
  }
  return refuse(context.replicas.absenceCode, "");
}

function refuse(code: ErrorName, message: string): PartitionLookUp {
  return { ok: false, code, message };
}
