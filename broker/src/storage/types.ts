/**
 * What the runtime sees of storage. One PartitionLog is one replica's log in `<topic>-<partition>/`; one LogDirectory
 * is the data directory that holds them, with its checkpoints and its clean-shutdown marker.
 *
 * The log moves bytes: it reads batch headers, never records. It decides nothing about leadership, acknowledgement or
 * who may read; it only knows how far it is written and how far it is synced.
 */
import type { BatchHeader } from "@tidemark/proto";
import type { Histogram, LeaderEpoch, Ms, Offset, PartitionId, Position, SharedMemory } from "../base/index.ts";
import type { Clock, Disk, DiskFault, Failpoint, Logger, Timers } from "../ports/index.ts";
import type { BadBatch } from "./recovery-scan.ts";
import type { SyncPace } from "./sync-slots.ts";
import type { CachedRecords } from "./tail-cache.ts";
import type { AbortedTransaction } from "./txn-index-file.ts";

export type { AbortedTransaction, SyncPace };

export type { CachedRecords };

/** Per-topic settings of a log. Kafka's keys in camelCase with their unit; see the configuration table for defaults. */
export interface LogConfig {
  readonly segmentBytes: number;
  readonly segmentMs: number;
  readonly segmentJitterMs: number;
  readonly segmentIndexBytes: number;
  readonly indexIntervalBytes: number;
  /** Sync after this many records; Number.MAX_SAFE_INTEGER = never. */
  readonly flushMessages: number;
  /** Sync when the oldest unsynced byte is this old; Number.MAX_SAFE_INTEGER = never. */
  readonly flushMs: number;
  /** How long a group commit gathers writes before it syncs. */
  readonly flushWindowMs: number;
  readonly fileDeleteDelayMs: number;
  /** `delete`, `compact` or both. */
  readonly cleanupPolicy: readonly string[];
  /** 3.5; -1 = for ever, however large. */
  readonly retentionMs: number;
  readonly retentionBytes: number;
  readonly producerIdExpirationMs: number;
  /** 15.1: in the synced modes an open syncs once before the log reports or appends (4.2(10)). */
  readonly durability: "none" | "page-cache" | "group-commit" | "fsync-each";
}

/** The last batches of one idempotent producer in one partition (11.1(2)). Newest last; at most five. */
export interface ProducerEntry {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly lastSequence: number;
  readonly lastOffset: Offset;
  readonly lastTimestamp: number;
  /**
   * Batches older than these may lie in the log: after a load, and once there were more than five. Five are enough for a client
   * that has five on their way; but where one waits for its answer (another partition of its request is slow), others pass it.
   */
  readonly olderInLog: boolean;
  readonly batches: readonly ProducerBatch[];
}

export interface ProducerBatch {
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly baseOffset: Offset;
  readonly lastOffset: Offset;
  readonly timestamp: number;
}

export interface ReadResult {
  /** Whole batches from the one that contains `offset` on, at most maxBytes of them but for the first; may be empty. */
  readonly records: Buffer;
  /** The offset after the last batch in `records`, or the asked one when it is empty. */
  readonly nextOffset: Offset;
}

/** Whole batches that a read put into memory of its caller's. */
export interface ReadSpan {
  /** Bytes put there; 0 when nothing stands below the limit, or when the first batch does not fit. */
  readonly bytes: number;
  /** The offset after them, or the asked one. */
  readonly nextOffset: Offset;
  /** Size of the batch that contains the asked offset; 0 = there is none below the limit. More than the room: ask again with more. */
  readonly firstBatchBytes: number;
}

export type AppendResult =
  | { readonly ok: true; readonly baseOffset: Offset; readonly lastOffset: Offset }
  | {
      readonly ok: false;
      /** LATER: nothing is wrong, and nothing was done; a write is in flight that has to end first (LogEvents.onWritten). */
      readonly code: "KAFKA_STORAGE_ERROR" | "RECORD_LIST_TOO_LARGE" | "LATER";
      readonly fault: DiskFault | null;
    };

