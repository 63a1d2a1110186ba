/**
 * `replicate`: three brokers in three processes, acks=all. Whole batches over the gRPC produce stream to partitions of one, two and
 * three replicas, beside a chain of raw sockets that writes the same bytes as often; records of 100 bytes through one SDK
 * producer; and how fast a replica that has nothing catches up while nobody produces.
 */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Client } from "@tidemark/client";
import type { Scale } from "../bench.ts";
import { ClusterProcess } from "./cluster-process.ts";
import { HEAL_LIMIT_MS, untilAllAlive, untilWhole } from "./cluster-waits.ts";
import { compare, type Measured, measured, type Row, type Sample } from "./measure.ts";
import { produceBatches, type ProduceTarget, produceRecordsTo } from "./produce.ts";
import { RawChain } from "./raw-chain.ts";
import { withScratch } from "./scratch.ts";

const BROKERS = 3;
const BATCH_BYTES = 64 * 1024;
const IN_FLIGHT_BYTES = 8 * 2 ** 20;
/** Of every topic here: what is measured on one process should be that of one role. */
const LEADER = 1;
const LAGGARD = 3;
const POLL_MS = 2;
const CATCH_UP_LIMIT_MS = 300_000;

type Durability = "page-cache" | "group-commit";

type InCluster = <T>(task: (cluster: MeasuredCluster) => Promise<T>) => Promise<T>;

export async function* replicate(scale: Scale): AsyncGenerator<Row> {
  if (scale.pairs > 1) return yield* rowsOf(scale, withCluster);
  // Figures of the tiny form mean nothing: one cluster serves all of it.
  yield* await withCluster(async (cluster) => {
    const rows: Row[] = [];
    for await (const row of rowsOf(scale, (task) => task(cluster))) rows.push(row);
    return rows;
  });
}

async function* rowsOf({ bytes, records, pairs, wants }: Scale, inCluster: InCluster): AsyncGenerator<Row> {
  const count = Math.max(1, Math.floor(bytes / BATCH_BYTES));
  const work = { bytes: count * BATCH_BYTES, count: (count * BATCH_BYTES) / 1e6, unit: "MB/s" } as const;
  for (const [replicas, durability] of [
    [1, "page-cache"],
    [2, "page-cache"],
    [3, "page-cache"],
    [3, "group-commit"],
  ] as const) {
    const row = `64 KiB batches, RF ${replicas}, acks=all, ${durability}`;
    if (!wants(row)) continue;
    yield await inCluster(async (cluster) => {
      const chain = await RawChain.start(cluster.root, replicas, durability === "group-commit");
      try {
        return await compare(
          { row, headline: replicas === BROKERS && durability === "page-cache" },
          work,
          pairs,
          () => cluster.withTopic({ replicas, durability }, (topic) => produceTo(cluster, topic, count)),
          () => chain.push(BATCH_BYTES, count, IN_FLIGHT_BYTES),
        );
      } finally {
        chain.stop();
      }
    });
  }
  for (const durability of ["page-cache", "group-commit"] as const) {
    const row = `100 B records, SDK enqueue, RF 3, acks=all, ${durability}`;
    if (!wants(row)) continue;
    yield await inCluster((cluster) =>
      compare(
        { row, headline: durability === "page-cache" },
        { bytes: records * 100, count: records, unit: "records/s" },
        pairs,
        () =>
          cluster.withTopic({ replicas: BROKERS, durability }, (topic) =>
            produceRecordsTo(cluster, topic, records, "enqueue"),
          ),
        null,
      ),
    );
  }
  const row = "catch-up of an empty replica, RF 3, page-cache";
  if (wants(row))
    yield await inCluster((cluster) =>
      compare(
        { row, headline: true },
        work,
        pairs,
        () =>
          cluster.withTopic({ replicas: BROKERS, durability: "page-cache" }, (topic) => catchUp(cluster, topic, count)),
        null,
      ),
    );
}

