/** `stored`: what an append costs by the bytes that the log holds already. The points are GB, such as `--points 0.1,1,10`. */
import { asLeaderEpoch } from "@tidemark/broker/base";
import { registerNativeCrc32c } from "@tidemark/broker/platform";
import { fresh, makeBatches } from "../batches.ts";
import { appendBatch, logConfig, openFreshLog } from "../log-harness.ts";
import { figure, type Row } from "../measure.ts";
import { requireRoom, withScratch } from "../scratch.ts";
import { type CurveOptions, growth, type Point } from "./law.ts";

const BATCH_BYTES = 64 * 1024;
/** How much is appended, and timed, at each point. */
const WINDOW_BYTES = 64 * 2 ** 20;
const WINDOWS = 5;
/** Of the disk, for others and for what stands beside the bytes. */
const SLACK = 1.2;

export async function* stored({ points, isTiny }: CurveOptions): AsyncGenerator<Row> {
  registerNativeCrc32c();
  const gigabytes = (points ?? (isTiny ? [0.001, 0.004] : [0.1, 1])).toSorted((a, b) => a - b);
  const window = isTiny ? 2 ** 20 : WINDOW_BYTES;
  yield* await withScratch(async (root) => {
    requireRoom(root, ((gigabytes.at(-1) ?? 0) * 1e9 + WINDOWS * window) * SLACK);
    const { directory, log } = await openFreshLog(root, "data", logConfig("page-cache"));
    log.startEpoch(asLeaderEpoch(0));
    const batches = makeBatches(BATCH_BYTES, 64);
    const appendUpTo = async (bytes: number): Promise<void> => {
      for (let sent = 0; log.sizeBytes < bytes; sent += 1)
        await appendBatch(log, fresh(batches[sent % batches.length]));
    };
    const rows: Row[] = [];
    const costs: Point[] = [];
    await appendUpTo(window);
    for (const gb of gigabytes) {
      await appendUpTo(gb * 1e9);
      const cpu: number[] = [];
      const rates: number[] = [];
      for (let run = 0; run < WINDOWS; run += 1) {
        const cpuBefore = process.cpuUsage();
        const before = performance.now();
        await appendUpTo(log.sizeBytes + window);
        const { user, system } = process.cpuUsage(cpuBefore);
        cpu.push((user + system) / 1e6 / (window / 1e9));
        rates.push(window / 1e3 / (performance.now() - before));
      }
      // The least disturbed: what others do on the machine only ever adds.
      const cost = Math.min(...cpu);
      costs.push({ n: gb, cost });
      rows.push(
        figure(`${gb} GB stored: append, 64 KiB batches`, "MB/s", rates, { cpuSecondsPerGB: { process: cost } }),
      );
    }
    await directory.close(1);
    rows.push(growth("append by stored bytes, CPU per GB", 0, costs));
    return rows;
  });
}
