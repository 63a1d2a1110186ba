import { execFileSync } from "node:child_process";

import { expect } from "chai";

import type { MetricRow, MetricsSource } from "../../src/ports/index.ts";
import { BrokerMetrics, type BrokerNumbers, type PartitionNumbers } from "../../src/platform/broker-metrics.ts";
import { Metrics } from "../../src/platform/metrics.ts";

/** The samples of a rendered text, by name and labels. */
function samples(body: string): Map<string, number> {
  const lines = body.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ") + 1))]),
  );
}

function sourceOf(...rows: MetricRow[]): MetricsSource {
  return { collect: () => rows };
}

function partition(topic: string, number: number, isLeader = true): PartitionNumbers {
  return { topic, partition: number, isLeader, logStartOffset: 5, highWatermark: 105, sizeBytes: 1000 };
}

const numbers: BrokerNumbers = {
  version: "0.1.0",
  nodeVersion: "v20.19.0",
  totals: () => ({
    produceRequests: 10,
    produceRequestsFailed: 1,
    batchesIn: 9,
    recordsIn: 900,
    bytesIn: 9_000_000_000,
    duplicatesIn: 2,
    fetchMessages: 7,
    fetchErrors: 3,
    bytesOut: 8000,
  }),
  topics: () => [{ topic: "tides", partitionsCount: 3 }],
  partitions: () => [partition("tides", 0), partition("tides", 1), partition("tides", 2, false)],
  brokersCount: () => 1,
  connections: () => [
    ["GRPC", 4],
    ["HTTP", 1],
  ],
  syncs: () => ({ count: 12, seconds: 0.5 }),
  diskFreeBytes: () => 5e9,
  isDiskFull: () => false,
  isMetadataSuspended: () => false,
  offlineLogDirectoriesCount: () => 0,
};

