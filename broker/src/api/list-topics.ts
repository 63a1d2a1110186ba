/** The topics of the cluster as applied here, by name. Bytes are those of the partitions that this broker leads. */
import { targetOf } from "../metadata/index.ts";
import type { TopicImage } from "../metadata/index.ts";
import type { BrokerContext } from "./broker-context.ts";

export interface TopicSummary {
  readonly name: string;
  readonly partitions: number;
  readonly replicas: number;
  readonly internal: boolean;
  readonly bytes: number;
}

export interface TopicList {
  /** Each made when it is asked for: there may be thousands. */
  readonly topics: Iterable<TopicSummary>;
  readonly metadataOffset: number;
  /** For so long this broker has known no controller; 0: it knows one. */
  readonly withoutControllerMs: number;
  /** Brokers that know the bytes of the rest. */
  readonly otherLeaders: readonly number[];
}

export function handleListTopics(context: BrokerContext, request: { includeInternal: boolean }): TopicList {
  const { topics, metadataOffset } = context.image();
  const names: string[] = [];
  const leaders = new Set<number>();
  for (const { name, internal, partitions } of topics.values()) {
    if (internal && !request.includeInternal) continue;
    for (const { leaderId } of partitions) leaders.add(leaderId);
    names.push(name);
  }
  const own = context.config.current.nodeId;
  return {
    topics: summaries(context, topics, names.sort()),
    metadataOffset,
    withoutControllerMs: context.quorum()?.leaderlessMs ?? 0,
    otherLeaders: [...leaders].filter((id) => id >= 0 && id !== own).sort((a, b) => a - b),
  };
}

function* summaries(
  { replicas }: BrokerContext,
  topics: ReadonlyMap<string, TopicImage>,
  names: readonly string[],
): Generator<TopicSummary> {
  for (const name of names) {
    const { internal = false, partitions = [] } = topics.get(name) ?? {};
    const [first] = partitions;
    yield {
      name,
      partitions: partitions.length,
      replicas: first === undefined ? 0 : targetOf(first).length,
      internal,
      bytes: replicas.sizeBytesOf(name),
    };
  }
}
