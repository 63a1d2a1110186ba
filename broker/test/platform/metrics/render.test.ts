import { execFileSync } from "node:child_process";
import { expect } from "chai";
import { Histogram } from "../../../src/base/index.ts";
import {
  type BrokerNumbers,
  nodeMetricsText,
  type PartitionNumbers,
  type ProcessNumbers,
} from "../../../src/platform/index.ts";
import { type MetricFamily, metricTable } from "../../../src/platform/metrics/table.ts";
import { Metrics } from "../../../src/platform/metrics/render.ts";
import { parseFamilies, parseMetrics } from "../../e2e/support/prometheus-text.ts";

function histogramOf(...values: number[]): Histogram {
  const histogram = new Histogram([1, 10]);
  for (const value of values) histogram.observe(value);
  return histogram;
}

function partition(topic: string, number: number, isLed = true): PartitionNumbers {
  return {
    topic,
    partition: number,
    leaderId: isLed ? 3 : -1,
    preferredLeaderId: 3,
    replicasCount: 1,
    isrCount: 1,
    isToldHere: true,
    led: isLed
      ? {
          logStartOffset: 5,
          highWatermark: 105,
          effectiveMinIsr: 1,
          isDamaged: number === 1,
          followerLags: () => [
            { brokerId: 1, records: 10 + number, seconds: 0.5 },
            { brokerId: 2, records: 0, seconds: 0 },
          ],
        }
      : null,
    log: { sizeBytes: 1000, segmentCount: 2 },
  };
}

const totals = {
  recordsIn: 900,
  bytesIn: 9_000_000_000,
  bytesOut: 8000,
  produceRequests: 10,
  produceRequestsFailed: 1,
  fetchRequests: 7,
  fetchRequestsFailed: 3,
  batchesIn: 9,
  duplicatesIn: 2,
  batchBytes: histogramOf(5),
  produceStreams: 1,
  fetchStreams: 2,
};

const numbers: BrokerNumbers = {
  version: "0.1.0",
  nodeVersion: "v20.19.0",
  nodeId: 3,
  summaryPartitionsMax: 200,
  totals: () => totals,
  topics: () => [
    { topic: "tides", partitionsCount: 3, traffic: { ...totals, recordsIn: 600 } },
    { topic: "idle", partitionsCount: 1, traffic: null },
  ],
  partitions: () => [partition("tides", 0), partition("tides", 1), partition("tides", 2, false)],
  cluster: () => ({
    brokers: [{ id: 3, address: "localhost:9192" }],
    fencedBrokersCount: 0,
    topicsCount: 2,
    partitionsCount: 4,
    offlinePartitionsCount: 1,
    strayLeadersCount: 2,
  }),
  uncleanElectionsCount: () => 1,
  connections: () => [
    ["GRPC", 4],
    ["HTTP", 1],
  ],
  delayedConnections: () => [["GRPC", 0]],
  refusals: () => [["GRPC", { stage: "produce", reason: "CORRUPT_MESSAGE", count: 6 }]],
  requests: () => [
    {
      api: "Produce",
      listener: "GRPC",
      durations: histogramOf(0.5, 5, 50),
      queue: histogramOf(),
      handler: histogramOf(),
      remote: histogramOf(),
      response: histogramOf(),
      sizes: histogramOf(7),
    },
  ],
  slowRequestsCount: () => 0,
  queued: () => ({ requests: 0, bytes: 0 }),
  unfinishedBytes: () => [["GRPC", 0]],
  syncDurations: () => histogramOf(0.5),
  diskFreeBytes: () => 5e9,
  diskTotalBytes: () => 1e10,
  isrChanges: () => ({ shrinks: 0, expands: 0 }),
  damage: () => ({ replicas: 0, found: 0, repaired: 0 }),
  followerLagMax: () => 0,
  isDiskFull: () => false,
  isMetadataSuspended: () => false,
  offlineLogDirectoriesCount: () => 0,
  raft: () => ({
    term: 2,
    leaderId: 3,
    role: "leader",
    votedFor: 3,
    leaderChanges: 1,
    committedIndex: 7,
    lastIndex: 9,
    recordsAppended: 7,
    snapshotBytes: 1234,
    appendDurations: histogramOf(0.25),
    commitDurations: histogramOf(0.5),
  }),
};

