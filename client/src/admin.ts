/** The admin door: the cluster, its health, its topics and their partitions, settings, metadata log, and what lies on disk. */
import { type BrokerAdmin, createBrokerAdmin } from "./admin-brokers.ts";
import { describeCluster, describeHealth } from "./admin-cluster.ts";
import { clusterHistory, watchCluster } from "./admin-events.ts";
import { describeFeatures } from "./admin-features.ts";
import { type ConfigAdmin, createConfigAdmin } from "./admin-configs.ts";
import { createLogAdmin, type LogAdmin } from "./admin-logs.ts";
import { createExplainAdmin, diagnose, type ExplainAdmin } from "./admin-explain.ts";
import { createPartitionAdmin, type PartitionAdmin } from "./admin-partitions.ts";
import { createRaftAdmin, type RaftAdmin } from "./admin-raft.ts";
import { createReassignmentAdmin, type ReassignmentAdmin } from "./admin-reassignments.ts";
import { createTopicAdmin, type TopicAdmin } from "./admin-topics.ts";
import type { BrokerDiagnosis } from "./explain-types.ts";
import type { Cluster } from "./transport/cluster.ts";
import type {
  CallOptions,
  ClusterDescription,
  ClusterEvent,
  ClusterFeature,
  ClusterHistory,
  HealthReport,
  HistoryOptions,
  WatchOptions,
} from "./types.ts";

export interface Admin {
  /** The cluster by its metadata. With `versions` every broker that is alive is asked for its own. */
  cluster(options?: CallOptions & { versions?: boolean }): Promise<ClusterDescription>;
  /** Versions of formats and protocols that the brokers know, and those that they use with each other. */
  features(options?: CallOptions): Promise<ClusterFeature[]>;
  /** What is wrong with the cluster: every broker is asked, and one that does not answer is a reason too. */
  health(options?: CallOptions): Promise<HealthReport>;
  /**
   * What happens to the cluster: brokers that come and go, leaders, ISRs, topics, settings. It outlives any broker, goes on at another
   * one without a gap where that still has what is missing, and says so where it has not. Throws ABORTED when its signal is aborted.
   * @throws BrokerError CONNECTION_LOST when no broker is reached at the start; UNSUPPORTED by older brokers
   */
  watch(options?: WatchOptions): AsyncIterableIterator<ClusterEvent>;
  /**
   * What has happened to the cluster: every broker is asked for what it still has of it.
   * @throws BrokerError CONNECTION_LOST when none answers; UNSUPPORTED by older brokers
   */
  history(options?: HistoryOptions): Promise<ClusterHistory>;
  /** What each broker finds out about itself and its machine: disk, clock, limits, its place in the cluster. */
  diagnose(options?: CallOptions): Promise<BrokerDiagnosis[]>;
  /** Why an offset is not acknowledged or visible, and why replicas are not in sync. */
  readonly explain: ExplainAdmin;
  readonly topics: TopicAdmin;
  readonly partitions: PartitionAdmin & ReassignmentAdmin;
  readonly brokers: BrokerAdmin;
  readonly configs: ConfigAdmin;
  readonly logs: LogAdmin;
  readonly raft: RaftAdmin;
}

export function createAdmin(cluster: Cluster): Admin {
  return Object.freeze<Admin>({
    cluster: (options) => describeCluster(cluster, options),
    features: (options) => describeFeatures(cluster, options),
    health: (options) => describeHealth(cluster, options),
    watch: (options) => watchCluster(cluster, options),
    history: (options) => clusterHistory(cluster, options),
    diagnose: (options) => diagnose(cluster, options),
    explain: createExplainAdmin(cluster),
    topics: createTopicAdmin(cluster),
    partitions: Object.freeze({ ...createPartitionAdmin(cluster), ...createReassignmentAdmin(cluster) }),
    brokers: createBrokerAdmin(cluster),
    configs: createConfigAdmin(cluster),
    logs: createLogAdmin(cluster),
    raft: createRaftAdmin(cluster),
  });
}
