/**
 * @tidemark/client: the SDK. Inputs: records and questions of an application. Outputs: records, answers, coded errors.
 * Invariants: an acknowledged record is in the log once; what reaches the user is final, retries happen inside; nothing
 * keeps the process alive after `close`; no queue is without a bound in bytes. Pure JavaScript; one runtime dependency,
 * grpc-js. Not here: the broker, and native code.
 */
export type { Admin } from "./admin.ts";
export type { BrokerAdmin } from "./admin-brokers.ts";
export type { ConfigAdmin } from "./admin-configs.ts";
export type { ExplainAdmin } from "./admin-explain.ts";
export type { LogAdmin } from "./admin-logs.ts";
export type { PartitionAdmin } from "./admin-partitions.ts";
export type { RaftAdmin } from "./admin-raft.ts";
export type { ReassignmentAdmin } from "./admin-reassignments.ts";
export type { TopicAdmin } from "./admin-topics.ts";
export { Client } from "./client.ts";
export { codecs, topic } from "./codecs.ts";
export {
  AuthError,
  BrokerError,
  CodecError,
  type ErrorCode,
  ExpectedOffsetError,
  FencedError,
  TimeoutError,
} from "./errors.ts";
export type * from "./explain-types.ts";
export { Producer } from "./producer.ts";
export { Reader } from "./reader.ts";
export type * from "./types.ts";
