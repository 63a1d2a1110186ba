import type { ConfigEntry, TopicDescription } from "@tidemark/client";
import { expect } from "chai";
import { CliFailure } from "../../src/failure.ts";
import { type GlobalFlags, parseOutput, ROW_OUTPUTS } from "../../src/global-flags.ts";
import { configShape, explainShape, renderExplanation } from "../../src/output/config-views.ts";
import { type Column, renderRows } from "../../src/output/rows.ts";
import { renderCluster, renderLoad } from "../../src/output/top-view.ts";
import { printDescriptions, SUMMARY_COLUMNS, summaryShape } from "../../src/output/topic-views.ts";
import { loadBetween, lookAtMetrics, type SourceLoad } from "../../src/records/broker-load.ts";
import { parseMetrics } from "../../src/records/metrics-text.ts";
import { testContext, textOf } from "../support/context.ts";
import { expectGolden } from "../support/golden.ts";

const setting = (name: string, value: string | null, source: ConfigEntry["source"]): ConfigEntry => ({
  name,
  value,
  source,
  sensitive: value === null,
  readOnly: false,
  doc: "How long records are kept.",
  type: "long",
  updateMode: "topic",
  synonyms: [
    { name, value, source },
    { name: "log.retention.ms", value: "604800000", source: "default" },
  ],
});

function partition(
  number: number,
  offsets: readonly [start: number, end: number],
  over: Partial<TopicDescription["detail"][number]> = {},
): TopicDescription["detail"][number] {
  const [start, end] = offsets;
  return {
    partition: number,
    leader: 1,
    leaderEpoch: 3,
    replicas: [1],
    isr: [1],
    elr: [],
    lastIsr: [{ broker: 1, directoryId: "CCCCCCCCCCCCCCCCCCCCCC" }],
    minIsr: 1,
    recovering: false,
    adding: [],
    removing: [],
    damaged: [],
    start,
    highWatermark: end,
    lastStable: end,
    end,
    bytes: end - start,
    troubles: [],
    ...over,
  };
}

const TOPICS: TopicDescription[] = [
  {
    name: "orders",
    id: "AAAAAAAAAAAAAAAAAAAAAA",
    partitions: 2,
    replicas: 1,
    internal: false,
    bytes: 1_536,
    config: [setting("retention.ms", "86400000", "topic"), setting("segment.bytes", "1073741824", "default")],
    detail: [
      partition(0, [5, 1_205]),
      partition(1, [-1, -1], { leader: null, isr: [], troubles: ["leaderless", "under-min-isr", "under-replicated"] }),
    ],
  },
  {
    name: 'odd, "quoted"',
    id: "BBBBBBBBBBBBBBBBBBBBBB",
    partitions: 1,
    replicas: 1,
    internal: true,
    bytes: 0,
    config: [],
    detail: [partition(0, [0, 0])],
  },
];

function flags(text: string | null, more: Partial<GlobalFlags> = {}): GlobalFlags {
  const { format, template } = text === null ? { format: null, template: "" } : parseOutput(text);
  return { ...testContext().flags, output: format, template, ...more };
}

const TEMPLATE = "template={name}: {partitions}\\t{{{bytes}}";
const asFlag = (format: string): string => (format === "template" ? TEMPLATE : format);

