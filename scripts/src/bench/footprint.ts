/**
 * `footprint`: what a broker costs that does nothing. Start to the ready line (median of ten), CPU and resident memory
 * after ten idle seconds, resident memory a minute after data went in and out.
 */
import { setTimeout as pause } from "node:timers/promises";
import type { Scale } from "../bench.ts";
import { BrokerProcess } from "./broker-process.ts";
import { figure, type Row } from "./measure.ts";
import { produceRecords, withBroker } from "./produce.ts";
import { Client, topic } from "@tidemark/client";

/** Each of them is one that docs/performance.md speaks of. */
const row = (name: string, unit: string, values: readonly number[]): Row =>
  figure(name, unit, values, { headline: true });

export async function* footprint({ records, pairs, wants }: Scale): AsyncGenerator<Row> {
  const isTiny = pairs === 1;
  if (wants("start")) yield await start(isTiny);
  if (wants("idle")) yield* idle(isTiny);
  if (wants("loaded")) yield await loaded(isTiny, records);
}
async function start(isTiny: boolean): Promise<Row> {
  const starts: number[] = [];
  for (let run = 0; run < (isTiny ? 1 : 10); run++) {
    const broker = await BrokerProcess.start(["--brokers", "1", "--memory"]);
    starts.push(broker.startMs);
    await broker.stop();
  }
  return row("dev --memory: process start to ready", "ms", starts);
}

async function* idle(isTiny: boolean): AsyncGenerator<Row> {
  const broker = await BrokerProcess.start(["--brokers", "1", "--memory"]);
  await pause(isTiny ? 500 : 10_000);
  const cpuBefore = broker.cpuSeconds();
  const idleSeconds = isTiny ? 1 : 60;
  await pause(idleSeconds * 1000);
  yield row("dev --memory, idle: share of a core", "%", [((broker.cpuSeconds() - cpuBefore) / idleSeconds) * 100]);
  yield row("dev --memory, idle: resident", "MiB", [broker.residentMiB()]);
  await broker.stop();
}

async function loaded(isTiny: boolean, records: number): Promise<Row> {
  const count = isTiny ? records : 10_000_000;
  return await withBroker(async (disk) => {
    await produceRecords(disk, count, "enqueue", "page-cache");
    await using client = new Client({ brokers: disk.grpc });
    let seen = 0;
    for await (const record of client.reader(topic("bench"), { from: "earliest", to: "end" }))
      if (record.offset >= 0) seen++;
    if (seen < count) throw new Error(`read ${seen} of ${count} records`);
    await pause(isTiny ? 500 : 60_000);
    return row(`dev, a minute after ${(count / 1e7).toFixed(2)} GB in and out: resident`, "MiB", [disk.residentMiB()]);
  });
}
