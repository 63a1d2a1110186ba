/**
 * The alerts against what a cluster of three really publishes: every name and label of every expression is there; none fires while all
 * is well; each fires on its trouble. Troubles of brokers are real; those of disks and clocks are put into the numbers.
 */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { createBroker, createBrokerGroup } from "@tidemark/broker";
import { Client } from "@tidemark/client";
import { expect } from "chai";
import { parse } from "yaml";
import { ALERT_RULES, alertsFile } from "../../src/monitoring/alert-rules.ts";
import { dashboardFile, PANELS } from "../../src/monitoring/dashboard.ts";
import { JOB, scrapeConfig } from "../../src/monitoring/scrape-config.ts";
import { type Metrics, parseMetrics } from "../../src/records/metrics-text.ts";
import {
  durationMs,
  evaluate,
  groupLabelsOf,
  parsePromql,
  type Sample,
  type Scrape,
  selectorsOf,
} from "../support/promql.ts";

type Group = Awaited<ReturnType<typeof createBrokerGroup>>;

const root = resolve(import.meta.dirname, "../../../..");
/** What Prometheus adds to every series, and says of every target. */
const OWN_LABELS = ["job", "instance"];
const UP = "up";

/** One round of Prometheus over these doors; one that does not answer is down. */
async function scrape(doors: readonly string[], atMs: number): Promise<Scrape> {
  const series = new Map<string, Sample[]>([[UP, []]]);
  for (const instance of doors) {
    const metrics: Metrics | null = await fetch(`http://${instance}/metrics`).then(
      async (response) => parseMetrics(await response.text()),
      () => null,
    );
    const own = new Map([
      ["job", JOB],
      ["instance", instance],
    ]);
    series.get(UP)?.push({ labels: own, value: metrics === null ? 0 : 1 });
    for (const [name, samples] of metrics ?? []) {
      const all = series.get(name) ?? [];
      series.set(name, all);
      for (const { labels, value } of samples) all.push({ labels: new Map([...labels, ...own]), value });
    }
  }
  return { atMs, series };
}

/** The same numbers `afterMs` later, but for those that `change` changes. */
function later(
  scrapes: Scrape,
  afterMs: number,
  change: (name: string, sample: Sample) => number = (_, { value }) => value,
): Scrape {
  const series = [...scrapes.series].map(([name, samples]): [string, Sample[]] => [
    name,
    samples.map((sample) => ({ ...sample, value: change(name, sample) })),
  ]);
  return { atMs: scrapes.atMs + afterMs, series: new Map(series) };
}

function firing(...scrapes: Scrape[]): string[] {
  return ALERT_RULES.filter(({ expr }) => evaluate(parsePromql(expr), scrapes).length > 0).map(({ alert }) => alert);
}