describe("views", () => {
  for (const format of ROW_OUTPUTS) {
    it(`show a list of topics as ${format}`, () => {
      const text = renderRows(flags(asFlag(format)), TOPICS.map(summaryShape), SUMMARY_COLUMNS, true);
      expectGolden(`views/topics-list.${format}`, text);
    });
  }

  for (const format of ["table", "wide", "json", "yaml", "csv", "name"]) {
    it(`show the description of topics as ${format}`, () => {
      const context = testContext({ flags: flags(format) });
      printDescriptions(context, TOPICS);
      expectGolden(`views/topics-describe.${format}`, textOf(context.stdout));
    });
  }

  it("show a setting with all its layers", () => {
    const entry = setting("retention.ms", "86400000", "topic");
    expectGolden("views/config-explain.table", renderExplanation("topic/orders", entry));
    const secret = { ...setting("ssl.key", null, "static"), synonyms: [] };
    expect(renderExplanation("broker/1", secret)).to.include("ssl.key of broker/1: [secret] (static)");
    expectGolden("views/config.json", `${JSON.stringify([configShape(entry), explainShape(entry)], null, 2)}\n`);
  });

  it("show what a broker does, cut to the width of the terminal, and as JSON with stable keys", () => {
    const at = (seconds: number, factor: number): string => `
tidemark_build_info{version="1.2.3",node="v20"} 1
kafka_server_brokertopicmetrics_messagesin_total ${1_000 * factor}
kafka_server_brokertopicmetrics_bytesin_total{topic="a"} ${10_000 * factor}
kafka_server_brokertopicmetrics_bytesin_total{topic="b"} ${10_000 * factor}
process_start_time_seconds ${1_772_366_400 - 3_700}
process_cpu_seconds_total ${seconds / 2}
tidemark_connections{listener="GRPC"} 3
kafka_controller_kafkacontroller_activecontrollercount 1
kafka_controller_kafkacontroller_offlinepartitionscount 2
kafka_server_replicamanager_leadercount 7
kafka_server_replicamanager_underreplicatedpartitions 5
tidemark_replication_lag_max_records{broker="2"} 0
tidemark_replication_lag_max_records{broker="3"} ${20_000 * factor}
kafka_topic_partition_current_offset{topic="a",partition="0"} ${500 * factor}
kafka_topic_partition_current_offset{topic="b",partition="1"} ${100 * factor}
kafka_log_log_size{topic="a",partition="0"} ${5_000 * factor}
kafka_log_log_size{topic="b",partition="1"} ${7_000 * factor}
kafka_network_socketserver_networkprocessoravgidle_percent 0.75
tidemark_event_loop_delay_seconds_bucket{le="0.01"} ${90 * factor}
tidemark_event_loop_delay_seconds_bucket{le="0.025"} ${100 * factor}
tidemark_event_loop_delay_seconds_bucket{le="+Inf"} ${100 * factor}
not a sample
`;
    const first = lookAtMetrics(parseMetrics(at(0, 1)), 1_772_366_400_000);
    const second = lookAtMetrics(parseMetrics(at(2, 3)), 1_772_366_402_000);
    const load = loadBetween(first, second, 10);
    expectGolden("views/top.json", `${JSON.stringify(load, null, 2)}\n`);
    expectGolden("views/top.table", renderLoad(load, { source: "127.0.0.1:9292", missing: null, columns: 200 }));
    const narrow = renderLoad(load, { source: "127.0.0.1:9292", missing: "no metrics", columns: 40 });
    for (const line of narrow.split("\n")) expect(line.length).to.be.at.most(40);
    expect(loadBetween(second, first, 1)).to.deep.include({ recordsIn: 0, bytesIn: 0 });

    const of = (id: number, found: typeof load | null): SourceLoad => {
      return { id, name: `127.0.0.1:${9291 + id}`, missing: null, load: found };
    };
    const cluster = [of(1, load), of(2, loadBetween(first, first, 10)), of(3, null)];
    expectGolden("views/top-cluster.table", renderCluster(cluster, { rows: 10, columns: 200 }));
    // Of what a narrow terminal has no room for the columns that are missed least are left out, and none is cut.
    const titlesAt = (columns: number): string[] | undefined =>
      renderCluster(cluster, { rows: 10, columns })
        .split("\n")
        .find((line) => line.startsWith("BROKER"))
        ?.split(/ {2,}/u);
    const at80 = ["BROKER", "IN/S", "BYTES IN/S", "BYTES OUT/S", "LEADS", "LAG", "LOG", "CPU", "MEMORY", "BUSY"];
    expect(titlesAt(80)).to.deep.equal(at80);
    expect(titlesAt(60)).to.deep.equal(["BROKER", "IN/S", "BYTES IN/S", "BYTES OUT/S", "LEADS", "LAG", "CPU"]);
  });
});

describe("columns and templates", () => {
  const rows = [{ a: 1, b: { c: [true] } }];
  const columns: readonly Column<{ a: number }>[] = [
    { title: "a", cell: (row) => row.a },
    { title: "twice", cell: (row) => row.a * 2, isWide: true },
  ];

  it("picks and orders columns, wide ones among them", () => {
    expect(renderRows(flags("table", { columns: ["TWICE", "a"] }), rows, columns, false)).to.equal(
      "TWICE  A\n    2  1\n",
    );
  });

  it("refuses a column that is not there, and --columns where there are none", () => {
    expect(() => renderRows(flags("csv", { columns: ["b"] }), rows, columns, false)).to.throw(
      CliFailure,
      "no column b",
    );
    expect(() => renderRows(flags("json", { columns: ["a"] }), rows, columns, false)).to.throw(CliFailure, "--columns");
  });

  it("reaches into objects, and names what there is", () => {
    expect(renderRows(flags("template={b.c.0}!"), rows, columns, false)).to.equal("true!\n");
    expect(() => renderRows(flags("template={b.d}"), rows, columns, false)).to.throw(CliFailure, "there is no d");
    expect(() => renderRows(flags("template={__proto__}"), rows, columns, false)).to.throw(CliFailure);
  });

  it("refuses raw for what is no record", () => {
    expect(() => renderRows(flags("raw"), rows, columns, false)).to.throw(CliFailure, "-o raw");
    expect(() => parseOutput("tabel")).to.throw(CliFailure, "expected table");
    expect(() => parseOutput("template")).to.throw(CliFailure, "template");
    expect(() => parseOutput("json={a}")).to.throw(CliFailure);
  });
});
