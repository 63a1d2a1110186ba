/** Asking for changes of the metadata, wherever the controller is. A request that was not decided is refused item by item. */
import type { ErrorName } from "@tidemark/proto";
import { ProtoError } from "@tidemark/proto";
import type { TopicImage } from "../metadata/index.ts";
import type { Results } from "../runtime/index.ts";
import type { BrokerContext } from "./broker-context.ts";

/**
 * What `answer` says of each item, in order; or `refused`, for each of them. Without items (all that there are) it rejects as `answer`
 * does: no results would read as nothing to do.
 */
export async function askController<Item, Result>(
  items: readonly Item[],
  answer: Promise<Results<Result>>,
  refused: (item: Item, code: ErrorName, message: string) => Result,
): Promise<Results<Result>> {
  try {
    return await answer;
  } catch (error: unknown) {
    if (!(error instanceof ProtoError) || items.length === 0) throw error;
    const { code, message } = error;
    return { results: items.map((item) => refused(item, code, message)), metadataOffset: -1 };
  }
}

/**
 * Partitions of the topic from `first` on that have no leader with an open log when the time is over: of those led here this
 * broker knows it, of the others the controller.
 */
export async function awaitReady(
  context: BrokerContext,
  topic: TopicImage,
  {
    first,
    metadataOffset,
    timeoutMs,
  }: { readonly first: number; readonly metadataOffset: number; readonly timeoutMs: number },
): Promise<readonly number[]> {
  const { clock, config, replicas, commands } = context;
  const endsAt = clock.monotonicNow() + timeoutMs;
  const missing = await replicas.whenReady(topic, timeoutMs, first);
  const isElsewhere = ({ partition, leaderId }: TopicImage["partitions"][number]): boolean =>
    partition >= first && leaderId !== config.base.nodeId;
  const elsewhere = (context.image().topicsById.get(topic.topicId)?.partitions ?? []).filter(isElsewhere);
  if (missing.length > 0 || elsewhere.length === 0) return missing;
  const { topicId } = topic;
  const leftMs = Math.max(0, endsAt - clock.monotonicNow());
  try {
    return (await commands.awaitTopic({ topicId, first, metadataOffset, timeoutMs: leftMs })).results;
  } catch (error: unknown) {
    if (!(error instanceof ProtoError)) throw error;
    return elsewhere.map(({ partition }) => partition);
  }
}