const ownNumbers: ProcessNumbers = {
  cpu: () => ({ user: 1.5, system: 0.5 }),
  idleShare: () => 0.75,
  loopDelays: () => histogramOf(0),
  rateOf: () => 4,
};

function metricsOf(changes: Partial<BrokerNumbers> = {}, table: readonly MetricFamily[] = metricTable): Metrics {
  return new Metrics({ numbers: { ...numbers, ...changes }, process: ownNumbers, table });
}

/** A family whose one series has the labels of `rows`. */
function familyOf(rows: () => (readonly [number, ...string[]])[], labels: readonly string[] = ["place"]): MetricFamily {
  return { name: "tidemark_level", help: "Level.", type: "gauge", scope: "summary", labels, of: "broker", read: rows };
}

/** Every name that is published, with its type and labels: names are interface, and a change of one is seen here. */
const NAMES: Readonly<Record<string, string>> = {
  kafka_brokers: "gauge",
  kafka_broker_info: "gauge id,address",
  kafka_topic_partitions: "gauge topic",
  kafka_topic_partition_current_offset: "gauge topic,partition",
  kafka_topic_partition_oldest_offset: "gauge topic,partition",
  kafka_topic_partition_replicas: "gauge topic,partition",
  kafka_topic_partition_in_sync_replica: "gauge topic,partition",
  kafka_topic_partition_leader: "gauge topic,partition",
  kafka_topic_partition_leader_is_preferred: "gauge topic,partition",
  kafka_topic_partition_under_replicated_partition: "gauge topic,partition",
  kafka_server_brokertopicmetrics_messagesin_total: "counter |topic",
  kafka_server_brokertopicmetrics_bytesin_total: "counter |topic",
  kafka_server_brokertopicmetrics_bytesout_total: "counter |topic",
  kafka_server_brokertopicmetrics_totalproducerequests_total: "counter |topic",
  kafka_server_brokertopicmetrics_failedproducerequests_total: "counter |topic",
  kafka_server_brokertopicmetrics_totalfetchrequests_total: "counter |topic",
  kafka_server_brokertopicmetrics_failedfetchrequests_total: "counter |topic",
  kafka_server_replicamanager_leadercount: "gauge",
  kafka_server_replicamanager_partitioncount: "gauge",
  kafka_server_replicamanager_underreplicatedpartitions: "gauge",
  kafka_server_replicamanager_underminisrpartitioncount: "gauge",
  kafka_server_replicamanager_isrshrinks_total: "counter",
  kafka_server_replicamanager_isrexpands_total: "counter",
  kafka_server_replicafetchermanager_maxlag: "gauge",
  kafka_cluster_partition_underminisr: "gauge topic,partition",
  kafka_cluster_partition_atminisr: "gauge topic,partition",
  kafka_cluster_partition_replicascount: "gauge topic,partition",
  kafka_controller_kafkacontroller_activecontrollercount: "gauge",
  kafka_controller_kafkacontroller_offlinepartitionscount: "gauge",
  kafka_controller_kafkacontroller_activebrokercount: "gauge",
  kafka_controller_kafkacontroller_fencedbrokercount: "gauge",
  kafka_controller_kafkacontroller_globaltopiccount: "gauge",
  kafka_controller_kafkacontroller_globalpartitioncount: "gauge",
  kafka_controller_kafkacontroller_preferredreplicaimbalancecount: "gauge",
  kafka_controller_controllerstats_uncleanleaderelections_total: "counter",
  kafka_log_log_size: "gauge topic,partition",
  kafka_log_logmanager_offlinelogdirectorycount: "gauge",
  kafka_server_socket_server_metrics_connection_count: "gauge listener",
  kafka_network_socketserver_networkprocessoravgidle_percent: "gauge",
  kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent: "gauge",
  kafka_server_raftmetrics_current_state: "gauge current_state",
  kafka_server_raftmetrics_current_leader: "gauge",
  kafka_server_raftmetrics_current_vote: "gauge",
  kafka_server_raftmetrics_current_epoch: "gauge",
  kafka_server_raftmetrics_high_watermark: "gauge",
  kafka_server_raftmetrics_log_end_offset: "gauge",
  kafka_server_raftmetrics_commit_latency_avg: "gauge",
  kafka_server_raftmetrics_append_records_rate: "gauge",
  kafka_server_raftmetrics_fetch_records_rate: "gauge",
  tidemark_build_info: "gauge version,node",
  tidemark_connections: "gauge listener",
  tidemark_connections_delayed_total: "counter listener",
  tidemark_refused_total: "counter listener,stage,reason",
  tidemark_request_duration_seconds: "histogram api,listener",
  tidemark_request_phase_seconds: "histogram api,listener,phase",
  tidemark_request_size_bytes: "histogram api,listener",
  tidemark_slow_requests_total: "counter",
  tidemark_queued_requests: "gauge",
  tidemark_queued_request_bytes: "gauge",
  tidemark_unfinished_request_bytes: "gauge listener",
  tidemark_streams: "gauge api",
  tidemark_produce_batches_total: "counter",
  tidemark_produce_duplicates_total: "counter",
  tidemark_produce_batch_bytes: "histogram",
  tidemark_fsync_duration_seconds: "histogram",
  tidemark_log_bytes: "gauge",
  tidemark_segment_count: "gauge",
  tidemark_partition_segments: "gauge topic,partition",
  tidemark_damage_found_total: "counter",
  tidemark_damage_repaired_total: "counter",
  tidemark_damaged_partitions: "gauge",
  tidemark_damaged_replicas: "gauge",
  tidemark_isr_size: "gauge topic,partition",
  tidemark_isr_changes_total: "counter change",
  tidemark_replication_lag_records: "gauge topic,partition,broker",
  tidemark_replication_lag_seconds: "gauge topic,partition,broker",
  tidemark_replication_lag_max_records: "gauge broker",
  tidemark_replication_lag_max_seconds: "gauge broker",
  tidemark_disk_free_bytes: "gauge",
  tidemark_disk_total_bytes: "gauge",
  tidemark_disk_full: "gauge",
  tidemark_metadata_suspended: "gauge",
  tidemark_raft_term: "gauge",
  tidemark_raft_is_leader: "gauge",
  tidemark_raft_leader_changes_total: "counter",
  tidemark_raft_append_duration_seconds: "histogram",
  tidemark_raft_commit_duration_seconds: "histogram",
  tidemark_raft_apply_lag_entries: "gauge",
  tidemark_raft_snapshot_bytes: "gauge",
  tidemark_event_loop_delay_seconds: "histogram",
  tidemark_metrics_partitions_omitted: "gauge",
  process_cpu_user_seconds_total: "counter",
  process_cpu_system_seconds_total: "counter",
  process_cpu_seconds_total: "counter",
};

