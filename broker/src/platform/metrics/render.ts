/**
 * Metrics as Prometheus reads them: the table of names (table.ts) with the numbers of now, in its text format 0.0.4.
 *
 * Nothing is kept between two scrapes: a topic that is gone leaves nothing behind. A scrape of thousands of partitions is
 * made in slices, between which the broker does its work; scrapes that come while one is made share it.
 *
 * The numbers of the process are one set per process, whichever broker of it is asked (../process-numbers.ts). Of these prom-client
 * makes its own share (memory, descriptors, handles, garbage collection), and is loaded with the first scrape.
 */
import { Histogram } from "../../base/index.ts";
import type { MetricsScope } from "../../ports/index.ts";
import type { BrokerNumbers, PartitionNumbers, ProcessNumbers, TopicNumbers } from "../broker-numbers.ts";
import { type MetricFamily, metricTable, type Sample } from "./table.ts";

const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";
/** The event loop is let go after this much work; one family's pass over thousands of partitions comes on top. */
const SLICE_MS = 2;
/** Lines between two looks at the clock. */
const LOOK_LINES = 64;

/** One answer to a scrape. */
export interface RenderedMetrics {
  readonly contentType: string;
  readonly body: Buffer;
}

export interface MetricsOptions {
  readonly numbers: BrokerNumbers;
  readonly process: ProcessNumbers;
  /** Text of further families, of other names. */
  readonly more?: () => Promise<string>;
  /** Default: all there is. */
  readonly table?: readonly MetricFamily[];
}

export class Metrics {
  readonly #options: MetricsOptions;
  readonly #underWay = new Map<MetricsScope, Promise<RenderedMetrics>>();

  constructor(options: MetricsOptions) {
    this.#options = options;
  }

  /** The text of everything in `scope`. Rejects when a number cannot be read. */
  render(scope: MetricsScope): Promise<RenderedMetrics> {
    const underWay = this.#underWay.get(scope);
    if (underWay !== undefined) return underWay;
    const rendered = this.#render(scope).finally(() => this.#underWay.delete(scope));
    this.#underWay.set(scope, rendered);
    return rendered;
  }

  async #render(scope: MetricsScope): Promise<RenderedMetrics> {
    const { numbers, process, more, table = metricTable } = this.#options;
    const scrape = new Scrape(scope, numbers, process);
    await scrape.take();
    for (const family of table) await scrape.write(family);
    return { contentType: CONTENT_TYPE, body: scrape.finish((await more?.()) ?? "") };
  }
}

/** A partition's numbers with its labels, which every family of partitions writes again. */
interface LabelledPartition {
  readonly numbers: PartitionNumbers;
  readonly labels: string;
}

class Scrape {
  readonly #scope: MetricsScope;
  readonly #process: ProcessNumbers;
  readonly #live: BrokerNumbers;
  /** The live numbers, but partitions and topics as they were when the scrape began. */
  readonly #numbers: BrokerNumbers;
  #partitions: LabelledPartition[] = [];
  #topics: readonly TopicNumbers[] = [];
  /** The slices that are done, as bytes: to make those of all the text at the end would be a long stretch again. */
  readonly #slices: Buffer[] = [];
  #pieces: string[] = [];
  /** Of the family that is being written, until its first line: one without a series is not named at all. */
  #head = "";
  #lines = 0;
  #sliceEndsAt = performance.now() + SLICE_MS;

