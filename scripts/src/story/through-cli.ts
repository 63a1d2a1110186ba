/**
 * The text goes in through `tidemark produce` and comes out through `tidemark consume`, processes as a user starts them.
 *
 * Partitions with an even number are fed by `--file`, the others through standard input: there the story holds the tap,
 * and so knows that a kill falls between a record that was acknowledged and bytes that were not yet read.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import type { Client } from "@tidemark/client";
import { type PartitionText, withLastLf } from "./corpus.ts";
import { launcher, type MortalBroker } from "./mortal-broker.ts";

/** File names per process, well below the system's limit for a command line. */
const FILES_PER_PROCESS = 400;
const LF = 0x0a;
/** A producer may start while the broker is down, and waits for it as long as for an answer. */
const PATIENCE = "180s";
const PIECE_BYTES = 64 * 1024;
const PROGRESS_POLL_MS = 20;
const PROGRESS_MS_MAX = 180_000;
/** Bytes that are let into a pipe just before the kill, so that the producer has something in flight. */
const SURGE_BYTES = 256 * 1024;

export interface CliProduced {
  readonly records: number;
  /** Records that a retry found in the log: their first answer was lost with the broker. */
  readonly duplicates: number;
}

export interface PartitionRead {
  readonly partition: number;
  readonly bytes: number;
  readonly lines: number;
  readonly sha256: string;
}

/** Feeds all partitions at once, killing the broker `killsCount` times in the middle. */
export async function produceThroughCli(
  broker: MortalBroker,
  client: Client,
  topic: string,
  text: readonly PartitionText[],
  killsCount: number,
): Promise<CliProduced> {
  const tap = text.find((part) => part.partition % 2 === 1);
  const done = await Promise.all(
    text.map((part) => {
      if (part.partition % 2 === 0) return produceFiles(broker, topic, part);
      return produceStdin(broker, client, topic, part, part === tap ? killsCount : 0);
    }),
  );
  return {
    records: done.reduce((sum, part) => sum + part.records, 0),
    duplicates: done.reduce((sum, part) => sum + part.duplicates, 0),
  };
}

/** Reads one partition from start to end and digests what comes out. */
export async function consumeThroughCli(
  broker: MortalBroker,
  topic: string,
  partition: number,
): Promise<PartitionRead> {
  const child = tidemark(broker, [
    "consume",
    topic,
    "-p",
    String(partition),
    "--from",
    "start",
    "--until",
    "end",
    "-o",
    "raw",
  ]);
  const ended = exitOf(child);
  const hash = createHash("sha256");
  let bytes = 0;
  let lines = 0;
  child.stdout?.on("data", (chunk: Buffer) => {
    hash.update(chunk);
    bytes += chunk.length;
    lines += countLf(chunk);
  });
  await ended;
  return { partition, bytes, lines, sha256: hash.digest("hex") };
}

async function produceFiles(broker: MortalBroker, topic: string, part: PartitionText): Promise<CliProduced> {
  let records = 0;
  let duplicates = 0;
  for (let at = 0; at < part.files.length; at += FILES_PER_PROCESS) {
    const files = part.files.slice(at, at + FILES_PER_PROCESS).flatMap((file) => ["--file", file.path]);
    const child = tidemark(broker, ["produce", topic, "-p", String(part.partition), "-o", "json", ...files]);
    const produced = await producedBy(child);
    records += produced.records;
    duplicates += produced.duplicates;
  }
  return { records, duplicates };
}