const DETAIL_ONLY = [
  "kafka_cluster_partition_underminisr",
  "kafka_cluster_partition_atminisr",
  "kafka_cluster_partition_replicascount",
  "kafka_log_log_size",
  "tidemark_request_phase_seconds",
  "tidemark_request_size_bytes",
  "tidemark_produce_batch_bytes",
  "tidemark_partition_segments",
  "tidemark_isr_size",
  "tidemark_replication_lag_records",
  "tidemark_replication_lag_seconds",
];

describe("metrics", () => {
  it("have exactly the names, types and labels that are promised, in a text that holds to the format", async () => {
    const families = parseFamilies((await metricsOf().render("detail")).body.toString());
    const found = [...families.values()].map(({ name, type, labelSets }) => [
      name,
      `${type} ${[...labelSets].join("|")}`.trim(),
    ]);
    expect(Object.fromEntries(found)).to.deep.equal(NAMES);
    const summary = parseFamilies((await metricsOf().render("summary")).body.toString());
    expect(Object.keys(NAMES).filter((name) => !summary.has(name))).to.deep.equal(DETAIL_ONLY);
  });

  it("say what a node of a cluster is in the quorum, in Kafka's words", async () => {
    const common = {
      term: 4,
      committedIndex: 7,
      lastIndex: 9,
      recordsAppended: 0,
      snapshotBytes: 0,
      appendDurations: histogramOf(0.5),
      commitDurations: histogramOf(),
    };
    for (const [role, state] of [
      ["follower", "follower"],
      ["candidate", "candidate"],
      ["learner", "observer"],
    ] as const) {
      const raft = () => ({ ...common, role, leaderId: 1, votedFor: -1, leaderChanges: 3 });
      const values = parseMetrics((await metricsOf({ raft }).render("detail")).body.toString());
      expect(Object.fromEntries(values)).to.include({
        [`kafka_server_raftmetrics_current_state{current_state="${state}"}`]: 1,
        kafka_server_raftmetrics_current_leader: 1,
        kafka_server_raftmetrics_current_vote: -1,
        kafka_server_raftmetrics_append_records_rate: 0,
        kafka_server_raftmetrics_fetch_records_rate: 4,
        tidemark_raft_leader_changes_total: 3,
        tidemark_raft_is_leader: 0,
      });
    }
  });

  it("tell once what a cluster, or a partition, has once", async () => {
    const elsewhere = {
      cluster: () => null,
      topics: () => [{ topic: "tides", partitionsCount: null, traffic: null }],
      partitions: () => [{ ...partition("tides", 0), isToldHere: false, led: null }],
    };
    const values = parseMetrics((await metricsOf(elsewhere).render("detail")).body.toString());
    const told = [...values.keys()].filter((series) => /^kafka_(broker|topic)|^tidemark_isr_size/.test(series));
    expect(told).to.deep.equal([]);
    expect(Object.fromEntries(values)).to.include({
      kafka_controller_kafkacontroller_activecontrollercount: 0,
      kafka_controller_kafkacontroller_offlinepartitionscount: 0,
      kafka_server_replicamanager_partitioncount: 1,
    });
  });

  it("publish what was counted", async () => {
    const values = parseMetrics((await metricsOf().render("detail")).body.toString());
    expect(Object.fromEntries(values)).to.include({
      'tidemark_build_info{version="0.1.0",node="v20.19.0"}': 1,
      'kafka_broker_info{id="3",address="localhost:9192"}': 1,
      kafka_server_brokertopicmetrics_bytesin_total: 9_000_000_000,
      kafka_server_brokertopicmetrics_messagesin_total: 900,
      'kafka_server_brokertopicmetrics_messagesin_total{topic="tides"}': 600,
      kafka_server_replicamanager_partitioncount: 3,
      kafka_server_replicamanager_leadercount: 2,
      kafka_controller_kafkacontroller_offlinepartitionscount: 1,
      'kafka_topic_partition_current_offset{topic="tides",partition="1"}': 105,
      'kafka_topic_partition_leader{topic="tides",partition="2"}': -1,
      'kafka_server_raftmetrics_current_state{current_state="leader"}': 1,
      kafka_server_raftmetrics_high_watermark: 8,
      kafka_server_raftmetrics_commit_latency_avg: 500,
      kafka_controller_controllerstats_uncleanleaderelections_total: 1,
      kafka_controller_kafkacontroller_activecontrollercount: 1,
      'tidemark_replication_lag_records{topic="tides",partition="1",broker="1"}': 11,
      'tidemark_replication_lag_max_records{broker="1"}': 11,
      'tidemark_replication_lag_max_seconds{broker="2"}': 0,
      tidemark_raft_snapshot_bytes: 1234,
      'tidemark_connections{listener="GRPC"}': 4,
      'tidemark_refused_total{listener="GRPC",stage="produce",reason="CORRUPT_MESSAGE"}': 6,
      'tidemark_request_duration_seconds_bucket{api="Produce",listener="GRPC",le="1"}': 1,
      'tidemark_request_duration_seconds_bucket{api="Produce",listener="GRPC",le="10"}': 2,
      'tidemark_request_duration_seconds_bucket{api="Produce",listener="GRPC",le="+Inf"}': 3,
      'tidemark_request_duration_seconds_sum{api="Produce",listener="GRPC"}': 55.5,
      tidemark_raft_apply_lag_entries: 2,
      tidemark_damaged_partitions: 1,
      // Of the replica that is led elsewhere too.
      tidemark_log_bytes: 3000,
      tidemark_segment_count: 6,
      'kafka_log_log_size{topic="tides",partition="2"}': 1000,
      'tidemark_partition_segments{topic="tides",partition="2"}': 2,
      tidemark_disk_free_bytes: 5e9,
      process_cpu_seconds_total: 2,
    });
    expect(values.has('kafka_topic_partition_current_offset{topic="tides",partition="2"}'), "not led here").to.equal(
      false,
    );
  });

  it("leave series of single partitions to the detail where there are many, and say so", async () => {
    const many = metricsOf({ summaryPartitionsMax: 2 });
    const summary = parseMetrics((await many.render("summary")).body.toString());
    expect([...summary.keys()].filter((series) => series.includes("partition="))).to.deep.equal([]);
    expect(summary.get("tidemark_metrics_partitions_omitted")).to.equal(3);
    const detail = parseMetrics((await many.render("detail")).body.toString());
    expect(detail.has('kafka_topic_partition_current_offset{topic="tides",partition="0"}')).to.equal(true);
    const few = parseMetrics((await metricsOf({ summaryPartitionsMax: 3 }).render("summary")).body.toString());
    expect(few.has('kafka_topic_partition_current_offset{topic="tides",partition="0"}')).to.equal(true);
    expect(few.get("tidemark_metrics_partitions_omitted")).to.equal(0);
  });

  it("leave out what nobody can tell", async () => {
    const { body } = await metricsOf({ diskFreeBytes: () => null, syncDurations: () => null, raft: () => null }).render(
      "detail",
    );
    const names = [...parseFamilies(body.toString()).keys()];
    expect(names.filter((name) => /disk_free|fsync|raft/.test(name))).to.deep.equal([]);
  });

  it("escape labels and show at each scrape what is then there", async () => {
    const rows: (readonly [number, string])[] = [];
    const metrics = metricsOf({}, [familyOf(() => rows)]);
    rows.push([-1.5, 'a"b\\c\nd'], [2 ** 70, "x"], [Number.POSITIVE_INFINITY, "y"]);
    const { contentType, body } = await metrics.render("summary");
    expect(contentType).to.equal("text/plain; version=0.0.4; charset=utf-8");
    expect(body.toString()).to.equal(
      '# HELP tidemark_level Level.\n# TYPE tidemark_level gauge\ntidemark_level{place="a\\"b\\\\c\\nd"} -1.5\n' +
        'tidemark_level{place="x"} 1.1805916207174113e+21\ntidemark_level{place="y"} +Inf\n',
    );
    rows.length = 0;
    expect((await metrics.render("summary")).body.toString()).to.equal("");
  });

  it("let the event loop go between slices of thousands of partitions, and show them as they were at the start", async () => {
    const partitions = Array.from({ length: 5000 }, (_, number) => partition("many", number));
    let turns = 0;
    let isDone = false;
    const count = (): void => {
      turns += 1;
      // A partition that comes in the middle belongs to the next scrape.
      partitions.push(partition("many", partitions.length));
      if (!isDone) setImmediate(count);
    };
    const rendering = metricsOf({ partitions: () => [...partitions] }).render("detail");
    setImmediate(count);
    const families = parseFamilies((await rendering).body.toString());
    isDone = true;
    expect(turns).to.be.above(1);
    expect(families.get("kafka_log_log_size")?.series.size).to.equal(5000);
    expect(families.get("tidemark_isr_size")?.series.size).to.equal(5000);
  });

  it("make one answer for those who ask at the same time", async () => {
    let asked = 0;
    const metrics = metricsOf({
      topics: () => {
        asked += 1;
        return [];
      },
    });
    const [one, other] = await Promise.all([metrics.render("summary"), metrics.render("summary")]);
    expect(one).to.equal(other);
    expect(asked).to.equal(1);
    await metrics.render("summary");
    expect(asked).to.equal(2);
  });

  it("load prom-client at the first scrape, not before", () => {
    // In a process of its own: in this one another test may have loaded it.
    const script = `
      import { createRequire } from "node:module";
      const { nodeMetricsText } = await import(process.argv[1]);
      const require = createRequire(process.argv[1]);
      const isLoaded = () => require.resolve("prom-client") in require.cache;
      const before = isLoaded();
      await nodeMetricsText();
      console.log(JSON.stringify({ before, after: isLoaded() }));
    `;
    const module = new URL("../../../src/platform/index.js", import.meta.url).href;
    const printed = execFileSync(process.execPath, ["--input-type=module", "--eval", script, module], {
      encoding: "utf8",
    });
    expect(JSON.parse(printed)).to.deep.equal({ before: false, after: true });
  });

  it("are joined by prom-client's of the process, none of them twice", async () => {
    const own = (await metricsOf().render("detail")).body.toString();
    const [text] = await Promise.all([nodeMetricsText(), nodeMetricsText()]);
    const families = parseFamilies(own + text);
    expect([...families.keys()]).to.include.members(["process_resident_memory_bytes", "nodejs_gc_duration_seconds"]);
    expect([...families.keys()].filter((name) => name.startsWith("nodejs_eventloop"))).to.deep.equal([]);
  });
});
