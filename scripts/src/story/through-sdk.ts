/**
 * The same text through the SDK in this process: one idempotent producer, `enqueue`, the broker killed in the middle.
 *
 * Each record carries its number within the partition as its key. A record whose batch failed for good may be in the log
 * or not; read back, the numbers must rise without a repeat, and every acknowledged one must be there with its bytes.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { type Client, codecs, type Producer, topic } from "@tidemark/client";
import { linesOf, type PartitionText } from "./corpus.ts";
import type { MortalBroker } from "./mortal-broker.ts";

/** Records handed over in one stretch right before a kill, so that some of them are in flight when it falls. */
const SURGE_RECORDS = 500;
const LF = Buffer.of(0x0a);

export interface SdkProduced {
  readonly handedOver: number;
  readonly acknowledged: number;
  readonly duplicates: number;
  /** Records handed over and not yet answered at each kill. */
  readonly inFlightAtKills: readonly number[];
  /** By partition: whether record number `slot` was acknowledged. */
  readonly acknowledgedByPartition: readonly Uint8Array[];
}

export interface SdkRead {
  readonly partition: number;
  readonly records: number;
  /** Acknowledged, but not in the log. */
  readonly missing: number;
  /** In the log more than once, or behind a later one. */
  readonly repeated: number;
  /** SHA-256 of the values, each with an LF. */
  readonly sha256: string;
}

/** Record 7 of a partition has the key "7". */
const numbered = (name: string) => topic(name, { key: codecs.string, value: codecs.bytes });

export async function produceThroughSdk(
  broker: MortalBroker,
  client: Client,
  topicName: string,
  text: readonly PartitionText[],
  killsCount: number,
): Promise<SdkProduced> {
  await using producer = client.producer();
  const run = new SdkRun(producer, topicName, text);
  const linesCount = text.reduce((sum, part) => sum + part.lines, 0);
  const killsAt = Array.from({ length: killsCount }, (_, slot) =>
    Math.floor(((slot + 1) * linesCount) / (killsCount + 1)),
  );
  const inFlightAtKills: number[] = [];
  let restart: Promise<unknown> = Promise.resolve();
  for (const [partition, line] of interleaved(text)) {
    while (!run.enqueue(partition, line)) await producer.ready();
    if (run.handedOver === killsAt[0]) {
      await restart;
      await run.someAcknowledged();
    }
    if (killsAt[0] !== undefined && run.handedOver >= killsAt[0] + SURGE_RECORDS) {
      killsAt.shift();
      await nextTurn();
      inFlightAtKills.push(run.inFlight);
      restart = broker.kill().then(() => broker.start());
    }
  }
  await restart;
  await producer.flush();
  return { ...run.result(), inFlightAtKills };
}

export async function readThroughSdk(
  client: Client,
  topicName: string,
  partition: number,
  acknowledged: Uint8Array,
): Promise<SdkRead> {
  const hash = createHash("sha256");
  const isSeen = new Uint8Array(acknowledged.length);
  let records = 0;
  let repeated = 0;
  let last = -1;
  await using reader = client.reader(numbered(topicName), { partitions: [partition], from: "earliest", to: "end" });
  for await (const record of reader) {
    const slot = Number(record.key);
    if (slot <= last) repeated += 1;
    last = slot;
    isSeen[slot] = 1;
    hash.update(record.value ?? Buffer.alloc(0)).update(LF);
    records += 1;
  }
  const missing = acknowledged.reduce((sum, flag, slot) => (flag === 1 && isSeen[slot] !== 1 ? sum + 1 : sum), 0);
  return { partition, records, missing, repeated, sha256: hash.digest("hex") };
}

class SdkRun {
  readonly #producer: Producer;
  readonly #topic: ReturnType<typeof numbered>;
  readonly #acknowledged: Uint8Array[];
  readonly #nextSlot: number[];
  #answered = 0;
  #acknowledgedCount = 0;
  #acknowledgedSeen = 0;
  #duplicates = 0;
  #waiters: (() => void)[] = [];
  handedOver = 0;

  constructor(producer: Producer, topicName: string, text: readonly PartitionText[]) {
    this.#producer = producer;
    this.#topic = numbered(topicName);
    this.#acknowledged = text.map((part) => new Uint8Array(part.lines));
    this.#nextSlot = text.map(() => 0);
  }

  get inFlight(): number {
    return this.handedOver - this.#answered;
  }

  /** False: not taken; await the producer's `ready` and try again. */
  enqueue(partition: number, value: Buffer): boolean {
    const slot = this.#nextSlot[partition] ?? 0;
    const isTaken = this.#producer.enqueue(this.#topic, { partition, key: String(slot), value }, (error, metadata) => {
      this.#answered += 1;
      for (const wake of this.#waiters.splice(0)) wake();
      if (error !== null) return;
      this.#acknowledgedCount += 1;
      if (metadata?.duplicate === true) this.#duplicates += 1;
      const flags = this.#acknowledged[partition];
      if (flags !== undefined) flags[slot] = 1;
    });
    if (isTaken) {
      this.#nextSlot[partition] = slot + 1;
      this.handedOver += 1;
    }
    return isTaken;
  }

  /** Resolves when something was acknowledged since this was asked last, or nothing more can be. */
  async someAcknowledged(): Promise<void> {
    while (this.#acknowledgedCount === this.#acknowledgedSeen && this.inFlight > 0) {
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
    this.#acknowledgedSeen = this.#acknowledgedCount;
  }

  result(): Omit<SdkProduced, "inFlightAtKills"> {
    return {
      handedOver: this.handedOver,
      acknowledged: this.#acknowledgedCount,
      duplicates: this.#duplicates,
      acknowledgedByPartition: this.#acknowledged,
    };
  }
}

/** The lines of all partitions, a file of each in turn. */
function* interleaved(text: readonly PartitionText[]): Generator<readonly [partition: number, line: Buffer]> {
  const filesMax = Math.max(...text.map((part) => part.files.length));
  for (let slot = 0; slot < filesMax; slot += 1) {
    for (const part of text) {
      const file = part.files[slot];
      if (file === undefined) continue;
      for (const line of linesOf(readFileSync(file.path))) yield [part.partition, line];
    }
  }
}
