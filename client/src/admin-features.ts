/** Which versions of formats and protocols the brokers know: while a cluster is upgraded, they differ. */
import type { DescribeClusterResponse } from "@tidemark/proto";
import { askEach, limitsOf, read } from "./admin-call.ts";
import { BrokerError } from "./errors.ts";
import type { Cluster } from "./transport/cluster.ts";
import type { CallOptions, ClusterFeature, FeatureSupport } from "./types.ts";

/** Every broker is asked; one that is down, or silent, is there without versions. */
export async function describeFeatures(cluster: Cluster, options: CallOptions = {}): Promise<ClusterFeature[]> {
  const limits = limitsOf(options);
  const first = await read(cluster, "describeCluster", {}, limits);
  const others = first.brokers.filter(({ id, alive }) => alive && id !== first.brokerId).map(({ id }) => id);
  const answers = new Map<number, DescribeClusterResponse>([[first.brokerId, first]]);
  for (const [id, answer] of await askEach(cluster, "describeCluster", () => ({}), others, limits))
    if (!(answer instanceof BrokerError)) answers.set(id, answer);
  const names = new Set([...answers.values()].flatMap(({ features }) => features.map(({ name }) => name)));
  return [...names].map((name) => {
    const brokers = first.brokers.map(({ id }): FeatureSupport => {
      const range = answers.get(id)?.features.find((feature) => feature.name === name);
      return { broker: id, oldest: range?.oldest ?? null, newest: range?.newest ?? null };
    });
    return { name, inUse: inUse(brokers), brokers };
  });
}

function inUse(brokers: readonly FeatureSupport[]): number | null {
  const newest = Math.min(...brokers.map((one) => one.newest ?? Number.POSITIVE_INFINITY));
  const oldest = Math.max(...brokers.map((one) => one.oldest ?? 0));
  return newest >= oldest && Number.isFinite(newest) ? newest : null;
}
