/** The topics of the cluster as applied here, by name. Bytes are those of the replicas on this broker. */
import type { BrokerContext } from "./broker-context.ts";

export interface TopicSummary {
  readonly name: string;
  readonly partitions: number;
  readonly replicas: number;
  readonly internal: boolean;
  readonly bytes: number;
}

export function handleListTopics(context: BrokerContext, request: { includeInternal: boolean }): TopicSummary[] {
  const summaries: TopicSummary[] = [];
  for (const { name, internal, partitions } of context.image().topics.values()) {
    if (internal && !request.includeInternal) continue;
    const replicas = partitions[0]?.replicas.length ?? 0;
    summaries.push({
      name,
      partitions: partitions.length,
      replicas,
      internal,
      bytes: context.replicas.sizeBytesOf(name),
    });
  }
  return summaries.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}