/**
 * OK, or why a fetched batch was not taken in: LATER, KAFKA_STORAGE_ERROR: as for AppendResult. GAP: it lies so far beyond
 * the log end that the log has to begin a segment there first (`skipTo`).
 */
export type FetchedResult =
  | { readonly code: "OK" | "GAP" | "LATER"; readonly fault: null }
  | { readonly code: "KAFKA_STORAGE_ERROR"; readonly fault: DiskFault | null };

/** What the log tells its owner. Called from I/O callbacks, never from inside a call of the owner. */
export interface LogEvents {
  /** A write off the loop has ended: the written end moved, or the log was cut back as `writeAppended` tells it, for `fault`. */
  onWritten(fault: DiskFault | null): void;
  /** The contiguous synced prefix now ends at `end` (15.1(6)). */
  onSynced(end: Offset): void;
  /** The log starts later, durably: by retention, or as it was asked for. */
  onLogStart(): void;
  /** A sync failed: final (3.4(3)). The owner takes the directory offline. */
  onSyncFailed(fault: DiskFault): void;
}

/** Where a log ends too early, and why. */
export interface LogDamage {
  /** First offset that is lost, unless the bytes can be mended. */
  readonly offset: Offset;
  /** What was synced once: the log should reach at least here. */
  readonly recoveryPoint: Offset;
  /** The file, and the place of the first bad byte in it. */
  readonly path: string;
  readonly position: Position;
  /**
   * What is wrong with the batch there; `gap`: the next segment begins further on; `missing`: the bytes just end; `unreadable`: the disk
   * refuses to give bytes of the segment, whose first offset this is.
   */
  readonly reason: BadBatch | "gap" | "missing" | "unreadable";
}

/** Found while the log is in use: the log goes on behind it. */
export interface FoundDamage extends LogDamage {
  /** From here on the bytes are good again, as far as anybody knows. */
  readonly until: Offset;
}

export interface PartitionLog {
  readonly topic: string;
  readonly partition: PartitionId;
  readonly topicId: string;
  readonly config: LogConfig;

  /** First offset a reader may ask for. */
  readonly logStartOffset: Offset;
  /** The log start that would survive a crash (13(4)). */
  readonly durableLogStartOffset: Offset;
  /** Next offset to be assigned. Moves in `append`, and back when a write fails; above the written end while one is due or in flight. */
  readonly logEndOffset: Offset;
  /** Everything below is in the page cache. No reader and no follower is served beyond it (3.1(9)). */
  readonly writtenEndOffset: Offset;
  /** End of the contiguous synced prefix over all segments, directory entries included. */
  readonly syncedEndOffset: Offset;
  readonly recoveryPoint: Offset;
  /** As checkpointed, clamped to [log start, LEO] (4.2(10)); the owner raises it. */
  highWatermark: Offset;
  /** Rises with every cut of the end: a read that was overtaken by one has told nothing. */
  readonly generation: number;
  /** It is being cut, and read by nobody. */
  readonly isTruncating: boolean;
  readonly sizeBytes: number;
  readonly segmentCount: number;
  readonly latestEpoch: LeaderEpoch;
  /** Newest record timestamp of the segments looked at in this life, the active one always; -1 = none. */
  readonly maxTimestamp: number;
  /**
   * Bytes that were synced are bad or missing (15.7): found at start, the bytes stay as they are and the partition waits for
   * an operator. What lies before them is served; appends, and reads at or behind the place, are answered with 56.
   */
  readonly isDamaged: boolean;
  readonly damage: LogDamage | null;
  /**
   * Found by `verify`: the log goes on, and what lies there is handed out no longer (15.7(4)). Asked again, what is older is looked for; a
   * repair, or a truncation below it, ends it.
   */
  readonly rot: FoundDamage | null;
  /** Where something bad was found, by this life or one before, and nobody has found it whole since; null: nowhere. */
  readonly suspectedAt: Offset | null;
  /** What was damaged is cut, and fetched again: a damaged replica until it is whole (15.7(3)). */
  readonly isRepairing: boolean;
  events: LogEvents;
  /** Settings of the topic changed. They hold from the next append on. */
  reconfigure(config: LogConfig): void;

