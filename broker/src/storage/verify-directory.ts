/**
 * Looks through a data directory, Tidemark's or one that Kafka stopped, or through the directory of one replica, without
 * changing anything or taking the lock: every log (verify-partition.ts), and what concerns all of them: whose the directory
 * is, how its last life ended, the checkpoints held against the logs, directories that are no replica's.
 */
import type { Disk } from "../ports/index.ts";
import type { WalkHost } from "./batch-walk.ts";
import { parseOffsets, readCheckpoint } from "./checkpoint-file.ts";
import type { OffsetEntries } from "./checkpoint-file.ts";
import { HIGH_WATERMARKS, LOG_STARTS, RECOVERY_POINTS } from "./checkpoints.ts";
import { hasCleanMarker, hasSyncFailed, isCutPending } from "./clean-marker.ts";
import { META_PROPERTIES, parentOf, readIdentity } from "./cluster-identity.ts";
import type { ClusterIdentity } from "./cluster-identity.ts";
import { offsetOfName, parseDirectoryName } from "./directory-names.ts";
import { Findings } from "./findings.ts";
import type { Finding } from "./findings.ts";
import { PARTITION_METADATA } from "./partition-metadata.ts";
import { LOG_SUFFIX } from "./segment.ts";
import { StorageError } from "./storage-error.ts";
import { verifyPartition } from "./verify-partition.ts";
import type { PartitionVerdict } from "./verify-partition.ts";

const CLEANER_POINTS = "cleaner-offset-checkpoint";

/** A data directory as it stands, before its logs are looked into. */
export interface SurveyedDirectory {
  readonly path: string;
  /** Null: the path is the directory of one replica; its data directory is the one above. */
  readonly identity: ClusterIdentity | null;
  /** One replica's directory without a data directory around it. */
  readonly isAlone: boolean;
  /** The last life ended with a clean stop, and nothing speaks against that. */
  readonly isClean: boolean;
  /** Directories of replicas, in order of their names. */
  readonly partitions: readonly { readonly name: string; readonly directory: string; readonly bytes: number }[];
  readonly recoveryPoints: OffsetEntries | null;
  readonly logStarts: OffsetEntries | null;
  readonly highWatermarks: OffsetEntries | null;
  readonly cleanerPoints: OffsetEntries | null;
  readonly findings: readonly Finding[];
}

/**
 * Reads names and checkpoints. Null: the path is neither a data directory nor that of a replica. Throws DiskFault.
 * What is found is told as damage, never thrown.
 */
export function surveyDirectory(disk: Disk, givenPath: string, options: { isLive: boolean }): SurveyedDirectory | null {
  const path = givenPath.length > 1 ? givenPath.replace(/\/+$/u, "") : givenPath;
  const findings = new Findings();
  const names = disk.list(path).sort();
  const isReplica = names.includes(PARTITION_METADATA) || names.some((name) => offsetOfName(name, LOG_SUFFIX) !== null);
  const root = isReplica ? parentOf(path) : path;
  // Beside a replica that was copied out alone stands nothing that could be its.
  const hasRoot = !isReplica || disk.sizeOf(`${root}/${META_PROPERTIES}`) !== null;
  const isDataDirectory =
    names.includes(META_PROPERTIES) || names.some((name) => isCheckpointName(name) || holdsLog(disk, path, name));
  if (!isReplica && !isDataDirectory) return null;

  const read = (name: string): OffsetEntries | null =>
    hasRoot ? readOffsets(disk, `${root}/${name}`, findings) : null;
  const recoveryPoints = read(RECOVERY_POINTS);
  const logStarts = read(LOG_STARTS);
  const highWatermarks = read(HIGH_WATERMARKS);
  const cleanerPoints = read(CLEANER_POINTS);
  const isClean = hasRoot && hasCleanMarker(disk, root) && !hasSyncFailed(disk, root) && !isCutPending(disk, root);
  const identity = isReplica ? null : identityOf(disk, path, findings);
  if (!isReplica) {
    if (!isClean && !options.isLive) tellHowItEnded(disk, path, findings);
    tellOtherDirectories(disk, path, names, findings);
  }
  const partitions = (
    isReplica ? [{ name: path.slice(path.lastIndexOf("/") + 1), directory: path }] : replicasIn(disk, path, names)
  ).map((partition) => ({ ...partition, bytes: bytesOf(disk, partition.directory) }));
  if (!isReplica)
    tellStaleEntries(path, partitions, { recoveryPoints, logStarts, highWatermarks, cleanerPoints }, findings);
  return {
    path,
    identity,
    isAlone: !hasRoot,
    isClean,
    partitions,
    recoveryPoints,
    logStarts,
    highWatermarks,
    cleanerPoints,
    findings: findings.all(),
  };
}

/** Verifies one log after another; each verdict comes when its log is done. Throws DiskFault. */
export async function* verifyDirectory(
  host: WalkHost,
  survey: SurveyedDirectory,
  options: { readonly isDeep: boolean; readonly isLive: boolean },
): AsyncGenerator<PartitionVerdict, void> {
  for (const { name, directory } of survey.partitions) {
    const verdict = await verifyPartition(host, {
      directory,
      recoveryPoint: recoveryPointOf(survey, name),
      logStartOffset: survey.logStarts?.get(name) ?? 0,
      isClean: survey.isClean,
      isCompacted: survey.cleanerPoints?.has(name) === true,
      ...options,
    });
    const highWatermark = survey.highWatermarks?.get(name);
    const isAbove = survey.isClean && highWatermark !== undefined && highWatermark > verdict.endOffset;
    yield isAbove
      ? {
          ...verdict,
          findings: [...verdict.findings, highWatermarkAbove(survey.path, name, highWatermark, verdict.endOffset)],
        }
      : verdict;
  }
}

