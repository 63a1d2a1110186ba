/**
 * A cluster of three that gets a fourth broker and loses its first, while clients run the whole time:
 *
 *     npm run moves -- [--partitions 300] [--mebibytes 150] [--throttle 20MB/s] [--records-per-second 600] [--pause-max 2000]
 *         [--json] [--keep]
 *
 * Broker 4 starts; half of the partitions get a replica on it in the place of another one, of a leader as often as not, with a throttle; a
 * second move is cancelled half-way; broker 1 is drained, broker 4 votes in its place, and it is stopped and removed. All of that by `tidemark`, as an operator does it.
 * Idempotent producers send with acks=all, readers follow. At the end every partition is read to its end, the brokers are stopped, their
 * replicas are held against one another byte by byte, and they are started and read once more.
 *
 * Exit 0: nothing that was acknowledged was lost, doubled or reordered, no producer was without an acknowledgement for more than
 * `--pause-max` milliseconds, and the partitions are where they were sent. 1: not so; the folder with data, logs and history stays.
 */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { parseArgs } from "node:util";
import { checkHistory } from "@tidemark/broker/sim";
import { parseThrottle } from "../../src/parse/numbers.ts";
import { planText } from "../../src/parse/reassignment-file.ts";
import { run } from "../support/tidemark.ts";
import { printEvent, writeSends } from "./account.ts";
import { ChaosCluster } from "./cluster.ts";
import { PlainLoopback } from "./network.ts";
import { compareReplicas } from "./replicas.ts";
import { Workload } from "./workload.ts";

const TOPIC = "moves";
const BROKERS = 4;
const VOTERS = 3;
const ADDED = 4;
const REMOVED = 1;
const LIMIT_MS = 300_000;
const MEBIBYTE = 1_048_576;

const USAGE = `usage: npm run moves -- [options]

A fourth broker joins, half of all partitions move to it under a throttle and half of another move is taken back, the first broker is
drained and removed, all under load with acks=all. Nothing may be lost, doubled or reordered, and all replicas are the same in the end.
Exit code 0: so it was; 1: not so, and the folder with data, logs and history stays.

  --partitions N            from 4 (300)
  --mebibytes N             of records there are before the first move (150)
  --throttle RATE           of what moves (20MB/s)
  --records-per-second N    of all producers together (600)
  --pause-max MS            longest that a producer may be acknowledged nothing (2000)
  --json                    one JSON object a line
  --keep                    keep the folder in any case`;

const options = readOptions();
process.exit(await story());

async function story(): Promise<number> {
  const startedAt = performance.now();
  const { partitions, mebibytes, recordsPerSecond } = options;
  const troubles: string[] = [];
  const onTrouble = (message: string): void => {
    troubles.push(message);
    process.stderr.write(`moves: TROUBLE ${message}\n`);
  };
  const folder = mkdtempSync(join(tmpdir(), "tidemark-moves-"));
  const cluster = await ChaosCluster.make({
    folder,
    brokersCount: BROKERS,
    votersCount: VOTERS,
    network: new PlainLoopback(),
    hasOwnDisks: false,
    settings: { "log.segment.bytes": String(MEBIBYTE) },
    onUnexpectedEnd: onTrouble,
  });
  await using _stopped = cluster;
  await cluster.start([1, 2, 3]);
  // Each broker leads a third, and is the last of the list in another.
  const assignment = Array.from({ length: partitions }, (_, partition) => rotated([1, 2, 3], partition));
  await cluster.client.admin.topics.create({ name: TOPIC, assignment, config: { "min.insync.replicas": "2" } });
  const workload = new Workload({
    bootstrap: cluster.bootstrap,
    topic: TOPIC,
    partitionsCount: partitions,
    producersCount: 3,
    readersCount: 2,
    recordsPerSecond,
    onTrouble,
  });
  let longestPauseMs = 0;
  /** They fail the run in the end: what became of the records is looked at all the same. */
  const pauses: string[] = [];
  const loop = monitorEventLoopDelay();
  loop.enable();
  const phase = async (name: string, act: () => Promise<object | void>): Promise<void> => {
    if (troubles.length > 0) return;
    workload.takeLongestPauseMs();
    loop.reset();
    const begunAt = performance.now();
    try {
      const found = (await act()) ?? {};
      const seconds = Number(((performance.now() - begunAt) / 1_000).toFixed(1));
      const pauseMs = Math.round(workload.takeLongestPauseMs());
      longestPauseMs = Math.max(longestPauseMs, pauseMs);
      // How long this process itself was kept waiting: beside that a pause may be the machine's.
      const heldUpMs = Math.round(loop.max / 1e6);
      const acknowledged = workload.acknowledgedCount;
      print({ event: "phase", name, seconds, longestPauseMs: pauseMs, heldUpMs, acknowledged, ...found });
      if (pauseMs > options.pauseMaxMs) pauses.push(`${name}: a producer was acknowledged nothing for ${pauseMs} ms`);
    } catch (error: unknown) {
      onTrouble(`${name}: ${String(error)}`);
    }
  };

  await workload.fill((mebibytes * MEBIBYTE) / partitions);
  workload.start();
  await workload.untilAllMoved(LIMIT_MS);
  await phase("quiet", async () => workload.untilAllMoved(LIMIT_MS));
  await phase("add", () => cluster.start([ADDED]));
  await phase("move", () => moveHalf(cluster, folder));
  await phase("cancel", () => cancelHalfWay(cluster, folder));
  await phase("drain", () => drain(cluster));
  await phase("remove", () => remove(cluster));
  await phase("after", async () => workload.untilAllMoved(LIMIT_MS));
  if (troubles.length === 0) await finish(cluster, workload, onTrouble);
  for (const pause of pauses) onTrouble(pause);

  const verdict = checkHistory(workload.history, { isIdempotent: true });
  const isGood = troubles.length === 0 && verdict.isValid;
  for (const anomaly of verdict.anomalies) print({ event: "anomaly", ...anomaly });
  const slowestSendMs = Math.round(slowestOf(workload));
  const seconds = Math.round((performance.now() - startedAt) / 1_000);
  const { sends, reads } = verdict;
  print({
    event: isGood ? "held" : "failed",
    seconds,
    partitions,
    sends,
    reads,
    longestPauseMs,
    slowestSendMs,
    troubles,
  });
  if (!isGood) {
    writeFileSync(join(folder, "verdict.json"), JSON.stringify({ options, troubles, verdict }, null, 2));
    writeSends(join(folder, "sends.csv"), workload.history);
  }
  if (isGood && !options.isKept) rmSync(folder, { recursive: true, force: true });
  else process.stderr.write(`moves: kept ${folder}\n`);
  return isGood ? 0 : 1;
}

