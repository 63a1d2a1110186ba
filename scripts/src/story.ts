/**
 * The story that the house is built for, as one command:
 *
 *     npm run story -- [--lines N] [--kills K] [--root DIR] [--partitions P] [--json] [--keep]
 *
 * Every line of every text file under `--root` goes in through the command line and through the SDK, into several
 * partitions, while the broker is killed with SIGKILL in the middle, K times each way, and started again on the same
 * directory. Then each partition is read back: it must be the input byte for byte, in order, once. At last the broker is
 * stopped with SIGTERM and started again; it must know that nothing needs recovery, and still hold the same text.
 *
 * Exit code 0 when all of that is so, 1 when anything differs; `--keep` leaves the data directory and the broker's log.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "@tidemark/client";
import { readCommandLine } from "./command-line.ts";
import { collectText, dealOut, type PartitionText, writeEdgeFiles } from "./story/corpus.ts";
import { MortalBroker } from "./story/mortal-broker.ts";
import { consumeThroughCli, produceThroughCli } from "./story/through-cli.ts";
import { produceThroughSdk, readThroughSdk } from "./story/through-sdk.ts";

const USAGE = `usage: npm run story -- [options]

  --lines N        the first N lines; all unless told otherwise
  --root DIR       whose text files are the input, node_modules unless told otherwise
  --kills K        of the broker, each way, 3 unless told otherwise
  --partitions P   of a topic, 4 unless told otherwise
  --json           the outcome as JSON
  --keep           leaves the data directory and the broker's log`;

const CLI_TOPIC = "story-cli";
const SDK_TOPIC = "story-sdk";
/** Lines of real files (source maps) go beyond a megabyte. */
const TOPIC_CONFIG = { "max.message.bytes": String(16 * 1024 * 1024) };

interface Options {
  readonly lines: number;
  readonly kills: number;
  readonly root: string;
  readonly partitions: number;
  readonly isJson: boolean;
  readonly isKept: boolean;
}

/** One line of the table; `problems` are what makes the story fail. */
interface Chapter {
  readonly chapter: string;
  readonly records: number;
  readonly bytes: number;
  readonly ms: number;
  readonly kills: number;
  /** What a reader of the table wants to know besides. */
  readonly remark: string;
  readonly problems: readonly string[];
}

const options = readOptions();
const folder = mkdtempSync(join(tmpdir(), "tidemark-story-"));
const broker = new MortalBroker(folder);
let chapters: Chapter[] = [];
// The broker does not outlive its story.
process.on("SIGINT", () => process.exit(130));
process.on("SIGTERM", () => process.exit(143));
process.on("exit", () => void broker.kill());
try {
  chapters = await tell();
} finally {
  await broker.kill();
  if (options.isKept) process.stderr.write(`story: kept ${folder}\n`);
  else rmSync(folder, { recursive: true, force: true });
}
print(chapters);
process.exitCode = chapters.every((chapter) => chapter.problems.length === 0) ? 0 : 1;

async function tell(): Promise<Chapter[]> {
  const files = collectText(writeEdgeFiles(join(folder, "edge")), options.root, options.lines);
  const text = dealOut(files, options.partitions);
  say(`${files.length} text files, ${sum(text, (part) => part.lines)} lines, ${sum(text, (part) => part.bytes)} bytes`);
  const startMs = await broker.start();
  say(`broker ready at ${broker.address} after ${Math.round(startMs)} ms`);
  await using client = new Client({ brokers: broker.address });
  for (const name of [CLI_TOPIC, SDK_TOPIC]) {
    await client.admin.topics.create({ name, partitions: options.partitions, config: TOPIC_CONFIG });
  }
  return [
    await cliIn(client, text),
    await cliOut("out through the command line", text),
    ...(await sdkInAndOut(client, text)),
    await cleanStop(),
    await cliOut("out again after the clean stop", text),
  ];
}