/** What a start would take for it; null where none would, and the stricter reading holds. */
function recoveryPointOf({ recoveryPoints, isClean, isAlone }: SurveyedDirectory, name: string): number | null {
  // After a clean stop every log has an entry but for Kafka's metadata log, which keeps its own account.
  return recoveryPoints?.get(name) ?? (isClean || isAlone ? null : 0);
}

function highWatermarkAbove(path: string, name: string, highWatermark: number, end: number): Finding {
  return {
    severity: "warning",
    kind: "checkpoint",
    path: `${path}/${HIGH_WATERMARKS}`,
    position: null,
    offset: highWatermark,
    message: `says ${highWatermark} for ${name}, which ends at ${end}; the next start lowers it`,
  };
}

function readOffsets(disk: Disk, path: string, findings: Findings): OffsetEntries | null {
  if (disk.sizeOf(path) === null) return null;
  const parsed = readCheckpoint(disk, path, parseOffsets);
  if (parsed.ok) return parsed.entries;
  findings.add("damage", "checkpoint", path, parsed.reason);
  return null;
}

function identityOf(disk: Disk, path: string, findings: Findings): ClusterIdentity | null {
  try {
    return readIdentity(disk, path);
  } catch (error: unknown) {
    if (!(error instanceof StorageError)) throw error;
    findings.add("damage", "identity", `${path}/${META_PROPERTIES}`, error.message);
    return null;
  }
}

function tellHowItEnded(disk: Disk, path: string, findings: Findings): void {
  if (hasSyncFailed(disk, path))
    findings.add(
      "warning",
      "failed-sync",
      path,
      "a sync failed in its last life; the next start writes again what came behind the recovery points",
    );
  if (isCutPending(disk, path))
    findings.add(
      "warning",
      "unclean-stop",
      path,
      "a log was being cut when it ended; the next start syncs all logs first",
    );
  findings.add(
    "note",
    "unclean-stop",
    path,
    "it was not stopped cleanly; the next start looks through all logs from their recovery points on",
  );
}

function tellOtherDirectories(disk: Disk, path: string, names: readonly string[], findings: Findings): void {
  for (const name of names) {
    const place = `${path}/${name}`;
    if (!disk.isDirectory(place)) {
      if (name.endsWith(".tmp"))
        findings.add("warning", "leftover", place, "of a write that was cut off; the next one replaces it");
      continue;
    }
    const { kind } = parseDirectoryName(name);
    if (kind === "foreign")
      findings.add("damage", "foreign", place, "is not the directory of a partition: a start refuses it; move it away");
    if (kind === "deleted") findings.add("note", "leftover", place, "of a deleted topic; it goes after a while");
    if (kind === "aside" && name.endsWith("-stray"))
      findings.add("warning", "set-aside", place, "belonged to another topic of that name; nobody uses it");
  }
}

type AllEntries = Readonly<
  Record<"recoveryPoints" | "logStarts" | "highWatermarks" | "cleanerPoints", OffsetEntries | null>
>;

function tellStaleEntries(
  path: string,
  partitions: readonly { name: string }[],
  entries: AllEntries,
  findings: Findings,
): void {
  const present = new Set(partitions.map(({ name }) => name));
  const files = [
    [RECOVERY_POINTS, entries.recoveryPoints],
    [LOG_STARTS, entries.logStarts],
    [HIGH_WATERMARKS, entries.highWatermarks],
    [CLEANER_POINTS, entries.cleanerPoints],
  ] as const;
  for (const [file, found] of files) {
    for (const name of found?.keys() ?? []) {
      if (!present.has(name))
        findings.add(
          "warning",
          "checkpoint",
          `${path}/${file}`,
          `has an entry for ${name}, which is not there; the next start drops it`,
        );
    }
  }
}

function replicasIn(disk: Disk, path: string, names: readonly string[]): { name: string; directory: string }[] {
  return names
    .filter((name) => isReplicaName(disk, path, name))
    .map((name) => ({ name, directory: `${path}/${name}` }));
}

function isReplicaName(disk: Disk, path: string, name: string): boolean {
  return parseDirectoryName(name).kind === "replica" && disk.isDirectory(`${path}/${name}`);
}

/** A name with a number at its end alone says little about a directory. */
function holdsLog(disk: Disk, path: string, name: string): boolean {
  if (!isReplicaName(disk, path, name)) return false;
  return disk
    .list(`${path}/${name}`)
    .some((file) => file === PARTITION_METADATA || offsetOfName(file, LOG_SUFFIX) !== null);
}

function isCheckpointName(name: string): boolean {
  return [RECOVERY_POINTS, LOG_STARTS, HIGH_WATERMARKS].includes(name);
}

function bytesOf(disk: Disk, directory: string): number {
  let bytes = 0;
  for (const name of disk.list(directory)) {
    if (offsetOfName(name, LOG_SUFFIX) !== null) bytes += disk.sizeOf(`${directory}/${name}`) ?? 0;
  }
  return bytes;
}
