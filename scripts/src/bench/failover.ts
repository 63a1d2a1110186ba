/**
 * `failover`: three brokers with default settings, partitions of three replicas that one of them leads, and kill -9 for
 * that one while they are produced to. How long until a partition acknowledges something new? In every third
 * run the victim is the controller too; with `--only controller` in each, with `--only broker` in none. `--points N,N` sets the
 * partitions, `--runs N` the runs of each; with several points, the time at the last is held to twice that at the first.
 *
 * Whatever the number of partitions, the load before and after the kill is the same: PROBED of them, spread evenly over all, are produced
 * to, and the others change their leader beside. A record for each of a thousand at once takes as long with nobody killed: what is
 * measured is the failover, and not how long a queue gets in front of a broker that is busy. When the probed ones are back each
 * partition gets a record: rows of their own say when the last has one, and how long that takes with nobody killed.
 *
 * The first failover of each cluster counts for itself alone, in rows of its own: no broker has led anything before it but the victim,
 * and what the others do then for the first time is read, interpreted and compiled on the way.
 */
import { setTimeout as pause } from "node:timers/promises";
import { Client, codecs, type Producer, topic } from "@tidemark/client";
import type { Scale } from "../bench.ts";
import { ClusterProcess } from "./cluster-process.ts";
import { HEAL_LIMIT_MS, untilAllAlive, untilWhole } from "./cluster-waits.ts";
import { figure, type Row } from "./measure.ts";
import { withScratch } from "./scratch.ts";
import { atMost, count } from "./scale/law.ts";

const BROKERS = 3;
/** The bound on the time is given for the first. */
const POINTS = [100, 1_000];
const TINY_POINTS = [6];
const RUNS = 20;
const RUN_LIMIT_MS = 60_000;
/** Partitions that are produced to; all of them where they are fewer. */
const PROBED = 100;
const P99_MOST_MS = 1_000;
const GROWTH_MOST = 2;
/** Of all probed partitions together, before the kill and behind the first record after it. */
const RECORDS_PER_SECOND = 1_000;

interface Victim {
  readonly nodeId: number;
  readonly isController: boolean;
}

export async function* failover({ pairs, points: wantedPoints, runs: wantedRuns, wants }: Scale): AsyncGenerator<Row> {
  const isTiny = pairs === 1;
  const points = wantedPoints ?? (isTiny ? TINY_POINTS : POINTS);
  const runs = wantedRuns ?? (isTiny ? 1 : RUNS);
  const found: { readonly partitions: number; readonly all: readonly number[]; readonly first: readonly number[] }[] =
    [];
  for (const partitions of points) {
    const { first, plain, controller, calm, each, calmEach } = await atPoint(partitions, runs, wants);
    const all = [...plain, ...controller];
    found.push({ partitions, all, first });
    const name = `${count(partitions)} partitions, kill -9 to a new acknowledgement`;
    yield figure(`${count(partitions)} partitions, as many records with nobody killed: the last`, "ms", calm);
    yield figure(`${name}: p50`, "ms", [quantile(all, 0.5)]);
    yield atMost(`${name}: p99`, "ms", quantile(all, 0.99), P99_MOST_MS);
    if (controller.length > 0)
      yield figure(`${name}: p99, victim leads the quorum`, "ms", [quantile(controller, 0.99)]);
    if (plain.length > 0) yield figure(`${name}: p99, victim does not`, "ms", [quantile(plain, 0.99)]);
    yield figure(`${name}: p99, the first of a cluster (not counted above)`, "ms", [quantile(first, 0.99)]);
    yield figure(`${count(partitions)} partitions, a record for each with nobody killed: the last`, "ms", calmEach);
    yield figure(`${count(partitions)} partitions, kill -9, the probed back, a record for each: the last`, "ms", each);
  }
  const [first, last] = [found[0], found.at(-1)];
  if (first === undefined || last === undefined || first === last) return;
  const name = `kill -9 to a new acknowledgement, ${count(last.partitions)} partitions over ${count(first.partitions)}`;
  yield figure(`${name}: p50`, "times", [quantile(last.all, 0.5) / quantile(first.all, 0.5)]);
  yield atMost(`${name}: p99`, "times", quantile(last.all, 0.99) / quantile(first.all, 0.99), GROWTH_MOST);
  yield figure(`${name}: p99, the first of a cluster`, "times", [
    quantile(last.first, 0.99) / quantile(first.first, 0.99),
  ]);
}

async function atPoint(
  partitions: number,
  runs: number,
  wants: Scale["wants"],
): Promise<Record<"first" | "plain" | "controller" | "calm" | "each" | "calmEach", readonly number[]>> {
  const first: number[] = [];
  const plain: number[] = [];
  const controller: number[] = [];
  const calm: number[] = [];
  const each: number[] = [];
  const calmEach: number[] = [];
  await withScratch(async (root) => {
    const cluster = await ClusterProcess.start(root, BROKERS);
    try {
      await using client = new Client({ brokers: [...cluster.addresses], retry: { budget: HEAL_LIMIT_MS } });
      await untilAllAlive(client, BROKERS);
      for (let run = 0; run <= runs; run++) {
        const isController = wants("controller") && (!wants("broker") || run % 3 === 1);
        const victim = await chooseVictim(client, isController);
        const found = await failOnce({ cluster, client, victim, name: `failover-${run}`, partitions });
        const { times } = found;
        if (run > 0) {
          calm.push(found.calmMs);
          each.push(found.eachMs);
          calmEach.push(found.calmEachMs);
        }
        (run === 0 ? first : victim.isController ? controller : plain).push(...times);
        const told = `run ${run}: broker ${victim.nodeId}${victim.isController ? ", the controller" : ""}`;
        process.stderr.write(`${told}: median ${ms(times, 0.5)}, last ${ms(times, 1)} ms\n`);
      }
    } finally {
      await cluster.stop();
    }
  });
  return { first, plain, controller, calm, each, calmEach };
}

