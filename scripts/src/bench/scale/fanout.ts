/**
 * `fanout`: what a gigabyte that is delivered costs the broker, by the readers at the tail that it is delivered to. The points
 * are readers, each on a connection of its own. What is delivered is the same at every point, so many readers share few bytes
 * produced. The producer waits for the slowest reader, so that all of them stay at the tail.
 */
import { Acks, DATA_SERVICE, type ProduceResponse } from "@tidemark/proto";
import { makeBatches, PAYLOADS } from "../batches.ts";
import { BatchReader } from "../batch-reader.ts";
import type { BrokerProcess } from "../broker-process.ts";
import { figure, measured, median, type Row, type Sample } from "../measure.ts";
import { createTopic, dial, openStream, withBroker } from "../produce.ts";

import { count, type CurveOptions, growth, type Point } from "./law.ts";

const BATCH_BYTES = 64 * 1024;
const MESSAGE_BYTES = 1024 * 1024;
/** How far the producer may be ahead of the slowest reader. */
const AHEAD_BYTES = 4 * 2 ** 20;

interface Cell {
  /** Empty when it begins. */
  readonly partition: number;
  readonly readers: number;
  readonly batches: readonly Buffer[];
  /** How many are produced. */
  readonly count: number;
}

export async function* fanout({ points, isTiny, runs }: CurveOptions): AsyncGenerator<Row> {
  const readers = points ?? (isTiny ? [1, 4] : [1, 4, 16, 64]);
  const batches = makeBatches(BATCH_BYTES, PAYLOADS);
  const batchGB = (batches[0]?.length ?? 0) / 1e9;
  const deliveries = Math.ceil((isTiny ? 2 ** 22 : 2 ** 30) / BATCH_BYTES);
  const produced = (n: number): number => Math.ceil(deliveries / Math.max(1, n));
  // No reader at first: what producing alone costs. One warm-up round before those that count.
  const ns = [0, ...readers];
  const rounds = await withBroker(async (broker) => {
    await createTopic(broker, "page-cache", ns.length * (runs + 1));
    const samples: Sample[][] = [];
    for (let partition = 0, round = 0; round <= runs; round += 1) {
      const row: Sample[] = [];
      for (const n of ns)
        row.push(await deliver(broker, { partition: partition++, readers: n, batches, count: produced(n) }));
      samples.push(row);
    }
    return samples.slice(1);
  });
  const of = (slot: number, part: (sample: Sample) => number): number[] =>
    rounds.map((row) => part(row[slot] ?? { seconds: Number.NaN, cpu: {}, peakRssMiB: 0 }));
  const cpu = (slot: number): number => median(of(slot, (sample) => sample.cpu["broker"] ?? Number.NaN));
  const produceCpu = cpu(0) / (deliveries * batchGB);
  yield figure(
    "no reader: produce, 64 KiB batches",
    "MB/s",
    of(0, ({ seconds }) => (deliveries * batchGB * 1e3) / seconds),
    {
      cpuSecondsPerGB: { broker: produceCpu },
    },
  );
  const costs: Point[] = [];
  for (const [slot, n] of readers.entries()) {
    const producedGB = produced(n) * batchGB;
    const deliveredGB = n * producedGB;
    const total = cpu(slot + 1) / deliveredGB;
    const own = (cpu(slot + 1) - produceCpu * producedGB) / deliveredGB;
    costs.push({ n, cost: total });
    yield figure(
      `${count(n)} readers at the tail: delivered`,
      "MB/s",
      of(slot + 1, ({ seconds }) => (deliveredGB * 1e3) / seconds),
      { cpuSecondsPerGB: { broker: total, "beyond produce": own } },
    );
  }
  yield growth("fan-out by readers, broker CPU per GB delivered", 0, costs);
}

/** From the first batch until every reader has all of them. */
async function deliver(broker: BrokerProcess, { partition, readers, batches, count: total }: Cell): Promise<Sample> {
  const received = new Float64Array(readers);
  const totalBytes = Array.from({ length: total }, (_, sent) => batches[sent % batches.length]?.length ?? 0).reduce(
    (sum, bytes) => sum + bytes,
    0,
  );
  const producer = dial(broker);
  const stream = openStream(producer, DATA_SERVICE.produce);
  const open: BatchReader[] = [];
  let pump = (): void => {};
  let fail: (error: Error) => void = () => {};
  try {
    await new Promise<void>((resolve, reject) => {
      let greeted = 0;
      if (readers === 0) resolve();
      for (let slot = 0; slot < readers; slot += 1) {
        let isGreeted = false;
        open.push(
          new BatchReader({
            address: broker.grpc,
            partition,
            offset: 0,
            maxBytes: MESSAGE_BYTES,
            onPart: ({ records }) => {
              if (!isGreeted) {
                isGreeted = true;
                greeted += 1;
                if (greeted === readers) resolve();
              }
              received[slot] = (received[slot] ?? 0) + records.length;
              if (records.length > 0) pump();
            },
            onError: (error) => {
              reject(error);
              fail(error);
            },
          }),
        );
      }
    });
    return await measured(
      broker,
      () =>
        new Promise<void>((resolve, reject) => {
          let sent = 0;
          let sentBytes = 0;
          let ackedBytes = 0;
          let credit = 0;
          fail = reject;
          pump = (): void => {
            let doneBytes = ackedBytes;
            for (const bytes of received) if (bytes < doneBytes) doneBytes = bytes;
            if (doneBytes >= totalBytes) return resolve();
            while (sent < total && credit > 0 && sentBytes - doneBytes < AHEAD_BYTES) {
              const records = batches[sent % batches.length] ?? Buffer.alloc(0);
              credit -= records.length;
              sentBytes += records.length;
              sent += 1;
              stream.write({
                correlationId: sent,
                acks: Acks.ALL,
                timeoutMs: 30_000,
                inParts: false,
                partitions: [{ topic: "bench", partition, topicId: Buffer.alloc(0), records, expectedEnd: null }],
              });
            }
          };
          stream.on("error", reject);
          let answered = 0;
          stream.on("data", (answer: ProduceResponse) => {
            credit += answer.creditBytes;
            for (const { errorCode, errorMessage } of answer.results) {
              if (errorCode !== 0) reject(new Error(`produce failed: ${errorCode} ${errorMessage}`));
              ackedBytes += batches[answered % batches.length]?.length ?? 0;
              answered += 1;
            }
            pump();
          });
        }),
    );
  } finally {
    for (const reader of open) reader.close();
    stream.removeAllListeners("error").on("error", () => {});
    stream.end();
    producer.close();
  }
}
