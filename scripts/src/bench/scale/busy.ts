/** `busy`: what holds in every shape: the delay of the event loop while data comes in, and the bytes on disk for each that came. */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { BrokerProcess } from "../broker-process.ts";
import { figure, type Row } from "../measure.ts";
import { createTopic, produceBatches } from "../produce.ts";
import { withScratch } from "../scratch.ts";
import { atMost, type CurveOptions } from "./law.ts";

const BATCH_BYTES = 64 * 1024;
const LOAD = 0.8;

export async function* busy({ isTiny }: CurveOptions): AsyncGenerator<Row> {
  const batches = Math.ceil((isTiny ? 2 ** 22 : 2 ** 30) / BATCH_BYTES);
  yield* await withScratch(async (root) => {
    const broker = await BrokerProcess.start(["--data-dir", join(root, "data")], { isObserved: true });
    await createTopic(broker, "page-cache", 1);
    const full = await produceBatches(broker, BATCH_BYTES, batches, { partitions: 1, isCreated: true });
    const perSecond = (LOAD * batches) / full.seconds;
    await broker.loopDelay(true);
    await produceBatches(broker, BATCH_BYTES, batches, { partitions: 1, isCreated: true, perSecond });
    const delayMs = await broker.loopDelay(false);
    await broker.stop();
    const payload = 2 * batches * BATCH_BYTES;
    return [
      figure("produce at full load", "MB/s", [(batches * BATCH_BYTES) / 1e6 / full.seconds]),
      atMost("event-loop delay at 80 % load, p99", "ms", delayMs, 10),
      atMost("disk bytes per payload byte", "", bytesIn(join(root, "data", "bench-0")) / payload, 1.02),
    ];
  });
}

function bytesIn(folder: string): number {
  return readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}
