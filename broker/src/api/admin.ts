/** The use cases of the admin service: all that `loadAdmin` of index.ts loads. */
export type { ConfigOutcome, NamedResource } from "./configs.ts";
export { handleAlterConfigs, handleDescribeConfigs } from "./configs.ts";
export { handleCreatePartitions } from "./create-partitions.ts";
export type { CreateTopicsOptions, TopicOutcome } from "./create-topics.ts";
export { handleCreateTopics } from "./create-topics.ts";
export type { DeletedRecords, DeleteRecordsPartition } from "./delete-records.ts";
export { handleDeleteRecords } from "./delete-records.ts";
export { handleDeleteTopics } from "./delete-topics.ts";
export type { ClusterDescription } from "./describe-cluster.ts";
export { handleDescribeCluster } from "./describe-cluster.ts";
export type { HealthReport } from "./describe-health.ts";
export { handleDescribeHealth } from "./describe-health.ts";
export type { LogDirDescription, LogDirReplica } from "./describe-log-dirs.ts";
export { handleDescribeLogDirs } from "./describe-log-dirs.ts";
export type { DescribedTopic, PartitionDescription, TopicDescription } from "./describe-topics.ts";
export { describeTopic, handleDescribeTopics } from "./describe-topics.ts";
export type { TopicSummary } from "./list-topics.ts";
export { handleListTopics } from "./list-topics.ts";
