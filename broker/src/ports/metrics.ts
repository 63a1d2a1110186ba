/**
 * What a room tells about itself in numbers. The room counts in plain fields on its hot path; when somebody asks, it
 * makes rows of them. Nothing is kept between two askings.
 */

/** `summary`: a handful per broker and topic. `detail`: also what exists per partition, of which there may be thousands. */
export type MetricsScope = "summary" | "detail";

/** One value of one series. Rows of one name agree in help, type and label names. */
export interface MetricRow {
  /** Prometheus name; base units (seconds, bytes); counters end in `_total`, `_sum` or `_count`. */
  readonly name: string;
  readonly help: string;
  /** A counter only grows while the process lives. */
  readonly type: "counter" | "gauge";
  readonly labels: Readonly<Record<string, string>>;
  /** Counters: finite and >= 0. */
  readonly value: number;
}

export interface MetricsSource {
  /** The values of now. Synchronous and cheap; throws nothing. */
  collect(scope: MetricsScope): Iterable<MetricRow>;
}