  /** A new leader epoch begins at LEO (5.1(1)). In memory at once, on disk in the background. */
  startEpoch(epoch: LeaderEpoch): void;
  endOffsetFor(epoch: LeaderEpoch): { epoch: LeaderEpoch; endOffset: Offset } | null;

  /**
   * Appends one validated batch: patches base offset and leader epoch into `bytes`, rolls if due, updates indexes,
   * epochs and producer state and queues the bytes for the turn's one write. `bytes` belongs to the log until the
   * written end has passed the batch, or the log was cut back below it; longer where it lies in `memory` and the log
   * holds that. The written end does not move yet.
   */
  append(
    bytes: Buffer,
    header: BatchHeader,
    leaderEpoch: LeaderEpoch,
    now: Ms,
    memory?: SharedMemory | null,
  ): AppendResult;
  /**
   * Appends one batch of the leader's byte for byte (3.2): at its own offset, which is the log end or lies beyond it where
   * compaction has left a gap, and in its own epoch, which begins there if it is new. Producer state follows unasked. The
   * caller has checked CRC and counts. Else as `append`; it is written with `writeAppended`, too.
   */
  appendFetched(bytes: Buffer, header: BatchHeader, now: Ms): FetchedResult;
  /**
   * Writes all that `append` queued, in one vectored write per segment. On a fault, or a write that fell short and
   * could not be completed, the log is cut back to its last whole batch (3.1(12)): LEO, indexes and producer state go
   * back with it, and the fault is returned. Batches whose last offset is below `writtenEndOffset` afterwards are in.
   * While the disk is slow the write is made off the loop, one at a time: null comes back, the rest stands between
   * written end and log end, and `onWritten` tells its fate.
   */
  writeAppended(): DiskFault | null;
  /** Resolves when no batch waits for its write any more, written or cut back. For an owner that appends nothing new. */
  whenWritten(): Promise<void>;
  /**
   * For who takes the log over: resolves when nothing is being written or cut; null: nothing is. A log that was begun anew
   * below what it keeps deleted, and never got the batch that reaches there (`restartAt`), begins there first. Rejects when
   * a cut failed; then the log takes nothing in any more.
   */
  whenSettled(): Promise<void> | null;

  producer(producerId: number): ProducerEntry | undefined;
  /** 11.1(2): looks for a batch with exactly these sequences below the last known one, reading headers only. */
  findProducerBatch(
    producerId: number,
    producerEpoch: number,
    firstSequence: number,
    lastSequence: number,
  ): Promise<ProducerBatch | null>;

  /** Start of the oldest transaction without a marker; null = none is open. */
  readonly firstOpenTransactionOffset: Offset | null;
  /**
   * Aborted transactions with records in [from, to), for a reader of committed records (12.3), in the order of their
   * markers. `to` is at most the last stable offset. Throws DiskFault.
   */
  abortedTransactions(from: Offset, to: Offset): AbortedTransaction[];

  /** Asks for a sync of everything written. One in flight per file; what comes meanwhile shares the next (15.1(3)). */
  sync(): void;

