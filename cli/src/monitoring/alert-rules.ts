/**
 * The alerts that come with the program (client-and-cli 5(6)), as Prometheus rules. Data: the file in the repository and `generate alerts`
 * are made from it, and tests hold every expression against what a cluster really publishes. All of them go by `/metrics`; none needs the
 * series of single partitions.
 *
 * What the cluster has once is published by its controller alone, so `sum` is over one value; what brokers count is summed over them.
 */
import { createRequire } from "node:module";
import type * as Yaml from "yaml";

export interface AlertRule {
  readonly alert: string;
  /** PromQL. */
  readonly expr: string;
  /** How long it must hold. */
  readonly for: string;
  readonly severity: "critical" | "warning";
  readonly summary: string;
  /** What it means, and what to do first. */
  readonly description: string;
}

export const ALERT_RULES: readonly AlertRule[] = [
  {
    alert: "TidemarkBrokerDown",
    expr: 'up{job="tidemark"} == 0',
    for: "1m",
    severity: "critical",
    summary: "{{ $labels.instance }} is not scraped",
    description:
      "The broker, or its HTTP door, does not answer. `tidemark cluster brokers` says whether the cluster misses it.",
  },
  {
    alert: "TidemarkOfflinePartitions",
    expr: "sum(kafka_controller_kafkacontroller_offlinepartitionscount) > 0",
    for: "30s",
    severity: "critical",
    summary: "{{ $value }} partitions have no leader",
    description:
      "Nobody reads or writes them. `tidemark partitions list --unhealthy` names them, `tidemark explain isr TOPIC:PARTITION` says whom they wait for.",
  },
  {
    alert: "TidemarkNotOneController",
    expr: "sum(kafka_controller_kafkacontroller_activecontrollercount) != 1",
    for: "30s",
    severity: "critical",
    summary: "{{ $value }} brokers decide on the metadata instead of one",
    description:
      "None: no leader is chosen and no topic made until a majority of the voters is back. `tidemark raft status` says who is missing.",
  },
  {
    alert: "TidemarkNoRaftLeader",
    expr: "kafka_server_raftmetrics_current_leader < 0",
    for: "5s",
    severity: "critical",
    summary: "{{ $labels.instance }} knows no leader of the metadata log",
    description: "It is cut off, or the voters have no majority. `tidemark raft status` asks all of them.",
  },
  {
    alert: "TidemarkUnderMinIsr",
    expr: "sum(kafka_server_replicamanager_underminisrpartitioncount) > 0",
    for: "30s",
    severity: "critical",
    summary: "{{ $value }} partitions have fewer replicas in sync than min.insync.replicas",
    description:
      "acks=all is refused there. `tidemark partitions list --unhealthy` and `tidemark cluster events --since 15m` say since when.",
  },
  {
    alert: "TidemarkUnderReplicatedPartitions",
    expr: "sum(kafka_server_replicamanager_underreplicatedpartitions) > 0",
    for: "5m",
    severity: "warning",
    summary: "{{ $value }} partitions have a replica that is not in sync",
    description:
      "One more failure may be one too many. `tidemark cluster events --since 15m` says what took it out of sync.",
  },
  {
    alert: "TidemarkUncleanElection",
    expr: "increase(kafka_controller_controllerstats_uncleanleaderelections_total[15m]) > 0",
    for: "0s",
    severity: "critical",
    summary: "A leader was chosen that may lack acknowledged records",
    description: "An operator let it lead. `tidemark cluster events --since 1h` names the partitions.",
  },
  {
    alert: "TidemarkOfflineLogDirectory",
    expr: "kafka_log_logmanager_offlinelogdirectorycount > 0",
    for: "0s",
    severity: "critical",
    summary: "A log directory of {{ $labels.instance }} failed",
    description:
      "The broker serves nothing from it. Its log says what the disk refused; docs/operations.md says how a disk is replaced.",
  },
  {
    alert: "TidemarkDamagedReplicas",
    expr: "tidemark_damaged_replicas > 0",
    for: "15m",
    severity: "warning",
    summary: "{{ $value }} replicas on {{ $labels.instance }} have bad bytes on disk",
    description:
      "They are filled again from their leaders where there is another copy. `tidemark logs verify` says what is wrong.",
  },
  {
    alert: "TidemarkReplicationLagGrows",
    expr: "tidemark_replication_lag_max_seconds > 30 and deriv(tidemark_replication_lag_max_records[10m]) > 0",
    for: "10m",
    severity: "warning",
    summary: "Broker {{ $labels.broker }} falls further behind {{ $labels.instance }}",
    description:
      "It takes over less than producers write: look at its disk, its CPU, the network, and at a replication throttle.",
  },
  {
    alert: "TidemarkDiskSpaceLow",
    expr: "tidemark_disk_free_bytes / tidemark_disk_total_bytes < 0.15",
    for: "5m",
    severity: "warning",
    summary: "{{ $labels.instance }} has {{ $value | humanizePercentage }} of its disk left",
    description:
      "With the last of it appends are refused. Lower retention.ms or retention.bytes, move partitions, or add a disk.",
  },
  {
    alert: "TidemarkDiskFull",
    expr: "tidemark_disk_full > 0 or tidemark_metadata_suspended > 0",
    for: "0s",
    severity: "critical",
    summary: "{{ $labels.instance }} refuses writes for want of space",
    description: "It goes on by itself when there is room again. Truncate or delete topics, or free space beside them.",
  },
  {
    alert: "TidemarkSlowFsync",
    expr: "histogram_quantile(0.99, sum by (instance, le) (rate(tidemark_fsync_duration_seconds_bucket[5m]))) > 0.1",
    for: "5m",
    severity: "warning",
    summary: "One in a hundred syncs of {{ $labels.instance }} takes {{ $value | humanizeDuration }}",
    description:
      "Whoever waits for synced acknowledgements waits for that. `tidemark doctor` measures the disk by itself.",
  },
  {
    alert: "TidemarkEventLoopSlow",
    expr: "histogram_quantile(0.99, sum by (instance, le) (rate(tidemark_event_loop_delay_seconds_bucket[5m]))) > 0.2",
    for: "5m",
    severity: "warning",
    summary: "The event loop of {{ $labels.instance }} is held up for {{ $value | humanizeDuration }}",
    description:
      "It has too little CPU, or too much work. Its log says which requests were slow; /debug/cpu shows why.",
  },
];

const HEAD = `# Alerts of a Tidemark cluster, for \`rule_files\` of Prometheus. They expect /metrics of every broker under one job, "tidemark".
#
# Written by \`tidemark generate alerts\`.

`;

/** @returns the whole file, with its final LF */
export function alertsFile(): string {
  const rules = ALERT_RULES.map(({ alert, expr, for: lasting, severity, summary, description }) => ({
    alert,
    expr,
    for: lasting,
    labels: { severity },
    annotations: { summary, description },
  }));
  return HEAD + yamlOf({ groups: [{ name: "tidemark", rules }] });
}

export function yamlOf(value: object): string {
  // Loaded here: few commands write it.
  const { stringify }: typeof Yaml = createRequire(import.meta.url)("yaml");
  return stringify(value, { lineWidth: 0 });
}
