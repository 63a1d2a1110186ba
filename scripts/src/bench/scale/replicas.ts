/**
 * `replicas`: three brokers in three processes with N idle partitions of three replicas each, so that every broker hosts all of
 * them: CPU of a core while nothing happens, memory of each, and how long a broker and the whole cluster take to come back
 * after a clean stop.
 */
import { setTimeout as pause } from "node:timers/promises";
import { Client } from "@tidemark/client";
import type { Inside } from "../broker-process.ts";
import { ClusterProcess } from "../cluster-process.ts";
import { HEAL_LIMIT_MS, untilAllAlive, untilWhole } from "../cluster-waits.ts";
import { figure, median, type Row } from "../measure.ts";
import { withScratch } from "../scratch.ts";
import { atMost, count, type CurveOptions, growth } from "./law.ts";

const NODES = [1, 2, 3] as const;
const LAST = 3;
/**
 * What memory and starts are compared with: brokers that have gone through the same with fewer partitions. With none, or one, they lack
 * two to four megabytes of compiled code that a thousand, and ten thousand, need once.
 */
const BASE_MOST = 100;
const TOPIC = "bench";
const KIB = 1024;
/** A thousand partitions are what the bounds are given for. */
const BOUND_AT = 1000;
const IDLE_MOST_PERCENT = 3;
const MEMORY_MOST_KIB = 10;
const START_MOST_MS = 2_000;

interface Found {
  readonly createMs: number;
  /** Of one broker, the others running; until it is ready. */
  readonly restartsMs: readonly number[];
  /** Of all at once. */
  readonly startMs: number;
  /** By broker. */
  readonly idlePercents: readonly number[];
  readonly insides: readonly Inside[];
}

export async function* replicas(options: CurveOptions): AsyncGenerator<Row> {
  const points = options.points ?? (options.isTiny ? [20] : [BOUND_AT]);
  const baseCount = Math.max(1, Math.min(BASE_MOST, Math.floor(Math.min(...points) / 10)));
  const base = await atPoint(baseCount, options);
  // Of all three: who decides, and who leads, is another one in each cluster.
  const baseBytes = mean(base.insides.map(grown));
  const baseStandingBytes = mean(base.insides.map(({ standingRssBytes }) => standingRssBytes));
  const measured = [{ n: baseCount, found: base }];
  yield figure(`${count(baseCount)} partitions, RF 3: created in one request, all in sync`, "ms", [base.createMs]);
  yield figure(`${count(baseCount)} partitions, RF 3: idle, share of a core of a broker`, "%", base.idlePercents);
  yield figure(`${count(baseCount)} partitions, RF 3: restart of one broker after a clean stop`, "ms", base.restartsMs);
  for (const n of points) {
    const found = await atPoint(n, options);
    measured.push({ n, found });
    const name = `${count(n)} partitions, RF 3`;
    const bound = (row: string, unit: string, values: readonly number[], most: number): Row =>
      n === BOUND_AT ? atMost(row, unit, Math.max(...values), most) : figure(row, unit, values);
    yield figure(`${name}: created in one request, all in sync`, "ms", [found.createMs]);
    yield bound(`${name}: idle, share of a core of a broker`, "%", found.idlePercents, IDLE_MOST_PERCENT);
    const kibEach = (bytes: number): number => bytes / (n - baseCount) / KIB;
    const each = found.insides.map((inside) => kibEach(grown(inside) - baseBytes));
    yield bound(`${name}: memory of each further one on a broker`, "KiB", each, MEMORY_MOST_KIB);
    const standing = found.insides.map(({ standingRssBytes }) => kibEach(standingRssBytes - baseStandingBytes));
    yield figure(`${name}: the same, resident and not collected`, "KiB", standing);
    yield bound(`${name}: restart of one broker after a clean stop`, "ms", found.restartsMs, START_MOST_MS);
    yield figure(`${name}: start of all three after a clean stop`, "ms", [found.startMs]);
  }
  const law = (row: string, degree: 0 | 1, costOf: (found: Found) => number): Row => {
    const curve = measured.map(({ n, found }) => ({ n, cost: costOf(found) }));
    return growth(`${row} by partitions, RF 3`, degree, curve);
  };
  yield law("created in one request, all in sync", 1, ({ createMs }) => createMs);
  yield law("idle CPU of all brokers", 0, ({ idlePercents }) => idlePercents.reduce((sum, share) => sum + share, 0));
  yield law("restart of one broker", 1, ({ restartsMs }) => median(restartsMs));
  yield law("start of all brokers", 1, ({ startMs }) => startMs);
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

const grown = ({ rssBytes, externalBytes }: Inside): number => rssBytes + externalBytes;

async function atPoint(n: number, { isTiny, runs }: CurveOptions): Promise<Found> {
  return await withScratch(async (root) => {
    const cluster = await ClusterProcess.start(root, NODES.length, { isObserved: true });
    try {
      const createMs = await withClient(cluster, async (client) => {
        const before = performance.now();
        const spec = { name: TOPIC, partitions: n, replicas: NODES.length };
        await client.admin.topics.create(spec, { timeout: HEAL_LIMIT_MS });
        await untilCalm(client);
        return performance.now() - before;
      });
      const restartsMs: number[] = [];
      for (let run = 0; run < runs; run++) {
        await cluster.kill(LAST, "SIGTERM");
        const before = performance.now();
        await cluster.start(LAST);
        restartsMs.push(performance.now() - before);
        await withClient(cluster, untilCalm);
      }
      await cluster.stop("SIGTERM");
      const before = performance.now();
      await Promise.all(NODES.map((nodeId) => cluster.start(nodeId)));
      const startMs = performance.now() - before;
      await withClient(cluster, untilCalm);
      await pause(isTiny ? 100 : 10_000);
      const idleSeconds = isTiny ? 0.5 : 30;
      const cpuBefore = NODES.map((nodeId) => cluster.cpuSeconds(nodeId));
      await pause(idleSeconds * 1000);
      const idlePercents = NODES.map(
        (nodeId, slot) => ((cluster.cpuSeconds(nodeId) - (cpuBefore[slot] ?? 0)) / idleSeconds) * 100,
      );
      const insides = await Promise.all(NODES.map((nodeId) => cluster.inside(nodeId)));
      return { createMs, restartsMs, startMs, idlePercents, insides };
    } finally {
      await cluster.stop();
    }
  });
}

async function untilCalm(client: Client): Promise<void> {
  await untilAllAlive(client, NODES.length);
  await untilWhole(client, TOPIC);
}

async function withClient<T>(cluster: ClusterProcess, task: (client: Client) => Promise<T>): Promise<T> {
  await using client = new Client({ brokers: [...cluster.addresses], retry: { budget: HEAL_LIMIT_MS } });
  return await task(client);
}
