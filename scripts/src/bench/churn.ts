/**
 * `churn`: topics are made, described, written, read and deleted, a few at a time, while other topics are produced to and
 * read from. What is left of them afterwards: directories, open files, memory, bytes of metadata.
 */
import { Client, codecs, topic } from "@tidemark/client";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Scale } from "../bench.ts";
import { BrokerProcess, type Inside } from "./broker-process.ts";
import { figure, type Row } from "./measure.ts";
import { atMost, count } from "./scale/law.ts";
import { withScratch } from "./scratch.ts";

const KIB = 1024;
const TOPICS = 2000;
const TINY_TOPICS = 40;
/** A topic that comes and goes is two events of the timeline at least, which keeps the last 8,192: after these it is full. */
const WARM_UP_TOPICS = 4_200;
const AT_A_TIME = 8;
const DELETE_DELAY_MS = 200;
const LOAD_PAUSE_MS = 5;
const GONE_WITHIN_MS = 120_000;
const PREFIX = "churn-";
/** A partition and its topic take four times that. Compiled code is heap too, and still grows a little. */
const HEAP_KIB_MOST = 1;
const METADATA_KIB_MOST = 2;
/** The metadata log lies in memory up to its next snapshot, 20 MiB of it by default. It is made to come within the warm-up. */
const SNAPSHOT_BYTES = 64 * KIB;

export interface ChurnResult {
  readonly before: Inside;
  readonly after: Inside;
  /** Names in the data directory of topics that are no more. */
  readonly leftovers: readonly string[];
  /** Growth of the metadata store on disk, per topic that came and went. */
  readonly metadataBytesEach: number;
  /** Records that the other topic took in meanwhile, all of them read. */
  readonly loadRecords: number;
  readonly seconds: number;
}

export async function* churn({ pairs, points }: Scale): AsyncGenerator<Row> {
  const isTiny = pairs === 1;
  const topics = points?.[0] ?? (isTiny ? TINY_TOPICS : TOPICS);
  const result = await withScratch((root) =>
    churnTopics(join(root, "data"), { topics, warmUp: isTiny ? topics >> 1 : WARM_UP_TOPICS }),
  );
  const name = `${count(topics)} topics made and deleted under load`;
  const { before, after } = result;
  yield figure(`${name}: a second`, "topics/s", [topics / result.seconds]);
  yield figure(`${name}: records of another topic meanwhile`, "records/s", [result.loadRecords / result.seconds]);
  yield atMost(`${name}: directories left`, "", result.leftovers.length, 0);
  const openLeft = after.openFiles - before.openFiles;
  yield atMost(`${name}: open files left${openLeft > 0 ? ` (${newlyOpen(before, after)})` : ""}`, "", openLeft, 0);
  yield atMost(
    `${name}: heap left, each`,
    "KiB",
    (after.heapUsedBytes - before.heapUsedBytes) / topics / KIB,
    HEAP_KIB_MOST,
  );
  yield figure(`${name}: resident memory left, each`, "KiB", [(after.rssBytes - before.rssBytes) / topics / KIB]);
  yield atMost(`${name}: metadata store, each`, "KiB", result.metadataBytesEach / KIB, METADATA_KIB_MOST);
}

/**
 * Lets topics come and go in a broker of its own with its data at `path`; `warmUp` of them before anything is measured. `loadPauseMs`
 * lies between twenty records of the other topic and the next.
 */
export async function churnTopics(
  path: string,
  work: { topics: number; warmUp: number; loadPauseMs?: number },
): Promise<ChurnResult> {
  const { topics, warmUp, loadPauseMs = LOAD_PAUSE_MS } = work;
  const broker = await BrokerProcess.start(["--data-dir", path], {
    isObserved: true,
    env: { TIDEMARK_METADATA_LOG_MAX_RECORD_BYTES_BETWEEN_SNAPSHOTS: String(SNAPSHOT_BYTES) },
  });
  try {
    await using client = new Client({ brokers: broker.grpc });
    const load = await Load.start(client, loadPauseMs);
    // Once before: code is compiled, pools and what is kept up to a bound are filled, connections are open.
    await comeAndGo(client, "warm-", warmUp);
    await untilGone(path);
    await load.pause();
    const before = await broker.inside();
    const metadataBefore = bytesIn(join(path, "tidemark-metadata"));
    load.resume();
    const startedAt = performance.now();
    await comeAndGo(client, "", topics);
    const seconds = (performance.now() - startedAt) / 1000;
    await load.pause();
    const leftovers = await untilGone(path);
    const after = await broker.inside();
    const metadataBytesEach = (bytesIn(join(path, "tidemark-metadata")) - metadataBefore) / topics;
    const loadRecords = await load.end();
    return { before, after, leftovers, metadataBytesEach, loadRecords, seconds };
  } finally {
    await broker.stop();
  }
}

