/**
 * `brokers`: clusters of N brokers, each a process of its own, that host as many replicas each: what a broker costs goes by what it
 * hosts, and not by the cluster. Idle CPU of a broker, how long a topic takes from the request until every broker leads its part of it
 * (which is metadata decided, committed, told to each, applied and answered), and entries of the metadata log for a request.
 */
import { setTimeout as pause } from "node:timers/promises";
import { Client } from "@tidemark/client";
import { ClusterProcess } from "../cluster-process.ts";
import { HEAL_LIMIT_MS, untilAllAlive, untilWhole } from "../cluster-waits.ts";
import { figure, median, type Row } from "../measure.ts";
import { withScratch } from "../scratch.ts";
import { atMost, count, type CurveOptions, growth } from "./law.ts";

const REPLICAS = 3;
const POINTS = [3, 5, 9];
/** So many partitions for each broker: it hosts three times as many replicas, wherever they are placed. */
const PARTITIONS_EACH = 100;
const TOPIC = "bench";

interface Found {
  /** Of all brokers, as shares of a core. */
  readonly idlePercent: number;
  readonly topicsMs: readonly number[];
  /** Of a topic made in one request. */
  readonly entriesEach: number;
}

export async function* brokers(options: CurveOptions): AsyncGenerator<Row> {
  const measured: { readonly n: number; readonly found: Found }[] = [];
  for (const n of options.points ?? (options.isTiny ? [3] : POINTS)) {
    const found = await atPoint(n, options);
    measured.push({ n, found });
    const name = `${count(n)} brokers`;
    yield figure(`${name}: idle, share of a core of a broker`, "%", [found.idlePercent / n]);
    yield figure(`${name}: a topic, from the request until each of them leads a part`, "ms", found.topicsMs);
    yield atMost(
      `${name}: entries of the metadata log for a topic of ${count(n)} partitions`,
      "",
      found.entriesEach,
      1,
    );
  }
  const idle = measured.map(({ n, found }) => ({ n, cost: found.idlePercent / n }));
  yield growth("idle CPU of a broker by brokers, as much hosted by each", 0, idle);
  const topics = measured.map(({ n, found }) => ({ n, cost: median(found.topicsMs) }));
  yield growth("a topic led everywhere by brokers", 1, topics);
}

async function atPoint(n: number, { isTiny, runs }: CurveOptions): Promise<Found> {
  return await withScratch(async (root) => {
    const cluster = await ClusterProcess.start(root, n);
    try {
      const nodes = Array.from({ length: n }, (_, slot) => slot + 1);
      const client = new Client({ brokers: [...cluster.addresses], retry: { budget: HEAL_LIMIT_MS } });
      const topicsMs: number[] = [];
      let entriesEach = 0;
      try {
        await untilAllAlive(client, n);
        const partitions = (isTiny ? 2 : PARTITIONS_EACH) * n;
        await client.admin.topics.create({ name: TOPIC, partitions, replicas: REPLICAS });
        await untilWhole(client, TOPIC);
        for (let run = 0; run < (isTiny ? 1 : runs * 5); run += 1) {
          const assignment = nodes.map((_, first) =>
            Array.from({ length: REPLICAS }, (__, i) => nodes[(first + i) % n] ?? 1),
          );
          const offsetBefore = (await client.admin.cluster()).metadataOffset;
          const before = performance.now();
          await client.admin.topics.create({ name: `${TOPIC}-${run}`, assignment });
          topicsMs.push(performance.now() - before);
          entriesEach = Math.max(entriesEach, (await client.admin.cluster()).metadataOffset - offsetBefore);
        }
      } finally {
        await client.close();
      }
      await pause(isTiny ? 100 : 10_000);
      const idleSeconds = isTiny ? 0.5 : 30;
      const cpuOfAll = (): number => nodes.reduce((sum, nodeId) => sum + cluster.cpuSeconds(nodeId), 0);
      const cpuBefore = cpuOfAll();
      await pause(idleSeconds * 1000);
      return { idlePercent: ((cpuOfAll() - cpuBefore) / idleSeconds) * 100, topicsMs, entriesEach };
    } finally {
      await cluster.stop();
    }
  });
}
