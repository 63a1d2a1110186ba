/**
 * Metrics as Prometheus reads them. Rooms count in plain fields and answer with rows when they are asked; here the rows
 * become text, by prom-client, which is loaded when the first scrape comes.
 *
 * Every scrape builds its series anew: a topic that is gone leaves nothing behind, and two scrapes at a time do not meet.
 * The numbers of the process (CPU, memory, descriptors, garbage collection, delay of the event loop) are one set per
 * process, whichever broker of it is asked.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { MetricRow, MetricsScope, MetricsSource } from "../ports/index.ts";

type PromClient = typeof import("prom-client");
type Registry = InstanceType<PromClient["Registry"]>;

/** A sample every 20 ms is fine enough to see a stalled loop and costs an idle broker nothing to speak of. */
const EVENT_LOOP_SAMPLE_MS = 20;
const EVENT_LOOP_PERCENTILES: readonly number[] = [50, 90, 99, 100];

/** One answer to a scrape. */
export interface RenderedMetrics {
  readonly contentType: string;
  readonly body: string;
}

let processMetrics: Registry | null = null;

export class Metrics {
  readonly #sources: readonly MetricsSource[];

  constructor(sources: readonly MetricsSource[]) {
    this.#sources = sources;
  }

  /** The text of everything in `scope`. Rejects when rows contradict each other. */
  async render(scope: MetricsScope): Promise<RenderedMetrics> {
    const client = (await import("prom-client")).default;
    processMetrics ??= startProcessMetrics(client);
    const own = new client.Registry();
    for (const rows of this.#rowsByName(scope).values()) publish(client, own, rows);
    const body = `${await own.metrics()}\n${await processMetrics.metrics()}`;
    return { contentType: own.contentType, body };
  }

  #rowsByName(scope: MetricsScope): Map<string, MetricRow[]> {
    const byName = new Map<string, MetricRow[]>();
    for (const source of this.#sources) {
      for (const row of source.collect(scope)) {
        const rows = byName.get(row.name);
        if (rows === undefined) byName.set(row.name, [row]);
        else rows.push(row);
      }
    }
    return byName;
  }
}

/** Makes one metric of all rows of its name. */
function publish(client: PromClient, registry: Registry, rows: readonly MetricRow[]): void {
  const [first] = rows;
  if (first === undefined) return;
  const { name, help, type } = first;
  const options = { name, help, labelNames: Object.keys(first.labels), registers: [registry] };
  if (type === "counter") {
    const counter = new client.Counter(options);
    for (const row of rows) counter.inc(row.labels, row.value);
  } else {
    const gauge = new client.Gauge(options);
    for (const row of rows) gauge.set(row.labels, row.value);
  }
}

/** Sets up what is measured of the process. Never undone: the samplers belong to the process. */
function startProcessMetrics(client: PromClient): Registry {
  const registry = new client.Registry();
  // prom-client's own percentiles of the delay count the sampling interval in and say "292 years" while there is no
  // sample. Its sampler cannot be left out, only be put to sleep.
  client.collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 3_600_000 });
  for (const part of ["min", "max", "mean", "stddev", "p50", "p90", "p99"]) {
    registry.removeSingleMetric(`nodejs_eventloop_lag_${part}_seconds`);
  }
  const delays = monitorEventLoopDelay({ resolution: EVENT_LOOP_SAMPLE_MS });
  delays.enable();
  new client.Gauge({
    name: "tidemark_event_loop_delay_seconds",
    help: "How late the event loop came round, since the scrape before.",
    labelNames: ["quantile"],
    registers: [registry],
    collect() {
      this.reset();
      if (delays.count === 0) return;
      for (const percentile of EVENT_LOOP_PERCENTILES) {
        const delayMs = delays.percentile(percentile) / 1e6 - EVENT_LOOP_SAMPLE_MS;
        this.set({ quantile: percentile / 100 }, Math.max(0, delayMs) / 1e3);
      }
      delays.reset();
    },
  });
  return registry;
}
