/**
 * `fetch`: batches from the gRPC fetch stream beside a raw grpc-js server stream of the same message size, and records
 * through the SDK's reader. The log was written in the same run, so that it is in the page cache.
 */
import { Client } from "@tidemark/client";
import type { Scale } from "../bench.ts";
import { BatchReader, lastOffsetOf } from "./batch-reader.ts";
import type { BrokerProcess } from "./broker-process.ts";
import { compare, measured, type Row, type Sample } from "./measure.ts";
import { produceBatches, produceRecords, withBroker } from "./produce.ts";
import { RawGrpc } from "./raw-grpc.ts";

export async function* fetch({ bytes, records, pairs, wants }: Scale): AsyncGenerator<Row> {
  const batchBytes = 64 * 1024;
  const count = Math.max(1, Math.floor(bytes / batchBytes));
  for (const [messageBytes, label, headline] of [
    [batchBytes, "64 KiB", true],
    [1024 * 1024, "1 MiB", false],
  ] as const) {
    const row = `${label} messages, gRPC stream, page-cache, warm`;
    if (!wants(row)) continue;
    const raw = await RawGrpc.start();
    try {
      yield await withBroker(async (broker) => {
        await produceBatches(broker, batchBytes, count);
        return await compare(
          { row, headline },
          { bytes: count * batchBytes, count: (count * batchBytes) / 1e6, unit: "MB/s" },
          pairs,
          () => fetchBatches(broker, messageBytes),
          () => raw.pull(messageBytes, Math.ceil((count * batchBytes) / messageBytes)),
        );
      });
    } finally {
      raw.stop();
    }
  }
  const row = "100 B records, SDK for await, page-cache, warm";
  if (!wants(row)) return;
  yield await withBroker(async (broker) => {
    await produceRecords(broker, records, "enqueue", "page-cache");
    return await compare(
      { row, headline: true },
      { bytes: records * 100, count: records, unit: "records/s" },
      pairs,
      () => readRecords(broker, records),
      null,
    );
  });
}

/** Takes the whole partition through one subscription. */
async function fetchBatches(broker: BrokerProcess, maxBytes: number): Promise<Sample> {
  return await measured(broker, async () => {
    let reader: BatchReader | null = null;
    try {
      await new Promise<void>((resolve, reject) => {
        reader = new BatchReader({
          address: broker.grpc,
          offset: 0,
          maxBytes,
          onPart: ({ records, highWatermark }) => {
            if (lastOffsetOf(records) + 1 >= highWatermark) resolve();
          },
          onError: reject,
        });
      });
    } finally {
      (reader as BatchReader | null)?.close();
    }
  });
}

async function readRecords(broker: BrokerProcess, count: number): Promise<Sample> {
  await using client = new Client({ brokers: broker.grpc });
  const { topic } = await import("@tidemark/client");
  await client.ready();
  return await measured(broker, async () => {
    let seen = 0;
    for await (const record of client.reader(topic("bench"), { from: "earliest", to: "end" }))
      if (record.offset >= 0) seen++;
    if (seen < count) throw new Error(`read ${seen} of ${count} records`);
  });
}