async function comeAndGo(client: Client, infix: string, topics: number): Promise<void> {
  await using producer = client.producer({ linger: 0 });
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let number = next++; number < topics; number = next++) {
      const name = `${PREFIX}${infix}${number}`;
      const bytes = topic(name, { key: codecs.bytes, value: codecs.bytes });
      const config = { "file.delete.delay.ms": String(DELETE_DELAY_MS) };
      await client.admin.topics.create({ name, partitions: 1 + (number % 3), config });
      const { partitions } = await client.admin.topics.describe(name);
      if (partitions !== 1 + (number % 3)) throw new Error(`${name} has ${partitions} partitions`);
      await producer.send(bytes, { value: Buffer.from(name) });
      const read = await client.reader(bytes, { from: "earliest", limit: 1 }).toArray();
      if (read[0]?.value?.toString() !== name) throw new Error(`${name} does not have its record`);
      await client.admin.topics.delete(name);
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, worker));
}

function newlyOpen(before: Inside, after: Inside): string {
  const known = new Set(before.openPaths);
  return after.openPaths.filter((path) => !known.has(path)).join(", ");
}

/** Resolves with what is still there of topics that came and went when it is over. */
async function untilGone(path: string): Promise<readonly string[]> {
  const deadline = performance.now() + GONE_WITHIN_MS;
  for (;;) {
    const left = readdirSync(path).filter((name) => name.startsWith(PREFIX) || name.endsWith("-delete"));
    if (left.length === 0 || performance.now() > deadline) return left;
    await pause(DELETE_DELAY_MS);
  }
}

/** Records that go in and come out of a topic of their own all the while. */
class Load {
  readonly #abort = new AbortController();
  #isPaused = false;
  #wake: () => void = () => undefined;
  #sent = 0;
  #read = 0;
  #ended: Promise<unknown> = Promise.resolve();
  #failure: unknown = null;

  static async start(client: Client, pauseMs: number): Promise<Load> {
    const load = new Load();
    await client.admin.topics.create({ name: "load", partitions: 2 });
    load.#ended = Promise.all([load.#produce(client, pauseMs), load.#consume(client)]).catch((error: unknown) => {
      load.#failure = error;
    });
    return load;
  }

  async #produce(client: Client, pauseMs: number): Promise<void> {
    const bytes = topic("load", { key: codecs.bytes, value: codecs.bytes });
    await using producer = client.producer();
    const value = Buffer.alloc(100);
    while (!this.#abort.signal.aborted) {
      await Promise.all(Array.from({ length: 20 }, () => producer.send(bytes, { value })));
      this.#sent += 20;
      if (this.#isPaused) await new Promise<void>((resolve) => (this.#wake = resolve));
      else await pause(pauseMs);
    }
  }

  async #consume(client: Client): Promise<void> {
    const bytes = topic("load", { key: codecs.bytes, value: codecs.bytes });
    const { signal } = this.#abort;
    try {
      for await (const record of client.reader(bytes, { from: "earliest", follow: true, signal })) {
        if (record.value !== null) this.#read += 1;
      }
    } catch (error: unknown) {
      if (!signal.aborted) throw error;
    }
  }

  /** Resolves when what was sent is read. */
  async pause(): Promise<void> {
    this.#isPaused = true;
    const deadline = performance.now() + GONE_WITHIN_MS;
    for (let last = -1; last !== this.#sent || this.#read < this.#sent; await pause(50)) {
      last = this.#sent;
      if (this.#failure !== null) throw this.#failure;
      if (performance.now() > deadline) throw new Error(`${this.#read} of ${this.#sent} records came out`);
    }
  }

  resume(): void {
    this.#isPaused = false;
    this.#wake();
  }

  /** The records that went through. */
  async end(): Promise<number> {
    this.#abort.abort();
    this.resume();
    await this.#ended;
    if (this.#failure !== null) throw this.#failure;
    return this.#read;
  }
}

function bytesIn(folder: string): number {
  return readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}