/** In the first half broker 4 takes the place of the leader and of the last replica in turn. */
async function moveHalf(cluster: ChaosCluster, folder: string): Promise<object> {
  const placed = await placement(cluster);
  const half = placed.slice(0, Math.floor(placed.length / 2));
  const plan = half.map(({ partition, replicas }) => {
    const [leaves, stays] =
      partition % 2 === 0 ? [replicas[0], replicas.slice(1)] : [replicas.at(-1), replicas.slice(0, -1)];
    const target = partition % 2 === 0 ? [ADDED, ...stays] : [...stays, ADDED];
    return { topic: TOPIC, partition, replicas: target, leaves };
  });
  const file = join(folder, "plan.json");
  writeFileSync(file, planText(plan));
  const begunAt = performance.now();
  const back = join(folder, "back.json");
  const flags = ["--plan", file, "--throttle", options.throttle, "--rollback", back, "--wait", "--yes"];
  await tidemark(cluster, ["partitions", "reassign", ...flags]);
  const seconds = (performance.now() - begunAt) / 1_000;
  const now = await placement(cluster);
  for (const { partition, replicas } of plan)
    requireSame(now[partition]?.replicas, replicas, `partition ${partition} after its move`);
  await requireNoThrottle(cluster);
  const bytes = await bytesOn(cluster, ADDED);
  return { moved: plan.length, mebibytes: Math.round(bytes / MEBIBYTE), bytesPerSecond: Math.round(bytes / seconds) };
}

/** As slow a move as it takes to be seen half-way. What has arrived stays, what has not is as before. */
async function cancelHalfWay(cluster: ChaosCluster, folder: string): Promise<object> {
  const before = await placement(cluster);
  const moving = before.slice(Math.floor(before.length / 2));
  const plan = moving.map(({ partition, replicas }) => ({
    topic: TOPIC,
    partition,
    replicas: [ADDED, ...replicas.slice(1)],
  }));
  const file = join(folder, "plan-cancelled.json");
  writeFileSync(file, planText(plan));
  // All of it would take half a minute; after a sixth it all but stops, so that there is something left when the cancellation comes.
  const rate = Math.max(Math.floor((options.mebibytes * MEBIBYTE) / 64), 65_536);
  await tidemark(cluster, ["partitions", "reassign", "--plan", file, "--throttle", String(rate), "--yes"]);
  const had = await bytesOn(cluster, ADDED);
  await cluster.until("a sixth of it to be copied", LIMIT_MS, async () => {
    if ((await running(cluster)).length === 0) throw new Error("it ended before it could be cancelled");
    const copied = (await bytesOn(cluster, ADDED)) - had;
    return copied > (options.mebibytes * MEBIBYTE) / 12 ? null : `${copied} bytes are`;
  });
  for (const id of [1, 2, 3, ADDED]) {
    const set = { "leader.replication.throttled.rate": "1", "follower.replication.throttled.rate": "1" };
    await cluster.client.admin.configs.alter({ type: "broker", id }, { set }, { timeout: 120_000 });
  }
  const cancelled = new Set((await running(cluster)).map(({ partition }) => partition));
  if (cancelled.size === 0) throw new Error("it ended before it could be cancelled");
  await tidemark(cluster, ["partitions", "reassignments", "--cancel", "--yes"]);
  requireSame((await running(cluster)).length, 0, "moves behind the cancellation");
  const now = await placement(cluster);
  let taken = 0;
  for (const { partition, replicas } of plan) {
    const was = before[partition]?.replicas ?? [];
    const is = now[partition]?.replicas ?? [];
    const isBack = sorted(is) === sorted(was);
    if (isBack) taken += 1;
    else requireSame(sorted(is), sorted(replicas), `partition ${partition} behind the cancellation`);
    if (isBack && !cancelled.has(partition)) throw new Error(`partition ${partition} had arrived, and went back`);
  }
  if (taken === 0) throw new Error("nothing was left to cancel");
  await requireNoThrottle(cluster);
  return { begun: plan.length, takenBack: taken };
}

