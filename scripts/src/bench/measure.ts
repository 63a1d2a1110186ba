/**
 * How a figure is made: the same bytes go through our code and through a raw pipeline, in turn (A B A B …), so that a
 * noisy neighbour hits both; the medians are compared. CPU seconds stand beside every throughput, since throughput moves
 * with the neighbours of a virtual machine and CPU per byte hardly does.
 */
import { readFileSync } from "node:fs";
import type { Latency } from "./histogram.ts";

/** What one run of one side took. `cpu` maps a part (broker, client, …) to its CPU seconds, user and system. */
export interface Sample {
  readonly seconds: number;
  readonly cpu: Readonly<Record<string, number>>;
  readonly peakRssMiB: number;
}

/** One line of a report; `--json` puts the name of the bench before it. */
export interface Row {
  readonly row: string;
  readonly headline: boolean;
  readonly value: number;
  readonly unit: string;
  readonly raw: number | null;
  /** More is better: own over raw for rates, raw over own for times. Null where no raw pipeline exists. */
  readonly ratio: number | null;
  /** The same ratio counted in CPU seconds: raw CPU over own CPU. */
  readonly cpuRatio: number | null;
  readonly cpuSecondsPerGB: Readonly<Record<string, number>>;
  /** The same of the raw pipeline. */
  readonly rawCpuSecondsPerGB?: Readonly<Record<string, number>>;
  /** Where records are counted: CPU microseconds each, by part. */
  readonly cpuMicrosPerRecord: Readonly<Record<string, number>> | null;
  /** Where single records are timed: microseconds. */
  readonly latencyMicros?: Latency;
  /** Of a growth law, or a bound: whether it holds (null: not judged), and what it says. */
  readonly law?: { readonly holds: boolean | null; readonly says: string };
  readonly peakRssMiB: number;
  readonly runs: number;
  /** (largest - smallest) / median of the own rates. */
  readonly spread: number;
}

export interface Work {
  readonly bytes: number;
  /** What is counted in the rate: bytes in MB, or records. */
  readonly count: number;
  readonly unit: "MB/s" | "records/s";
}

export type Run = () => Promise<Sample>;

/** Processes that are measured beside this one. */
export interface Measured {
  /** CPU seconds used so far, by part. */
  cpu(): Readonly<Record<string, number>>;
  /** Of the largest. */
  peakMiB(): number;
}

/** Measures `task` on both sides: those processes and this one, the client. */
export async function measured(brokers: Measured, task: () => Promise<void>): Promise<Sample> {
  const brokersBefore = brokers.cpu();
  const clientBefore = process.cpuUsage();
  const before = performance.now();
  await task();
  const seconds = (performance.now() - before) / 1000;
  const { user, system } = process.cpuUsage(clientBefore);
  const cpu: Record<string, number> = {};
  for (const [part, after] of Object.entries(brokers.cpu())) cpu[part] = after - (brokersBefore[part] ?? 0);
  return { seconds, cpu: { ...cpu, client: (user + system) / 1e6 }, peakRssMiB: brokers.peakMiB() };
}

/** Runs own and raw in turn, after one unrecorded warm-up of each, and makes the row of their medians. */
export async function compare(
  name: { row: string; headline: boolean },
  work: Work,
  pairs: number,
  own: Run,
  raw: Run | null,
): Promise<Row> {
  await own();
  await raw?.();
  const owns: Sample[] = [];
  const raws: Sample[] = [];
  for (let pair = 0; pair < pairs; pair++) {
    owns.push(await own());
    if (raw !== null) raws.push(await raw());
  }
  const rates = owns.map(({ seconds }) => work.count / seconds);
  const value = median(rates);
  const rawValue = raw === null ? null : median(raws.map(({ seconds }) => work.count / seconds));
  const totalCpu = (sample: Sample): number => Object.values(sample.cpu).reduce((sum, seconds) => sum + seconds, 0);
  const gigabytes = work.bytes / 1e9;
  const cpuPer = (units: number, samples = owns): Record<string, number> =>
    Object.fromEntries(
      Object.keys(samples[0]?.cpu ?? {}).map((part) => [
        part,
        median(samples.map(({ cpu }) => cpu[part] ?? 0)) / units,
      ]),
    );
  return {
    ...name,
    value,
    unit: work.unit,
    raw: rawValue,
    ratio: rawValue === null ? null : value / rawValue,
    cpuRatio: raw === null ? null : median(raws.map(totalCpu)) / median(owns.map(totalCpu)),
    cpuSecondsPerGB: cpuPer(gigabytes),
    ...(raw === null ? {} : { rawCpuSecondsPerGB: cpuPer(gigabytes, raws) }),
    cpuMicrosPerRecord: work.unit === "records/s" ? cpuPer(work.count / 1e6) : null,
    peakRssMiB: Math.max(...owns.map(({ peakRssMiB }) => peakRssMiB)),
    runs: pairs,
    spread: (Math.max(...rates) - Math.min(...rates)) / value,
  };
}

/** A row of what is measured alone; `values`: of all runs, of which the median counts. */
export function figure(row: string, unit: string, values: readonly number[], rest: Partial<Row> = {}): Row {
  const value = median(values);
  return {
    row,
    headline: false,
    value,
    unit,
    raw: null,
    ratio: null,
    cpuRatio: null,
    cpuSecondsPerGB: {},
    cpuMicrosPerRecord: null,
    peakRssMiB: 0,
    runs: values.length,
    spread: values.length > 1 && value !== 0 ? (Math.max(...values) - Math.min(...values)) / value : 0,
    ...rest,
  };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

/** Times work in this process: wall clock, CPU of all its threads, resident memory at the end. */
export async function timed(task: () => Promise<void> | void): Promise<Sample> {
  const cpuBefore = process.cpuUsage();
  const before = performance.now();
  await task();
  const seconds = (performance.now() - before) / 1000;
  const { user, system } = process.cpuUsage(cpuBefore);
  return { seconds, cpu: { process: (user + system) / 1e6 }, peakRssMiB: process.resourceUsage().maxRSS / 1024 };
}

const clockTicksPerSecond = 100;

/** CPU seconds, user and system, that a process of this machine has used; NaN where /proc is not there. */
export function cpuSecondsOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name in parentheses may hold spaces; utime and stime are the 12th and 13th field after it.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) / clockTicksPerSecond;
  } catch {
    return Number.NaN;
  }
}

/** A field of /proc/PID/status in MiB: VmRSS now, VmHWM at its peak; NaN where /proc is not there. */
export function memoryMiBOf(pid: number, field: "VmRSS" | "VmHWM"): number {
  try {
    const match = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"));
    return Number(match?.[1] ?? Number.NaN) / 1024;
  } catch {
    return Number.NaN;
  }
}
