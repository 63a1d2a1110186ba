/**
 * `segments`: one log of N segments: a seek at a random offset while all is warm, and opening the log after a clean stop.
 * The segments are small; what is looked at is their number.
 */
import { asLeaderEpoch, asOffset } from "@tidemark/broker/base";
import { registerNativeCrc32c } from "@tidemark/broker/platform";
import { join } from "node:path";
import { fresh, makeBatches } from "../batches.ts";
import { Histogram } from "../histogram.ts";
import { appendBatch, logConfig, openDirectory, openFreshLog, replica } from "../log-harness.ts";
import { figure, median, type Row } from "../measure.ts";
import { withScratch } from "../scratch.ts";
import { atMost, count, type CurveOptions, growth, type Point } from "./law.ts";

const KIB = 1024;
const BATCH_BYTES = 4 * KIB;
const SEGMENT_BYTES = 64 * KIB;
const SEEKS = 20_000;
const config = { ...logConfig("page-cache"), segmentBytes: SEGMENT_BYTES };

export async function* segments({ points, isTiny, runs }: CurveOptions): AsyncGenerator<Row> {
  registerNativeCrc32c();
  const seeks: Point[] = [];
  let oneMs = 0;
  for (const n of points ?? (isTiny ? [1, 10] : [1, 10, 100, 1000])) {
    const found = await withScratch((root) => atPoint(root, n, { seeks: isTiny ? 200 : SEEKS, runs }));
    const name = `${count(n)} segments`;
    seeks.push({ n, cost: found.seekMicros });
    yield atMost(`${name}: seek at a random offset, warm, median`, "us", found.seekMicros, 100);
    const openMs = median(found.opensMs);
    if (n === 1) oneMs = openMs;
    yield figure(`${name}: clean start of the log`, "ms", found.opensMs);
    if (n >= 100) yield atMost(`${name}: clean start, each`, "ms", (openMs - oneMs) / n, 0.1);
  }
  // A step of the bisections per doubling is what a logarithm allows; that is less than the slack of O(1).
  yield growth("seek by segments", 0, seeks);
}

async function atPoint(
  root: string,
  n: number,
  work: { seeks: number; runs: number },
): Promise<{ seekMicros: number; opensMs: number[] }> {
  const { directory, log } = await openFreshLog(root, "data", config);
  log.startEpoch(asLeaderEpoch(0));
  const batches = makeBatches(BATCH_BYTES, 64);
  for (let sent = 0; log.segmentCount < n || sent < SEGMENT_BYTES / BATCH_BYTES / 2; sent += 1) {
    await appendBatch(log, fresh(batches[sent % batches.length]));
  }
  await directory.close(1);

  const path = join(root, "data");
  const opensMs: number[] = [];
  for (let run = 0; run < work.runs; run += 1) {
    const before = performance.now();
    const opened = await openDirectory(path, [replica(config)]);
    opensMs.push(performance.now() - before);
    await opened.close(1);
  }
  const opened = await openDirectory(path, [replica(config)]);
  const [read] = opened.logs();
  if (read === undefined || !opened.report.clean) throw new Error("the log did not come back clean");
  const histogram = new Histogram();
  const end = read.logEndOffset;
  const offsetAt = (seek: number): number => Math.floor(((seek * 0.618_033_988_75) % 1) * end);
  for (let seek = 0; seek < work.seeks + n * 4; seek += 1) {
    const before = performance.now();
    const { records } = await read.read(asOffset(offsetAt(seek)), 1, read.logEndOffset);
    if (records.length === 0) throw new Error(`nothing at offset ${offsetAt(seek)}`);
    // Every segment was open once by then.
    if (seek >= n * 4) histogram.record((performance.now() - before) * 1000);
  }
  await opened.close(1);
  return { seekMicros: histogram.percentile(0.5), opensMs };
}
