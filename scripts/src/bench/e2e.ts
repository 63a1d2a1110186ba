/**
 * `e2e`: how long a record takes from the moment it was meant to be sent to its arrival at a reader, through the SDK, the
 * gRPC door, the log and back, at a fixed rate that keeps nobody busy. Beside it a raw socket that sends messages of the
 * same size back at the same rate, in the synced modes after one `fdatasync` each.
 *
 * Producer and reader are one process, so that there is one clock; the broker is another, and so is the raw server.
 */
import { Client, codecs, topic } from "@tidemark/client";
import { join } from "node:path";
import type { Scale } from "../bench.ts";
import { BrokerProcess } from "./broker-process.ts";
import { Histogram, latencyOf, type Latency } from "./histogram.ts";
import { median, type Row } from "./measure.ts";
import { atRate } from "./pacer.ts";
import { RawEcho } from "./raw-echo.ts";
import { withScratch } from "./scratch.ts";

const RECORD_BYTES = 100;
const WARM_UP_RECORDS = 500;

interface Cell {
  readonly perSecond: number;
  readonly acks: "all" | "leader";
  readonly durability: "page-cache" | "group-commit" | "fsync-each";
  readonly headline: boolean;
}

const cells: readonly Cell[] = [
  { perSecond: 100, acks: "all", durability: "page-cache", headline: false },
  { perSecond: 1000, acks: "all", durability: "page-cache", headline: true },
  { perSecond: 5000, acks: "all", durability: "page-cache", headline: true },
  { perSecond: 1000, acks: "leader", durability: "page-cache", headline: false },
  { perSecond: 500, acks: "all", durability: "group-commit", headline: true },
  { perSecond: 500, acks: "leader", durability: "fsync-each", headline: false },
];

export async function* e2e({ records, pairs, wants }: Scale): AsyncGenerator<Row> {
  const isTiny = pairs === 1;
  for (const cell of cells) {
    const { perSecond, acks, durability, headline } = cell;
    const name = `${RECORD_BYTES} B at ${perSecond}/s, acks=${acks}, ${durability}`;
    if (!wants(name) || (isTiny && !headline)) continue;
    // Ten seconds each, or what the slowest rate makes of the tiny form in half of one.
    const count = isTiny ? Math.min(records, perSecond >> 1) : perSecond * 10;
    yield await withScratch(async (path) => {
      const raw = await RawEcho.start(durability === "page-cache" ? null : join(path, "raw"));
      const broker = await BrokerProcess.start(["--data-dir", join(path, "data")]);
      const owns: Latency[] = [];
      const raws: Latency[] = [];
      const cpuBefore = broker.cpuSeconds();
      try {
        for (let pair = 0; pair < pairs; pair += 1) {
          owns.push(latencyOf(await throughBroker(broker, cell, count, pair)));
          raws.push(latencyOf(await raw.measure(RECORD_BYTES, perSecond, count)));
          if (!isTiny) process.stderr.write(`${name}: ${pair + 1} of ${pairs}\n`);
        }
        const of = (all: readonly Latency[], key: keyof Latency): number => median(all.map((latency) => latency[key]));
        const p50s = owns.map(({ p50 }) => p50);
        return {
          row: name,
          headline,
          value: of(owns, "p50"),
          unit: "us",
          raw: of(raws, "p50"),
          ratio: of(raws, "p50") / of(owns, "p50"),
          cpuRatio: null,
          cpuSecondsPerGB: {},
          cpuMicrosPerRecord: { broker: ((broker.cpuSeconds() - cpuBefore) * 1e6) / (pairs * count) },
          latencyMicros: { p50: of(owns, "p50"), p99: of(owns, "p99"), p999: of(owns, "p999"), max: of(owns, "max") },
          peakRssMiB: broker.peakMiB(),
          runs: pairs,
          spread: (Math.max(...p50s) - Math.min(...p50s)) / of(owns, "p50"),
        };
      } finally {
        raw.stop();
        await broker.stop();
      }
    });
  }
}

async function throughBroker(broker: BrokerProcess, cell: Cell, count: number, run: number): Promise<Histogram> {
  await using client = new Client({ brokers: broker.grpc });
  const name = `e2e-${run}`;
  await client.admin.topics.create({ name, partitions: 1, config: { "tidemark.durability": cell.durability } });
  const bytes = topic(name, { key: codecs.bytes, value: codecs.bytes });
  await using producer = client.producer({ acks: cell.acks, linger: 0 });
  const histogram = new Histogram();
  const warmUp = Math.min(WARM_UP_RECORDS, count);
  const total = warmUp + count;
  const reading = (async (): Promise<void> => {
    let seen = 0;
    for await (const { value } of client.reader(bytes, { from: "earliest", follow: true, limit: total })) {
      seen += 1;
      if (value === null || seen <= warmUp) continue;
      histogram.record((performance.now() - Buffer.from(value.buffer, value.byteOffset, 8).readDoubleLE()) * 1000);
    }
  })();
  let failure: unknown = null;
  const send = (intendedAt: number): void => {
    const value = Buffer.alloc(RECORD_BYTES);
    value.writeDoubleLE(intendedAt);
    producer.send(bytes, { value }).catch((error: unknown) => (failure = error));
  };
  await atRate(cell.perSecond, warmUp, send);
  await producer.flush();
  await atRate(cell.perSecond, count, send);
  await producer.flush();
  if (failure !== null) throw failure;
  await reading;
  return histogram;
}