async function chooseVictim(client: Client, isController: boolean): Promise<Victim> {
  const { controllerId } = await client.admin.cluster();
  const nodeId = isController ? controllerId : (controllerId % BROKERS) + 1;
  return { nodeId, isController };
}

/**
 * Ms from the kill to the first acknowledgement of something sent after it, by probed partition, and to the last of each partition; and of
 * the same records, sent before while all is well, to the last acknowledgement.
 */
async function failOnce(options: {
  cluster: ClusterProcess;
  client: Client;
  victim: Victim;
  name: string;
  partitions: number;
}): Promise<{
  readonly times: number[];
  readonly calmMs: number;
  readonly eachMs: number;
  readonly calmEachMs: number;
}> {
  const { cluster, client, victim, name, partitions } = options;
  const { nodeId } = victim;
  const others = Array.from({ length: BROKERS }, (_, slot) => slot + 1).filter((id) => id !== nodeId);
  const assignment = Array.from({ length: partitions }, () => [nodeId, ...others]);
  await client.admin.topics.create({ name, assignment });
  await untilWhole(client, name);
  await using producer = client.producer({ linger: 0 });
  await writeEach(producer, name, partitions);
  const calmEachAt = performance.now();
  await writeEach(producer, name, partitions);
  const calmEachMs = performance.now() - calmEachAt;
  const load = new Load(producer, name, spread(partitions));
  await load.untilAllAcknowledged();
  const calmAt = performance.now();
  load.markAll();
  const calmMs = Math.max(...(await load.untilAllAcknowledged())) - calmAt;

  const killedAt = performance.now();
  const gone = cluster.kill(nodeId);
  load.markAll();
  await gone;
  const times = (await load.untilAllAcknowledged(RUN_LIMIT_MS)).map((at) => at - killedAt);
  await writeEach(producer, name, partitions);
  const eachMs = performance.now() - killedAt;
  await load.end();
  await cluster.start(nodeId);
  await untilWhole(client, name);
  await client.admin.topics.delete(name);
  return { times, calmMs, eachMs, calmEachMs };
}

/** The numbers of those that are probed. */
function spread(partitions: number): number[] {
  const probed = Math.min(PROBED, partitions);
  return Array.from({ length: probed }, (_, slot) => Math.floor((slot * partitions) / probed));
}

/** Resolves when each partition has acknowledged one record more. */
async function writeEach(producer: Producer, name: string, partitions: number): Promise<void> {
  const words = text(name);
  await Promise.all(
    Array.from({ length: partitions }, (_, partition) => producer.send(words, { partition, value: "x" })),
  );
}

/** One record under way in every probed partition at most, RECORDS_PER_SECOND in all of them together. */
class Load {
  readonly #producer: Producer;
  readonly #topic: ReturnType<typeof text>;
  readonly #probed: readonly number[];
  /** By slot of a probed partition: when the first record sent since the mark was acknowledged. */
  #acknowledgedAt: (number | null)[];
  #markedAt = performance.now();
  #isEnding = false;
  #running: Promise<void>[];

  constructor(producer: Producer, name: string, probed: readonly number[]) {
    this.#producer = producer;
    this.#topic = text(name);
    this.#probed = probed;
    this.#acknowledgedAt = probed.map(() => null);
    this.#running = probed.map((_, slot) => this.#run(slot));
  }

  /** What was sent before now counts no more. */
  markAll(): void {
    this.#markedAt = performance.now();
    this.#acknowledgedAt = this.#acknowledgedAt.map(() => null);
    // The one on its way was sent before: another one rides behind it.
    for (const slot of this.#probed.keys()) this.#running.push(this.#once(slot));
  }

  /** Resolves with the times. */
  async untilAllAcknowledged(limitMs = RUN_LIMIT_MS): Promise<number[]> {
    const limit = performance.now() + limitMs;
    for (;;) {
      const times = this.#acknowledgedAt.filter((at) => at !== null);
      if (times.length === this.#probed.length) return times;
      if (performance.now() > limit) {
        const missing = this.#probed.filter((_, slot) => this.#acknowledgedAt[slot] === null);
        throw new Error(`partitions ${missing.join(", ")} acknowledged nothing within ${limitMs} ms`);
      }
      await pause(5);
    }
  }

  async end(): Promise<void> {
    this.#isEnding = true;
    await Promise.all(this.#running);
  }

  async #run(slot: number): Promise<void> {
    const everyMs = (this.#probed.length / RECORDS_PER_SECOND) * 1_000;
    while (!this.#isEnding) {
      await this.#once(slot);
      await pause(everyMs);
    }
  }

  async #once(slot: number): Promise<void> {
    const sentAt = performance.now();
    await this.#producer.send(this.#topic, { partition: this.#probed[slot] ?? 0, value: "x" });
    if (sentAt < this.#markedAt) return;
    this.#acknowledgedAt[slot] ??= performance.now();
  }
}

const text = (name: string) => topic(name, { key: codecs.string, value: codecs.string });

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

function ms(values: readonly number[], share: number): string {
  return quantile(values, share).toFixed(0);
}
