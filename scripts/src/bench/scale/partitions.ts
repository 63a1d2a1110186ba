/**
 * `partitions`: one broker with N idle partitions: CPU of a core while nothing happens, memory and open files of each, a
 * start after a clean stop, and what a gigabyte in batches of one size costs when it is spread over them.
 */
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { BrokerProcess, type Inside } from "../broker-process.ts";
import { figure, median, type Row } from "../measure.ts";
import { createTopic, produceBatches } from "../produce.ts";
import { withScratch } from "../scratch.ts";
import { atMost, count, type CurveOptions, growth, type Point } from "./law.ts";

const BATCH_BYTES = 64 * 1024;
const KIB = 1024;
/** A thousand partitions are what the bounds are given for. */
const BOUND_AT = 1000;

export async function* partitions(options: CurveOptions): AsyncGenerator<Row> {
  const points = options.points ?? (options.isTiny ? [1, 20] : [1, 100, 1000]);
  const empty = await atPoint(0, options);
  yield figure("0 partitions: start to ready after a clean stop", "ms", empty.startsMs);
  const produceCosts: Point[] = [];
  for (const n of points) {
    const found = await atPoint(n, options);
    const name = `${count(n)} partitions`;
    const kibEach = (grown(found.inside) - grown(empty.inside)) / n / KIB;
    const msEach = (median(found.startsMs) - median(empty.startsMs)) / n;
    const isBound = n === BOUND_AT;
    yield figure(`${name}: created in one request`, "ms", [found.createMs]);
    yield isBound
      ? atMost(`${name}: idle, share of a core`, "%", found.idlePercent, 1)
      : figure(`${name}: idle, share of a core`, "%", [found.idlePercent]);
    yield isBound
      ? atMost(`${name}: memory of each`, "KiB", kibEach, 10)
      : figure(`${name}: memory of each`, "KiB", [kibEach]);
    yield atMost(`${name}: open files while idle`, "", found.inside.openFiles - empty.inside.openFiles, 0);
    yield isBound
      ? {
          ...figure(`${name}: start to ready after a clean stop`, "ms", found.startsMs),
          ...bound(found.startsMs, 1000),
        }
      : figure(`${name}: start to ready after a clean stop`, "ms", found.startsMs);
    // Fewer than those of the bound are less than what two starts of the same directory differ by.
    if (isBound) yield atMost(`${name}: start, each beyond an empty broker`, "ms", msEach, 0.5);
    yield figure(`${name}: CPU of a start`, "s", found.startsCpu);
    yield figure(`${name}: clean stop`, "ms", found.stopsMs);
    yield figure(`${name}: produce, 64 KiB batches`, "MB/s", [found.produceRate], {
      cpuSecondsPerGB: { broker: found.produceCpu },
    });
    produceCosts.push({ n, cost: found.produceCpu });
  }
  yield growth("produce by partitions, broker CPU per GB", 0, produceCosts);
}

function bound(values: readonly number[], most: number): Pick<Row, "headline" | "law"> {
  return { headline: true, law: { holds: median(values) <= most, says: `at most ${most} ms` } };
}

interface Found {
  readonly createMs: number;
  readonly idlePercent: number;
  readonly inside: Inside;
  readonly startsMs: readonly number[];
  readonly startsCpu: readonly number[];
  readonly stopsMs: readonly number[];
  /** CPU-s of the broker per GB. */
  readonly produceCpu: number;
  readonly produceRate: number;
}

const grown = ({ rssBytes, externalBytes }: Inside): number => rssBytes + externalBytes;

async function atPoint(n: number, { isTiny, runs }: CurveOptions): Promise<Found> {
  return await withScratch(async (root) => {
    const flags = ["--data-dir", join(root, "data")];
    const first = await BrokerProcess.start(flags);
    const before = performance.now();
    if (n > 0) await createTopic(first, "page-cache", n);
    const createMs = performance.now() - before;
    await first.stop();

    const startsMs: number[] = [];
    const startsCpu: number[] = [];
    const stopsMs: number[] = [];
    for (let run = 0; run < runs; run += 1) {
      const broker = await BrokerProcess.start(flags);
      startsMs.push(broker.startMs);
      startsCpu.push(broker.startCpuSeconds);
      const stoppedAt = performance.now();
      await broker.stop();
      stopsMs.push(performance.now() - stoppedAt);
    }

    const broker = await BrokerProcess.start(flags, { isObserved: true });
    try {
      await pause(isTiny ? 100 : 10_000);
      const idleSeconds = isTiny ? 0.5 : 30;
      const cpuBefore = broker.cpuSeconds();
      await pause(idleSeconds * 1000);
      const idlePercent = ((broker.cpuSeconds() - cpuBefore) / idleSeconds) * 100;
      const inside = await broker.inside();
      const sent = n === 0 ? null : await produce(broker, n, isTiny ? 2 ** 22 : 2 ** 30);
      return {
        createMs,
        idlePercent,
        inside,
        startsMs,
        startsCpu,
        stopsMs,
        produceCpu: sent?.cpu ?? 0,
        produceRate: sent?.rate ?? 0,
      };
    } finally {
      await broker.stop();
    }
  });
}

async function produce(broker: BrokerProcess, n: number, bytes: number): Promise<{ cpu: number; rate: number }> {
  // Once around first: indexes, files and code are there, as they are in a broker that serves.
  await produceBatches(broker, BATCH_BYTES, Math.max(n, 64), { partitions: n, isCreated: true });
  const batches = Math.ceil(bytes / BATCH_BYTES);
  const sample = await produceBatches(broker, BATCH_BYTES, batches, { partitions: n, isCreated: true });
  const gigabytes = (batches * BATCH_BYTES) / 1e9;
  return { cpu: (sample.cpu["broker"] ?? 0) / gigabytes, rate: (gigabytes * 1000) / sample.seconds };
}
