/**
 * `recovery`: from `kill -9` to ready, by the bytes that nobody had flushed. The broker's own start is taken off, as it is
 * without any of them. The points are GB, in batches of 64 KiB, over four partitions.
 */
import { join } from "node:path";
import { BrokerProcess } from "../broker-process.ts";
import { figure, median, type Row } from "../measure.ts";
import { createTopic, produceBatches } from "../produce.ts";
import { requireRoom, withScratch } from "../scratch.ts";
import { atLeast, type CurveOptions, growth, type Point } from "./law.ts";

const BATCH_BYTES = 64 * 1024;
const PARTITIONS = 4;
const LEAST_MB_PER_S = 800;

export async function* recovery({ points, isTiny, runs }: CurveOptions): AsyncGenerator<Row> {
  const gigabytes = points ?? (isTiny ? [0.001, 0.002] : [0.1, 1]);
  const emptyMs = median((await startsAfterKill(0, runs)).ms);
  yield figure("0 GB unflushed: kill -9, start to ready", "ms", [emptyMs]);
  const costs: Point[] = [];
  for (const gb of gigabytes) {
    const { ms, cpu } = await startsAfterKill(gb * 1e9, runs);
    const own = Math.max(1, median(ms) - emptyMs);
    costs.push({ n: gb, cost: own });
    yield figure(`${gb} GB unflushed: kill -9, start to ready`, "ms", ms, {
      cpuSecondsPerGB: { broker: median(cpu) / gb },
    });
    const row = `${gb} GB unflushed: recovery`;
    const rate = (gb * 1e6) / own;
    yield gb >= 1 ? atLeast(row, "MB/s", rate, LEAST_MB_PER_S) : figure(row, "MB/s", [rate]);
  }
  yield growth("recovery by unflushed bytes", 1, costs);
}

async function startsAfterKill(bytes: number, runs: number): Promise<{ ms: number[]; cpu: number[] }> {
  const ms: number[] = [];
  const cpu: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    await withScratch(async (root) => {
      requireRoom(root, bytes * 1.2);
      const flags = ["--data-dir", join(root, "data")];
      const killed = await BrokerProcess.start(flags);
      await createTopic(killed, "page-cache", PARTITIONS);
      const batches = Math.ceil(bytes / BATCH_BYTES);
      if (batches > 0) await produceBatches(killed, BATCH_BYTES, batches, { partitions: PARTITIONS, isCreated: true });
      await killed.stop("SIGKILL");
      const broker = await BrokerProcess.start(flags);
      ms.push(broker.startMs);
      cpu.push(broker.startCpuSeconds);
      await broker.stop();
    });
  }
  return { ms, cpu };
}
