/**
 * `produce`: whole batches over the gRPC produce stream beside raw grpc-js streams of the same message size, and records
 * through the SDK. The broker is a process of its own; acks=all.
 */
import { Client as GrpcClient, credentials, type ClientDuplexStream } from "@grpc/grpc-js";
import { Client, topic } from "@tidemark/client";
import { Acks, DATA_SERVICE, type MessageCodec, type ProduceResponse } from "@tidemark/proto";
import { randomBytes } from "node:crypto";
import type { Scale } from "../bench.ts";
import { makeBatches, PAYLOADS } from "./batches.ts";
import { BrokerProcess } from "./broker-process.ts";
import { compare, type Measured, measured, type Row, type Sample } from "./measure.ts";
import { RawGrpc } from "./raw-grpc.ts";
import { withScratch } from "./scratch.ts";

const inFlightBytes = 8 * 2 ** 20;
/**
 * What a fresh broker gets before it is measured: until its code is compiled it takes three times the CPU, and the raw
 * server beside it has served whole runs before.
 */
const WARM_UP_BYTES = 256 * 2 ** 20;
const WARM_UP_RECORDS = 500_000;
const TOPIC = "bench";

export async function* produce({ bytes, records, pairs, wants }: Scale): AsyncGenerator<Row> {
  for (const [batchBytes, label, headline] of [
    [64 * 1024, "64 KiB", true],
    [512 * 1024, "512 KiB", false],
  ] as const) {
    const row = `${label} batches, gRPC stream, acks=all, page-cache`;
    if (!wants(row)) continue;
    const count = Math.max(1, Math.floor(bytes / batchBytes));
    const raw = await RawGrpc.start();
    try {
      yield await compare(
        { row, headline },
        { bytes: count * batchBytes, count: (count * batchBytes) / 1e6, unit: "MB/s" },
        pairs,
        () =>
          withBroker(async (broker) => {
            await produceBatches(broker, batchBytes, Math.ceil(Math.min(bytes, WARM_UP_BYTES) / batchBytes));
            return await produceBatches(broker, batchBytes, count, { partitions: 1, isCreated: true });
          }),
        () => raw.push(batchBytes, count, Math.ceil(inFlightBytes / batchBytes)),
      );
    } finally {
      raw.stop();
    }
  }
  for (const durability of ["page-cache", "group-commit"] as const) {
    for (const way of ["enqueue", "send"] as const) {
      const row = `100 B records, SDK ${way}, acks=all, ${durability}`;
      if (!wants(row)) continue;
      yield await compare(
        {
          row,
          headline: durability === "page-cache",
        },
        { bytes: records * 100, count: records, unit: "records/s" },
        pairs,
        () =>
          withBroker(async (broker) => {
            await produceRecords(broker, Math.min(records, WARM_UP_RECORDS), way, durability);
            return await produceRecordsTo(broker, TOPIC, records, way);
          }),
        null,
      );
    }
  }
}

export async function withBroker<T>(task: (broker: BrokerProcess) => Promise<T>): Promise<T> {
  return await withScratch(async (path) => {
    const broker = await BrokerProcess.start(["--data-dir", path]);
    try {
      return await task(broker);
    } finally {
      await broker.stop();
    }
  });
}

/** What is produced to: one broker, or the one of a cluster that leads. */
export interface ProduceTarget extends Measured {
  readonly grpc: string;
}

export interface ProduceBatchesOptions {
  /** Batches go to them in turn. */
  readonly partitions: number;
  /** The topic is there. */
  readonly isCreated?: boolean;
  readonly topic?: string;
  /** Batches a second; absent: as fast as they are taken. */
  readonly perSecond?: number;
}