  /** Reads below `limit` (<= written end). The caller has checked offset against log start and its limit. */
  read(offset: Offset, maxBytes: number, limit: Offset): Promise<ReadResult>;
  /** As `read`, at once, when the bytes are near the tail of the active segment (page cache); else null. */
  readTail(offset: Offset, maxBytes: number, limit: Offset): ReadResult | null;
  /**
   * As `read`, into `into` from `at` to its end, without a copy or an allocation: for a caller that puts its own framing
   * before the bytes. `into` belongs to the log until this resolves.
   */
  readInto(into: Buffer, at: number, offset: Offset, limit: Offset): Promise<ReadSpan>;
  /** As `readInto`, at once; null as for `readTail`. */
  readTailInto(into: Buffer, at: number, offset: Offset, limit: Offset): ReadSpan | null;
  /**
   * As `readTail`, out of the tail cache: the batches as they were received; null when they are not there. Whoever goes on
   * looking at them holds their memories.
   */
  readCached(offset: Offset, maxBytes: number, limit: Offset): CachedRecords | null;
  /**
   * All that read along as followers were sent what lies below `offset`; null: nobody does. From here on they find the next
   * batches by `readCached`.
   */
  onFollowersAt(offset: Offset | null): void;
  /** First record at or after log start and below `limit` with timestamp >= `timestamp` (12.4). */
  findByTimestamp(timestamp: number, limit: Offset): Promise<{ offset: Offset; timestamp: number } | null>;
  /** The record with the largest timestamp below `limit` (-3 of 12.4). */
  findMaxTimestamp(limit: Offset): Promise<{ offset: Offset; timestamp: number } | null>;

  /**
   * Cuts the log to `offset` as in 5.5; inside a batch, to the base of that batch; below the log start the log begins anew
   * there. Until it resolves appends answer 56, and reads nothing.
   */
  truncateTo(offset: Offset): Promise<void>;
  /**
   * Drops all and starts and ends at `offset` (5.3(5)). `promisedLogStart` above it: what was deleted below that stays deleted
   * after a crash, while the batch comes inside of which it lies (5.3(8)). Else as `truncateTo`.
   */
  restartAt(offset: Offset, promisedLogStart?: Offset): Promise<void>;
  /**
   * Begins a segment at `offset`, beyond the log end by more than a segment spans, once all before it is synced (3.3(3)).
   * False: it could not be synced, the segment not be made, or `isWanted` says no by then; nothing has changed.
   */
  skipTo(offset: Offset, isWanted?: () => boolean): Promise<boolean>;
  /**
   * DeleteRecords (13(4)): the log start rises to `offset` <= high watermark, and that is durable when it resolves; many that
   * are asked in one turn share one write. Files of segments wholly below go afterwards.
   */
  raiseLogStart(offset: Offset): Promise<void>;
  /**
   * One look of retention (3.5) at wall time `now`. Null: nothing is due, which costs no disk access. Resolves when what is
   * due has left the log; its files go after fileDeleteDelayMs. A full disk is tried again by the next look.
   */
  retain(now: Ms): Promise<void> | null;
  /**
   * Reads the batches of the segments with offsets of [from, to) back from the disk and holds them against what the log knows
   * of itself; `pace` may slow it down. What is found is `rot` from then on, and so is a closed segment that the disk does not give
   * (decision 0034). Null: nothing. Rejects with DiskFault.
   */
  verify(options: VerifyOptions): Promise<FoundDamage | null>;
  /** Index files say where nothing is: makes those of the segment with `offset` anew from its batches. */
  rebuildIndexes(offset: Offset): Promise<void>;
  segments(): readonly { baseOffset: Offset; sizeBytes: Position; path: string }[];
}

export interface VerifyOptions {
  readonly from: Offset;
  readonly to: Offset;
  /** So many bytes were read; null: go on. */
  readonly pace?: (bytes: number) => Promise<void> | null;
}

/** How far a start has come. Bytes: those that recovery has to look at; 0 after a clean stop. */
export interface OpenProgress {
  readonly logsDone: number;
  readonly logsTotal: number;
  readonly bytesScanned: number;
  readonly bytesTotal: number;
}

