/**
 * Settings of one broker and of the cluster (semantics 14, security 2). Rows marked `withoutEffect` are accepted and
 * checked, so that a configuration written for a bigger cluster or for Kafka starts; each one set is named in a warning.
 */
import type { Row } from "./row.ts";

const INT_MAX = 2 ** 31 - 1;
const LONG_MAX = Number.MAX_SAFE_INTEGER;
const MiB = 1024 * 1024;

export const brokerRows = [
  // Node and data directory.
  {
    key: "node.id", type: "int", default: null, derived: "the number that ends the host name (broker-3 is 3)", dev: { default: "1" },
    min: 0, max: INT_MAX, scope: "broker", needsRestart: true,
    doc: "Who this broker is. A data directory belongs to one node id for ever.",
    example: "3",
  },
  {
    key: "process.roles", type: "list", default: "broker,controller", values: ["broker", "controller"], scope: "broker",
    needsRestart: true,
    doc: "What this process is. Every process is both, broker and controller.",
  },
  {
    key: "log.dirs", type: "list", default: "data", aliases: [{ key: "log.dir", factor: 1 }], scope: "broker", needsRestart: true,
    doc: "The data directory; exactly one.",
    example: "/var/lib/tidemark/data",
  },
  {
    key: "broker.rack", type: "string", default: null, derived: "no rack", scope: "broker", needsRestart: true,
    doc: "Failure domain. Replicas of a partition are spread over racks where possible.",
    example: "eu-west-1a",
  },
  {
    key: "log.level", type: "string", default: "info", values: ["debug", "info", "warn", "error", "silent"],
    dev: { default: "warn" }, scope: "broker", needsRestart: true,
    doc: "Log lines below this level are not written.",
  },

  // Doors.
  {
    key: "listeners", type: "listeners", default: "GRPC://127.0.0.1:9192,HTTP://127.0.0.1:9292", values: ["GRPC", "HTTP"],
    scope: "broker", needsRestart: true,
    doc: "The doors of this broker, NAME://host:port. Port 0 is any free port. A host that is not loopback needs security.allow.insecure.listeners as long as the door is neither encrypted nor authenticated.",
    example: "GRPC://127.0.0.1:9192,HTTP://127.0.0.1:9292",
  },
  {
    key: "advertised.listeners", type: "listeners", default: null, derived: "the host that the client dialled, with the listener's port",
    values: ["GRPC", "HTTP"], scope: "broker", needsRestart: true,
    doc: "What clients are told to connect to, where it differs from the listeners.",
    example: "GRPC://broker-1.example.org:9192",
  },
  {
    key: "security.allow.insecure.listeners", type: "list", default: "", scope: "broker", needsRestart: true,
    doc: "Names of listeners that may stand open on a network without encryption and authentication. Every start warns.",
    example: "GRPC",
  },
  {
    key: "max.connections", type: "int", default: "10000", min: 1, max: INT_MAX, scope: "broker", needsRestart: true,
    doc: "Connections at a time over all doors; further ones are closed. Kafka sets no limit, which protects nobody.",
  },
  {
    key: "max.connections.per.ip", type: "int", default: "1000", min: 1, max: INT_MAX, scope: "broker", needsRestart: true,
    doc: "Connections at a time from one address.",
  },
  {
    key: "connections.max.idle.ms", type: "long", default: "600000", min: 0, max: LONG_MAX, unit: "ms", scope: "broker",
    needsRestart: true,
    doc: "A connection without traffic for this long is closed. 0: never.",
  },
  {
    key: "queued.max.requests", type: "int", default: "500", min: 1, max: INT_MAX, scope: "broker", needsRestart: true,
    doc: "Client requests that are read and neither appended nor parked; above it reading stops.",
  },
  {
    key: "queued.max.request.bytes", type: "long", default: "268435456", min: 1, max: LONG_MAX, unit: "bytes", scope: "broker",
    needsRestart: true,
    doc: "Bytes of such requests. Must hold at least one batch of message.max.bytes.",
  },
  {
    key: "fetch.max.bytes", type: "int", default: "57671680", min: 1024, max: INT_MAX, unit: "bytes", scope: "broker",
    needsRestart: true,
    doc: "Largest answer to one fetch, but for a single batch that is larger.",
  },
  {
    key: "decompressed.max.bytes", type: "int", default: "67108864", min: MiB, max: 1024 * MiB, unit: "bytes", scope: "broker",
    needsRestart: true,
    doc: "A batch that inflates to more is refused before it is inflated.",
  },

  // Topics.
  {
    key: "auto.create.topics.enable", type: "boolean", default: "true", scope: "cluster", needsRestart: true,
    doc: "Lets a client that asks for it create a topic by using it.",
  },
  {
    key: "delete.topic.enable", type: "boolean", default: "true", scope: "cluster", needsRestart: true,
    doc: "Whether topics can be deleted.",
  },
  {
    key: "num.partitions", type: "int", default: "1", min: 1, max: 10_000, scope: "cluster", needsRestart: true,
    doc: "Partitions of a topic made without a count.",
  },
  {
    key: "default.replication.factor", type: "int", default: null, derived: "3, or the number of brokers if that is less", min: 1,
    max: 32_767, scope: "cluster", needsRestart: true,
    doc: "Replicas of a topic made without a count.",
  },
  {
    key: "max.partitions.per.broker", type: "int", default: "20000", min: 1, max: INT_MAX, scope: "cluster", needsRestart: true,
    doc: "Replicas that one broker hosts; a topic that would exceed it is refused.",
  },
  {
    key: "tidemark.create.wait", type: "boolean", default: "true", scope: "broker", needsRestart: true,
    doc: "A topic's creation is answered only when every partition has a leader with its log open.",
  },

  // Log and recovery.
  {
    key: "log.flush.offset.checkpoint.interval.ms", type: "int", default: "5000", min: 0, max: INT_MAX, unit: "ms", scope: "broker",
    needsRestart: true,
    doc: "How often recovery points are written, if one moved. Kafka waits a minute and recovers the more.",
  },
  {
    key: "log.flush.start.offset.checkpoint.interval.ms", type: "int", default: "60000", min: 0, max: INT_MAX, unit: "ms",
    scope: "broker", needsRestart: true,
    doc: "How often log start offsets are written.",
  },
  {
    key: "replica.high.watermark.checkpoint.interval.ms", type: "long", default: "5000", min: 0, max: LONG_MAX, unit: "ms",
    scope: "broker", needsRestart: true,
    doc: "How often high watermarks are written.",
  },
  {
    key: "producer.id.expiration.ms", type: "int", default: "86400000", min: 1, max: INT_MAX, unit: "ms", scope: "cluster",
    needsRestart: true,
    doc: "A producer that wrote nothing for this long is forgotten, and with it what makes its retries duplicates.",
  },

  // Accepted, without effect yet.
  {
    key: "num.recovery.threads.per.data.dir", type: "int", default: "2", min: 1, max: INT_MAX, scope: "broker", needsRestart: true,
    withoutEffect: true, doc: "Logs recovered at a time.",
  },
  {
    key: "log.retention.check.interval.ms", type: "long", default: "300000", min: 1, max: LONG_MAX, unit: "ms", scope: "broker",
    needsRestart: true, withoutEffect: true, doc: "How often old segments are looked for.",
  },
  {
    key: "log.cleaner.enable", type: "boolean", default: "true", scope: "broker", needsRestart: true, withoutEffect: true,
    doc: "Compaction.",
  },
  {
    key: "log.cleaner.threads", type: "int", default: "1", min: 0, max: INT_MAX, scope: "broker", needsRestart: true,
    withoutEffect: true, doc: "Logs compacted at a time.",
  },
  {
    key: "log.cleaner.backoff.ms", type: "long", default: "15000", min: 0, max: LONG_MAX, unit: "ms", scope: "broker",
    needsRestart: true, withoutEffect: true, doc: "Rest of the compaction when no log was due.",
  },
  {
    key: "log.cleaner.dedupe.buffer.size", type: "long", default: "134217728", dev: { default: "33554432" }, min: MiB, max: LONG_MAX,
    unit: "bytes", scope: "broker", needsRestart: true, withoutEffect: true, doc: "Memory for the keys of a compaction.",
  },
  {
    key: "socket.request.max.bytes", type: "int", default: "104857600", min: 1, max: INT_MAX, unit: "bytes", scope: "broker",
    needsRestart: true, withoutEffect: true, doc: "Largest frame at the Kafka door.",
  },
  {
    key: "sasl.server.max.receive.size", type: "int", default: "524288", min: 1, max: INT_MAX, unit: "bytes", scope: "broker",
    needsRestart: true, withoutEffect: true, doc: "Largest frame before authentication.",
  },
  {
    key: "max.connection.creation.rate", type: "int", default: "200", min: 1, max: INT_MAX, scope: "broker", needsRestart: true,
    withoutEffect: true, doc: "New connections a second.",
  },
  {
    key: "failed.authentication.delay.ms", type: "int", default: "100", min: 0, max: INT_MAX, unit: "ms", scope: "broker",
    needsRestart: true, withoutEffect: true, doc: "Delay of the answer to a failed login.",
  },
  {
    key: "connections.max.reauth.ms", type: "long", default: "0", min: 0, max: LONG_MAX, unit: "ms", scope: "broker",
    needsRestart: true, withoutEffect: true, doc: "Longest life of a login. 0: no limit.",
  },
  {
    key: "max.incremental.fetch.session.cache.slots", type: "int", default: "1000", min: 0, max: INT_MAX, scope: "broker",
    needsRestart: true, withoutEffect: true, doc: "Fetch sessions at the Kafka door.",
  },
  {
    key: "controlled.shutdown.enable", type: "boolean", default: "true", scope: "broker", needsRestart: true, withoutEffect: true,
    doc: "Hands leadership over before a stop.",
  },
  {
    key: "request.timeout.ms", type: "int", default: "30000", min: 1, max: INT_MAX, unit: "ms", scope: "broker", needsRestart: true,
    withoutEffect: true, doc: "Deadline of the broker's own requests.",
  },
  {
    key: "replica.socket.timeout.ms", type: "int", default: "30000", min: 1, max: INT_MAX, unit: "ms", scope: "broker",
    needsRestart: true, withoutEffect: true, doc: "Deadline of a request between brokers.",
  },
  {
    key: "quota.window.num", type: "int", default: "11", min: 1, max: INT_MAX, scope: "broker", needsRestart: true,
    withoutEffect: true, doc: "Samples kept for a quota.",
  },
  {
    key: "quota.window.size.seconds", type: "int", default: "1", min: 1, max: INT_MAX, unit: "s", scope: "broker", needsRestart: true,
    withoutEffect: true, doc: "Length of such a sample.",
  },
  {
    key: "replica.lag.time.max.ms", type: "long", default: "30000", min: 1, max: LONG_MAX, unit: "ms", scope: "cluster",
    needsRestart: true, withoutEffect: true, doc: "A follower that was not caught up for this long leaves the in-sync replicas.",
  },
  {
    key: "num.replica.fetchers", type: "int", default: "1", min: 1, max: INT_MAX, scope: "broker", needsRestart: true,
    withoutEffect: true, doc: "Replication streams per source broker.",
  },
  {
    key: "replica.fetch.max.bytes", type: "int", default: "1048576", min: 0, max: INT_MAX, unit: "bytes", scope: "broker",
    needsRestart: true, withoutEffect: true, doc: "Bytes of one partition in a replication frame; its first batch is always whole.",
  },
  {
    key: "replica.fetch.response.max.bytes", type: "int", default: "10485760", min: 0, max: INT_MAX, unit: "bytes", scope: "broker",
    needsRestart: true, withoutEffect: true, doc: "Bytes of a replication frame.",
  },
  {
    key: "replica.fetch.wait.max.ms", type: "int", default: "500", min: 0, max: INT_MAX, unit: "ms", scope: "broker",
    needsRestart: true, withoutEffect: true, doc: "Accepted for compatibility: replication frames leave at once.",
  },
  {
    key: "replica.fetch.min.bytes", type: "int", default: "1", min: 0, max: INT_MAX, unit: "bytes", scope: "broker",
    needsRestart: true, withoutEffect: true, doc: "Accepted for compatibility: replication frames leave at once.",
  },
  {
    key: "replica.fetch.backoff.ms", type: "int", default: "1000", min: 0, max: INT_MAX, unit: "ms", scope: "broker",
    needsRestart: true, withoutEffect: true, doc: "Rest of a partition after a replication error.",
  },
  {
    key: "unclean.leader.election.interval.ms", type: "long", default: "300000", min: 1, max: LONG_MAX, unit: "ms", scope: "cluster",
    needsRestart: true, withoutEffect: true, doc: "How often a leaderless partition is given an unclean leader, where allowed.",
  },
  {
    key: "auto.leader.rebalance.enable", type: "boolean", default: "true", scope: "cluster", needsRestart: true, withoutEffect: true,
    doc: "Gives leadership back to preferred replicas.",
  },
  {
    key: "leader.imbalance.check.interval.seconds", type: "long", default: "300", min: 1, max: LONG_MAX, unit: "s", scope: "cluster",
    needsRestart: true, withoutEffect: true, doc: "How often.",
  },
  {
    key: "broker.heartbeat.interval.ms", type: "int", default: "2000", min: 1, max: INT_MAX, unit: "ms", scope: "cluster",
    needsRestart: true, withoutEffect: true, doc: "How often a broker reports to the controller.",
  },
  {
    key: "broker.session.timeout.ms", type: "int", default: "9000", min: 1, max: INT_MAX, unit: "ms", scope: "cluster",
    needsRestart: true, withoutEffect: true, doc: "A broker silent for this long is fenced.",
  },
  {
    key: "broker.refused.fence.ms", type: "int", default: "50", min: 0, max: 60_000, unit: "ms", scope: "cluster", needsRestart: true,
    withoutEffect: true, doc: "Time between the two dials that prove that nobody listens at a broker's addresses.",
  },
  {
    key: "initial.broker.registration.timeout.ms", type: "int", default: "60000", min: 1, max: INT_MAX, unit: "ms", scope: "broker",
    needsRestart: true, withoutEffect: true, doc: "A broker that finds no controller for this long stops.",
  },
  {
    key: "log.dir.failure.timeout.ms", type: "long", default: "30000", min: 1, max: LONG_MAX, unit: "ms", scope: "broker",
    needsRestart: true, withoutEffect: true, doc: "A broker that cannot report a failed directory for this long stops.",
  },
  {
    key: "controller.quorum.fetch.timeout.ms", type: "int", default: "2000", min: 1, max: INT_MAX, unit: "ms", scope: "cluster",
    needsRestart: true, withoutEffect: true, doc: "A controller leader silent for this long is campaigned against.",
  },
  {
    key: "controller.quorum.election.timeout.ms", type: "int", default: "1000", min: 1, max: INT_MAX, unit: "ms", scope: "cluster",
    needsRestart: true, withoutEffect: true, doc: "A campaign without a result is repeated.",
  },
  {
    key: "controller.quorum.election.backoff.max.ms", type: "int", default: "1000", min: 0, max: INT_MAX, unit: "ms", scope: "cluster",
    needsRestart: true, withoutEffect: true, doc: "Longest random rest after a lost campaign.",
  },
  {
    key: "controller.quorum.request.timeout.ms", type: "int", default: "2000", min: 1, max: INT_MAX, unit: "ms", scope: "cluster",
    needsRestart: true, withoutEffect: true, doc: "Deadline of a request between controllers.",
  },
  {
    key: "controller.quorum.append.linger.ms", type: "int", default: "0", min: 0, max: INT_MAX, unit: "ms", scope: "cluster",
    needsRestart: true, withoutEffect: true, doc: "Accepted for compatibility: appends of one turn share a write anyway.",
  },
  {
    key: "metadata.log.max.record.bytes.between.snapshots", type: "long", default: "20971520", min: 1, max: LONG_MAX, unit: "bytes",
    scope: "broker", needsRestart: true, withoutEffect: true, doc: "Metadata records after which a snapshot is taken.",
  },
  {
    key: "metadata.log.max.snapshot.interval.ms", type: "long", default: "3600000", min: 0, max: LONG_MAX, unit: "ms", scope: "broker",
    needsRestart: true, withoutEffect: true, doc: "Time after which a metadata snapshot is taken.",
  },
  {
    key: "group.initial.rebalance.delay.ms", type: "int", default: "3000", dev: { default: "0" }, min: 0, max: INT_MAX, unit: "ms",
    scope: "cluster", needsRestart: true, withoutEffect: true, doc: "How long an empty group waits for further members.",
  },
  {
    key: "group.max.size", type: "int", default: "1000", min: 1, max: INT_MAX, scope: "cluster", needsRestart: true,
    withoutEffect: true, doc: "Members of a group.",
  },
  {
    key: "group.min.session.timeout.ms", type: "int", default: "6000", dev: { default: "100" }, min: 1, max: INT_MAX, unit: "ms",
    scope: "cluster", needsRestart: true, withoutEffect: true, doc: "Shortest session that a member may ask for.",
  },
  {
    key: "group.max.session.timeout.ms", type: "int", default: "1800000", min: 1, max: INT_MAX, unit: "ms", scope: "cluster",
    needsRestart: true, withoutEffect: true, doc: "Longest session that a member may ask for.",
  },
  {
    key: "offsets.topic.num.partitions", type: "int", default: "50", min: 1, max: INT_MAX, scope: "cluster", needsRestart: true,
    withoutEffect: true, doc: "Partitions of the topic of committed offsets; fixed when it is made.",
  },
  {
    key: "offsets.topic.segment.bytes", type: "int", default: "104857600", min: 1, max: INT_MAX, unit: "bytes", scope: "cluster",
    needsRestart: true, withoutEffect: true, doc: "Segment size of that topic.",
  },
  {
    key: "offsets.topic.replication.factor", type: "int", default: null, derived: "3, or the number of brokers if that is less", min: 1,
    max: 32_767, scope: "cluster", needsRestart: true, withoutEffect: true, doc: "Replicas of that topic.",
  },
  {
    key: "offsets.retention.minutes", type: "int", default: "10080", min: 1, max: INT_MAX, unit: "min", scope: "cluster",
    needsRestart: true, withoutEffect: true, doc: "How long committed offsets outlive their group.",
  },
  {
    key: "offsets.retention.check.interval.ms", type: "long", default: "600000", min: 1, max: LONG_MAX, unit: "ms", scope: "cluster",
    needsRestart: true, withoutEffect: true, doc: "How often old offsets are looked for.",
  },
  {
    key: "offset.metadata.max.bytes", type: "int", default: "4096", min: 1, max: INT_MAX, unit: "bytes", scope: "cluster",
    needsRestart: true, withoutEffect: true, doc: "Text that may go with a committed offset.",
  },
  {
    key: "offsets.commit.timeout.ms", type: "int", default: "5000", min: 1, max: INT_MAX, unit: "ms", scope: "cluster",
    needsRestart: true, withoutEffect: true, doc: "Deadline of an offset commit.",
  },
  {
    key: "transaction.state.log.num.partitions", type: "int", default: "50", min: 1, max: INT_MAX, scope: "cluster",
    needsRestart: true, withoutEffect: true, doc: "Partitions of the topic of transactions; fixed when it is made.",
  },
  {
    key: "transaction.state.log.segment.bytes", type: "int", default: "104857600", min: 1, max: INT_MAX, unit: "bytes",
    scope: "cluster", needsRestart: true, withoutEffect: true, doc: "Segment size of that topic.",
  },
  {
    key: "transaction.state.log.replication.factor", type: "int", default: null,
    derived: "3, or the number of brokers if that is less", min: 1, max: 32_767, scope: "cluster", needsRestart: true,
    withoutEffect: true, doc: "Replicas of that topic.",
  },
  {
    key: "transaction.state.log.min.isr", type: "int", default: null, derived: "2 of three replicas, else 1", min: 1, max: INT_MAX,
    scope: "cluster", needsRestart: true, withoutEffect: true, doc: "In-sync replicas that topic needs.",
  },
  {
    key: "transaction.max.timeout.ms", type: "int", default: "900000", min: 1, max: INT_MAX, unit: "ms", scope: "cluster",
    needsRestart: true, withoutEffect: true, doc: "Longest transaction that a producer may ask for.",
  },
  {
    key: "transactional.id.expiration.ms", type: "int", default: "604800000", min: 1, max: INT_MAX, unit: "ms", scope: "cluster",
    needsRestart: true, withoutEffect: true, doc: "How long an unused transactional id is remembered.",
  },
  {
    key: "transaction.partition.verification.enable", type: "boolean", default: "true", scope: "cluster", needsRestart: true,
    withoutEffect: true, doc: "Accepted for compatibility: always on.",
  },
  {
    key: "transaction.abort.timed.out.transaction.cleanup.interval.ms", type: "int", default: "10000", min: 1, max: INT_MAX,
    unit: "ms", scope: "cluster", needsRestart: true, withoutEffect: true, doc: "How often overdue transactions are ended.",
  },
] as const satisfies readonly Row[];