/** Streams batches as the SDK's connection does, without its accumulator: the door's cost alone. */
export async function produceBatches(
  broker: ProduceTarget,
  batchBytes: number,
  count: number,
  options: ProduceBatchesOptions = { partitions: 1 },
): Promise<Sample> {
  const { partitions, isCreated = false, topic: name = TOPIC, perSecond = Number.POSITIVE_INFINITY } = options;
  if (!isCreated) await createTopic(broker, "page-cache", partitions);
  const batches = makeBatches(batchBytes, PAYLOADS);
  const client = dial(broker);
  const stream = openStream(client, DATA_SERVICE.produce);
  try {
    return await measured(
      broker,
      () =>
        new Promise<void>((resolve, reject) => {
          let sent = 0;
          let answered = 0;
          let credit = 0;
          const startedAt = performance.now();
          const due = (): number =>
            Number.isFinite(perSecond) ? Math.min(count, ((performance.now() - startedAt) / 1000) * perSecond) : count;
          const pump = (): void => {
            while (sent < due() && credit > 0) {
              const records = batches[sent % batches.length] ?? Buffer.alloc(0);
              credit -= records.length;
              sent++;
              const partition = {
                topic: name,
                partition: sent % partitions,
                topicId: Buffer.alloc(0),
                records,
                expectedEnd: null,
              };
              stream.write({
                correlationId: sent,
                acks: Acks.ALL,
                timeoutMs: 30_000,
                inParts: false,
                partitions: [partition],
              });
            }
          };
          // At a rate below what is possible, time brings the next batch, and not an answer.
          const clock = Number.isFinite(perSecond) ? setInterval(pump, 1) : undefined;
          stream.on("error", reject);
          stream.on("data", (answer: ProduceResponse) => {
            credit += answer.creditBytes;
            for (const { errorCode, errorMessage } of answer.results) {
              if (errorCode !== 0) reject(new Error(`produce failed: ${errorCode} ${errorMessage}`));
              answered++;
            }
            if (answered < count) return pump();
            clearInterval(clock);
            resolve();
          });
        }),
    );
  } finally {
    stream.removeAllListeners("error").on("error", () => {});
    stream.end();
    client.close();
  }
}

/** A stream of a data service's method, with the hand-written codec of its messages. */
export function openStream<Request, Response>(
  client: GrpcClient,
  { path, request, response }: { path: string; request: MessageCodec<Request>; response: MessageCodec<Response> },
): ClientDuplexStream<Request, Response> {
  return client.makeBidiStreamRequest(
    path,
    // As the SDK's connection does: the message writes itself into the frame.
    (message: Request) => request.defer(message) as Buffer,
    (bytes: Buffer) => response.decode(bytes),
  );
}

/** A client on a connection that it shares with nobody. */
export function dial({ grpc }: { readonly grpc: string }): GrpcClient {
  return new GrpcClient(grpc, credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
    "grpc.enable_channelz": 0,
    "grpc.enable_retries": 0,
    "grpc-node.flow_control_window": 8 * 2 ** 20,
    "grpc.max_receive_message_length": 64 * 2 ** 20,
  });
}

export async function createTopic(broker: ProduceTarget, durability: string, partitions = 1): Promise<void> {
  await using client = new Client({ brokers: broker.grpc });
  // The records of makeBatches are years old: retention would take each segment as soon as it is closed.
  const config = { "tidemark.durability": durability, "retention.ms": "-1" };
  await client.admin.topics.create({ name: TOPIC, partitions, config });
}

export async function produceRecords(
  broker: ProduceTarget,
  count: number,
  way: "enqueue" | "send",
  durability: string,
): Promise<Sample> {
  await createTopic(broker, durability);
  return await produceRecordsTo(broker, TOPIC, count, way);
}

/** To a topic that is there, all of them through one producer. */
export async function produceRecordsTo(
  broker: ProduceTarget,
  name: string,
  count: number,
  way: "enqueue" | "send",
): Promise<Sample> {
  await using client = new Client({ brokers: broker.grpc });
  const producer = client.producer();
  const bench = topic<Buffer, Buffer>(name);
  // The caller's values stand ready, as an application's do: cutting a Buffer per record cost a quarter of the client's CPU.
  const block = randomBytes(1 << 20);
  const values = Array.from({ length: 8192 }, (_, slot) => block.subarray(slot * 128, slot * 128 + 100));
  const valueAt = (slot: number): Buffer => values[slot & 8191] as Buffer;
  await producer.send(bench, { value: valueAt(0) });
  const enqueueAll = async (): Promise<void> => {
    for (let sent = 0; sent < count; ) {
      if (producer.enqueue(bench, { value: valueAt(sent) })) sent++;
      else await producer.ready();
    }
    await producer.flush();
  };
  const sendAll = async (): Promise<void> => {
    const window = 20_000;
    let failure: unknown = null;
    for (let sent = 0; sent < count; ) {
      const flight: Promise<unknown>[] = [];
      for (; flight.length < window && sent < count; sent++)
        flight.push(producer.send(bench, { value: valueAt(sent) }));
      await Promise.all(flight).catch((error: unknown) => (failure = error));
      if (failure !== null) throw failure;
    }
  };
  return await measured(broker, way === "enqueue" ? enqueueAll : sendAll);
}
