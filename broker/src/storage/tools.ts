/**
 * The second door of storage, for tools: what stands in a data directory, without a broker and without a change. Apart from
 * index.ts, so that a broker's start does not load it.
 */
export type { WalkHost } from "./batch-walk.ts";
export type { DumpedBatch, DumpedDamage, DumpedFile } from "./dump.ts";
export { dumpFile, dumpSegment } from "./dump.ts";
export type { Finding, FindingKind, Severity } from "./findings.ts";
export { recoverRaftStore } from "./raft-store/recover-raft-store.ts";
export type { Rehearsal, RehearsedLog } from "./rehearsal.ts";
export { rehearseStart } from "./rehearsal.ts";
export type { SurveyedDirectory } from "./verify-directory.ts";
export { surveyDirectory, verifyDirectory } from "./verify-directory.ts";
export type { PartitionVerdict } from "./verify-partition.ts";
export { verifyIndexFile } from "./verify-segment.ts";