const produceTo = (cluster: ProduceTarget, topic: string, count: number): Promise<Sample> =>
  produceBatches(cluster, BATCH_BYTES, count, { partitions: 1, isCreated: true, topic });

/** A replica whose process was away while everything was written, from its first byte to its last. */
async function catchUp(cluster: MeasuredCluster, topic: string, count: number): Promise<Sample> {
  await cluster.processes.kill(LAGGARD, "SIGTERM");
  await produceTo(cluster, topic, count);
  const total = bytesIn(cluster.logOf(LEADER, topic));
  const log = cluster.logOf(LAGGARD, topic);
  await cluster.processes.start(LAGGARD);
  const until = async (bytes: number): Promise<void> => {
    const limit = performance.now() + CATCH_UP_LIMIT_MS;
    while (bytesIn(log) < bytes) {
      if (performance.now() > limit) throw new Error(`${topic} was not caught up within ${CATCH_UP_LIMIT_MS} ms`);
      await pause(POLL_MS);
    }
  };
  await until(1);
  const before = bytesIn(log);
  const sample = await measured(cluster, () => until(total));
  // What stood there when the clock began does not count.
  return { ...sample, seconds: sample.seconds * (total / (total - before)) };
}

function bytesIn(log: string): number {
  if (!existsSync(log)) return 0;
  const sizes = readdirSync(log).map((name) => (name.endsWith(".log") ? statSync(join(log, name)).size : 0));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Three processes, of which the first leads every partition. */
class MeasuredCluster implements ProduceTarget, Measured {
  readonly root: string;
  readonly processes: ClusterProcess;
  readonly #client: Client;
  #topicsCount = 0;

  constructor(root: string, processes: ClusterProcess, client: Client) {
    this.root = root;
    this.processes = processes;
    this.#client = client;
  }

  get grpc(): string {
    return this.processes.addresses[LEADER - 1] ?? "";
  }

  cpu(): Readonly<Record<string, number>> {
    const leader = this.processes.cpuSeconds(LEADER);
    let followers = 0;
    for (let nodeId = 1; nodeId <= BROKERS; nodeId++)
      if (nodeId !== LEADER) followers += this.processes.cpuSeconds(nodeId);
    return { leader, followers };
  }

  peakMiB(): number {
    return this.processes.peakMiB();
  }

  logOf(nodeId: number, topic: string): string {
    return join(this.processes.dataDir(nodeId), `${topic}-0`);
  }

  /** One partition, whole when `task` begins; its files are gone soon after. */
  async withTopic<T>(
    { replicas, durability }: { replicas: number; durability: Durability },
    task: (topic: string) => Promise<T>,
  ): Promise<T> {
    const { topics } = this.#client.admin;
    const name = `bench-${this.#topicsCount++}`;
    const others = Array.from({ length: BROKERS }, (_, slot) => slot + 1).filter((nodeId) => nodeId !== LEADER);
    await topics.create({
      name,
      assignment: [[LEADER, ...others.slice(0, replicas - 1)]],
      // The records of makeBatches are years old: retention would take each segment as soon as it is closed.
      config: { "tidemark.durability": durability, "retention.ms": "-1", "file.delete.delay.ms": "0" },
    });
    await untilWhole(this.#client, name);
    const result = await task(name);
    await untilWhole(this.#client, name);
    await topics.delete(name);
    return result;
  }
}

async function withCluster<T>(task: (cluster: MeasuredCluster) => Promise<T>): Promise<T> {
  return await withScratch(async (root) => {
    const processes = await ClusterProcess.start(root, BROKERS);
    try {
      await using client = new Client({ brokers: [...processes.addresses], retry: { budget: HEAL_LIMIT_MS } });
      await untilAllAlive(client, BROKERS);
      return await task(new MeasuredCluster(root, processes, client));
    } finally {
      await processes.stop();
    }
  });
}
