/**
 * `simulation`: how much simulated time fits into a CPU second. A cluster of the profile "cluster" with all of its invariants and none of
 * its faults: three brokers, and every simulated second 20 batches that all three acknowledge and 20 fetches (testing.md 3.5).
 */
import { CALM_NETWORK, type ClusterOptions, runCluster } from "@tidemark/broker/sim";
import { makeNode } from "@tidemark/broker/simulation";
import { createProducerCore, createReaderCore } from "@tidemark/client/core";
import type { Scale } from "../bench.ts";
import { figure, type Row } from "./measure.ts";

/** What the design asks for. */
const SPEED_AT_LEAST = 100;
const LOAD_AT_LEAST = 20;
const SIMULATED_MS = 120_000;
const TINY_SIMULATED_MS = 2_000;
/** A little more than the load: before the first record and behind the last one there is none. */
const BATCH_INTERVAL_MS = 46;

/** Nothing is drawn: one seed is as dear as the next. */
const SHAPE: Omit<ClusterOptions, "chaosMs"> = {
  brokersCount: 3,
  topics: [
    {
      name: "load",
      partitions: 4,
      replicationFactor: 3,
      minIsr: 2,
      minIsrLeast: 2,
      durability: "group-commit",
      retentionBytes: -1,
    },
  ],
  // As soon as a record is there it leaves, so each is a batch.
  producers: [{ acks: "all", isIdempotent: true, codec: 0 }],
  moreReaders: 0,
  recordIntervalMs: BATCH_INTERVAL_MS,
  valueBytesMax: 1_000,
  maxInFlight: 5,
  deliveryTimeoutMs: 120_000,
  network: CALM_NETWORK,
  streamAheadBytes: 2 ** 21,
  directoryMode: "strict",
  isTiny: false,
  segmentBytes: 2 ** 20,
  scrubIntervalMs: 0,
  racksCount: 1,
  sessionTimeoutMs: 9_000,
  healsCoreFirst: false,
  losesMost: false,
  faults: {},
  changes: {},
};

interface Simulated {
  readonly speed: number;
  readonly events: number;
  readonly batches: number;
  readonly fetches: number;
}

export async function* simulation({ pairs }: Scale): AsyncGenerator<Row> {
  const chaosMs = pairs === 1 ? TINY_SIMULATED_MS : SIMULATED_MS;
  // What the first ones run is not compiled yet: a whole broker is much code.
  for (let warmUp = pairs === 1 ? 1 : 3; warmUp > 0; warmUp--) await simulate(0, chaosMs);
  const runs: Simulated[] = [];
  for (let seed = 1; seed <= pairs; seed++) runs.push(await simulate(seed, chaosMs));
  const row = (name: string, unit: string, of: keyof Simulated, atLeast?: number): Row => {
    const values = runs.map((run) => run[of]);
    const made = figure(name, unit, values, { headline: of === "speed" });
    if (atLeast === undefined) return made;
    return { ...made, law: { holds: made.value >= atLeast, says: `at least ${atLeast}` } };
  };
  yield row("three brokers under load: simulated time", "s per CPU s", "speed", SPEED_AT_LEAST);
  yield row("the same: events", "per CPU s", "events");
  yield row("the same: batches, acks=all, RF 3", "per simulated s", "batches", LOAD_AT_LEAST);
  yield row("the same: fetches", "per simulated s", "fetches", LOAD_AT_LEAST);
}

async function simulate(seed: number, chaosMs: number): Promise<Simulated> {
  const parts = { makeNode, makeProducerCore: createProducerCore, makeReaderCore: createReaderCore };
  const before = process.cpuUsage();
  const { failure, events, counts, simulatedMs } = await runCluster(seed, parts, { ...SHAPE, chaosMs });
  const { user, system } = process.cpuUsage(before);
  if (failure !== null) throw new Error(`seed ${seed}: ${failure.invariant}: ${failure.message}`);
  const cpuSeconds = (user + system) / 1e6;
  const simulatedSeconds = simulatedMs / 1000;
  return {
    speed: simulatedSeconds / cpuSeconds,
    events: events / cpuSeconds,
    batches: (counts.get("acknowledged") ?? 0) / simulatedSeconds,
    fetches: (counts.get("fetch: answered") ?? 0) / simulatedSeconds,
  };
}
