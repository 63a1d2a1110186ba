/** Partitions of many topics at once, one of them closely, and who leads them. */
import type { TopicDescription as WireTopic } from "@tidemark/proto";
import { change, limitsOf, read, throwFailed } from "./admin-call.ts";
import { brokerErrorOf, invalidArgument } from "./errors.ts";
import { errorRow } from "@tidemark/proto";
import { partitionDetail, withLeaders } from "./partition-details.ts";
import type { Limits } from "./pause.ts";
import type { Cluster } from "./transport/cluster.ts";
import type { CallOptions, PartitionDescription, TopicPartition, VerifiedPartition } from "./types.ts";
import { verifyReplicas } from "./verify-replicas.ts";

export interface PartitionAdmin {
  /**
   * Every partition of these topics, or of all; by topic and number. With `unhealthy` those that have troubles.
   * @throws BrokerError UNKNOWN_TOPIC_OR_PARTITION for a topic that was named
   */
  list(
    options?: CallOptions & { topics?: readonly string[]; internal?: boolean; unhealthy?: boolean },
  ): AsyncIterableIterator<PartitionDescription>;
  /** @throws BrokerError UNKNOWN_TOPIC_OR_PARTITION */
  describe(partition: TopicPartition, options?: CallOptions): Promise<PartitionDescription>;
  /**
   * Reads a partition at all its replicas, and compares them batch by batch up to what the leader has committed. What is damaged is
   * repaired by its broker as if a reader had found it; nothing else changes.
   * @throws BrokerError UNKNOWN_TOPIC_OR_PARTITION, LEADER_NOT_AVAILABLE where nobody leads
   */
  verify(
    partition: TopicPartition,
    options?: CallOptions & { onProgress?: (bytes: number) => void },
  ): Promise<VerifiedPartition>;
  /**
   * Gives leadership to the preferred replicas, if they are in sync; or, where nobody leads, to the living replica with the longest
   * log: what that lacks is lost. A partition that has the leader it should have is left alone.
   * @throws BrokerError PREFERRED_LEADER_NOT_AVAILABLE, ELIGIBLE_LEADERS_NOT_AVAILABLE, UNKNOWN_TOPIC_OR_PARTITION
   */
  electLeader(
    partitions: Iterable<TopicPartition>,
    kind: "preferred" | "unclean",
    options?: CallOptions,
  ): Promise<void>;
}

/** A description brings the topic's settings with it: so many in one answer stay well below what a message may weigh. */
const TOPICS_AT_ONCE = 50;

export function createPartitionAdmin(cluster: Cluster): PartitionAdmin {
  return Object.freeze<PartitionAdmin>({
    list: (options) => listPartitions(cluster, options),
    describe: (partition, options) => describePartition(cluster, partition, options),
    verify: async (partition, { onProgress = () => undefined, ...options } = {}) => {
      const described = await describePartition(cluster, partition, options);
      return verifyReplicas(cluster, described, limitsOf(options), onProgress);
    },
    electLeader: (partitions, kind, options) => electLeader(cluster, [...partitions], kind, options),
  });
}

/** @param options with `mustExist: false` a topic that was named and is gone is left out */
export async function* listPartitions(
  cluster: Cluster,
  options: NonNullable<Parameters<PartitionAdmin["list"]>[0]> & { mustExist?: boolean } = {},
): AsyncIterableIterator<PartitionDescription> {
  const limits = limitsOf(options);
  const named = options.topics === undefined ? null : [...new Set(options.topics)];
  const names = named ?? (await allNames(cluster, options.internal ?? false, limits));
  for (let from = 0; from < names.length; from += TOPICS_AT_ONCE) {
    // One that is deleted meanwhile is no failure, unless it was asked for.
    const topics = await topicsOf(cluster, names.slice(from, from + TOPICS_AT_ONCE), {
      limits,
      mustExist: options.mustExist ?? named !== null,
    });
    for (const { name, partitions } of topics) {
      for (const row of partitions) {
        const detail = partitionDetail(row);
        if (options.unhealthy !== true || detail.troubles.length > 0) yield { topic: name, ...detail };
      }
    }
  }
}

async function describePartition(
  cluster: Cluster,
  { topic: name, partition }: TopicPartition,
  options: CallOptions = {},
): Promise<PartitionDescription> {
  if (!Number.isSafeInteger(partition) || partition < 0) throw invalidArgument(`there is no partition ${partition}`);
  const [topic] = await topicsOf(cluster, [name], { limits: limitsOf(options), mustExist: true });
  const row = topic?.partitions[partition];
  if (row === undefined) {
    const last = (topic?.partitions.length ?? 0) - 1;
    const message = `topic ${name} has ${last === 0 ? "partition 0" : `partitions 0 to ${last}`}, not ${partition}`;
    throw brokerErrorOf(errorRow("UNKNOWN_TOPIC_OR_PARTITION"), message, { topic: name, partition });
  }
  return { topic: name, ...partitionDetail(row) };
}

async function electLeader(
  cluster: Cluster,
  partitions: readonly TopicPartition[],
  kind: "preferred" | "unclean",
  options: CallOptions = {},
): Promise<void> {
  const request = {
    unclean: kind === "unclean",
    all: false,
    partitions: partitions.map(({ topic, partition }) => ({ topic, partition })),
  };
  const { results } = await change(cluster, "electLeaders", request, limitsOf(options));
  throwFailed(
    results.map(({ topic, partition, ...result }) => ({ ...result, name: `${topic}-${partition}` })),
    (row) => row.name !== "ELECTION_NOT_NEEDED",
  );
}

async function allNames(cluster: Cluster, includeInternal: boolean, limits: Limits): Promise<string[]> {
  const { topics } = await read(cluster, "listTopics", { includeInternal }, limits);
  return topics.map(({ name }) => name);
}

async function topicsOf(
  cluster: Cluster,
  names: readonly string[],
  { limits, mustExist }: { readonly limits: Limits; readonly mustExist: boolean },
): Promise<WireTopic[]> {
  const { results } = await read(cluster, "describeTopics", { names: [...names] }, limits);
  throwFailed(results, (row) => mustExist || row.name !== "UNKNOWN_TOPIC_OR_PARTITION");
  return withLeaders(
    cluster,
    results.flatMap(({ topic }) => (topic === null ? [] : [topic])),
    limits,
  );
}