describe("metrics", function () {
  this.timeout(10_000);

  it("loads prom-client at the first scrape, not before", () => {
    // In a process of its own: in this one another test may have loaded it.
    const script = `
      import { createRequire } from "node:module";
      const { Metrics } = await import(process.argv[1]);
      const require = createRequire(process.argv[1]);
      const isLoaded = () => require.resolve("prom-client") in require.cache;
      const metrics = new Metrics([]);
      const before = isLoaded();
      await metrics.render("summary");
      console.log(JSON.stringify({ before, after: isLoaded() }));
    `;
    const module = new URL("../../src/platform/metrics.js", import.meta.url).href;
    const printed = execFileSync(process.execPath, ["--input-type=module", "--eval", script, module], {
      encoding: "utf8",
    });
    expect(JSON.parse(printed)).to.deep.equal({ before: false, after: true });
  });

  it("renders rows of several sources, escaping their labels", async () => {
    const counter = { name: "tidemark_seen_total", help: "Seen.", type: "counter", labels: {}, value: 3 } as const;
    const gauge = { name: "tidemark_level", help: "Level.", type: "gauge" } as const;
    const metrics = new Metrics([
      sourceOf(counter, { ...gauge, labels: { place: 'a"b\\c\nd' }, value: -1.5 }),
      sourceOf({ ...gauge, labels: { place: "x" }, value: 2 ** 40 }),
    ]);
    const { contentType, body } = await metrics.render("summary");
    expect(contentType).to.equal("text/plain; version=0.0.4; charset=utf-8");
    expect(body).to.contain(
      "# HELP tidemark_seen_total Seen.\n# TYPE tidemark_seen_total counter\ntidemark_seen_total 3\n",
    );
    expect(body).to.contain('tidemark_level{place="a\\"b\\\\c\\nd"} -1.5\n');
    expect(samples(body).get('tidemark_level{place="x"}')).to.equal(2 ** 40);
    expect(body.match(/# TYPE tidemark_level gauge/g)).to.have.length(1);
  });

  it("shows at each scrape what is then there", async () => {
    const rows: MetricRow[] = [];
    const metrics = new Metrics([{ collect: () => rows }]);
    rows.push({ name: "tidemark_level", help: "Level.", type: "gauge", labels: { topic: "a" }, value: 1 });
    expect((await metrics.render("summary")).body).to.contain('tidemark_level{topic="a"} 1');
    rows.length = 0;
    expect((await metrics.render("summary")).body).not.to.contain("tidemark_level");
  });

  it("has the process and the delay of its event loop, which it names only when it was measured", async () => {
    await new Metrics([]).render("summary");
    // A scrape forgets what the sampler saw last; two of its intervals later it has a mark again to measure from.
    await new Promise((resolve) => setTimeout(resolve, 45));
    // Blocks the loop for longer than the sampler's interval, then lets the sampler notice.
    for (const end = performance.now() + 120; performance.now() < end; );
    await new Promise((resolve) => setTimeout(resolve, 30));
    const values = samples((await new Metrics([]).render("summary")).body);
    expect(values.get("process_resident_memory_bytes")).to.be.above(10 << 20);
    expect(values.get('tidemark_event_loop_delay_seconds{quantile="1"}')).to.be.within(0.05, 5);
    const soonAfter = samples((await new Metrics([]).render("summary")).body);
    for (const [name, value] of soonAfter) if (name.includes("delay")) expect(value).to.be.within(0, 5);
  });

  it("keeps one set of process metrics for all brokers of the process", async () => {
    const [one, other] = await Promise.all([new Metrics([]).render("summary"), new Metrics([]).render("detail")]);
    for (const { body } of [one, other]) expect(body.match(/# TYPE process_cpu_seconds_total /g)).to.have.length(1);
  });

  it("rejects rows that contradict each other", async () => {
    const gauge = { name: "tidemark_level", help: "Level.", type: "gauge", value: 1 } as const;
    const metrics = new Metrics([sourceOf({ ...gauge, labels: { a: "1" } }, { ...gauge, labels: { b: "1" } })]);
    const error = await metrics.render("summary").then(
      () => null,
      (reason: unknown) => reason,
    );
    expect(error).to.be.instanceOf(Error);
  });
});

describe("broker metrics", () => {
  it("publishes the totals under the names of existing dashboards", async () => {
    const values = samples((await new Metrics([new BrokerMetrics(numbers)]).render("summary")).body);
    expect(values.get('tidemark_build_info{version="0.1.0",node="v20.19.0"}')).to.equal(1);
    expect(values.get("kafka_server_brokertopicmetrics_bytesin_total")).to.equal(9_000_000_000);
    expect(values.get("kafka_server_brokertopicmetrics_messagesin_total")).to.equal(900);
    expect(values.get("kafka_server_brokertopicmetrics_failedproducerequests_total")).to.equal(1);
    expect(values.get("kafka_server_replicamanager_partitioncount")).to.equal(3);
    expect(values.get("kafka_server_replicamanager_leadercount")).to.equal(2);
    expect(values.get('kafka_topic_partitions{topic="tides"}')).to.equal(3);
    expect(values.get('tidemark_connections{listener="GRPC"}')).to.equal(4);
    expect(values.get("tidemark_fsync_duration_seconds_sum")).to.equal(0.5);
    expect(values.get("tidemark_disk_free_bytes")).to.equal(5e9);
    expect(values.get("tidemark_log_bytes")).to.equal(3000);
  });

  it("has series per partition in the detail only, offsets where it leads", () => {
    const names = (scope: "summary" | "detail"): string[] =>
      [...new BrokerMetrics(numbers).collect(scope)]
        .filter((row) => row.labels["partition"] !== undefined)
        .map((row) => `${row.name} ${row.labels["partition"]} ${row.value}`);
    expect(names("summary")).to.deep.equal([]);
    expect(names("detail")).to.deep.equal([
      "kafka_log_log_size 0 1000",
      "kafka_topic_partition_current_offset 0 105",
      "kafka_topic_partition_oldest_offset 0 5",
      "kafka_log_log_size 1 1000",
      "kafka_topic_partition_current_offset 1 105",
      "kafka_topic_partition_oldest_offset 1 5",
      "kafka_log_log_size 2 1000",
    ]);
  });

  it("leaves out what nobody measures", () => {
    const rows = new BrokerMetrics({ ...numbers, diskFreeBytes: () => null, syncs: () => null }).collect("summary");
    expect([...rows].filter((row) => /disk_free|fsync/.test(row.name))).to.deep.equal([]);
  });
});
