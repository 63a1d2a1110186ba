/**
 * metadata: the cluster's replicated state machine. Records are the only thing that is stored; `applyEntry` turns them
 * into the image; commands decide, on the image that a controller works on, which records follow from a request.
 *
 * Inputs: requests, a working image, configuration, chance. Outputs: records and answers; images and deltas.
 * Invariants: only applying a record changes an image; the same records give the same image everywhere; a command reads
 * nothing but its arguments.
 * Not here: storing entries (storage), their order and when they count (runtime/controller), what a broker does about a
 * change (the rest of runtime).
 */
export type {
  BrokerImage,
  ClusterImage,
  MetadataDelta,
  PartitionImage,
  ReplicaDirectory,
  TopicImage,
} from "./image.ts";
export { emptyImage } from "./image.ts";
export { entryTexts, topicsMadeIn } from "./entry-texts.ts";
export type { MetadataEntry, MetadataRecord } from "./records.ts";
export { brokersBelow, levelOf, METADATA_LEVEL, NewerMetadata } from "./feature-level.ts";
export { decodeEntry, decodeRecords, encodeRecords, RECORD_VERSIONS } from "./records.ts";
export { applyEntry, Replay } from "./apply.ts";
export type { MetadataSnapshot } from "./image-codec.ts";
export { decodeImage, encodeImage, SNAPSHOT_VERSIONS } from "./image-codec.ts";
export { diffImages } from "./diff-images.ts";
export type { ClusterEvent, PartitionEvent } from "./cluster-events.ts";
export { clusterEvents } from "./cluster-events.ts";
export type { Decision } from "./decision.ts";
export type { CreateTopicResult, CreateTopicSpec } from "./create-topics.ts";
export { createTopics } from "./create-topics.ts";
export type { CreatePartitionsResult, CreatePartitionsSpec } from "./create-partitions.ts";
export { createPartitions } from "./create-partitions.ts";
export type { AlterConfigsResult, ConfigAlteration, ConfigResource } from "./alter-configs.ts";
export { alterConfigs } from "./alter-configs.ts";
export type { DeleteTopicResult, TopicTarget } from "./delete-topics.ts";
export { deleteTopics } from "./delete-topics.ts";
export type { PlacementContext } from "./place-partitions.ts";
export type * from "./broker-requests.ts";
export type { CreatedTopic } from "./created-topic.ts";
export { createdTopicOf, topicImageOf } from "./created-topic.ts";
export type { RegistrationContext } from "./register-broker.ts";
export { registerBroker } from "./register-broker.ts";
export type { BrokerResult } from "./broker-states.ts";
export { drainBrokers, fenceBroker, heartbeat, leadsAny, unregisterBroker } from "./broker-states.ts";
export { alterPartitions } from "./alter-partitions.ts";
export { balanceLeaders, ChosenLeaders, electLeaders } from "./elect-leaders.ts";
export type { InquiryKind, LogEnd } from "./longest-log.ts";
export { counts, longestLog, needsInquiry, whomToAsk } from "./longest-log.ts";
export { isAcrossRecovery, recoveredImage } from "./recovered-image.ts";
export { reportDamage } from "./report-damage.ts";
export { effectiveMinIsr, isSyncedTopic, replicationFactorOf } from "./min-isr.ts";
export { candidatesOf, isDamaged, isReassigning, isUsable, originOf, targetOf } from "./partition-rules.ts";
export type { ReassignmentChange, ReassignmentContext, ReassignmentResult } from "./alter-reassignments.ts";
export { alterReassignments } from "./alter-reassignments.ts";

export type { QuorumView, VoterChange, VoterDecision } from "./change-voter.ts";
export { changeVoter, isRemovable, wantedVoters } from "./change-voter.ts";
export { allocateProducerIds, PRODUCER_ID_BLOCK } from "./producer-ids.ts";
