/**
 * What a process measures of itself, one set for all brokers in it: CPU time, how idle its event loop is, and how late its
 * timers come. The rest (memory, descriptors, handles, garbage collection) is prom-client's, loaded at the first scrape; its
 * garbage collection counts from then on.
 *
 * The delay of the event loop is seen by a timer, ten times a second while there is work, which finds a stall with the chance
 * that a request had to run into it. While there is none it comes ever more rarely: ten wake-ups a second are half a percent
 * of a core, twenty times what an idle broker costs otherwise. A stall is worth a line in the log; lines are limited.
 */
import { Histogram, SECONDS_BOUNDS, TokenBucket } from "../base/index.ts";
import type { Logger } from "../ports/index.ts";
import type { ProcessNumbers } from "./broker-numbers.ts";

const SAMPLE_MS = 100;
/** The longest rest between two samples, and the share of time that an event loop with nothing to do is busy at most. */
const IDLE_SAMPLE_MS = 3_200;
const IDLE_SHARE = 0.01;
/** Shares and rates are those of at least this while, however often they are asked for. */
const WINDOW_MS = 10_000;

/** Names of prom-client that this program measures by itself, from the start of the process on, or that say nothing here. */
const REPLACED: readonly string[] = [
  "process_cpu_user_seconds_total",
  "process_cpu_system_seconds_total",
  "process_cpu_seconds_total",
  ...["", "_min", "_max", "_mean", "_stddev", "_p50", "_p90", "_p99"].map(
    (part) => `nodejs_eventloop_lag${part}_seconds`,
  ),
];

export class SystemProcessNumbers implements ProcessNumbers {
  readonly #delays = new Histogram(SECONDS_BOUNDS);
  readonly #utilisation = new Baseline(() => performance.eventLoopUtilization());
  readonly #counts = new Map<string, Baseline<{ at: number; count: number }>>();

  /** A timer that was due at `dueAt` ran at `now`; monotonic ms. */
  onTick(dueAt: number, now: number): void {
    this.#delays.observe(Math.max(0, now - dueAt) / 1000);
  }

  cpu(): { user: number; system: number } {
    const { user, system } = process.cpuUsage();
    return { user: user / 1e6, system: system / 1e6 };
  }

  idleShare(): number {
    const { utilization } = performance.eventLoopUtilization(this.#utilisation.take(performance.now()));
    return Number.isFinite(utilization) ? Math.min(1, Math.max(0, 1 - utilization)) : 1;
  }

  loopDelays(): Histogram {
    return this.#delays;
  }

  rateOf(name: string, count: number): number | null {
    const now = performance.now();
    let baseline = this.#counts.get(name);
    if (baseline === undefined) {
      baseline = new Baseline(() => ({ at: now, count }));
      this.#counts.set(name, baseline);
    }
    const before = baseline.take(now, { at: now, count });
    return now > before.at ? Math.max(0, ((count - before.count) / (now - before.at)) * 1000) : null;
  }
}

/**
 * What to compare with: a sample that is at least WINDOW_MS old, or the oldest there is. Askings in quick succession, as those of
 * two scrapers, do not take from each other.
 */
class Baseline<T> {
  readonly #sample: () => T;
  #older: T;
  #newer: T;
  #newerAt: number;

  constructor(sample: () => T) {
    this.#sample = sample;
    this.#older = sample();
    this.#newer = this.#older;
    this.#newerAt = performance.now();
  }

  take(now: number, sample = this.#sample()): T {
    if (now - this.#newerAt < WINDOW_MS) return this.#older;
    this.#older = this.#newer;
    this.#newer = sample;
    this.#newerAt = now;
    return this.#older;
  }
}

let shared: SystemProcessNumbers | null = null;
let watchersCount = 0;
let sampler: NodeJS.Timeout | null = null;

/** The one set of this process. */
export function processNumbers(): ProcessNumbers {
  shared ??= new SystemProcessNumbers();
  return shared;
}

/**
 * Watches the event loop until the returned function is called, once. It keeps no process alive. A timer that is `warnMs` late is
 * told; 0 = none is.
 */
export function watchEventLoop(logger: Logger, warnMs: number): () => void {
  const numbers = (shared ??= new SystemProcessNumbers());
  const lines = new TokenBucket({ perSecond: 0.1, burst: 5 });
  let suppressed = 0;
  watchersCount += 1;
  const listener = (delayMs: number, now: number): void => {
    if (warnMs === 0 || delayMs < warnMs) return;
    if (!lines.take(now)) {
      suppressed += 1;
      return;
    }
    logger.warn("the event loop was held up", {
      delayMs: Math.round(delayMs),
      ...(suppressed > 0 ? { suppressed } : {}),
    });
    suppressed = 0;
  };
  listeners.add(listener);
  if (sampler === null) sampleIn(SAMPLE_MS, numbers);
  return () => {
    listeners.delete(listener);
    watchersCount -= 1;
    if (watchersCount > 0 || sampler === null) return;
    clearTimeout(sampler);
    sampler = null;
  };
}

function sampleIn(delayMs: number, numbers: SystemProcessNumbers): void {
  const dueAt = performance.now() + delayMs;
  const before = performance.eventLoopUtilization();
  sampler = setTimeout(() => {
    const now = performance.now();
    numbers.onTick(dueAt, now);
    for (const each of listeners) each(now - dueAt, now);
    const isIdle = performance.eventLoopUtilization(before).utilization < IDLE_SHARE;
    // A listener may have been the last to leave.
    if (watchersCount > 0) sampleIn(isIdle ? Math.min(IDLE_SAMPLE_MS, delayMs * 2) : SAMPLE_MS, numbers);
  }, delayMs);
  sampler.unref();
}

const listeners = new Set<(delayMs: number, now: number) => void>();

type PromClient = typeof import("prom-client");
let nodeMetrics: InstanceType<PromClient["Registry"]> | null = null;

/** Prom-client's part, as text. Never undone: its observer of garbage collection belongs to the process. */
export async function nodeMetricsText(): Promise<string> {
  const client = (await import("prom-client")).default;
  if (nodeMetrics === null) {
    nodeMetrics = new client.Registry();
    // Its sampler of delays cannot be left out, only be put to sleep.
    client.collectDefaultMetrics({ register: nodeMetrics, eventLoopMonitoringPrecision: 3_600_000 });
    for (const name of REPLACED) nodeMetrics.removeSingleMetric(name);
  }
  return nodeMetrics.metrics();
}
