/**
 * `dev --load`: the records of a file, as `consume -o ndjson` writes them, each into the topic that it names. The file is read
 * through before anything starts, so that a line that is no record costs nothing; and a topic that has records is left alone, so
 * that the next start does not double them.
 */
import { createReadStream } from "node:fs";
import type { Client, Producer } from "@tidemark/client";
import { MAX_MESSAGE_BYTES_MAX } from "@tidemark/proto";
import { CliFailure, toFailure, usageFailure } from "../failure.ts";
import { requireTopicName } from "../topic-argument.ts";
import { parseEnvelope, type RecordToProduce, topicOfEnvelope } from "./envelope.ts";
import { requireFile } from "../platform/text-file.ts";
import { LineSplitter } from "./line-splitter.ts";

export interface LoadPlan {
  readonly path: string;
  /** By topic, how many partitions its records name; 0: none of them does. */
  readonly topics: ReadonlyMap<string, number>;
}

export interface LoadedTopic {
  readonly topic: string;
  /** Null: it has records already. */
  readonly records: number | null;
}

/** @throws CliFailure USAGE naming the line, FILE_NOT_FOUND, EISDIR */
export async function planLoad(path: string): Promise<LoadPlan> {
  requireFile(path);
  const topics = new Map<string, number>();
  for await (const { topic, record } of recordsOf(path))
    topics.set(topic, Math.max(topics.get(topic) ?? 0, (record.partition ?? -1) + 1));
  return { path, topics };
}

/** Rejects with the first failure of a record, when all are answered. */
export async function loadTopics(
  client: Client,
  { path, topics }: LoadPlan,
  signal: AbortSignal,
): Promise<LoadedTopic[]> {
  const counts = new Map<string, number>();
  for (const [name, partitions] of topics) {
    // One after the other, as the file names them.
    // oxlint-disable-next-line no-await-in-loop
    if (await isEmptyTopic(client, { name, partitions }, signal)) counts.set(name, 0);
  }
  await using producer = client.producer();
  let failure: Error | null = null;
  const { codecs, topic: topicOf } = await import("@tidemark/client");
  for await (const { topic, record } of recordsOf(path)) {
    const before = counts.get(topic);
    if (before === undefined) continue;
    if (failure !== null || signal.aborted) break;
    const target = topicOf(topic, { key: codecs.bytes, value: codecs.bytes });
    await enqueue(producer, signal, () => producer.enqueue(target, record, (error) => (failure ??= error)));
    counts.set(topic, before + 1);
  }
  await producer.flush({ signal }).catch(() => undefined);
  if (failure !== null) throw failure as Error;
  return [...topics.keys()].map((topic) => ({ topic, records: counts.get(topic) ?? null }));
}

async function enqueue(producer: Producer, signal: AbortSignal, tryIt: () => boolean): Promise<void> {
  while (!tryIt()) await producer.ready({ signal });
}

/** It is made where it is not there. */
async function isEmptyTopic(
  client: Client,
  { name, partitions }: { readonly name: string; readonly partitions: number },
  signal: AbortSignal,
): Promise<boolean> {
  await client.admin.topics.create(partitions === 0 ? { name } : { name, partitions }, { ifNotExists: true, signal });
  const ends = await client.admin.topics.offsets(name, "latest", { signal });
  return [...ends.values()].every((end) => end === 0);
}

interface NamedRecord {
  readonly topic: string;
  readonly record: RecordToProduce;
}

async function* recordsOf(path: string): AsyncGenerator<NamedRecord> {
  const splitter = new LineSplitter({ lineBytesMax: MAX_MESSAGE_BYTES_MAX });
  let number = 0;
  const read = (line: Buffer): NamedRecord | null => {
    number += 1;
    if (line.toString().trim() === "") return null;
    try {
      return { topic: requireTopicName(topicOfEnvelope(line)), record: parseEnvelope(line) };
    } catch (error: unknown) {
      if (!(error instanceof CliFailure)) throw error;
      throw usageFailure(`line ${number} of ${path}: ${toFailure(error).message}`, error.hint ?? undefined);
    }
  };
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    splitter.feed(chunk);
    for (let line = splitter.next(); line !== null; line = splitter.next()) {
      const found = read(line);
      if (found !== null) yield found;
    }
  }
  const last = splitter.finish();
  const found = last === null ? null : read(last);
  if (found !== null) yield found;
}