  constructor(scope: MetricsScope, numbers: BrokerNumbers, process: ProcessNumbers) {
    this.#scope = scope;
    this.#live = numbers;
    this.#process = process;
    let taken: readonly PartitionNumbers[] | null = null;
    this.#numbers = Object.assign(Object.create(numbers) as BrokerNumbers, {
      partitions: () => {
        taken ??= this.#partitions.map((each) => each.numbers);
        return taken;
      },
      topics: () => this.#topics,
    });
  }

  /** Once, at the end. `more`: text to come behind all families. */
  finish(more: string): Buffer {
    return Buffer.concat([...this.#slices, Buffer.from(this.#pieces.join("") + more)]);
  }

  async take(): Promise<void> {
    this.#topics = [...this.#live.topics()];
    for (const numbers of this.#live.partitions()) {
      const labels = `{topic="${escaped(numbers.topic)}",partition="${numbers.partition}"}`;
      this.#partitions.push({ numbers, labels });
      if (this.#isSliceOver()) await this.#rest();
    }
  }

  async write(family: MetricFamily): Promise<void> {
    if (!this.#isInScope(family)) return;
    // A sum over all partitions is a stretch by itself.
    if (performance.now() >= this.#sliceEndsAt) await this.#rest();
    const { name } = family;
    this.#head = `# HELP ${name} ${family.help.replaceAll("\\", "\\\\")}\n# TYPE ${name} ${family.type}\n`;
    switch (family.of) {
      case "broker":
        for (const sample of family.read(this.#numbers, this.#process)) this.#sample(family, sample);
        break;
      case "topic":
        for (const topic of this.#topics) {
          const value = family.read(topic);
          if (value !== null) this.#line(`${name}{topic="${escaped(topic.topic)}"}`, value);
          if (this.#isSliceOver()) await this.#rest();
        }
        break;
      case "traffic":
        this.#line(name, family.read(this.#numbers.totals()));
        if (this.#scope === "summary") break;
        for (const { topic, traffic } of this.#topics) {
          if (traffic !== null) this.#line(`${name}{topic="${escaped(topic)}"}`, family.read(traffic));
          if (this.#isSliceOver()) await this.#rest();
        }
        break;
      case "partition":
        for (const { numbers, labels } of this.#partitions) {
          const value = family.read(numbers);
          if (value !== null) this.#line(name + labels, value);
          if (this.#isSliceOver()) await this.#rest();
        }
        break;
      case "follower":
        for (const { numbers, labels } of this.#partitions) {
          for (const lag of numbers.led?.followerLags() ?? [])
            this.#line(`${name}${labels.slice(0, -1)},broker="${lag.brokerId}"}`, family.read(lag));
          if (this.#isSliceOver()) await this.#rest();
        }
        break;
    }
  }

  #isInScope({ scope }: MetricFamily): boolean {
    if (this.#scope === "detail" || scope === "summary") return true;
    return scope === "partitions" && this.#partitions.length <= this.#live.summaryPartitionsMax;
  }

  #sample({ name, labels }: MetricFamily, [value, ...values]: Sample): void {
    const pairs = labels.map((label, slot) => `${label}="${escaped(values[slot] ?? "")}"`).join(",");
    if (typeof value === "number") this.#line(pairs === "" ? name : `${name}{${pairs}}`, value);
    else this.#histogram(name, pairs, value);
  }

  #histogram(name: string, pairs: string, histogram: Histogram): void {
    const counts = histogram.cumulativeCounts();
    const before = pairs === "" ? "" : `${pairs},`;
    const after = pairs === "" ? "" : `{${pairs}}`;
    for (const [slot, count] of counts.entries()) {
      this.#line(`${name}_bucket{${before}le="${histogram.bounds[slot] ?? "+Inf"}"}`, count);
    }
    this.#line(`${name}_sum${after}`, histogram.sum);
    this.#line(`${name}_count${after}`, counts.at(-1) ?? 0);
  }

  #line(series: string, value: number): void {
    this.#pieces.push(`${this.#head}${series} ${valueText(value)}\n`);
    this.#head = "";
  }

  #isSliceOver(): boolean {
    this.#lines += 1;
    return this.#lines % LOOK_LINES === 0 && performance.now() >= this.#sliceEndsAt;
  }

  async #rest(): Promise<void> {
    this.#slices.push(Buffer.from(this.#pieces.join("")));
    this.#pieces = [];
    await new Promise((resolve) => setImmediate(resolve));
    this.#sliceEndsAt = performance.now() + SLICE_MS;
  }
}

function valueText(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
}

function escaped(label: string): string {
  return /[\\"\n]/.test(label) ? label.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n") : label;
}
