/** The topics of the cluster as applied here, by name. Bytes are those of the partitions that this broker leads. */
import { targetOf } from "../metadata/index.ts";
import type { BrokerContext } from "./broker-context.ts";

export interface TopicSummary {
  readonly name: string;
  readonly partitions: number;
  readonly replicas: number;
  readonly internal: boolean;
  readonly bytes: number;
}

export interface TopicList {
  readonly topics: readonly TopicSummary[];
  readonly metadataOffset: number;
  /** For so long this broker has known no controller; 0: it knows one. */
  readonly withoutControllerMs: number;
  /** Brokers that know the bytes of the rest. */
  readonly otherLeaders: readonly number[];
}

export function handleListTopics(context: BrokerContext, request: { includeInternal: boolean }): TopicList {
  const { topics, metadataOffset } = context.image();
  const summaries: TopicSummary[] = [];
  const leaders = new Set<number>();
  for (const { name, internal, partitions } of topics.values()) {
    if (internal && !request.includeInternal) continue;
    for (const { leaderId } of partitions) leaders.add(leaderId);
    const [first] = partitions;
    const replicas = first === undefined ? 0 : targetOf(first).length;
    summaries.push({
      name,
      partitions: partitions.length,
      replicas,
      internal,
      bytes: context.replicas.sizeBytesOf(name),
    });
  }
  const own = context.config.current.nodeId;
  return {
    topics: summaries.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)),
    metadataOffset,
    withoutControllerMs: context.quorum()?.leaderlessMs ?? 0,
    otherLeaders: [...leaders].filter((id) => id >= 0 && id !== own).sort((a, b) => a - b),
  };
}