async function produceStdin(
  broker: MortalBroker,
  client: Client,
  topic: string,
  part: PartitionText,
  killsCount: number,
): Promise<CliProduced> {
  const child = tidemark(broker, ["produce", topic, "-p", String(part.partition), "-o", "json"]);
  const produced = producedBy(child);
  const tap = new Tap(part);
  for (let kill = 1; kill <= killsCount; kill += 1) {
    const endBefore = await endOffset(client, topic, part.partition);
    const killAt = (kill * part.bytes) / (killsCount + 1);
    while (tap.takenBytes < killAt) await feed(child, tap.take(PIECE_BYTES));
    await waitForProgress(client, topic, part.partition, { from: endBefore, linesFed: tap.takenLines });
    const feeding = feed(child, tap.take(SURGE_BYTES));
    await nextTurn();
    await broker.kill();
    await Promise.all([broker.start(), feeding]);
  }
  while (tap.takenBytes < part.bytes) await feed(child, tap.take(PIECE_BYTES));
  child.stdin?.end();
  return produced;
}

/** The text of a partition as one stream of bytes, taken piece by piece. */
class Tap {
  readonly #files: PartitionText["files"];
  #next = 0;
  #rest: Buffer = Buffer.alloc(0);
  takenBytes = 0;
  /** Whole lines among what was taken. */
  takenLines = 0;

  constructor(part: PartitionText) {
    this.#files = part.files;
  }

  /** Up to `bytes` bytes, fewer at the end only. */
  take(bytes: number): Buffer {
    while (this.#rest.length < bytes) {
      const file = this.#files[this.#next];
      if (file === undefined) break;
      this.#next += 1;
      this.#rest = Buffer.concat([this.#rest, withLastLf(readFileSync(file.path))]);
    }
    const taken = this.#rest.subarray(0, bytes);
    this.#rest = this.#rest.subarray(taken.length);
    this.takenBytes += taken.length;
    this.takenLines += countLf(taken);
    return taken;
  }
}

/** Resolves when the broker has kept more than it had at `from`, or everything that was fed. */
async function waitForProgress(
  client: Client,
  topic: string,
  partition: number,
  seen: { from: number; linesFed: number },
): Promise<void> {
  const deadline = performance.now() + PROGRESS_MS_MAX;
  for (;;) {
    const end = await endOffset(client, topic, partition);
    if (end > seen.from || end >= seen.linesFed) return;
    if (performance.now() > deadline)
      throw new Error(`${topic}-${partition} stays at ${end} of ${seen.linesFed} records`);
    await sleep(PROGRESS_POLL_MS);
  }
}

async function endOffset(client: Client, topic: string, partition: number): Promise<number> {
  return (await client.admin.topics.offsets(topic, "latest")).get(partition) ?? 0;
}

/** Resolves when the pipe takes more; at once when the process is gone, whose exit tells the rest. */
async function feed(child: ChildProcess, bytes: Buffer): Promise<void> {
  const { stdin } = child;
  if (stdin === null || stdin.destroyed || stdin.write(bytes)) return;
  await new Promise<void>((resolve) => {
    const go = (): void => {
      stdin.off("drain", go).off("close", go);
      resolve();
    };
    stdin.on("drain", go).on("close", go);
  });
}

function tidemark(broker: MortalBroker, args: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [launcher, ...args, "-b", broker.address, "--timeout", PATIENCE], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  // A process that ends early closes the pipe; its exit code is looked at.
  child.stdin.on("error", () => undefined);
  return child;
}

/** The report of a `produce`, which ended well. */
async function producedBy(child: ChildProcess): Promise<CliProduced> {
  const stderr = await exitOf(child);
  const line = stderr.split("\n").find((candidate) => candidate.startsWith('{"event":"produced"'));
  if (line === undefined) throw new Error(`produce ended without a report: ${stderr}`);
  const { records, duplicates }: CliProduced = JSON.parse(line);
  return { records, duplicates };
}

/** Its stderr, when it ended with 0. */
async function exitOf(child: ChildProcess): Promise<string> {
  let stderr = "";
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
    stderr += chunk;
  });
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`${child.spawnargs.slice(2, 4).join(" ")} ended with ${String(code)}: ${stderr}`);
  return stderr;
}

function countLf(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(LF); at >= 0; at = bytes.indexOf(LF, at + 1)) count += 1;
  return count;
}
