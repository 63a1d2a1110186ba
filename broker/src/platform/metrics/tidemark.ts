/** What only this broker has, or has in more detail, in base units. */
import {
  broker,
  type BrokerRead,
  connections,
  countOf,
  counter,
  flag,
  follower,
  gauge,
  histogram,
  type MetricFamily,
  ofRaft,
  partition,
  perRequest,
  type Sample,
  sumOf,
  swapped,
} from "./families.ts";
import type { FollowerLag } from "../broker-numbers.ts";

export const tidemark: readonly MetricFamily[] = [
  broker(
    "gauge",
    "summary",
    ["tidemark_build_info", "Always 1; the labels say what runs."],
    ["version", "node"],
    ({ version, nodeVersion }) => [[1, version, nodeVersion]],
  ),
  broker("gauge", "summary", ["tidemark_connections", "Open connections."], ["listener"], connections),
  broker(
    "counter",
    "summary",
    ["tidemark_connections_delayed_total", "Connections that waited because of max.connection.creation.rate."],
    ["listener"],
    (numbers) => swapped(numbers.delayedConnections()),
  ),
  broker(
    "counter",
    "summary",
    ["tidemark_refused_total", "What a door refused, by the stage that refused it and the reason or error code."],
    ["listener", "stage", "reason"],
    function* (numbers) {
      for (const [listener, { stage, reason, count }] of numbers.refusals()) yield [count, listener, stage, reason];
    },
  ),
  broker(
    "histogram",
    "summary",
    [
      "tidemark_request_duration_seconds",
      "From a request's arrival to its answer's leaving. Fetch: from the read to the socket.",
    ],
    ["api", "listener"],
    perRequest(({ durations }) => durations),
  ),
  broker(
    "histogram",
    "detail",
    [
      "tidemark_request_phase_seconds",
      "Parts of that time: queue (waits for its turn), handler (checks, writes), remote (waits for acks), response.",
    ],
    ["api", "listener", "phase"],
    function* (numbers) {
      for (const { api, listener, queue, handler, remote, response } of numbers.requests()) {
        yield [queue, api, listener, "queue"];
        yield [handler, api, listener, "handler"];
        yield [remote, api, listener, "remote"];
        yield [response, api, listener, "response"];
      }
    },
  ),
  broker(
    "histogram",
    "detail",
    ["tidemark_request_size_bytes", "Bytes of batches in a produce request or fetch answer, of the message elsewhere."],
    ["api", "listener"],
    perRequest(({ sizes }) => sizes),
  ),
  counter(["tidemark_slow_requests_total", "Requests at or above tidemark.slow.request.ms."], (numbers) =>
    numbers.slowRequestsCount(),
  ),
  gauge(
    ["tidemark_queued_requests", "Requests read that are neither appended nor refused."],
    (numbers) => numbers.queued().requests,
  ),
  gauge(["tidemark_queued_request_bytes", "Bytes of such requests."], (numbers) => numbers.queued().bytes),
  broker(
    "gauge",
    "summary",
    ["tidemark_unfinished_request_bytes", "Bytes of messages that have begun and are not whole."],
    ["listener"],
    (numbers) => swapped(numbers.unfinishedBytes()),
  ),
  broker("gauge", "summary", ["tidemark_streams", "Open streams."], ["api"], (numbers) => {
    const { produceStreams, fetchStreams } = numbers.totals();
    return [
      [produceStreams, "Produce"],
      [fetchStreams, "Fetch"],
    ];
  }),
  counter(["tidemark_produce_batches_total", "Batches appended."], (numbers) => numbers.totals().batchesIn),
  counter(
    ["tidemark_produce_duplicates_total", "Batches that were there already."],
    (numbers) => numbers.totals().duplicatesIn,
  ),
  broker("histogram", "detail", ["tidemark_produce_batch_bytes", "Bytes of a batch appended."], [], (numbers) => [
    [numbers.totals().batchBytes],
  ]),
  histogram(["tidemark_fsync_duration_seconds", "Syncs of files and directories of the log."], (numbers) =>
    numbers.syncDurations(),
  ),
  gauge(
    ["tidemark_log_bytes", "Bytes of all logs of this broker."],
    sumOf(({ sizeBytes }) => sizeBytes),
  ),
  gauge(
    ["tidemark_segment_count", "Segments of all logs of this broker."],
    sumOf(({ segmentCount }) => segmentCount),
  ),
  partition(
    "detail",
    ["tidemark_partition_segments", "Segments of the replica's log."],
    ({ log }) => log?.segmentCount ?? null,
  ),
  gauge(
    ["tidemark_damaged_partitions", "Partitions led here whose log is damaged: they refuse appends."],
    countOf(({ led }) => led?.isDamaged === true),
  ),
  gauge(
    ["tidemark_damaged_replicas", "Replicas here with damage on disk, known and not whole again; led here or not."],
    (numbers) => numbers.damage().replicas,
  ),
  counter(
    ["tidemark_damage_found_total", "Replicas here that were found damaged while they were in use."],
    (numbers) => numbers.damage().found,
  ),
  counter(
    ["tidemark_damage_repaired_total", "Damaged replicas here that were filled again from their leaders."],
    (numbers) => numbers.damage().repaired,
  ),
  partition("detail", ["tidemark_isr_size", "Replicas that are in sync, by the leader."], ({ isToldHere, isrCount }) =>
    isToldHere ? isrCount : null,
  ),
  broker(
    "counter",
    "summary",
    ["tidemark_isr_changes_total", "Times that replicas of partitions led here fell out of sync, or came in sync."],
    ["change"],
    (numbers) => {
      const { shrinks, expands } = numbers.isrChanges();
      return [
        [shrinks, "shrink"],
        [expands, "expand"],
      ];
    },
  ),
  follower(
    ["tidemark_replication_lag_records", "Records that the replica on this other broker lacks, by the leader."],
    ({ records }) => records,
  ),
  follower(
    [
      "tidemark_replication_lag_seconds",
      "Since when that replica has not stood at the end of its leader's log; 0: it stands there.",
    ],
    ({ seconds }) => seconds,
  ),
  broker(
    "gauge",
    "summary",
    [
      "tidemark_replication_lag_max_records",
      "Records that the replica on this other broker lacks most of, of all partitions led here.",
    ],
    ["broker"],
    mostOf(({ records }) => records),
  ),
  broker(
    "gauge",
    "summary",
    [
      "tidemark_replication_lag_max_seconds",
      "For how long the replica on this other broker that is behind for longest has been, of all partitions led here.",
    ],
    ["broker"],
    mostOf(({ seconds }) => seconds),
  ),
  gauge(["tidemark_disk_free_bytes", "Free space where the log lies."], (numbers) => numbers.diskFreeBytes()),
  gauge(["tidemark_disk_total_bytes", "Size of the file system where the log lies."], (numbers) =>
    numbers.diskTotalBytes(),
  ),
  gauge(["tidemark_disk_full", "1 while appends are refused for want of space."], (numbers) =>
    flag(numbers.isDiskFull()),
  ),
  gauge(["tidemark_metadata_suspended", "1 while changes of metadata are refused for want of space."], (numbers) =>
    flag(numbers.isMetadataSuspended()),
  ),
  ofRaft(gauge, ["tidemark_raft_term", "Term of the metadata quorum."], ({ term }) => term),
  ofRaft(gauge, ["tidemark_raft_is_leader", "1 if this node leads the metadata quorum."], ({ leaderId }, { nodeId }) =>
    flag(leaderId === nodeId),
  ),
  ofRaft(
    counter,
    ["tidemark_raft_leader_changes_total", "Leaders of the metadata quorum that this process has seen begin."],
    ({ leaderChanges }) => leaderChanges,
  ),
  ofRaft(
    histogram,
    ["tidemark_raft_append_duration_seconds", "From handing metadata entries to this node's disk until they are safe."],
    ({ appendDurations }) => appendDurations,
  ),
  ofRaft(
    histogram,
    ["tidemark_raft_commit_duration_seconds", "From the proposal of a metadata entry by this node to its commit."],
    ({ commitDurations }) => commitDurations,
  ),
  ofRaft(
    gauge,
    ["tidemark_raft_apply_lag_entries", "Metadata entries appended and not applied."],
    ({ lastIndex, committedIndex }) => lastIndex - committedIndex,
  ),
  ofRaft(
    gauge,
    ["tidemark_raft_snapshot_bytes", "Size of the newest snapshot of the metadata on this node."],
    ({ snapshotBytes }) => snapshotBytes,
  ),
  histogram(
    ["tidemark_event_loop_delay_seconds", "By how much a timer of this process came late, asked ten times a second."],
    (_, own) => own.loopDelays(),
  ),
  gauge(
    [
      "tidemark_metrics_partitions_omitted",
      "Partitions whose own series stand in /metrics/detail alone: more than tidemark.metrics.partitions.max are here.",
    ],
    (numbers) => {
      const count = countOf(() => true)(numbers);
      return count > numbers.summaryPartitionsMax ? count : 0;
    },
  ),
  counter(
    ["process_cpu_user_seconds_total", "User CPU time of the process since it began."],
    (_, own) => own.cpu().user,
  ),
  counter(
    ["process_cpu_system_seconds_total", "System CPU time of the process since it began."],
    (_, own) => own.cpu().system,
  ),
  counter(["process_cpu_seconds_total", "CPU time of the process since it began."], (_, own) => {
    const { user, system } = own.cpu();
    return user + system;
  }),
];

/** By broker, over all partitions that are led here. */
function mostOf(read: (lag: FollowerLag) => number): BrokerRead {
  return (numbers) => {
    const most = new Map<number, number>();
    for (const { led } of numbers.partitions()) {
      if (led === null) continue;
      for (const lag of led.followerLags()) most.set(lag.brokerId, Math.max(most.get(lag.brokerId) ?? 0, read(lag)));
    }
    return [...most].map(([brokerId, value]): Sample => [value, String(brokerId)]);
  };
}