describe("the alerts", () => {
  let group: Group;
  let client: Client;
  let doors: string[];
  let well: Scrape;

  before(async () => {
    group = await createBrokerGroup({
      count: 3,
      firstPeerPort: 0,
      make: ({ keys, peerListener, peerServer }) =>
        createBroker({
          memory: true,
          peerServer,
          config: {
            ...keys,
            listeners: `GRPC://127.0.0.1:0,HTTP://127.0.0.1:0,${peerListener}`,
            "broker.session.timeout.ms": "2000",
            "broker.heartbeat.interval.ms": "200",
            "log.level": "silent",
          },
        }),
    });
    await group.start();
    client = new Client({ brokers: group.bootstrap });
    doors = group.brokers.map(({ httpAddress }) => httpAddress);
    await client.admin.topics.create([
      { name: "whole", partitions: 3, replicas: 3, config: { "min.insync.replicas": "3" } },
      { name: "alone", assignment: [[3]] },
    ]);
    await client.admin.health();
    well = await scrape(doors, 0);
  });

  after(async () => {
    await client.close();
    await group.stop();
  });

  /** Scrapes until every one of these fires. */
  async function untilFiring(alerts: readonly string[]): Promise<string[]> {
    for (;;) {
      const found = firing(await scrape(doors, 0));
      if (alerts.every((alert) => found.includes(alert))) return found;
    }
  }

  it("are those of the file in the repository, as the other files are what generates them", () => {
    for (const [name, text] of [
      ["alerts.yml", alertsFile()],
      ["grafana.json", dashboardFile()],
    ] as const)
      expect(
        readFileSync(resolve(root, "monitoring", name), "utf8"),
        `npx tidemark generate … > monitoring/${name}`,
      ).to.equal(text);
  });

  it("have the form that Prometheus loads", () => {
    const file = parse(alertsFile()) as {
      groups: {
        name: string;
        rules: { alert: string; expr: string; for: string; labels: object; annotations: object }[];
      }[];
    };
    const rules = file.groups.flatMap((one) => one.rules);
    expect(rules.map(({ alert, expr }) => [alert, expr])).to.deep.equal(
      ALERT_RULES.map(({ alert, expr }) => [alert, expr]),
    );
    expect(new Set(rules.map(({ alert }) => alert)).size).to.equal(rules.length);
    for (const rule of rules) {
      expect(durationMs(rule.for)).to.be.at.least(0);
      expect(Object.keys(rule.labels)).to.deep.equal(["severity"]);
      expect(Object.keys(rule.annotations)).to.deep.equal(["summary", "description"]);
    }
  });

  it("name nothing that a cluster does not publish, and neither does the dashboard", () => {
    const shown = PANELS.flatMap(({ title, queries }) =>
      queries.map(([expr, legend]) => ({ alert: title, expr, summary: legend.replaceAll("{{", "{{ $labels.") })),
    );
    for (const { alert, expr, summary } of [...ALERT_RULES, ...shown]) {
      const expression = parsePromql(expr);
      const labels = new Set<string>(OWN_LABELS);
      for (const { name, matchers } of selectorsOf(expression)) {
        const samples = well.series.get(name) ?? [];
        expect(samples.length, `${alert}: ${name}`).to.be.at.least(1);
        for (const sample of samples) for (const label of sample.labels.keys()) labels.add(label);
        for (const [label, text] of matchers)
          if (text !== "") expect([...labels], `${alert}: ${label}`).to.include(label);
      }
      const used = [...summary.matchAll(/\$labels\.(\w+)/g)].map(([, label = ""]) => label);
      for (const label of [...groupLabelsOf(expression), ...used]) expect([...labels], alert).to.include(label);
    }
  });

  it("leave no panel empty where there is traffic of two moments", () => {
    const counted = later(well, 60_000, (name, { value }) => (/_(?:total|bucket)$/.test(name) ? value * 2 + 1 : value));
    for (const { title, queries } of PANELS) {
      for (const [expr] of queries) {
        expect(evaluate(parsePromql(expr), [well, counted]).length, `${title}: ${expr}`).to.be.at.least(1);
      }
    }
  });

  it("are silent while all is well", () => {
    expect(firing(well)).to.deep.equal([]);
    expect(firing(well, later(well, 60_000))).to.deep.equal([]);
  });

  it("fire on numbers of disks, logs and clocks that are bad", () => {
    const change = (changed: string, value: number): Scrape =>
      later(well, 60_000, (name, sample) => (name === changed ? value : sample.value));
    const total = well.series.get("tidemark_disk_total_bytes")?.[0]?.value ?? 0;
    expect(firing(well, change("tidemark_disk_free_bytes", total * 0.14))).to.deep.equal(["TidemarkDiskSpaceLow"]);
    expect(firing(well, change("tidemark_disk_full", 1))).to.deep.equal(["TidemarkDiskFull"]);
    expect(firing(well, change("tidemark_metadata_suspended", 1))).to.deep.equal(["TidemarkDiskFull"]);
    expect(firing(well, change("kafka_log_logmanager_offlinelogdirectorycount", 1))).to.deep.equal([
      "TidemarkOfflineLogDirectory",
    ]);
    expect(firing(well, change("tidemark_damaged_replicas", 2))).to.deep.equal(["TidemarkDamagedReplicas"]);
    expect(firing(well, change("kafka_controller_controllerstats_uncleanleaderelections_total", 1))).to.deep.equal([
      "TidemarkUncleanElection",
    ]);
    const lagging = later(well, 60_000, (name, { value }) =>
      name === "tidemark_replication_lag_max_seconds"
        ? 40
        : name === "tidemark_replication_lag_max_records"
          ? 500
          : value,
    );
    expect(firing(well, lagging)).to.deep.equal(["TidemarkReplicationLagGrows"]);
    expect(firing(lagging, later(lagging, 60_000)), "behind, and not further").to.deep.equal([]);
  });

  it("fire on a hundredth of syncs and timers that are late, and not on fewer", () => {
    const slow = (family: string, countAbove: number, bound: number): Scrape =>
      later(well, 60_000, (name, { labels, value }) => {
        if (name !== `${family}_bucket`) return value;
        const le = labels.get("le") === "+Inf" ? Number.POSITIVE_INFINITY : Number(labels.get("le"));
        return value + 1_000 - (le <= bound ? countAbove : 0);
      });
    for (const [family, bound, alert] of [
      ["tidemark_fsync_duration_seconds", 0.1, "TidemarkSlowFsync"],
      ["tidemark_event_loop_delay_seconds", 0.25, "TidemarkEventLoopSlow"],
    ] as const) {
      expect(firing(well, slow(family, 11, bound)), family).to.deep.equal([alert]);
      expect(firing(well, slow(family, 5, 0.05)), family).to.deep.equal([]);
    }
  });

  it("fire when a broker is gone, and others when a majority is", async () => {
    const [, second, third] = group.brokers;
    await third?.stop();
    const found = await untilFiring([
      "TidemarkBrokerDown",
      "TidemarkUnderReplicatedPartitions",
      "TidemarkUnderMinIsr",
      "TidemarkOfflinePartitions",
    ]);
    expect(found).not.to.include("TidemarkNoRaftLeader");
    expect(found).not.to.include("TidemarkNotOneController");
    await second?.stop();
    await untilFiring(["TidemarkNotOneController", "TidemarkNoRaftLeader"]);
  });
});

describe("the scrape configuration", () => {
  it("asks every door under the job that the alerts go by", () => {
    const text = scrapeConfig({ targets: ["a:1", "b:2"], isDetailed: false, rulesFile: "alerts.yml" });
    const config = parse(text) as {
      rule_files: string[];
      scrape_configs: { job_name: string; metrics_path: string; static_configs: { targets: string[] }[] }[];
    };
    expect(config.rule_files).to.deep.equal(["alerts.yml"]);
    expect(config.scrape_configs.map(({ job_name: job, metrics_path: path }) => [job, path])).to.deep.equal([
      [JOB, "/metrics"],
    ]);
    expect(config.scrape_configs[0]?.static_configs).to.deep.equal([{ targets: ["a:1", "b:2"] }]);
    expect(scrapeConfig({ targets: ["a:1"], isDetailed: true, rulesFile: "x" })).to.contain("/metrics/detail");
  });
});
