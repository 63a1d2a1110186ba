/** The cluster as a whole: its brokers, and what is wrong with it. */
import type { DescribeHealthResponse, PartitionName } from "@tidemark/proto";
import { askEach, limitsOf, look, read } from "./admin-call.ts";
import { BrokerError } from "./errors.ts";
import type { Cluster } from "./transport/cluster.ts";
import type { BrokerDescription, CallOptions, ClusterDescription, HealthReport, TopicPartition } from "./types.ts";

export async function describeCluster(
  cluster: Cluster,
  options: CallOptions & { versions?: boolean } = {},
): Promise<ClusterDescription> {
  const limits = limitsOf(options);
  const { clusterId, controllerId, metadataOffset, brokerId, version, brokers } = await read(
    cluster,
    "describeCluster",
    {},
    limits,
  );
  const others = brokers.filter(({ id, alive }) => alive && id !== brokerId).map(({ id }) => id);
  const asked = options.versions === true ? others : [];
  const answers = await askEach(cluster, "describeCluster", () => ({}), asked, limits);
  const versions = new Map([[brokerId, version]]);
  for (const [id, answer] of answers) if (!(answer instanceof BrokerError)) versions.set(id, answer.version);
  return {
    clusterId,
    controllerId,
    metadataOffset,
    brokers: brokers.map(
      ({ rack, machine, brokerEpoch, ...broker }): BrokerDescription => ({
        ...broker,
        epoch: brokerEpoch,
        version: versions.get(broker.id) ?? null,
        ...(rack === "" ? {} : { rack }),
        ...(machine === "" ? {} : { machine }),
      }),
    ),
  };
}

/** Brokers and partitions as whoever has applied most metadata sees them; disks and logs as their owners do. */
export async function describeHealth(cluster: Cluster, options: CallOptions = {}): Promise<HealthReport> {
  const limits = limitsOf(options);
  const first = await look(cluster, "describeHealth", {}, limits);
  await cluster.refresh([], { create: false });
  const others = otherBrokers(cluster, first.brokerId).filter((id) => !first.brokersDown.includes(id));
  const reports = [first];
  const silent: string[] = [];
  for (const [id, answer] of await askEach(cluster, "describeHealth", () => ({}), others, limits)) {
    if (answer instanceof BrokerError) silent.push(`broker ${id} does not answer: ${answer.message}`);
    else reports.push(answer);
  }
  const newest = reports.reduce((a, b) => (b.metadataOffset > a.metadataOffset ? b : a));
  const local = reports.flatMap(({ localReasons }) => localReasons);
  const reasons = [...newest.reasons.filter((reason) => !newest.localReasons.includes(reason)), ...local, ...silent];
  return {
    healthy: reasons.length === 0,
    reasons,
    controller: controllerOf(reports),
    brokersDown: newest.brokersDown,
    leaderless: newest.leaderless.map(partitionOf),
    underReplicated: newest.underReplicated.map(partitionOf),
    underMinIsr: newest.underMinIsr.map(partitionOf),
    recovering: newest.recovering.map(partitionOf),
  };
}

/** One that is cut off knows none. */
function controllerOf(reports: readonly DescribeHealthResponse[]): number | null {
  const known = reports.filter(({ controllerId }) => controllerId >= 0);
  return (
    known.reduce<DescribeHealthResponse | null>(
      (a, b) => (a !== null && a.metadataOffset >= b.metadataOffset ? a : b),
      null,
    )?.controllerId ?? null
  );
}

function partitionOf({ topic, partition }: PartitionName): TopicPartition {
  return { topic, partition };
}

/** Every broker that the metadata names, but this one. */
export function otherBrokers(cluster: Cluster, brokerId: number): number[] {
  return (cluster.info?.brokers ?? []).map(({ id }) => id).filter((id) => id !== brokerId);
}