async function cliIn(client: Client, text: readonly PartitionText[]): Promise<Chapter> {
  say(`producing through the command line, ${options.kills} kills`);
  const before = performance.now();
  const produced = await produceThroughCli(broker, client, CLI_TOPIC, text, options.kills);
  const lines = sum(text, (part) => part.lines);
  return {
    chapter: "in through the command line",
    records: produced.records,
    bytes: sum(text, (part) => part.bytes),
    ms: performance.now() - before,
    kills: options.kills,
    remark: `${produced.duplicates} found there by a retry`,
    problems: produced.records === lines ? [] : [`${produced.records} records were acknowledged of ${lines} lines`],
  };
}

async function cliOut(chapter: string, text: readonly PartitionText[]): Promise<Chapter> {
  say(chapter);
  const before = performance.now();
  const problems: string[] = [];
  let records = 0;
  let bytes = 0;
  for (const part of text) {
    const read = await consumeThroughCli(broker, CLI_TOPIC, part.partition);
    records += read.lines;
    bytes += read.bytes;
    if (read.lines !== part.lines)
      problems.push(`partition ${part.partition}: ${read.lines} lines came out, ${part.lines} went in`);
    if (read.sha256 !== part.sha256)
      problems.push(`partition ${part.partition}: SHA-256 ${read.sha256}, not ${part.sha256}`);
  }
  return {
    chapter,
    records,
    bytes,
    ms: performance.now() - before,
    kills: 0,
    remark: sameRemark(problems, text),
    problems,
  };
}

async function sdkInAndOut(client: Client, text: readonly PartitionText[]): Promise<Chapter[]> {
  say(`producing through the SDK, ${options.kills} kills`);
  const bytes = sum(text, (part) => part.bytes);
  let before = performance.now();
  const produced = await produceThroughSdk(broker, client, SDK_TOPIC, text, options.kills);
  const calmKills = produced.inFlightAtKills.filter((count) => count === 0).length;
  const incoming: Chapter = {
    chapter: "in through the SDK",
    records: produced.acknowledged,
    bytes,
    ms: performance.now() - before,
    kills: options.kills,
    remark: `in flight at the kills: ${produced.inFlightAtKills.join(", ") || "-"}; ${produced.duplicates} found there by a retry`,
    problems: calmKills === 0 ? [] : [`${calmKills} kills found nothing in flight`],
  };
  before = performance.now();
  const problems: string[] = [];
  let records = 0;
  for (const part of text) {
    const acknowledged = produced.acknowledgedByPartition[part.partition] ?? new Uint8Array(0);
    const read = await readThroughSdk(client, SDK_TOPIC, part.partition, acknowledged);
    records += read.records;
    if (read.missing > 0)
      problems.push(`partition ${part.partition}: ${read.missing} acknowledged records are missing`);
    if (read.repeated > 0)
      problems.push(`partition ${part.partition}: ${read.repeated} records came twice or out of order`);
    // With every line acknowledged, the whole text must be there.
    const isWhole = acknowledged.every((flag) => flag === 1);
    if (isWhole && read.sha256 !== part.sha256)
      problems.push(`partition ${part.partition}: SHA-256 ${read.sha256}, not ${part.sha256}`);
  }
  const remark =
    produced.acknowledged === produced.handedOver
      ? sameRemark(problems, text)
      : `${produced.handedOver - produced.acknowledged} lines were not acknowledged`;
  return [
    incoming,
    { chapter: "out through the SDK", records, bytes, ms: performance.now() - before, kills: 0, remark, problems },
  ];
}

/** SIGTERM ends the process with 143 and leaves the marker; the next start must not scan. */
async function cleanStop(): Promise<Chapter> {
  say("SIGTERM and a start");
  const before = performance.now();
  const exitCode = await broker.terminate();
  const problems = exitCode === 143 ? [] : [`SIGTERM ended the broker with ${String(exitCode)}, not 143`];
  const marker = readMarker();
  if (marker === null) problems.push("there is no clean-shutdown marker");
  const startMs = await broker.start();
  const opened = openReport(broker.logSinceStart());
  if (opened === null) problems.push("the broker does not say how it opened its logs");
  else if (!opened.wasClean || opened.bytesScanned > 0)
    problems.push(`the start after a clean stop scanned ${opened.bytesScanned} bytes`);
  return {
    chapter: "SIGTERM, start",
    records: 0,
    bytes: 0,
    ms: performance.now() - before,
    kills: 0,
    remark: `clean marker, ready again after ${Math.round(startMs)} ms without a scan`,
    problems,
  };
}

