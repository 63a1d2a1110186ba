/** The admin door: the cluster, its health, its topics, their settings, and what lies on disk. */
import type { PartitionName } from "@tidemark/proto";
import { call, limitsOf } from "./admin-call.ts";
import { type ConfigAdmin, createConfigAdmin } from "./admin-configs.ts";
import { createLogAdmin, type LogAdmin } from "./admin-logs.ts";
import { createTopicAdmin, type TopicAdmin } from "./admin-topics.ts";
import type { Cluster } from "./transport/cluster.ts";
import type { CallOptions, ClusterInfo, HealthReport, TopicPartition } from "./types.ts";

export interface Admin {
  cluster(options?: CallOptions): Promise<ClusterInfo>;
  /** What is wrong with the cluster, as the broker that answers sees it. */
  health(options?: CallOptions): Promise<HealthReport>;
  readonly topics: TopicAdmin;
  readonly configs: ConfigAdmin;
  readonly logs: LogAdmin;
}

export function createAdmin(cluster: Cluster): Admin {
  return Object.freeze<Admin>({
    cluster: (options) => describeCluster(cluster, options),
    health: (options) => describeHealth(cluster, options),
    topics: createTopicAdmin(cluster),
    configs: createConfigAdmin(cluster),
    logs: createLogAdmin(cluster),
  });
}

async function describeCluster(cluster: Cluster, options: CallOptions = {}): Promise<ClusterInfo> {
  const { clusterId, controllerId, brokers } = await call(cluster, "describeCluster", {}, limitsOf(options));
  return {
    clusterId,
    controllerId,
    brokers: brokers.map(({ id, host, port, rack, alive }) => ({
      id,
      host,
      port,
      alive,
      ...(rack === "" ? {} : { rack }),
    })),
  };
}

async function describeHealth(cluster: Cluster, options: CallOptions = {}): Promise<HealthReport> {
  const report = await call(cluster, "describeHealth", {}, limitsOf(options));
  return {
    healthy: report.healthy,
    reasons: report.reasons,
    controller: report.controllerId < 0 ? null : report.controllerId,
    brokersDown: report.brokersDown,
    leaderless: report.leaderless.map(partitionOf),
    underReplicated: report.underReplicated.map(partitionOf),
    underMinIsr: report.underMinIsr.map(partitionOf),
  };
}

function partitionOf({ topic, partition }: PartitionName): TopicPartition {
  return { topic, partition };
}