export interface LogDirectoryOptions {
  readonly path: string;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  /** Logs that metadata places here, with their settings; a directory of another topic id is renamed -stray (2.1(4)). */
  readonly replicas: readonly ReplicaSpec[];
  /** Topics that metadata says were deleted: what a kill left of their logs goes. Any other unknown log is kept. */
  readonly deletedTopicIds?: ReadonlySet<string>;
  readonly recoveryCheckpointIntervalMs: number;
  readonly logStartCheckpointIntervalMs: number;
  readonly highWatermarkCheckpointIntervalMs: number;
  /** Log files that are held open at a time; 4,096 at most (file-pool.ts). What is in use is never closed for it. */
  readonly openFilesMax?: number | undefined;
  /** Idempotent producers that all logs together remember: 100,000. */
  readonly producersMax?: number;
  /** Memory for the newest batches of all logs together; 0 or absent: none are kept. */
  readonly tailCacheBytes?: number;
  /** For tests and the simulation; nothing is failed without it. */
  readonly failpoint?: Failpoint;
  onProgress?(progress: OpenProgress): void;
  /** Whether files of what is deleted go at once instead of after `fileDeleteDelayMs`: there is no room (3.8(2)). */
  mustHurryRemovals?(): boolean;
  /** Files of what was deleted have left the disk. */
  onRemoved?(): void;
  /** A fault that takes the whole directory offline (3.8(1)). */
  onOffline(fault: DiskFault): void;
}

export interface ReplicaSpec {
  readonly topic: string;
  readonly partition: PartitionId;
  /** 22 characters, base64url. */
  readonly topicId: string;
  readonly config: LogConfig;
  /** As metadata says that is no older than the log: no batch is of a later one. Absent: not known. */
  readonly leaderEpoch?: number;
}

export interface OpenReport {
  /** The marker of a clean stop was there, and no sync had failed before it. */
  readonly clean: boolean;
  /** Broker epoch in the marker; -1 = none (9(4)). */
  readonly previousBrokerEpoch: number;
  readonly bytesScanned: number;
  readonly bytesCut: number;
  readonly logsRecovered: number;
  /**
   * Replicas that lost bytes below their recovery point (15.7): damaged, cut there now because an operator accepted it, under
   * repair, or without their directory.
   */
  readonly damaged: readonly DamagedReplicas[];
}

/** Of one topic. */
export interface DamagedReplicas {
  readonly topicId: string;
  readonly partitions: readonly PartitionId[];
}

export interface LogDirectory {
  readonly report: OpenReport;
  readonly isOffline: boolean;
  /** How long syncs of files and directories took, in seconds, failed ones among them. */
  readonly syncDurations: Histogram;
  /** Memory of the newest batches that are kept for who reads at the tail, of all logs. */
  readonly tailBytes: number;
  /** How it keeps up with them now. */
  readonly syncPace: SyncPace;
  log(topic: string, partition: PartitionId): PartitionLog | undefined;
  logs(): Iterable<PartitionLog>;
  /** On disk, and not among those that were asked for: they wait for a replica to be placed here, or for `deleteLog`. */
  unplaced(): Iterable<PartitionLog>;
  /** Makes the directory of a new replica and `partition.metadata` in it, durable before it resolves (3.1(2)). */
  createLog(spec: ReplicaSpec): Promise<PartitionLog>;
  /** Renames to `-delete` at once; files go after fileDeleteDelayMs. The name is free when it resolves. */
  deleteLog(topic: string, partition: PartitionId): Promise<void>;
  /**
   * 15.7(2), (3): cuts a damaged log at its damage, keeps what goes as `.damaged`, and resolves with the log that takes its
   * place; from here on it is `isRepairing`. Nobody may have the old one in use any more. A kill on the way is gone on with by
   * the next start. A full disk may be tried again.
   */
  repairLog(topic: string, partition: PartitionId): Promise<PartitionLog>;
  /**
   * The log is whole again: it is damaged no more, and what was kept aside goes. With `isGivenUp` it counts as it is, by an unclean
   * choice, and what was kept aside stays for the operator.
   */
  endRepair(topic: string, partition: PartitionId, isGivenUp?: boolean): Promise<void>;
  /** There is no room any more: files that wait for their delay go now. */
  hurryRemovals(): void;
  /** Clean stop (4.3): flush all, epoch files, producer snapshots, checkpoints, marker. No marker after a failed sync. */
  close(brokerEpoch: number): Promise<void>;
}

/** Opens a data directory whose lock is held: 4.1 after a clean stop, 4.2 after any other. Rejects with a coded error. */
export type OpenLogDirectory = (options: LogDirectoryOptions) => Promise<LogDirectory>;