function readMarker(): string | null {
  try {
    return readFileSync(join(broker.dataDirectory, ".kafka_cleanshutdown"), "utf8");
  } catch {
    return null;
  }
}

/** What the broker logs once per start about its data directory. */
function openReport(log: string): { wasClean: boolean; bytesScanned: number } | null {
  for (const line of log.split("\n")) {
    if (!line.includes('"wasClean"')) continue;
    const { wasClean, bytesScanned }: { wasClean: boolean; bytesScanned: number } = JSON.parse(line);
    return { wasClean, bytesScanned };
  }
  return null;
}

function sameRemark(problems: readonly string[], text: readonly PartitionText[]): string {
  return problems.length === 0 ? `SHA-256 equal in ${text.length} partitions` : "DIFFERENT";
}

function print(all: readonly Chapter[]): void {
  const isGood = all.every((chapter) => chapter.problems.length === 0);
  if (options.isJson) {
    process.stdout.write(`${JSON.stringify({ story: isGood ? "holds" : "fails", chapters: all })}\n`);
    return;
  }
  const rows = [
    ["CHAPTER", "RECORDS", "MIB", "SECONDS", "RECORDS/S", "KILLS", "REMARK"],
    ...all.map((row) => [
      row.chapter,
      String(row.records),
      (row.bytes / 2 ** 20).toFixed(1),
      (row.ms / 1_000).toFixed(2),
      String(Math.round(row.records / (row.ms / 1_000))),
      String(row.kills),
      row.remark,
    ]),
  ];
  const widths = rows[0]?.map((_, slot) => Math.max(...rows.map((row) => row[slot]?.length ?? 0))) ?? [];
  const isText = (slot: number): boolean => slot === 0 || slot === 6;
  const line = (row: readonly string[]): string =>
    row
      .map((cell, slot) => (isText(slot) ? cell.padEnd(widths[slot] ?? 0) : cell.padStart(widths[slot] ?? 0)))
      .join("  ")
      .trimEnd();
  process.stdout.write(`${rows.map(line).join("\n")}\n`);
  for (const chapter of all)
    for (const problem of chapter.problems) process.stdout.write(`DIFFERENT: ${chapter.chapter}: ${problem}\n`);
  process.stdout.write(isGood ? "the story holds\n" : "the story does not hold\n");
}

function readOptions(): Options {
  const { values } = readCommandLine(USAGE, {
    options: {
      lines: { type: "string" },
      kills: { type: "string", default: "3" },
      root: { type: "string", default: "node_modules" },
      partitions: { type: "string", default: "4" },
      json: { type: "boolean", default: false },
      keep: { type: "boolean", default: false },
    },
  });
  return {
    lines: values.lines === undefined ? Number.POSITIVE_INFINITY : wholeNumber("--lines", values.lines, 1),
    kills: wholeNumber("--kills", values.kills, 0),
    root: values.root,
    // Two at least: one that is fed by files and one that is fed through a pipe.
    partitions: wholeNumber("--partitions", values.partitions, 2),
    isJson: values.json,
    isKept: values.keep,
  };
}

function wholeNumber(name: string, text: string, min: number): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < min)
    throw new RangeError(`${name} ${text}: expected a whole number from ${min} up`);
  return value;
}

function sum(parts: readonly PartitionText[], of: (part: PartitionText) => number): number {
  return parts.reduce((total, part) => total + of(part), 0);
}

function say(text: string): void {
  process.stderr.write(`story: ${text}\n`);
}
