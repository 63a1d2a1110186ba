/**
 * `fetch`: batches from the gRPC fetch stream beside a raw grpc-js server stream of the same message size, and records
 * through the SDK's reader. The log was written in the same run, so that it is in the page cache.
 */
import { Client } from "@tidemark/client";
import { DATA_SERVICE, Isolation, type FetchResponse } from "@tidemark/proto";
import type { Scale } from "../bench.ts";
import type { BrokerProcess } from "./broker-process.ts";
import { compare, type Row, type Sample } from "./measure.ts";
import { dial, measured, openStream, produceBatches, produceRecords, withBroker } from "./produce.ts";
import { RawGrpc } from "./raw-grpc.ts";

const windowBytes = 8 * 2 ** 20;

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
          { shape: "fetch", row, headline },
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
      { shape: "fetch", row, headline: true },
      { bytes: records * 100, count: records, unit: "records/s" },
      pairs,
      () => readRecords(broker, records),
      null,
    );
  });
}

/** Takes the whole partition through one subscription, granting credit as messages arrive. */
async function fetchBatches(broker: BrokerProcess, maxBytes: number): Promise<Sample> {
  const client = dial(broker);
  const stream = openStream(client, DATA_SERVICE.fetch);
  try {
    return await measured(
      broker,
      () =>
        new Promise<void>((resolve, reject) => {
          let highWatermark = Number.POSITIVE_INFINITY;
          stream.on("error", reject);
          stream.on("data", (answer: FetchResponse) => {
            let taken = 0;
            for (const part of answer.partitions) {
              if (part.errorCode !== 0) reject(new Error(`fetch failed: ${part.errorCode} ${part.errorMessage}`));
              taken += part.records.length;
              highWatermark = part.highWatermark;
              if (lastOffsetOf(part.records) + 1 >= highWatermark) {
                resolve();
                return;
              }
            }
            stream.write({ subscribe: [], unsubscribe: [], creditBytes: taken });
          });
          const subscription = {
            subscriptionId: 1,
            topic: "bench",
            partition: 0,
            topicId: Buffer.alloc(0),
            offset: 0,
            maxBytes,
            isolation: Isolation.READ_UNCOMMITTED,
            currentLeaderEpoch: -1,
          };
          stream.write({ subscribe: [subscription], unsubscribe: [], creditBytes: windowBytes });
        }),
    );
  } finally {
    stream.removeAllListeners("error").on("error", () => {});
    stream.cancel();
    client.close();
  }
}

/** Last offset of the last whole batch; -1 when there is none. Walks headers only. */
function lastOffsetOf(records: Buffer): number {
  let last = -1;
  for (let at = 0; at + 61 <= records.length; ) {
    last = records.readUInt32BE(at) * 2 ** 32 + records.readUInt32BE(at + 4) + records.readInt32BE(at + 23);
    at += 12 + records.readInt32BE(at + 8);
  }
  return last;
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
