/**
 * `coldread`: what a reader from offset 0 does to those who produce beside it: the 99th percentile of a produce at a fixed rate,
 * with and without that reader, in turn. The reader takes all that the broker gives; it reads files that lie in the page cache.
 * Producer, reader and broker are a process each. Has no points.
 */
import { Acks, DATA_SERVICE, type ProduceResponse } from "@tidemark/proto";
import { makeBatches, PAYLOADS } from "../batches.ts";
import type { BrokerProcess } from "../broker-process.ts";
import { ColdReader } from "../cold-reader.ts";
import { Histogram, type Latency, latencyOf } from "../histogram.ts";
import { figure, median, type Row } from "../measure.ts";
import { atRate } from "../pacer.ts";
import { createTopic, dial, openStream, produceBatches, withBroker } from "../produce.ts";

import { besides, type CurveOptions } from "./law.ts";

const BATCH_BYTES = 64 * 1024;
/** Few enough that neither the broker nor the waiting for the next moment (pacer.ts) takes what the reader needs. */
const PER_SECOND = 100;
/** Short turns, and many of them: what a shared machine does to some does not move their median. */
const SECONDS = 2;
const PAIRS = 25;
const MOST = 1.2;
/** With what is produced beside it less than a segment, so that retention takes nothing from the reader. */
const STORED_BYTES = 512 * 2 ** 20;

export async function* coldread({ isTiny }: CurveOptions): AsyncGenerator<Row> {
  const storedBytes = isTiny ? 2 ** 22 : STORED_BYTES;
  const count = isTiny ? 20 : PER_SECOND * SECONDS;
  yield* await withBroker(async (broker) => {
    await createTopic(broker, "page-cache", 1);
    await produceBatches(broker, BATCH_BYTES, storedBytes / BATCH_BYTES, { partitions: 1, isCreated: true });
    const alone: Latency[] = [];
    const beside: Latency[] = [];
    const rates: number[] = [];
    const reader = new ColdReader(broker.grpc);
    try {
      await produceAtRate(broker, count);
      for (let pair = 0; pair < (isTiny ? 1 : PAIRS); pair += 1) {
        alone.push(latencyOf(await produceAtRate(broker, count)));
        await reader.start();
        const before = performance.now();
        beside.push(latencyOf(await produceAtRate(broker, count)));
        rates.push((await reader.stop()) / 1e3 / (performance.now() - before));
      }
    } finally {
      reader.end();
    }
    const p99s = (all: readonly Latency[]): number[] => all.map(({ p99 }) => p99);
    const row = (name: string, all: readonly Latency[]): Row => {
      const of = (key: keyof Latency): number => median(all.map((latency) => latency[key]));
      const latencyMicros = { p50: of("p50"), p99: of("p99"), p999: of("p999"), max: of("max") };
      return figure(`${PER_SECOND} batches/s of 64 KiB, ${name}: produce, p99`, "us", p99s(all), { latencyMicros });
    };
    return [
      row("no reader", alone),
      row("a reader from offset 0", beside),
      figure("that reader", "MB/s", rates),
      besides("p99 of a produce with that reader, by that without", MOST, p99s(alone), p99s(beside)),
    ];
  });
}

/** From the moment that was meant for a batch to its answer. */
async function produceAtRate(broker: BrokerProcess, count: number): Promise<Histogram> {
  const batches = makeBatches(BATCH_BYTES, PAYLOADS);
  const client = dial(broker);
  const stream = openStream(client, DATA_SERVICE.produce);
  const histogram = new Histogram();
  const meant: number[] = [];
  let sent = 0;
  let answered = 0;
  let credit = 0;
  try {
    await new Promise<void>((resolve, reject) => {
      const pump = (): void => {
        while (sent < meant.length && credit > 0) {
          const records = batches[sent % batches.length] ?? Buffer.alloc(0);
          credit -= records.length;
          sent += 1;
          const partition = { topic: "bench", partition: 0, topicId: Buffer.alloc(0), records, expectedEnd: null };
          stream.write({
            correlationId: sent,
            acks: Acks.ALL,
            timeoutMs: 30_000,
            inParts: false,
            partitions: [partition],
          });
        }
      };
      stream.on("error", reject);
      stream.on("data", (answer: ProduceResponse) => {
        const isFirst = credit === 0 && sent === 0;
        credit += answer.creditBytes;
        for (const { errorCode, errorMessage } of answer.results) {
          if (errorCode !== 0) reject(new Error(`produce failed: ${errorCode} ${errorMessage}`));
          histogram.record((performance.now() - (meant[answered] ?? 0)) * 1000);
          answered += 1;
        }
        if (answered === count) return resolve();
        pump();
        // The clock begins when the broker has said how much it takes: connecting is not what is timed.
        if (!isFirst) return;
        atRate(PER_SECOND, count, (intendedAt) => {
          meant.push(intendedAt);
          pump();
        }).catch(reject);
      });
    });
    return histogram;
  } finally {
    stream.removeAllListeners("error").on("error", () => {});
    stream.end();
    client.close();
  }
}
