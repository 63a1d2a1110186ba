/**
 * The dashboard that comes with the program, for Grafana 10 and later. Data: `generate grafana` and the file in the repository are made
 * from it, and tests hold every expression against what a cluster really publishes. It goes by `/metrics`, and by `/metrics/detail`
 * just as well. Pure.
 */
export interface Panel {
  readonly title: string;
  readonly kind: "stat" | "timeseries";
  /** As Grafana names it. */
  readonly unit: "short" | "s" | "bytes" | "Bps" | "percentunit" | "reqps" | "cps";
  readonly queries: readonly (readonly [expr: string, legend: string])[];
  /** From here on a stat is red; below it green. */
  readonly redFrom?: number;
}

const quantile = (share: number, bucket: string, by: string): string =>
  `histogram_quantile(${share}, sum by (${by}, le) (rate(${bucket}[5m])))`;
/** The one of the broker; those of single topics have that label. */
const traffic = (name: string): string =>
  `sum by (instance) (rate(kafka_server_brokertopicmetrics_${name}_total{topic=""}[5m]))`;

export const PANELS: readonly Panel[] = [
  { title: "Brokers up", kind: "stat", unit: "short", queries: [['sum(up{job="tidemark"})', ""]] },
  {
    title: "Active controllers",
    kind: "stat",
    unit: "short",
    queries: [["sum(kafka_controller_kafkacontroller_activecontrollercount)", ""]],
  },
  {
    title: "Offline partitions",
    kind: "stat",
    unit: "short",
    redFrom: 1,
    queries: [["sum(kafka_controller_kafkacontroller_offlinepartitionscount)", ""]],
  },
  {
    title: "Under min ISR",
    kind: "stat",
    unit: "short",
    redFrom: 1,
    queries: [["sum(kafka_server_replicamanager_underminisrpartitioncount)", ""]],
  },
  {
    title: "Under-replicated",
    kind: "stat",
    unit: "short",
    redFrom: 1,
    queries: [["sum(kafka_server_replicamanager_underreplicatedpartitions)", ""]],
  },
  {
    title: "Partitions",
    kind: "stat",
    unit: "short",
    queries: [["sum(kafka_controller_kafkacontroller_globalpartitioncount)", ""]],
  },
  { title: "Records in", kind: "timeseries", unit: "cps", queries: [[traffic("messagesin"), "{{instance}}"]] },
  {
    title: "Bytes in and out",
    kind: "timeseries",
    unit: "Bps",
    queries: [
      [traffic("bytesin"), "in {{instance}}"],
      [traffic("bytesout"), "out {{instance}}"],
    ],
  },
  {
    title: "Requests, p99",
    kind: "timeseries",
    unit: "s",
    queries: [[quantile(0.99, "tidemark_request_duration_seconds_bucket", "api"), "{{api}}"]],
  },
  {
    title: "Failed requests and refusals",
    kind: "timeseries",
    unit: "reqps",
    queries: [
      [traffic("failedproducerequests"), "produce {{instance}}"],
      [traffic("failedfetchrequests"), "fetch {{instance}}"],
    ],
  },
  {
    title: "Replication lag, records",
    kind: "timeseries",
    unit: "short",
    queries: [["tidemark_replication_lag_max_records", "broker {{broker}} behind {{instance}}"]],
  },
  {
    title: "ISR changes in 5 minutes",
    kind: "timeseries",
    unit: "short",
    queries: [["sum by (change) (increase(tidemark_isr_changes_total[5m]))", "{{change}}"]],
  },
  {
    title: "Partitions led",
    kind: "timeseries",
    unit: "short",
    queries: [["kafka_server_replicamanager_leadercount", "{{instance}}"]],
  },
  {
    title: "Syncs of the log, p99",
    kind: "timeseries",
    unit: "s",
    queries: [[quantile(0.99, "tidemark_fsync_duration_seconds_bucket", "instance"), "{{instance}}"]],
  },
  {
    title: "Event loop delay, p99",
    kind: "timeseries",
    unit: "s",
    queries: [[quantile(0.99, "tidemark_event_loop_delay_seconds_bucket", "instance"), "{{instance}}"]],
  },
  {
    title: "CPU",
    kind: "timeseries",
    unit: "percentunit",
    queries: [["rate(process_cpu_seconds_total[5m])", "{{instance}}"]],
  },
  {
    title: "Memory",
    kind: "timeseries",
    unit: "bytes",
    queries: [["process_resident_memory_bytes", "{{instance}}"]],
  },
  {
    title: "Disk free",
    kind: "timeseries",
    unit: "percentunit",
    queries: [["tidemark_disk_free_bytes / tidemark_disk_total_bytes", "{{instance}}"]],
  },
  { title: "Log", kind: "timeseries", unit: "bytes", queries: [["tidemark_log_bytes", "{{instance}}"]] },
  {
    title: "Connections",
    kind: "timeseries",
    unit: "short",
    queries: [["tidemark_connections", "{{instance}} {{listener}}"]],
  },
  {
    title: "Metadata: commits, p99",
    kind: "timeseries",
    unit: "s",
    queries: [[quantile(0.99, "tidemark_raft_commit_duration_seconds_bucket", "instance"), "{{instance}}"]],
  },
  {
    title: "Metadata: leaders begun in 5 minutes",
    kind: "timeseries",
    unit: "short",
    queries: [["increase(tidemark_raft_leader_changes_total[5m])", "{{instance}}"]],
  },
];

/** Of Grafana's 24 columns. */
const WIDTH = { stat: 4, timeseries: 8 } as const;
const HEIGHT = { stat: 4, timeseries: 8 } as const;
const COLUMNS = 24;

/** @returns the whole file, with its final LF */
export function dashboardFile(): string {
  const dashboard = {
    uid: "tidemark-cluster",
    title: "Tidemark cluster",
    tags: ["tidemark"],
    schemaVersion: 39,
    timezone: "browser",
    refresh: "30s",
    time: { from: "now-1h", to: "now" },
    templating: { list: [{ name: "datasource", label: "Data source", type: "datasource", query: "prometheus" }] },
    panels: placed(),
  };
  return `${JSON.stringify(dashboard, null, 2)}\n`;
}

function placed(): object[] {
  let [x, y] = [0, 0];
  let rowHeight = 0;
  return PANELS.map(({ title, kind, unit, queries, redFrom }, slot) => {
    if (x + WIDTH[kind] > COLUMNS) [x, y] = [0, y + rowHeight];
    const gridPos = { h: HEIGHT[kind], w: WIDTH[kind], x, y };
    x += WIDTH[kind];
    rowHeight = HEIGHT[kind];
    const steps = [
      { color: "green", value: null },
      ...(redFrom === undefined ? [] : [{ color: "red", value: redFrom }]),
    ];
    return {
      id: slot + 1,
      title,
      type: kind,
      datasource: { type: "prometheus", uid: "${datasource}" },
      gridPos,
      fieldConfig: { defaults: { unit, thresholds: { mode: "absolute", steps } }, overrides: [] },
      targets: queries.map(([expr, legendFormat], query) => ({
        refId: String.fromCharCode(65 + query),
        expr,
        legendFormat,
      })),
    };
  });
}