async function drain(cluster: ChaosCluster): Promise<object> {
  const had = (await placement(cluster)).filter(({ replicas }) => replicas.includes(REMOVED)).length;
  await tidemark(cluster, ["cluster", "drain", String(REMOVED), "--throttle", options.throttle, "--wait", "--yes"]);
  for (const { partition, replicas } of await placement(cluster)) {
    if (replicas.includes(REMOVED)) throw new Error(`partition ${partition} is still on broker ${REMOVED}`);
    requireSame(replicas.length, 3, `replicas of partition ${partition}`);
  }
  await requireNoThrottle(cluster);
  return { moved: had };
}

/** In the order in which `cluster remove` asks for it. */
async function remove(cluster: ChaosCluster): Promise<object> {
  const refused = await run(["cluster", "remove", String(REMOVED), "--yes", "-b", cluster.bootstrap.join()]);
  requireSame(refused.code, 4, "the exit code of removing a broker that votes and runs");
  await tidemark(cluster, ["raft", "add-voter", String(ADDED)]);
  await tidemark(cluster, ["raft", "remove-voter", String(REMOVED)]);
  const code = await cluster.broker(REMOVED).terminate();
  requireSame(code, 143, "the exit code of SIGTERM");
  await cluster.until(`broker ${REMOVED} to be fenced`, LIMIT_MS, async () => {
    const { brokers } = await cluster.client.admin.cluster({ timeout: 120_000 });
    return brokers.some(({ id, alive }) => id === REMOVED && alive) ? "it counts as alive" : null;
  });
  await tidemark(cluster, ["cluster", "remove", String(REMOVED), "--yes"]);
  const { brokers } = await cluster.client.admin.cluster({ timeout: 120_000 });
  requireSame(sorted(brokers.map(({ id }) => id)), "2,3,4", "the brokers that are left");
  const { nodes } = await cluster.client.admin.raft.status({ timeout: 120_000 });
  requireSame(sorted(nodes.filter(({ voter }) => voter).map(({ id }) => id)), "2,3,4", "the voters");
  return {};
}

/** Drain, stop, compare, start, drain again. */
async function finish(cluster: ChaosCluster, workload: Workload, onTrouble: (message: string) => void): Promise<void> {
  try {
    await workload.stopProducing();
    await cluster.untilInSync([TOPIC], LIMIT_MS);
    await workload.drain();
    await workload.stopReading();
    const placed = await placement(cluster);
    const left = cluster.brokers.filter(({ nodeId }) => nodeId !== REMOVED);
    const codes = await Promise.all(left.map((broker) => broker.terminate()));
    if (codes.some((code) => code !== 143)) onTrouble(`SIGTERM of all ended with ${codes.join(", ")}, not 143`);
    const directoriesOf = (partition: number): string[] =>
      (placed[partition]?.replicas ?? []).map((id) => cluster.dataDirectory(id));
    const compared = compareReplicas(directoriesOf, TOPIC, options.partitions);
    const { replicas, batches, differences } = compared;
    const strays = straysOf(cluster, placed);
    print({ event: "compared", replicas, batches, differences: differences.length, strays: strays.length });
    for (const difference of [...differences, ...strays].slice(0, 20)) onTrouble(difference);
    await cluster.start(left.map(({ nodeId }) => nodeId));
    await cluster.untilInSync([TOPIC], LIMIT_MS);
    await workload.drain();
  } catch (error: unknown) {
    onTrouble(`at the end: ${String(error)}`);
  }
}

