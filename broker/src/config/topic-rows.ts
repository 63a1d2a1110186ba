/**
 * Settings of a topic (semantics 14). Each has a default for all topics under `brokerKey` in the broker's configuration,
 * and may be overridden when a topic is made. Bounds are Kafka's but where a doc text says otherwise.
 */
import type { Row } from "./row.ts";

/** Kafka's Long.MAX_VALUE; read as Number.MAX_SAFE_INTEGER, which no span, size or count reaches either. */
export const LONG_MAX_TEXT = "9223372036854775807";
const INT_MAX = 2 ** 31 - 1;
const LONG_MAX = Number.MAX_SAFE_INTEGER;
const MAX_MESSAGE_BYTES_MAX = 32 * 1024 * 1024;

export const topicRows = [
  {
    key: "tidemark.durability", brokerKey: "tidemark.durability", type: "string", default: "group-commit",
    values: ["none", "page-cache", "group-commit", "fsync-each"], dev: { default: "page-cache" },
    scope: "topic", needsRestart: false,
    doc: "When an acknowledged write counts as kept: in the page cache of every in-sync replica (page-cache, Kafka's promise), or synced to their disks, one sync for all that waits (group-commit) or also for acks=1 (fsync-each). none keeps nothing and is for brokers without a disk. A topic keeps the mode it was made with.",
    example: "fsync-each",
  },
  {
    key: "tidemark.flush.window.ms", brokerKey: "tidemark.flush.window.ms", type: "int", default: "0", min: 0, max: 1000,
    unit: "ms", scope: "topic", needsRestart: false, withoutEffect: true,
    doc: "Longest time that a group commit gathers writes before it syncs. 0: the next sync starts when the last one ends.",
  },
  {
    key: "tidemark.validate.records", brokerKey: "tidemark.validate.records", type: "boolean", default: "false",
    scope: "topic", needsRestart: false, withoutEffect: true,
    doc: "Opens every produced batch and checks each record, as Kafka does. Otherwise the header and the checksum decide.",
  },
  {
    key: "cleanup.policy", brokerKey: "log.cleanup.policy", type: "list", default: "delete", values: ["delete", "compact"],
    scope: "topic", needsRestart: false, withoutEffect: true,
    doc: "What becomes of old segments: delete removes them by age and size, compact keeps the last record of each key.",
    example: "compact,delete",
  },
  {
    key: "compression.type", brokerKey: "compression.type", type: "string", default: "producer",
    values: ["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"], scope: "topic", needsRestart: false, withoutEffect: true,
    doc: "Codec of the stored batches; producer keeps what the producer chose.",
  },
  {
    key: "retention.ms", brokerKey: "log.retention.ms", type: "long", default: "604800000", min: -1, max: LONG_MAX, unit: "ms",
    aliases: [{ key: "log.retention.minutes", factor: 60_000 }, { key: "log.retention.hours", factor: 3_600_000 }],
    scope: "topic", needsRestart: false, withoutEffect: true,
    doc: "Segments whose newest record is older than this are removed. -1: never by age.",
    example: "86400000",
  },
  {
    key: "retention.bytes", brokerKey: "log.retention.bytes", type: "long", default: "-1", min: -1, max: LONG_MAX, unit: "bytes",
    scope: "topic", needsRestart: false, withoutEffect: true,
    doc: "Oldest segments of a partition are removed while at least this many bytes stay. -1: never by size.",
  },
  {
    key: "segment.bytes", brokerKey: "log.segment.bytes", type: "int", default: "1073741824", min: 1024 * 1024, max: INT_MAX,
    dev: { min: 1024 }, unit: "bytes", scope: "topic", needsRestart: false,
    doc: "A segment that would grow beyond this is closed and the next one begun; no batch may be larger. At least 1 MiB, in the dev profile 1 KiB.",
    example: "268435456",
  },
  {
    key: "segment.ms", brokerKey: "log.roll.ms", type: "long", default: "604800000", min: 1, max: LONG_MAX, unit: "ms",
    aliases: [{ key: "log.roll.hours", factor: 3_600_000 }], scope: "topic", needsRestart: false,
    doc: "A segment is closed by the first append that is this much newer than its first record.",
  },
  {
    key: "segment.jitter.ms", brokerKey: "log.roll.jitter.ms", type: "long", default: "0", min: 0, max: LONG_MAX, unit: "ms",
    aliases: [{ key: "log.roll.jitter.hours", factor: 3_600_000 }], scope: "topic", needsRestart: false,
    doc: "Up to this much, chosen once per segment, is taken off segment.ms, so that logs do not all roll together.",
  },
  {
    key: "segment.index.bytes", brokerKey: "log.index.size.max.bytes", type: "int", default: "10485760", min: 4, max: INT_MAX,
    unit: "bytes", scope: "topic", needsRestart: false,
    doc: "A segment is closed when one of its index files reaches this size. Files are never preallocated.",
  },
  {
    key: "index.interval.bytes", brokerKey: "log.index.interval.bytes", type: "int", default: "4096", min: 0, max: INT_MAX,
    unit: "bytes", scope: "topic", needsRestart: false,
    doc: "An index entry is made after more than this many bytes of log.",
  },
  {
    key: "flush.messages", brokerKey: "log.flush.interval.messages", type: "long", default: LONG_MAX_TEXT, min: 1, max: LONG_MAX,
    scope: "topic", needsRestart: false,
    doc: "Syncs a log after this many records, whatever its durability mode.",
  },
  {
    key: "flush.ms", brokerKey: "log.flush.interval.ms", type: "long", default: LONG_MAX_TEXT, min: 0, max: LONG_MAX, unit: "ms",
    scope: "topic", needsRestart: false,
    doc: "Syncs a log when its oldest unsynced byte is this old, whatever its durability mode.",
  },
  {
    key: "file.delete.delay.ms", brokerKey: "log.segment.delete.delay.ms", type: "long", default: "60000", min: 0, max: LONG_MAX,
    unit: "ms", scope: "topic", needsRestart: false,
    doc: "How long files of removed segments and deleted topics stay on disk under another name, so that reads in flight can end.",
  },
  {
    key: "delete.retention.ms", brokerKey: "log.cleaner.delete.retention.ms", type: "long", default: "86400000", min: 0,
    max: LONG_MAX, unit: "ms", scope: "topic", needsRestart: false, withoutEffect: true,
    doc: "How long a compacted topic keeps tombstones after it first cleaned them.",
  },
  {
    key: "max.message.bytes", brokerKey: "message.max.bytes", type: "int", default: "1048588", min: 0, max: MAX_MESSAGE_BYTES_MAX,
    unit: "bytes", scope: "topic", needsRestart: false,
    doc: "Largest batch, as stored, header included. At most 32 MiB, so that a batch always fits one message between brokers.",
  },
  {
    key: "message.timestamp.type", brokerKey: "log.message.timestamp.type", type: "string", default: "CreateTime",
    values: ["CreateTime", "LogAppendTime"], scope: "topic", needsRestart: false,
    doc: "Whether records carry the producer's time or the leader's at the append.",
  },
  {
    key: "message.timestamp.before.max.ms", brokerKey: "log.message.timestamp.before.max.ms", type: "long", default: LONG_MAX_TEXT,
    min: 0, max: LONG_MAX, unit: "ms", scope: "topic", needsRestart: false,
    doc: "Records older than this at the append are refused.",
  },
  {
    key: "message.timestamp.after.max.ms", brokerKey: "log.message.timestamp.after.max.ms", type: "long", default: "3600000",
    min: 0, max: LONG_MAX, unit: "ms", scope: "topic", needsRestart: false,
    doc: "Records further ahead of the leader's clock than this are refused.",
  },
  {
    key: "min.insync.replicas", brokerKey: "min.insync.replicas", type: "int", default: null, min: 1, max: INT_MAX,
    derived: "2 for topics of three replicas and more, else 1: one lost broker neither blocks nor loses", scope: "topic",
    needsRestart: false,
    doc: "acks=all is refused, and nothing new becomes visible, while fewer replicas than this are in sync.",
  },
  {
    key: "unclean.leader.election.enable", brokerKey: "unclean.leader.election.enable", type: "boolean", default: "false",
    scope: "topic", needsRestart: false, withoutEffect: true,
    doc: "Lets a replica that was not in sync lead when nobody else can; acknowledged records may be lost.",
  },
  {
    key: "min.cleanable.dirty.ratio", brokerKey: "log.cleaner.min.cleanable.ratio", type: "double", default: "0.5", min: 0, max: 1,
    scope: "topic", needsRestart: false, withoutEffect: true,
    doc: "A compacted log is cleaned when this share of it was not cleaned before.",
  },
  {
    key: "min.compaction.lag.ms", brokerKey: "log.cleaner.min.compaction.lag.ms", type: "long", default: "0", min: 0, max: LONG_MAX,
    unit: "ms", scope: "topic", needsRestart: false, withoutEffect: true,
    doc: "Records younger than this are not compacted.",
  },
  {
    key: "max.compaction.lag.ms", brokerKey: "log.cleaner.max.compaction.lag.ms", type: "long", default: LONG_MAX_TEXT, min: 1,
    max: LONG_MAX, unit: "ms", scope: "topic", needsRestart: false, withoutEffect: true,
    doc: "A log that was dirty for this long is cleaned whatever its ratio.",
  },
  {
    key: "preallocate", brokerKey: "log.preallocate", type: "boolean", default: "false", scope: "topic", needsRestart: false,
    withoutEffect: true,
    doc: "Accepted for compatibility: segments are never preallocated.",
  },
] as const satisfies readonly Row[];
