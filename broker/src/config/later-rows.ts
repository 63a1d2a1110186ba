/**
 * Settings of what is not built yet (semantics 14). They are accepted and checked, so that a configuration written for a
 * bigger cluster or for Kafka starts; each one that is set is named in a warning. When what a row steers is built, the
 * row moves to `broker-rows.ts` and gets its field.
 */
import type { Row, Unit } from "./row.ts";

type Extra = Pick<Row, "unit" | "min" | "max" | "dev" | "derived" | "update">;

const rangeOf = {
  int: { min: 1, max: 2 ** 31 - 1 },
  long: { min: 1, max: Number.MAX_SAFE_INTEGER },
  boolean: {},
} as const;

/** Here, and only here, a unit follows from the last word of its key. */
function unitOf(key: string): { unit?: Unit } {
  if (key.endsWith(".ms")) return { unit: "ms" };
  if (key.endsWith(".seconds")) return { unit: "s" };
  if (key.endsWith(".minutes")) return { unit: "min" };
  if (key.endsWith(".bytes") || key.endsWith(".buffer.size")) return { unit: "bytes" };
  return {};
}

type MakeRow = (key: string, type: keyof typeof rangeOf, value: string | null, doc: string, extra?: Extra) => Row;

const row =
  (scope: "broker" | "cluster"): MakeRow =>
  (key, type, value, doc, extra) => ({
    key,
    type,
    default: value,
    scope,
    ...unitOf(key),
    ...rangeOf[type],
    ...extra,
    withoutEffect: true,
    doc,
  });
const broker = row("broker");
const cluster = row("cluster");

export const laterRows: readonly Row[] = [
  broker(
    "num.recovery.threads.per.data.dir",
    "int",
    "2",
    "Accepted for compatibility: logs are recovered one after another, as fast as they can be read.",
    {
      update: "cluster-wide",
    },
  ),
  broker("log.cleaner.enable", "boolean", "true", "Compaction."),
  broker("log.cleaner.threads", "int", "1", "Logs compacted at a time.", { update: "cluster-wide", min: 0 }),
  broker("log.cleaner.backoff.ms", "long", "15000", "Rest of the compaction when no log was due.", {
    update: "cluster-wide",
    min: 0,
  }),
  broker("log.cleaner.dedupe.buffer.size", "long", "134217728", "Memory for the keys of a compaction.", {
    update: "cluster-wide",
    dev: { default: "33554432" },
    min: 1_048_576,
  }),
  broker("socket.request.max.bytes", "int", "104857600", "Largest frame at the Kafka door."),
  broker("sasl.server.max.receive.size", "int", "524288", "Largest frame before authentication."),
  broker("failed.authentication.delay.ms", "int", "100", "Delay of the answer to a failed login.", { min: 0 }),
  broker("connections.max.reauth.ms", "long", "0", "Longest life of a login. 0: no limit.", { min: 0 }),
  broker("max.incremental.fetch.session.cache.slots", "int", "1000", "Fetch sessions at the Kafka door.", { min: 0 }),
  broker("request.timeout.ms", "int", "30000", "Deadline of the broker's own requests."),
  broker("replica.socket.timeout.ms", "int", "30000", "Deadline of a request between brokers."),
  broker("quota.window.num", "int", "11", "Samples kept for a quota."),
  broker("quota.window.size.seconds", "int", "1", "Length of such a sample."),
  broker(
    "num.replica.fetchers",
    "int",
    "1",
    "Accepted for compatibility: one stream from each broker carries all partitions that it leads.",
    { update: "cluster-wide" },
  ),
  broker("replica.fetch.wait.max.ms", "int", "500", "Accepted for compatibility: replication frames leave at once.", {
    min: 0,
  }),
  broker("replica.fetch.min.bytes", "int", "1", "Accepted for compatibility: replication frames leave at once.", {
    min: 0,
  }),
  broker(
    "log.dir.failure.timeout.ms",
    "long",
    "30000",
    "A broker that cannot report a failed directory for this long stops.",
  ),
  cluster("controller.quorum.request.timeout.ms", "int", "2000", "Deadline of a request between controllers."),
  cluster(
    "controller.quorum.append.linger.ms",
    "int",
    "0",
    "Accepted for compatibility: appends of one turn share a write anyway.",
    { min: 0 },
  ),
  cluster("group.initial.rebalance.delay.ms", "int", "3000", "How long an empty group waits for further members.", {
    dev: { default: "0" },
    min: 0,
  }),
  cluster("group.max.size", "int", "1000", "Members of a group."),
  cluster("group.min.session.timeout.ms", "int", "6000", "Shortest session that a member may ask for.", {
    dev: { default: "100" },
  }),
  cluster("group.max.session.timeout.ms", "int", "1800000", "Longest session that a member may ask for."),
  cluster(
    "offsets.topic.num.partitions",
    "int",
    "50",
    "Partitions of the topic of committed offsets; fixed when it is made.",
  ),
  cluster("offsets.topic.segment.bytes", "int", "104857600", "Segment size of that topic."),
  cluster("offsets.topic.replication.factor", "int", null, "Replicas of that topic.", {
    derived: "3, or the number of brokers if that is less",
    max: 32_767,
  }),
  cluster("offsets.retention.minutes", "int", "10080", "How long committed offsets outlive their group."),
  cluster("offsets.retention.check.interval.ms", "long", "600000", "How often old offsets are looked for."),
  cluster("offset.metadata.max.bytes", "int", "4096", "Text that may go with a committed offset."),
  cluster("offsets.commit.timeout.ms", "int", "5000", "Deadline of an offset commit."),
  cluster(
    "transaction.state.log.num.partitions",
    "int",
    "50",
    "Partitions of the topic of transactions; fixed when it is made.",
  ),
  cluster("transaction.state.log.segment.bytes", "int", "104857600", "Segment size of that topic."),
  cluster("transaction.state.log.replication.factor", "int", null, "Replicas of that topic.", {
    derived: "3, or the number of brokers if that is less",
    max: 32_767,
  }),
  cluster("transaction.state.log.min.isr", "int", null, "In-sync replicas that topic needs.", {
    derived: "2 of three replicas, else 1",
  }),
  cluster("transaction.max.timeout.ms", "int", "900000", "Longest transaction that a producer may ask for."),
  cluster("transactional.id.expiration.ms", "int", "604800000", "How long an unused transactional id is remembered."),
  cluster("transaction.partition.verification.enable", "boolean", "true", "Accepted for compatibility: always on.", {
    update: "cluster-wide",
  }),
  cluster(
    "transaction.abort.timed.out.transaction.cleanup.interval.ms",
    "int",
    "10000",
    "How often overdue transactions are ended.",
  ),
];