/** Directories of replicas that are none any more: what left a broker is deleted there. */
function straysOf(cluster: ChaosCluster, placed: readonly Placed[]): string[] {
  return cluster.brokers.flatMap(({ nodeId }) =>
    readdirSync(cluster.dataDirectory(nodeId)).flatMap((name) => {
      const [, number = ""] = /^moves-(\d+)$/.exec(name) ?? [];
      return number === "" || placed[Number(number)]?.replicas.includes(nodeId) === true
        ? []
        : [`broker ${nodeId} still has ${name}`];
    }),
  );
}

// ---- what is seen from outside

interface Placed {
  readonly partition: number;
  readonly replicas: readonly number[];
}

async function placement(cluster: ChaosCluster): Promise<Placed[]> {
  const { detail } = await cluster.describe(TOPIC);
  return detail.map(({ partition, replicas }) => ({ partition, replicas })).sort((a, b) => a.partition - b.partition);
}

async function running(cluster: ChaosCluster): Promise<{ readonly partition: number }[]> {
  const rows: { partition: number }[] = [];
  for await (const { partition } of cluster.client.admin.partitions.reassignments({ timeout: 120_000 }))
    rows.push({ partition });
  return rows;
}

async function bytesOn(cluster: ChaosCluster, broker: number): Promise<number> {
  let sum = 0;
  for await (const { topic, bytes } of cluster.client.admin.logs.dirs({ broker, timeout: 120_000 }))
    if (topic === TOPIC) sum += bytes;
  return sum;
}

async function requireNoThrottle(cluster: ChaosCluster): Promise<void> {
  for (const { nodeId, isRunning } of cluster.brokers) {
    if (!isRunning) continue;
    const entries = await cluster.client.admin.configs.get({ type: "broker", id: nodeId }, { timeout: 120_000 });
    const left = entries.filter(({ name, source }) => name.includes("throttled") && source !== "default");
    requireSame(left.length, 0, `throttles of broker ${nodeId}`);
  }
}

async function tidemark(cluster: ChaosCluster, args: readonly string[]): Promise<void> {
  const { code, stderr } = await run([...args, "-b", cluster.bootstrap.join()]);
  if (code !== 0) throw new Error(`tidemark ${args.join(" ")} ended with ${code}: ${stderr}`);
}

/** From a producer's hand to its acknowledgement, fillers aside. */
function slowestOf({ history }: Workload): number {
  let slowest = 0;
  for (const { sends } of history.partitions) {
    for (let row = fillersCount(); row < sends.value.length; row++) {
      const tookMs = sends.endedAt.at(row) - sends.startedAt.at(row);
      // One without an answer is told of elsewhere.
      if (tookMs > slowest) slowest = tookMs;
    }
  }
  return slowest;
}

function fillersCount(): number {
  return Math.ceil((options.mebibytes * MEBIBYTE) / options.partitions / 65_536);
}

function rotated(ids: readonly number[], by: number): number[] {
  return ids.map((_, slot) => ids[(slot + by) % ids.length] ?? -1);
}

function sorted(ids: readonly number[]): string {
  return ids.toSorted((a, b) => a - b).join();
}

function requireSame(is: unknown, expected: unknown, what: string): void {
  if (JSON.stringify(is) !== JSON.stringify(expected))
    throw new Error(`${what}: ${JSON.stringify(is)}, and not ${JSON.stringify(expected)}`);
}

function print(fields: Readonly<Record<string, unknown>>): void {
  printEvent(fields, options);
}

function parsedArguments() {
  return parseArgs({
    options: {
      partitions: { type: "string", default: "300" },
      mebibytes: { type: "string", default: "150" },
      throttle: { type: "string", default: "20MB/s" },
      "pause-max": { type: "string", default: "2000" },
      "records-per-second": { type: "string", default: "600" },
      json: { type: "boolean", default: false },
      keep: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  }).values;
}

/** Ends the process: 0 behind --help, 2 behind what cannot be meant. */
function readOptions(): ReturnType<typeof optionsOf> {
  try {
    const values = parsedArguments();
    if (!values.help) return optionsOf(values);
    process.stdout.write(`${USAGE}\n`);
  } catch (error: unknown) {
    process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n${USAGE}\n`);
    process.exit(2);
  }
  process.exit(0);
}

function optionsOf(values: ReturnType<typeof parsedArguments>) {
  const [partitions, mebibytes] = [Number(values.partitions), Number(values.mebibytes)];
  const [recordsPerSecond, pauseMaxMs] = [Number(values["records-per-second"]), Number(values["pause-max"])];
  if (!(partitions >= 4 && mebibytes > 0 && recordsPerSecond > 0 && pauseMaxMs > 0))
    throw new RangeError(
      "--partitions (from 4), --mebibytes, --records-per-second and --pause-max are numbers above 0",
    );
  parseThrottle(values.throttle);
  const { throttle, json, keep } = values;
  return { partitions, mebibytes, throttle, pauseMaxMs, recordsPerSecond, isJson: json, isKept: keep };
}
