/** A strict reader of Prometheus' text format 0.0.4: what `promtool check metrics` would refuse, it throws at. */

export interface Family {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  /** By series, labels included as they stand. */
  readonly series: Map<string, number>;
  /** The sets of label names that its series have, `le` aside; each as names with commas. */
  readonly labelSets: Set<string>;
}

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (\S+)$/;
const UNITS = /_(milliseconds|ms|minutes|hours|kilobytes|kb|mb|megabytes)(_|$)/;

/** Families by name. */
export function parseFamilies(text: string): Map<string, Family> {
  const families = new Map<string, Family>();
  let helped: { name: string; help: string } | null = null;
  let current: Family | null = null;
  if (!text.endsWith("\n")) throw new Error("the last line does not end");
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const comment = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/.exec(line);
    if (comment !== null) {
      const [, word, name = "", rest = ""] = comment;
      if (word === "HELP") {
        if (helped !== null) throw new Error(`HELP without TYPE: ${helped.name}`);
        helped = { name, help: rest };
        continue;
      }
      if (helped?.name !== name) throw new Error(`TYPE without HELP: ${line}`);
      if (families.has(name)) throw new Error(`a family twice: ${name}`);
      if (!["counter", "gauge", "histogram", "summary"].includes(rest)) throw new Error(`no type: ${line}`);
      current = { name, type: rest, help: helped.help, series: new Map(), labelSets: new Set() };
      helped = null;
      families.set(name, current);
      continue;
    }
    if (line.startsWith("#")) throw new Error(`no comment of the format: ${line}`);
    addSample(current, line);
  }
  for (const family of families.values()) checkFamily(family);
  return families;
}

/** All series of a text, with their values. */
export function parseMetrics(text: string): Map<string, number> {
  return new Map([...parseFamilies(text).values()].flatMap(({ series }) => [...series]));
}

function addSample(family: Family | null, line: string): void {
  const sample = SAMPLE.exec(line);
  if (sample === null) throw new Error(`no sample: ${line}`);
  const [, metric = "", labels = "", value = ""] = sample;
  const isOwn =
    family?.type === "histogram" || family?.type === "summary"
      ? metric.replace(/_(bucket|sum|count)$/, "") === family.name
      : metric === family?.name;
  if (family === null || !isOwn) throw new Error(`a sample outside its family: ${line}`);
  const number = value === "+Inf" ? Number.POSITIVE_INFINITY : Number(value);
  if (Number.isNaN(number)) throw new Error(`no number: ${line}`);
  const series = labels === "" ? metric : `${metric}{${labels}}`;
  if (family.series.has(series)) throw new Error(`a series twice: ${series}`);
  family.series.set(series, number);
  const names = [...labels.matchAll(/([a-zA-Z_]\w*)="(?:[^"\\]|\\.)*"/g)].map(([, name = ""]) => name);
  if (new Set(names).size !== names.length) throw new Error(`a label twice: ${line}`);
  family.labelSets.add(names.filter((name) => name !== "le").join(","));
}

function checkFamily({ name, type, help, series }: Family): void {
  if (help.length < 5) throw new Error(`no help: ${name}`);
  // prom-client has gauges called so, and they are known by these names.
  const isTotal = name.endsWith("_total") && !(type === "gauge" && name.startsWith("nodejs_"));
  if ((type === "counter") !== isTotal) throw new Error(`a counter's name ends in _total: ${name} ${type}`);
  if (UNITS.test(name)) throw new Error(`not in base units: ${name}`);
  if (type === "counter")
    for (const value of series.values()) if (!(value >= 0)) throw new Error(`a counter below 0: ${name}`);
  if (type === "histogram") checkHistogram(name, series);
}

/** Buckets ascend, end with +Inf, and that one is the count. */
function checkHistogram(name: string, series: ReadonlyMap<string, number>): void {
  const buckets = new Map<string, [le: number, count: number][]>();
  for (const [key, value] of series) {
    const bucket = /_bucket\{(.*)\}$/.exec(key)?.[1];
    const le = /(?:^|,)le="([^"]*)"/.exec(bucket ?? "")?.[1];
    if (bucket === undefined || le === undefined) continue;
    const labels = bucket.replace(/(^|,)le="[^"]*"/, "").replace(/^,/, "");
    const list = buckets.get(labels) ?? [];
    list.push([le === "+Inf" ? Number.POSITIVE_INFINITY : Number(le), value]);
    buckets.set(labels, list);
  }
  for (const [labels, list] of buckets) {
    for (const [slot, [le, count]] of list.entries()) {
      const before = list[slot - 1];
      if (before !== undefined && !(before[0] < le && before[1] <= count)) throw new Error(`buckets descend: ${name}`);
    }
    const suffix = labels === "" ? "" : `{${labels}}`;
    const last = list.at(-1);
    if (last?.[0] !== Number.POSITIVE_INFINITY) throw new Error(`no bucket +Inf: ${name}`);
    if (series.get(`${name}_count${suffix}`) !== last[1]) throw new Error(`the count is another: ${name}${suffix}`);
    if (!series.has(`${name}_sum${suffix}`)) throw new Error(`no sum: ${name}${suffix}`);
  }
  if (buckets.size === 0 && series.size > 0) throw new Error(`a histogram without buckets: ${name}`);
}
