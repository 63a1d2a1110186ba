/** Prometheus' text format, as far as a broker writes it: `name{label="value",...} number`. What is no sample is skipped. */
export interface Sample {
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

/** Samples by the name of their metric. */
export type Metrics = ReadonlyMap<string, readonly Sample[]>;

export function parseMetrics(text: string): Metrics {
  const metrics = new Map<string, Sample[]>();
  for (const line of text.split("\n")) {
    const [, name, labels = "", number = ""] = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/.exec(line) ?? [];
    const value = numberOf(number);
    if (name === undefined || value === null) continue;
    const samples = metrics.get(name) ?? [];
    metrics.set(name, samples);
    samples.push({ labels: parseLabels(labels), value });
  }
  return metrics;
}

/** The sample without labels, else the sum of all; null where there is none. */
export function totalOf(metrics: Metrics, name: string): number | null {
  const samples = metrics.get(name);
  if (samples === undefined) return null;
  const own = samples.find(({ labels }) => labels.size === 0);
  return own === undefined ? samples.reduce((sum, { value }) => sum + value, 0) : own.value;
}

/** Upper bounds of a histogram without labels of its own, with the counts up to each; null where there is none. */
export function bucketsOf(metrics: Metrics, name: string): ReadonlyMap<number, number> | null {
  const samples = metrics.get(`${name}_bucket`);
  if (samples === undefined) return null;
  return new Map(samples.map(({ labels, value }) => [numberOf(labels.get("le") ?? "") ?? Number.NaN, value]));
}

function parseLabels(text: string): ReadonlyMap<string, string> {
  const labels = new Map<string, string>();
  for (const [, name = "", value = ""] of text.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g))
    labels.set(
      name,
      value.replace(/\\(.)/g, (_, letter: string) => (letter === "n" ? "\n" : letter)),
    );
  return labels;
}

function numberOf(text: string): number | null {
  if (text === "+Inf") return Number.POSITIVE_INFINITY;
  const value = text === "" ? Number.NaN : Number(text);
  return Number.isNaN(value) ? null : value;
}
